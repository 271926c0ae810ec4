//! RTCP reports (RFC 3550 §6): what of them matters to us, read from and printed by `rtc-rtcp`; VoIP metrics (RFC 3611)
//! by `voip`.

mod voip;

use rtc_rtcp::packet::{self, Packet};
use rtc_rtcp::receiver_report::ReceiverReport;
use rtc_rtcp::reception_report::ReceptionReport;
use rtc_rtcp::sender_report::SenderReport;
use rtc_rtcp::source_description::{
    SdesType, SourceDescription, SourceDescriptionChunk, SourceDescriptionItem,
};

use crate::limits::MAX_PACKET;

pub use voip::VoipMetrics;

const HEADER: usize = 4;
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const GOODBYE: u8 = 203;
/// Packets of one compound that are looked at; a compound begins with the report (§6.1), so more is padding or malice.
const MAX_COMPOUND: usize = 16;

/// What a compound packet said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reports {
    /// Who speaks, and its NTP and RTP time at that moment, if it sends.
    pub sender: Option<Sent>,
    /// How it receives us and others.
    pub blocks: Vec<Block>,
    /// Whether there was a report at all, even one of nothing.
    pub any: bool,
    /// How it hears a stream, where it says so.
    pub voip: Option<VoipMetrics>,
}

/// The sender's part of a sender report (§6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Its stream.
    pub ssrc: u32,
    /// NTP time, 32.32 bits.
    pub ntp: u64,
    /// The same moment on the RTP clock.
    pub timestamp: u32,
    /// Packets sent so far.
    pub packets: u32,
    /// Payload bytes sent so far.
    pub octets: u32,
}

/// One report block (§6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// The stream reported on.
    pub ssrc: u32,
    /// Share lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost so far.
    pub lost: u32,
    /// Highest sequence number, with its cycles.
    pub highest: u32,
    /// Jitter in ticks.
    pub jitter: u32,
    /// Middle 32 bits of the last sender report's NTP time; 0 if there was none.
    pub last_report: u32,
    /// Time since it came, in 1/65,536 s.
    pub delay: u32,
}

/// Reads a compound packet; `None` if it is none. Packets that are no reports are skipped unread.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<Reports> {
    if bytes.len() > MAX_PACKET {
        return None;
    }
    let mut reports = Reports::default();
    let mut rest = bytes;
    for _ in 0..MAX_COMPOUND {
        let (head, _) = rest.split_first_chunk::<HEADER>()?;
        let length = HEADER + usize::from(u16::from_be_bytes([head[2], head[3]])) * 4;
        if head[0] >> 6 != 2 || length > rest.len() {
            return None;
        }
        let (mut one, after) = rest.split_at(length);
        if matches!(head[1], SENDER_REPORT | RECEIVER_REPORT) {
            for report in packet::unmarshal(&mut one).ok()? {
                reports.take(report.as_ref());
            }
        }
        if head[1] == voip::EXTENDED_REPORT {
            reports.voip = reports.voip.or_else(|| voip::find(&rest[..length]));
        }
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    Some(reports)
}

impl Reports {
    fn take(&mut self, report: &dyn Packet) {
        let blocks = if let Some(sr) = report.as_any().downcast_ref::<SenderReport>() {
            self.sender = Some(Sent {
                ssrc: sr.ssrc,
                ntp: sr.ntp_time,
                timestamp: sr.rtp_time,
                packets: sr.packet_count,
                octets: sr.octet_count,
            });
            &sr.reports
        } else if let Some(rr) = report.as_any().downcast_ref::<ReceiverReport>() {
            &rr.reports
        } else {
            return;
        };
        self.any = true;
        self.blocks.extend(blocks.iter().map(|b| Block {
            ssrc: b.ssrc,
            fraction_lost: b.fraction_lost,
            lost: b.total_lost,
            highest: b.last_sequence_number,
            jitter: b.jitter,
            last_report: b.last_sender_report,
            delay: b.delay,
        }));
    }
}

/// Adds VoIP metrics to a compound.
pub fn append_voip(compound: &mut Vec<u8>, ssrc: u32, metrics: &VoipMetrics) {
    voip::append(compound, ssrc, metrics);
}

/// Ends a compound with the word that `ssrc` sends no more (§6.6).
pub fn append_goodbye(compound: &mut Vec<u8>, ssrc: u32) {
    compound.extend([0x81, GOODBYE, 0, 1]);
    compound.extend(ssrc.to_be_bytes());
}

