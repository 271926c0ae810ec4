//! What holds for any bytes and any values: no panic, one reading for datagram and stream however it is cut, and
//! print is the inverse of parse.

#![allow(clippy::unwrap_used, reason = "what can not be unwrapped fails the test, in helpers too")]

use havre_sip::Method;
use havre_sip::wire::{
    Auth, CSeq, Framer, Headers, Host, MediaType, Message, Name, NameAddr, Params, ParseError, Reason,
    Request, Response, SessionExpires, SipUri, Uri, Via, parse_datagram,
};
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in vec(any::<u8>(), 0..600)) {
        exercise(&bytes);
    }

    #[test]
    fn mutated_messages_are_read_without_panic(bytes in mutated()) {
        exercise(&bytes);
    }

    #[test]
    fn any_text_is_read_by_every_value(text in "\\PC{0,40}|[<>\";,:=@%/ a-z0-9.*\\[\\]\\\\?&-]{0,60}") {
        let _ = (Auth::parse(&text), CSeq::parse(&text), MediaType::parse(&text), Params::parse(&text));
        let _ = (Reason::parse(&text), SessionExpires::parse(&text), Host::parse(&text));
        if let Ok(uri) = Uri::parse(&text) {
            prop_assert_eq!(Uri::parse(&uri.to_string()), Ok(uri.clone()));
            prop_assert!(uri.equivalent(&uri));
        }
        if let Ok(addr) = NameAddr::parse(&text) {
            prop_assert_eq!(NameAddr::parse(&addr.to_string()), Ok(addr));
        }
        if let Ok(via) = Via::parse(&text) {
            prop_assert_eq!(Via::parse(&via.to_string()), Ok(via));
        }
    }

    #[test]
    fn what_is_printed_is_read_back(message in message()) {
        let wire = message.to_bytes();
        prop_assert_eq!(parse_datagram(&wire), Ok(message.clone()));
        prop_assert_eq!(frames(&[&wire]), vec![Ok(message)]);
    }

    #[test]
    fn user_parts_are_escaped_and_decoded(user in "\\PC{1,20}", display in "\\PC{1,20}") {
        let uri = Uri::Sip(SipUri::new(Some(&user), Host::Name("h".into()), None));
        let read = Uri::parse(&uri.to_string()).unwrap();
        prop_assert_eq!(read.user().unwrap(), user);
        let addr = NameAddr { display: Some(display), ..NameAddr::new(uri) };
        prop_assert_eq!(NameAddr::parse(&addr.to_string()), Ok(addr));
    }

    /// The stream is a mix of good, bad and mutated messages; wherever it is cut, the outcome is the same.
    #[test]
    fn framing_does_not_depend_on_the_cuts(
        parts in vec(prop_oneof![message().prop_map(|message| message.to_bytes().to_vec()), mutated()], 1..4),
        sizes in vec(1_usize..200, 1..20),
    ) {
        let wire = parts.concat();
        let whole = frames(&[&wire]);
        let bytes: Vec<&[u8]> = wire.chunks(1).collect();
        prop_assert_eq!(&frames(&bytes), &whole);
        let mut rest = &wire[..];
        let mut chunks = Vec::new();
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (chunk, left) = rest.split_at(rest.len().min(*size));
            chunks.push(chunk);
            rest = left;
        }
        prop_assert_eq!(&frames(&chunks), &whole);
    }

    /// What a stream accepts as its only message, a datagram reads the same; and what a datagram accepts with a
    /// Content-Length, a stream starts with.
    #[test]
    fn datagram_and_stream_agree(bytes in prop_oneof![mutated(), message().prop_map(|m| m.to_bytes().to_vec())]) {
        let (datagram, stream) = (parse_datagram(&bytes), frames(&[&bytes]));
        match (datagram, stream.first()) {
            (Ok(datagram), Some(Ok(stream))) => prop_assert_eq!(&datagram, stream),
            (Ok(_), Some(Err(error))) => prop_assert_eq!(error.why, "missing Content-Length"),
            (Ok(message), None) => prop_assert!(false, "only the datagram has {message:?}"),
            // A stream waits for the rest of what a datagram refuses for lack of it.
            (Err(datagram), Some(Ok(_))) => prop_assert!(false, "only the stream is read: {}", datagram.why),
            (Err(_), _) => {}
        }
    }
}

/// Everything that can be asked of a message.
fn exercise(bytes: &[u8]) {
    let mut results = frames(&[bytes]);
    results.push(parse_datagram(bytes));
    for result in results {
        let headers = match &result {
            Ok(message) => message.headers(),
            Err(ParseError { reply: Some(reply), .. }) => &reply.headers,
            Err(_) => continue,
        };
        read_all(headers);
        let mut headers = headers.clone();
        headers.stamp_via("192.0.2.1:5060".parse().unwrap());
        assert!(
            headers.via_top().unwrap().received().is_some() || headers.via_top().unwrap().host.ip().is_some()
        );
        headers.tag_to("t");
        if let Ok(message) = result {
            assert_eq!(parse_datagram(&message.to_bytes()), Ok(message));
        }
    }
}

