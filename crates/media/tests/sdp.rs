//! Offers and answers, as phones and carriers write them.
#![allow(clippy::unwrap_used)] // It is how a test fails.

use havre_media::Codec::{self, G722, L16, Opus, Pcma, Pcmu};
use havre_media::sdp::{
    Direction, EventFormat, Local, Negotiated, OpusParameters, Rejected, Session, Unusable,
};

#[test]
fn an_offer_lists_what_we_speak() {
    let offer = text(session(&[Pcmu, Pcma, G722]).offer());
    assert_eq!(
        offer,
        "v=0\r\no=- 7 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP 0 8 9 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:9 G722/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\n\
         a=rtcp-xr:voip-metrics\r\na=sendrecv\r\n"
    );
}

#[test]
fn an_offer_of_opus_has_its_clock_and_events_on_it() {
    let offer = text(session(&[Pcmu, Opus]).offer());
    assert!(offer.contains("m=audio 4000 RTP/AVP 0 111 100 101\r\n"), "{offer}");
    for line in [
        "a=rtpmap:111 opus/48000/2\r\n",
        "a=fmtp:111 useinbandfec=1\r\n",
        "a=rtpmap:100 telephone-event/48000\r\n",
        "a=rtpmap:101 telephone-event/8000\r\n",
    ] {
        assert!(offer.contains(line), "{line} is not in {offer}");
    }
}

#[test]
fn who_offers_at_ipv6_is_answered_there() {
    let six: std::net::IpAddr = "2001:db8::9".parse().unwrap();
    let mut both = session(&[Pcmu]);
    both.also_at(six);
    assert!(text(both.offer()).contains("c=IN IP4 192.0.2.1\r\n"), "the usual one first");
    let offer = body("m=audio 5000 RTP/AVP 0\r\nc=IN IP6 2001:db8::5\r\n");
    let answer = text(both.answer(&offer).unwrap().0);
    assert!(answer.contains("c=IN IP6 2001:db8::9\r\n") && !answer.contains("IP4"), "{answer}");
    assert!(text(both.offer()).contains("c=IN IP6 2001:db8::9\r\n"), "and is spoken to there from then on");
    // And back, and whoever has nothing else stays.
    let four = body("m=audio 5000 RTP/AVP 0\r\nc=IN IP4 192.0.2.77\r\n");
    assert!(text(both.answer(&four).unwrap().0).contains("c=IN IP4 192.0.2.1\r\n"));
    assert!(text(session(&[Pcmu]).answer(&offer).unwrap().0).contains("c=IN IP4 192.0.2.1\r\n"));
}

#[test]
fn an_offer_names_the_address_of_the_family_that_it_goes_over() {
    let six: std::net::IpAddr = "2001:db8::9".parse().unwrap();
    let mut both = session(&[Pcmu]);
    both.also_at(six);
    let (over_four, over_six) = both.offers();
    let (over_four, over_six) = (text(over_four), text(over_six));
    assert!(over_four.contains("c=IN IP4 192.0.2.1\r\n") && !over_four.contains("IP6"), "{over_four}");
    assert_eq!(over_six, over_four.replace("IP4 192.0.2.1", "IP6 2001:db8::9"), "and nothing else differs");
    // The answer shows which of the two it was, and later offers stay with it; an address that means nobody shows nothing.
    let version = |text: &str| text.split(' ').nth(2).unwrap().parse::<u32>().unwrap();
    for (answer, told) in [
        ("c=IN IP6 2001:db8::5\r\n", "c=IN IP6 2001:db8::9\r\n"),
        ("c=IN IP4 192.0.2.77\r\n", "c=IN IP4 192.0.2.1\r\n"),
        ("c=IN IP4 0.0.0.0\r\n", "c=IN IP4 192.0.2.1\r\n"),
    ] {
        let mut leg = both.clone();
        leg.accept(&body(&format!("m=audio 5000 RTP/AVP 0\r\n{answer}"))).unwrap();
        let again = text(leg.offer());
        assert!(again.contains(told), "{again}");
        assert_eq!(version(&again) > 1, told.contains("IP6"), "{again}");
    }
    let mut late = both.clone();
    late.speak_to(six);
    assert!(text(late.offer()).contains("c=IN IP6 2001:db8::9\r\n"));
    // Who has one address only names that.
    let (over_four, over_six) = session(&[Pcmu]).offers();
    assert_eq!(over_four, over_six);
}

