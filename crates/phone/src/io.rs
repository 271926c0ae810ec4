//! What goes into a [`Phone`](crate::Phone) and what comes out of it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use havre_media::srtp::Suite;
use havre_media::{Clip, Codec, Prompt};
use havre_model::{Cause, Digit, FlowId, LegId, PlayId};
use havre_sip::wire::{Replaces, Uri};
use havre_sip::{Account, EndedBy, Identity, Path, Transport};

use crate::Answering;

/// How a key is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Keying {
    /// As telephone-events in RTP (RFC 4733).
    Event,
    /// As SIP INFO (`application/dtmf-relay`).
    Info,
}

/// What the outside pushes in.
#[derive(Debug)]
pub enum Input<'a> {
    /// From the signalling network. Its `Command` is for insiders: use [`Input::Command`].
    Sip(havre_sip::Input<'a>),
    /// The ports asked for by `media::Command::Open` are bound.
    Opened {
        /// The leg.
        leg: LegId,
        /// The RTP port.
        rtp: u16,
        /// The RTCP port.
        rtcp: u16,
    },
    /// There are no ports for this leg.
    OpenFailed {
        /// The leg.
        leg: LegId,
    },
    /// The data plane noticed something.
    Media(havre_media::Event),
    /// The person holding the phone wants something.
    Command(Command),
}

/// What may be asked of a phone. A command for a leg that is gone, or not far enough, is counted and ignored.
#[derive(Clone, Debug)]
pub enum Command {
    /// Be reachable under an address, from now on.
    Register {
        /// As whom.
        account: Account,
        /// Where the registrar is.
        registrar: Path,
        /// Address of record.
        uri: Uri,
        /// Lifetime to ask for.
        expires: Duration,
    },
    /// No longer.
    Unregister,
    /// Place a call.
    Dial {
        /// A new id with the top bit clear, chosen by the one who dials.
        leg: LegId,
        /// Whom.
        to: Uri,
        /// Where to send it.
        path: Path,
        /// Who we say we are.
        from: Identity,
        /// Answers a challenge.
        account: Option<Account>,
        /// Ask the far side for the offer (an INVITE without SDP).
        late_offer: bool,
        /// The dialog of another phone of the account whose place this call is to take (RFC 3891).
        instead_of: Option<Replaces>,
    },
    /// What happens to incoming calls from now on.
    Answering(Answering),
    /// Take a ringing call.
    Answer {
        /// Which.
        leg: LegId,
    },
    /// Refuse a ringing call.
    Decline {
        /// Which.
        leg: LegId,
        /// 486 (busy), 603 (decline) …
        status: u16,
    },
    /// End a call, whatever its state.
    HangUp {
        /// Which.
        leg: LegId,
    },
    /// Ask the far side to be silent (re-INVITE with `sendonly`).
    Hold {
        /// Which.
        leg: LegId,
    },
    /// Undo that.
    Resume {
        /// Which.
        leg: LegId,
    },
    /// Press a key.
    Key {
        /// Which leg.
        leg: LegId,
        /// Which key.
        digit: Digit,
        /// How long, in milliseconds (only [`Keying::Event`]).
        millis: u16,
        /// How it is sent.
        by: Keying,
    },
    /// Let the far side hear this, once.
    Play {
        /// Which leg.
        leg: LegId,
        /// Named in `PlayDone`.
        play: PlayId,
        /// What.
        clips: Vec<Clip>,
    },
    /// Let the far side hear this, for ever.
    Loop {
        /// Which leg.
        leg: LegId,
        /// Names this playing.
        play: PlayId,
        /// What.
        prompt: Arc<Prompt>,
    },
    /// Play nothing.
    Stop {
        /// Which leg.
        leg: LegId,
    },
    /// Measure what the far side says ([`Event::Heard`]).
    Listen {
        /// Which leg.
        leg: LegId,
        /// Begin or end.
        on: bool,
    },
}

/// What the outside pulls out.
#[derive(Debug)]
pub enum Output {
    /// Send this on the signalling network: a datagram, or the next bytes of `path.flow`.
    Transmit {
        /// Where.
        path: Path,
        /// All of it.
        bytes: Bytes,
    },
    /// Open a connection under this id; then say `Connected` or `Closed`.
    Connect {
        /// TCP or TLS.
        transport: Transport,
        /// Our listening address on the interface to use.
        local: SocketAddr,
        /// Whom.
        remote: SocketAddr,
        /// The id.
        flow: FlowId,
        /// Of TLS: whom the certificate has to be for.
        server_name: Option<Arc<str>>,
    },
    /// Close this connection.
    Disconnect {
        /// Which.
        flow: FlowId,
    },
    /// For the data plane, in this order. `Open` wants `Opened` or `OpenFailed` back.
    Media(havre_media::Command),
    /// For the person holding the phone.
    Event(Event),
}

