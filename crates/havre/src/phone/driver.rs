//! A [`Phone`] on real sockets: one for SIP, and a data thread for its audio.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use havre_media::Codec;
use havre_media::sdp::Srtp;
use havre_model::{LegId, Mono, limits};
use havre_node::clock::Clock;
use havre_node::media::{MediaConfig, MediaThreads, ShardEvent};
use havre_phone::{Command, Config, Event, Input, Output, Phone};
use havre_sip::Path;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

/// Beside the line's own ports, which may be on the same address.
const PORTS: std::ops::RangeInclusive<u16> = 30_000..=39_999;
/// Far more than one call can say between two turns.
const MEDIA_EVENTS: usize = 1_024;
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// A phone that is switched on.
pub(super) struct Driver {
    phone: Phone,
    clock: Clock,
    socket: UdpSocket,
    local: SocketAddr,
    line: SocketAddr,
    media: MediaThreads,
    media_events: mpsc::Receiver<ShardEvent>,
    events: VecDeque<Event>,
    buffer: Box<[u8]>,
}

impl Driver {
    /// A phone that speaks with nobody but `line`.
    pub(super) async fn start(line: SocketAddr, codecs: Vec<Codec>, srtp: Srtp) -> anyhow::Result<Self> {
        let clock = Clock::new();
        let ip =
            address_towards(line).await.with_context(|| format!("there is no way to {line} from here"))?;
        let socket = UdpSocket::bind((ip, 0)).await.with_context(|| format!("cannot open a port on {ip}"))?;
        // Connected, the socket tells when nobody listens there, and takes nothing from others.
        socket.connect(line).await?;
        socket.writable().await?;
        let local = socket.local_addr()?;
        let (sender, media_events) = mpsc::channel(MEDIA_EVENTS);
        let config = MediaConfig {
            listen: ip,
            ports: PORTS,
            browser_ports: None,
            shards: 1,
            shard: havre_media::Config::default(),
        };
        let media = MediaThreads::start(config, clock, rand::random(), sender)?;
        let config = Config { codecs, srtp, max_legs: 1, ..Config::new(ip) };
        Ok(Self {
            phone: Phone::new(config, rand::random(), clock.now()),
            clock,
            socket,
            local,
            line,
            media,
            media_events,
            events: VecDeque::new(),
            buffer: vec![0; limits::MAX_SIP_MESSAGE].into(),
        })
    }

    /// The way to the line.
    pub(super) const fn path(&self) -> Path {
        Path::udp(self.local, self.line)
    }

    /// This moment.
    pub(super) fn now(&self) -> Mono {
        self.clock.mono()
    }

    /// Tells the phone what to do.
    pub(super) fn command(&mut self, command: Command) {
        self.phone.handle_input(Input::Command(command), self.clock.now());
        self.drain();
    }

    /// What the phone says next. May be dropped while it waits: nothing is lost.
    pub(super) async fn next(&mut self) -> Event {
        loop {
            self.drain();
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let now = self.clock.mono();
            let wait =
                self.phone.poll_timeout().map_or(Duration::from_secs(3_600), |wakeup| wakeup.at.since(now));
            tokio::select! {
                received = self.socket.recv(&mut self.buffer) => match received {
                    Ok(length) => self.on_datagram(length),
                    Err(error) => self.on_error(error.kind()),
                },
                Some(event) = self.media_events.recv() => self.on_media(event),
                () = tokio::time::sleep(wait) => self.phone.handle_timeout(self.clock.now()),
            }
        }
    }

    /// Hangs up, unregisters, and waits a moment until that is done.
    pub(super) async fn goodbye(mut self, registered: bool) {
        let legs: Vec<LegId> = self.phone.legs().collect();
        for leg in legs {
            self.command(Command::HangUp { leg });
        }
        if registered {
            self.command(Command::Unregister);
        }
        let mut waits = registered;
        let done = async {
            while waits || self.phone.legs().next().is_some() {
                if matches!(self.next().await, Event::Unregistered | Event::RegisterFailed { .. }) {
                    waits = false;
                }
            }
        };
        // A line that is gone hears no goodbye.
        let _ = tokio::time::timeout(GOODBYE, done).await;
    }

    fn drain(&mut self) {
        while let Some(output) = self.phone.poll_output() {
            match output {
                Output::Transmit { bytes, .. } => {
                    if let Err(error) = self.socket.try_send(&bytes) {
                        self.on_error(error.kind());
                    }
                }
                Output::Media(command) => {
                    let opening = match &command {
                        havre_media::Command::Open { leg, .. } => Some(*leg),
                        _ => None,
                    };
                    if self.media.command(0, command).is_err()
                        && let Some(leg) = opening
                    {
                        self.phone.handle_input(Input::OpenFailed { leg }, self.clock.now());
                    }
                }
                // Only where a path asks for TCP, and ours never does.
                Output::Connect { .. } | Output::Disconnect { .. } => {}
                Output::Event(event) => self.events.push_back(event),
            }
        }
    }

    fn on_datagram(&mut self, length: usize) {
        let bytes = &self.buffer[..length];
        let input = havre_sip::Input::Datagram { local: self.local, source: self.line, bytes };
        self.phone.handle_input(Input::Sip(input), self.clock.now());
    }

    /// What else goes wrong with a datagram, its retransmission mends.
    fn on_error(&mut self, error: ErrorKind) {
        if error == ErrorKind::ConnectionRefused {
            let input = havre_sip::Input::Unreachable { local: self.local, remote: self.line };
            self.phone.handle_input(Input::Sip(input), self.clock.now());
        }
    }

    fn on_media(&mut self, event: ShardEvent) {
        let input = match event {
            ShardEvent::Opened { leg, rtp, rtcp, .. } => Input::Opened { leg, rtp, rtcp },
            ShardEvent::OpenFailed { leg } => Input::OpenFailed { leg },
            ShardEvent::Media(event) => Input::Media(event),
        };
        self.phone.handle_input(input, self.clock.now());
    }
}

/// Our address on the way to `line`; on loopback, the line's own.
async fn address_towards(line: SocketAddr) -> std::io::Result<IpAddr> {
    if line.ip().is_loopback() {
        return Ok(line.ip());
    }
    let any: SocketAddr = if line.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(line).await?;
    Ok(socket.local_addr()?.ip())
}
