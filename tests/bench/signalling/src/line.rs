//! The control plane as it is shipped, without sockets: the hotline's plan, one carrier, and a data plane that says yes.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use havre_dialplan::{Catalogue, Dialplan, Targets};
use havre_media::Command;
use havre_model::Now;
use havre_sip::{Limits, Trunk};
use havre_switch::{
    CodecPolicy, Configuration, Input, Library, MediaInput, Output, Outsiders, SrtpPolicy, Switch,
};

/// Calls a second, in virtual time: what is kept of each call afterwards is there as it would be.
const RATE: u32 = 6_000;

/// What a node is told at its start; callers come from 127.0.0.0/8.
pub(crate) fn configuration(line: SocketAddr) -> Configuration {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let catalogue = Catalogue::load(&root.join("prompts")).expect("the shipped prompts");
    let text = std::fs::read_to_string(root.join("dialplans/hotline.toml")).expect("the shipped plan");
    let targets = Targets { on_call: false, partner: false, interpreter: false };
    let plan = Dialplan::parse("hotline.toml", &text, &catalogue, targets).expect("a good plan");
    let trunk = Trunk {
        id: "carrier".parse().expect("an id"),
        sources: vec!["127.0.0.0/8".parse().expect("a network")],
        digest: None,
        certificate: None,
        numbers: Vec::new(),
        strip_prefixes: Vec::new(),
        overload: havre_sip::Overload::default(),
        caps: havre_sip::Caps::default(),
        outbound: None,
    };
    Configuration {
        sip: havre_sip::Config {
            trunks: vec![trunk],
            limits: Limits::default(),
            ..havre_sip::Config::default()
        },
        agents: Vec::new(),
        ring_first: HashSet::new(),
        srtp: SrtpPolicy::default(),
        codecs: CodecPolicy::default(),
        outsiders: Outsiders::default(),
        plan,
        library: Arc::new(Library::unencoded(&catalogue)),
        rtp_advertise: line.ip(),
        rtp_advertise_other: None,
        browser: None,
        shards: 1,
    }
}

/// A control plane in virtual time.
pub(crate) struct Line {
    switch: Switch,
    now: Now,
    local: SocketAddr,
    carrier: SocketAddr,
    sent: Option<Bytes>,
}

impl Line {
    pub(crate) fn new(local: SocketAddr, carrier: SocketAddr) -> Self {
        let now = Now::default().after(Duration::from_secs(1_700_000_000));
        Self { switch: Switch::new(configuration(local), [7; 32], now), now, local, carrier, sent: None }
    }

    /// A moment passes: as long as one call takes of a second full of them.
    pub(crate) fn pass(&mut self) {
        self.advance(Duration::from_secs(1) / RATE);
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        let end = self.now.after(by);
        while let Some(wakeup) = self.switch.poll_timeout().filter(|wakeup| wakeup.at <= end.mono) {
            self.now = self.now.after(wakeup.at.since(self.now.mono));
            self.switch.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// A datagram of the carrier's, and the last one that answers it.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Option<Bytes> {
        let (local, source) = (self.local, self.carrier);
        self.switch.handle_input(Input::Datagram { local, source, bytes }, self.now);
        self.drain();
        self.sent.take()
    }

    pub(crate) fn calls(&self) -> usize {
        self.switch.calls().count()
    }

    fn drain(&mut self) {
        while let Some(output) = self.switch.poll_output() {
            match output {
                Output::Transmit { bytes, .. } => self.sent = Some(bytes),
                Output::Media { command: Command::Open { leg, .. }, .. } => {
                    let opened = MediaInput::Opened { leg, rtp: 20_000, rtcp: 20_001, ice: None };
                    self.switch.handle_input(Input::Media(opened), self.now);
                }
                _ => {}
            }
        }
    }
}
