//! A compound RTCP packet: no panic; what was read of it prints to what reads the same.
#![no_main]

use havre_media::rtcp::{parse, print};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(reports) = parse(bytes) else { return };
    let ssrc = reports.sender.map_or(1, |sent| sent.ssrc);
    let block = reports.blocks.first().copied();
    let again = parse(&print(ssrc, reports.sender, block, "fuzz")).expect("our own report");
    assert_eq!(again.sender, reports.sender);
    assert_eq!(again.blocks.first().map(|b| (b.ssrc, b.last_report)), block.map(|b| (b.ssrc, b.last_report)));
});
