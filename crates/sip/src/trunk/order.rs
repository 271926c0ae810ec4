//! In what order trunks and addresses are tried: by priority, and within one by weight (RFC 2782).

use crate::stack::Stack;

/// What is known of one to be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rank {
    pub(crate) priority: u16,
    pub(crate) weight: u16,
}

/// The number that is drawn is counted in tenths of a weight: among whole ones 0 is as likely as any, and with weights as
/// small as 3 and 1 the first would get four calls of five.
const FINER: u64 = 10;

/// All of them, the next to be tried first.
pub(crate) fn order<T>(mut all: Vec<(Rank, T)>, stack: &mut Stack) -> Vec<T> {
    all.sort_by_key(|(rank, _)| (rank.priority, rank.weight != 0));
    let mut ordered = Vec::with_capacity(all.len());
    while let Some(priority) = all.first().map(|(rank, _)| rank.priority) {
        let same = all.iter().take_while(|(rank, _)| rank.priority == priority);
        let weights: Vec<u64> = same.map(|(rank, _)| u64::from(rank.weight) * FINER).collect();
        // "A random number between 0 and the sum, inclusive": those of weight 0 stand first and are chosen seldom.
        let chosen = stack.random_between(0, weights.iter().sum());
        let mut running = 0;
        let at = weights.iter().position(|weight| {
            running += weight;
            running >= chosen
        });
        ordered.push(all.remove(at.unwrap_or(0)).1);
    }
    ordered
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use havre_model::Now;

    use super::*;
    use crate::config::Config;

    #[test]
    fn small_weights_are_shares_too() {
        let mut stack = Stack::new(Arc::new(Config::default()), [3; 32], Now::default());
        let rank = |weight| Rank { priority: 1, weight };
        for all in [[(rank(3), 'a'), (rank(1), 'b')], [(rank(1), 'b'), (rank(3), 'a')]] {
            let first = (0..4_000).filter(|_| order(all.to_vec(), &mut stack)[0] == 'a').count();
            assert!((2_880..=3_120).contains(&first), "{first} of 4,000, where three of four are meant");
        }
    }

    #[test]
    fn priority_comes_before_weight_and_weight_is_a_share() {
        let mut stack = Stack::new(Arc::new(Config::default()), [3; 32], Now::default());
        let all = || {
            let rank = |priority, weight| Rank { priority, weight };
            vec![(rank(20, 50), 'z'), (rank(10, 10), 'a'), (rank(10, 30), 'b'), (rank(10, 0), 'c')]
        };
        let mut first = std::collections::BTreeMap::<char, u32>::new();
        for _ in 0..4_000 {
            let order = order(all(), &mut stack);
            assert_eq!(order.len(), 4);
            assert_eq!(order[3], 'z', "the higher priority number is the last resort");
            *first.entry(order[0]).or_default() += 1;
        }
        let (a, b, c) = (first[&'a'], first[&'b'], first[&'c']);
        assert!((800..1_150).contains(&a) && (2_700..3_100).contains(&b), "{first:?}");
        assert!((1..300).contains(&c), "a weight of 0 is seldom, not never: {first:?}");
    }
}
