//! One leg of a phone: a state holds exactly its data and becomes the next.

use bytes::Bytes;
use havre_media::Codec;
use havre_media::sdp::{Negotiated, Session};
use havre_media::srtp::Suite;
use havre_model::Mono;
use havre_sip::wire::{Replaces, Uri};
use havre_sip::{Account, Identity, Path};

/// Where a leg is.
#[derive(Debug)]
pub(crate) enum Leg {
    /// Ours: the data plane opens ports, then the INVITE goes.
    Opening(Box<Dial>),
    /// Ours: the INVITE is out.
    Calling(Calling),
    /// Theirs, and it rings.
    Ringing {
        /// `None` asks for ours.
        offer: Option<Bytes>,
        /// When it is answered by itself.
        answer_at: Option<Mono>,
    },
    /// Theirs: the data plane opens ports, then the 200 goes.
    Answering {
        /// `None` asks for ours.
        offer: Option<Bytes>,
    },
    /// Theirs: the 200 is out, the ACK is not here yet.
    Confirming {
        /// What was agreed so far.
        session: Box<Session>,
        /// Unknown while the ACK owes an answer.
        agreed: Option<Agreed>,
    },
    /// Established.
    Talking(Talking),
    /// We hung up, and `Ended` is to come.
    Leaving {
        /// Whether there are ports to close.
        media: bool,
    },
}

/// A call as it was asked for.
#[derive(Debug)]
pub(crate) struct Dial {
    pub(crate) to: Uri,
    pub(crate) path: Path,
    pub(crate) from: Identity,
    pub(crate) account: Option<Account>,
    pub(crate) late_offer: bool,
    pub(crate) instead_of: Option<Replaces>,
}

/// A call that is not answered yet.
#[derive(Debug)]
pub(crate) struct Calling {
    pub(crate) session: Box<Session>,
    /// The INVITE had no offer: the 2xx has one.
    pub(crate) late_offer: bool,
    /// Agreed early, by a provisional answer with SDP.
    pub(crate) agreed: Option<Agreed>,
}

/// As much of a negotiation as the person at the phone is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Agreed {
    /// What we send.
    pub(crate) codec: Codec,
    /// What protects it.
    pub(crate) suite: Option<Suite>,
}

/// An established call.
#[derive(Debug)]
pub(crate) struct Talking {
    pub(crate) session: Box<Session>,
    /// The far side wants to hear nothing.
    pub(crate) held_by_them: bool,
    /// The far side is asked to be silent, and agreed.
    pub(crate) held_by_us: bool,
    /// A re-INVITE of ours is out: whether it holds.
    pub(crate) asking: Option<bool>,
}

impl Agreed {
    /// An agreement without a codec is none that SDP makes.
    pub(crate) fn of(negotiated: &Negotiated) -> Option<Self> {
        let suite = negotiated.srtp.as_ref().map(|keys| keys.send.suite());
        negotiated.send.first().map(|(codec, _)| Self { codec: *codec, suite })
    }
}

impl Leg {
    /// When it is to be answered by itself.
    pub(crate) const fn due(&self) -> Option<Mono> {
        match self {
            Self::Ringing { answer_at, .. } => *answer_at,
            _ => None,
        }
    }

    /// Whether `Open` was asked of the data plane.
    pub(crate) const fn has_media(&self) -> bool {
        match self {
            Self::Ringing { .. } => false,
            Self::Leaving { media } => *media,
            Self::Opening(_)
            | Self::Calling(_)
            | Self::Answering { .. }
            | Self::Confirming { .. }
            | Self::Talking(_) => true,
        }
    }
}

impl Talking {
    /// Just established, by an agreement in which the far side may or may not want to hear us.
    pub(crate) const fn new(session: Box<Session>, held_by_them: bool) -> Self {
        Self { session, held_by_them, held_by_us: false, asking: None }
    }
}
