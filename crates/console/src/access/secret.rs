//! Secrets that only their bearer has: random, and kept here only as a hash.

use std::fmt::Write as _;

use havre_model::SessionKey;
use sha2::{Digest as _, Sha256};

/// 256 random bits, as 64 hexadecimal digits.
pub(crate) fn secret() -> String {
    hexadecimal(&rand::random::<[u8; 32]>())
}

/// What is kept of a secret. A fast hash is enough: the secret cannot be guessed.
pub(crate) fn key(secret: &str) -> SessionKey {
    Sha256::digest(secret.as_bytes()).into()
}

/// What a page must repeat in a header: made from the session's secret, which scripts cannot read, so that only an
/// answer to the session itself tells it.
pub(crate) fn csrf(secret: &str) -> String {
    derived("csrf", secret)
}

/// Another secret, for one use of `secret`: whoever learns one learns nothing of the others.
pub(crate) fn derived(for_use: &str, secret: &str) -> String {
    hexadecimal(&key(&format!("{for_use} {secret}")))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_tell_nothing_of_each_other() {
        let (one, other) = (secret(), secret());
        assert!(one.len() == 64 && one != other);
        assert!(csrf(&one) != csrf(&other) && !csrf(&one).contains(&one[..8]));
        assert_ne!(hexadecimal(&key(&one)), csrf(&one));
        assert_eq!(hexadecimal(&key("abc"))[..8], *"ba7816bf", "FIPS 180-4's example");
    }
}
