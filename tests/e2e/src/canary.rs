//! The canary: numbers that only a caller's INVITE contains, and every disguise in which one could get out.

use std::collections::{BTreeMap, HashMap};

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha2::{Digest, Sha256};

/// What to look for, with its name for people.
pub struct Canaries(BTreeMap<String, Vec<u8>>);

/// Where something was found.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which disguise of which canary.
    pub what: String,
    /// In which place.
    pub place: String,
    /// The bytes around it.
    pub around: String,
}

impl Canaries {
    /// Of these texts: each as it is, and, for numbers, in each spelling, partial, encoded, and hashed plainly or with
    /// any of `keys`.
    #[must_use]
    pub fn new(texts: &[(&str, &str)], keys: &[&str]) -> Self {
        let mut all = BTreeMap::new();
        for &(name, text) in texts {
            all.insert(format!("{name} plain"), text.as_bytes().to_vec());
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            let mut spellings = vec![text.to_owned()];
            if digits.len() >= 7 {
                let national = &digits[digits.len().saturating_sub(10)..];
                all.insert(format!("{name} last 7"), digits.as_bytes()[digits.len() - 7..].to_vec());
                spellings.extend([digits.clone(), format!("+{digits}"), national.to_owned()]);
                spellings.extend([
                    format!("1{national}"),
                    format!("+1{national}"),
                    digits[digits.len() - 7..].to_owned(),
                ]);
            }
            for spelling in &spellings {
                disguises(name, spelling, keys, &mut all);
            }
        }
        Self(all)
    }

    /// How many disguises are looked for.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Every disguise that `bytes` contain. Letters are compared without case: hex has two.
    #[must_use]
    pub fn search(&self, place: &str, bytes: &[u8]) -> Vec<Finding> {
        let lower = bytes.to_ascii_lowercase();
        let needles: Vec<(&String, Vec<u8>)> =
            self.0.iter().map(|(k, v)| (k, v.to_ascii_lowercase())).collect();
        // One pass over the bytes: thousands of needles, known by their first four.
        let mut heads: HashMap<[u8; 4], Vec<usize>> = HashMap::new();
        for (i, (what, needle)) in needles.iter().enumerate() {
            let head = needle.first_chunk().unwrap_or_else(|| panic!("{what} is too short to look for"));
            heads.entry(*head).or_default().push(i);
        }
        let mut found = BTreeMap::new();
        for (at, head) in lower.windows(4).enumerate() {
            for &i in heads.get(head).into_iter().flatten() {
                if lower[at..].starts_with(&needles[i].1) {
                    found.entry(i).or_insert(at);
                }
            }
        }
        let finding = |(i, at): (usize, usize)| {
            let around = &bytes[at.saturating_sub(80)..(at + 100).min(bytes.len())];
            let around = String::from_utf8_lossy(around).into_owned();
            Finding { what: needles[i].0.clone(), place: place.into(), around }
        };
        found.into_iter().map(finding).collect()
    }
}

fn disguises(name: &str, text: &str, keys: &[&str], all: &mut BTreeMap<String, Vec<u8>>) {
    let mut put = |how: &str, bytes: Vec<u8>| {
        all.insert(format!("{name} {how} of {text}"), bytes);
    };
    put("hex", hex(text.as_bytes()).into_bytes());
    put("url", text.replace('+', "%2B").into_bytes());
    put("reversed", text.bytes().rev().collect());
    // Base64 of a text inside a longer one has three alignments; the edge characters mix with the neighbours.
    for shift in 0..3 {
        let encoded = base64(&[&vec![0; shift][..], text.as_bytes()].concat());
        let inner = &encoded[if shift == 0 { 0 } else { 4 }..encoded.len() - 4];
        if inner.len() >= 8 {
            put(&format!("base64 at {shift}"), inner.as_bytes().to_vec());
        }
    }
    let hashes: [(&str, Vec<u8>); 2] =
        [("md5", Md5::digest(text).to_vec()), ("sha256", Sha256::digest(text).to_vec())];
    for (how, hash) in hashes {
        hashed(how, &hash, &mut put);
    }
    for key in keys {
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes any key");
        mac.update(text.as_bytes());
        hashed(&format!("hmac({key})"), &mac.finalize().into_bytes(), &mut put);
    }
}

/// A hash may be cut short: its first 8 bytes are enough to know it by.
fn hashed(how: &str, hash: &[u8], put: &mut impl FnMut(&str, Vec<u8>)) {
    put(how, hash[..8].to_vec());
    put(&format!("{how}, hex"), hex(&hash[..8]).into_bytes());
    put(&format!("{how}, base64"), base64(&hash[..6]).into_bytes());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |w, &b| w << 8 | u32::from(b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let letter = ALPHABET[(word >> (18 - 6 * i)) as usize & 0x3f];
            text.push(if i <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: &str = "+15145559317";

    fn found(leak: &[u8]) -> bool {
        !Canaries::new(&[("From", NUMBER)], &["token"]).search("log", leak).is_empty()
    }

    #[test]
    fn every_disguise_is_seen_through() {
        for leak in ["+15145559317", "15145559317", "call from 5145559317.", "x5559317y", "%2B15145559317"] {
            assert!(found(leak.as_bytes()), "{leak}");
        }
        assert!(found(b"7139555415"), "reversed");
        assert!(found(hex(b"5145559317").to_uppercase().as_bytes()));
        for before in ["", "a", "ab"] {
            assert!(
                found(base64(format!("{before}{NUMBER};x").as_bytes()).as_bytes()),
                "base64 after {before:?}"
            );
        }
        assert!(found(hex(&Sha256::digest(NUMBER)).as_bytes()));
        assert!(found(&Md5::digest("15145559317")));
        let mut mac = Hmac::<Sha256>::new_from_slice(b"token").unwrap();
        mac.update(b"5145559317");
        assert!(found(hex(&mac.finalize().into_bytes()[..16]).as_bytes()));
    }

    #[test]
    fn what_is_no_leak_is_not_found() {
        for clean in ["+18335550100", "5145550000", "call c0000000000001234", "20261123 555 93 17"] {
            assert!(!found(clean.as_bytes()), "{clean}");
        }
    }

    #[test]
    fn base64_is_base64() {
        assert_eq!(
            ["", "f", "fo", "foo", "foob"].map(|t| base64(t.as_bytes())),
            ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]
        );
    }
}
