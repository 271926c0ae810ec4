//! An advocate's own desk in JSON.

use havre_model::{AgentState, Language, Mos};
use serde::Serialize;
use utoipa::ToSchema;

use super::{ModeView, millis, mode};
use crate::board::{AgentEntry, CallEntry, LegEntry, Ringing};
use crate::words::{
    LanguageWord, LightWord, OfferKindWord, ReasonWord, RiskWord, SideWord, SpokenWord, StateWord,
};

/// One advocate's desk. Everything in it changes only when something happens: times are moments, or durations up to a
/// moment, and the screen lets them tick.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Desk {
    /// The moment of these figures, in milliseconds since 1970 (UTC), as all moments here.
    pub(crate) at: i64,
    #[schema(example = "advocate-fr")]
    pub(crate) agent: String,
    pub(crate) languages: Vec<SpokenWord>,
    pub(crate) state: DeskState,
    pub(crate) reachable: Reachable,
    /// The call that rings.
    pub(crate) offer: Option<DeskOffer>,
    /// The call in progress.
    pub(crate) talk: Option<DeskTalk>,
    /// In wrap-up: the call it is of.
    pub(crate) wrap_up_of: Option<WrapUpOf>,
}

/// The advocate's state.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct DeskState {
    pub(crate) name: StateWord,
    /// Why not ready.
    pub(crate) reason: Option<ReasonWord>,
    pub(crate) since: i64,
    /// When it ends by itself, if it does.
    pub(crate) until: Option<i64>,
}

/// Where the advocate can be rung: phones that registered, and that answered when they were last asked.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Reachable {
    /// A browser is connected.
    pub(crate) browser: bool,
    /// Other phones.
    pub(crate) phones: usize,
    /// No sound of the browser's arrived in the last talk: no call is offered until a test call gets through.
    pub(crate) unheard: bool,
    /// Since when it is these.
    pub(crate) since: i64,
}

/// A call that rings. Never with a number or a name.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct DeskOffer {
    pub(crate) call: String,
    pub(crate) language: LanguageWord,
    pub(crate) risk: RiskWord,
    pub(crate) mode: ModeView,
    pub(crate) kind: Option<OfferKindWord>,
    /// The caller's language is none that the advocate speaks.
    pub(crate) interpreter_needed: bool,
    /// The caller may have called earlier.
    pub(crate) redial: bool,
    /// How long the caller had waited when it began to ring.
    pub(crate) waited_ms: u64,
    /// Since when it rings.
    pub(crate) since: i64,
    /// When it rings out.
    pub(crate) until: Option<i64>,
}

/// The call in progress.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct DeskTalk {
    pub(crate) call: String,
    pub(crate) language: LanguageWord,
    pub(crate) risk: RiskWord,
    pub(crate) mode: ModeView,
    /// The caller may have called earlier.
    pub(crate) redial: bool,
    /// The caller types on a TTY.
    pub(crate) tty: bool,
    /// The caller's language is none that the advocate speaks.
    pub(crate) interpreter_needed: bool,
    pub(crate) since: i64,
    /// How long the caller waited.
    pub(crate) waited_ms: u64,
    /// The advocate holds the call.
    pub(crate) held: bool,
    pub(crate) quality: DeskQuality,
    /// The advocate's phone is gone, and the caller hears waiting sound until it is back.
    pub(crate) reattaching: bool,
}

/// How the talk sounds.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct DeskQuality {
    /// The lowest of the estimated mean opinion scores (E-model, ITU-T G.107) that are known: what each party says and
    /// what each hears. To a tenth.
    pub(crate) mos: Option<f64>,
    pub(crate) light: LightWord,
    /// Whose connection carries sound one way only.
    pub(crate) one_way: Option<SideWord>,
}

/// The call that wrap-up is of.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct WrapUpOf {
    pub(crate) call: String,
    pub(crate) language: LanguageWord,
    pub(crate) risk: RiskWord,
    pub(crate) ended: i64,
}

/// The call light of a desk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Light {
    /// At least [`GOOD`]: most would be satisfied.
    Good,
    /// At least [`FAIR`]: understood, with effort.
    Fair,
    /// Less, or sound goes one way only.
    Poor,
    /// Not measured yet.
    Unknown,
}

/// ITU-T G.107 annex B: R = 75 is a score of 3.8, between "some users dissatisfied" (R 80) and "many" (R 70).
const GOOD: f64 = 3.8;
/// ITU-T G.107 annex B: R = 60 is a score of 3.1; below, nearly all users are dissatisfied.
const FAIR: f64 = 3.1;

