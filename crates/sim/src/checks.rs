//! What holds in every world after every step.
//!
//! Two views are compared with each other: what the switch *is* (its calls, its queue, the bridges of its data plane)
//! and what it *said* (the events of the record), which are followed here with rules taken from the journey alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use havre_call::Stage;
use havre_model::{
    AgentId, AgentProfile, AgentState, CallEvent, CallId, Language, LegId, Mono, Now, OfferId, OfferKind,
    Outcome, Risk, Role, Spoken, Unix, What,
};
use havre_queue::{ACK_WITHIN, Place};
use havre_switch::Switch;

use crate::plane::Plane;
use crate::world::Inner;

/// INVITE to queue (the journey's rule 2).
const JOINED_BY: Duration = Duration::from_secs(20);
/// A ready advocate may be left in peace beside a waiting caller for so long: a breath between two ringings, and a
/// claim that gets no answer.
const IDLE_BESIDE_A_CALLER: Duration = Duration::from_secs(6);

macro_rules! ensure {
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err(format!($($what)+));
        }
    };
}

/// Calls so far: `offered = answered + abandoned + lost + in progress`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// INVITEs taken.
    pub offered: u64,
    /// An advocate talked with the caller.
    pub answered: u64,
    /// The caller left before.
    pub abandoned: u64,
    /// We failed the caller.
    pub lost: u64,
}

/// What is known of a call by its events alone.
#[derive(Clone, Debug)]
struct Followed {
    language: Language,
    risk: Risk,
    place: Told,
    /// First joining.
    arrival: Option<Unix>,
    /// Last joining.
    joined: Mono,
    /// T = 0 of the widening.
    origin: Mono,
    offers: BTreeMap<OfferId, AgentId>,
    /// When the last offer ended.
    unserved_since: Mono,
}

/// Where a caller is, as told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Walk,
    Queue,
    Talking(AgentId),
}

/// Everything that is followed.
pub(crate) struct Checks {
    agents: BTreeMap<AgentId, AgentProfile>,
    calls: BTreeMap<CallId, Followed>,
    /// The state before the present offer.
    states: BTreeMap<AgentId, AgentState>,
    /// When somebody was last seen with a line at their phone: a feature code keeps it from ringing.
    on_the_phone: BTreeMap<AgentId, Mono>,
    /// Whom another node has, and until when.
    elsewhere: BTreeMap<AgentId, Mono>,
    /// Who is ready, and was last told so.
    ready: BTreeMap<AgentId, Mono>,
    tally: Tally,
    /// Offers of calls that are over: their ends are told after it.
    ending: BTreeMap<OfferId, AgentId>,
}

impl Checks {
    pub(crate) fn new(agents: &[AgentProfile]) -> Self {
        let mut this = Self {
            agents: BTreeMap::new(),
            calls: BTreeMap::new(),
            states: BTreeMap::new(),
            on_the_phone: BTreeMap::new(),
            elsewhere: BTreeMap::new(),
            ready: BTreeMap::new(),
            tally: Tally::default(),
            ending: BTreeMap::new(),
        };
        this.set_agents(agents);
        this
    }

    pub(crate) fn set_agents(&mut self, agents: &[AgentProfile]) {
        self.agents = agents.iter().map(|agent| (agent.id.clone(), agent.clone())).collect();
    }

    pub(crate) const fn tally(&self) -> Tally {
        self.tally
    }

    /// Whom a caller talks with, as told.
    pub(crate) fn talks_with(&self, call: CallId) -> Option<&AgentId> {
        match &self.calls.get(&call)?.place {
            Told::Talking(agent) => Some(agent),
            Told::Walk | Told::Queue => None,
        }
    }

    pub(crate) fn is_on_the_phone(&mut self, agent: &str, now: Mono) {
        if let Some((_, since)) = self.on_the_phone.iter_mut().find(|(id, _)| id.as_str() == agent) {
            *since = now;
        } else if let Some(id) = self.agents.keys().find(|id| id.as_str() == agent) {
            self.on_the_phone.insert(id.clone(), now);
        }
    }

    pub(crate) fn is_elsewhere(&mut self, agent: AgentId, until: Mono) {
        self.elsewhere.insert(agent, until);
    }

    pub(crate) fn on_agent(&mut self, agent: &AgentId, state: AgentState, now: Mono) {
        match state {
            AgentState::Ready { .. } => self.ready.insert(agent.clone(), now),
            _ => self.ready.remove(agent),
        };
        if !matches!(state, AgentState::Offered { .. }) {
            self.states.insert(agent.clone(), state);
        }
    }

