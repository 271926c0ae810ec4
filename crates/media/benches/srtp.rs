//! What SRTP costs per packet: 20 ms of G.711 in place, as a leg does it. Best of several rounds.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods)] // It is how a benchmark fails, tells and measures.

use std::hint::black_box;
use std::time::{Duration, Instant};

use havre_media::limits::MAX_PACKET;
use havre_media::srtp::{Keys, Receiver, Sender, Suite};

const ROUNDS: usize = 41;
const PACKETS: usize = 5_000;
/// A header and 160 bytes.
const LENGTH: usize = 172;

fn main() {
    println!("| suite | protect, ns | open, ns | refuse a forged one, ns |\n|---|---|---|---|");
    for suite in Suite::ALL {
        let mut best = [Duration::MAX; 3];
        for _ in 0..ROUNDS {
            best.iter_mut().zip(round(suite)).for_each(|(best, time)| *best = time.min(*best));
        }
        let [protect, open, refuse] = best.map(|time| time.as_nanos() / PACKETS as u128);
        println!("| {suite:?} | {protect} | {open} | {refuse} |");
    }
}

/// The time of all packets: protected, opened, and refused.
fn round(suite: Suite) -> [Duration; 3] {
    let keys = || Keys::new(suite, &[1; 32][..suite.key_length()], &[2; 14][..suite.salt_length()]).unwrap();
    let (mut sender, mut receiver) = (Sender::new(keys()), Receiver::new(keys()));
    let mut packets: Vec<Vec<u8>> = (0..PACKETS)
        .map(|n| {
            let mut packet = vec![0x55; LENGTH + suite.rtp_overhead()];
            packet[..12].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 160, 1, 2, 3, 4]);
            packet[2..4].copy_from_slice(&(n as u16).to_be_bytes());
            packet
        })
        .collect();
    let begin = Instant::now();
    for packet in &mut packets {
        sender.protect_rtp(black_box(packet)).unwrap();
    }
    let protect = begin.elapsed();
    let mut out = [0; MAX_PACKET];
    let begin = Instant::now();
    for packet in &packets {
        black_box(receiver.unprotect_rtp(black_box(packet), &mut out).unwrap());
    }
    let open = begin.elapsed();
    // Ahead of the stream, where only the tag can tell.
    let mut forged = packets.swap_remove(0);
    forged[2..4].copy_from_slice(&(PACKETS as u16).to_be_bytes());
    let begin = Instant::now();
    for _ in 0..PACKETS {
        black_box(receiver.unprotect_rtp(black_box(&forged), &mut out).unwrap_err());
    }
    [protect, open, begin.elapsed()]
}
