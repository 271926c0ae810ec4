//! The Prometheus text format (version 0.0.4) over the snapshot, other crates' counters and the console's own.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::time::Duration;

use havre_model::{Kind, Language, Outcome, Risk, Side, Traffic, TrunkHealth, TrunkId, Unix, Way};

use crate::access::OidcError;
use crate::board::{AlarmKind, Snapshot, Stage};
use crate::line::Readiness;
use crate::words::AGENT_STATES;

/// What is known of each outbound trunk, and since when.
type Trunks = BTreeMap<TrunkId, (TrunkHealth, Unix)>;

/// Other crates' counters, as the binary collects them.
#[derive(Clone, Debug, Default)]
pub struct Measures {
    /// Each machine's own counters.
    pub counters: Vec<Counter>,
    /// Calls and messages refused or failed, by trunk and reason. Trunks without errors are listed with 0.
    pub trunk_errors: Vec<(TrunkId, &'static str, u64)>,
    /// Failures to send or receive, by transport.
    pub transport_errors: Vec<(&'static str, u64)>,
    /// SIP messages by direction, transport and kind.
    pub traffic: Vec<Traffic>,
    /// Media as received.
    pub rtp: Rtp,
    /// Whether the shared store answers.
    pub store_up: bool,
    /// When the TLS certificate ends, in seconds of Unix time; `None` without one.
    pub certificate_ends: Option<i64>,
}

/// One machine's counter.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    /// `sip`, `media`, `queue`, …
    pub component: &'static str,
    /// What is counted.
    pub name: &'static str,
    /// How often it happened.
    pub value: u64,
}

/// Media as received.
#[derive(Clone, Debug)]
pub struct Rtp {
    /// Packets that arrived.
    pub received: u64,
    /// Packets that did not.
    pub lost: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1), in seconds, one observation for each quality report.
    pub jitter: Histogram,
    /// Round trip time, in seconds, likewise.
    pub round_trip: Histogram,
    /// Estimated mean opinion score of whole legs, by [`Side`], one observation at the end of each.
    pub mos: [Histogram; 2],
}

impl Default for Rtp {
    fn default() -> Self {
        // Up to 20 ms nobody hears anything; a jitter buffer of ours reaches 200 ms.
        const JITTER: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32];
        // A conversation feels slow from 300 ms (ITU-T G.114: 150 ms one way).
        const ROUND_TRIP: &[f64] = &[0.01, 0.02, 0.05, 0.1, 0.15, 0.3, 0.6, 1.0];
        // G.107 annex B: below 4.03 some are dissatisfied, below 3.6 many, below 2.58 nearly all.
        const MOS: &[f64] = &[1.5, 2.0, 2.58, 3.1, 3.6, 4.03, 4.34, 4.5];
        Self {
            received: 0,
            lost: 0,
            jitter: Histogram::new(JITTER),
            round_trip: Histogram::new(ROUND_TRIP),
            mos: std::array::from_fn(|_| Histogram::new(MOS)),
        }
    }
}

/// Counts of observations up to each bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    bounds: &'static [f64],
    counts: Vec<u64>,
    count: u64,
    sum: f64,
}

impl Histogram {
    /// `bounds` rise.
    #[must_use]
    pub fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len()], count: 0, sum: 0.0 }
    }

    /// Counts `value`; one that is no number is dropped.
    pub fn observe(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        if let Some(slot) = self.bounds.iter().position(|bound| value <= *bound) {
            self.counts[slot] += 1;
        }
        self.count += 1;
        self.sum += value;
    }

    /// Observations so far.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn mean(&self) -> Option<f64> {
        let count = u32::try_from(self.count).ok().filter(|count| *count > 0)?;
        Some((self.sum / f64::from(count)).max(0.0))
    }
}

/// What the console counts itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Own {
    pub(crate) requests: [u64; 5],
    pub(crate) unauthorized: u64,
    pub(crate) forbidden: u64,
    pub(crate) sessions: usize,
    pub(crate) sockets: usize,
    pub(crate) connections_refused: u64,
    pub(crate) handshakes_failed: u64,
    pub(crate) subscribers: usize,
    pub(crate) readers_cut: u64,
    /// Sign-ins by the identity provider, and refusals by [`OidcError`]; `None` without a provider.
    pub(crate) oidc: Option<(u64, [u64; OidcError::ALL.len()])>,
    pub(crate) events_published: u64,
    pub(crate) events_dropped: u64,
}

