//! The wallboard in JSON: the whole of it, and what changed.

use havre_model::{AgentState, Unix};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Agent, Call, Light, Queue, Row, Service, Totals, agent, call, queues};
use crate::board::{AgentEntry, Alarm, CallEntry, Snapshot};
use crate::words::{AlarmWord, LanguageWord};

/// The whole line on one screen. Waits and times are those of the moment `at`; a screen lets them tick.
#[derive(Serialize, ToSchema)]
pub(crate) struct Board {
    /// The moment of these figures, in milliseconds since 1970 (UTC).
    pub(crate) at: i64,
    /// The moment since which calls are counted, likewise.
    pub(crate) since: i64,
    pub(crate) totals: Totals,
    /// One entry for every language and class, empty ones too.
    pub(crate) queues: Vec<Queue>,
    /// One entry for every language.
    pub(crate) service: Vec<Service>,
    /// Waiting ones in the order of the line, then those greeted, then those talking.
    pub(crate) calls: Vec<Call>,
    /// By id.
    pub(crate) agents: Vec<Agent>,
    /// What needs attention now, the gravest first.
    pub(crate) alarms: Vec<AlarmView>,
    /// The shared store answers.
    pub(crate) store_up: bool,
    /// New calls are refused.
    pub(crate) draining: bool,
}

/// Something that needs attention.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Alarm)]
pub(crate) struct AlarmView {
    pub(crate) kind: AlarmWord,
    /// Since when, in milliseconds since 1970 (UTC).
    pub(crate) since: i64,
    pub(crate) call: Option<String>,
    pub(crate) agent: Option<String>,
    pub(crate) trunk: Option<String>,
    pub(crate) language: Option<LanguageWord>,
    /// When what it warns of happens or happened, likewise; of a certificate, when it ends.
    pub(crate) ends: Option<i64>,
}

/// What changed on the board. Parts that did not are left out, and so are entries of `queues` and `service`; `alarms` are whole
/// where they are there.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct Change {
    /// The moment of these figures, in milliseconds since 1970 (UTC).
    pub(crate) at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) calls: Option<CallChanges>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) agents: Option<AgentChanges>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) queues: Option<Vec<Queue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<Vec<Service>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) alarms: Option<Vec<AlarmView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) totals: Option<Totals>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) store_up: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) draining: Option<bool>,
}

/// Calls that are new or changed, and the ids of those that are over.
#[derive(Serialize, ToSchema)]
pub(crate) struct CallChanges {
    /// Each with its id: new ones whole, of others what is new.
    #[schema(value_type = Vec<Object>)]
    pub(crate) set: Vec<Row<Call>>,
    pub(crate) gone: Vec<String>,
}

/// Accounts that are new or changed, and the ids of those that are no more.
#[derive(Serialize, ToSchema)]
pub(crate) struct AgentChanges {
    /// Each with its id: new ones whole, of others what is new.
    #[schema(value_type = Vec<Object>)]
    pub(crate) set: Vec<Row<Agent>>,
    pub(crate) gone: Vec<String>,
}

pub(crate) fn board(snapshot: &Snapshot) -> Board {
    let queues = queues(snapshot);
    let now = snapshot.at.unix;
    Board {
        at: queues.at,
        since: queues.since,
        totals: queues.totals,
        queues: queues.queues,
        service: queues.service,
        calls: snapshot.calls.iter().map(|entry| call(entry, now)).collect(),
        agents: snapshot.agents.iter().map(|entry| agent(entry, snapshot.at)).collect(),
        alarms: snapshot.alarms.iter().map(alarm).collect(),
        store_up: snapshot.store_up,
        draining: snapshot.draining,
    }
}

pub(crate) fn alarm(alarm: &Alarm) -> AlarmView {
    AlarmView {
        kind: AlarmWord(alarm.kind),
        since: alarm.since.as_millis(),
        call: alarm.call.map(|(call, _)| call.to_string()),
        agent: None,
        trunk: alarm.trunk.as_ref().map(ToString::to_string),
        language: alarm.call.map(|(_, language)| LanguageWord(language)),
        ends: alarm.ends.map(Unix::as_millis),
    }
}

/// Whether a wall would show both alike. Measurements come every two seconds from every leg: on the wall only the
/// light counts, and the figures are read with the call itself.
pub(crate) fn same_call(a: &CallEntry, b: &CallEntry) -> bool {
    let without = |entry: &CallEntry| {
        let mut entry = entry.clone();
        entry.caller.quality = None;
        entry.advocate.quality = None;
        entry
    };
    Light::of_call(a) == Light::of_call(b) && without(a) == without(b)
}

/// Whether a wall would show both alike.
pub(crate) fn same_agent(a: &AgentEntry, b: &AgentEntry) -> bool {
    let shown = |entry: &AgentEntry| {
        let call = match entry.state {
            AgentState::Offered { call, .. } | AgentState::Talking { call, .. } => Some(call),
            _ => None,
        };
        (entry.state.as_str(), entry.since, entry.until, call)
    };
    a.profile == b.profile && shown(a) == shown(b)
}
