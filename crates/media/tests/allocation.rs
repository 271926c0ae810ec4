//! A packet costs no allocation, neither a relayed one nor one of a prompt; and how much a leg takes of the heap.
#![allow(clippy::unwrap_used)] // It is how a test fails.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use havre_media::srtp::{Keys, Pair, Suite};
use havre_media::{Clip, Codec, Command, Input, Output, Shard, Voice};
use havre_model::{ConferenceId, Now, PlayId};
use support::{At, Node, World, millis, secs, sine};

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    /// Bytes on the heap.
    static LIVE: Cell<i64> = const { Cell::new(0) };
}

struct Counting;

fn lives(more: usize, less: usize) {
    LIVE.with(|live| live.set(live.get() + more as i64 - less as i64));
}

// The only `unsafe` of this crate: an allocator cannot be written without, and this one only counts.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        lives(layout.size(), 0);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        lives(0, layout.size());
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        lives(size, layout.size());
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(run: impl FnOnce()) -> u64 {
    let before = COUNT.with(Cell::get);
    run();
    COUNT.with(Cell::get) - before
}

/// Pulls out everything and counts the packets.
fn drain(shard: &mut Shard) -> u64 {
    let mut packets = 0;
    while let Some(output) = shard.poll_output() {
        packets += u64::from(matches!(output, Output::Transmit { .. }));
    }
    packets
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(vec![1])), 1);
}

/// Heap of the two legs of a relayed call at most, their places in the shard's tables included.
const RELAYED_CALL: i64 = 4_096;
/// A conference that relays its two members remembers who they are.
const CONFERENCE: i64 = 1_024;

#[test]
fn a_relayed_call_takes_little_of_the_heap_also_after_it_was_mixed() {
    // The difference of two shards leaves out what a shard has anyway.
    let (few, many) = (8, 40);
    for mixed in [false, true] {
        let per_call = (heap_with(many, mixed) - heap_with(few, mixed)) / (many - few) as i64;
        let most = RELAYED_CALL + if mixed { CONFERENCE } else { 0 };
        assert!(per_call <= most, "{per_call} bytes a call, mixed before: {mixed}");
    }
}

/// Heap of a shard that relays so many calls, each of which a third party heard before if they were `mixed`.
fn heap_with(calls: usize, mixed: bool) -> i64 {
    let mut world = World::new(2);
    let mut leg = || world.call(Node(0), Node(1), &[Codec::Pcmu], &[Codec::Pcmu]).1;
    let pairs: Vec<(At, At)> = (0..calls).map(|_| (leg(), leg())).collect();
    let supervisor = leg();
    for (a, b) in &pairs {
        world.bridge(*a, *b);
    }
    world.run(3_000);
    for (n, (a, _)) in pairs.iter().enumerate().filter(|_| mixed) {
        let conference = ConferenceId(n as u64);
        for (leg, voice) in [(a.1, Voice::ToAll), (supervisor.1, Voice::ToNone)] {
            world.command(Node(1), Command::Join { conference, leg, voice, tones: false });
        }
        world.run(100);
        world.command(Node(1), Command::Leave { conference, leg: supervisor.1 });
    }
    assert_eq!(world.shards[1].counters().mixed > 0, mixed);
    let relayed = world.shards[1].counters().relayed;
    world.run(1_000);
    assert!(world.shards[1].counters().relayed - relayed > 90 * calls as u64);
    heap_of(world.shards.remove(1))
}

/// What a shard gives back at its end.
fn heap_of(shard: Shard) -> i64 {
    let before = LIVE.with(Cell::get);
    drop(shard);
    before - LIVE.with(Cell::get)
}

