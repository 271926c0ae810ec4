//! The 49 cases of RFC 4475 as messages of our own (`torture/*.dat`), each with the answer it must get.
//!
//! What the RFC leaves to the reader ("could reject or could be liberal") is decided in the case's own file.

#![allow(clippy::unwrap_used, reason = "what can not be unwrapped fails the test, in helpers too")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use havre_sip::Method;
use havre_sip::wire::{
    Contacts, Framer, Message, Name, NameAddr, ParseError, Request, Response, Uri, Via, parse_datagram,
};

enum Expect {
    /// A request whose fields the function checks.
    Request(fn(&Request)),
    /// A response whose fields the function checks.
    Response(fn(&Response)),
    /// Answered with that status.
    Refused(u16),
    /// Not a message for us, and not answered.
    Dropped,
}

use Expect::{Dropped, Refused};

const CASES: &[(&str, Expect)] = &[
    // §3.1.1, valid
    ("wsinv", Expect::Request(wsinv)),
    ("intmeth", Refused(501)),
    ("esc01", Expect::Request(esc01)),
    ("escnull", Expect::Request(escnull)),
    ("esc02", Refused(501)),
    ("lwsdisp", Expect::Request(lwsdisp)),
    ("longreq", Expect::Request(longreq)),
    ("dblreq", Expect::Request(dblreq)),
    ("semiuri", Expect::Request(semiuri)),
    ("transports", Expect::Request(transports)),
    ("mpart01", Expect::Request(mpart01)),
    ("unreason", Expect::Response(unreason)),
    ("noreason", Expect::Response(noreason)),
    // §3.1.2, invalid
    ("badinv01", Refused(400)),
    ("clerr", Refused(400)),
    ("ncl", Refused(400)),
    ("scalar02", Refused(400)),
    ("scalarlg", Dropped),
    ("quotbal", Refused(400)),
    ("ltgtruri", Refused(400)),
    ("lwsruri", Refused(400)),
    ("lwsstart", Refused(400)),
    ("trws", Expect::Request(trws)),
    ("escruri", Refused(400)),
    ("baddate", Expect::Request(baddate)),
    ("regbadct", Refused(400)),
    ("badaspec", Expect::Request(badaspec)),
    ("baddn", Expect::Request(baddn)),
    ("badvers", Refused(505)),
    ("mismatch01", Refused(400)),
    ("mismatch02", Refused(501)),
    ("bigcode", Dropped),
    // §3.2, transactions
    ("badbranch", Expect::Request(badbranch)),
    // §3.3, application
    ("insuf", Refused(400)),
    ("unkscm", Expect::Request(unkscm)),
    ("novelsc", Expect::Request(novelsc)),
    ("unksm2", Expect::Request(unksm2)),
    ("bext01", Expect::Request(bext01)),
    ("invut", Expect::Request(invut)),
    ("regaut01", Expect::Request(regaut01)),
    ("multi01", Refused(400)),
    ("mcl01", Refused(400)),
    ("bcast", Dropped),
    ("zeromf", Expect::Request(zeromf)),
    ("cparam01", Expect::Request(cparam01)),
    ("cparam02", Expect::Request(cparam02)),
    ("regescrt", Expect::Request(regescrt)),
    ("sdp01", Expect::Request(sdp01)),
    // §3.4, backward compatibility
    ("inv2543", Expect::Request(inv2543)),
];

#[test]
fn every_case_gets_its_answer() {
    for (name, expect) in CASES {
        println!("{name}");
        let wire = load(name);
        match (expect, parse_datagram(&wire)) {
            (Expect::Request(check), Ok(Message::Request(request))) => {
                check(&request);
                let again = parse_datagram(&request.to_bytes());
                assert_eq!(again, Ok(Message::Request(request)), "{name}: printed and read again");
            }
            (Expect::Response(check), Ok(Message::Response(response))) => {
                check(&response);
                let again = parse_datagram(&response.to_bytes());
                assert_eq!(again, Ok(Message::Response(response)), "{name}: printed and read again");
            }
            (Refused(status), Err(error)) => assert_reply(name, &wire, *status, &error),
            (Dropped, Err(error)) => assert_eq!(error.reply, None, "{name}"),
            (_, result) => panic!("{name}: {result:?}"),
        }
    }
}

