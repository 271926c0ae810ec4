//! One leg: a caller's or an agent's end of a call.

use bytes::Bytes;
use havre_media::sdp::{Negotiated, Session};
use havre_model::{LegId, Mono};

use crate::hearing::Hearing;
use crate::tally::Failure;
use crate::voice::Voice;

/// See the module's page.
pub(super) struct End {
    /// Its number in stamps; never used twice in a run.
    pub(super) number: u32,
    pub(super) station: usize,
    pub(super) leg: LegId,
    /// Which of the RTP ports it shares.
    pub(super) port: usize,
    pub(super) session: Box<Session>,
    pub(super) sound: Option<Sound>,
    pub(super) stage: Stage,
}

/// RTP both ways.
pub(super) struct Sound {
    pub(super) voice: Voice,
    pub(super) hearing: Hearing,
    /// What the far side may send, by payload type.
    pub(super) payload_types: Vec<u8>,
}

/// How far it is.
pub(super) enum Stage {
    /// A caller whose INVITE is out.
    Calling { since: Mono },
    /// A caller who is answered. The wait counts from the last key.
    Waiting { since: Mono },
    /// A caller who hears an agent.
    Talking,
    /// An agent's phone that rings.
    Ringing { offer: Option<Bytes> },
    /// An agent's phone that was picked up.
    Serving,
    /// We hung up.
    Leaving { failure: Option<Failure> },
}

impl Sound {
    /// What the far side says from now on.
    pub(super) fn listen_for(&mut self, negotiated: &Negotiated) {
        self.payload_types = negotiated.receive.iter().map(|(payload_type, _)| *payload_type).collect();
    }
}

impl End {
    pub(super) const fn is_caller(&self) -> bool {
        self.station == super::CALLERS
    }
}
