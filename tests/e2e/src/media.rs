//! The media side of a SIPp call: SIPp signals and names our port in its SDP, and this sends and receives its RTP.
//! Independent of Havre's own RTP code on purpose.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use crate::audio::{self, RATE, Tone};

/// Packet time of everything sent here.
const FRAME: Duration = Duration::from_millis(20);
/// Samples in a packet.
const SAMPLES: usize = 160;
/// Payload type of PCMU.
const PCMU: u8 = 0;
/// Payload type of telephone-event in all our SIPp scenarios.
const EVENTS: u8 = 101;
/// Frames that a key is held: 100 ms.
const KEY_FRAMES: u16 = 5;

/// A carrier's media port.
pub struct Media {
    port: u16,
    shared: Arc<Mutex<Shared>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: bool,
    muted: bool,
    remote: Option<SocketAddr>,
    keys: Vec<char>,
    /// Audio that is still to be sent instead of the tone.
    tones: VecDeque<i16>,
    heard: Vec<Heard>,
    digits: String,
    last_event: Option<u32>,
    strangers: usize,
}

struct Heard {
    at: Instant,
    wall: SystemTime,
    samples: Vec<i16>,
}

impl Media {
    /// Opens an even port on `ip` and sends `tone` (frequency, dB under full scale; `None` = digital silence) as
    /// soon as the other side has sent something: like a phone behind a NAT.
    #[must_use]
    pub fn open(ip: impl Into<IpAddr>, tone: Option<(f64, f64)>) -> Self {
        let ip = ip.into();
        let socket = (0..100)
            .filter_map(|_| UdpSocket::bind((ip, 0)).ok())
            .find(|s| s.local_addr().is_ok_and(|a| a.port() % 2 == 0))
            .expect("an even UDP port");
        let port = socket.local_addr().expect("a bound socket has an address").port();
        let shared: Arc<Mutex<Shared>> = Arc::default();
        let theirs = Arc::clone(&shared);
        // Exactly one second, so that it loops without a click for whole frequencies.
        let (hz, dbfs) = tone.unwrap_or((0.0, -200.0));
        let source = audio::sine(hz, dbfs, RATE, RATE as usize);
        let thread = thread::spawn(move || Pump { socket, shared: theirs, source }.run());
        Self { port, shared, thread: Some(thread) }
    }

    /// The port, for the SDP.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Presses keys one after the other, as telephone-events (RFC 4733), 100 ms each with 100 ms between.
    pub fn press(&self, keys: &str) {
        self.lock().keys.extend(keys.chars());
    }

    /// Presses keys one after the other as tones in the audio (ITU-T Q.23), 100 ms each with 100 ms between, beside whatever
    /// else is sent.
    pub fn press_as_tones(&self, keys: &str) {
        self.lock().tones.extend(keys.chars().flat_map(key_tones));
    }

    /// Stops or resumes sending, as a phone whose network is gone.
    pub fn mute(&self, muted: bool) {
        self.lock().muted = muted;
    }

    /// When the first packet arrived.
    #[must_use]
    pub fn first_packet(&self) -> Option<SystemTime> {
        self.lock().heard.first().map(|h| h.wall)
    }

    /// Packets received.
    #[must_use]
    pub fn received(&self) -> usize {
        self.lock().heard.len()
    }

    /// How long nothing arrived.
    #[must_use]
    pub fn quiet_for(&self) -> Option<Duration> {
        self.lock().heard.last().map(|h| h.at.elapsed())
    }

    /// The samples of the last `time`.
    #[must_use]
    pub fn heard(&self, time: Duration) -> Vec<i16> {
        let shared = self.lock();
        shared.heard.iter().filter(|h| h.at.elapsed() <= time).flat_map(|h| &h.samples).copied().collect()
    }

    /// The tone of the last `time`, if that is what is heard.
    #[must_use]
    pub fn tone(&self, time: Duration) -> Option<Tone> {
        audio::tone(&self.heard(time), RATE)
    }

    /// Waits until a clean tone of `hz` is heard.
    #[track_caller]
    pub fn hears_tone(&self, hz: f64, limit: Duration) -> Tone {
        audio::steady(&format!("a clean tone of {hz} Hz at the carrier"), hz, limit, || {
            self.tone(audio::WINDOW)
        })
    }

    /// Keys that arrived as telephone-events.
    #[must_use]
    pub fn digits(&self) -> String {
        self.lock().digits.clone()
    }

    /// Packets that were not RTP of the answer.
    #[must_use]
    pub fn strangers(&self) -> usize {
        self.lock().strangers
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().expect("the pump does not panic")
    }
}

