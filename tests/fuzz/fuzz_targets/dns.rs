//! What a name server, or somebody in its place, says: no panic; only an answer to our question counts; no name in it can
//! forge a line of a log or is longer than DNS has names; no more records than are looked at.
//!
//! The first byte chooses the kind of record; what follows it is the message after the id and the flags of an answer. Half
//! of the inputs have our question set in front of the records.
#![no_main]

// The shell's own file: a crate of tokio's is not needed to read a message.
#[path = "../../../crates/node/src/dns/message.rs"]
#[allow(dead_code, unreachable_pub)]
mod message;

use havre_sip::{Question, Record, RecordKind};
use libfuzzer_sys::fuzz_target;
use message::Reading;

const ID: u16 = 7;

fuzz_target!(|bytes: &[u8]| {
    let Some((how, rest)) = bytes.split_first() else { return };
    let kind = [RecordKind::A, RecordKind::Aaaa, RecordKind::Srv, RecordKind::Naptr][usize::from(how & 3)];
    let question = Question { name: "_sip._udp.carrier.example".to_owned(), kind };
    let asked = message::ask(ID, &question).expect("a good name");
    let reading = if how & 4 == 0 {
        // As it is, id and all.
        message::read(rest, ID, &question)
    } else {
        // Our own question stands between its header and the additional record of EDNS.
        let Some((counts, records)) = rest.split_first_chunk::<6>() else { return };
        let question_end = asked.len() - 11;
        let mut answer = vec![0, 7, 0x81, 0x80, 0, 1];
        answer.extend_from_slice(counts);
        answer.extend_from_slice(&asked[12..question_end]);
        answer.extend_from_slice(records);
        message::read(&answer, ID, &question)
    };
    let Reading::Answer((records, _)) = reading else { return };
    assert!(records.len() <= 64, "{}", records.len());
    for record in &records {
        match (record, kind) {
            (Record::Address(ip), RecordKind::A) => assert!(ip.is_ipv4()),
            (Record::Address(ip), RecordKind::Aaaa) => assert!(ip.is_ipv6()),
            (Record::Srv { target: name, .. }, RecordKind::Srv)
            | (Record::Naptr { replacement: name, .. }, RecordKind::Naptr) => {
                assert!(name.len() <= 255, "{name}");
                assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)), "{name:?}");
            }
            (record, kind) => panic!("{record:?} in answer to {kind:?}"),
        }
    }
});