/// The whole text.
pub(crate) fn render(
    version: &str,
    snapshot: &Snapshot,
    readiness: &Readiness,
    measures: &Measures,
    own: &Own,
) -> String {
    let mut text = Text(String::with_capacity(16 * 1024));
    text.gauge("havre_build_info", "The running version.").sample(&[("version", version)], 1);
    text.gauge("havre_ready", "1 if new calls are welcome.")
        .sample(&[], u8::from(!readiness.starting && !readiness.draining));
    text.gauge("havre_draining", "1 while new calls are refused and talks end.")
        .sample(&[], u8::from(readiness.draining));
    text.gauge("havre_store_up", "1 if the shared store answers.").sample(&[], u8::from(measures.store_up));
    if let Some(ends) = measures.certificate_ends {
        let help = "When the TLS certificate ends, in seconds since 1970.";
        text.gauge("havre_tls_certificate_expiry_timestamp_seconds", help).sample(&[], ends);
    }
    calls(&mut text, snapshot);
    waits(&mut text, snapshot);
    one_way(&mut text, snapshot);
    alarms(&mut text, snapshot);
    signalling(&mut text, &measures.traffic);
    media_and_faults(&mut text, measures, &snapshot.trunks);
    console(&mut text, own);
    text.0
}

fn calls(text: &mut Text, snapshot: &Snapshot) {
    let tally = &snapshot.tally;
    text.counter("havre_calls_offered_total", "INVITEs taken.").sample(&[], tally.offered);
    let outcomes = [
        (
            Outcome::Answered,
            "havre_calls_answered_total",
            "Calls over in which an advocate talked with the caller.",
        ),
        (Outcome::Abandoned, "havre_calls_abandoned_total", "Calls that the caller left before an answer."),
        (Outcome::Lost, "havre_calls_lost_total", "Calls that we failed."),
    ];
    for (outcome, name, help) in outcomes {
        let mut family = text.counter(name, help);
        for (language, risk) in languages_and_risks() {
            let labels = [("language", language.as_str()), ("risk", risk.as_str())];
            family.sample(&labels, tally.ended(language, risk, outcome));
        }
    }
    let mut family = text.gauge("havre_calls_in_progress", "Calls by stage.");
    for stage in Stage::ALL {
        let count = snapshot.calls.iter().filter(|call| call.stage == stage).count();
        family.sample(&[("stage", stage.as_str())], count);
    }
    let mut family = text.gauge("havre_advocates", "Accounts by state.");
    for state in AGENT_STATES {
        let count = snapshot.agents.iter().filter(|agent| agent.state.as_str() == state).count();
        family.sample(&[("state", state)], count);
    }
    let mut family =
        text.counter("havre_supervisor_calls_total", "Times that supervisors were told of a wait.");
    family.sample(&[("kind", "alert")], tally.alerts);
    family.sample(&[("kind", "page")], tally.pages);
}

fn waits(text: &mut Text, snapshot: &Snapshot) {
    let waiting = || snapshot.calls.iter().filter(|call| call.stage == Stage::Waiting);
    let mut family = text.gauge("havre_waiting_callers", "Callers who wait for an advocate.");
    for (language, risk) in languages_and_risks() {
        let count = waiting().filter(|call| call.language == language && call.risk == risk).count();
        family.sample(&[("language", language.as_str()), ("risk", risk.as_str())], count);
    }
    let mut family = text.gauge("havre_longest_wait_seconds", "Longest present wait.");
    for language in Language::ALL {
        let waits = waiting().filter(|call| call.language == language);
        let longest = waits.filter_map(|call| call.waited_at(snapshot.at.unix)).max();
        let longest = longest.unwrap_or(Duration::ZERO).as_secs_f64();
        family.sample(&[("language", language.as_str())], longest);
    }
    let mut family = text.histogram("havre_wait_seconds", "Waits from joining the queue to an answer.");
    for language in Language::ALL {
        family.histogram_samples(&[("language", language.as_str())], snapshot.tally.waits(language));
    }
}