impl Drop for Media {
    fn drop(&mut self) {
        if let Ok(mut shared) = self.shared.lock() {
            shared.stop = true;
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread behind [`Media`]: sends a frame every 20 ms, receives in between.
struct Pump {
    socket: UdpSocket,
    shared: Arc<Mutex<Shared>>,
    source: Vec<i16>,
}

impl Pump {
    fn run(self) {
        let mut sender = Sender { sequence: 1_000, timestamp: 50_000, offset: 0, key: None, gap: 0 };
        let mut next = Instant::now();
        loop {
            let wait = next.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                next += FRAME;
                let mut shared = self.shared.lock().expect("tests do not panic with it held");
                if shared.stop {
                    return;
                }
                if let Some(remote) = shared.remote.filter(|_| !shared.muted) {
                    let Shared { keys, tones, .. } = &mut *shared;
                    let packet = sender.packet(keys, tones, &self.source);
                    // A refused port is what some tests make happen.
                    let _ = self.socket.send_to(&packet, remote);
                }
                continue;
            }
            self.socket.set_read_timeout(Some(wait)).expect("a time above zero");
            let mut buffer = [0; 2_048];
            if let Ok((length, source)) = self.socket.recv_from(&mut buffer) {
                self.receive(&buffer[..length], source);
            }
        }
    }

    fn receive(&self, packet: &[u8], source: SocketAddr) {
        let mut shared = self.shared.lock().expect("tests do not panic with it held");
        let (Some(&first), Some(&second)) = (packet.first(), packet.get(1)) else { return };
        let payload = packet.get(12 + 4 * usize::from(first & 0x0f)..);
        let (2, Some(payload)) = (first >> 6, payload) else {
            shared.strangers += 1;
            return;
        };
        shared.remote.get_or_insert(source);
        match second & 0x7f {
            PCMU => {
                let samples = payload.iter().map(|&b| audio::from_ulaw(b)).collect();
                shared.heard.push(Heard { at: Instant::now(), wall: SystemTime::now(), samples });
            }
            EVENTS => {
                let timestamp = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
                if shared.last_event != Some(timestamp) {
                    shared.last_event = Some(timestamp);
                    shared
                        .digits
                        .extend(payload.first().and_then(|&e| "0123456789*#ABCD".chars().nth(e.into())));
                }
            }
            _ => shared.strangers += 1,
        }
    }
}

struct Sender {
    sequence: u16,
    timestamp: u32,
    offset: usize,
    key: Option<Key>,
    gap: u16,
}

struct Key {
    event: u8,
    started: u32,
    frames: u16,
}

impl Sender {
    fn packet(&mut self, keys: &mut Vec<char>, tones: &mut VecDeque<i16>, source: &[i16]) -> Vec<u8> {
        self.gap = self.gap.saturating_sub(1);
        if self.key.is_none() && self.gap == 0 && !keys.is_empty() {
            let event = "0123456789*#".find(keys.remove(0)).expect("a key of a phone") as u8;
            self.key = Some(Key { event, started: self.timestamp, frames: 0 });
        }
        let packet = match &mut self.key {
            Some(key) => {
                key.frames += 1;
                // The last report is sent three times (RFC 4733 §2.5.1.4).
                let end = key.frames > KEY_FRAMES;
                let duration = key.frames.min(KEY_FRAMES + 1) * SAMPLES as u16;
                let mut packet = header(EVENTS, key.frames == 1, self.sequence, key.started);
                packet.extend([key.event, if end { 0x8a } else { 0x0a }]);
                packet.extend(duration.to_be_bytes());
                if key.frames == KEY_FRAMES + 3 {
                    self.key = None;
                    self.gap = KEY_FRAMES;
                }
                packet
            }
            None => {
                let mut packet = header(PCMU, false, self.sequence, self.timestamp);
                let sample = |i: usize| source[(self.offset + i) % source.len()];
                packet.extend(
                    (0..SAMPLES).map(|i| audio::to_ulaw(tones.pop_front().unwrap_or_else(|| sample(i)))),
                );
                packet
            }
        };
        self.offset = (self.offset + SAMPLES) % source.len();
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(SAMPLES as u32);
        packet
    }
}

/// A key's two tones, at -10 dB under full scale each, and as much silence.
fn key_tones(key: char) -> Vec<i16> {
    let place = "123A456B789C*0#D".find(key).expect("a key of a phone");
    let (low, high) =
        ([697.0, 770.0, 852.0, 941.0][place / 4], [1_209.0, 1_336.0, 1_477.0, 1_633.0][place % 4]);
    let frames = SAMPLES * usize::from(KEY_FRAMES);
    let tones = audio::sine(low, -10.0, RATE, frames).into_iter().zip(audio::sine(high, -10.0, RATE, frames));
    tones.map(|(low, high)| low + high).chain(std::iter::repeat_n(0, frames)).collect()
}

fn header(payload_type: u8, marker: bool, sequence: u16, timestamp: u32) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type | if marker { 0x80 } else { 0 }];
    packet.extend(sequence.to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend(0x4841_5652_u32.to_be_bytes());
    packet
}