#[test]
fn every_file_is_a_case_and_there_are_49() {
    let files: BTreeSet<String> = std::fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "dat"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let cases: BTreeSet<String> = CASES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(files, cases);
    assert_eq!(CASES.len(), 49);
}

/// Byte by byte, a stream gives what the datagram gave, but where a stream has rules of its own.
#[test]
fn a_stream_reads_the_same() {
    for (name, _) in CASES {
        let wire = load(name);
        let datagram = parse_datagram(&wire);
        let mut framer = Framer::new();
        let mut results = Vec::new();
        for byte in &wire {
            framer.push(std::slice::from_ref(byte));
            results.extend(std::iter::from_fn(|| framer.next()));
        }
        match *name {
            // The missing octets may still come.
            "clerr" => assert_eq!(results, []),
            // Without Content-Length there is no telling where it ends.
            "inv2543" => {
                let error = results.pop().unwrap().unwrap_err();
                assert!(error.fatal && error.reply.is_some_and(|reply| reply.status == 400));
            }
            "dblreq" => {
                assert_eq!(results.len(), 2);
                assert!(
                    matches!(&results[1], Ok(Message::Request(second)) if second.method == Method::Invite)
                );
                assert_eq!(results[0], datagram);
            }
            _ => assert_eq!(results, [datagram], "{name}"),
        }
        if matches!(*name, "ncl" | "mcl01") {
            assert!(results[0].as_ref().unwrap_err().fatal, "{name}");
        }
    }
}