fn read_all(headers: &Headers) {
    let _ = (headers.vias(), headers.from(), headers.to(), headers.cseq(), headers.call_id().map(str::len));
    let _ = (headers.contacts(), headers.routes(), headers.record_routes(), headers.diversions());
    let _ = (headers.asserted_identities(), headers.privacy(), headers.content_type(), headers.require());
    let _ = (
        headers.expires(),
        headers.retry_after(),
        headers.session_expires(),
        headers.min_se(),
        headers.rack(),
    );
    let _ = (headers.reasons(), headers.auths(&Name::Authorization), headers.rseq(), headers.max_forwards());
}

fn frames(chunks: &[&[u8]]) -> Vec<Result<Message, ParseError>> {
    let mut framer = Framer::new();
    let mut results = Vec::new();
    for chunk in chunks {
        framer.push(chunk);
        results.extend(std::iter::from_fn(|| framer.next()));
    }
    results
}

/// A message with a few bytes overwritten, removed or put in.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let spice = prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        prop::sample::select(vec![
            "\r\n", "\n", "\r\n\r\n", "\r\n ", "\"", "<", ">", ",", ";", ":", "\\", "\0", "%", "l: 3\r\n"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    let edit = (any::<prop::sample::Index>(), 0_usize..4, spice);
    (message(), vec(edit, 1..5)).prop_map(|(message, edits)| {
        let mut wire = message.to_bytes().to_vec();
        for (at, removed, put) in edits {
            let at = at.index(wire.len());
            let end = (at + removed).min(wire.len());
            wire.splice(at..end, put);
            if wire.is_empty() {
                break;
            }
        }
        wire
    })
}

fn message() -> impl Strategy<Value = Message> {
    let body = vec(any::<u8>(), 0..80);
    (prop::option::of(100_u16..700), prop::sample::select(Method::all()), uri(), headers(), body).prop_map(
        |(status, method, uri, mut headers, body)| {
            headers.push(Name::CSeq, &CSeq { seq: 7, method });
            match status {
                Some(status) => {
                    let mut response = Response::new(status);
                    response.headers = headers;
                    response.body = body.into();
                    Message::Response(response)
                }
                None => {
                    let mut request = Request::new(method, uri);
                    request.headers = headers;
                    request.body = body.into();
                    Message::Request(request)
                }
            }
        },
    )
}

/// The mandatory headers but CSeq, and others in any order.
fn headers() -> impl Strategy<Value = Headers> {
    let extra = prop_oneof![
        address().prop_map(|addr| (Name::Route, addr.to_string())),
        address().prop_map(|addr| (Name::Contact, addr.to_string())),
        address().prop_map(|addr| (Name::PAssertedIdentity, addr.to_string())),
        "\\PC{0,30}".prop_map(|text| (Name::Subject, text.trim_matches([' ', '\t']).to_owned())),
        ("[a-z][a-z0-9!%*_+`'~-]{0,10}", "[ -~]{0,30}")
            .prop_map(|(name, text)| (Name::Other(format!("X-{name}").into()), text.trim().to_owned())),
    ];
    let via = ("[a-z0-9]{1,12}", 1_u16.., any::<bool>()).prop_map(|(branch, port, v6)| {
        let host = if v6 { "[2001:db8::7]" } else { "192.0.2.7" };
        format!("SIP/2.0/TCP {host}:{port};branch=z9hG4bK{branch};rport")
    });
    (via, address(), address(), "[!-~]{1,30}", vec(extra, 0..6)).prop_map(
        |(via, from, to, call_id, extras)| {
            let mut headers = Headers::new();
            headers.push(Name::Via, &via);
            headers.push(Name::From, &from);
            headers.push(Name::To, &to);
            headers.push(Name::CallId, &call_id);
            for (name, text) in extras {
                headers.push(name, &text);
            }
            headers
        },
    )
}

fn address() -> impl Strategy<Value = NameAddr> {
    (prop::option::of("\\PC{1,12}"), uri(), prop::option::of("[a-z0-9.]{1,8}")).prop_map(
        |(display, uri, tag)| {
            let addr = NameAddr { display, ..NameAddr::new(uri) };
            match tag {
                Some(tag) => addr.with_tag(&tag),
                None => addr,
            }
        },
    )
}

fn uri() -> impl Strategy<Value = Uri> {
    let host = prop_oneof![
        "[a-z]([a-z0-9-]{0,6}[a-z0-9])?(\\.[a-z]{2,3})?".prop_map(|name| Host::Name(name.into())),
        any::<[u8; 4]>().prop_map(|ip| Host::Ip(ip.into())),
        any::<[u8; 16]>().prop_map(|ip| Host::Ip(ip.into())),
    ];
    let sip =
        (prop::option::of("\\PC{1,12}"), host, prop::option::of(any::<u16>()), any::<bool>(), any::<bool>());
    let sip = sip.prop_map(|(user, host, port, secure, lr)| {
        let mut uri = SipUri::new(user.as_deref(), host, port);
        uri.secure = secure;
        if lr {
            uri.params.set_flag("lr");
            uri.params.set("transport", "tcp");
        }
        Uri::Sip(uri)
    });
    prop_oneof![8 => sip, 1 => "tel:\\+[0-9]{3,15}(;phone-context=[a-z.]{1,9})?".prop_map(|text| Uri::parse(&text).unwrap())]
}
