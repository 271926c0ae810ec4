//! How a leg sounds: measured where its packets arrive, told by the far side's reports, and put into one figure.

use std::time::Duration;

use havre_model::{Far, Mos, Quality};

use super::Wire;
use crate::emodel::{self, Equipment};
use crate::rtcp::{Block, Reports, VoipMetrics};
use crate::srtp::Suite;
use crate::stream::loss::{GMIN, Loss, Pattern};

/// A phone's jitter buffer is taken to be this many times the jitter long.
const BUFFER_PER_JITTER: f32 = 2.0;
/// A far side that had fewer packets of ours (a second of them) since its last report cannot be judged by it.
const MIN_SENT: u32 = 50;
/// Reports without any packet of ours after which the far side is said to hear nothing: one may have been on its way.
const STRIKES: u8 = 2;

/// What of a leg's quality is remembered between reports.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Measure {
    /// The losses at the last report.
    reported: Pattern,
    far: Option<Far>,
    far_ear: FarEar,
}

/// Whether the far side receives us.
#[derive(Clone, Copy, Debug, Default)]
struct FarEar {
    /// What it had of us at its last report.
    highest: Option<u32>,
    /// What we had sent by then.
    sent: u32,
    strikes: u8,
}

impl FarEar {
    /// The far side reported; `sent`: packets of ours so far. Whether it hears us, if that changed.
    fn on_report(&mut self, block: Option<&Block>, sent: u32) -> Option<bool> {
        if let Some(block) = block.filter(|block| self.highest != Some(block.highest)) {
            let again = self.strikes >= STRIKES;
            *self = Self { highest: Some(block.highest), sent, strikes: 0 };
            return again.then_some(true);
        }
        if sent.wrapping_sub(self.sent) < MIN_SENT {
            return None;
        }
        self.sent = sent;
        let before = self.strikes;
        self.strikes = (before + 1).min(STRIKES);
        (before < STRIKES && self.strikes == STRIKES).then_some(false)
    }
}

impl Wire {
    /// The far side's RTCP came. Whether it hears us, if that changed.
    pub(super) fn on_far_report(&mut self, reports: &Reports) -> Option<bool> {
        let ours = self.outgoing.ssrc();
        let block = reports.blocks.iter().find(|block| block.ssrc == ours);
        let told = reports.voip.filter(|metrics| metrics.ssrc == ours);
        if let Some(block) = block {
            let loss = Loss::random(f32::from(block.fraction_lost) / 2.56);
            let own =
                told.and_then(|metrics| metrics.mos_cq.or(metrics.mos_lq)).map(|mos| f32::from(mos) / 10.0);
            let mos = own.unwrap_or_else(|| emodel::mos(self.rating(loss)));
            let loss_permille = permille(loss.percent);
            self.measure.far = Some(Far { loss_permille, mos: Mos::new(mos) });
        }
        let sent = self.outgoing.packets();
        reports.any.then(|| self.measure.far_ear.on_report(block, sent)).flatten()
    }

    /// What is to be said now: of the time since this was last asked, or, `whole`, since the leg began.
    pub(super) fn quality(&mut self, whole: bool) -> Quality {
        let pattern = self.reception.pattern();
        let before = std::mem::replace(&mut self.measure.reported, pattern);
        let loss = pattern.loss_since(&if whole { Pattern::default() } else { before });
        Quality {
            codec: self.codec().0.name(),
            srtp: self.suite().map(Suite::name),
            received: self.reception.received(),
            lost: self.reception.lost(),
            loss_permille: loss.map_or(0, |loss| permille(loss.percent)),
            jitter: Duration::from_secs_f32(self.reception.jitter_ms() / 1_000.0),
            round_trip: self.schedule.round_trip_ms().map(|ms| Duration::from_secs_f32(ms / 1_000.0)),
            mos: loss.map(|loss| Mos::new(emodel::mos(self.rating(loss)))),
            far: self.measure.far,
        }
    }

    /// VoIP metrics of what we receive, for a far side that asked for them.
    pub(super) fn voip_metrics(&self) -> Option<VoipMetrics> {
        let ssrc = self.reception.ssrc().filter(|_| self.agreed.voip_metrics)?;
        let pattern = self.reception.pattern();
        let loss = pattern.loss_since(&Pattern::default())?;
        let bursts = pattern.bursts();
        let packet_ms = self.packet_ms() as f32;
        let rating = self.rating(loss);
        let listening = emodel::rating(Equipment::of(self.codec().0), 0.0, loss);
        let tenths = |rating: f32| Some((emodel::mos(rating) * 10.0).round() as u8);
        Some(VoipMetrics {
            ssrc,
            loss_rate: share(loss.percent / 100.0),
            // What comes is relayed or played, late or not.
            discard_rate: 0,
            burst_density: share(bursts.burst_density),
            gap_density: share(bursts.gap_density),
            burst_ms: (bursts.burst_packets * packet_ms) as u16,
            gap_ms: (bursts.gap_packets * packet_ms) as u16,
            round_trip_ms: self.schedule.round_trip_ms().map_or(0, |ms| ms as u16),
            end_system_ms: 0,
            gmin: GMIN as u8,
            r_factor: Some(rating.round() as u8),
            mos_lq: tenths(listening),
            mos_cq: tenths(rating),
        })
    }

    /// R with such loss. One way takes half the round trip, a packet's length and the listener's jitter buffer; what lies
    /// beyond the peer's leg is the peer's.
    fn rating(&self, loss: Loss) -> f32 {
        let way = self.schedule.round_trip_ms().unwrap_or(0.0) / 2.0;
        let delay = way + self.packet_ms() as f32 + BUFFER_PER_JITTER * self.reception.jitter_ms();
        emodel::rating(Equipment::of(self.codec().0), delay, loss)
    }
}

fn permille(percent: f32) -> u16 {
    (percent * 10.0).round() as u16
}

/// A share of 1 in 1/256.
fn share(share: f32) -> u8 {
    (share * 256.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(highest: u32) -> Block {
        Block { highest, ..Block::default() }
    }

    #[test]
    fn a_far_side_that_hears_nothing_is_found_out_at_its_second_report() {
        let mut ear = FarEar::default();
        assert_eq!(ear.on_report(None, 125), None);
        assert_eq!(ear.on_report(None, 140), None, "too little was sent since");
        assert_eq!(ear.on_report(None, 375), Some(false));
        assert_eq!(ear.on_report(None, 625), None, "said once");
        assert_eq!(ear.on_report(Some(&block(9)), 875), Some(true));
    }

    #[test]
    fn a_far_side_that_hears_no_more_repeats_itself() {
        let mut ear = FarEar::default();
        assert_eq!(ear.on_report(Some(&block(125)), 125), None);
        assert_eq!(ear.on_report(Some(&block(250)), 250), None);
        for expected in [None, Some(false), None] {
            let sent = ear.sent + 250;
            assert_eq!(ear.on_report(Some(&block(250)), sent), expected);
        }
        // On hold we send nothing, and nothing can be said.
        let mut held = FarEar { highest: Some(250), sent: 250, strikes: 0 };
        for _ in 0..5 {
            assert_eq!(held.on_report(Some(&block(250)), 250), None);
        }
    }
}