fn one_way(text: &mut Text, snapshot: &Snapshot) {
    let mut family = text.counter(
        "havre_one_way_audio_total",
        "Alarms that nothing arrives from a party, or that its phone receives nothing.",
    );
    for side in Side::ALL {
        for way in Way::ALL {
            let labels = [("side", side.as_str()), ("way", way.as_str())];
            family.sample(&labels, snapshot.tally.one_way[side as usize][way as usize]);
        }
    }
}

fn alarms(text: &mut Text, snapshot: &Snapshot) {
    let mut family =
        text.gauge("havre_alarms", "What needs attention now, as the wallboard shows it, by kind.");
    for kind in AlarmKind::ALL {
        let count = snapshot.alarms.iter().filter(|alarm| alarm.kind == kind).count();
        family.sample(&[("kind", kind.as_str())], count);
    }
}

fn signalling(text: &mut Text, traffic: &[Traffic]) {
    let direction = |sent| if sent { "out" } else { "in" };
    let mut family = text.counter("havre_sip_requests_total", "SIP requests, repetitions included.");
    for Traffic { sent, transport, what, count } in traffic {
        if let Kind::Method(method) = what {
            let labels = [("direction", direction(*sent)), ("transport", *transport), ("method", *method)];
            family.sample(&labels, count);
        }
    }
    let mut family = text.counter("havre_sip_responses_total", "SIP responses, repetitions included.");
    for Traffic { sent, transport, what, count } in traffic {
        let code = match what {
            Kind::Method(_) => continue,
            Kind::Status(code) => code.to_string(),
            Kind::OtherStatus => "other".to_owned(),
        };
        family.sample(&[("direction", direction(*sent)), ("transport", *transport), ("code", &*code)], count);
    }
}

fn media_and_faults(text: &mut Text, measures: &Measures, trunks: &Trunks) {
    let rtp = &measures.rtp;
    text.counter("havre_rtp_packets_received_total", "RTP packets that arrived.").sample(&[], rtp.received);
    text.counter("havre_rtp_packets_lost_total", "RTP packets that did not arrive.").sample(&[], rtp.lost);
    text.histogram("havre_rtp_jitter_seconds", "Interarrival jitter.").histogram_samples(&[], &rtp.jitter);
    text.histogram("havre_rtp_round_trip_seconds", "Round trip time.")
        .histogram_samples(&[], &rtp.round_trip);
    let mut family =
        text.histogram("havre_leg_mos", "Estimated mean opinion score (ITU-T G.107) of legs that are over.");
    for side in Side::ALL {
        family.histogram_samples(&[("side", side.as_str())], &rtp.mos[side as usize]);
    }
    let mut family = text.counter("havre_trunk_errors_total", "Calls and messages of a trunk that failed.");
    for (trunk, reason, count) in &measures.trunk_errors {
        family.sample(&[("trunk", trunk.as_str()), ("reason", reason)], *count);
    }
    let mut family =
        text.gauge("havre_trunk_up", "Whether a trunk over which we call answers, where it is asked.");
    for (trunk, (health, _)) in trunks {
        if *health != TrunkHealth::Unknown {
            family.sample(&[("trunk", trunk.as_str())], u8::from(health.is_usable()));
        }
    }
    let mut family = text.counter("havre_transport_errors_total", "Failures to send or receive.");
    for (transport, count) in &measures.transport_errors {
        family.sample(&[("transport", transport)], *count);
    }
    let mut family = text.counter("havre_component_events_total", "Each component's own counters.");
    for counter in &measures.counters {
        family.sample(&[("component", counter.component), ("event", counter.name)], counter.value);
    }
}

