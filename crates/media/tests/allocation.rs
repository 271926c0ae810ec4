//! A packet costs no allocation: neither a relayed one nor one of a prompt.
#![allow(clippy::unwrap_used)] // It is how a test fails.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use havre_media::{Clip, Codec, Command, Input, Output, Shard, Voice};
use havre_model::{Now, PlayId};
use support::{At, Node, World, millis, secs, sine};

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// The only `unsafe` of this crate: an allocator cannot be written without, and this one only counts.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
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
        let conference = havre_model::ConferenceId(1);
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
