//! One leg: what it is told to hear and to say, and, once SDP is agreed, its wire.

mod bridge;
mod browser;
mod inbound;
mod mixed;
mod outbound;
pub(crate) mod player;
mod quality;
pub(crate) mod reports;
mod secure;
pub(crate) mod transcoder;
mod watch;

use havre_model::{LegId, Mono};
use rand_chacha::rand_core::Rng;

use crate::codec::{Encoder, comfort};
use crate::meter::Meter;
use crate::sdp::Negotiated;
use crate::stream::ear::Ear;
use crate::stream::outgoing::Outgoing;
use crate::stream::reception::Reception;
use crate::stream::source::Source;
use crate::{Codec, dtmf, telephone_event, tty};
use bridge::Passage;
pub(crate) use bridge::{pass_on, speak_for};
pub(crate) use browser::Browser;
pub(crate) use inbound::{Kind, Received};
pub(crate) use mixed::{Seat, Wants};
use player::Player;
use quality::Measure;
use reports::Schedule;
use secure::Secure;
use watch::Watch;

/// One leg.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) id: LegId,
    /// The leg that it is bridged to, by its place in the shard.
    pub(crate) peer: Option<usize>,
    /// It hears itself.
    echoes: bool,
    /// Where it sits in a conference. If that is mixed, the peer has its keys only.
    pub(crate) seat: Option<Seat>,
    pub(crate) player: Player,
    pub(crate) keys: telephone_event::Sender,
    pub(crate) meter: Option<Box<Meter>>,
    /// Hears keys in the audio of a far side that knows no telephone-events.
    key_ear: Option<Box<dtmf::Detector>>,
    pub(crate) wire: Option<Box<Wire>>,
    /// What a leg for a browser has besides.
    pub(crate) browser: Option<Box<Browser>>,
}

/// A leg's RTP and RTCP, from the first agreement on.
#[derive(Debug)]
pub(crate) struct Wire {
    agreed: Negotiated,
    source: Source,
    reception: Reception,
    /// The timestamp of the last key that was pressed while there was no peer.
    private_press: Option<u32>,
    presses: telephone_event::Receiver,
    /// The keys of one other stream from the same address, and its SSRC.
    presses_beside: Option<(u32, telephone_event::Receiver)>,
    tty: tty::Listener,
    /// The tones of a key that is pressed towards a far side without telephone-events.
    key_tones: Option<Box<KeyTones>>,
    outgoing: Outgoing,
    /// Nothing is heard or sent without keys.
    guarded: bool,
    /// The keys, where packets are SRTP.
    secure: Option<Box<Secure>>,
    watch: Watch,
    schedule: Schedule,
    /// What the far side lost of our packets lately, in per cent.
    far_loss: u8,
    cname: String,
    quality_at: Mono,
    measure: Measure,
    /// How this leg's packets get to the peer, and how they are decoded where they are.
    passage: Passage,
    ear: Option<Box<Ear>>,
    /// Until when the peer's silence on this leg is not filled.
    fed_until: Option<Mono>,
    /// When a key of the peer's was last relayed.
    pressed_at: Option<Mono>,
    /// Milliseconds of audio of our own that are due but not yet a whole packet; `None` while we send none.
    credit: Option<u32>,
    comfort_at: Mono,
    /// The quiet behind the peer's voice, as its phone described it.
    background: Option<Box<Background>>,
}

/// Comfort noise for one listener.
#[derive(Debug)]
struct Background {
    description: comfort::Description,
    generator: comfort::Generator,
    encoder: Encoder,
}

/// A key as tones in our stream.
#[derive(Debug)]
struct KeyTones {
    tones: dtmf::Tones,
    encoder: Encoder,
}

impl Leg {
    pub(crate) fn new(id: LegId, browser: Option<Box<Browser>>) -> Self {
        Self {
            id,
            peer: None,
            echoes: false,
            seat: None,
            player: Player::default(),
            keys: telephone_event::Sender::default(),
            meter: None,
            key_ear: None,
            wire: None,
            browser,
        }
    }

