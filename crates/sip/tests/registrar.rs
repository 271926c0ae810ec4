//! REGISTER as text: contacts, lifetimes, limits, order.

mod net;

use havre_sip::{Event, Method};
use net::raw::*;
use net::*;

const AOR: &str = "sip:advocate-en@havre.example";
const REGISTRAR: &str = "sip:havre.example";

/// A phone that signs each REGISTER with a fresh nonce.
struct Phone {
    net: Net,
    havre: usize,
    seq: u32,
    call_id: &'static str,
}

impl Phone {
    fn new() -> Self {
        let mut net = Net::new(9);
        let havre = net.add("havre", HAVRE, gateway());
        Self { net, havre, seq: 0, call_id: "r1" }
    }

    fn register(&mut self, more: &str) -> String {
        self.register_to(AOR, more)
    }

    fn register_to(&mut self, to: &str, more: &str) -> String {
        self.seq += 1;
        let challenge = self.send(to, more, "");
        assert_eq!(status(&challenge), 401);
        let proof = authorization(&challenge, Method::Register, REGISTRAR, "advocate-en", "secret-en");
        self.seq += 1;
        self.send(to, more, &proof)
    }

    fn send(&mut self, to: &str, more: &str, proof: &str) -> String {
        let lines = format!(
            "From: <{to}>;tag=p\nTo: <{to}>\nCall-ID: {}\nCSeq: {} REGISTER\n{more}{proof}",
            self.call_id, self.seq
        );
        self.net.answer_to(PHONE, &request("REGISTER", REGISTRAR, PHONE, &lines, ""))
    }

    fn events(&mut self) -> Vec<Event> {
        self.net.events(self.havre)
    }
}

fn contacts(answer: &str) -> Vec<&str> {
    all(answer, "Contact")
}

#[test]
fn a_contact_is_listed_with_its_lifetime() {
    let mut phone = Phone::new();
    let answer = phone.register("Contact: <sip:advocate-en@10.0.0.5:5060>;q=0.7\nExpires: 120\n");
    assert_eq!(status(&answer), 200);
    assert_eq!(contacts(&answer), ["<sip:advocate-en@10.0.0.5:5060>;expires=120;q=0.700"]);
    assert!(matches!(&phone.events()[..], [Event::Registered { first: true, .. }]));
    phone.net.run(secs(50));
    // An empty REGISTER asks and changes nothing.
    let answer = phone.register("");
    assert_eq!(contacts(&answer), ["<sip:advocate-en@10.0.0.5:5060>;expires=70;q=0.700"]);
    assert!(phone.events().is_empty());
    phone.net.run(secs(80));
    assert!(matches!(&phone.events()[..], [Event::Unregistered { .. }]));
    assert!(contacts(&phone.register("")).is_empty());
}

#[test]
fn lifetimes_have_bounds_and_a_default() {
    let mut phone = Phone::new();
    let answer = phone.register("Contact: <sip:a@10.0.0.5>;expires=5\n");
    assert_eq!((status(&answer), header(&answer, "Min-Expires")), (423, "30"));
    let answer = phone.register("Contact: <sip:a@10.0.0.5>\nExpires: 999999999999\n");
    assert_eq!(contacts(&answer), ["<sip:a@10.0.0.5>;expires=3600"]);
    let answer = phone.register("Contact: <sip:a@10.0.0.5>\n");
    assert_eq!(contacts(&answer), ["<sip:a@10.0.0.5>;expires=300"]);
    // The parameter goes before the header; a refresh is no first binding.
    let answer = phone.register("Contact: <sip:a@10.0.0.5>;expires=60\nExpires: 0\n");
    assert_eq!(contacts(&answer), ["<sip:a@10.0.0.5>;expires=60"]);
    let firsts = phone
        .events()
        .iter()
        .map(|event| matches!(event, Event::Registered { first: true, .. }))
        .collect::<Vec<_>>();
    assert_eq!(firsts, [true, false, false], "each refresh proves the phone anew");
}

