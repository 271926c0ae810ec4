//! When a leg's RTCP reports are due, and what the far side's tell (RFC 3550 §6).

use std::time::Duration;

use havre_model::{Mono, Now};
use rand_chacha::rand_core::Rng;

use crate::rtcp::Block;

/// The minimum interval (§6.2); each is between half and one and a half of it, so that no two legs fall into step.
const INTERVAL: Duration = Duration::from_secs(5);
/// A round trip beyond this is a wrong clock.
const MAX_ROUND_TRIP_MS: f32 = 10_000.0;
/// Seconds from 1900 to 1970 (RFC 5905).
const NTP_EPOCH: u64 = 2_208_988_800;

/// Wall-clock time for reports. Taken from both clocks once, so that a jump of one spoils no round trip.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wall(Now);

impl Wall {
    pub(crate) fn new(start: Now) -> Self {
        Self(start)
    }

    /// NTP time, 32.32 bits.
    pub(crate) fn ntp(&self, now: Mono) -> u64 {
        let start = Duration::from_millis(u64::try_from(self.0.unix.as_millis()).unwrap_or(0));
        let unix = start + now.since(self.0.mono);
        let fraction = (u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000;
        (unix.as_secs() + NTP_EPOCH) << 32 | fraction
    }
}

/// One leg's reports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    next: Mono,
    round_trip_ms: Option<f32>,
}

impl Schedule {
    /// The first report comes after half the time (§6.2).
    pub(crate) fn new(rng: &mut impl Rng, now: Mono) -> Self {
        Self { next: now + interval(rng) / 2, round_trip_ms: None }
    }

    /// Whether a report is due; if so, the next one is planned.
    pub(crate) fn due(&mut self, rng: &mut impl Rng, now: Mono) -> bool {
        let due = self.next <= now;
        if due {
            self.next = now + interval(rng);
        }
        due
    }

    pub(crate) const fn round_trip_ms(&self) -> Option<f32> {
        self.round_trip_ms
    }

    /// The far side reported on our stream: arrival minus its delay minus our sending (§6.4.1).
    pub(crate) fn on_block(&mut self, block: &Block, ntp: u64) {
        if block.last_report == 0 {
            return;
        }
        let middle = (ntp >> 16) as u32;
        let passed = middle.wrapping_sub(block.last_report).wrapping_sub(block.delay) as i32;
        let ms = passed as f32 * 1_000.0 / 65_536.0;
        if (-1.0..MAX_ROUND_TRIP_MS).contains(&ms) {
            self.round_trip_ms = Some(ms.max(0.0));
        }
    }
}

fn interval(rng: &mut impl Rng) -> Duration {
    INTERVAL / 2 + INTERVAL * (rng.next_u32() >> 16) / 65_536
}