#[test]
fn an_offer_in_some_codecs_means_the_same_by_its_payload_types_as_the_whole_one() {
    let mut leg = session(&[Opus, Pcmu, Pcma]);
    let whole = text(leg.offers().0);
    assert!(whole.contains("RTP/AVP 111 0 8 100 101\r\n"), "{whole}");
    let some = |leg: &mut Session, codecs: &[Codec]| text(leg.offers_in(codecs).0);
    let telephone = some(&mut leg, &[Pcma, Pcmu]);
    assert!(telephone.contains("RTP/AVP 8 0 101\r\n") && !telephone.contains("48000"), "{telephone}");
    assert_eq!(some(&mut leg, &[Opus, Pcmu, Pcma]), whole);
    // Whoever answers the one is held to it, and told more of nothing.
    leg.keep_to(&[Pcma, Pcmu]);
    let agreed = leg.accept(&body("m=audio 5000 RTP/AVP 0 8 111\r\na=rtpmap:111 opus/48000/2\r\n")).unwrap();
    assert_eq!(agreed.send, [(Pcmu, 0), (Pcma, 8)]);
    let again = text(leg.offer());
    assert!(again.contains("o=- 7 2 ") && again.contains("RTP/AVP 8 0 101\r\n"), "{again}");
}

/// What Chrome offers for a microphone: the audio stream's lines, but over plain RTP, for DTLS is not ours yet.
const CHROME: &str = "m=audio 5000 RTP/AVPF 111 63 9 0 8 13 110 126\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n\
    a=ice-options:trickle\r\na=setup:actpass\r\na=mid:0\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
    a=sendrecv\r\na=msid:- 1d0b\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:111 opus/48000/2\r\n\
    a=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\n\
    a=fmtp:63 111/111\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:13 CN/8000\r\n\
    a=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 telephone-event/8000\r\na=ssrc:26 cname:z8ao\r\n";

#[test]
fn chromes_offer() {
    let (answer, agreed) = session(&[Pcmu, G722, Opus]).answer(&body(CHROME)).unwrap();
    let answer = text(answer);
    assert_eq!(agreed.send, [(Opus, 111), (G722, 9), (Pcmu, 0)]);
    assert_eq!(events(&agreed.send_events), [(110, 48_000), (126, 8_000)]);
    assert!(agreed.rtcp_mux && agreed.comfort_noise);
    assert_eq!(agreed.opus, OpusParameters { inband_fec: true, ..OpusParameters::default() });
    assert!(answer.contains("RTP/AVPF 111 9 0 13 110 126\r\n"), "{answer}");
    assert!(answer.contains("a=rtpmap:110 telephone-event/48000\r\n"), "{answer}");
    // A line that does not speak Opus has no use for events on its clock.
    let (answer, agreed) = session(&[Pcmu]).answer(&body(CHROME)).unwrap();
    assert_eq!(events(&agreed.send_events), [(126, 8_000)]);
    assert!(!text(answer).contains("48000"));
}

/// What baresip 1.0 of Debian 12 offers with its modules opus, g711, g722 and l16 (captured).
const BARESIP: &str = "m=audio 40080 RTP/AVP 96 0 8 9 97 10 98 99 100 101 11 102 103 104 105\r\na=rtpmap:96 opus/48000/2\r\n\
    a=fmtp:96 stereo=1;sprop-stereo=1;useinbandfec=1\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:9 G722/8000\r\na=rtpmap:97 L16/48000/2\r\na=rtpmap:10 L16/44100/2\r\na=rtpmap:98 L16/32000/2\r\n\
    a=rtpmap:99 L16/16000/2\r\na=rtpmap:100 L16/8000/2\r\na=rtpmap:101 L16/48000\r\na=rtpmap:11 L16/44100\r\n\
    a=rtpmap:102 L16/32000\r\na=rtpmap:103 L16/16000\r\na=rtpmap:104 L16/8000\r\na=rtpmap:105 telephone-event/8000\r\n\
    a=fmtp:105 0-15\r\na=sendrecv\r\na=label:1\r\na=rtcp-rsize\r\na=ssrc:22 cname:sip:me@127.0.0.1:25998\r\na=minptime:4\r\n\
    a=ptime:20\r\n";

#[test]
fn baresips_offer() {
    let (answer, agreed) = session(&Codec::ALL).answer(&body(BARESIP)).unwrap();
    assert_eq!(agreed.send, [(Opus, 96), (Pcmu, 0), (Pcma, 8), (G722, 9), (L16, 103)]);
    assert_eq!(events(&agreed.send_events), [(105, 8_000)], "the only ones, also amid Opus");
    assert!(agreed.opus.inband_fec);
    let answer = text(answer);
    assert!(
        answer.contains("a=rtpmap:103 L16/16000\r\n") && answer.contains("a=fmtp:96 useinbandfec=1\r\n"),
        "{answer}"
    );
}

