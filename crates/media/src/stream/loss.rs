//! How losses lie in a stream: alone, or in bursts (RFC 3611 §4.7.2; ITU-T G.107's burst ratio).

pub(crate) use crate::emodel::Loss;

/// So many packets in a row have to arrive for a burst to be over (RFC 3611's recommended Gmin).
pub(crate) const GMIN: u32 = 16;

/// The losses so far. Packets are given in the order of their sequence numbers, once their fate is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pattern {
    total: u64,
    losses: u64,
    /// Runs of losses without a packet between them.
    runs: u64,
    /// Arrived since the last loss.
    since: u32,
    /// From the first to the last loss without a gap of [`GMIN`] between any two, and the losses in it.
    group: (u64, u64),
    bursts: u64,
    burst_packets: u64,
    burst_losses: u64,
}

/// What RFC 3611 §4.7.2 asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bursts {
    /// Share of packets lost within bursts, and between them, 0 to 1.
    pub(crate) burst_density: f32,
    pub(crate) gap_density: f32,
    /// Mean lengths of bursts and of gaps, in packets.
    pub(crate) burst_packets: f32,
    pub(crate) gap_packets: f32,
}

impl Pattern {
    pub(crate) fn push(&mut self, came: bool) {
        self.total += 1;
        if came {
            self.since = self.since.saturating_add(1);
            return;
        }
        self.losses += 1;
        self.runs += u64::from(self.since > 0 || self.losses == 1);
        if self.since >= GMIN {
            self.end_group();
        }
        let (packets, losses) = &mut self.group;
        *packets = if *losses == 0 { 1 } else { *packets + u64::from(self.since) + 1 };
        *losses += 1;
        self.since = 0;
    }

    /// A group of one loss is part of a gap; of more, a burst.
    fn end_group(&mut self) {
        let (packets, losses) = std::mem::take(&mut self.group);
        if losses > 1 {
            self.bursts += 1;
            self.burst_packets += packets;
            self.burst_losses += losses;
        }
    }

    /// Loss since `before`, an earlier state of this; `None` if no packet was due.
    pub(crate) fn loss_since(&self, before: &Self) -> Option<Loss> {
        // A packet that was late at that moment may have come: then less is lost than was.
        let since = |now: u64, before: u64| now.saturating_sub(before) as f32;
        let (total, losses) = (since(self.total, before.total), since(self.losses, before.losses));
        if total == 0.0 {
            return None;
        }
        let share = losses / total;
        let run = losses / since(self.runs, before.runs).max(1.0);
        Some(Loss { percent: share * 100.0, burst_ratio: run * (1.0 - share) })
    }

    pub(crate) fn bursts(mut self) -> Bursts {
        self.end_group();
        let gap_packets = self.total - self.burst_packets;
        let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f32 / whole as f32 };
        Bursts {
            burst_density: share(self.burst_losses, self.burst_packets),
            gap_density: share(self.losses - self.burst_losses, gap_packets),
            burst_packets: share(self.burst_packets, self.bursts),
            gap_packets: share(gap_packets, self.bursts + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `x` is a loss.
    fn of(text: &str) -> Pattern {
        let mut pattern = Pattern::default();
        text.chars().for_each(|c| pattern.push(c != 'x'));
        pattern
    }

    #[test]
    fn lonely_losses_are_no_bursts() {
        let gap = ".".repeat(19) + "x";
        let pattern = of(&gap.repeat(10));
        let loss = pattern.loss_since(&Pattern::default()).unwrap();
        assert!((loss.percent - 5.0).abs() < 1e-4 && (loss.burst_ratio - 0.95).abs() < 1e-4, "{loss:?}");
        let bursts = pattern.bursts();
        assert_eq!((bursts.burst_density, bursts.burst_packets, bursts.gap_packets), (0.0, 0.0, 200.0));
        assert!((bursts.gap_density - 0.05).abs() < 1e-6);
    }

    #[test]
    fn losses_near_each_other_are_one_burst() {
        // Two bursts of eight packets with four losses, in three gaps.
        let quiet = ".".repeat(28);
        let pattern = of(&format!("{quiet}xx.x...x{quiet}xx.x...x{quiet}"));
        let bursts = pattern.bursts();
        assert_eq!((bursts.burst_density, bursts.burst_packets), (0.5, 8.0));
        assert_eq!((bursts.gap_density, bursts.gap_packets), (0.0, 28.0));
        let loss = pattern.loss_since(&Pattern::default()).unwrap();
        // Eight losses in six runs.
        assert!((loss.burst_ratio - 8.0 / 6.0 * 0.92).abs() < 1e-4, "{loss:?}");
    }

    #[test]
    fn only_what_came_since_counts() {
        let before = of("xxxx......");
        let mut now = before;
        assert_eq!(now.loss_since(&before), None);
        ".x........".chars().for_each(|c| now.push(c != 'x'));
        assert!((now.loss_since(&before).unwrap().percent - 10.0).abs() < 1e-4);
    }
}
