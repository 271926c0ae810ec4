//! A data plane on loopback, and phones that are plain sockets. Each test has an address of its own, so that ports
//! never collide.
#![allow(dead_code, reason = "every test binary uses a part")]

pub(crate) mod browser;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use havre_media::sdp::{Direction, Negotiated, OpusParameters};
use havre_media::{Codec, Command, Face};
use havre_model::LegId;
use havre_node::clock::Clock;
use havre_node::media::{MediaConfig, MediaThreads, ShardEvent};
use tokio::sync::mpsc;

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A data plane and what it says.
pub(crate) struct Plane {
    pub(crate) ip: IpAddr,
    pub(crate) media: MediaThreads,
    events: mpsc::Receiver<ShardEvent>,
}

impl Plane {
    pub(crate) fn start(ip: impl Into<IpAddr>, ports: RangeInclusive<u16>, shards: usize) -> Self {
        Self::start_with(ip, ports, None, shards)
    }

    pub(crate) fn start_with(
        ip: impl Into<IpAddr>,
        ports: RangeInclusive<u16>,
        browser_ports: Option<RangeInclusive<u16>>,
        shards: usize,
    ) -> Self {
        let (to, events) = mpsc::channel(4_096);
        let ip = ip.into();
        let config =
            MediaConfig { listen: ip, ports, browser_ports, shards, shard: havre_media::Config::default() };
        let media = MediaThreads::start(config, Clock::new(), [7; 32], to).unwrap();
        Self { ip, media, events }
    }

    pub(crate) fn command(&self, command: Command) {
        self.media.command(0, command).unwrap();
    }

    pub(crate) fn open(&mut self, leg: LegId) -> Option<u16> {
        self.open_on(0, leg)
    }

    pub(crate) fn open_on(&mut self, shard: usize, leg: LegId) -> Option<u16> {
        self.media.command(shard, Command::Open { leg, face: Face::Plain }).unwrap();
        let answer =
            self.wait(|event| matches!(event, ShardEvent::Opened { .. } | ShardEvent::OpenFailed { .. }));
        match answer {
            ShardEvent::Opened { leg: opened, rtp, rtcp, .. } => {
                assert_eq!((opened, rtcp), (leg, rtp + 1));
                Some(rtp)
            }
            _ => None,
        }
    }

    /// A leg in PCMU to a phone of its own, with RTCP on the same port.
    pub(crate) fn phone(&mut self, leg: LegId) -> Phone {
        self.phone_at(leg, self.ip, None)
    }

    /// A leg in PCMU to a phone of its own on `ip`; its RTCP goes to `rtcp`, if that is not the same port.
    pub(crate) fn phone_at(&mut self, leg: LegId, ip: IpAddr, rtcp: Option<SocketAddr>) -> Phone {
        let port = self.open(leg).unwrap();
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let at = socket.local_addr().unwrap();
        let negotiated = Negotiated {
            remote_rtp: at,
            remote_rtcp: rtcp.unwrap_or(at),
            rtcp_mux: rtcp.is_none(),
            voip_metrics: false,
            direction: Direction::SendRecv,
            send: vec![(Codec::Pcmu, 0)],
            receive: vec![(0, Codec::Pcmu)],
            send_events: Vec::new(),
            receive_events: Vec::new(),
            opus: OpusParameters::default(),
            comfort_noise: false,
            srtp: None,
            browser: None,
            ptime: 20,
        };
        self.command(Command::Configure { leg, negotiated: Box::new(negotiated) });
        Phone { socket, gateway: SocketAddr::new(ip, port) }
    }

    pub(crate) fn wait_for(&self, counter: &str, least: u64) {
        let start = Instant::now();
        while self.media.counters()[counter] < least {
            assert!(start.elapsed() < PATIENCE, "{counter}: {:?}", self.media.counters());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(crate) fn wait(&mut self, wanted: impl Fn(&ShardEvent) -> bool) -> ShardEvent {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            match self.events.try_recv() {
                Ok(event) if wanted(&event) => return event,
                Ok(_) => {}
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
        panic!("the event did not come");
    }
}

/// A plain socket that speaks RTP.
pub(crate) struct Phone {
    pub(crate) socket: UdpSocket,
    pub(crate) gateway: SocketAddr,
}

impl Phone {
    /// 20 ms of PCMU, every sample the same.
    pub(crate) fn say(&self, seq: u16, code: u8) {
        let mut packet = [code; 12 + 160];
        packet[..2].copy_from_slice(&[0x80, 0]);
        packet[2..4].copy_from_slice(&seq.to_be_bytes());
        packet[4..8].copy_from_slice(&(u32::from(seq) * 160).to_be_bytes());
        packet[8..12].copy_from_slice(&7_u32.to_be_bytes());
        self.socket.send_to(&packet, self.gateway).unwrap();
    }

    /// The payload of the first PCMU packet that is `wanted`; `meanwhile` happens before every try.
    pub(crate) fn hear(&self, wanted: impl Fn(&[u8]) -> bool, mut meanwhile: impl FnMut()) -> Vec<u8> {
        let start = Instant::now();
        let mut buffer = [0; 2_048];
        while start.elapsed() < PATIENCE {
            meanwhile();
            let Ok((length, source)) = self.socket.recv_from(&mut buffer) else { continue };
            assert_eq!(source, self.gateway);
            if buffer[1] & 0x7f == 0 && wanted(&buffer[12..length]) {
                return buffer[12..length].to_vec();
            }
        }
        panic!("nothing of the kind was heard");
    }
}
