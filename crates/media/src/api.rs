//! What goes into a [`Shard`](crate::Shard) and what comes out of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use havre_model::{ConferenceId, Digit, LegId, PlayId, Quality};

use crate::sdp::{Fingerprint, Negotiated};
use crate::srtp::Pair;
use crate::{Clip, Prompt};

/// Named limits: every table that outsiders can fill has one.
pub mod limits {
    /// Legs of one shard: both sides of every call that a node may hold (`model::limits::MAX_CALLS`), so that one
    /// shard alone can carry a node; the shell's ports end earlier.
    pub const MAX_LEGS: usize = 2 * havre_model::limits::MAX_CALLS;
    /// Legs of one conference: a caller, an advocate, an interpreter and a supervisor are four; each costs a decoder and an
    /// encoder.
    pub const MAX_CONFERENCE: usize = 8;
    /// Conferences of one shard: one for each call that a node may hold.
    pub const MAX_CONFERENCES: usize = havre_model::limits::MAX_CALLS;
    /// Largest RTP or RTCP packet taken, in bytes: an Ethernet frame. Larger ones would be fragments reassembled.
    pub const MAX_PACKET: usize = 1_500;
    /// Clips of one `Play`. The longest list of the journey is P1's five; bilingual messages need a dozen.
    pub const MAX_CLIPS: usize = 64;
    /// Keys waiting to be sent on one leg; more than any feature code or account number.
    pub const MAX_DIGITS_QUEUED: usize = 32;
    /// Streams that one SRTP key protects, in each direction. A phone begins a new one where it changes SSRC, on hold for
    /// instance; those that it left are remembered, or they could be played again.
    pub const MAX_SRTP_SOURCES: usize = 64;
    /// Addresses of one leg's browser: it has a few interfaces, and each comes through a NAT or two.
    pub const MAX_ICE_SOURCES: usize = 16;
    /// Checks of one leg's browser that are remembered, lest somebody repeat one from elsewhere: those of 40 minutes, once a
    /// path is found.
    pub const MAX_ICE_CHECKS: usize = 1_024;
    /// Packets that SRTP looks back for replays; RFC 3711 §3.3.2 asks for 64 at least.
    pub const REPLAY_WINDOW: u32 = 128;
    /// Largest SDP body taken, in bytes. A browser's offer with every codec is about 8 kB.
    pub const MAX_SDP: usize = 32_768;
    /// Lines of one SDP body.
    pub const MAX_SDP_LINES: usize = 1_024;
    /// `m=` lines of one SDP body: each is answered, so each costs reply bytes.
    pub const MAX_SDP_MEDIA: usize = 16;
    /// Payload types of one `m=` line: there are 128.
    pub const MAX_SDP_FORMATS: usize = 128;
    /// `a=crypto` lines of one `m=` line: a phone that knows every suite offers a dozen.
    pub const MAX_SDP_CRYPTO: usize = 32;
}

/// What the operator may choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Silence on the wire, where packets are due, after which [`Event::MediaLost`] is reported.
    pub media_lost_after: Duration,
    /// Time between [`Event::Quality`] reports of one leg.
    pub quality_every: Duration,
    /// Whether legs that we transcode for fall silent when nobody speaks: comfort noise packets (RFC 3389) or Opus's DTX
    /// where the far side takes them. Relayed packets are never touched.
    pub suppress_silence: bool,
}

impl Default for Config {
    /// 3 s, as the journey asks; quality every 5 s, which is RTCP's minimum interval (RFC 3550 §6.2); nothing is
    /// suppressed, for bandwidth is cheap and a soft voice is not.
    fn default() -> Self {
        Self {
            media_lost_after: Duration::from_secs(3),
            quality_every: Duration::from_secs(5),
            suppress_silence: false,
        }
    }
}

/// Which of a leg's two sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// The RTP socket. RTCP is on it too where `rtcp-mux` was negotiated (RFC 5761).
    Rtp,
    /// The RTCP socket.
    Rtcp,
}

/// Who hears a member of a conference. All members hear whoever speaks to all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// Everybody: a party to the talk, or a supervisor who barges in.
    ToAll,
    /// One member only, from when it is there: a whisper.
    To(LegId),
    /// Nobody: it listens.
    ToNone,
}

/// Who is at the other end of a leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Face {
    /// A phone or a carrier: RTP, or SRTP with keys from SDP, on a pair of ports of the leg's own.
    #[default]
    Plain,
    /// A browser: ICE, DTLS-SRTP, and all on the port that the shard's browser legs share.
    Browser,
}