    /// Follows an event, and says which rule it breaks.
    pub(crate) fn on_event(&mut self, event: &CallEvent, now: Now) -> Result<(), String> {
        let CallEvent { call, what, .. } = event;
        if let What::Arrived { .. } = what {
            self.tally.offered += 1;
            let followed = Followed {
                language: Language::Unknown,
                risk: Risk::Standard,
                place: Told::Walk,
                arrival: None,
                joined: now.mono,
                origin: now.mono,
                offers: BTreeMap::new(),
                unserved_since: now.mono,
            };
            ensure!(self.calls.insert(*call, followed).is_none(), "{call} arrives twice");
            return Ok(());
        }
        if let What::Ended { outcome, .. } = what {
            match outcome {
                Outcome::Answered => self.tally.answered += 1,
                Outcome::Abandoned => self.tally.abandoned += 1,
                Outcome::Lost => self.tally.lost += 1,
            }
            let Some(ended) = self.calls.remove(call) else {
                return Err(format!("{call} ends and never was"));
            };
            self.ending.extend(ended.offers);
            return Ok(());
        }
        if let What::Withdrawn { offer, agent, .. } = what
            && self.ending.remove(offer).as_ref() == Some(agent)
        {
            return Ok(());
        }
        if let What::Offered { agent, kind, .. } = what {
            self.may_be_offered(*call, agent, *kind, now)?;
        }
        let Some(followed) = self.calls.get_mut(call) else {
            return Err(format!("{call} has no life: {what:?}"));
        };
        followed.follow(what, *call, event.at, now)
    }

    /// One offer for each advocate, to callers in order, in a language that will do.
    fn may_be_offered(&self, call: CallId, agent: &AgentId, kind: OfferKind, now: Now) -> Result<(), String> {
        for (other, followed) in &self.calls {
            let rings = followed.offers.values().any(|rung| rung == agent);
            ensure!(!rings, "{agent} is offered {call} and {other}");
            let talks = followed.place == Told::Talking(agent.clone());
            ensure!(!talks, "{agent} is offered {call} and talks with {other}");
        }
        let (Some(followed), Some(profile)) = (self.calls.get(&call), self.agents.get(agent)) else {
            return Err(format!("{call} is offered to {agent}: one of them is unknown"));
        };
        ensure!(
            followed.may_take(profile, kind, now.mono),
            "{agent} ({kind:?}) may not take {call}: {followed:?}"
        );
        let was_ready = matches!(self.states.get(agent), Some(AgentState::Ready { .. }));
        // Whom another node had is asked for again caller by caller.
        if !was_ready || self.elsewhere.contains_key(agent) || !profile.roles.contains(Role::Advocate) {
            return Ok(());
        }
        for (other, earlier) in self.calls.iter().filter(|(other, _)| **other != call) {
            let before = earlier.place == Told::Queue && (earlier.score(), *other) < (followed.score(), call);
            // A claim may be on its way for so long: who joined meanwhile is not passed over.
            let unserved = earlier.offers.is_empty() && earlier.unserved_since + ACK_WITHIN < now.mono;
            let fits = speaks(profile, earlier.language);
            ensure!(
                !(before && unserved && fits),
                "{agent} is offered {call} before {other}: {followed:?} {earlier:?}"
            );
        }
        Ok(())
    }

    /// Nobody waits beside an advocate who is ready and speaks the language.
    fn is_looked_after(&self, call: CallId, followed: &Followed, now: Mono) -> Result<(), String> {
        if !followed.offers.is_empty() {
            return Ok(());
        }
        for (agent, ready_since) in &self.ready {
            let Some(profile) = self.agents.get(agent) else { continue };
            let fits = profile.roles.contains(Role::Advocate) && speaks(profile, followed.language);
            let free_since = [&self.elsewhere, &self.on_the_phone].map(|since| since.get(agent).copied());
            let free_since = free_since.into_iter().flatten().fold(*ready_since, Mono::max);
            let beside = now.since(followed.unserved_since.max(free_since));
            ensure!(
                !fits || beside < IDLE_BESIDE_A_CALLER,
                "{agent} is ready and {call} waits, for {beside:?}"
            );
        }
        Ok(())
    }

