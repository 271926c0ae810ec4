//! What a [`Snapshot`] is made of. Entries are shared with the board that goes on changing its own copies: taking a
//! snapshot copies pointers, and an entry that is the same pointer as before has not changed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use havre_model::{
    AgentId, AgentProfile, AgentState, CallId, Language, LineId, Mode, Now, OfferId, OfferKind, Outcome,
    Quality, Risk, Side, TrunkHealth, TrunkId, Unix, Way,
};

use super::alarm::Alarm;
use crate::tally::Tally;
use crate::today::Today;

/// The state of one node at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The moment.
    pub at: Now,
    /// Calls in progress: waiting ones in the order of the line, then those greeted, then those talking.
    pub calls: Vec<Arc<CallEntry>>,
    /// Accounts by id.
    pub agents: Vec<Arc<AgentEntry>>,
    /// Counts since the start.
    pub tally: Arc<Tally>,
    /// The last 24 hours.
    pub today: Arc<Today>,
    /// What needs somebody's attention now.
    pub alarms: Vec<Alarm>,
    /// What is known of each outbound trunk, and since when.
    pub trunks: Arc<BTreeMap<TrunkId, (TrunkHealth, Unix)>>,
    /// The shared store answers.
    pub store_up: bool,
    /// New calls are refused.
    pub draining: bool,
}

/// A call of an earlier process: as much of it as the day's curves show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastCall {
    /// When it came.
    pub arrived: Unix,
    /// As last known.
    pub language: Language,
    /// When each talk began, and how long the caller had waited.
    pub talks: Vec<(Unix, Duration)>,
    /// When it ended, and how it counts.
    pub ended: Option<(Unix, Outcome)>,
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// In the queue.
    Waiting,
    /// Hearing the greeting.
    Greeting,
    /// With an advocate.
    Talking,
}

impl Stage {
    /// All, in the order of the list of calls.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Greeting, Self::Talking];

    /// The stable spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Greeting => "greeting",
            Self::Talking => "talking",
        }
    }
}

/// Whether supervisors were told that a caller waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attention {
    /// No need.
    None,
    /// Alerted: too long.
    Alerted,
    /// Paged: far too long.
    Paged,
}

impl Attention {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::None, Self::Alerted, Self::Paged];

    /// The stable spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Alerted => "alerted",
            Self::Paged => "paged",
        }
    }
}

/// One call in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallEntry {
    /// Random; tells nothing of who called.
    pub id: CallId,
    /// The dialled line.
    pub line: LineId,
    /// The carrier.
    pub trunk: TrunkId,
    /// What is known of the caller's language.
    pub language: Language,
    /// The class.
    pub risk: Risk,
    /// Since when it is in that class.
    pub risk_since: Unix,
    /// The caller's manner.
    pub mode: Mode,
    /// How far the call has come.
    pub stage: Stage,
    /// Since when it is in that stage.
    pub since: Unix,
    /// When the INVITE came.
    pub arrived: Unix,
    /// When the caller first joined the queue; survives a lost advocate.
    pub joined: Option<Unix>,
    /// How long the caller waited for the advocate (while talking).
    pub waited: Option<Duration>,
    /// Phones that ring for the call.
    pub ringing: Vec<Ringing>,
    /// The advocate (while talking).
    pub agent: Option<AgentId>,
    /// Whether supervisors were told.
    pub attention: Attention,
    /// Whether the caller's audio arrives.
    pub media_flowing: bool,
    /// Whether TTY tones were heard from the caller.
    pub tty: bool,
    /// The caller may have called earlier.
    pub redial: bool,
    /// The advocate holds the call.
    pub held: bool,
    /// The advocate's phone is gone, and may come back to this very talk.
    pub reattaching: bool,
    /// How the caller's leg sounds.
    pub caller: LegEntry,
    /// How the advocate's does (while talking).
    pub advocate: LegEntry,
}

/// A phone that rings for a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ringing {
    /// The offer.
    pub offer: OfferId,
    /// Whose phone.
    pub agent: AgentId,
    /// Why it rings.
    pub kind: OfferKind,
    /// Since when.
    pub since: Unix,
}

/// One party's audio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LegEntry {
    /// What was measured last; `None` in the first seconds.
    pub quality: Option<Quality>,
    /// Since when audio fails to go each [`Way`].
    pub missing: [Option<Unix>; 2],
}