/// What the outside pushes in.
#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram came in on a leg's socket.
    Packet {
        /// Whose socket.
        leg: LegId,
        /// Which socket.
        channel: Channel,
        /// The sender's address, as the kernel gave it.
        source: SocketAddr,
        /// The datagram.
        bytes: &'a [u8],
    },
    /// A datagram came in on the port that browser legs share.
    Shared {
        /// The sender's address, as the kernel gave it.
        source: SocketAddr,
        /// The datagram.
        bytes: &'a [u8],
    },
    /// The network said that a leg's RTP port is unreachable (ICMP).
    Unreachable {
        /// Whose packets came back.
        leg: LegId,
    },
    /// The control plane wants something.
    Command(Command),
}

/// What the control plane wants. A command for a leg that is not open is counted and dropped.
#[derive(Clone, Debug)]
pub enum Command {
    /// A new leg: the shell has bound its sockets.
    Open {
        /// The leg.
        leg: LegId,
        /// Who is at its other end.
        face: Face,
    },
    /// What SDP said, first or again (re-INVITE). RTP flows from now on.
    Configure {
        /// The leg.
        leg: LegId,
        /// What SDP said.
        negotiated: Box<Negotiated>,
    },
    /// Play `clips` once, in order, in place of whatever plays; a loop waits below it and a bridge's audio too.
    /// Ends with [`Event::PlayDone`], unless stopped or replaced.
    Play {
        /// The listener.
        leg: LegId,
        /// Named in `PlayDone`.
        play: PlayId,
        /// What to play; at most [`limits::MAX_CLIPS`] are.
        clips: Vec<Clip>,
    },
    /// Play `prompt` for ever, joining where all its listeners are. Replaces another loop; stays below a `Play`.
    Loop {
        /// The listener.
        leg: LegId,
        /// Names this playing; a loop has no end to report.
        play: PlayId,
        /// What to play.
        prompt: Arc<Prompt>,
    },
    /// End `Play` and `Loop`, at once and without `PlayDone`.
    Stop {
        /// The listener.
        leg: LegId,
    },
    /// Let two legs hear each other. Ends whatever plays on either, and any other bridge of either; both leave their
    /// conferences.
    Bridge {
        /// One leg.
        a: LegId,
        /// The other.
        b: LegId,
    },
    /// Undo that. Nothing happens unless these two are bridged to each other or members of one conference, which both
    /// leave then.
    Unbridge {
        /// One leg.
        a: LegId,
        /// The other.
        b: LegId,
    },
    /// Send a leg what it says itself, while nothing else is to be heard: who tests a headset hears that it works. Only audio
    /// in a codec that it takes as well comes back, and no keys. A bridge or a conference ends it.
    Echo {
        /// The leg.
        leg: LegId,
    },
    /// Take a leg into a conference, which begins with its first member; or change its voice in there. It leaves any other
    /// conference, and what plays on it ends. A bridged leg brings its partner along, who speaks to all.
    ///
    /// Two members who speak to all, and nobody else, are bridged ([`Event::Bridged`]); when a third comes, or one of them
    /// only listens or whispers, all are mixed, each without its own voice. A key is reported as ever, and goes on to the
    /// presser's partner alone: the two who have spoken to all for longest are partners.
    Join {
        /// Which one; at most [`limits::MAX_CONFERENCES`] of a shard.
        conference: ConferenceId,
        /// Who joins; at most [`limits::MAX_CONFERENCE`] do.
        leg: LegId,
        /// Who hears it.
        voice: Voice,
        /// Whether everybody hears a short tone when it comes and when it goes. Two members are bridged after it.
        tones: bool,
    },
    /// Leave it: the leg hears nobody then. The last one to leave ends it. Nothing happens to a leg that is not in it.
    Leave {
        /// Which one.
        conference: ConferenceId,
        /// Who leaves.
        leg: LegId,
    },
    /// Press a key towards the far side: as telephone-events (RFC 4733), or as tones where it knows none.
    SendDigit {
        /// The leg.
        leg: LegId,
        /// The key.
        digit: Digit,
        /// How long it is held, in milliseconds; held to 40-8,000.
        millis: u16,
    },
    /// Decode and measure what the far side sends ([`Event::Heard`]).
    Listen {
        /// The leg.
        leg: LegId,
        /// Begin or end.
        on: bool,
    },
    /// Send a datagram of the DTLS handshake to the leg's browser, wherever it is now.
    SendHandshake {
        /// The leg.
        leg: LegId,
        /// The datagram.
        bytes: Box<[u8]>,
    },
    /// The DTLS handshake ended well: these are the keys, and the certificate is the one that SDP named. Media may flow.
    Secure {
        /// The leg.
        leg: LegId,
        /// The keys.
        keys: Box<Pair>,
    },
    /// The browser said goodbye in DTLS: as if the network said that it is gone ([`Event::Unreachable`]).
    Gone {
        /// The leg.
        leg: LegId,
    },
    /// The leg is over, and leaves its bridge or conference: its RTCP says goodbye (RFC 3550 §6.6), its last
    /// [`Event::Quality`] comes if SDP was ever agreed, and nothing is sent or reported of it after that.
    Close {
        /// The leg.
        leg: LegId,
    },
}

