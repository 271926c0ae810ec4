//! Which packets of one stream have been: the index of each (RFC 3711 §3.3.1) and the list that stops replays (§3.3.2).

use crate::limits::REPLAY_WINDOW;

/// Bits of the sequence number and, above them, of the rollover counter.
const SEQUENCE_BITS: u32 = 16;
const INDEX_BITS: u32 = 48;

/// The newest index and, bit by bit, which of those before it were taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    newest: u64,
    seen: u128,
}

const _: () = assert!(REPLAY_WINDOW == u128::BITS);

impl Window {
    /// Nothing taken yet; `near` is where the stream is likely to be.
    pub(super) const fn unused(near: u64) -> Self {
        Self { newest: near, seen: 0 }
    }

    /// Where a stream under a new key is likely to go on.
    pub(super) const fn renewed(self) -> Self {
        Self::unused(self.newest)
    }

    /// The rollover counter is not what it began with.
    pub(super) const fn rolled_over(self) -> bool {
        self.newest >> SEQUENCE_BITS != 0
    }

    /// The index of a packet with this sequence number, as near to the newest as can be. `None` where the key ends.
    pub(super) fn index(self, sequence: u16) -> Option<u64> {
        let step = i64::from(sequence.wrapping_sub(self.newest as u16) as i16);
        // Before the first rollover there is nothing older: what looks like it is far ahead.
        let index = self.newest.checked_add_signed(step).unwrap_or(sequence.into());
        (index >> INDEX_BITS == 0).then_some(index)
    }

    /// The indices to try for a packet that came in: one, once the stream is known. A stream that is new under this key may
    /// have begun before a rollover that we did not see, go on counting where it was under the key before
    /// (RFC 3711 §3.3.1) or from zero (as most phones do): whichever index is authentic is right.
    pub(super) fn candidates(self, sequence: u16) -> impl Iterator<Item = u64> {
        let likely = self.index(sequence);
        let unused = self.seen == 0;
        let sequence = u64::from(sequence);
        let rolled = 1 << SEQUENCE_BITS | sequence;
        let others = [sequence, rolled].into_iter().filter(move |i| unused && Some(*i) != likely);
        likely.into_iter().chain(others)
    }

    /// Whether this index was not taken yet, as far as can be told.
    pub(super) fn is_fresh(self, index: u64) -> bool {
        if self.seen == 0 || index > self.newest {
            return true;
        }
        let age = self.newest - index;
        age < u64::from(u128::BITS) && self.seen >> age & 1 == 0
    }

    /// This index is taken.
    pub(super) fn mark(&mut self, index: u64) {
        if self.seen == 0 {
            *self = Self { newest: index, seen: 1 };
        } else if index > self.newest {
            let shift = u32::try_from(index - self.newest).unwrap_or(u32::MAX);
            self.seen = self.seen.checked_shl(shift).unwrap_or(0) | 1;
            self.newest = index;
        } else {
            let age = u32::try_from(self.newest - index).unwrap_or(u32::MAX);
            self.seen |= 1_u128.checked_shl(age).unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_is_taken_once_and_old_ones_never() {
        let mut window = Window::unused(0);
        for index in [1_000, 1_001, 1_003, 1_002, 1_064] {
            assert!(window.is_fresh(index));
            window.mark(index);
            assert!(!window.is_fresh(index));
        }
        assert!(window.is_fresh(1_004), "reordered by 60");
        assert!(window.is_fresh(1_064 - 127), "reordered by 127");
        assert!(!window.is_fresh(1_064 - 128), "nobody can tell");
        window.mark(1_064 - 127);
        assert!(!window.is_fresh(1_064 - 127));
        window.mark(5_000);
        assert!(!window.is_fresh(1_064) && window.is_fresh(4_999) && window.is_fresh(5_001));
    }

    #[test]
    fn an_index_is_the_nearest_one_with_its_sequence() {
        let at = |newest: u64, sequence: u16| Window::unused(newest).index(sequence);
        assert_eq!(at(65_530, 3), Some(65_539), "rolled over, with loss");
        assert_eq!(at(65_539, 65_530), Some(65_530), "reordered around it");
        assert_eq!(at(5 << 16, 0xfff0), Some((4 << 16) + 0xfff0));
        assert_eq!(at(100, 101), Some(101));
        assert_eq!(at(3, 65_530), Some(65_530), "there is nothing before zero");
        assert_eq!(at((1 << 48) - 1, 0), None, "the key ends");
    }

    #[test]
    fn a_stream_that_is_new_under_a_key_may_count_from_anywhere() {
        let tries = |window: Window, sequence| window.candidates(sequence).collect::<Vec<_>>();
        assert_eq!(tries(Window::unused(7), 7), [7, 65_543]);
        let mut window = Window::unused((3 << 16) + 500);
        assert_eq!(tries(window, 600), [(3 << 16) + 600, 600, 65_536 + 600]);
        window.mark(600);
        assert_eq!(tries(window, 601), [601], "and is known from then on");
    }
}
