//! What reports say of a leg: loss, jitter, round trip, scores, ours and the far side's.
#![allow(clippy::unwrap_used)] // It is how a test fails.

mod support;

use std::time::Duration;

use havre_media::Codec::{self, Pcmu};
use havre_media::{Channel, Command, Event, rtcp};
use support::{At, Node, Weather, World};

const PHONE: Node = Node(0);
const GATEWAY: Node = Node(1);

/// A phone and the gateway's leg for it.
fn call(codec: Codec) -> (World, At, At) {
    let mut world = World::new(2);
    let (phone, leg) = world.call(PHONE, GATEWAY, &[codec], &Codec::ALL);
    (world, phone, leg)
}

#[test]
fn reports_give_loss_jitter_and_the_round_trip() {
    let (mut world, _, leg) = call(Pcmu);
    world.weather = Weather { delay_ms: 40, jitter_ms: 0, loss_percent: 10, double_percent: 0 };
    world.run(60_000);
    let quality = world.events.iter().rev().find_map(|(_, node, event)| match event {
        Event::Quality { leg: l, quality, .. } if At(*node, *l) == leg => Some(*quality),
        _ => None,
    });
    let quality = quality.unwrap();
    let (received, lost) = (quality.received, quality.lost);
    assert!((240..360).contains(&lost) && received + lost > 2_700, "{received} received, {lost} lost");
    assert_eq!(quality.jitter, Duration::ZERO);
    let round_trip = quality.round_trip.unwrap();
    assert!(round_trip.abs_diff(Duration::from_millis(80)) < Duration::from_millis(2), "{round_trip:?}");
    let reports = world.sent.iter().filter(|s| s.by == leg && s.channel == Channel::Rtcp).count();
    assert!((9..20).contains(&reports), "{reports} reports in a minute");
    let qualities =
        world.events.iter().filter(|e| matches!(e.2, Event::Quality { leg: l, .. } if l == leg.1)).count();
    assert_eq!(qualities, 11);
}

#[test]
fn what_the_far_side_hears_is_its_own_score_or_ours_of_its_loss() {
    for own in [Some(21), None] {
        let (mut world, phone, leg) = call(Pcmu);
        world.run(1_000);
        let ours = world.rtp_of(leg)[0].rtp().ssrc;
        // A quarter of what we sent did not arrive.
        let block = rtcp::Block { ssrc: ours, fraction_lost: 64, highest: 50, ..rtcp::Block::default() };
        let mut report = rtcp::print(7, None, Some(block), "phone");
        let metrics = rtcp::VoipMetrics { ssrc: ours, mos_cq: own, ..rtcp::VoipMetrics::default() };
        rtcp::append_voip(&mut report, 7, &metrics);
        world.report(phone, leg, &report);
        world.command(GATEWAY, Command::Close { leg: leg.1 });
        let far = world.events.iter().find_map(|(_, node, event)| match event {
            Event::Quality { leg: l, quality, last: true } if At(*node, *l) == leg => quality.far,
            _ => None,
        });
        let (loss, mos) = far.map(|far| (far.loss_permille, far.mos.to_string())).unwrap();
        assert_eq!(loss, 250);
        match own {
            Some(_) => assert_eq!(mos, "2.10"),
            None => assert!(mos.parse::<f32>().unwrap() < 3.0 && mos != "2.10", "{mos}"),
        }
    }
}

#[test]
fn a_short_leg_is_measured_too_and_says_goodbye() {
    let (mut world, _, leg) = call(Pcmu);
    world.run(1_000);
    world.command(GATEWAY, Command::Close { leg: leg.1 });
    let last = world.events.iter().find_map(|(_, node, event)| match event {
        Event::Quality { leg: l, quality, last: true } if At(*node, *l) == leg => Some(*quality),
        _ => None,
    });
    let last = last.unwrap();
    assert!(last.received > 40 && last.lost == 0, "{last:?}");
    assert_eq!((last.codec, last.mos.unwrap().to_string().as_str()), ("PCMU", "4.41"));
    let goodbye = world.sent.iter().rfind(|s| s.by == leg && s.channel == Channel::Rtcp).unwrap();
    let at = goodbye.at;
    assert_eq!(goodbye.bytes[goodbye.bytes.len() - 8..][..4], [0x81, 203, 0, 1]);
    // Both ends offered them: both send VoIP metrics.
    let metrics = rtcp::parse(&goodbye.bytes).unwrap().voip.unwrap();
    assert_eq!((metrics.loss_rate, metrics.mos_cq), (0, Some(44)));
    world.run(20_000);
    let later = world.sent.iter().any(|s| s.by == leg && s.at > at);
    assert!(!later, "nothing is sent after it");
}
