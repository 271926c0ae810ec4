//! What can be seen of the engine from outside: for snapshots, pages and metrics.

use havre_model::{AgentId, AgentProfile, AgentState, CallId, Language, Mode, Now, Risk, StateReason, Unix};

use crate::Score;

/// Where a caller is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the line.
    Waiting {
        /// How many phones ring for the caller.
        ringing: usize,
    },
    /// With an agent.
    Talking {
        /// Whom.
        agent: AgentId,
    },
}

/// One caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerView {
    /// Which call.
    pub call: CallId,
    /// Language.
    pub language: Language,
    /// Class.
    pub risk: Risk,
    /// Manner.
    pub mode: Mode,
    /// First arrival: kept when queued again.
    pub arrival: Unix,
    /// The order in the line. Never to be told to a caller.
    pub score: Score,
    /// The last joining.
    pub joined: Now,
    /// Where the caller is.
    pub place: Place,
}

/// One agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentView<'a> {
    /// Who, as configured.
    pub profile: &'a AgentProfile,
    /// In which state.
    pub state: AgentState,
    /// Whether a live phone is known. A `Talking` agent may have lost it.
    pub reachable: bool,
    /// There may be a contact, but nothing was ever heard of it in a talk.
    pub unheard: bool,
    /// In a talk: what follows it instead of wrap-up, if the agent asked for that.
    pub then: Option<StateReason>,
}

/// How many of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Waiting callers, by `Language as usize` (order of [`Language::ALL`]) and `Risk as usize` (of [`Risk::ALL`]).
    pub waiting: [[usize; 4]; 4],
    /// Callers with an agent.
    pub talking: usize,
    /// Agents with no live phone.
    pub signed_out: usize,
    /// Agents not to be rung.
    pub not_ready: usize,
    /// Agents to be rung.
    pub ready: usize,
    /// Agents whose phone rings.
    pub offered: usize,
    /// Agents in a talk.
    pub in_talk: usize,
    /// Agents in wrap-up.
    pub wrap_up: usize,
}
