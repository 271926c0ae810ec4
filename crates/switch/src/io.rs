//! What goes into a [`crate::Switch`] and what comes out of it.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use havre_dialplan::Dialplan;
use havre_media::sdp::Srtp;
use havre_media::{self as media, Codec};
use havre_model::{
    AgentCommand, AgentId, AgentProfile, AgentState, CallEvent, CallId, Digit, FlowId, LegId, Quality, Side,
    TrunkHealth, TrunkId,
};
use havre_queue as queue;
use havre_sip as sip;

use crate::Library;

/// Whose media is to be SRTP, with keys from SDP. Whoever is not in here has none; browsers always have, by DTLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SrtpPolicy {
    /// Callers, by the trunk that brings them.
    pub trunks: HashMap<TrunkId, Srtp>,
    /// Agents' phones.
    pub agents: HashMap<AgentId, Srtp>,
}

/// Codecs in which a far end is to be spoken to, the preferred one first, where not in all that the line has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodecPolicy {
    /// Callers, by the trunk that brings them.
    pub trunks: HashMap<TrunkId, Vec<Codec>>,
    /// Telephones outside, by whose they are: each trunk that leads there, if one of them is not spoken to in all.
    pub telephones: HashMap<AgentId, Vec<(TrunkId, Vec<Codec>)>>,
}

/// What a switch is told once, at the start.
#[derive(Clone)]
pub struct Configuration {
    /// Names, accounts, trunks, timers. The numbers of the lines are filled in from the plan.
    pub sip: sip::Config,
    /// Accounts of the queue.
    pub agents: Vec<AgentProfile>,
    /// Trunks that want a 180 before the 200.
    pub ring_first: HashSet<TrunkId>,
    /// Whose media is to be SRTP.
    pub srtp: SrtpPolicy,
    /// Which codecs carriers are spoken to in.
    pub codecs: CodecPolicy,
    /// Whom we may call over trunks.
    pub outsiders: Outsiders,
    /// What callers hear and what keys do.
    pub plan: Arc<Dialplan>,
    /// The plan's prompts, encoded.
    pub library: Arc<Library>,
    /// The address that SDP shows.
    pub rtp_advertise: IpAddr,
    /// The one of the other family, where media are at both: for whoever offers there.
    pub rtp_advertise_other: Option<IpAddr>,
    /// What browsers are told of our media; without it they are offered what phones are.
    pub browser: Option<BrowserMedia>,
    /// Data threads.
    pub shards: usize,
}

/// Everybody outside whom the configuration names, and nobody else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outsiders {
    /// On-call people by the telephone that rings for them.
    pub phones: HashMap<AgentId, sip::Outside>,
}

/// What browsers have to know of our media, beside what is each leg's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserMedia {
    /// Of the certificate that DTLS shows.
    pub fingerprint: media::sdp::Fingerprint,
    /// The addresses at which the shards' shared ports may be reached, best first.
    pub candidates_host: Vec<IpAddr>,
}

/// A new dialplan and new accounts, already checked: new calls get them, calls in progress keep theirs.
#[derive(Clone)]
pub struct ReloadPlan {
    /// As in [`Configuration`].
    pub sip: sip::Config,
    /// As in [`Configuration`].
    pub agents: Vec<AgentProfile>,
    /// As in [`Configuration`].
    pub ring_first: HashSet<TrunkId>,
    /// As in [`Configuration`].
    pub srtp: SrtpPolicy,
    /// As in [`Configuration`].
    pub codecs: CodecPolicy,
    /// As in [`Configuration`].
    pub outsiders: Outsiders,
    /// As in [`Configuration`].
    pub plan: Arc<Dialplan>,
    /// As in [`Configuration`].
    pub library: Arc<Library>,
}

