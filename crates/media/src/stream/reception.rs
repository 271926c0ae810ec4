//! How a stream arrives: order, loss and jitter (RFC 3550 §6.4.1 and appendix A).

use havre_model::Mono;

use super::loss::Pattern;
use super::source::Known;
use crate::rtcp::{Block, Sent};
use crate::rtp::Packet;

/// A gap up to this many packets is loss; beyond it the sender has begun anew (appendix A.1).
const MAX_DROPOUT: u16 = 3_000;
/// How far back a packet is remembered, so that its double is known: more than a second of audio.
const MEMORY: u16 = 64;

/// Packets after which a stream's jitter is known: its mean is over the last 16.
const SETTLED: u64 = 100;

/// What a packet is to its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The first of a stream: whatever was known of an earlier one is void.
    First,
    /// One more, perhaps late.
    Fresh,
    /// It came before.
    Duplicate,
    /// Too old, or not yet trusted: another stream, or a great leap, has to show a second packet.
    Unfit,
}

/// The stream being received, and what came before it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reception {
    stream: Option<Stream>,
    /// What the next packet of another stream, or of a restarted one, would look like.
    suspect: Option<(u32, u16)>,
    past_received: u64,
    past_expected: u64,
    report: Option<(u32, Mono)>,
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    ssrc: u32,
    /// Sequence numbers with their cycles: the first and the highest.
    base: u32,
    highest: u32,
    /// Bit n: `highest - n` has come.
    seen: u64,
    received: u64,
    /// The fate of those that have left `seen`, of this stream and of those before it.
    pattern: Pattern,
    at: Mono,
    /// Difference of arrival and timestamp of the last audio packet, in ticks; and its smoothed change, times 16.
    transit: Option<u32>,
    jitter: u32,
    /// Ticks in a millisecond of the clock that both are on.
    ticks_per_ms: u32,
    /// At the last report.
    reported_expected: u64,
    reported_received: u64,
}

impl Reception {
    /// Takes a packet from an admitted source. `clock`: ticks of its timestamp in a millisecond, if it is audio (a
    /// key's timestamp does not move with time).
    pub(crate) fn on_packet(&mut self, packet: &Packet<'_>, clock: Option<u32>, now: Mono) -> Arrival {
        let arrival = match &mut self.stream {
            Some(stream) if stream.ssrc == packet.ssrc => stream.place(packet.sequence),
            Some(_) => Arrival::Unfit,
            None => Arrival::First,
        };
        let arrival = match arrival {
            Arrival::Unfit if self.suspect == Some((packet.ssrc, packet.sequence)) => Arrival::First,
            other => other,
        };
        match arrival {
            Arrival::First => self.begin(packet, clock, now),
            Arrival::Unfit => self.suspect = Some((packet.ssrc, packet.sequence.wrapping_add(1))),
            Arrival::Fresh | Arrival::Duplicate => {}
        }
        if let (Arrival::First | Arrival::Fresh, Some(stream)) = (arrival, &mut self.stream) {
            stream.received += 1;
            stream.at = now;
            if let Some(ticks_per_ms) = clock {
                stream.measure(packet.timestamp, ticks_per_ms, now);
            }
        }
        arrival
    }

    fn begin(&mut self, packet: &Packet<'_>, clock: Option<u32>, now: Mono) {
        self.past_received = self.received();
        self.past_expected = self.expected();
        self.suspect = None;
        self.report = None;
        let pattern = self.pattern();
        let sequence = u32::from(packet.sequence);
        self.stream = Some(Stream {
            ssrc: packet.ssrc,
            base: sequence,
            highest: sequence,
            seen: 1,
            received: 0,
            pattern,
            at: now,
            transit: None,
            jitter: 0,
            ticks_per_ms: clock.unwrap_or(1).max(1),
            reported_expected: 0,
            reported_received: 0,
        });
    }

    /// The stream, its newest packet, and when it came.
    pub(crate) fn known(&self) -> Option<Known> {
        self.stream.map(|s| Known { ssrc: s.ssrc, sequence: s.highest as u16, at: s.at })
    }

    /// Packets received so far, of all streams.
    pub(crate) fn received(&self) -> u64 {
        self.past_received + self.stream.map_or(0, |s| s.received)
    }

