//! What a call is told.

use havre_model::{AgentId, Cause, Digit, LegId, OfferId, OfferKind, PlayId, WithdrawReason};

/// What the outside tells a call.
#[derive(Clone, Debug)]
pub enum Input {
    /// The 200 was sent (asked for by [`crate::Output::Pick`]).
    Picked,
    /// The ACK came: the caller hears us from now on.
    Confirmed,
    /// No ACK came in 64·T1. Suspicious, but a caller who sends audio is there.
    NotConfirmed,
    /// The caller pressed a key: heard in the media.
    Digit(Digit),
    /// The caller pressed a key: SIP said so (INFO).
    SignalledDigit(Digit),
    /// What was played has ended.
    PlayDone(PlayId),
    /// The caller's leg ended from outside.
    CallerEnded(End),
    /// The answer to a probe of the caller's leg.
    CallerProbed {
        /// Any answer but 481 and a timeout.
        alive: bool,
    },
    /// The caller's session timer ran out (RFC 4028).
    CallerSessionExpired,
    /// No media from the caller for a while (`false`), or again some (`true`).
    CallerMedia(bool),
    /// TTY tones were heard from the caller.
    CallerTty,
    /// An offer of this call rings.
    Offered {
        /// Which.
        offer: OfferId,
        /// Whose phone.
        agent: AgentId,
        /// Why.
        kind: OfferKind,
    },
    /// An offer of this call ended without a talk.
    Withdrawn {
        /// Which.
        offer: OfferId,
        /// Whose phone.
        agent: AgentId,
        /// Why.
        why: WithdrawReason,
    },
    /// The queue confirmed an advocate, whose phone is answered.
    Connected {
        /// Who.
        agent: AgentId,
        /// Their leg.
        leg: LegId,
        /// It is a browser's, whose page may be reloaded without the talk being over.
        browser: bool,
    },
    /// The advocate goes on on another leg: a browser that has come back ([`crate::Output::Reattach`]), or another device
    /// of theirs that took the place of the one that is in the talk (RFC 3891).
    Resumed {
        /// Their new leg.
        leg: LegId,
        /// It is a browser's.
        browser: bool,
    },
    /// The advocate's leg ended while another device of theirs was about to take its place: `Resumed` or `AgentEnded` follows.
    AgentMoving,
    /// The queue confirmed an advocate whose phone hung up in the same breath: the caller is in no line.
    ConnectFailed,
    /// The advocate's leg ended.
    AgentEnded(End),
    /// The answer to a probe of the advocate's leg.
    AgentProbed {
        /// Any answer but 481 and a timeout.
        alive: bool,
    },
    /// No media from the advocate's phone for a while though none is on hold (`false`), or again some (`true`).
    AgentMedia(bool),
    /// The connection for the signalling of the advocate's browser is gone.
    AgentDetached,
    /// The same page has another one.
    AgentAttached,
    /// The advocate's port is unreachable (ICMP).
    AgentUnreachable,
    /// The advocate put the caller on hold, or took them back.
    AgentHeld(bool),
    /// An advocate or supervisor says that this caller is in danger: urgent, also should they be cut off.
    Escalated,
    /// Supervisors were alerted or paged about this caller.
    Alerted {
        /// Paged, which is louder.
        paged: bool,
    },
    /// An on-call phone really rings (P7 may say so).
    MoreHelp,
    /// The partner centre is to be offered (P8).
    PartnerOffered,
    /// We cannot go on with this caller's leg (no port for media, no common codec).
    Fail(Cause),
    /// A technical fault that the caller should hear of (P10).
    Trouble,
}

/// How a leg ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// BYE: its person hung up.
    HungUp,
    /// BYE of a phone by itself, which wanted to hand the other side to somebody else and may not.
    LetGo,
    /// CANCEL before it was established.
    Cancelled,
    /// 481: the phone does not know the dialog any more.
    Unknown,
    /// Timeouts and transport failures.
    Lost,
}
