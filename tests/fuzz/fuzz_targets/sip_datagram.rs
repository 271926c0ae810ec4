//! A datagram: no panic; what is accepted is printed and read back the same; what is refused has an answer that
//! can be sent.
#![no_main]

use havre_sip::wire::{Headers, Name, parse_datagram};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match parse_datagram(bytes) {
        Ok(message) => {
            read_all(message.headers());
            assert_eq!(parse_datagram(&message.to_bytes()), Ok(message));
        }
        Err(error) => {
            let Some(mut reply) = error.reply else { return };
            reply.headers.stamp_via("192.0.2.1:5060".parse().expect("an address"));
            reply.headers.tag_to("t");
            assert!(reply.headers.via_top().is_ok_and(|via| via.reply_to().is_some()));
            read_all(&reply.headers);
            assert!(!reply.to_bytes().is_empty());
        }
    }
});

fn read_all(headers: &Headers) {
    let _ = (headers.vias(), headers.from(), headers.to(), headers.cseq(), headers.contacts());
    let _ = (headers.routes(), headers.record_routes(), headers.diversions(), headers.asserted_identities());
    let _ =
        (headers.privacy(), headers.content_type(), headers.require(), headers.expires(), headers.reasons());
    let _ =
        (headers.retry_after(), headers.session_expires(), headers.min_se(), headers.rack(), headers.rseq());
    let _ = (headers.auths(&Name::Authorization), headers.auths(&Name::WwwAuthenticate));
    for uri in headers.from().into_iter().chain(headers.to()).map(|addr| &addr.uri) {
        assert!(uri.equivalent(uri));
        let _ = uri.user();
    }
}