#[test]
fn relayed_packets_and_prompts_allocate_nothing() {
    let mut world = World::new(2);
    let (phone, a) = world.call(Node(0), Node(1), &[Codec::Pcmu], &[Codec::Pcmu]);
    let (desk, b) = world.call(Node(0), Node(1), &[Codec::Pcmu], &[Codec::Pcmu]);
    let (listener, c) = world.call(Node(0), Node(1), &[Codec::G722], &[Codec::G722]);
    let (waiting, d) = world.call(Node(0), Node(1), &[Codec::Pcma], &[Codec::Pcma]);
    world.bridge(a, b);
    world.play(c, 1, vec![Clip::Prompt(sine(400.0, 20_000)), Clip::Silence(secs(1_000))]);
    world.command(Node(1), Command::Loop { leg: d.1, play: PlayId(2), prompt: sine(300.0, 1_000) });
    world.run(3_000);

    // What the phones sent, again and again with higher numbers, straight into the gateway's shard.
    let mut packets: Vec<_> = [(phone, a), (desk, b), (listener, c), (waiting, d)]
        .map(|(from, to): (At, At)| {
            (world.address(from), to.1, world.rtp_of(from).last().unwrap().bytes.clone())
        })
        .to_vec();
    let mut now: Now = world.now;
    let shard = &mut world.shards[1];
    let mut packets_out = 0;
    let round = |shard: &mut Shard, now: &mut Now, packets: &mut Vec<(_, _, Vec<u8>)>| {
        let mut out = 0;
        for (source, leg, bytes) in packets {
            let sequence = u16::from_be_bytes([bytes[2], bytes[3]]).wrapping_add(1);
            bytes[2..4].copy_from_slice(&sequence.to_be_bytes());
            let timestamp = u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]).wrapping_add(160);
            bytes[4..8].copy_from_slice(&timestamp.to_be_bytes());
            let input =
                Input::Packet { leg: *leg, channel: havre_media::Channel::Rtp, source: *source, bytes };
            shard.handle_input(input, *now);
            out += drain(shard);
        }
        *now = now.after(millis(20));
        shard.handle_timeout(*now);
        out + drain(shard)
    };
    for _ in 0..10 {
        round(shard, &mut now, &mut packets);
    }
    let before = *shard.counters();
    // RTCP may allocate: a leg's report comes every 5 s. Rounds that hold one are told apart by their count.
    let mut reports = 0;
    let mut in_quiet_rounds = 0;
    for _ in 0..500 {
        let mut out = 0;
        let allocated = allocations(|| out = round(shard, &mut now, &mut packets));
        packets_out += out;
        if out > 4 {
            reports += out - 4;
        } else {
            in_quiet_rounds += allocated;
        }
    }
    let after = *shard.counters();
    assert_eq!(after.relayed - before.relayed, 1_000);
    assert_eq!(after.played - before.played, 1_000);
    assert_eq!(packets_out, 2_000 + reports);
    assert!((4..=16).contains(&reports), "{reports}");
    assert_eq!(in_quiet_rounds, 0);
}

#[test]
fn an_ear_that_has_warmed_up_allocates_nothing_even_for_loss_and_disorder() {
    for (caller, agent) in [(Codec::Pcmu, Codec::G722), (Codec::G722, Codec::Pcma)] {
        let mut world = World::new(2);
        let (phone, a) = world.call(Node(0), Node(1), &[caller], &[caller]);
        let (_, b) = world.call(Node(0), Node(1), &[agent], &[agent]);
        world.bridge(a, b);
        world.run(1_000);
        let source = world.address(phone);
        let mut bytes = world.rtp_of(phone).last().unwrap().bytes.clone();
        let (sequence, timestamp) = {
            let packet = havre_media::rtp::parse(&bytes).unwrap();
            (packet.sequence, packet.timestamp)
        };
        let mut now: Now = world.now;
        let shard = &mut world.shards[1];
        let (mut allocated, mut quiet) = (0, 0);
        for n in 1..=1_000_u32 {
            // Every second pair is swapped, and every 17th packet lost.
            let n = if n % 4 == 2 {
                n + 1
            } else if n % 4 == 3 {
                n - 1
            } else {
                n
            };
            bytes[2..4].copy_from_slice(&sequence.wrapping_add(n as u16).to_be_bytes());
            bytes[4..8].copy_from_slice(&timestamp.wrapping_add(n * 160).to_be_bytes());
            let mut out = 0;
            let cost = allocations(|| {
                if n % 17 != 0 {
                    let channel = havre_media::Channel::Rtp;
                    shard.handle_input(Input::Packet { leg: a.1, channel, source, bytes: &bytes }, now);
                }
                now = now.after(millis(20));
                shard.handle_timeout(now);
                out = drain(shard);
            });
            // Reports may allocate; they show as a packet more than the audio for each leg.
            if n > 200 && out <= 2 {
                allocated += cost;
                quiet += 1;
            }
        }
        assert!(shard.counters().transcoded > 900, "{}", shard.counters().transcoded);
        assert!(quiet > 700, "{quiet}");
        assert_eq!(allocated, 0, "{caller:?} to {agent:?}");
    }
}