/// A compound of a report by `ssrc` (a sender report where it sends) and its CNAME, which names nobody.
#[must_use]
pub fn print(ssrc: u32, sent: Option<Sent>, block: Option<Block>, cname: &str) -> Vec<u8> {
    let reports: Vec<ReceptionReport> = block
        .iter()
        .map(|b| ReceptionReport {
            ssrc: b.ssrc,
            fraction_lost: b.fraction_lost,
            total_lost: b.lost.min(0x7f_ffff),
            last_sequence_number: b.highest,
            jitter: b.jitter,
            last_sender_report: b.last_report,
            delay: b.delay,
        })
        .collect();
    let report: Box<dyn Packet> = match sent {
        Some(sent) => Box::new(SenderReport {
            ssrc,
            ntp_time: sent.ntp,
            rtp_time: sent.timestamp,
            packet_count: sent.packets,
            octet_count: sent.octets,
            reports,
            ..SenderReport::default()
        }),
        None => Box::new(ReceiverReport { ssrc, reports, ..ReceiverReport::default() }),
    };
    let item =
        SourceDescriptionItem { sdes_type: SdesType::SdesCname, text: cname.as_bytes().to_vec().into() };
    let description =
        SourceDescription { chunks: vec![SourceDescriptionChunk { source: ssrc, items: vec![item] }] };
    packet::marshal(&[report, Box::new(description)]).map(Vec::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SENT: Sent = Sent { ssrc: 1, ntp: 0x0123_4567_89ab_cdef, timestamp: 99, packets: 5, octets: 800 };
    const BLOCK: Block = Block {
        ssrc: 2,
        fraction_lost: 3,
        lost: 4,
        highest: 0x0001_0005,
        jitter: 6,
        last_report: 7,
        delay: 8,
    };

    #[test]
    fn reports_round_trip() {
        let bytes = print(1, Some(SENT), Some(BLOCK), "abc");
        let read = |sender, blocks| Some(Reports { sender, blocks, any: true, voip: None });
        assert_eq!(parse(&bytes), read(Some(SENT), vec![BLOCK]));
        let bytes = print(1, None, Some(BLOCK), "abc");
        assert_eq!(parse(&bytes), read(None, vec![BLOCK]));
        assert_eq!(parse(&print(1, None, None, "abc")), read(None, vec![]));
        assert_eq!(bytes.len() % 4, 0);
    }

    const METRICS: VoipMetrics = VoipMetrics {
        ssrc: 2,
        loss_rate: 13,
        discard_rate: 0,
        burst_density: 128,
        gap_density: 5,
        burst_ms: 160,
        gap_ms: 4_000,
        round_trip_ms: 80,
        end_system_ms: 40,
        gmin: 16,
        r_factor: Some(77),
        mos_lq: Some(40),
        mos_cq: None,
    };

    #[test]
    fn metrics_and_a_goodbye_follow_the_report() {
        let mut bytes = print(1, Some(SENT), Some(BLOCK), "abc");
        append_voip(&mut bytes, 1, &METRICS);
        append_goodbye(&mut bytes, 1);
        let reports = parse(&bytes).unwrap();
        assert_eq!((reports.sender, reports.voip), (Some(SENT), Some(METRICS)));
        // As another implementation reads it.
        let all = packet::unmarshal(&mut &bytes[..]).unwrap();
        assert_eq!(all.len(), 4);
        let goodbye = all[3].as_any().downcast_ref::<rtc_rtcp::goodbye::Goodbye>().unwrap();
        assert_eq!(goodbye.sources, [1]);
        let extended = all[2].as_any().downcast_ref::<rtc_rtcp::extended_report::ExtendedReport>().unwrap();
        let block = &extended.reports[0];
        let theirs =
            block.as_any().downcast_ref::<rtc_rtcp::extended_report::VoIPMetricsReportBlock>().unwrap();
        assert_eq!((theirs.ssrc, theirs.loss_rate, theirs.burst_duration), (2, 13, 160));
        assert_eq!((theirs.rfactor, theirs.mos_lq, theirs.mos_cq, theirs.gmin), (77, 40, 127, 16));
    }

    #[test]
    fn other_blocks_and_cut_ones_are_passed_over() {
        let mut bytes = print(1, None, None, "abc");
        // A receiver reference time block (type 4) of two words, then metrics that end too early.
        bytes.extend([0x80, 207, 0, 6, 0, 0, 0, 1, 4, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8]);
        bytes.extend([7, 0, 0, 8, 9, 9, 9, 9]);
        assert_eq!(parse(&bytes).unwrap().voip, None);
    }

    #[test]
    fn strange_packets_beside_a_report_do_not_spoil_it() {
        let mut bytes = print(1, Some(SENT), Some(BLOCK), "abc");
        bytes.extend([0x80, 204, 0, 1, 1, 2, 3, 4]); // APP
        bytes.extend([0x81, 202, 0, 1, 1, 2, 3, 4]); // SDES without its end
        assert_eq!(parse(&bytes).unwrap().sender, Some(SENT));
    }

    #[test]
    fn lies_about_length_are_refused() {
        assert_eq!(parse(&[]), None);
        assert_eq!(parse(&[0x80, 200, 0, 1]), None);
        assert_eq!(parse(&[0x40, 200, 0, 0]), None);
        assert_eq!(parse(&[0x9f, 201, 0, 1, 0, 0, 0, 1]), None);
    }

    proptest! {
        #[test]
        fn mutated_compounds_never_panic(at in 0..200_usize, value: u8, cut in 0..200_usize) {
            let mut bytes = print(1, Some(SENT), Some(BLOCK), "abcdefgh");
            append_voip(&mut bytes, 1, &METRICS);
            let length = bytes.len();
            bytes[at % length] = value;
            let _ = parse(&bytes[..cut % (length + 1)]);
        }

        #[test]
        fn any_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..120), kind in 198..208_u8) {
            if bytes.len() > 3 {
                bytes[0] = 0x80 | bytes[0] & 0x3f;
                bytes[1] = kind;
                let words = bytes.len() / 4 - 1;
                bytes[2..4].copy_from_slice(&(words as u16).to_be_bytes());
                bytes.truncate(words * 4 + 4);
            }
            let _ = parse(&bytes);
        }
    }
}
