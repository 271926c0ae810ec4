//! "May have called earlier": which callers redial, remembered without remembering who they are.
//!
//! A caller's number becomes a truncated HMAC-SHA-256 under a key that only this node's memory holds. Tokens live two
//! hours, keys rotate daily and the previous one is kept two hours more. Nothing here is ever printed or stored, and
//! a withheld number makes no token.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use havre_model::{Mono, Pii, Risk};
use hmac::{Hmac, KeyInit, Mac};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::Sha256;

/// How long a token is remembered.
const MEMORY: Duration = Duration::from_secs(2 * 3600);
/// How often the key changes.
const ROTATION: Duration = Duration::from_secs(24 * 3600);
/// Tokens kept at once; the oldest goes first. Two hours at 100 times the busiest measured line (988 Canada) are 6,200.
const MAX_TOKENS: usize = 16_384;

/// A caller's token under the current key. Not `Debug`: it identifies a caller to this node.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Token([u8; 12]);

/// What the last call of a token was like.
#[derive(Clone, Copy)]
struct Seen {
    ended: Mono,
    urgent_cut_off: bool,
}

/// The memory of one node.
pub struct Redial {
    random: ChaCha20Rng,
    key: [u8; 32],
    key_since: Mono,
    previous: Option<[u8; 32]>,
    seen: HashMap<Token, Seen>,
    /// When each token was noted, in that order; one that was noted again stands here twice.
    order: VecDeque<(Mono, Token)>,
}

impl Redial {
    /// An empty memory with a random key of its own.
    #[must_use]
    pub fn new(seed: [u8; 32], now: Mono) -> Self {
        let mut random = ChaCha20Rng::from_seed(seed);
        let mut key = [0; 32];
        random.fill_bytes(&mut key);
        Self { random, key, key_since: now, previous: None, seen: HashMap::new(), order: VecDeque::new() }
    }

    /// Whether this caller called within two hours, and in which class the new call therefore begins:
    /// `Elevated` for a redial, `Urgent` if the last call was urgent and was cut off.
    #[must_use]
    pub fn class_of(&mut self, number: Option<&Pii<String>>, now: Mono) -> Option<Risk> {
        self.tidy(now);
        let number = number?;
        let keys = std::iter::once(self.key).chain(self.previous);
        let last = keys
            .filter_map(|key| self.seen.get(&token(&key, number)))
            .filter(|seen| now.since(seen.ended) < MEMORY)
            .max_by_key(|seen| seen.ended)?;
        Some(if last.urgent_cut_off { Risk::Urgent } else { Risk::Elevated })
    }

    /// Remembers that a call of this caller ended now.
    pub fn remember(&mut self, number: Option<&Pii<String>>, urgent_cut_off: bool, now: Mono) {
        self.tidy(now);
        let Some(number) = number else { return };
        let token = token(&self.key, number);
        self.seen.insert(token, Seen { ended: now, urgent_cut_off });
        self.order.push_back((now, token));
        if self.order.len() > MAX_TOKENS {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((noted, token)) = self.order.pop_front()
            && self.seen.get(&token).is_some_and(|seen| seen.ended == noted)
        {
            self.seen.remove(&token);
        }
    }

    fn tidy(&mut self, now: Mono) {
        let age = now.since(self.key_since);
        if age >= ROTATION {
            self.previous = Some(self.key);
            self.random.fill_bytes(&mut self.key);
            self.key_since = now;
        } else if age >= MEMORY {
            self.previous = None;
        }
        while self.order.front().is_some_and(|(noted, _)| now.since(*noted) >= MEMORY) {
            self.forget_oldest();
        }
    }
}

fn token(key: &[u8; 32], number: &Pii<String>) -> Token {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        // HMAC takes keys of any length; this branch cannot be reached.
        return Token([0; 12]);
    };
    mac.update(number.expose().as_bytes());
    let digest = mac.finalize().into_bytes();
    let mut short = [0; 12];
    short.copy_from_slice(&digest[..12]);
    Token(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Mono {
        Mono::from_start(Duration::from_secs(secs))
    }

    fn number(text: &str) -> Option<Pii<String>> {
        Some(Pii::new(text.to_owned()))
    }

    #[test]
    fn a_redial_within_two_hours_is_elevated_and_later_is_not() {
        let mut memory = Redial::new([1; 32], at(0));
        let caller = number("+14165550123");
        assert_eq!(memory.class_of(caller.as_ref(), at(0)), None);
        memory.remember(caller.as_ref(), false, at(100));
        assert_eq!(memory.class_of(caller.as_ref(), at(200)), Some(Risk::Elevated));
        assert_eq!(memory.class_of(number("+14165550124").as_ref(), at(200)), None);
        assert_eq!(memory.class_of(caller.as_ref(), at(100 + 7200)), None);
    }

    #[test]
    fn an_urgent_call_that_was_cut_off_comes_back_urgent() {
        let mut memory = Redial::new([1; 32], at(0));
        memory.remember(number("5550100").as_ref(), true, at(10));
        assert_eq!(memory.class_of(number("5550100").as_ref(), at(20)), Some(Risk::Urgent));
    }

    #[test]
    fn a_withheld_number_is_neither_remembered_nor_matched() {
        let mut memory = Redial::new([1; 32], at(0));
        memory.remember(None, true, at(1));
        assert_eq!(memory.class_of(None, at(2)), None);
        assert!(memory.seen.is_empty());
    }

    #[test]
    fn a_redial_is_known_across_a_change_of_key() {
        let mut memory = Redial::new([1; 32], at(0));
        let caller = number("5550100");
        memory.remember(caller.as_ref(), false, at(86_000));
        assert_eq!(memory.class_of(caller.as_ref(), at(86_500)), Some(Risk::Elevated));
        assert!(memory.previous.is_some(), "the key has changed at 24 h");
        let _ = memory.class_of(None, at(86_500 + 7_300));
        assert!(memory.previous.is_none(), "the previous key is kept for two hours only");
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut memory = Redial::new([1; 32], at(0));
        for i in 0..MAX_TOKENS as u64 + 100 {
            memory.remember(number(&i.to_string()).as_ref(), false, at(1) + Duration::from_micros(i));
        }
        assert!(memory.seen.len() <= MAX_TOKENS);
    }
}