impl LegEntry {
    /// Since when audio fails to go either way.
    #[must_use]
    pub fn one_way_since(&self) -> Option<Unix> {
        self.missing.into_iter().flatten().min()
    }

    pub(super) fn set_missing(&mut self, way: Way, flowing: bool, at: Unix) {
        let missing = &mut self.missing[way as usize];
        *missing = if flowing { None } else { missing.or(Some(at)) };
    }
}

impl CallEntry {
    pub(super) fn enter(&mut self, stage: Stage, at: Unix) {
        self.stage = stage;
        self.since = at;
        self.waited = None;
        self.agent = None;
        self.ringing.clear();
        self.attention = Attention::None;
        self.held = false;
        self.reattaching = false;
        self.advocate = LegEntry::default();
    }

    pub(super) fn leg(&mut self, side: Side) -> &mut LegEntry {
        match side {
            Side::Caller => &mut self.caller,
            Side::Advocate => &mut self.advocate,
        }
    }

    pub(super) fn join(&mut self, language: Language, risk: Risk, at: Unix) {
        self.enter(Stage::Waiting, at);
        self.joined.get_or_insert(at);
        self.language = language;
        self.set_risk(risk, at);
    }

    pub(super) fn set_risk(&mut self, risk: Risk, at: Unix) {
        if self.risk != risk {
            self.risk = risk;
            self.risk_since = at;
        }
    }

    /// How long the caller has waited for an advocate, or did before the talk; `None` in the greeting.
    #[must_use]
    pub fn waited_at(&self, now: Unix) -> Option<Duration> {
        match self.stage {
            Stage::Greeting => None,
            Stage::Waiting => Some(now.since(self.since)),
            Stage::Talking => self.waited,
        }
    }

    /// Since when an urgent caller is one; for others the class makes no wait begin anew.
    pub(super) fn risk_since_in_line(&self) -> Unix {
        if self.risk == Risk::Urgent { self.risk_since } else { self.since }
    }

    /// Place in the line: first arrival less the head start of the class.
    pub(super) fn order(&self) -> i64 {
        self.joined.unwrap_or(self.arrived).as_millis().saturating_sub(self.risk.head_start_millis())
    }
}

/// One account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentEntry {
    /// Who and what for.
    pub profile: AgentProfile,
    /// The state.
    pub state: AgentState,
    /// Since when.
    pub since: Unix,
    /// When it ends by itself, if it does.
    pub until: Option<Unix>,
    /// Where the agent can be rung.
    pub reach: Reach,
    /// Nothing was ever heard of the browser in a talk: nothing rings there until something is.
    pub unheard: bool,
    /// The last talk that is over.
    pub last_talk: Option<LastTalk>,
}

/// The phones of an account that answer, as the registrar knows them: registered, and not silent when last asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Browsers with an open WebSocket.
    pub browsers: usize,
    /// Other phones.
    pub phones: usize,
    /// Since when it is these.
    pub since: Unix,
}

/// What an advocate in wrap-up comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastTalk {
    /// The call.
    pub call: CallId,
    /// As last known.
    pub language: Language,
    /// As last known.
    pub risk: Risk,
    /// When the talk ended.
    pub ended: Unix,
}

impl AgentEntry {
    pub(super) fn new(profile: AgentProfile, now: Unix) -> Self {
        let reach = Reach { browsers: 0, phones: 0, since: now };
        let state = AgentState::SignedOut;
        Self { profile, state, since: now, until: None, reach, unheard: false, last_talk: None }
    }

    pub(crate) fn set(&mut self, state: AgentState, now: Now) {
        if state == self.state {
            return;
        }
        let until = match state {
            AgentState::NotReady { until, .. } | AgentState::WrapUp { until, .. } => until,
            AgentState::Offered { until, .. } => Some(until),
            AgentState::SignedOut | AgentState::Ready { .. } | AgentState::Talking { .. } => None,
        };
        self.until = until.map(|until| now.unix + until.since(now.mono));
        self.since = match state {
            AgentState::Ready { since }
            | AgentState::NotReady { since, .. }
            | AgentState::Talking { since, .. }
            | AgentState::WrapUp { since, .. } => since,
            AgentState::SignedOut | AgentState::Offered { .. } => now.unix,
        };
        self.state = state;
    }
}
