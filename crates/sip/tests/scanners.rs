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