#[test]
fn what_a_receiver_of_opus_asks_for() {
    let asked = |fmtp: &str| {
        let stream =
            format!("m=audio 5000 RTP/AVP 107\r\na=rtpmap:107 opus/48000/2\r\na=fmtp:107 {fmtp}\r\n");
        session(&[Opus]).answer(&body(&stream)).unwrap().1.opus
    };
    // As a Polycom phone writes it, which plays nothing wider.
    let narrow = asked("maxplaybackrate=16000;sprop-maxcapturerate=16000;maxaveragebitrate=24000");
    assert_eq!((narrow.max_playback_rate, narrow.max_average_bitrate), (16_000, 24_000));
    let all = asked("useinbandfec=1; usedtx=1 ;cbr=1; stereo=0");
    assert!(all.inband_fec && all.dtx && all.cbr);
    assert_eq!(asked("maxplaybackrate=96000;maxaveragebitrate=1;cbr=yes;;=;x"), OpusParameters::default());
}

#[test]
fn opus_is_left_out_for_a_receiver_of_short_packets() {
    let stream = "m=audio 5000 RTP/AVP 107 0\r\na=rtpmap:107 opus/48000/2\r\na=maxptime:10\r\n";
    assert_eq!(session(&[Opus, Pcmu]).answer(&body(stream)).unwrap().1.send, [(Pcmu, 0)]);
}

#[test]
fn a_payload_type_in_use_is_not_given_to_another_codec() {
    let mut session = session(&[Pcmu, Opus]);
    session.answer(&body("m=audio 5000 RTP/AVP 0 111\r\na=rtpmap:111 telephone-event/8000\r\n")).unwrap();
    let offer = text(session.offer());
    assert!(
        offer.contains("RTP/AVP 0 127 100 111\r\n") || offer.contains("RTP/AVP 0 127 111 100\r\n"),
        "{offer}"
    );
    assert!(offer.contains("a=rtpmap:127 opus/48000/2\r\n"), "{offer}");
    assert!(offer.contains("a=rtpmap:111 telephone-event/8000\r\n"), "{offer}");
}

#[test]
fn two_sessions_agree() {
    let (mut one, mut other) = (session(&[Pcmu, Pcma]), session(&[Pcma, G722]));
    let offer = one.offer();
    let (answer, theirs) = other.answer(&offer).unwrap();
    let ours = one.accept(&answer).unwrap();
    for side in [&ours, &theirs] {
        assert_eq!((&side.send[..], &side.receive[..]), (&[(Pcma, 8)][..], &[(8, Pcma)][..]));
        assert_eq!(
            (events(&side.send_events), events(&side.receive_events)),
            (vec![(101, 8_000)], vec![(101, 8_000)])
        );
        assert_eq!(side.direction, Direction::SendRecv);
        assert_eq!(side.remote_rtp.to_string(), "192.0.2.1:4000");
        assert_eq!(side.remote_rtcp.to_string(), "192.0.2.1:4001");
    }
    // A fork's second answer, to the same offer.
    assert_eq!(one.accept(&answer), Ok(ours));
}

#[test]
fn an_answer_keeps_the_offerers_order_and_payload_types() {
    let (answer, negotiated) = answer(
        "m=audio 5000 RTP/AVP 18 99 8 0 13 96\r\na=rtpmap:99 g722/8000\r\na=rtpmap:96 telephone-event/8000\r\n",
    );
    assert!(answer.contains("m=audio 4000 RTP/AVP 99 8 0 13 96\r\n"), "{answer}");
    assert!(
        answer.contains("a=rtpmap:99 G722/8000\r\n") && answer.contains("a=fmtp:96 0-16\r\n"),
        "{answer}"
    );
    assert_eq!(negotiated.send, [(G722, 99), (Pcma, 8), (Pcmu, 0)]);
    assert_eq!((events(&negotiated.send_events), negotiated.comfort_noise), (vec![(96, 8_000)], true));
}

#[test]
fn an_answer_without_telephone_events_has_none() {
    let (answer, negotiated) = answer("m=audio 5000 RTP/AVP 0\r\n");
    assert!(!answer.contains("telephone-event"), "{answer}");
    assert!(negotiated.send_events.is_empty() && negotiated.receive_events.is_empty());
}

