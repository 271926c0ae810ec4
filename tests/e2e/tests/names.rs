//! Carriers that are found by name (RFC 3263): what DNS said is used for as long as it holds, and for longer where DNS is silent.

use std::time::Duration;

use havre_e2e::{Carrier, Dns, Host, Line, Sipp, Zone, until, way_out};

const SOON: Duration = Duration::from_secs(5);
const ON_CALL: Duration = Duration::from_secs(20);
/// What DNS says of everything.
const TTL: Duration = Duration::from_secs(6);
/// How late a timer, and how coarse a clock, may be on a busy machine.
const LATE: Duration = Duration::from_secs(1);
const EDGE: &str = "edge.carrier.test";

#[test]
fn calls_go_where_a_name_leads_which_is_asked_for_once_in_its_time_and_where_it_led_when_dns_is_gone() {
    let hosts = [Host::claim(), Host::claim()];
    let [former, present] = [0, 1].map(|at| Carrier::start(&hosts[at]));
    let addresses = &[(EDGE, hosts[0].ip())];
    let ttl = u32::try_from(TTL.as_secs()).expect("seconds");
    let dns = Dns::start_zone(&Zone { ttl, naptr: &[], srv: &[], addresses });
    // With a port there is one question (§4.2): the address.
    let mut outbound = way_out(&hosts[0], &[]);
    outbound.insert("peer".into(), format!("{EDGE}:5060").into());
    let line = Line::demo().on_call("+14165550199", &[("carrier", outbound)]);
    let line = line.with("sip.dns", vec![dns.address()]).start();
    for call in 1..=2 {
        is_rung(&line, &former, call);
    }
    dns.moves(EDGE, hosts[1].ip());
    // Who was asked in time says so; then everybody is called there.
    let moved = dns.asked() + 1;
    until("DNS to be asked again", TTL + LATE * 2, || (dns.asked() >= moved).then_some(()));
    is_rung(&line, &present, 1);
    dns.falls_silent();
    let pauses: Vec<_> = dns.asked_at().windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.iter().all(|pause| (TTL..TTL + LATE).contains(pause)), "asked for no call: {pauses:?}");
    until("DNS to be asked in vain", ON_CALL, || {
        (line.api().metric("havre_component_events_total", "dns_failures") >= 1.0).then_some(())
    });
    is_rung(&line, &present, 2);
    assert_eq!(former.invites().len(), 2);
}

/// An urgent caller, for whom the telephone on call is rung over this carrier, as the `count`-th of its calls.
fn is_rung(line: &Line, carrier: &Carrier, count: usize) {
    line.api().wait_for_state("on-call", "ready");
    let (mut call, _media) = Sipp::urgent_caller(line);
    until("the telephone to be rung", ON_CALL, || (carrier.invites().len() == count).then_some(()));
    call.cue();
    call.finish(SOON);
}
