//! What is read of a call at a glance, under overload, is what the whole parser reads of it; no panic.
#![no_main]

use havre_sip::Method;
use havre_sip::wire::{Glimpse, Message, Name, parse_datagram};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(Glimpse { method, via, more_vias, from, to, call_id, cseq }) = Glimpse::of(bytes) else { return };
    // What the long way answers 400 is refused either way, before anything is done.
    let Ok(Message::Request(request)) = parse_datagram(bytes) else { return };
    let headers = &request.headers;
    assert_eq!((method, Some(via)), (request.method, headers.first(&Name::Via)));
    let hops = headers.all(&Name::Via).skip(1).collect::<Vec<_>>();
    assert_eq!(more_vias.join(","), hops.join(","));
    for (glimpsed, name) in [(from, Name::From), (to, Name::To), (call_id, Name::CallId), (cseq, Name::CSeq)] {
        assert_eq!(Some(glimpsed), headers.first(&name));
    }
    // An INVITE stands for a call that begins, and never for one that goes on.
    assert!(method == Method::Ack || headers.to().is_ok_and(|to| to.tag().is_none()));
});
