//! Two readers of one message: ours and that of `ezk-sip-types`, which shares no line with ours.
//!
//! What a message *is* must not depend on who reads it: where its head and its body end, who sent it, to which
//! transaction and dialog it belongs. A million generated messages, whole and damaged, are read by both. Where both take
//! a message, every field of its [`Frame`] must agree; where only one does, or a field differs, a rule of
//! [`explain`](explain::explain) must say why, and each rule is about the bytes, not about the outcome.

#![allow(clippy::unwrap_used, reason = "what can not be unwrapped fails the test, in helpers too")]

#[path = "differential/explain.rs"]
mod explain;
#[path = "differential/frame.rs"]
mod frame;
#[path = "differential/generate.rs"]
mod generate;

use std::collections::BTreeMap;

use frame::{ours, theirs};
use generate::Generator;

/// What was compared, and how it came out.
#[derive(Default)]
struct Tally {
    agreed: u64,
    both_refused: u64,
    explained: BTreeMap<&'static str, u64>,
}

fn compare(seed: u64, messages: u64) -> Tally {
    let mut generator = Generator::new(seed);
    let mut tally = Tally::default();
    for _ in 0..messages {
        let message = generator.next();
        let bytes = &message.bytes;
        let (our, their) = (ours(bytes), theirs(bytes));
        match (&our, &their) {
            (Ok(our), Ok(their)) if our == their => tally.agreed += 1,
            (Err(_), Err(_)) => tally.both_refused += 1,
            _ => match explain::explain(&message, &our, &their) {
                Some(why) => *tally.explained.entry(why).or_default() += 1,
                None => panic!(
                    "read in two ways, seed {seed}:\n{}\nours: {our:#?}\ntheirs: {their:#?}",
                    bytes.escape_ascii()
                ),
            },
        }
    }
    tally
}

/// Ten parts of one test, which run beside each other.
macro_rules! parts {
    ($($name:ident: $seed:literal,)*) => {
        $(
            #[test]
            fn $name() {
                let tally = compare($seed, 100_000);
                // A generator whose messages nobody takes, or all take alike, would show nothing.
                assert!(tally.agreed > 40_000, "{} agreed", tally.agreed);
                assert!(tally.both_refused > 1_000, "{} refused by both", tally.both_refused);
                assert!(!tally.explained.is_empty());
            }
        )*
    };
}

parts! {
    a_million_messages_are_read_alike_0: 0,
    a_million_messages_are_read_alike_1: 1,
    a_million_messages_are_read_alike_2: 2,
    a_million_messages_are_read_alike_3: 3,
    a_million_messages_are_read_alike_4: 4,
    a_million_messages_are_read_alike_5: 5,
    a_million_messages_are_read_alike_6: 6,
    a_million_messages_are_read_alike_7: 7,
    a_million_messages_are_read_alike_8: 8,
    a_million_messages_are_read_alike_9: 9,
}
