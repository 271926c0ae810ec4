//! Legs by their ids, for the path of a packet.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use havre_model::LegId;

/// A map from legs to anything.
///
/// Every packet looks its leg up twice, and the standard hash costs as much as the rest of a relayed packet's
/// way. It protects tables whose keys strangers choose; a [`LegId`] is counted up by ourselves.
pub type LegMap<V> = HashMap<LegId, V, BuildHasherDefault<LegHasher>>;

/// Spreads consecutive numbers (Fibonacci hashing, Knuth, The Art of Computer Programming, volume 3, §6.4).
#[derive(Clone, Copy, Debug, Default)]
pub struct LegHasher(u64);

/// 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for LegHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn write_u64(&mut self, number: u64) {
        // The table takes its place from the low bits, which the multiplication mixes least.
        self.0 = (self.0 ^ number).wrapping_mul(GOLDEN).rotate_left(26);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::hash::BuildHasher;

    use super::*;

    #[test]
    fn neighbours_are_spread_over_a_table() {
        let map = LegMap::<()>::default();
        for step in [1, 2, 64, 1 << 32] {
            let places: BTreeSet<u64> =
                (0..1_024).map(|n| map.hasher().hash_one(LegId(n * step)) % 2_048).collect();
            // A random hash would fill 2,048 × (1 - e^-0.5) = 806 places.
            assert!(places.len() > 600, "step {step}: {} places", places.len());
        }
    }
}
