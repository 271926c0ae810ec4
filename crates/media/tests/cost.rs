//! cost measurement (scratch)
#![allow(clippy::unwrap_used)]
mod support;
use std::time::Instant;
use havre_media::{Channel, Codec, Command, Input, Output};
use havre_model::PlayId;
use support::{Node, World, millis, sine};

#[test]
fn cost() {
    // 1,000 listeners of a loop
    let mut world = World::new(2);
    let prompt = sine(400.0, 5000);
    for c in Codec::ALL { prompt.prepare(c); }
    for _ in 0..1000 {
        let (_, leg) = world.call(Node(0), Node(1), &[Codec::Pcmu], &[Codec::Pcmu]);
        world.command(Node(1), Command::Loop { leg: leg.1, play: PlayId(1), prompt: prompt.clone() });
    }
    let mut now = world.now;
    let shard = &mut world.shards[1];
    let mut n = 0u64;
    let t = Instant::now();
    for _ in 0..500 { now = now.after(millis(20)); shard.handle_timeout(now);
        while let Some(o) = shard.poll_output() { n += u64::from(matches!(o, Output::Transmit { .. })); } }
    let e = t.elapsed();
    println!("prompt: {} packets, {:?} each, {:.2}% of a core for 1000 legs", n, e / n as u32, e.as_secs_f64() / 10.0 * 100.0);
    for (c1, c2) in [(Codec::Pcmu, Codec::Pcmu), (Codec::Pcmu, Codec::Pcma), (Codec::Pcmu, Codec::G722)] {
        let mut world = World::new(2);
        let mut flows = Vec::new();
        for _ in 0..100 {
            let (p, a) = world.call(Node(0), Node(1), &[c1], &[c1]);
            let (q, b) = world.call(Node(0), Node(1), &[c2], &[c2]);
            world.bridge(a, b);
            flows.push((p, a)); flows.push((q, b));
        }
        world.run(200);
        let mut packets: Vec<_> = flows.iter().map(|(from, to)| (world.address(*from), to.1, world.rtp_of(*from).last().unwrap().bytes.clone())).collect();
        let mut now = world.now;
        let shard = &mut world.shards[1];
        let mut n = 0u64;
        let t = Instant::now();
        let before = *shard.counters();
        for _ in 0..500 {
            for (source, leg, bytes) in &mut packets {
                let s = u16::from_be_bytes([bytes[2], bytes[3]]).wrapping_add(1); bytes[2..4].copy_from_slice(&s.to_be_bytes());
                let ts = u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]).wrapping_add(160); bytes[4..8].copy_from_slice(&ts.to_be_bytes());
                shard.handle_input(Input::Packet { leg: *leg, channel: Channel::Rtp, source: *source, bytes }, now);
                while let Some(o) = shard.poll_output() { n += u64::from(matches!(o, Output::Transmit { .. })); }
            }
            now = now.after(millis(20)); shard.handle_timeout(now);
            while let Some(o) = shard.poll_output() { n += u64::from(matches!(o, Output::Transmit { .. })); }
        }
        let e = t.elapsed();
        let after = *shard.counters();
        println!("{c1:?}<->{c2:?}: out {n}, relayed {}, transcoded {}, {:?} per packet in (incl. turns)", after.relayed - before.relayed, after.transcoded - before.transcoded, e / (500 * 200));
    }
}