#[test]
fn several_contacts_come_and_go() {
    let mut phone = Phone::new();
    phone.register("Contact: <sip:a@10.0.0.5>, <sip:b@10.0.0.6>\n");
    assert!(matches!(&phone.events()[..], [Event::Registered { first: true, .. }]));
    phone.register("Contact: <sip:c@10.0.0.7>\n");
    assert!(matches!(&phone.events()[..], [Event::Registered { first: false, .. }]));
    let answer = phone.register("Contact: <sip:a@10.0.0.5>;expires=0\n");
    assert_eq!(contacts(&answer).len(), 2);
    assert!(phone.events().is_empty());
    let answer = phone.register("Contact: *\nExpires: 0\n");
    assert_eq!((status(&answer), contacts(&answer).len()), (200, 0));
    assert!(matches!(&phone.events()[..], [Event::Unregistered { .. }]));
}

#[test]
fn a_star_needs_expires_0_and_stands_alone() {
    let mut phone = Phone::new();
    phone.register("Contact: <sip:a@10.0.0.5>\n");
    assert_eq!(status(&phone.register("Contact: *\n")), 400);
    assert_eq!(status(&phone.register("Contact: *\nExpires: 60\n")), 400);
    // Beside another the message is malformed: it never gets to its credentials.
    phone.seq += 1;
    assert_eq!(status(&phone.send(AOR, "Contact: *, <sip:a@10.0.0.5>\nExpires: 0\n", "")), 400);
    assert_eq!(contacts(&phone.register("")).len(), 1);
}

#[test]
fn the_oldest_contact_makes_room_at_the_limit() {
    let mut phone = Phone::new();
    for n in 0..12 {
        phone.net.run(secs(1));
        let answer = phone.register(&format!("Contact: <sip:a@10.0.0.{n}>\n"));
        assert_eq!(contacts(&answer).len(), (n + 1).min(8));
        assert!(answer.contains(&format!("<sip:a@10.0.0.{n}>")), "the new phone is in");
    }
    assert_eq!(phone.net.party(phone.havre).endpoint.counters().bindings_replaced, 4);
}

#[test]
fn a_phone_with_a_new_address_replaces_itself() {
    let mut phone = Phone::new();
    let instance = ";+sip.instance=\"<urn:uuid:0c67446e-f1a1-11d9-94d3-000a95a0e128>\"";
    phone.register(&format!("Contact: <sip:a@10.0.0.5:1000>{instance}\n"));
    let answer = phone.register(&format!("Contact: <sip:a@10.0.0.5:2000>{instance}\n"));
    assert_eq!(contacts(&answer), ["<sip:a@10.0.0.5:2000>;expires=300"]);
}

#[test]
fn a_late_request_undoes_nothing() {
    let mut phone = Phone::new();
    phone.seq = 10;
    phone.register("Contact: <sip:a@10.0.0.5>\n");
    phone.seq = 3;
    assert_eq!(status(&phone.register("Contact: <sip:a@10.0.0.5>;expires=0\n")), 500);
    phone.seq = 3;
    assert_eq!(status(&phone.register("Contact: *\nExpires: 0\n")), 500);
    // From a phone that has started again it is another matter.
    phone.call_id = "r2";
    assert_eq!(contacts(&phone.register("Contact: <sip:a@10.0.0.5>;expires=0\n")).len(), 0);
}

#[test]
fn one_account_can_not_register_for_another() {
    let mut phone = Phone::new();
    let answer = phone.register_to("sip:advocate-fr@havre.example", "Contact: <sip:a@10.0.0.5>\n");
    assert_eq!(status(&answer), 403);
    assert!(phone.events().is_empty());
}

#[test]
fn a_repeated_register_is_answered_again_without_being_done_again() {
    let mut phone = Phone::new();
    phone.seq += 1;
    let challenge = phone.send(AOR, "", "");
    let proof = authorization(&challenge, Method::Register, REGISTRAR, "advocate-en", "secret-en");
    phone.seq += 1;
    let contact = "Contact: <sip:a@10.0.0.5>\n";
    let first = phone.send(AOR, contact, &proof);
    let second = phone.send(AOR, contact, &proof);
    assert_eq!((status(&first), first), (200, second));
    assert_eq!(phone.events().len(), 1);
    // The same proof in another transaction is a replay.
    phone.seq += 1;
    let replay = phone.send(AOR, contact, &proof);
    assert_eq!(status(&replay), 401);
    assert!(replay.contains("stale=true"), "{replay}");
}

#[test]
fn an_unknown_extension_is_420() {
    let mut phone = Phone::new();
    phone.seq += 1;
    let answer = phone.send(AOR, "Require: gruu\n", "");
    assert_eq!((status(&answer), header(&answer, "Unsupported")), (420, "gruu"));
}
