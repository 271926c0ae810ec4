//! Offers and answers, as browsers write them.
#![allow(clippy::unwrap_used)] // It is how a test fails.

use havre_media::Codec::{self, G722, Opus, Pcma, Pcmu};
use havre_media::IceLocal;
use havre_media::sdp::{BrowserLocal, Direction, Fingerprint, Local, Negotiated, Rejected, Session, Setup};

const HASH: &str =
    "19:E2:1C:3B:4B:9F:81:E6:B8:5C:F4:A5:A8:D8:73:04:BB:05:2F:70:9F:04:A9:0E:05:E9:26:33:E8:70:88:A2";
const UFRAG: &str = "4ZcD";
const PASSWORD: &str = "2/1muCWoOi3uLifh0NuRHlMK";

/// What Chromium 150 offers for a microphone.
fn chrome() -> String {
    format!(
        "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         a=extmap-allow-mixed\r\na=msid-semantic: WMS 7a7b\r\nm=audio 52137 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\n\
         c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=candidate:2999745851 1 udp 2113937151 \
         9cf5aa58-23e3-4b4e-8d5c-6a1a4f7b9f13.local 52137 typ host generation 0 network-cost 999\r\na=ice-ufrag:{UFRAG}\r\n\
         a=ice-pwd:{PASSWORD}\r\na=ice-options:trickle\r\na=fingerprint:sha-256 {HASH}\r\na=setup:actpass\r\na=mid:0\r\n\
         a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
         a=sendrecv\r\na=msid:7a7b 1d0b\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:111 opus/48000/2\r\n\
         a=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\n\
         a=fmtp:63 111/111\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:13 CN/8000\r\n\
         a=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 telephone-event/8000\r\na=ssrc:2612 cname:z8ao\r\n\
         a=ssrc:2612 msid:7a7b 1d0b\r\n"
    )
}

/// What Firefox 140 answers to an offer of ours: the fingerprint stands above the streams.
fn firefox() -> String {
    format!(
        "v=0\r\no=mozilla...THIS_IS_SDPARTA-99.0 6154 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=fingerprint:sha-256 {HASH}\r\n\
         a=group:BUNDLE 0\r\na=ice-options:trickle\r\na=msid-semantic:WMS *\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 9 0 8 100 101\r\n\
         c=IN IP4 0.0.0.0\r\na=sendrecv\r\na=end-of-candidates\r\na=fmtp:111 maxplaybackrate=48000;stereo=1;useinbandfec=1\r\n\
         a=fmtp:100 0-15\r\na=fmtp:101 0-15\r\na=ice-pwd:0123456789abcdef0123456789abcdef\r\na=ice-ufrag:deadbeef\r\na=mid:0\r\n\
         a=msid:{{3ae8}} {{77f1}}\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:9 G722/8000/1\r\na=rtpmap:0 PCMU/8000\r\n\
         a=rtpmap:8 PCMA/8000\r\na=rtpmap:100 telephone-event/48000\r\na=rtpmap:101 telephone-event/8000\r\na=setup:active\r\n\
         a=ssrc:3183 cname:{{1f0e}}\r\n"
    )
}

#[test]
fn our_offer_says_all_that_a_browser_needs() {
    let offer = text(session(&[Pcmu, Opus]).offer());
    assert_eq!(
        offer,
        format!(
            "v=0\r\no=- 7 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\na=ice-lite\r\na=group:BUNDLE 0\r\n\
             m=audio 19000 UDP/TLS/RTP/SAVPF 0 111 100 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:111 opus/48000/2\r\n\
             a=rtpmap:100 telephone-event/48000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:111 useinbandfec=1\r\n\
             a=fmtp:100 0-16\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=rtcp:19000\r\na=rtcp-mux\r\na=rtcp-xr:voip-metrics\r\n\
             a=sendrecv\r\na=mid:0\r\na=ice-ufrag:ourufrag\r\na=ice-pwd:ourpasswordourpasswordxx\r\na=fingerprint:sha-256 {}\r\n\
             a=setup:actpass\r\na=candidate:1 1 udp 2130706431 192.0.2.1 19000 typ host\r\n\
             a=candidate:2 1 udp 2130706175 2001:db8::1 19000 typ host\r\na=end-of-candidates\r\n",
            ["07"; 32].join(":")
        )
    );
}

#[test]
fn chromes_offer_is_answered() {
    let (answer, agreed) = session(&[Pcmu, G722, Opus]).answer(chrome().as_bytes()).unwrap();
    let answer = text(answer);
    assert_eq!(agreed.send, [(Opus, 111), (G722, 9), (Pcmu, 0)]);
    assert_eq!(agreed.direction, Direction::SendRecv, "0.0.0.0 is no hold in a browser's offer");
    assert!(agreed.rtcp_mux && agreed.remote_rtp.ip().is_unspecified(), "ICE says where it is");
    let far = agreed.browser.unwrap();
    assert_eq!((far.ufrag.as_str(), far.password.as_str(), far.setup), (UFRAG, PASSWORD, Setup::Active));
    assert_eq!(far.fingerprint, HASH.parse().unwrap());
    for line in
        ["a=ice-lite", "a=group:BUNDLE 0", "a=mid:0", "a=setup:passive", "a=rtcp-mux", "a=ice-ufrag:ourufrag"]
    {
        assert!(answer.contains(&format!("{line}\r\n")), "{line} is not in {answer}");
    }
    assert!(answer.contains("UDP/TLS/RTP/SAVPF 111 9 0 13 110 126\r\n"), "{answer}");
}