/// What the outside pulls out.
#[derive(Debug, PartialEq)]
pub enum Output<'a> {
    /// Send a datagram from a leg's socket.
    Transmit {
        /// Whose socket.
        leg: LegId,
        /// Which socket.
        channel: Channel,
        /// Where to.
        to: SocketAddr,
        /// The datagram, lent until the next call: a shell that batches copies it into its own batch.
        bytes: &'a [u8],
    },
    /// Answer a browser's connectivity check, from the very address at which it came. If that is one of several, what is
    /// sent there later leaves from it, too: the browser takes an answer for nothing, and its NAT lets nothing in, that comes
    /// from where it did not ask (RFC 8445 §7.2.5.2.1).
    Answer {
        /// Whose check.
        leg: LegId,
        /// Where it came from.
        to: SocketAddr,
        /// The datagram, lent as in `Transmit`.
        bytes: &'a [u8],
    },
    /// Something for whoever does the DTLS handshakes of browsers.
    Handshake {
        /// Whose.
        leg: LegId,
        /// What to do.
        step: Handshake<'a>,
    },
    /// Something for the control plane.
    Event(Event),
}

/// What a browser's DTLS handshake needs. Answered with [`Command::SendHandshake`] and [`Command::Secure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake<'a> {
    /// SDP is agreed, and ICE has found the browser.
    Begin {
        /// Of the certificate that it has to show.
        fingerprint: Fingerprint,
        /// We are the client, and begin; otherwise it does.
        client: bool,
    },
    /// A datagram of the browser's, after `Begin`.
    Packet(&'a [u8]),
    /// Nobody waits for it any more.
    End,
}

/// What a shard noticed.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A key was pressed, reported once, however long it is held; also on bridged legs. A telephone-event (RFC 4733) is
    /// reported at its first packet; where none were negotiated, keys are heard in the audio, about 0.1 s later.
    Digit {
        /// Who pressed.
        leg: LegId,
        /// Which key.
        digit: Digit,
    },
    /// Somebody types on a TTY (Baudot tones, ITU-T V.18 annex A) on a leg that sends G.711. Reported once for every
    /// spurt of it: again after 5 s without.
    Tty {
        /// Who types.
        leg: LegId,
    },
    /// The last clip of a `Play` has been heard.
    PlayDone {
        /// The listener.
        leg: LegId,
        /// As given in `Play`.
        play: PlayId,
    },
    /// The two legs hear each other from now on, and nobody else: by `Bridge`, or as those who are left of a conference.
    Bridged {
        /// As given in `Bridge`; the one who joined first.
        a: LegId,
        /// The other.
        b: LegId,
    },
    /// No RTP from a leg that should be sending. Reported once; decides nothing.
    MediaLost {
        /// The silent leg.
        leg: LegId,
        /// How long it has been silent.
        for_: Duration,
    },
    /// RTP again after `MediaLost` or `Unreachable`.
    MediaBack {
        /// The leg.
        leg: LegId,
    },
    /// A leg's RTP port is unreachable (ICMP). Reported once until RTP comes again.
    Unreachable {
        /// The leg.
        leg: LegId,
    },
    /// What was heard in the last quarter of a second, while `Listen` is on and SDP is agreed.
    Heard {
        /// Whom we listened to.
        leg: LegId,
        /// The strongest frequency between 100 and 3,700 Hz; 0 in silence (below -60 dBm0).
        hz: f32,
        /// The level of everything, in dBm0; -96 at the lowest.
        dbm0: f32,
        /// The share of the power that is at `hz`, 0 to 1: near 1 for a tone, low for speech.
        purity: f32,
    },
    /// The far side reports that it receives nothing of what we send, or again something; by RTCP, at its second report
    /// that says so, so about 10 s late. A far side without RTCP reports nothing. Decides nothing.
    FarHears {
        /// The leg.
        leg: LegId,
        /// Whether our packets arrive there now.
        ours: bool,
    },
    /// How a leg sounds: every few seconds, and at its end.
    Quality {
        /// The leg.
        leg: LegId,
        /// What was measured.
        quality: Quality,
        /// The leg is over: this is of the whole of it.
        last: bool,
    },
}
