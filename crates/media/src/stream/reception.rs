//! How a stream arrives: order, loss and jitter (RFC 3550 §6.4.1 and appendix A).

use std::time::Duration;

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

/// While packets of the stream come at least so often, no other stream is taken for it: whoever forges the phone's address
/// would otherwise be heard in its place, and of two streams at once neither would be understood.
const FLOWS: Duration = Duration::from_millis(60);

/// What a packet is to its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The first of a stream: whatever was known of an earlier one is void.
    First,
    /// One more, perhaps late.
    Fresh,
    /// It came before.
    Duplicate,
    /// Too old, or not yet trusted: another stream, or a great leap, has to show a second packet, and that the stream so
    /// far has ended.
    Unfit,
}

/// The stream being received, and what came before it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reception {
    stream: Option<Stream>,
    /// What the next packet of another stream, or of a restarted one, would look like.
    suspect: Option<(u32, u16)>,
    /// The stream that another has followed, and its newest packet: if it goes on after all, the other was none of it.
    followed: Option<(u32, u16)>,
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
            Arrival::Unfit if self.goes_on(packet) => {
                self.followed = None;
                Arrival::First
            }
            Arrival::Unfit if self.takes_over(packet, now) => {
                self.followed =
                    self.stream.map(|s| (s.ssrc, s.highest as u16)).filter(|(ssrc, _)| *ssrc != packet.ssrc);
                Arrival::First
            }
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

    /// Whether a packet is of the stream that was followed by this one.
    fn goes_on(&self, packet: &Packet<'_>) -> bool {
        self.followed.is_some_and(|(ssrc, newest)| {
            ssrc == packet.ssrc && (1..MAX_DROPOUT).contains(&packet.sequence.wrapping_sub(newest))
        })
    }

    /// Whether a packet is the second one of another stream, or of a restarted one, and the stream so far has ended.
    fn takes_over(&self, packet: &Packet<'_>, now: Mono) -> bool {
        let flows = self.stream.is_some_and(|stream| now.since(stream.at) < FLOWS);
        !flows && self.suspect == Some((packet.ssrc, packet.sequence))
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
            feed(&mut reception, 8, sequence, 100);
        }
        assert!((percent(&reception) - 300.0 / 405.0).abs() < 1e-3, "{}", percent(&reception));
    }

    #[test]
    fn another_stream_and_a_leap_need_two_packets() {
        let mut reception = Reception::default();
        feed(&mut reception, 7, 100, 0);
        assert_eq!(feed(&mut reception, 8, 500, 60), Arrival::Unfit);
        assert_eq!(feed(&mut reception, 8, 501, 80), Arrival::First);
        assert_eq!(feed(&mut reception, 8, 20_000, 140), Arrival::Unfit);
        assert_eq!(feed(&mut reception, 8, 20_001, 160), Arrival::First);
        assert_eq!((reception.received(), reception.lost()), (3, 0));
    }

    #[test]
    fn another_stream_waits_until_this_one_has_ended() {
        let mut reception = Reception::default();
        for i in 0..50 {
            let at = u64::from(i) * 20;
            feed(&mut reception, 7, 100 + i, at);
            assert_eq!(feed(&mut reception, 8, 500 + 2 * i, at), Arrival::Unfit);
            assert_eq!(feed(&mut reception, 8, 501 + 2 * i, at), Arrival::Unfit);
        }
        // It ends with packet 149, at 980 ms.
        let came: Vec<_> =
            (0..3).map(|i| feed(&mut reception, 8, 600 + i, 1_000 + u64::from(i) * 20)).collect();
        assert_eq!(came, [Arrival::Unfit, Arrival::Unfit, Arrival::First]);
        assert_eq!((reception.received(), reception.lost()), (51, 0));
    }

    #[test]
    fn a_stream_that_pauses_and_goes_on_is_not_replaced() {
        let mut reception = Reception::default();
        feed(&mut reception, 7, 100, 0);
        // Somebody else speaks in its pause, and goes on.
        assert_eq!(feed(&mut reception, 8, 500, 180), Arrival::Unfit);
        assert_eq!(feed(&mut reception, 8, 501, 181), Arrival::First);
        assert_eq!(feed(&mut reception, 7, 101, 200), Arrival::First);
        assert_eq!(feed(&mut reception, 8, 502, 201), Arrival::Unfit);
        assert_eq!(feed(&mut reception, 8, 503, 202), Arrival::Unfit);
        assert_eq!(feed(&mut reception, 7, 102, 220), Arrival::Fresh);
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