#[test]
fn firefoxs_answer_is_taken() {
    let mut session = session(&[Opus, G722, Pcmu, Pcma]);
    session.offer();
    let agreed = session.accept(firefox().as_bytes()).unwrap();
    let far = agreed.browser.clone().unwrap();
    assert_eq!((far.ufrag.as_str(), far.setup), ("deadbeef", Setup::Active));
    assert_eq!(far.fingerprint, HASH.parse().unwrap(), "of the session");
    assert_eq!(events(&agreed), [(100, 48_000), (101, 8_000)]);
    assert!(agreed.opus.inband_fec);
    // One that answers the call to be a server is begun with.
    let passive = firefox().replace("setup:active", "setup:passive");
    assert_eq!(session.accept(passive.as_bytes()).unwrap().browser.unwrap().setup, Setup::Passive);
}

#[test]
fn a_reoffer_keeps_the_stream_and_its_credentials() {
    let mut session = session(&[Pcmu, Opus]);
    let first = text(session.offer());
    session.accept(firefox().as_bytes()).unwrap();
    assert_eq!(text(session.offer()), first);
    session.wish(Direction::SendOnly);
    let held = text(session.offer());
    assert_eq!(held, first.replace("a=sendrecv", "a=sendonly").replace("7 1 IN", "7 2 IN"));
}

#[test]
fn a_camera_is_refused_in_its_place() {
    let camera = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n";
    let offer = chrome().replace("BUNDLE 0", "BUNDLE 0 1") + camera;
    let answer = text(session(&[Opus]).answer(offer.as_bytes()).unwrap().0);
    assert!(answer.contains("a=group:BUNDLE 0\r\n"), "{answer}");
    assert!(answer.ends_with("m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n"), "{answer}");
}

#[test]
fn an_offer_without_a_bundle_is_answered_without() {
    let offer = chrome().replace("a=group:BUNDLE 0\r\n", "").replace("a=mid:0\r\n", "");
    let answer = text(session(&[Opus]).answer(offer.as_bytes()).unwrap().0);
    assert!(!answer.contains("BUNDLE") && !answer.contains("a=mid"), "{answer}");
}

#[test]
fn what_makes_no_browsers_leg_is_refused() {
    let no_ice = Rejected::NotSdp("no ICE credentials");
    for (from, to, why) in [
        ("a=ice-ufrag:4ZcD", "a=ice-ufrag:4Zc", no_ice),
        ("a=ice-ufrag:4ZcD", "a=x:y", no_ice),
        ("a=ice-pwd:2/1muCWoOi3uLifh0NuRHlMK", "a=ice-pwd:short", no_ice),
        ("sha-256", "sha-1", Rejected::NotSdp("no fingerprint of SHA-256")),
        ("19:E2", "19", Rejected::NotSdp("no fingerprint of SHA-256")),
        ("a=rtcp-mux\r\n", "", Rejected::NotSdp("no rtcp-mux")),
        ("actpass", "holdconn", Rejected::NotSdp("no use of a=setup")),
        ("UDP/TLS/RTP/SAVPF", "RTP/AVP", Rejected::NoAudio),
        ("m=audio", "m=video", Rejected::NoAudio),
    ] {
        let offer = chrome().replace(from, to);
        assert_eq!(session(&Codec::ALL).answer(offer.as_bytes()).map(|_| ()), Err(why), "{from} -> {to}");
    }
    let mut answered = session(&Codec::ALL);
    answered.offer();
    let undecided = firefox().replace("setup:active", "setup:actpass");
    assert_eq!(answered.accept(undecided.as_bytes()).map(|_| ()), Err(Rejected::NotSdp("no use of a=setup")));
    let plain = Local { browser: None, ..local(&[Opus]) };
    assert_eq!(Session::new(plain, 1).answer(chrome().as_bytes()).map(|_| ()), Err(Rejected::NoAudio));
}

#[test]
fn two_sides_of_ours_agree_who_begins() {
    let (mut one, mut other) = (session(&[Pcmu]), session(&[Pcmu]));
    let (answer, theirs) = other.answer(&one.offer()).unwrap();
    let ours = one.accept(&answer).unwrap();
    assert_eq!((ours.browser.unwrap().setup, theirs.browser.unwrap().setup), (Setup::Passive, Setup::Active));
}

fn session(codecs: &[Codec]) -> Session {
    Session::new(local(codecs), 7)
}

fn local(codecs: &[Codec]) -> Local {
    let browser = BrowserLocal {
        ice: IceLocal { ufrag: "ourufrag".to_owned(), password: "ourpasswordourpasswordxx".to_owned() },
        fingerprint: Fingerprint([7; 32]),
        candidates: vec!["192.0.2.1:19000".parse().unwrap(), "[2001:db8::1]:19000".parse().unwrap()],
    };
    let codecs = codecs.to_vec();
    Local {
        addr: [192, 0, 2, 1].into(),
        rtp: 19_000,
        rtcp: 19_000,
        codecs,
        browser: Some(browser),
        sdes: None,
    }
}

fn events(agreed: &Negotiated) -> Vec<(u8, u32)> {
    agreed.send_events.iter().map(|event| (event.payload_type, event.clock_rate)).collect()
}

fn text(body: Vec<u8>) -> String {
    String::from_utf8(body).unwrap()
}