impl Light {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Fair => "fair",
            Self::Poor => "poor",
            Self::Unknown => "unknown",
        }
    }

    fn of(mos: Option<f64>, one_way: bool) -> Self {
        match mos {
            _ if one_way => Self::Poor,
            None => Self::Unknown,
            Some(mos) if mos >= GOOD => Self::Good,
            Some(mos) if mos >= FAIR => Self::Fair,
            Some(_) => Self::Poor,
        }
    }

    /// How a call sounds.
    pub(crate) fn of_call(call: &CallEntry) -> Self {
        let one_way = [&call.caller, &call.advocate].into_iter().any(|leg| leg.one_way_since().is_some());
        Self::of(lowest(call), one_way)
    }
}

/// The lowest score known of either party's audio, either way.
fn lowest(call: &CallEntry) -> Option<f64> {
    let scores = |leg: &LegEntry| {
        let quality = leg.quality.as_ref();
        [quality.and_then(|quality| quality.mos), quality.and_then(|quality| quality.far).map(|far| far.mos)]
    };
    let known = [scores(&call.caller), scores(&call.advocate)].into_iter().flatten().flatten();
    known.min().map(Mos::score)
}

/// The desk of `agent`, whose call of the moment is `call`. `at` is left at 0.
pub(crate) fn desk(agent: &AgentEntry, call: Option<&CallEntry>) -> Desk {
    let (reason, talking) = match agent.state {
        AgentState::NotReady { reason, .. } => (Some(ReasonWord(reason)), false),
        AgentState::Talking { .. } => (None, true),
        _ => (None, false),
    };
    let rung = matches!(agent.state, AgentState::Offered { .. });
    let wrap_up = matches!(agent.state, AgentState::WrapUp { .. });
    let last = agent.last_talk.as_ref().filter(|_| wrap_up);
    Desk {
        at: 0,
        agent: agent.profile.id.to_string(),
        languages: agent.profile.languages.iter().map(SpokenWord).collect(),
        state: DeskState {
            name: StateWord(agent.state),
            reason,
            since: agent.since.as_millis(),
            until: agent.until.map(havre_model::Unix::as_millis),
        },
        reachable: Reachable {
            browser: agent.reach.browsers > 0,
            phones: agent.reach.phones,
            unheard: agent.unheard,
            since: agent.reach.since.as_millis(),
        },
        offer: call.filter(|_| rung).map(|call| offer(agent, call)),
        talk: call.filter(|_| talking).map(|call| talk(agent, call)),
        wrap_up_of: last.map(|last| WrapUpOf {
            call: last.call.to_string(),
            language: LanguageWord(last.language),
            risk: RiskWord(last.risk),
            ended: last.ended.as_millis(),
        }),
    }
}

fn offer(agent: &AgentEntry, call: &CallEntry) -> DeskOffer {
    let ringing = call.ringing.iter().find(|ringing| ringing.agent == agent.profile.id);
    let since = ringing.map_or(agent.since, |Ringing { since, .. }| *since);
    DeskOffer {
        call: call.id.to_string(),
        language: LanguageWord(call.language),
        risk: RiskWord(call.risk),
        mode: mode(call.mode),
        kind: ringing.map(|ringing| OfferKindWord(ringing.kind)),
        interpreter_needed: interpreter_needed(agent, call),
        redial: call.redial,
        waited_ms: millis(since.since(call.since)),
        since: since.as_millis(),
        until: agent.until.map(havre_model::Unix::as_millis),
    }
}

fn talk(agent: &AgentEntry, call: &CallEntry) -> DeskTalk {
    let missing = |leg: &LegEntry| leg.one_way_since().is_some();
    let sides = [(&call.caller, havre_model::Side::Caller), (&call.advocate, havre_model::Side::Advocate)];
    let one_way = sides.into_iter().find(|(leg, _)| missing(leg)).map(|(_, side)| SideWord(side));
    let mos = lowest(call);
    DeskTalk {
        call: call.id.to_string(),
        language: LanguageWord(call.language),
        risk: RiskWord(call.risk),
        mode: mode(call.mode),
        redial: call.redial,
        tty: call.tty,
        interpreter_needed: interpreter_needed(agent, call),
        since: agent.since.as_millis(),
        waited_ms: call.waited.map_or(0, millis),
        held: call.held,
        quality: DeskQuality {
            mos: mos.map(|mos| (mos * 10.0).round() / 10.0),
            light: LightWord(Light::of(mos, one_way.is_some())),
            one_way,
        },
        reattaching: call.reattaching,
    }
}

fn interpreter_needed(agent: &AgentEntry, call: &CallEntry) -> bool {
    match call.language {
        Language::Other => true,
        Language::Unknown => false,
        Language::En | Language::Fr => {
            call.language.spoken().is_some_and(|spoken| !agent.profile.languages.contains(spoken))
        }
    }
}