#[test]
fn a_conference_that_has_warmed_up_allocates_nothing() {
    let codecs = [Codec::Pcmu, Codec::G722, Codec::Opus, Codec::Pcma];
    let mut world = World::new(2);
    let pairs = codecs.map(|codec| world.call(Node(0), Node(1), &[codec], &[codec]));
    let supervisor = pairs[3].1.1;
    for (_, leg) in pairs {
        let voice = if leg.1 == supervisor { Voice::ToNone } else { Voice::ToAll };
        let conference = ConferenceId(1);
        world.command(Node(1), Command::Join { conference, leg: leg.1, voice, tones: true });
    }
    world.run(1_000);
    let mut packets: Vec<_> = pairs
        .iter()
        .zip(codecs)
        .map(|((phone, leg), codec)| {
            let last = world.rtp_of(*phone).last().unwrap().bytes.clone();
            (world.address(*phone), leg.1, codec.clock_rate() / 50, last)
        })
        .collect();
    let mut now: Now = world.now;
    let shard = &mut world.shards[1];
    let (mut quiet, mut allocated) = (0, 0);
    let before = shard.counters().mixed;
    for n in 0..500 {
        let mut out = 0;
        let cost = allocations(|| {
            for (source, leg, ticks, bytes) in &mut packets {
                let sequence = u16::from_be_bytes([bytes[2], bytes[3]]).wrapping_add(1);
                bytes[2..4].copy_from_slice(&sequence.to_be_bytes());
                let timestamp = u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
                bytes[4..8].copy_from_slice(&timestamp.wrapping_add(*ticks).to_be_bytes());
                let channel = havre_media::Channel::Rtp;
                shard.handle_input(Input::Packet { leg: *leg, channel, source: *source, bytes }, now);
            }
            now = now.after(millis(20));
            shard.handle_timeout(now);
            out = drain(shard);
        });
        // Reports may allocate; they show as a packet more than the audio for each leg.
        if n > 50 && out <= 4 {
            allocated += cost;
            quiet += 1;
        }
    }
    assert_eq!(shard.counters().mixed - before, 4 * 500);
    assert!(quiet > 400, "{quiet}");
    assert_eq!(allocated, 0);
}

#[test]
fn secure_packets_are_relayed_without_an_allocation() {
    for suite in [Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm, Suite::AeadAes256Gcm] {
        let keys = |seed: u8| {
            let secret: Vec<u8> = (0..46).map(|i: u8| i.wrapping_mul(7).wrapping_add(seed)).collect();
            Keys::new(suite, &secret[..suite.key_length()], &secret[32..][..suite.salt_length()]).unwrap()
        };
        let mut world = World::new(2);
        let mut call = |seed: u8| {
            let (phone, leg) = (world.open(Node(0), &[Codec::Pcmu]), world.open(Node(1), &[Codec::Pcmu]));
            let offer = world.session(phone).offer();
            let (answer, mut theirs) = world.session(leg).answer(&offer).unwrap();
            let mut ours = world.session(phone).accept(&answer).unwrap();
            theirs.srtp = Some(Box::new(Pair { send: keys(seed), receive: keys(seed + 1) }));
            ours.srtp = Some(Box::new(Pair { send: keys(seed + 1), receive: keys(seed) }));
            world.configure(leg, theirs);
            world.configure(phone, ours);
            (phone, leg)
        };
        let ((phone, a), (_, b)) = (call(1), call(11));
        world.bridge(a, b);
        world.run(1_000);
        // What the phone goes on to send is kept from the gateway, to be handed to its shard below.
        world.weather.loss_percent = 100;
        world.sent.clear();
        world.run(4_000);
        let packets: Vec<Vec<u8>> = world.rtp_of(phone).iter().map(|sent| sent.bytes.clone()).collect();
        let (source, mut now) = (world.address(phone), world.now);
        let shard = &mut world.shards[1];
        let before = *shard.counters();
        let (mut quiet, mut allocated) = (0, 0);
        for (n, bytes) in packets.iter().enumerate() {
            let mut out = 0;
            let cost = allocations(|| {
                let channel = havre_media::Channel::Rtp;
                shard.handle_input(Input::Packet { leg: a.1, channel, source, bytes }, now);
                out = drain(shard);
            });
            now = now.after(millis(20));
            shard.handle_timeout(now);
            drain(shard);
            if n > 0 && out == 1 {
                allocated += cost;
                quiet += 1;
            }
        }
        let after = *shard.counters();
        assert!(quiet > 190 && after.relayed - before.relayed > 190, "{quiet} of {}", packets.len());
        assert_eq!((allocated, after.bad_srtp), (0, 0), "{suite:?}");
    }
}
