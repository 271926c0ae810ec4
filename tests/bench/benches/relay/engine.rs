//! Havre's own data plane on the same sockets: one shard, as the line starts it, with every call bridged, or every
//! caller waiting.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use havre_media::sdp::{Direction, EventFormat, Negotiated, OpusParameters};
use havre_media::{Codec, Command, Face, Prompt};
use havre_model::{LegId, PlayId};
use havre_node::clock::Clock;
use havre_node::media::{MediaConfig, MediaThreads, ShardEvent};
use tokio::sync::mpsc::{self, Receiver};

const KEYS: EventFormat = EventFormat { payload_type: 101, clock_rate: 8_000 };
const PATIENCE: Duration = Duration::from_secs(20);

/// A running data plane with its calls.
pub(crate) struct Engine {
    media: MediaThreads,
    _events: Receiver<ShardEvent>,
    /// Where each leg listens.
    pub(crate) at: Vec<SocketAddr>,
}

impl Engine {
    /// `legs` legs, each two of them bridged; leg `n` sends to `to[n % 2]`.
    pub(crate) fn bridged(ip: IpAddr, legs: usize, to: &[SocketAddr; 2]) -> Self {
        let engine = Self::start(ip, legs, to);
        for leg in (0..legs as u64).step_by(2) {
            engine.command(Command::Bridge { a: LegId(leg + 1), b: LegId(leg + 2) });
        }
        engine
    }

    /// `legs` legs that all hear the same sound.
    pub(crate) fn waiting(ip: IpAddr, legs: usize, to: &[SocketAddr; 2]) -> Self {
        let engine = Self::start(ip, legs, to);
        let prompt = Prompt::new(&vec![1_000; 16_000 * 10]);
        prompt.prepare(Codec::Pcmu);
        for leg in 1..=legs as u64 {
            engine.command(Command::Loop { leg: LegId(leg), play: PlayId(leg), prompt: prompt.clone() });
        }
        engine
    }

    fn start(ip: IpAddr, legs: usize, to: &[SocketAddr; 2]) -> Self {
        let (sender, mut events) = mpsc::channel(65_536);
        let shard = havre_media::Config::default();
        let config =
            MediaConfig { listen: ip, ports: 20_000..=60_000, browser_ports: None, shards: 1, shard };
        let media = MediaThreads::start(config, Clock::new(), [7; 32], sender).expect("a data plane");
        let mut at = Vec::with_capacity(legs);
        for leg in 0..legs {
            let id = LegId(leg as u64 + 1);
            media.command(0, Command::Open { leg: id, face: Face::Plain }).expect("room for a leg");
            at.push(SocketAddr::new(ip, opened(&mut events)));
            let negotiated = Negotiated {
                remote_rtp: to[leg % 2],
                remote_rtcp: to[leg % 2],
                rtcp_mux: true,
                voip_metrics: false,
                direction: Direction::SendRecv,
                send: vec![(Codec::Pcmu, 0)],
                receive: vec![(0, Codec::Pcmu)],
                // Legs without telephone-events are listened to for tones, which is no plain relay.
                send_events: vec![KEYS],
                receive_events: vec![KEYS],
                opus: OpusParameters::default(),
                comfort_noise: false,
                srtp: None,
                browser: None,
                ptime: 20,
            };
            media
                .command(0, Command::Configure { leg: id, negotiated: Box::new(negotiated) })
                .expect("room for a command");
        }
        Self { media, _events: events, at }
    }

    fn command(&self, command: Command) {
        self.media.command(0, command).expect("room for a command");
    }

    /// Datagrams sent so far, of whatever kind.
    pub(crate) fn sent(&self) -> u64 {
        self.media.counters()["sent_packets"]
    }
}

fn opened(events: &mut Receiver<ShardEvent>) -> u16 {
    let start = Instant::now();
    loop {
        match events.try_recv() {
            Ok(ShardEvent::Opened { rtp, .. }) => return rtp,
            Ok(ShardEvent::OpenFailed { leg }) => panic!("no ports for {leg:?}"),
            Ok(_) => {}
            Err(_) => {
                assert!(start.elapsed() < PATIENCE, "no leg opened");
                std::thread::sleep(Duration::from_micros(50));
            }
        }
    }
}