    /// SDP was agreed; true if for the first time.
    pub(crate) fn configure(&mut self, mut agreed: Negotiated, rng: &mut impl Rng, now: Mono) -> bool {
        let by_ear = agreed.receive_events.is_empty();
        self.key_ear = by_ear.then(|| self.key_ear.take().unwrap_or_default());
        let keys = agreed.srtp.take();
        let browser = self.browser.is_some();
        let first = self.wire.is_none();
        let wire = match &mut self.wire {
            Some(wire) => {
                wire.source.resignal(agreed.remote_rtp, agreed.direction.receives(), now);
                wire.agreed = agreed;
                wire
            }
            None => self.wire.insert(Box::new(Wire::new(agreed, browser, rng, now))),
        };
        // A browser's keys come from DTLS, and stay when SDP is agreed again.
        if !wire.guarded {
            wire.secure(keys, rng, now);
        }
        first
    }

    /// Whether what it says is decoded for its own sake: to be measured, or for the keys in it.
    fn listens(&self) -> bool {
        self.meter.is_some() || self.key_ear.is_some()
    }

    /// Decodes and measures what it says, or stops that.
    pub(crate) fn listen(&mut self, on: bool) {
        self.meter = on.then(|| self.meter.take().unwrap_or_default());
    }

    /// It hears itself from now on, if nobody else hears it.
    pub(crate) fn echo(&mut self) {
        self.echoes = self.peer.is_none() && self.seat.is_none();
    }

    /// Bridged to another leg: whatever played ends.
    pub(crate) fn join(&mut self, peer: usize) {
        self.peer = Some(peer);
        self.echoes = false;
        self.player.stop();
        self.forget_peer();
    }

    /// Not bridged any more.
    pub(crate) fn part(&mut self) {
        self.peer = None;
        self.forget_peer();
    }

    fn forget_peer(&mut self) {
        if let Some(wire) = &mut self.wire {
            wire.passage = Passage::default();
            wire.fed_until = None;
            wire.background = None;
        }
    }
}

impl Wire {
    fn new(agreed: Negotiated, browser: bool, rng: &mut impl Rng, now: Mono) -> Self {
        // The timestamp's first bit is left alone, so that a capture reads well; and the sequence's, so that who misses
        // the first packets does not miss its rollover, which SRTP counts (RFC 3711 §3.3.1).
        let mut outgoing =
            Outgoing::new(rng.next_u32(), rng.next_u32() as u16 >> 1, rng.next_u32() >> 1, now);
        if let Some((codec, _)) = agreed.send.first() {
            outgoing.tune(codec.ticks_per_ms(), now);
        }
        Self {
            source: if browser { Source::by_ice(now) } else { Source::new(agreed.remote_rtp, now) },
            guarded: browser || agreed.browser.is_some(),
            reception: Reception::default(),
            private_press: None,
            presses: telephone_event::Receiver::default(),
            presses_beside: None,
            tty: tty::Listener::default(),
            key_tones: None,
            outgoing,
            secure: None,
            watch: Watch::new(now),
            schedule: Schedule::new(rng, now),
            far_loss: 0,
            // RFC 7022 §5: short-term persistent, and it names nobody.
            cname: format!("{:016x}", rng.next_u64()),
            quality_at: now,
            measure: Measure::default(),
            passage: Passage::default(),
            ear: None,
            fed_until: None,
            pressed_at: None,
            credit: None,
            comfort_at: now,
            background: None,
            agreed,
        }
    }

    /// Whether the keys that it needs lack.
    fn is_locked(&self) -> bool {
        self.guarded && self.secure.is_none()
    }

    /// What we send by ourselves, and its payload type. An agreement without a codec is none that SDP makes.
    fn codec(&self) -> (Codec, u8) {
        self.agreed.send.first().copied().unwrap_or((Codec::Pcmu, 0))
    }

    /// Length of one packet that we send, in milliseconds.
    fn packet_ms(&self) -> u32 {
        self.codec().0.packet_ms(self.agreed.ptime.clamp(10, 60))
    }

    /// Where to send, if we may.
    fn destination(&self) -> Option<std::net::SocketAddr> {
        let may = self.agreed.direction.sends() && !self.is_locked();
        may.then(|| self.source.destination()).flatten()
    }
}