    /// Looks at the switch as it is.
    pub(crate) fn look(&self, switch: &Switch, plane: &Plane, now: Now) -> Result<(), String> {
        switch.queue().audit()?;
        let queue: BTreeMap<CallId, _> = switch.queue().callers().map(|view| (view.call, view)).collect();
        let mut talks: BTreeMap<LegId, CallId> = BTreeMap::new();
        let mut with: BTreeSet<&AgentId> = BTreeSet::new();
        let mut in_line = 0;
        let mut calls = 0;
        for call in switch.calls() {
            calls += 1;
            let id = call.id();
            let Some(followed) = self.calls.get(&id) else { return Err(format!("{id} is in no record")) };
            let place = queue.get(&id).map(|view| &view.place);
            let told = match (call.stage(), place) {
                (Stage::Waiting { .. }, Some(Place::Waiting { .. })) => Told::Queue,
                (Stage::Talking(talk), Some(Place::Talking { agent })) if talk.agent == *agent => {
                    ensure!(with.insert(&talk.agent), "{agent} talks with two callers");
                    talks.extend(talk.leg().map(|leg| (leg, id)));
                    Told::Talking(agent.clone())
                }
                (Stage::Arriving { .. } | Stage::Picking | Stage::Picked { .. } | Stage::Greeting, None) => {
                    Told::Walk
                }
                (stage, place) => return Err(format!("{id} is {stage:?} here and {place:?} in the queue")),
            };
            in_line += usize::from(told != Told::Walk);
            match told {
                Told::Walk => {
                    let walks = now.mono.since(followed.joined);
                    ensure!(walks <= JOINED_BY, "{id} is in no queue after {walks:?}");
                }
                Told::Queue => self.is_looked_after(id, followed, now.mono)?,
                Told::Talking(_) => {}
            }
            ensure!(followed.place == told, "{id} is {told:?}, and {:?} by its record", followed.place);
            ensure!(call.language() == followed.language || told == Told::Walk, "{id} lost its language");
            ensure!(call.risk() == followed.risk || told == Told::Walk, "{id} changed its class unsaid");
            if let Some(view) = queue.get(&id) {
                ensure!(view.language == followed.language, "{id} is queued as {}", view.language);
                ensure!(view.risk == followed.risk, "{id} is queued as {}", view.risk);
                ensure!(Some(view.arrival) == followed.arrival, "{id} lost its arrival");
            }
        }
        ensure!(self.ending.is_empty(), "offers outlive their calls: {:?}", self.ending);
        ensure!(queue.len() == in_line, "{} in the queue, {in_line} calls there", queue.len());
        let Tally { offered, answered, abandoned, lost } = self.tally;
        ensure!(offered == answered + abandoned + lost + calls, "{:?} and {calls} in progress", self.tally);
        ensure!(self.calls.len() as u64 == calls, "{} calls by the record, {calls} here", self.calls.len());
        bridged(&talks, plane, now)
    }
}

/// Every talk is bridged, and nobody else is.
fn bridged(talks: &BTreeMap<LegId, CallId>, plane: &Plane, now: Now) -> Result<(), String> {
    let bridges: BTreeMap<LegId, LegId> = plane.bridges().collect();
    for (agent, call) in talks {
        let Some(caller) = bridges.get(agent) else { return Err(format!("{call} hears nobody at {now:?}")) };
        ensure!(bridges.get(caller) == Some(agent), "{call} is bridged one way");
    }
    ensure!(bridges.len() == talks.len() * 2, "{} bridged legs for {} talks", bridges.len(), talks.len());
    Ok(())
}

