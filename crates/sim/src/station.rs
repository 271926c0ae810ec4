//! A phone and its surroundings: a real `havre_phone::Phone`, its audio without packets, and what may befall it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use havre_media::sdp::Srtp;
use havre_media::srtp::{Keys, Pair};
use havre_model::{LegId, Now};
use havre_phone::{Config, Phone};
use havre_sip::{Account, Path, Transport};

use crate::hotline::SWITCH;

/// How a phone is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It works.
    Well,
    /// Its host is off, or its network: nothing goes in or out.
    Dark,
    /// Its program is gone: its host answers with ICMP.
    Crashed,
}

/// One leg's audio, as the phone's own data plane has it.
#[derive(Clone, Debug)]
pub(crate) struct Audio {
    pub(crate) port: u16,
    pub(crate) remote: Option<SocketAddr>,
    pub(crate) sends: bool,
    pub(crate) receives: bool,
    pub(crate) keys: Option<Pair>,
}

/// What a person near the phone knows of a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Dialled; nobody has answered.
    Calling,
    /// It rings.
    Ringing,
    /// Established.
    Talking,
}

pub(crate) struct Station {
    pub(crate) name: String,
    pub(crate) addr: SocketAddr,
    pub(crate) phone: Phone,
    pub(crate) account: Option<Account>,
    /// The number shown to whom it calls.
    pub(crate) number: String,
    pub(crate) transport: Transport,
    /// It speaks over a WebSocket behind the console's login, with an instance of its own.
    pub(crate) browser: bool,
    pub(crate) srtp: Srtp,
    pub(crate) life: Life,
    /// Sends no RTP though it could.
    pub(crate) muted: bool,
    pub(crate) lines: BTreeMap<LegId, Line>,
    pub(crate) audio: BTreeMap<LegId, Audio>,
    /// What was heard last, by leg: the log tells changes only.
    pub(crate) heard: BTreeMap<LegId, String>,
    pub(crate) ports: u16,
    pub(crate) dialled: u64,
}

impl Station {
    pub(crate) fn new(
        name: String,
        addr: SocketAddr,
        number: String,
        config: Config,
        seed: [u8; 32],
        now: Now,
    ) -> Self {
        Self {
            phone: Phone::new(config, seed, now),
            name,
            addr,
            account: None,
            number,
            transport: Transport::Udp,
            browser: false,
            srtp: Srtp::Off,
            life: Life::Well,
            muted: false,
            lines: BTreeMap::new(),
            audio: BTreeMap::new(),
            heard: BTreeMap::new(),
            ports: 10_000,
            dialled: 0,
        }
    }

    /// The ports of the switch to which this phone sends RTP.
    pub(crate) fn switch_ports(&self) -> impl Iterator<Item = u16> {
        self.streams().map(|(port, _)| port)
    }

    /// The same, with the keys that protect what is sent.
    pub(crate) fn streams(&self) -> impl Iterator<Item = (u16, Option<Keys>)> {
        self.audio.values().filter(|audio| audio.sends).filter_map(|audio| {
            let remote = audio.remote.filter(|remote| remote.ip() == SWITCH.ip())?;
            Some((remote.port(), audio.keys.as_ref().map(|keys| keys.send.clone())))
        })
    }

    pub(crate) const fn ip(&self) -> IpAddr {
        self.addr.ip()
    }

    /// How it reaches the switch.
    pub(crate) const fn path(&self) -> Path {
        match self.transport {
            Transport::Udp => Path::udp(self.addr, SWITCH),
            _ => Path::tcp(self.addr, SWITCH),
        }
    }

    /// The one leg in this state, the latest if there are more.
    pub(crate) fn leg(&self, line: &Line) -> Option<LegId> {
        self.lines.iter().rev().find(|(_, is)| *is == line).map(|(leg, _)| *leg)
    }

    /// Whatever leg there is, a talk before one that rings.
    pub(crate) fn any_leg(&self) -> Option<LegId> {
        let first = |line| self.leg(&line);
        first(Line::Talking).or_else(|| first(Line::Ringing)).or_else(|| first(Line::Calling))
    }

    /// The leg whose audio comes in at `port`.
    pub(crate) fn leg_at(&self, port: u16) -> Option<LegId> {
        self.audio.iter().find(|(_, audio)| audio.port == port).map(|(leg, _)| *leg)
    }
}
