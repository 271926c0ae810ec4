//! What watches the control plane: the board of the console, the record, the metrics and the log.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use havre_console::{Board, Counter, Measures, Snapshot, System};
use havre_model::{
    AgentId, AgentState, CallEvent, CallId, Digit, Mono, Mos, Now, Outcome, Quality, TrunkHealth, TrunkId,
    What,
};
use havre_node::media::MediaThreads;
use havre_node::{Observer, TlsCounters};
use havre_store::Records;
use havre_switch::{QualityReport, Switch};
use havre_tls::Tls;
use tokio::sync::watch;
use tracing::{Span, info, info_span, warn};

use crate::logging::Lost;

/// How often counters are gathered.
const MEASURE_EVERY: Duration = Duration::from_millis(200);

/// What the API reads, and the control thread writes.
pub(crate) struct Published {
    snapshot: watch::Sender<Arc<Snapshot>>,
    measures: Mutex<Measures>,
}

impl Published {
    pub(crate) fn new(first: Snapshot) -> Arc<Self> {
        Arc::new(Self {
            snapshot: watch::Sender::new(Arc::new(first)),
            measures: Mutex::new(Measures { store_up: true, ..Measures::default() }),
        })
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.borrow())
    }

    pub(crate) fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshot.subscribe()
    }

    fn set_measures(&self, measures: &Measures) {
        self.measures.lock().unwrap_or_else(PoisonError::into_inner).clone_from(measures);
    }

    pub(crate) fn measures(&self) -> Measures {
        self.measures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The watcher of one node.
pub(crate) struct Watcher {
    board: Board,
    published: Arc<Published>,
    records: Records,
    spans: HashMap<CallId, Span>,
    measures: Measures,
    refused: HashMap<(TrunkId, &'static str), u64>,
    trunks: Vec<TrunkId>,
    changed: bool,
    /// The calls of which something was told since the last tick.
    touched: Vec<CallId>,
    /// The bindings as the board has them.
    bindings: Option<u64>,
    /// When counters were gathered last.
    measured: Option<Mono>,
    tls_counters: Arc<TlsCounters>,
    tls: Tls,
    lost: Lost,
}

impl Watcher {
    pub(crate) fn new(
        board: Board,
        published: Arc<Published>,
        records: Records,
        trunks: Vec<TrunkId>,
        tls_counters: Arc<TlsCounters>,
        tls: Tls,
        lost: Lost,
    ) -> Self {
        let measures = Measures { store_up: true, ..Measures::default() };
        Self {
            board,
            published,
            records,
            spans: HashMap::new(),
            measures,
            refused: HashMap::new(),
            trunks,
            changed: true,
            touched: Vec::new(),
            bindings: None,
            measured: None,
            tls_counters,
            tls,
            lost,
        }
    }

    fn log(&mut self, event: &CallEvent) {
        if matches!(event.what, What::Arrived { .. }) {
            self.spans.insert(event.call, info_span!("call", id = %event.call));
        }
        // Offers of a caller who left end after the call.
        let span =
            self.spans.get(&event.call).cloned().unwrap_or_else(|| info_span!("call", id = %event.call));
        let what = event.what.as_str();
        span.in_scope(|| match &event.what {
            What::Arrived { line, trunk } => info!(%line, %trunk, "{what}"),
            What::Joined { language, risk } | What::Rejoined { language, risk } => {
                info!(%language, %risk, "{what}");
            }
            What::Language(language) => info!(%language, "{what}"),
            What::Risk(risk) => info!(%risk, "{what}"),
            What::Mode(mode) => {
                info!(silent = mode.silent, discreet = mode.discreet, sound = mode.sound.as_str(), "{what}");
            }
            What::Offered { agent, kind, .. } => info!(%agent, kind = kind.as_str(), "{what}"),
            What::Withdrawn { agent, why, .. } => info!(%agent, why = why.as_str(), "{what}"),
            What::Answered { agent, waited } => info!(%agent, waited_ms = waited.as_millis(), "{what}"),
            What::AgentLost { agent } | What::AgentAway { agent } => warn!(%agent, "{what}"),
            What::AgentBack { agent } | What::AgentMoved { agent } => info!(%agent, "{what}"),
            What::CallerMedia { flowing } => info!(flowing, "{what}"),
            What::Tty => info!("{what}"),
            What::Alerted | What::Paged => warn!("{what}"),
            What::OneWay { side, way, flowing: false } => {
                warn!(side = side.as_str(), way = way.as_str(), flowing = false, "{what}");
            }
            What::OneWay { side, way, flowing } => {
                info!(side = side.as_str(), way = way.as_str(), flowing, "{what}");
            }
            What::Quality { side, quality } => {
                let Quality { codec, received, lost, .. } = *quality;
                let mos = quality.mos.map(Mos::score);
                info!(side = side.as_str(), codec, received, lost, mos, "{what}");
            }
            What::Ended { outcome: Outcome::Lost, cause } => warn!(outcome = "lost", %cause, "{what}"),
            What::Ended { outcome, cause } => info!(outcome = outcome.as_str(), %cause, "{what}"),
            // Which key was pressed in a talk is between the caller and the advocate.
            What::Picked | What::Key(_) => tracing::debug!("{what}"),
        });
        if matches!(event.what, What::Ended { .. }) {
            self.spans.remove(&event.call);
        }
    }
}

impl Observer for Watcher {
    fn on_call(&mut self, event: &CallEvent, _now: Now) {
        self.board.on_call(event);
        self.records.write(event.clone());
        self.log(event);
        self.touched.push(event.call);
        self.changed = true;
    }

    fn on_agent(&mut self, agent: &AgentId, state: AgentState, now: Now) {
        info!(%agent, state = state.as_str(), "advocate");
        self.board.on_agent(agent, state, now);
        self.changed = true;
    }

    fn on_key(&mut self, call: CallId, _agent: &AgentId, digit: Digit, now: Now) {
        self.board.on_key(call, digit, now.unix);
    }

    fn on_went(&mut self, from: &str, key: Option<Digit>, now: Now) {
        self.board.on_went(from, key, now.unix);
        self.changed = true;
    }

    fn on_degraded(&mut self, degraded: bool, now: Now) {
        if degraded {
            warn!(
                "the store does not answer: this node goes on with the callers and advocates that it holds itself"
            );
        } else {
            info!("the store answers: state is rebuilt from what is true");
        }
        self.measures.store_up = !degraded;
        // Readiness says so at once, not at the next tick.
        self.published.set_measures(&self.measures);
        self.board.on_system(if degraded { System::StoreDown } else { System::StoreUp }, now.unix);
        self.changed = true;
    }

    fn on_refused(&mut self, status: u16, why: &'static str, trunk: Option<&TrunkId>) {
        match trunk {
            Some(trunk) => {
                warn!(status, why, %trunk, "call refused");
                *self.refused.entry((trunk.clone(), why)).or_default() += 1;
            }
            // Strangers are counted by the endpoint; a scanner must not fill the log.
            None => tracing::debug!(status, why, "stranger refused"),
        }
    }

    fn on_guessing(&mut self, source: IpAddr, failures: u32) {
        warn!(%source, failures, "somebody guesses passwords of SIP accounts, and is slowed down");
    }

    fn on_quality(&mut self, report: &QualityReport) {
        let QualityReport { party, quality, received, lost, last } = report;
        let rtp = &mut self.measures.rtp;
        rtp.received += received;
        rtp.lost += lost;
        rtp.jitter.observe(quality.jitter.as_secs_f64());
        if let Some(round_trip) = quality.round_trip {
            rtp.round_trip.observe(round_trip.as_secs_f64());
        }
        let Some((call, side)) = *party else { return };
        match quality.mos {
            Some(mos) if *last => rtp.mos[side as usize].observe(mos.score()),
            _ => {}
        }
        if !last {
            self.board.on_quality(call, side, quality);
        }
    }

    fn on_trunk(&mut self, trunk: &TrunkId, health: TrunkHealth, now: Now) {
        let state = health.as_str();
        match health {
            TrunkHealth::Down(why) => warn!(%trunk, state, why = why.as_str(), "trunk"),
            TrunkHealth::Unknown | TrunkHealth::Up => info!(%trunk, state, "trunk"),
        }
        self.board.on_trunk(trunk, health, now.unix);
        self.changed = true;
    }

    fn on_transport_error(&mut self, transport: &'static str) {
        match self.measures.transport_errors.iter_mut().find(|(name, _)| *name == transport) {
            Some((_, count)) => *count += 1,
            None => self.measures.transport_errors.push((transport, 1)),
        }
    }

    fn on_drain(&mut self, now: Now) {
        self.board.on_system(System::Draining, now.unix);
        self.changed = true;
    }

    fn on_reload(&mut self, switch: &Switch, now: Now) {
        let agents: Vec<_> = switch.queue().agents().map(|view| view.profile.clone()).collect();
        self.board.on_agents(&agents, now);
        self.board.on_trunks(switch.sip().trunks(), now.unix);
        self.board.on_system(System::Reloaded { dialplan: switch.plan().hash().to_owned() }, now.unix);
        self.changed = true;
    }

    fn on_reload_refused(&mut self, now: Now) {
        self.board.on_system(System::ReloadRefused, now.unix);
        self.changed = true;
    }

    fn on_tick(&mut self, switch: &Switch, media: &MediaThreads, now: Now) {
        let measures = self.measured.is_none_or(|at| now.mono.since(at) >= MEASURE_EVERY);
        if self.changed || measures {
            self.changed = false;
            self.board.on_certificate(crate::tls::trouble(&self.tls, now.unix), now.unix);
            if self.bindings.replace(switch.sip().bindings_revision()) != self.bindings {
                let there = switch.sip().bindings().filter(|(_, binding)| binding.is_there());
                let phones = there.map(|(agent, binding)| (agent, binding.path.transport.is_web()));
                self.board.on_phones(phones, now.unix);
            }
            // Nobody tells of these. Looking through all of them is left for when counters are gathered.
            if measures {
                let unheard = switch.queue().agents().filter(|view| view.unheard);
                self.board.on_unheard(unheard.map(|view| &view.profile.id));
                for call in switch.calls() {
                    self.touched.push(call.id());
                }
            }
            for call in self.touched.drain(..).filter_map(|id| switch.call(id)) {
                self.board.on_marks(call.id(), call.redials(), call.is_held());
            }
            self.published.snapshot.send_replace(Arc::new(self.board.snapshot(now)));
        }
        if measures {
            self.measured = Some(now.mono);
            self.measures.counters = gather(switch, media, &self.records, &self.tls_counters, &self.lost);
            self.measures.traffic = switch.sip().traffic().collect();
            self.measures.trunk_errors = self
                .trunks
                .iter()
                .map(|trunk| (trunk.clone(), "any", 0))
                .chain(self.refused.iter().map(|((trunk, why), count)| (trunk.clone(), *why, *count)))
                .collect();
            self.published.set_measures(&self.measures);
        }
    }
}

fn gather(
    switch: &Switch,
    media: &MediaThreads,
    records: &Records,
    tls: &TlsCounters,
    lost: &Lost,
) -> Vec<Counter> {
    let named = |component: &'static str| {
        move |(name, value): (&'static str, u64)| Counter { component, name, value }
    };
    switch
        .sip()
        .counters()
        .iter()
        .map(named("sip"))
        .chain(switch.queue().counters().iter().map(named("queue")))
        .chain(switch.counters().iter().map(named("switch")))
        .chain(media.counters().into_iter().map(named("media")))
        .chain(records.counters().iter().map(named("record")))
        .chain(tls.iter().map(named("tls")))
        .chain([("lines_lost", lost.lines())].map(named("log")))
        .collect()
}