impl Followed {
    fn follow(&mut self, what: &What, call: CallId, at: Unix, now: Now) -> Result<(), String> {
        match what {
            What::Joined { language, risk } => {
                ensure!(self.place == Told::Walk && self.arrival.is_none(), "{call} joins twice");
                (self.language, self.risk, self.arrival) = (*language, *risk, Some(at));
                self.queue(now.mono);
            }
            What::Rejoined { language, risk } => {
                ensure!(self.arrival.is_some(), "{call} joins again and never had");
                ensure!(*language == self.language, "{call} lost its language: {language}");
                ensure!(*risk == self.risk, "{call} is {risk} after joining again");
                self.queue(now.mono);
            }
            What::Language(language) => {
                let old = std::mem::replace(&mut self.language, *language);
                ensure!(old != *language, "{call} changes nothing: {language}");
                // Other advocates fit now; they are asked from now on.
                self.unserved_since = now.mono;
            }
            What::Risk(risk) => {
                let lowered = self.risk == Risk::Standard && *risk == Risk::Information;
                ensure!(*risk > self.risk || lowered, "{call} falls from {} to {risk}", self.risk);
                if *risk > self.risk {
                    self.origin = now.mono;
                }
                self.risk = *risk;
            }
            What::Offered { offer, agent, .. } => {
                ensure!(self.place == Told::Queue, "{call} is offered and does not wait");
                ensure!(self.offers.insert(*offer, agent.clone()).is_none(), "{offer} is made twice");
            }
            What::Withdrawn { offer, agent, .. } => {
                ensure!(self.offers.remove(offer).as_ref() == Some(agent), "{offer} ends and never was");
                self.unserved_since = now.mono;
            }
            What::Answered { agent, .. } => {
                ensure!(self.place == Told::Queue, "{call} is answered and does not wait");
                let answered = self.offers.iter().find(|(_, rung)| *rung == agent).map(|(offer, _)| *offer);
                let Some(offer) = answered else { return Err(format!("{agent} answers {call} unasked")) };
                self.offers.remove(&offer);
                self.place = Told::Talking(agent.clone());
            }
            What::AgentAway { agent } | What::AgentBack { agent } | What::AgentMoved { agent } => {
                ensure!(self.place == Told::Talking(agent.clone()), "{agent} was not with {call}");
            }
            What::AgentLost { agent } => {
                ensure!(
                    self.place == Told::Talking(agent.clone()),
                    "{call} loses {agent}, who was not there"
                );
            }
            What::Arrived { .. }
            | What::Picked
            | What::Mode(_)
            | What::Key(_)
            | What::CallerMedia { .. }
            | What::Tty
            | What::OneWay { .. }
            | What::Quality { .. }
            | What::Alerted
            | What::Paged
            | What::Ended { .. } => {}
        }
        Ok(())
    }

    fn queue(&mut self, now: Mono) {
        self.place = Told::Queue;
        (self.joined, self.origin, self.unserved_since) = (now, now, now);
        self.offers.clear();
    }

    /// `arrival − head start`.
    fn score(&self) -> i64 {
        self.arrival.map_or(i64::MAX, |at| at.as_millis() - self.risk.head_start_millis())
    }

    /// Whether this advocate may be rung for this caller by now, by the journey.
    fn may_take(&self, agent: &AgentProfile, kind: OfferKind, now: Mono) -> bool {
        let waited = now.since(self.joined);
        // The steps count from the last rise in class, and what was taken before it stays.
        let at = |usual: u64, urgent: u64| {
            let step = if self.risk == Risk::Urgent { urgent } else { usual };
            waited >= Duration::from_secs(step)
        };
        let language = speaks(agent, self.language)
            || (self.language == Language::Unknown && waited >= Duration::from_secs(10))
            || at(45, 15);
        let supervisor = !agent.roles.contains(Role::Advocate);
        let allowed = !supervisor || self.risk == Risk::Urgent || at(90, 90);
        let rings_all = kind != OfferKind::RingAll || at(20, 5);
        language && allowed && rings_all
    }
}

/// Whether they speak with each other without an interpreter that was not asked for.
fn speaks(agent: &AgentProfile, language: Language) -> bool {
    match language {
        Language::En => agent.languages.contains(Spoken::En),
        Language::Fr => agent.languages.contains(Spoken::Fr),
        Language::Unknown => agent.languages.is_bilingual(),
        Language::Other => true,
    }
}

/// Nothing is left of any call.
pub(crate) fn quiet(inner: &Inner) -> Result<(), String> {
    let Inner { switch, plane, redis, stations, now, .. } = inner;
    ensure!(switch.calls().count() == 0, "{} calls go on", switch.calls().count());
    ensure!(switch.legs() == 0, "{} legs are left in the switch", switch.legs());
    ensure!(switch.offers() == 0, "{} offers are left in the switch", switch.offers());
    ensure!(switch.sip().legs() == 0, "{} legs are left in SIP", switch.sip().legs());
    ensure!(plane.open_legs() == 0, "{} legs are left in the data plane", plane.open_legs());
    ensure!(switch.queue().callers().count() == 0, "callers are left in the queue");
    if redis.is_up() {
        let leftovers = redis.leftovers(now.mono);
        ensure!(leftovers == (0, 0, 0), "(callers, agents, talks) left in Redis: {leftovers:?}");
    }
    for station in stations.values().filter(|station| station.life == crate::station::Life::Well) {
        let legs = station.phone.legs().count();
        ensure!(legs == 0, "{} still has {legs} legs", station.name);
        ensure!(station.audio.is_empty(), "{} still has ports", station.name);
    }
    Ok(())
}