#[test]
fn other_streams_are_refused_in_their_places_and_stay_refused() {
    let mut session = session(&[Pcmu]);
    let offer = body(
        "m=video 6000 RTP/AVP 31 34\r\na=rtpmap:31 H261/90000\r\nm=audio 5000 RTP/SAVP 0\r\n\
         m=audio 5002 RTP/AVP 0\r\nm=application 5004 UDP/BFCP *\r\n",
    );
    let (first, negotiated) = session.answer(&offer).unwrap();
    assert_eq!(negotiated.remote_rtp.port(), 5002);
    let lines = |body: Vec<u8>| -> Vec<String> {
        text(body).lines().filter(|l| l.starts_with("m=")).map(str::to_owned).collect()
    };
    assert_eq!(
        lines(first),
        [
            "m=video 0 RTP/AVP 31 34",
            "m=audio 0 RTP/SAVP 0",
            "m=audio 4000 RTP/AVP 0",
            "m=application 0 UDP/BFCP *"
        ]
    );
    assert_eq!(
        lines(session.offer()),
        [
            "m=video 0 RTP/AVP 31 34",
            "m=audio 0 RTP/SAVP 0",
            "m=audio 4000 RTP/AVP 0 101",
            "m=application 0 UDP/BFCP *"
        ]
    );
}

#[test]
fn every_way_to_hold() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    for (attribute, said, ours) in [
        ("a=sendonly", "a=recvonly", RecvOnly),
        ("a=recvonly", "a=sendonly", SendOnly),
        ("a=inactive", "a=inactive", Inactive),
        ("a=sendrecv", "a=sendrecv", SendRecv),
        ("c=IN IP4 0.0.0.0", "a=recvonly", RecvOnly),
        ("c=IN IP4 0.0.0.0\r\na=recvonly", "a=inactive", Inactive),
    ] {
        let (answer, negotiated) = answer(&format!("m=audio 5000 RTP/AVP 0\r\n{attribute}\r\n"));
        assert!(answer.ends_with(&format!("{said}\r\n")), "{attribute}: {answer}");
        assert_eq!(negotiated.direction, ours, "{attribute}");
    }
    // The attribute may stand before the streams, and one of a stream's own goes before it.
    let (_, negotiated) = answer("a=inactive\r\nm=audio 5000 RTP/AVP 0\r\n");
    assert_eq!(negotiated.direction, Inactive);
    let (_, negotiated) = answer("a=inactive\r\nm=audio 5000 RTP/AVP 0\r\na=sendrecv\r\n");
    assert_eq!(negotiated.direction, SendRecv);
}

#[test]
fn we_can_hold_too() {
    let (mut one, mut other) = (session(&[Pcmu]), session(&[Pcmu]));
    one.wish(Direction::SendOnly);
    let (answer, held) = other.answer(&one.offer()).unwrap();
    assert_eq!(held.direction, Direction::RecvOnly);
    assert_eq!(one.accept(&answer).unwrap().direction, Direction::SendOnly);
}

#[test]
fn the_version_rises_only_with_a_change() {
    let mut session = session(&[Pcmu, Pcma]);
    let version = |body: Vec<u8>| text(body).split(' ').nth(2).unwrap().parse::<u64>().unwrap();
    let offer = body("m=audio 5000 RTP/AVP 0\r\n");
    let hold = body("m=audio 5000 RTP/AVP 0\r\na=sendonly\r\n");
    assert_eq!(version(session.answer(&offer).unwrap().0), 1);
    assert_eq!(version(session.answer(&offer).unwrap().0), 1);
    assert_eq!(version(session.answer(&hold).unwrap().0), 2);
    assert!(session.answer(b"rubbish").is_err());
    assert_eq!(version(session.answer(&hold).unwrap().0), 2);
    assert_eq!(version(session.answer(&offer).unwrap().0), 3);
    assert_eq!(version(session.offer()), 4);
}

#[test]
fn payload_types_may_differ_each_way() {
    let mut session = session(&[Pcmu, G722]);
    session.offer();
    let answer =
        body("m=audio 5000 RTP/AVP 98 97\r\na=rtpmap:98 G722/8000\r\na=rtpmap:97 telephone-event/8000\r\n");
    let negotiated = session.accept(&answer).unwrap();
    assert_eq!(negotiated.send, [(G722, 98)]);
    assert_eq!(negotiated.receive, [(9, G722), (98, G722)]);
    assert_eq!(
        (events(&negotiated.send_events), events(&negotiated.receive_events)),
        (vec![(97, 8_000)], vec![(101, 8_000)])
    );
}

