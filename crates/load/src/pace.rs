//! Whose turn it is to speak and to hear: a 20 ms round is divided among the ports.
//!
//! Phones do not wait for each other. A generator that was kept from its core, which would send at once what it owes, measured how
//! long its own flood takes through the server; so it goes on from where it is, and says what it owes.

use std::time::Duration;

/// Time in which every port has its turn once.
const ROUND: Duration = Duration::from_millis(20);
/// A turn as late as this is made good.
const GRACE: Duration = Duration::from_millis(1);

/// The ports' turns, from the start of the run on.
#[derive(Debug)]
pub(crate) struct Pace {
    ports: u64,
    /// The next one.
    turn: u64,
    /// How long we were kept from our core in all.
    behind: Duration,
}

impl Pace {
    /// For so many ports, one at least.
    pub(crate) fn new(ports: usize) -> Self {
        Self { ports: ports.max(1) as u64, turn: 0, behind: Duration::ZERO }
    }

    /// Who is to speak and who is to hear in the turn that comes so many after the next.
    pub(crate) fn ports(&self, ahead: u64) -> [usize; 2] {
        [0, self.ports / 2].map(|away| ((self.turn + ahead + away) % self.ports) as usize)
    }

    /// When that turn is, since the start.
    pub(crate) fn due(&self, ahead: u64) -> Duration {
        self.behind + ROUND.mul_f64((self.turn + ahead) as f64 / self.ports as f64)
    }

    /// The next turn is taken now.
    pub(crate) fn step(&mut self) {
        self.turn += 1;
    }

    /// The next turn is somebody's, and it is `now`: if it comes too late, all later ones are put off. Returns how many turns of
    /// these many ports are missed by that.
    pub(crate) fn put_off(&mut self, now: Duration, used: impl FnOnce() -> usize) -> u64 {
        let late = now.saturating_sub(self.due(0));
        if late <= GRACE {
            return 0;
        }
        self.behind += late;
        (late.as_secs_f64() / ROUND.as_secs_f64() * used() as f64).ceil() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    #[test]
    fn a_round_is_divided_among_the_ports() {
        let mut pace = Pace::new(4);
        assert_eq!((0..5).map(|ahead| pace.due(ahead).as_millis()).collect::<Vec<_>>(), [0, 5, 10, 15, 20]);
        assert_eq!([0, 1, 2, 4].map(|ahead| pace.ports(ahead)), [[0, 2], [1, 3], [2, 0], [0, 2]]);
        pace.step();
        assert_eq!((pace.due(0), pace.ports(0)), (micros(5_000), [1, 3]));
    }

    #[test]
    fn what_is_owed_is_told_and_never_sent_at_once() {
        let mut pace = Pace::new(4);
        assert_eq!(pace.put_off(micros(900), || 4), 0);
        assert_eq!(pace.due(1), micros(5_000), "a little late is made good");
        assert_eq!(pace.put_off(micros(3_000), || 4), 1);
        assert_eq!((pace.due(0), pace.due(1)), (micros(3_000), micros(8_000)));
        pace.step();
        assert_eq!(pace.put_off(micros(48_000), || 3), 6, "three ports, two rounds");
        assert_eq!((pace.due(0), pace.due(1)), (micros(48_000), micros(53_000)));
    }
}