/// The method is all that keeps these two from being read: with one that we know, every field is.
#[test]
fn unknown_methods_hide_no_other_fault() {
    for (name, method) in [("intmeth", "!fancy-Method0123456789_*+`.%indeed'~"), ("esc02", "RE%47IST%45R")] {
        let wire = String::from_utf8(load(name)).unwrap().replace(method, "OPTIONS");
        let Ok(Message::Request(request)) = parse_datagram(wire.as_bytes()) else { panic!("{name}") };
        let (to, from) = (request.headers.to().unwrap(), request.headers.from().unwrap());
        if name == "esc02" {
            assert_eq!(to.display.as_deref(), Some("%Z%45"));
            assert_eq!(
                request.headers.contacts(),
                Ok(contacts(&["sip:alias1@host1.example.com", "sip:alias3@host3.example.com"]))
            );
            continue;
        }
        assert_eq!(to.display.as_deref(), Some("BEL:\u{7} NUL:\0 DEL:\u{7f}"));
        assert_eq!(from.display.as_deref(), Some("token1~` token2'+_ token3*%!.-"));
        assert_eq!(from.params.unquoted("fromparam''~+*_!.-%").as_deref(), Some("тихая линия"));
        assert_eq!(from.tag(), Some("_token~1'+`*%!-."));
        assert_eq!(request.headers.call_id(), Ok(r#"intmeth.word%ZK-!.*_+'@word`~)(><:\/"][?}{"#));
        assert_eq!(request.headers.via_top().unwrap().unique_branch(), Some("z9hG4bK-.!%66*_+`'~"));
        assert_eq!(request.uri.user().unwrap(), "1_odd.URI~(to-be!sure)&isn't+it$/crazy?,/;;*");
        let unknown = Name::Other("extensionHeader-!.%*+_`'~".into());
        assert_eq!(request.headers.first(&unknown), Some("\u{feff}大停電"));
    }
}

fn contacts(uris: &[&str]) -> Contacts {
    Contacts::List(uris.iter().map(|uri| NameAddr::new(Uri::parse(uri).unwrap())).collect())
}

fn wsinv(request: &Request) {
    let headers = &request.headers;
    assert_eq!(request.method, Method::Invite);
    assert!(request.uri.as_sip().unwrap().params.has("unknownparam"));
    assert_eq!(headers.to().unwrap().tag(), Some("1918181833n"));
    assert_eq!(headers.from().unwrap().display.as_deref().unwrap(), r#"R Tremblay \""#);
    assert_eq!(headers.from().unwrap().tag(), Some("98asjd8"));
    assert_eq!(headers.max_forwards(), Some(68));
    assert_eq!(headers.cseq().unwrap().seq, 9);
    let vias = headers.vias().unwrap();
    assert_eq!(vias.iter().map(|via| via.transport.as_str()).collect::<Vec<_>>(), ["UDP", "TCP", "UDP"]);
    assert_eq!(
        vias.iter().filter_map(Via::unique_branch).collect::<Vec<_>>(),
        ["z9hG4bK9ikj8", "z9hG4bK30239"]
    );
    assert!(vias[0].params.has("rport"));
    assert_eq!(headers.first(&Name::Subject), Some(""));
    let fangled = Name::Other("newfangledheader".into());
    assert_eq!(headers.first(&fangled), Some("newfangled value continued newfangled value"));
    assert_eq!(headers.first(&Name::Other("UnknownHeaderWithUnusualValue".into())), Some(";;,,;;,;"));
    let Contacts::List(contacts) = headers.contacts().unwrap() else { panic!("a star") };
    assert_eq!(contacts[0].display.as_deref(), Some("Quoted string \"\""));
    assert_eq!((contacts[0].q(), contacts[0].params.get("newparam")), (330, Some("newvalue")));
    assert!(contacts[0].params.has("secondparam"));
    let route = &headers.routes().unwrap()[0];
    assert!(route.uri.as_sip().unwrap().is_loose());
    assert!(headers.content_type().unwrap().unwrap().is("application", "sdp"));
    assert!(request.body.starts_with(b"v=0\r\n") && request.body.ends_with(b"31 LPC\r\n"));
}

fn esc01(request: &Request) {
    assert_eq!(request.uri.user().unwrap(), "sips:user@example.com");
    let to = &request.headers.to().unwrap().uri;
    assert!(to.equivalent(&Uri::parse("sip:user@example.com").unwrap()));
    assert_eq!(request.headers.from().unwrap().uri.user().unwrap(), "I have spaces");
    let contacts = request.headers.contacts().unwrap();
    let contact = contacts.target().unwrap().uri.as_sip().unwrap();
    assert_eq!(contact.user().unwrap(), "caller");
    assert!(contact.is_loose());
    assert_eq!(contact.params.get("name"), Some("value%2541"));
}

fn escnull(request: &Request) {
    assert_eq!(request.headers.to().unwrap().uri.user().unwrap(), "null-\0-null");
    let Contacts::List(contacts) = request.headers.contacts().unwrap() else { panic!("a star") };
    assert_eq!(contacts[0].uri.user().unwrap(), "\0");
    assert!(!contacts[0].uri.equivalent(&contacts[1].uri));
}

fn lwsdisp(request: &Request) {
    let from = request.headers.from().unwrap();
    assert_eq!((from.display.as_deref(), from.tag()), (Some("caller"), Some("323")));
}

fn longreq(request: &Request) {
    let headers = &request.headers;
    assert_eq!(headers.vias().unwrap().len(), 27);
    let to = headers.to().unwrap();
    assert!(to.display.as_deref().unwrap().ends_with("extremeproportion"));
    let uri = to.uri.as_sip().unwrap();
    assert_eq!(uri.port, Some(6000));
    assert_eq!(uri.params.get(&format!("{}parametername", "long".repeat(25))), Some("shortvalue"));
    assert_eq!(headers.from().unwrap().tag().unwrap().len(), 302);
    assert_eq!(headers.vias().unwrap()[26].received(), Some("192.0.2.5".parse().unwrap()));
    assert!(headers.call_id().unwrap().ends_with("longcallid"));
}

fn dblreq(request: &Request) {
    assert_eq!(request.method, Method::Register);
    assert!(request.body.is_empty());
}

fn semiuri(request: &Request) {
    assert_eq!(request.uri.user().unwrap(), "user;par=u@example.net");
    assert!(request.uri.as_sip().unwrap().params.is_empty());
    let accept = request.headers.first(&Name::Accept).unwrap();
    assert!(accept.contains("multipart/mixed, multipart/signed, message/sip"));
}

fn transports(request: &Request) {
    let vias = request.headers.vias().unwrap();
    let transports: Vec<_> = vias.iter().map(|via| via.transport.as_str()).collect();
    assert_eq!(transports, ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]);
}

fn mpart01(request: &Request) {
    assert_eq!(request.method, Method::Message);
    let kind = request.headers.content_type().unwrap().unwrap();
    assert!(kind.is("multipart", "mixed"));
    assert_eq!(kind.params.get("boundary"), Some("7a9cbec02ceef655"));
    let binary = b"\x82\0\r\n\r\n\xff\xfe\0\n\r\x80\xc2\x22\\\0\r\n--7a9cbec02ceef655--\r\n";
    assert!(request.body.ends_with(binary));
}

fn unreason(response: &Response) {
    assert_eq!(response.status, 200);
    assert_eq!(response.reason, "= 2**3 * 5**2 но сто девяносто девять - простое");
    assert_eq!(response.headers.cseq().unwrap().method, Method::Invite);
}

fn noreason(response: &Response) {
    assert_eq!((response.status, response.reason.as_str()), (100, ""));
}

fn trws(request: &Request) {
    assert_eq!(request.uri.to_string(), "sip:remote-target@example.com");
}

fn baddate(request: &Request) {
    assert!(request.headers.has(&Name::Date));
}

fn badaspec(request: &Request) {
    assert_eq!(request.headers.to().unwrap().uri.to_string(), "sip:m.gagnon@example.org");
}

fn baddn(request: &Request) {
    let from = request.headers.from().unwrap();
    assert_eq!((from.display.as_deref(), from.tag()), (Some("Tremblay, Ruth"), Some("43")));
}

fn badbranch(request: &Request) {
    let via = request.headers.via_top().unwrap();
    assert_eq!((via.branch(), via.unique_branch()), (Some("z9hG4bK"), None));
}

fn unkscm(request: &Request) {
    assert_eq!(request.uri, Uri::Other("nobodyKnowsThisScheme:totallyopaquecontent".into()));
}

fn novelsc(request: &Request) {
    assert_eq!(request.uri, Uri::Other("soap.beep://192.0.2.103:3002".into()));
}

fn unksm2(request: &Request) {
    assert_eq!(request.headers.to().unwrap().uri, Uri::Other("isbn:2983792873".into()));
    assert_eq!(request.headers.from().unwrap().tag(), Some("3234233"));
    let contacts = request.headers.contacts().unwrap();
    assert_eq!(contacts.target().unwrap().uri, Uri::Other("name:Ruth_Tremblay".into()));
}

fn bext01(request: &Request) {
    let unsupported = request.headers.require().without(&["timer"]);
    assert_eq!(unsupported.to_string(), "nothingSupportsThis, nothingSupportsThisEither");
    assert!(request.headers.proxy_require().has("norDoAnyProxiesSupportThis"));
}

fn invut(request: &Request) {
    assert!(request.headers.content_type().unwrap().unwrap().is("application", "unknownformat"));
    assert!(request.body.starts_with(b"<audio>"));
}

fn regaut01(request: &Request) {
    let auths = request.headers.auths(&Name::Authorization);
    assert_eq!(&*auths[0].scheme, "NoOneKnowsThisScheme");
    assert!(!auths[0].is_digest());
}

fn zeromf(request: &Request) {
    assert_eq!(request.headers.max_forwards(), Some(0));
}

fn cparam01(request: &Request) {
    let contacts = request.headers.contacts().unwrap();
    let contact = contacts.target().unwrap();
    assert!(contact.params.has("unknownparam"));
    assert!(contact.uri.as_sip().unwrap().params.is_empty());
}

fn cparam02(request: &Request) {
    let contacts = request.headers.contacts().unwrap();
    let contact = contacts.target().unwrap();
    assert!(contact.params.is_empty());
    assert!(contact.uri.as_sip().unwrap().params.has("unknownparam"));
}

fn regescrt(request: &Request) {
    let contacts = request.headers.contacts().unwrap();
    let contact = contacts.target().unwrap().uri.as_sip().unwrap();
    assert_eq!(contact.headers, [("Route".into(), "%3Csip:sip.example.com%3E".into())]);
}

fn sdp01(request: &Request) {
    assert_eq!(request.headers.first(&Name::Accept), Some("text/nobodyKnowsThis"));
}

fn inv2543(request: &Request) {
    let headers = &request.headers;
    assert_eq!((headers.via_top().unwrap().branch(), headers.from().unwrap().tag()), (None, None));
    assert_eq!(headers.max_forwards(), None);
    assert_eq!(headers.contacts().unwrap(), Contacts::List(Vec::new()));
    // Without brackets, `user=phone` is To's, not the URI's.
    assert_eq!(headers.to().unwrap().params.get("user"), Some("phone"));
    assert!(request.body.starts_with(b"v=0"));
}

/// The reply has that status, and copies each header that a response must have as it stands in the request.
fn assert_reply(name: &str, wire: &[u8], status: u16, error: &ParseError) {
    let reply = error.reply.as_deref().unwrap_or_else(|| panic!("{name}: no reply, {error}"));
    assert_eq!(reply.status, status, "{name}: {error}");
    let text = String::from_utf8_lossy(wire);
    let head = text.split("\r\n\r\n").next().unwrap();
    for header in [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq] {
        let compact = &header.as_str()[..1];
        let line = head.split("\r\n").find_map(|line| {
            let (key, value) = line.split_once(':')?;
            let same = |known: &str| key.trim().eq_ignore_ascii_case(known);
            (same(header.as_str()) || (header != Name::CSeq && same(compact))).then(|| value.trim())
        });
        match (line, reply.headers.first(&header)) {
            (Some(line), Some(copied)) => assert!(line.starts_with(copied), "{name}: {copied}"),
            (None, None) => {}
            (line, copied) => panic!("{name}: {header}: {line:?} {copied:?}"),
        }
    }
    assert!(reply.to_bytes().ends_with(b"Content-Length: 0\r\n\r\n"), "{name}");
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture")
}

/// The bytes of a case, by the rules of `torture/README.md`.
fn load(name: &str) -> Vec<u8> {
    let file = std::fs::read_to_string(directory().join(name).with_extension("dat")).unwrap();
    let (_, text) = file.split_once("\n---\n").unwrap();
    expand(&text.replace('\n', "\r\n"))
}

fn expand(text: &str) -> Vec<u8> {
    let Some((before, rest)) = text.split_once('«') else { return text.as_bytes().to_vec() };
    let (code, after) = rest.split_once('»').unwrap();
    let after = expand(after);
    let mut wire = before.as_bytes().to_vec();
    if code == "length" {
        let head_len = after.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        wire.extend((after.len() - head_len).to_string().into_bytes());
    } else if let Some((times, text)) = code.split_once('*') {
        wire.extend(text.repeat(times.parse().unwrap()).into_bytes());
    } else {
        wire.extend(code.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()));
    }
    wire.extend(after);
    wire
}