/// What the shell pushes in.
pub enum Input<'a> {
    /// A SIP datagram.
    Datagram {
        /// Our address.
        local: SocketAddr,
        /// Theirs.
        source: SocketAddr,
        /// What came.
        bytes: &'a [u8],
    },
    /// A SIP connection is open.
    Connected {
        /// Its id.
        flow: FlowId,
        /// Our address.
        local: SocketAddr,
        /// Theirs.
        remote: SocketAddr,
        /// What it is.
        link: sip::Link,
    },
    /// One message of a SIP WebSocket.
    Message {
        /// Its id.
        flow: FlowId,
        /// What came.
        bytes: &'a [u8],
    },
    /// Bytes of a SIP connection.
    Stream {
        /// Its id.
        flow: FlowId,
        /// What came.
        bytes: &'a [u8],
    },
    /// A SIP connection is closed, or could not be opened.
    Closed {
        /// Its id.
        flow: FlowId,
    },
    /// DNS has answered [`Output::Resolve`].
    Resolved {
        /// As asked.
        question: sip::Question,
        /// The records; `None` if it did not answer.
        answer: Option<sip::Answer>,
    },
    /// A SIP datagram came back (ICMP).
    Unreachable {
        /// Our address.
        local: SocketAddr,
        /// Theirs.
        remote: SocketAddr,
    },
    /// What arrives now has waited this long before it was read.
    Load {
        /// How long.
        delay: Duration,
    },
    /// Nothing else is to be done just now, while calls wait to be let in.
    Leisure,
    /// The data plane noticed something.
    Media(MediaInput),
    /// The store answered, went or came back.
    Store(queue::Ack),
    /// An agent, or a supervisor for them, asks over the API.
    Command {
        /// Who.
        agent: AgentId,
        /// What.
        command: AgentCommand,
        /// Given back in [`Output::Answer`]. Below 2^63; the switch uses the upper half itself.
        reply: u64,
    },
    /// New plan, new accounts.
    Reload(Box<ReloadPlan>),
    /// A supervisor wants a call that waits: it rings at once for this agent, too.
    Take {
        /// Which call.
        call: CallId,
        /// For whom.
        agent: AgentId,
        /// Given back in [`Output::Taken`]. Below 2^63.
        reply: u64,
    },
    /// An advocate or supervisor says that this caller is in danger. Of no effect if the call is over.
    Escalate(CallId),
    /// Take no new calls.
    Drain,
    /// End every call: the time to drain is over.
    HangUp,
}

/// What the data plane noticed.
#[derive(Clone, Debug)]
pub enum MediaInput {
    /// A leg's sockets are bound.
    Opened {
        /// The leg.
        leg: LegId,
        /// Its RTP port.
        rtp: u16,
        /// Its RTCP port.
        rtcp: u16,
        /// What a browser has to know, of a leg that was opened for one.
        ice: Option<media::IceLocal>,
    },
    /// There is no port left.
    OpenFailed {
        /// The leg.
        leg: LegId,
    },
    /// Anything else.
    Event(media::Event),
}

/// What the shell pulls out.
pub enum Output {
    /// Send SIP.
    Transmit {
        /// Where.
        path: sip::Path,
        /// What.
        bytes: Bytes,
    },
    /// Open a SIP connection.
    Connect {
        /// TCP or TLS.
        transport: sip::Transport,
        /// From.
        local: SocketAddr,
        /// To.
        remote: SocketAddr,
        /// Its id.
        flow: FlowId,
        /// Of TLS: whom the certificate has to be for.
        server_name: Option<Arc<str>>,
    },
    /// Close a SIP connection.
    Disconnect {
        /// Its id.
        flow: FlowId,
    },
    /// Ask DNS.
    Resolve(sip::Question),
    /// What is known of an outbound trunk has changed.
    Trunk {
        /// Which.
        trunk: TrunkId,
        /// What is known now.
        health: TrunkHealth,
    },
    /// A command for a data thread.
    Media {
        /// Which thread.
        shard: usize,
        /// What to do.
        command: media::Command,
    },
    /// Something for the store.
    Store(queue::Op),
    /// For the record, the stream, the metrics and the log.
    Event(CallEvent),
    /// An agent's state changed.
    Agent {
        /// Whose.
        agent: AgentId,
        /// What it is now.
        state: AgentState,
    },
    /// A caller pressed a key in a talk: for the desk of this agent, and for nothing that keeps anything.
    Key {
        /// In which call.
        call: CallId,
        /// With whom.
        agent: AgentId,
        /// Which key.
        digit: Digit,
    },
    /// A caller went this way of the plan, out of a menu: to be counted.
    Went {
        /// The menu's place in the plan's outline.
        from: String,
        /// By which key; `None` by pressing none.
        key: Option<Digit>,
    },
    /// The answer to [`Input::Command`].
    Answer {
        /// As given.
        reply: u64,
        /// What came of it.
        result: Result<AgentState, queue::CommandError>,
    },
    /// The answer to [`Input::Take`].
    Taken {
        /// As given.
        reply: u64,
        /// Whether it rings, or why not.
        result: Result<(), queue::TakeError>,
    },
    /// The store is gone (`true`) or back.
    Degraded(bool),
    /// The edge refused an INVITE, or media that is not as secure as it has to be did.
    Refused {
        /// With this status.
        status: u16,
        /// Why, in a fixed word.
        why: &'static str,
        /// Whose, where known.
        trunk: Option<TrunkId>,
    },
    /// Somebody guesses passwords of SIP accounts.
    Guessing {
        /// From where.
        source: IpAddr,
        /// Wrong ones so far.
        failures: u32,
    },
    /// How a leg sounds, every few seconds and at its end.
    Quality(Box<QualityReport>),
}

/// How a leg sounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QualityReport {
    /// Whose leg, and in which call; `None` for one that is in no talk.
    pub party: Option<(CallId, Side)>,
    /// What was measured.
    pub quality: Quality,
    /// Packets received since the report before.
    pub received: u64,
    /// Packets lost since the report before.
    pub lost: u64,
    /// The leg is over: `quality` is of the whole of it.
    pub last: bool,
}