#[test]
fn ports_addresses_and_packet_lengths() {
    let (_, n) = answer("m=audio 5000 RTP/AVP 0\r\na=rtcp:5010 IN IP4 198.51.100.9\r\na=ptime:30\r\n");
    assert_eq!((n.remote_rtcp.to_string().as_str(), n.ptime), ("198.51.100.9:5010", 30));
    let (body, n) = answer("m=audio 5000 RTP/AVPF 0\r\na=rtcp-mux\r\na=ptime:40\r\na=maxptime:20\r\n");
    assert!(body.contains("m=audio 4000 RTP/AVPF 0\r\n") && body.contains("a=rtcp-mux\r\n"), "{body}");
    assert!(n.rtcp_mux && n.remote_rtcp == n.remote_rtp);
    assert_eq!(n.ptime, 20);
    let (_, n) = answer("m=audio 5000 RTP/AVP 0\r\nc=IN IP6 2001:db8::5\r\na=ptime:25\r\n");
    assert_eq!((n.remote_rtp.to_string().as_str(), n.ptime), ("[2001:db8::5]:5000", 20));
    // Nobody's own address: audio goes where audio comes from.
    for at in ["IP4 phone.example", "IP4 224.2.1.1/127", "IP4 255.255.255.255", "IP6 ff02::1"] {
        let (_, n) = answer(&format!("m=audio 5000 RTP/AVP 0\r\nc=IN {at}\r\n"));
        assert!(n.remote_rtp.ip().is_unspecified() && n.direction == Direction::SendRecv, "{at}");
    }

    let local = Local {
        addr: "2001:db8::1".parse().unwrap(),
        rtp: 4000,
        rtcp: 4100,
        codecs: vec![Pcmu],
        browser: None,
        sdes: None,
    };
    let offer = text(Session::new(local, 7).offer());
    assert!(offer.contains("o=- 7 1 IN IP6 2001:db8::1\r\n") && offer.contains("a=rtcp:4100\r\n"), "{offer}");
}

#[test]
fn what_cannot_be_carried_is_rejected() {
    let rejected = |streams: &str| session(&[Pcmu]).answer(&body(streams)).unwrap_err();
    assert_eq!(rejected(""), Rejected::NoAudio);
    assert_eq!(rejected("m=audio 5000 RTP/SAVP 0\r\n"), Rejected::NotSecure(Unusable::Off));
    assert_eq!(rejected("m=audio 0 RTP/AVP 0\r\n"), Rejected::NoAudio);
    assert_eq!(rejected("m=video 5000 RTP/AVP 0\r\n"), Rejected::NoAudio);
    assert_eq!(rejected("m=audio 5000 RTP/AVP 18 8\r\n"), Rejected::NoCodec);
    assert_eq!(
        session(&[Pcmu]).answer(b"v=0\r\nm=audio 5000 RTP/AVP 0\r\n"),
        Err(Rejected::NotSdp("no c= line"))
    );
    assert_eq!(session(&[Pcmu]).accept(&body("m=audio 5000 RTP/AVP 0\r\n")), Err(Rejected::NoOffer));
}

#[test]
fn a_phones_offer_with_everything_missing_is_answered() {
    let mut session = session(&[Pcmu]);
    let offer = b"v=0\nc=IN IP4 198.51.100.5\nm=audio 5000 RTP/AVP 0\n";
    let (answer, _) = session.answer(offer).unwrap();
    let answer = text(answer);
    assert!(answer.contains("\r\ns=-\r\n") && answer.contains("\r\nt=0 0\r\n"), "{answer}");
}

fn session(codecs: &[Codec]) -> Session {
    let local = Local {
        addr: [192, 0, 2, 1].into(),
        rtp: 4000,
        rtcp: 4001,
        codecs: codecs.to_vec(),
        browser: None,
        sdes: None,
    };
    Session::new(local, 7)
}

fn body(streams: &str) -> Vec<u8> {
    format!("v=0\r\no=alice 1 1 IN IP4 198.51.100.5\r\ns=call\r\nc=IN IP4 198.51.100.5\r\nt=0 0\r\n{streams}")
        .into_bytes()
}

fn answer(streams: &str) -> (String, Negotiated) {
    let (answer, negotiated) = session(&Codec::ALL).answer(&body(streams)).unwrap();
    (text(answer), negotiated)
}

fn text(body: Vec<u8>) -> String {
    String::from_utf8(body).unwrap()
}

fn events(formats: &[EventFormat]) -> Vec<(u8, u32)> {
    formats.iter().map(|event| (event.payload_type, event.clock_rate)).collect()
}