fn console(text: &mut Text, own: &Own) {
    let mut family = text.counter("havre_http_responses_total", "HTTP responses by class of status.");
    for (class, count) in ["1xx", "2xx", "3xx", "4xx", "5xx"].into_iter().zip(own.requests) {
        family.sample(&[("status", class)], count);
    }
    text.counter("havre_http_unauthorized_total", "Requests without the right token or a live session.")
        .sample(&[], own.unauthorized);
    text.counter("havre_http_forbidden_total", "Requests of a wrong role, origin or CSRF token.")
        .sample(&[], own.forbidden);
    text.gauge("havre_console_sessions", "People signed in.").sample(&[], own.sessions);
    if let Some((signed_in, refused)) = own.oidc {
        let help = "What came of signing in by the identity provider.";
        let mut family = text.counter("havre_oidc_sign_ins_total", help);
        family.sample(&[("outcome", "signed_in")], signed_in);
        for (error, count) in OidcError::ALL.into_iter().zip(refused) {
            family.sample(&[("outcome", error.as_str().trim_start_matches("oidc_"))], count);
        }
    }
    text.gauge("havre_console_sockets", "Open SIP WebSockets.").sample(&[], own.sockets);
    text.counter("havre_http_connections_refused_total", "Connections over the limit.")
        .sample(&[], own.connections_refused);
    text.counter(
        "havre_http_handshakes_failed_total",
        "Connections that ended without a TLS handshake in time.",
    )
    .sample(&[], own.handshakes_failed);
    text.gauge("havre_event_stream_readers", "Open event streams.").sample(&[], own.subscribers);
    text.counter("havre_event_stream_readers_cut_total", "Event streams cut for reading too slowly.")
        .sample(&[], own.readers_cut);
    text.counter("havre_events_published_total", "Events put into the ring.")
        .sample(&[], own.events_published);
    text.counter(
        "havre_events_dropped_total",
        "Events overwritten before a reader who wanted them had them.",
    )
    .sample(&[], own.events_dropped);
}

fn languages_and_risks() -> impl Iterator<Item = (Language, Risk)> {
    Language::ALL.into_iter().flat_map(|language| Risk::ALL.into_iter().map(move |risk| (language, risk)))
}

/// The text so far. A family's `HELP` and `TYPE` stand before its samples, each family once.
struct Text(String);

struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
}

type Labels<'a> = [(&'static str, &'a str)];

impl Text {
    fn counter(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "counter", help)
    }

    fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "gauge", help)
    }

    fn histogram(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "histogram", help)
    }

    fn family(&mut self, name: &'static str, kind: &str, help: &str) -> Family<'_> {
        // Writing to a `String` does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Family { text: &mut self.0, name }
    }
}

impl Family<'_> {
    fn sample(&mut self, labels: &Labels<'_>, value: impl Display) {
        self.line("", labels, None, value);
    }

    fn histogram_samples(&mut self, labels: &Labels<'_>, histogram: &Histogram) {
        let mut below = 0;
        for (bound, count) in histogram.bounds.iter().zip(&histogram.counts) {
            below += count;
            self.line("_bucket", labels, Some(&bound.to_string()), below);
        }
        self.line("_bucket", labels, Some("+Inf"), histogram.count);
        self.line("_sum", labels, None, histogram.sum);
        self.line("_count", labels, None, histogram.count);
    }

    fn line(&mut self, suffix: &str, labels: &Labels<'_>, le: Option<&str>, value: impl Display) {
        let _ = write!(self.text, "{}{suffix}", self.name);
        let labels = labels.iter().copied().chain(le.map(|le| ("le", le)));
        for (i, (label, value)) in labels.clone().enumerate() {
            let open = if i == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{open}{label}=\"{}\"", escaped(value));
        }
        let close = if labels.count() > 0 { "}" } else { "" };
        let _ = writeln!(self.text, "{close} {value}");
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_is_cumulative_and_ends_at_infinity() {
        let mut histogram = Histogram::new(&[0.5, 1.0]);
        for value in [0.1, 0.5, 0.75, 7.0, f64::NAN] {
            histogram.observe(value);
        }
        let mut text = Text(String::new());
        text.histogram("h", "Help.").histogram_samples(&[("l", "x")], &histogram);
        let expected = "# HELP h Help.\n# TYPE h histogram\n\
            h_bucket{l=\"x\",le=\"0.5\"} 2\nh_bucket{l=\"x\",le=\"1\"} 3\nh_bucket{l=\"x\",le=\"+Inf\"} 4\n\
            h_sum{l=\"x\"} 8.35\nh_count{l=\"x\"} 4\n";
        assert_eq!(text.0, expected);
        assert_eq!(histogram.mean(), Some(8.35 / 4.0));
    }

    #[test]
    fn label_values_are_escaped() {
        let mut text = Text(String::new());
        text.gauge("g", "Help.").sample(&[("l", "a\\b\"c\nd")], 1);
        assert!(text.0.ends_with("g{l=\"a\\\\b\\\"c\\nd\"} 1\n"), "{}", text.0);
    }
}
