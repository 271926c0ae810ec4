//! A stream: wherever it is cut, the same messages come out; and what comes first is what a datagram would be.
#![no_main]

use havre_sip::wire::{Framer, Message, ParseError, parse_datagram};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let whole = frames(bytes.chunks(bytes.len().max(1)));
    for size in [1, 2, 7, 97] {
        assert_eq!(frames(bytes.chunks(size)), whole, "in chunks of {size}");
    }
    if let (Some(Ok(first)), datagram) = (whole.0.first(), parse_datagram(bytes)) {
        assert_eq!(datagram.as_ref(), Ok(first));
    }
});

fn frames<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<Result<Message, ParseError>>, u32) {
    let mut framer = Framer::new();
    let mut results = Vec::new();
    for chunk in chunks {
        framer.push(chunk);
        results.extend(std::iter::from_fn(|| framer.next()));
    }
    let pings = framer.take_pings();
    (results, pings)
}
