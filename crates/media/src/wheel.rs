//! The clock of a shard: every leg has one turn in 20 ms, on an absolute grid, so that nothing drifts.
//!
//! The grid has four spokes 5 ms apart; a leg takes the one that comes next when it begins, so its first packet waits
//! 5 ms at the most, and legs that share a spoke leave in one batch.

use std::time::Duration;

use havre_model::Mono;

use crate::codec::{FRAME_TICKS, TICKS_PER_MS};

const SPOKES: u64 = 4;
const STEP_MS: u64 = FRAME_TICKS as u64 / TICKS_PER_MS as u64 / SPOKES;
/// Turns that are made up for if the shell calls late (100 ms); older ones are left out, for a burst of them would
/// only overrun the listeners' buffers.
const CATCH_UP: u64 = 20;

/// The legs by their turns.
#[derive(Debug)]
pub(crate) struct Wheel {
    epoch: Mono,
    /// The turn that comes next, counted from the epoch.
    next: u64,
    spokes: [Vec<usize>; SPOKES as usize],
}

/// A turn that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn(u64);

impl Turn {
    /// Ticks of the RTP clock since the shard began.
    pub(crate) fn position(self) -> u64 {
        self.0 * u64::from(FRAME_TICKS) / SPOKES
    }
}

impl Wheel {
    pub(crate) fn new(epoch: Mono) -> Self {
        Self { epoch, next: 0, spokes: Default::default() }
    }

    /// Gives a leg the turn that comes next, and then every fourth.
    pub(crate) fn add(&mut self, leg: usize, now: Mono) {
        let next = self.latest(now) + 1;
        if self.spokes.iter().all(Vec::is_empty) {
            self.next = next;
        }
        self.spokes[(next % SPOKES) as usize].push(leg);
    }

    pub(crate) fn remove(&mut self, leg: usize) {
        for spoke in &mut self.spokes {
            spoke.retain(|l| *l != leg);
        }
    }

    /// When the next turn with legs is.
    pub(crate) fn at(&self) -> Option<Mono> {
        (self.next..self.next + SPOKES).find(|turn| !self.legs(*turn).is_empty()).map(|turn| self.time(turn))
    }

    /// The next turn that is due, and whether turns before it were left out.
    pub(crate) fn turn(&mut self, now: Mono) -> Option<(Turn, bool)> {
        if self.at()? > now {
            return None;
        }
        let latest = self.latest(now);
        let late = latest > self.next + CATCH_UP;
        if late {
            self.next = latest + 1 - SPOKES;
        }
        let turn = self.next;
        self.next += 1;
        (turn <= latest).then_some((Turn(turn), late))
    }

    /// How many legs have this turn, and which: by number, so that the caller may change other things meanwhile.
    pub(crate) fn leg(&self, turn: Turn, number: usize) -> Option<usize> {
        self.legs(turn.0).get(number).copied()
    }

    fn legs(&self, turn: u64) -> &[usize] {
        &self.spokes[(turn % SPOKES) as usize]
    }

    fn time(&self, turn: u64) -> Mono {
        self.epoch + Duration::from_millis(turn * STEP_MS)
    }

    fn latest(&self, now: Mono) -> u64 {
        now.since(self.epoch).as_millis() as u64 / STEP_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Mono {
        Mono::from_start(Duration::from_millis(1_000 + millis))
    }

    fn run(wheel: &mut Wheel, now: Mono) -> Vec<(u64, Vec<usize>)> {
        let mut turns = Vec::new();
        while let Some((turn, _)) = wheel.turn(now) {
            let legs: Vec<usize> = (0..).map_while(|n| wheel.leg(turn, n)).collect();
            if !legs.is_empty() {
                turns.push((turn.position(), legs));
            }
        }
        turns
    }

    #[test]
    fn turns_come_every_20_ms_and_do_not_drift() {
        let mut wheel = Wheel::new(at(0));
        assert_eq!(wheel.at(), None);
        wheel.add(1, at(101));
        wheel.add(2, at(107));
        assert_eq!(wheel.at(), Some(at(105)));
        assert_eq!(run(&mut wheel, at(104)), []);
        assert_eq!(run(&mut wheel, at(110)), [(840, vec![1]), (880, vec![2])]);
        // Called 13 ms late: the turns after it are on the grid all the same.
        assert_eq!(run(&mut wheel, at(138)), [(1_000, vec![1]), (1_040, vec![2])]);
        assert_eq!(wheel.at(), Some(at(145)));
        wheel.remove(1);
        assert_eq!(wheel.at(), Some(at(150)));
    }

    #[test]
    fn a_long_stall_is_left_out() {
        let mut wheel = Wheel::new(at(0));
        wheel.add(1, at(0));
        run(&mut wheel, at(5));
        assert_eq!(run(&mut wheel, at(85)).len(), 4, "a short one is made up for");
        assert_eq!(run(&mut wheel, at(60_000)), [(479_880, vec![1])]);
        assert_eq!(wheel.at(), Some(at(60_005)));
    }
}
