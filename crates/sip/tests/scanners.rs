//! Scanners hear nothing, unless they come from where a carrier or a phone is.

mod net;

use havre_sip::Transport;
use net::raw::*;
use net::*;

const TO_LINE: &str = "sip:+18335550100@192.0.2.10";
const SCANNER: &str = "User-Agent: friendly-scanner\n";

fn attempts(from: &str) -> [String; 4] {
    let others = ["REGISTER", "OPTIONS", "CANCEL"].map(|method| {
        let lines = common(method, "sip:100@192.0.2.10", "sip:100@192.0.2.10", 1) + SCANNER;
        request(method, "sip:192.0.2.10", from, &lines, "")
    });
    let [register, options, cancel] = others;
    [invite(TO_LINE, from, SCANNER), register, options, cancel]
}

#[test]
fn a_scanner_hears_nothing_and_is_counted() {
    let mut net = Net::new(41);
    let havre = net.add("havre", HAVRE, gateway());
    for text in attempts(STRANGER) {
        assert!(net.ask(STRANGER, &text).is_empty(), "{text}");
        let honest = text.replace("friendly-scanner", "a phone");
        assert_eq!(net.ask(STRANGER, &honest).len(), 1, "{honest}");
    }
    assert_eq!(net.party(havre).endpoint.counters().scanners_dropped, 4);
    assert!(net.events(havre).iter().all(|event| !format!("{event:?}").contains("Incoming")));
}

#[test]
fn a_carrier_and_a_registered_phone_may_call_themselves_what_they_like() {
    let mut net = Net::new(42);
    let havre = net.add("havre", HAVRE, gateway());
    let desk = net.add("desk", PHONE, phone());
    net.registers(desk, "advocate-fr", "secret-fr", Transport::Udp);
    net.run(ms(200));
    for from in [CARRIER, PHONE] {
        let before = net.party(havre).endpoint.counters().received;
        for text in attempts(from) {
            net.send(from, HAVRE, &text);
            net.run(ms(50));
        }
        let counters = net.party(havre).endpoint.counters();
        assert!(counters.received >= before + 4);
        assert_eq!(counters.scanners_dropped, 0);
    }
    assert_eq!(net.party(havre).endpoint.legs(), 1, "the carrier's caller rings");
}

#[test]
fn no_stranger_is_told_what_it_is_that_answers() {
    let mut net = Net::new(43);
    net.add("havre", HAVRE, gateway());
    let plain = |method: &str, more: &str| {
        let lines = common(method, "sip:100@192.0.2.10", "sip:100@192.0.2.10", 1) + more;
        request(method, "sip:192.0.2.10", STRANGER, &lines, "")
    };
    let asked = [
        (403, invite(TO_LINE, STRANGER, "")),
        (401, plain("REGISTER", "Contact: <sip:100@233.252.0.66>\n")),
        (401, invite(TO_LINE, STRANGER, "From: <sip:advocate-en@192.0.2.10>;tag=f\nCall-ID: by-account\n")),
        (200, plain("OPTIONS", "")),
        (420, plain("OPTIONS", "Require: nothing\n")),
        (405, plain("SUBSCRIBE", "")),
        (481, plain("BYE", "")),
        (481, plain("CANCEL", "")),
        (481, plain("INFO", "").replace("To: <sip:100@192.0.2.10>", "To: <sip:100@192.0.2.10>;tag=x7")),
        (501, plain("FROBNICATE", "")),
        (400, plain("OPTIONS", "").replace("CSeq: 1", "CSeq: one")),
        (400, plain("OPTIONS", "").replace("Content-Length: 0", "Content-Length: 7")),
        (505, plain("OPTIONS", "").replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia")),
    ];
    for (expected, text) in asked {
        let answer = net.answer_to(STRANGER, &text);
        assert_eq!(status(&answer), expected, "{text}\n{answer}");
        assert!(all(&answer, "Server").is_empty() && all(&answer, "User-Agent").is_empty(), "{answer}");
    }
}
