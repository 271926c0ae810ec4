//! A packet's whole way through a data thread, sockets included, costs no allocation: neither a relayed one nor one of
//! the waiting sound.
#![allow(clippy::disallowed_methods, reason = "real sockets take real time")]
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use havre_media::{Codec, Command, Event, Prompt};
use havre_model::{LegId, PlayId};
use havre_node::media::ShardEvent;
use support::{Phone, Plane};

static COUNT: AtomicU64 = AtomicU64::new(0);

struct Counting;

// An allocator cannot be written without `unsafe`, and this one only counts, in all threads.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const A: LegId = LegId(1);
const B: LegId = LegId(2);
const WAITING: LegId = LegId(3);
/// Packets of a window. A window may meet a report (RTCP, quality) of some leg: those come every few seconds; and on a
/// crowded machine a packet that is late, for which a buffer grows once.
const WINDOW: u16 = 10;
const WINDOWS: usize = 60;

#[test]
fn relayed_packets_and_those_of_a_prompt_allocate_nothing() {
    let mut plane = Plane::start([127, 77, 2, 1], 20_000..=20_019, 1);
    let (a, b, waiting) = (plane.phone(A), plane.phone(B), plane.phone(WAITING));
    plane.command(Command::Bridge { a: A, b: B });
    plane.wait(|event| *event == ShardEvent::Media(Event::Bridged { a: A, b: B }));
    let prompt = Prompt::new(&[1_000; 16_000]);
    prompt.prepare(Codec::Pcmu);
    plane.command(Command::Loop { leg: WAITING, play: PlayId(1), prompt });
    let (mut sequence, mut heard) = (0, 0);
    let mut window = || {
        let before = COUNT.load(Ordering::Relaxed);
        for _ in 0..WINDOW {
            relay(&a, &b, sequence);
            relay(&b, &a, sequence);
            waiting.say(sequence, 0x21);
            heard += usize::from(waiting.socket.recv(&mut [0; 2_048]).is_ok());
            sequence += 1;
        }
        COUNT.load(Ordering::Relaxed) - before
    };
    // Queues and tables grow at first.
    window();
    let mut windows = Vec::new();
    // If a packet of any kind cost one, no window were without.
    while windows.len() < WINDOWS && windows.last() != Some(&0) {
        windows.push(window());
    }
    assert_eq!(windows.last(), Some(&0), "allocations per window: {windows:?}");
    assert!(heard > usize::from(WINDOW), "{heard} packets of the waiting sound");
}

/// One packet in, the same audio out.
fn relay(from: &Phone, to: &Phone, sequence: u16) {
    let code = 0x10 | (sequence as u8 & 0x0f);
    from.say(sequence, code);
    let mut buffer = [0; 2_048];
    // Comfort noise may come before, from the time when nobody spoke.
    while !matches!(to.socket.recv(&mut buffer), Ok(172) if buffer[12..172].iter().all(|c| *c == code)) {}
}
