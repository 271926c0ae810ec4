//! Nonces that need no memory: when and for whom they were made, under a MAC.

use std::net::IpAddr;
use std::time::Duration;

use havre_model::Mono;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::hex;

/// Makes and recognises nonces: seconds and a serial number, 8 hexadecimal digits each, and 32 of an HMAC over
/// them and the source's address. The port is left out: phones change it behind NAT and on every reconnect.
#[derive(Clone)]
pub(crate) struct Mint {
    /// Padded with zeros to SHA-256's block, as HMAC does with any shorter key.
    key: [u8; 64],
    serial: u32,
}

/// A nonce of ours. Ordered by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp {
    seconds: u32,
    serial: u32,
}

impl Mint {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        let mut block = [0; 64];
        block[..32].copy_from_slice(&key);
        Self { key: block, serial: 0 }
    }

    /// A nonce that no one else has, so that each counts its own `nc`.
    pub(crate) fn make(&mut self, source: IpAddr, now: Mono) -> String {
        self.serial = self.serial.wrapping_add(1);
        let stamp = Stamp { seconds: seconds(now), serial: self.serial };
        format!("{:08x}{:08x}{}", stamp.seconds, stamp.serial, self.mac(stamp, source))
    }

    /// The stamp of a nonce that was made here for `source`, however old.
    pub(crate) fn recognise(&self, nonce: &str, source: IpAddr) -> Option<Stamp> {
        let number = |at: usize| u32::from_str_radix(nonce.get(at..at + 8)?, 16).ok();
        let stamp = Stamp { seconds: number(0)?, serial: number(8)? };
        let whole = format!("{:08x}{:08x}{}", stamp.seconds, stamp.serial, self.mac(stamp, source));
        bool::from(whole.as_bytes().ct_eq(nonce.as_bytes())).then_some(stamp)
    }

    fn mac(&self, stamp: Stamp, source: IpAddr) -> String {
        let mut mac = Hmac::<Sha256>::new(&self.key.into());
        mac.update(&stamp.seconds.to_be_bytes());
        mac.update(&stamp.serial.to_be_bytes());
        mac.update(source.to_canonical().to_string().as_bytes());
        hex(&mac.finalize().into_bytes()[..16])
    }
}

impl Stamp {
    pub(crate) fn age(self, now: Mono) -> Duration {
        Duration::from_secs(u64::from(seconds(now).saturating_sub(self.seconds)))
    }
}

/// Seconds since the shell's start: 32 bits hold 136 years.
fn seconds(now: Mono) -> u32 {
    u32::try_from(now.since_start().as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_nonces_for_their_source_are_recognised() {
        let mut mint = Mint::new([7; 32]);
        let (here, there): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let now = Mono::from_start(Duration::from_secs(90));
        let nonce = mint.make(here, now);
        let later = now + Duration::from_secs(30);
        assert_eq!(mint.recognise(&nonce, here).unwrap().age(later), Duration::from_secs(30));
        assert!(mint.recognise(&nonce, "::ffff:192.0.2.1".parse().unwrap()).is_some());
        assert!(mint.recognise(&nonce, there).is_none());
        assert!(Mint::new([8; 32]).recognise(&nonce, here).is_none());
        assert_ne!(mint.make(here, now), nonce);
        for bad in ["", "é0000000", &nonce[1..], &nonce.to_uppercase(), &format!("+{}", &nonce[1..])] {
            assert!(mint.recognise(bad, here).is_none(), "{bad}");
        }
    }
}
