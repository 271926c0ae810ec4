//! A `Replaces` header (RFC 3891): no panic; what names a dialog is printed and read back the same, alone and in a message.
#![no_main]

use havre_sip::wire::{Message, Replaces, parse_datagram};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(replaces) = Replaces::parse(text) else { return };
    assert!(!replaces.call_id.is_empty() && !replaces.to_tag.is_empty() && !replaces.from_tag.is_empty());
    let printed = replaces.to_string();
    assert_eq!(Replaces::parse(&printed).as_ref(), Ok(&replaces));
    let invite = format!(
        "INVITE sip:line@192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKa\r\nMax-Forwards: 70\r\n\
         From: <sip:a@b>;tag=1\r\nTo: <sip:line@c>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContact: <sip:192.0.2.9>\r\n\
         Replaces: {printed}\r\n\r\n"
    );
    // What no line may hold (a control character, or too much of it) is refused with the whole message.
    if let Ok(Message::Request(request)) = parse_datagram(invite.as_bytes()) {
        assert_eq!(request.headers.replaces(), Ok(Some(replaces)));
    }
});
