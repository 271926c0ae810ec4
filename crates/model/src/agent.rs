//! Agents (people and screens say *advocate*, *intervenante / intervenant*): who they are and what state they are in.

use std::fmt;
use std::time::Duration;

use crate::{AgentId, CallId, Mono, OfferId, Spoken, SpokenSet, Unix};

/// What an account may be rung for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Takes calls.
    Advocate,
    /// Watches, and is the reserve for urgent calls.
    Supervisor,
    /// Rung from T+45 where on-call phones are configured.
    OnCall,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Advocate, Self::Supervisor, Self::OnCall];

    /// The stable spelling: `advocate`, `supervisor`, `on_call`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Advocate => "advocate",
            Self::Supervisor => "supervisor",
            Self::OnCall => "on_call",
        }
    }

    /// From the stable spelling.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.as_str() == name)
    }
}

/// A set of roles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Roles(u8);

impl Roles {
    /// With `role` too.
    #[must_use]
    pub const fn with(self, role: Role) -> Self {
        Self(self.0 | 1 << role as u8)
    }

    /// Whether `role` is in the set.
    #[must_use]
    pub const fn contains(self, role: Role) -> bool {
        self.0 & (1 << role as u8) != 0
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        roles.into_iter().fold(Self::default(), Self::with)
    }
}

/// How the time after a talk ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrapUp {
    /// When the agent ends it.
    Manual,
    /// After this time, or when the agent ends it sooner.
    After(Duration),
}

/// An account of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentProfile {
    /// Also the SIP user.
    pub id: AgentId,
    /// Languages the agent speaks with callers.
    pub languages: SpokenSet,
    /// The language in which the system speaks to the agent (labels, confirmations): first configured.
    pub ui_language: Spoken,
    /// What the agent may be rung for.
    pub roles: Roles,
    /// How the time after a talk ends.
    pub wrap_up: WrapUp,
    /// Ready as soon as a phone registers (the demo), or only when the agent says so.
    pub ready_on_register: bool,
}

/// Why an agent is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StateReason {
    /// Has signed in and not yet said "ready".
    SignedIn,
    /// Own choice.
    Break,
    /// A single offer rang out.
    NoAnswer,
    /// The phone took a call, or refused one, over what nobody can talk over: no codec in common, no keys where SRTP is
    /// required.
    PhoneFailed,
    /// Fifteen protected minutes after a hard call.
    HardCall,
}

impl StateReason {
    /// The stable spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedIn => "signed_in",
            Self::Break => "break",
            Self::NoAnswer => "no_answer",
            Self::PhoneFailed => "phone_failed",
            Self::HardCall => "hard_call",
        }
    }
}

/// Where an agent is. A state holds exactly its data; leaving it cancels its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentState {
    /// No live registered contact.
    SignedOut,
    /// Reachable, not to be rung.
    NotReady {
        /// Why.
        reason: StateReason,
        /// Since when.
        since: Unix,
        /// When it ends by itself, if it does (`HardCall`).
        until: Option<Mono>,
    },
    /// To be rung; the longest idle first.
    Ready {
        /// Since when.
        since: Unix,
    },
    /// An offer is ringing.
    Offered {
        /// Which.
        offer: OfferId,
        /// Of which call.
        call: CallId,
        /// When it rings out.
        until: Mono,
    },
    /// With a caller.
    Talking {
        /// Which.
        call: CallId,
        /// Since when.
        since: Unix,
    },
    /// After a talk.
    WrapUp {
        /// Since when.
        since: Unix,
        /// When it ends by itself; `None` if only the agent ends it.
        until: Option<Mono>,
    },
}

impl AgentState {
    /// The stable spelling of the state alone: `signed_out`, `not_ready`, `ready`, `offered`, `talking`, `wrap_up`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::NotReady { .. } => "not_ready",
            Self::Ready { .. } => "ready",
            Self::Offered { .. } => "offered",
            Self::Talking { .. } => "talking",
            Self::WrapUp { .. } => "wrap_up",
        }
    }
}

/// What an agent (or a supervisor for them) may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AgentCommand {
    /// `*40`.
    Ready,
    /// `*41`.
    Break,
    /// `*42`.
    EndWrapUp,
    /// `*43`.
    HardCall,
}

impl AgentCommand {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ready, Self::Break, Self::EndWrapUp, Self::HardCall];

    /// The stable spelling: `ready`, `break`, `end_wrap_up`, `hard_call`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Break => "break",
            Self::EndWrapUp => "end_wrap_up",
            Self::HardCall => "hard_call",
        }
    }

    /// From the stable spelling.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.as_str() == name)
    }
}

impl fmt::Display for AgentCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
