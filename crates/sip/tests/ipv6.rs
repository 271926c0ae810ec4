//! The cases of RFC 5118 (torture tests for IPv6) as messages of our own, each with the answer it must get, as a datagram
//! and on a stream.

#![allow(clippy::unwrap_used, reason = "what can not be unwrapped fails the test, in helpers too")]

use std::net::{IpAddr, SocketAddr};

use havre_sip::wire::{Framer, Host, Message, ParseError, Request, Uri, parse_datagram};

/// A REGISTER to `uri`, with that top Via and Contact.
fn register(uri: &str, via: &str, contact: &str) -> String {
    format!(
        "REGISTER {uri} SIP/2.0\r\nTo: sip:user@example.com\r\nFrom: sip:user@example.com;tag=81x2\r\n\
         Via: {via}\r\nCall-ID: SSG9559905523997077@hlau_4100\r\nMax-Forwards: 70\r\nContact: \"Caller\" <{contact}>\r\n\
         CSeq: 98176 REGISTER\r\nContent-Length: 0\r\n\r\n"
    )
}

const VIA: &str = "SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111";
const CONTACT: &str = "sip:caller@[2001:db8::1]";

/// The same on both ways in.
fn read(wire: &str) -> Result<Request, ParseError> {
    let datagram = parse_datagram(wire.as_bytes());
    let mut framer = Framer::new();
    framer.push(wire.as_bytes());
    let stream = framer.next().unwrap();
    assert_eq!(datagram.as_ref().ok(), stream.as_ref().ok());
    match datagram? {
        Message::Request(request) => Ok(request),
        Message::Response(_) => panic!("a request was sent"),
    }
}

fn status(wire: &str) -> Option<u16> {
    read(wire).unwrap_err().reply.map(|reply| reply.status)
}

/// Host and port of a SIP URI.
fn place(uri: &Uri) -> (IpAddr, Option<u16>) {
    match uri {
        Uri::Sip(uri) => match &uri.host {
            Host::Ip(ip) => (*ip, uri.port),
            Host::Name(name) => panic!("{name} is a name"),
        },
        other => panic!("{other}"),
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// §4.1
#[test]
fn an_ipv6_reference_is_an_address() {
    let request = read(&register("sip:[2001:db8::10]", VIA, CONTACT)).unwrap();
    assert_eq!(place(&request.uri), (ip("2001:db8::10"), None));
    assert_eq!(request.headers.via_top().unwrap().host, Host::Ip(ip("2001:db8::9:1")));
}

/// §4.2: nobody can tell address and port apart.
#[test]
fn an_address_without_brackets_is_refused() {
    assert_eq!(status(&register("sip:2001:db8::10", VIA, CONTACT)), Some(400));
}

/// §4.3: the last group is of the address, whatever the sender meant.
#[test]
fn what_is_within_the_brackets_is_no_port() {
    let request = read(&register("sip:[2001:db8::10:5070]", VIA, CONTACT)).unwrap();
    assert_eq!(place(&request.uri), (ip("2001:db8::10:5070"), None));
}

/// §4.4
#[test]
fn what_is_behind_the_brackets_is_a_port() {
    let request = read(&register("sip:[2001:db8::10]:5070", VIA, CONTACT)).unwrap();
    assert_eq!(place(&request.uri), (ip("2001:db8::10"), Some(5070)));
}

/// §4.5: RFC 3261's grammar has no brackets in `received`, and yet they are sent.
#[test]
fn received_is_read_with_and_without_brackets() {
    for received in ["[2001:db8::9:255]", "2001:db8::9:255"] {
        let via = format!("SIP/2.0/UDP [2001:db8::9:1];received={received};branch=z9hG4bKas3-111");
        let request = read(&register("sip:[2001:db8::10]", &via, CONTACT)).unwrap();
        let via = request.headers.via_top().unwrap();
        assert_eq!(via.received(), Some(ip("2001:db8::9:255")), "{received}");
        // Ours is written as the grammar has it.
        let source: SocketAddr = "[2001:db8::9:77]:5060".parse().unwrap();
        let stamped = via.stamped(source).to_string();
        assert!(stamped.contains("received=2001:db8::9:77"), "{stamped}");
    }
}

/// §4.7: hops of both kinds, each where it belongs.
#[test]
fn hops_of_both_kinds_stand_in_one_message() {
    let wire = register("sip:user@[2001:db8::10]", VIA, CONTACT).replace(
        "Call-ID",
        "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144\r\n\
         Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200\r\nCall-ID",
    );
    let vias = read(&wire).unwrap().headers.vias().unwrap();
    let hosts: Vec<Host> = vias.iter().map(|via| via.host.clone()).collect();
    assert_eq!(hosts, ["2001:db8::9:1", "192.0.2.1", "2001:db8::9:255"].map(|host| Host::Ip(ip(host))));
    assert_eq!(vias[2].received(), Some(ip("192.0.2.200")));
}

/// §4.9
#[test]
fn an_ipv4_mapped_address_is_an_address() {
    let via = "SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19";
    let request = read(&register("sip:user@example.com", via, "sip:user@[::ffff:192.0.2.2]")).unwrap();
    let via = request.headers.via_top().unwrap();
    assert_eq!((via.host.clone(), via.port), (Host::Ip(ip("::ffff:192.0.2.10")), Some(19823)));
}

/// §4.10: RFC 3261's grammar makes three colons of two; a sender of such an address is to be understood or refused, not
/// to be taken for a host of that name.
#[test]
fn three_colons_are_no_address() {
    assert_eq!(status(&register("sip:user@[2001:db8:::192.0.2.1]", VIA, CONTACT)), Some(400));
    let request = read(&register("sip:user@[2001:db8::192.0.2.1]", VIA, CONTACT)).unwrap();
    assert_eq!(place(&request.uri), (ip("2001:db8::c000:201"), None));
}