/// What a phone has to say.
#[derive(Clone, PartialEq)]
pub enum Event {
    /// Registered, or refreshed.
    Registered {
        /// Lifetime granted.
        expires: Duration,
    },
    /// Not registered; it is tried again.
    RegisterFailed {
        /// Why: 401, 403, 408 (timeout), 503 (path failed) …
        status: u16,
    },
    /// The registration is removed.
    Unregistered,
    /// Somebody calls.
    Incoming {
        /// The new leg.
        leg: LegId,
        /// The display name of `From`, as a phone's screen would show it.
        display: String,
        /// The user part that was called.
        called: String,
    },
    /// The far side rings.
    Ringing {
        /// Which leg.
        leg: LegId,
    },
    /// The call is established.
    Answered {
        /// Which leg.
        leg: LegId,
        /// What we send.
        codec: Codec,
        /// What protects it; `None` in the clear.
        suite: Option<Suite>,
    },
    /// The far side holds us, or no longer.
    Held {
        /// Which leg.
        leg: LegId,
        /// Whether it does.
        held: bool,
    },
    /// Our `Hold` or `Resume` is in place.
    HoldDone {
        /// Which leg.
        leg: LegId,
        /// Whether we hold.
        held: bool,
    },
    /// Our `Hold` or `Resume` was refused; nothing changed.
    HoldRefused {
        /// Which leg.
        leg: LegId,
        /// With what.
        status: u16,
    },
    /// The far side pressed a key.
    Digit {
        /// Which leg.
        leg: LegId,
        /// Which key.
        digit: Digit,
        /// How it came.
        by: Keying,
    },
    /// A `Play` has been heard to its end.
    PlayDone {
        /// Which leg.
        leg: LegId,
        /// As given.
        play: PlayId,
    },
    /// What was heard in the last quarter of a second, while `Listen` is on.
    Heard {
        /// Which leg.
        leg: LegId,
        /// The strongest frequency; 0 in silence.
        hz: f32,
        /// The level of everything, in dBm0.
        dbm0: f32,
        /// Share of the power at `hz`, 0 to 1.
        purity: f32,
    },
    /// No RTP from the far side.
    MediaLost {
        /// Which leg.
        leg: LegId,
        /// For how long.
        for_: Duration,
    },
    /// RTP again.
    MediaBack {
        /// Which leg.
        leg: LegId,
    },
    /// How the far side's stream arrives.
    Quality {
        /// Which leg.
        leg: LegId,
        /// Packets received so far.
        received: u64,
        /// Packets lost so far.
        lost: u64,
        /// Interarrival jitter, in milliseconds.
        jitter_ms: f32,
        /// Round trip by RTCP, in milliseconds, once known.
        round_trip_ms: Option<f32>,
    },
    /// The leg is over: once for each leg, and last.
    Ended {
        /// Which leg.
        leg: LegId,
        /// Who or what ended it.
        by: EndedBy,
        /// The SIP status that said so, if one did.
        status: Option<u16>,
        /// The same in our words.
        cause: Cause,
    },
}

impl Event {
    /// The leg it is about, if it is about one.
    #[must_use]
    pub const fn leg(&self) -> Option<LegId> {
        match self {
            Self::Registered { .. } | Self::RegisterFailed { .. } | Self::Unregistered => None,
            Self::Incoming { leg, .. }
            | Self::Ringing { leg }
            | Self::Answered { leg, .. }
            | Self::Held { leg, .. }
            | Self::HoldDone { leg, .. }
            | Self::HoldRefused { leg, .. }
            | Self::Digit { leg, .. }
            | Self::PlayDone { leg, .. }
            | Self::Heard { leg, .. }
            | Self::MediaLost { leg, .. }
            | Self::MediaBack { leg }
            | Self::Quality { leg, .. }
            | Self::Ended { leg, .. } => Some(*leg),
        }
    }
}

impl fmt::Debug for Event {
    /// Without names, numbers and keys: a phone may belong to somebody.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registered { expires } => write!(f, "Registered({expires:?})"),
            Self::RegisterFailed { status } => write!(f, "RegisterFailed({status})"),
            Self::Unregistered => f.write_str("Unregistered"),
            Self::Incoming { leg, .. } => write!(f, "Incoming({leg})"),
            Self::Ringing { leg } => write!(f, "Ringing({leg})"),
            Self::Answered { leg, codec, suite } => write!(f, "Answered({leg}, {codec:?}, {suite:?})"),
            Self::Held { leg, held } => write!(f, "Held({leg}, {held})"),
            Self::HoldDone { leg, held } => write!(f, "HoldDone({leg}, {held})"),
            Self::HoldRefused { leg, status } => write!(f, "HoldRefused({leg}, {status})"),
            Self::Digit { leg, by, .. } => write!(f, "Digit({leg}, {by:?})"),
            Self::PlayDone { leg, play } => write!(f, "PlayDone({leg}, {play})"),
            Self::Heard { leg, hz, dbm0, purity } => {
                write!(f, "Heard({leg}, {hz} Hz, {dbm0} dBm0, {purity})")
            }
            Self::MediaLost { leg, for_ } => write!(f, "MediaLost({leg}, {for_:?})"),
            Self::MediaBack { leg } => write!(f, "MediaBack({leg})"),
            Self::Quality { leg, received, lost, jitter_ms, round_trip_ms } => {
                write!(
                    f,
                    "Quality({leg}, {received} received, {lost} lost, {jitter_ms} ms, {round_trip_ms:?} ms)"
                )
            }
            Self::Ended { leg, by, status, cause } => write!(f, "Ended({leg}, {by:?}, {status:?}, {cause})"),
        }
    }
}
