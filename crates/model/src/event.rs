//! What happens in a call, without the caller's identity: the record, the event stream and the log all say these.

use std::time::Duration;

use crate::{
    AgentId, CallId, Cause, Digit, Language, LineId, Mode, OfferId, Quality, Risk, Side, TrunkId, Unix, Way,
};

/// One line of a call's event log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallEvent {
    /// Which call.
    pub call: CallId,
    /// When, by the node's wall clock.
    pub at: Unix,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// An INVITE was taken.
    Arrived {
        /// On which line.
        line: LineId,
        /// From which trunk.
        trunk: TrunkId,
    },
    /// The 200 was sent.
    Picked,
    /// The caller joined the queue for the first time.
    Joined {
        /// As what.
        language: Language,
        /// In which class.
        risk: Risk,
    },
    /// The caller joined the queue again (an advocate was lost), with the first arrival.
    Rejoined {
        /// As what.
        language: Language,
        /// In which class.
        risk: Risk,
    },
    /// The caller's language became known.
    Language(Language),
    /// The class changed.
    Risk(Risk),
    /// The caller's manner changed.
    Mode(Mode),
    /// An offer began to ring.
    Offered {
        /// Which.
        offer: OfferId,
        /// To whom.
        agent: AgentId,
        /// Of which kind.
        kind: OfferKind,
    },
    /// An offer ended without a talk.
    Withdrawn {
        /// Which.
        offer: OfferId,
        /// To whom it was made.
        agent: AgentId,
        /// Why it ended.
        why: WithdrawReason,
    },
    /// An advocate and the caller talk.
    Answered {
        /// Who.
        agent: AgentId,
        /// Time from joining (the last one).
        waited: Duration,
    },
    /// A key was pressed while talking.
    Key(Digit),
    /// The advocate's leg was lost.
    AgentLost {
        /// Whose.
        agent: AgentId,
    },
    /// The advocate's browser is gone, or the phone before its successor was there: they may come back to the same caller,
    /// who hears waiting sound.
    AgentAway {
        /// Whose.
        agent: AgentId,
    },
    /// The advocate came back; they talk again.
    AgentBack {
        /// Whose.
        agent: AgentId,
    },
    /// The advocate went on with the caller on another device.
    AgentMoved {
        /// Who.
        agent: AgentId,
    },
    /// No media from the caller for a while (nobody is hung up for it), or again some.
    CallerMedia {
        /// Whether packets arrive.
        flowing: bool,
    },
    /// The caller types on a TTY, heard for the first time: whoever answers needs one.
    Tty,
    /// Audio goes one way only, or again both: an alarm, which ends no call.
    OneWay {
        /// On whose connection.
        side: Side,
        /// Which way nothing goes, or again something: what the party says does not arrive here, or the party's phone
        /// reports that it receives nothing of ours.
        way: Way,
        /// Whether audio goes this way now.
        flowing: bool,
    },
    /// How a party's audio was over the whole of its connection, which is over. May follow [`What::Ended`].
    Quality {
        /// Whose.
        side: Side,
        /// What was measured.
        quality: Quality,
    },
    /// Supervisors are alerted: the caller waits too long.
    Alerted,
    /// Supervisors are paged: the caller waits far too long.
    Paged,
    /// The call is over.
    Ended {
        /// How it counts.
        outcome: Outcome,
        /// Why it ended.
        cause: Cause,
    },
}

impl What {
    /// The stable spelling of the kind of event.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Arrived { .. } => "arrived",
            Self::Picked => "picked",
            Self::Joined { .. } => "joined",
            Self::Rejoined { .. } => "rejoined",
            Self::Language(_) => "language",
            Self::Risk(_) => "risk",
            Self::Mode(_) => "mode",
            Self::Offered { .. } => "offered",
            Self::Withdrawn { .. } => "withdrawn",
            Self::Answered { .. } => "answered",
            Self::Key(_) => "key",
            Self::AgentLost { .. } => "agent_lost",
            Self::AgentAway { .. } => "agent_away",
            Self::AgentBack { .. } => "agent_back",
            Self::AgentMoved { .. } => "agent_moved",
            Self::CallerMedia { .. } => "caller_media",
            Self::Tty => "tty",
            Self::OneWay { .. } => "one_way",
            Self::Quality { .. } => "quality",
            Self::Alerted => "alerted",
            Self::Paged => "paged",
            Self::Ended { .. } => "ended",
        }
    }
}

/// Why an agent's phone rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OfferKind {
    /// To the longest-idle skilled agent alone.
    Single,
    /// To everyone ready.
    RingAll,
    /// To an agent in wrap-up: declining or ignoring it changes nothing.
    WrapUp,
    /// To a supervisor's phone, as the reserve.
    Reserve,
}

impl OfferKind {
    /// The stable spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::RingAll => "ring_all",
            Self::WrapUp => "wrap_up",
            Self::Reserve => "reserve",
        }
    }
}

/// Why an offer ended without a talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WithdrawReason {
    /// Another agent answered first.
    AnsweredElsewhere,
    /// The caller left.
    CallerLeft,
    /// It rang for the ring time.
    NoAnswer,
    /// A telephone outside was answered, but by nobody who pressed the key that takes the call: by a voicemail, perhaps.
    NotTaken,
    /// The agent declined.
    Declined,
    /// The agent's phone could not be reached or refused the call for a fault.
    Unreachable,
    /// It answered, or refused, and there is nothing to talk over: no codec in common, no keys where SRTP is required.
    PhoneFailed,
    /// The store refused the claim: another node has the agent or the caller.
    Claimed,
    /// The agent changed state.
    AgentChanged,
}

impl WithdrawReason {
    /// The stable spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AnsweredElsewhere => "answered_elsewhere",
            Self::CallerLeft => "caller_left",
            Self::NoAnswer => "no_answer",
            Self::NotTaken => "not_taken",
            Self::Declined => "declined",
            Self::Unreachable => "unreachable",
            Self::PhoneFailed => "phone_failed",
            Self::Claimed => "claimed",
            Self::AgentChanged => "agent_changed",
        }
    }
}

/// How a call counts: offered = answered + abandoned + lost + in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// An advocate talked with the caller.
    Answered,
    /// The caller left before.
    Abandoned,
    /// We failed the caller.
    Lost,
}

impl Outcome {
    /// The stable spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Abandoned => "abandoned",
            Self::Lost => "lost",
        }
    }
}
