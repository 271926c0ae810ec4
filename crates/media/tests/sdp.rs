//! Offers and answers, as phones and carriers write them.
#![allow(clippy::unwrap_used)] // It is how a test fails.

use havre_media::Codec::{self, G722, Pcma, Pcmu};
use havre_media::sdp::{Direction, EventFormat, Local, Negotiated, Rejected, Session};

#[test]
fn an_offer_lists_what_we_speak() {
    let offer = text(session(&[Pcmu, Pcma, G722]).offer());
    assert_eq!(
        offer,
        "v=0\r\no=- 7 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP 0 8 9 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:9 G722/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
    );
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
    let (_, n) = answer("m=audio 5000 RTP/AVP 0\r\nc=IN IP4 phone.example\r\n");
    assert!(n.remote_rtp.ip().is_unspecified() && n.direction == Direction::SendRecv);

    let local = Local { addr: "2001:db8::1".parse().unwrap(), rtp: 4000, rtcp: 4100, codecs: vec![Pcmu] };
    let offer = text(Session::new(local, 7).offer());
    assert!(offer.contains("o=- 7 1 IN IP6 2001:db8::1\r\n") && offer.contains("a=rtcp:4100\r\n"), "{offer}");
}

#[test]
fn what_cannot_be_carried_is_rejected() {
    let rejected = |streams: &str| session(&[Pcmu]).answer(&body(streams)).unwrap_err();
    assert_eq!(rejected(""), Rejected::NoAudio);
    assert_eq!(rejected("m=audio 5000 RTP/SAVP 0\r\n"), Rejected::NoAudio);
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
    let local = Local { addr: [192, 0, 2, 1].into(), rtp: 4000, rtcp: 4001, codecs: codecs.to_vec() };
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
