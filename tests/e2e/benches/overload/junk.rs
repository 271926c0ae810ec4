//! Junk: datagrams of every kind that is no call, at a fixed rate, from many addresses, for a fixed time.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Strangers that it comes from.
const SOURCES: u8 = 8;
/// However long it is asked for.
const MOST: Duration = Duration::from_secs(15 * 60);

/// A running storm.
pub(crate) struct Junk {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<u64>>,
}

impl Junk {
    /// `rate` datagrams a second to `line`.
    pub(crate) fn start(line: SocketAddr, rate: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&stop);
        let thread = std::thread::spawn(move || storm(line, rate, &theirs));
        Self { stop, thread: Some(thread) }
    }

    /// Ends it. How many datagrams there were.
    pub(crate) fn stop(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map_or(0, |thread| thread.join().unwrap_or(0))
    }
}

fn storm(line: SocketAddr, rate: u32, stop: &AtomicBool) -> u64 {
    let sockets: Vec<UdpSocket> = (0..SOURCES)
        .map(|n| {
            let socket = UdpSocket::bind((Ipv4Addr::new(127, 66, 0, n + 1), 0)).expect("a UDP port");
            socket.set_nonblocking(true).expect("a socket may be nonblocking");
            socket
        })
        .collect();
    let (start, mut sent) = (Instant::now(), 0_u64);
    while !stop.load(Ordering::Relaxed) && start.elapsed() < MOST {
        let due = (start.elapsed().as_secs_f64() * f64::from(rate)) as u64;
        while sent < due {
            let socket = &sockets[sent as usize % sockets.len()];
            // What is lost here never was.
            let _ = socket.send_to(&datagram(sent, line), line);
            sent += 1;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    sent
}

fn datagram(n: u64, line: SocketAddr) -> Vec<u8> {
    let request = |method: &str, uri: &str, more: &str| {
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.66.0.1:5060;branch=z9hG4bKjunk{n:x};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{n}@junk.example>;tag={n:x}\r\nTo: <{uri}>\r\nCall-ID: {n}@junk\r\nCSeq: 1 {method}\r\n\
             Contact: <sip:junk@127.66.0.1>\r\n{more}Content-Length: 0\r\n\r\n"
        )
    };
    match n % 10 {
        0 => request("OPTIONS", &format!("sip:100@{line}"), "User-Agent: friendly-scanner\r\n").into(),
        1 => request("REGISTER", &format!("sip:{line}"), "").into(),
        2 => request("INVITE", &format!("sip:00972595{n}@{line}"), "").into(),
        3 => request("INVITE", &format!("sip:+18335550100@{line}"), "").into(),
        4 => request("BYE", &format!("sip:havre@{line}"), "").into(),
        5 => request("NOSUCH", &format!("sip:{line}"), "").into(),
        6 => request("INVITE", "sip:broken", "Content-Length: 99999\r\n").into(),
        7 => (0..1_000_u64).map(|at| (at.wrapping_mul(n | 1) >> 3) as u8).collect(),
        8 => format!("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP {line};branch=z9hG4bK{n:016x}\r\n\r\n").into(),
        _ => request("SUBSCRIBE", &format!("sip:{line}"), &"X-Junk: junk\r\n".repeat(60)).into(),
    }
}