    /// Packets that never came, of all streams.
    pub(crate) fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received())
    }

    fn expected(&self) -> u64 {
        self.past_expected + self.stream.map_or(0, |s| s.expected())
    }

    /// How losses lie in all that should have come so far.
    pub(crate) fn pattern(&self) -> Pattern {
        self.stream.map_or_else(Pattern::default, |s| s.pattern())
    }

    /// The stream that is received now.
    pub(crate) fn ssrc(&self) -> Option<u32> {
        self.stream.map(|s| s.ssrc)
    }

    pub(crate) fn jitter_ms(&self) -> f32 {
        self.stream.map_or(0.0, |s| s.jitter as f32 / 16.0 / s.ticks_per_ms as f32)
    }

    /// The jitter of a stream that has been known for two seconds or so.
    pub(crate) fn settled_jitter_ms(&self) -> Option<f32> {
        self.stream.filter(|s| s.received >= SETTLED).map(|_| self.jitter_ms())
    }

    /// The far side's sender report came.
    pub(crate) fn on_sender_report(&mut self, sent: &Sent, now: Mono) {
        if self.stream.is_some_and(|s| s.ssrc == sent.ssrc) {
            self.report = Some(((sent.ntp >> 16) as u32, now));
        }
    }

    /// Our report on the stream; what is lost after it belongs to the next one.
    pub(crate) fn block(&mut self, now: Mono) -> Option<Block> {
        let report = self.report;
        let stream = self.stream.as_mut()?;
        let expected = stream.expected() - stream.reported_expected;
        let received = stream.received - stream.reported_received;
        stream.reported_expected = stream.expected();
        stream.reported_received = stream.received;
        let lost = expected.saturating_sub(received);
        let total = stream.expected().saturating_sub(stream.received);
        Some(Block {
            ssrc: stream.ssrc,
            fraction_lost: (lost * 256).checked_div(expected).unwrap_or(0).min(255) as u8,
            lost: u32::try_from(total).unwrap_or(u32::MAX),
            highest: stream.highest,
            jitter: stream.jitter / 16,
            last_report: report.map_or(0, |(ntp, _)| ntp),
            delay: report.map_or(0, |(_, at)| (now.since(at).as_secs_f64() * 65_536.0) as u32),
        })
    }
}

impl Stream {
    fn expected(&self) -> u64 {
        u64::from(self.highest - self.base) + 1
    }

    /// Moves on to a packet so far ahead. Those that leave memory will not come any more.
    fn advance(&mut self, ahead: u16) {
        let known = self.expected();
        for step in 0..u64::from(ahead) {
            if known + step >= u64::from(MEMORY) {
                self.pattern.push(self.seen >> (MEMORY - 1) == 1);
            }
            self.seen <<= 1;
        }
        self.seen |= 1;
        self.highest = self.highest.wrapping_add(ahead.into());
    }

    fn pattern(&self) -> Pattern {
        let mut pattern = self.pattern;
        let remembered = self.expected().min(MEMORY.into());
        (0..remembered).rev().for_each(|n| pattern.push(self.seen >> n & 1 == 1));
        pattern
    }

    fn place(&mut self, sequence: u16) -> Arrival {
        let ahead = sequence.wrapping_sub(self.highest as u16);
        if ahead == 0 {
            return Arrival::Duplicate;
        }
        if ahead < MAX_DROPOUT {
            self.advance(ahead);
            return Arrival::Fresh;
        }
        let behind = ahead.wrapping_neg();
        if behind >= MEMORY || u32::from(behind) > self.highest - self.base {
            return Arrival::Unfit;
        }
        if self.seen >> behind & 1 == 1 {
            return Arrival::Duplicate;
        }
        self.seen |= 1 << behind;
        Arrival::Fresh
    }

    fn measure(&mut self, timestamp: u32, ticks_per_ms: u32, now: Mono) {
        if ticks_per_ms != self.ticks_per_ms {
            // Another codec's clock: what was measured is kept as time, and the next change begins anew.
            self.jitter = self.jitter / self.ticks_per_ms * ticks_per_ms;
            self.ticks_per_ms = ticks_per_ms;
            self.transit = None;
        }
        let arrival = (now.since_start().as_micros() * u128::from(ticks_per_ms) / 1_000) as u32;
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(last) = self.transit.replace(transit) {
            let change = (transit.wrapping_sub(last) as i32).unsigned_abs();
            // A leap of more than a second is a new timeline, not jitter.
            if change < 1_000 * ticks_per_ms {
                self.jitter = self.jitter + change - ((self.jitter + 8) >> 4);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn feed(reception: &mut Reception, ssrc: u32, sequence: u16, millis: u64) -> Arrival {
        let timestamp = u32::from(sequence).wrapping_mul(160);
        let packet = Packet { marker: false, payload_type: 0, sequence, timestamp, ssrc, payload: &[] };
        reception.on_packet(&packet, Some(8), Mono::from_start(Duration::from_millis(millis)))
    }

    #[test]
    fn loss_duplicates_and_order() {
        let mut reception = Reception::default();
        let came: Vec<_> = [65_533, 65_534, 65_534, 1, 65_535, 1, 3, 65_535]
            .into_iter()
            .map(|s| feed(&mut reception, 7, s, 0))
            .collect();
        use Arrival::{Duplicate, First, Fresh};
        assert_eq!(came, [First, Fresh, Duplicate, Fresh, Fresh, Duplicate, Fresh, Duplicate]);
        assert_eq!((reception.received(), reception.lost()), (5, 2)); // 0 and 2 are missing
        let block = reception.block(Mono::ZERO).unwrap();
        assert_eq!((block.highest, block.lost, block.fraction_lost), (65_536 + 3, 2, 73));
        assert_eq!(reception.block(Mono::ZERO).unwrap().fraction_lost, 0);
    }

    #[test]
    fn what_comes_late_is_no_loss_and_what_leaves_memory_is() {
        let mut reception = Reception::default();
        for sequence in (0..300).filter(|s| ![40, 41, 150].contains(s)) {
            feed(&mut reception, 7, sequence, 0);
        }
        feed(&mut reception, 7, 305, 0);
        feed(&mut reception, 7, 302, 0);
        feed(&mut reception, 7, 150, 0); // Too old by now: lost it stays, though it came in the end.
        let percent = |r: &Reception| r.pattern().loss_since(&Pattern::default()).unwrap().percent;
        assert!((percent(&reception) - 700.0 / 306.0).abs() < 1e-3, "{}", percent(&reception));
        for sequence in [300, 301, 303, 304] {
            feed(&mut reception, 7, sequence, 0);
        }
        assert!((percent(&reception) - 300.0 / 306.0).abs() < 1e-3);
        // Another stream goes on where that one ended.
        for sequence in 9_000..9_100 {
            feed(&mut reception, 8, sequence, 0);
        }
        assert!((percent(&reception) - 300.0 / 405.0).abs() < 1e-3, "{}", percent(&reception));
    }

    #[test]
    fn another_stream_and_a_leap_need_two_packets() {
        let mut reception = Reception::default();
        feed(&mut reception, 7, 100, 0);
        assert_eq!(feed(&mut reception, 8, 500, 20), Arrival::Unfit);
        assert_eq!(feed(&mut reception, 7, 101, 20), Arrival::Fresh);
        assert_eq!(feed(&mut reception, 8, 501, 40), Arrival::First);
        assert_eq!(feed(&mut reception, 8, 20_000, 60), Arrival::Unfit);
        assert_eq!(feed(&mut reception, 8, 20_001, 80), Arrival::First);
        assert_eq!((reception.received(), reception.lost()), (4, 0));
    }

    #[test]
    fn jitter_is_zero_in_step_and_grows_out_of_step() {
        let mut reception = Reception::default();
        for i in 0..100_u16 {
            feed(&mut reception, 7, i, u64::from(i) * 20);
        }
        assert_eq!(reception.jitter_ms(), 0.0);
        for i in 100..400_u16 {
            feed(&mut reception, 7, i, u64::from(i) * 20 + u64::from(i % 2) * 10);
        }
        assert!((reception.jitter_ms() - 10.0).abs() < 1.0, "{}", reception.jitter_ms());
    }
}
