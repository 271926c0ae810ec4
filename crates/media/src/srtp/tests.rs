//! Both sides against each other and against webrtc-rs' `rtc-srtp`.

use proptest::prelude::*;
use rtc_srtp::context::Context;
use rtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use rtc_srtp::protection_profile::ProtectionProfile;

use super::*;
use crate::limits::{MAX_PACKET, MAX_SRTP_SOURCES};
use crate::rtp;

const SSRC: u32 = 0x1234_5678;

#[test]
fn the_reference_reads_what_we_write_and_we_what_it_writes() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = (Sender::new(keys(suite, 1)), Receiver::new(keys(suite, 1)));
        let (mut their_sender, mut their_receiver) = (reference(suite, 1), reference(suite, 1));
        // 70,000 packets: the rollover counter turns over once.
        for n in 0..70_000_u32 {
            if !(5..65_500).contains(&n) {
                let plain = packet(n as u16, n as usize % 200);
                let sealed = protect(&mut sender, &plain);
                assert_eq!(their_receiver.decrypt_rtp(&sealed).unwrap()[..], plain, "{suite:?} {n}");
                assert_eq!(their_sender.encrypt_rtp(&plain).unwrap()[..], sealed, "{suite:?} {n}");
                let mut out = [0; MAX_PACKET];
                assert_eq!(receiver.unprotect_rtp(&sealed, &mut out).unwrap(), plain);
            } else if n % 30_000 == 10 {
                // A leap within what can be guessed keeps both sides together.
                let plain = packet(n as u16, 20);
                let sealed = protect(&mut sender, &plain);
                assert_eq!(their_receiver.decrypt_rtp(&sealed).unwrap()[..], plain);
                their_sender.encrypt_rtp(&plain).unwrap();
                receiver.unprotect_rtp(&sealed, &mut [0; MAX_PACKET]).unwrap();
            }
        }
    }
}

#[test]
fn reports_too() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = (Sender::new(keys(suite, 1)), Receiver::new(keys(suite, 1)));
        let (mut their_sender, mut their_receiver) = (reference(suite, 1), reference(suite, 1));
        for length in [0, 4, 20, 300] {
            let plain = report(length);
            let sealed = protect_report(&mut sender, &plain);
            assert_eq!(their_receiver.decrypt_rtcp(&sealed).unwrap()[..], plain, "{suite:?}");
            assert_eq!(their_sender.encrypt_rtcp(&plain).unwrap()[..], sealed, "{suite:?}");
            let mut out = [0; MAX_PACKET];
            assert_eq!(receiver.unprotect_rtcp(&sealed, &mut out).unwrap(), plain);
            assert_eq!(receiver.unprotect_rtcp(&sealed, &mut out), Err(Error::Replayed));
        }
    }
}

#[test]
fn headers_with_sources_and_extensions_stay_readable() {
    let mut plain = packet(1, 0);
    plain[0] = 0x80 | 0x10 | 2;
    plain.extend([9; 8]);
    plain.extend([0xbe, 0xde, 0, 1, 0x12, 5, 5, 5]);
    let readable = plain.len();
    plain.extend([7; 50]);
    for suite in Suite::ALL {
        let sealed = protect(&mut Sender::new(keys(suite, 1)), &plain);
        assert_eq!(sealed[..readable], plain[..readable]);
        assert_ne!(sealed[readable..readable + 50], [7; 50]);
        assert_eq!(reference(suite, 1).decrypt_rtp(&sealed).unwrap()[..], plain);
        let mut out = [0; MAX_PACKET];
        assert_eq!(Receiver::new(keys(suite, 1)).unprotect_rtp(&sealed, &mut out).unwrap(), plain);
    }
}

#[test]
fn a_packet_comes_through_once_in_whatever_order() {
    for suite in Suite::ALL {
        let mut sender = Sender::new(keys(suite, 1));
        let sealed: Vec<_> =
            (65_400..65_700_u32).map(|n| protect(&mut sender, &packet(n as u16, 40))).collect();
        let mut receiver = Receiver::new(keys(suite, 1));
        let mut out = [0; MAX_PACKET];
        // Every third is lost, blocks of 64 come in reverse, everything comes three times.
        for block in sealed.chunks(64) {
            for packet in block.iter().rev().enumerate().filter(|(n, _)| n % 3 != 0).map(|(_, packet)| packet)
            {
                assert!(receiver.unprotect_rtp(packet, &mut out).is_ok());
                assert_eq!(receiver.unprotect_rtp(packet, &mut out), Err(Error::Replayed));
            }
        }
        for (n, packet) in sealed.iter().enumerate() {
            let again = receiver.unprotect_rtp(packet, &mut out);
            assert!(n + 128 > sealed.len() || again.is_err(), "{n}: {again:?}");
            assert!(receiver.unprotect_rtp(packet, &mut out).is_err(), "{n}");
        }
    }
}

#[test]
fn a_stream_whose_beginning_was_lost_before_a_rollover_is_understood() {
    for suite in Suite::ALL {
        let mut sender = Sender::new(keys(suite, 1));
        for n in 65_500..65_636_u32 {
            protect(&mut sender, &packet(n as u16, 40));
        }
        let mut receiver = Receiver::new(keys(suite, 1));
        let mut out = [0; MAX_PACKET];
        for n in 65_636..65_650_u32 {
            let sealed = protect(&mut sender, &packet(n as u16, 40));
            assert!(receiver.unprotect_rtp(&sealed, &mut out).is_ok(), "{suite:?} {n}");
        }
    }
}

#[test]
fn other_keys_open_nothing_and_new_keys_go_on_whether_counted_on_or_anew() {
    for suite in Suite::ALL {
        let mut out = [0; MAX_PACKET];
        let mut sender = Sender::new(keys(suite, 1));
        let mut receiver = Receiver::new(keys(suite, 1));
        for n in 65_500..65_600_u32 {
            let sealed = protect(&mut sender, &packet(n as u16, 40));
            receiver.unprotect_rtp(&sealed, &mut out).unwrap();
            assert_eq!(
                Receiver::new(keys(suite, 2)).unprotect_rtp(&sealed, &mut out),
                Err(Error::NotAuthentic)
            );
        }
        assert!(sender.rolled_over(SSRC) && !sender.rolled_over(SSRC + 1));
        // Counted anew, as a phone with a new context does.
        receiver.rekey(keys(suite, 2));
        let mut anew = Sender::new(keys(suite, 2));
        for n in 65_600..65_610_u32 {
            let old = protect(&mut sender, &packet(n as u16, 40));
            assert_eq!(receiver.unprotect_rtp(&old, &mut out), Err(Error::NotAuthentic));
            let new = protect(&mut anew, &packet(n as u16, 40));
            assert!(receiver.unprotect_rtp(&new, &mut out).is_ok());
            assert_eq!(receiver.unprotect_rtp(&new, &mut out), Err(Error::Replayed));
        }
        // Counted on, as the RFC says.
        let mut on = Sender::new(keys(suite, 3));
        let earlier: Vec<_> = (65_500..65_620_u32).map(|n| protect(&mut on, &packet(n as u16, 40))).collect();
        let mut known = Receiver::new(keys(suite, 2));
        let mut first = Sender::new(keys(suite, 2));
        for n in 65_500..65_610_u32 {
            known.unprotect_rtp(&protect(&mut first, &packet(n as u16, 40)), &mut out).unwrap();
        }
        known.rekey(keys(suite, 3));
        assert!(known.unprotect_rtp(&earlier[115], &mut out).is_ok());
    }
}

#[test]
fn streams_of_one_key_have_a_limit() {
    let suite = Suite::AeadAes128Gcm;
    let (mut sender, mut receiver) = (Sender::new(keys(suite, 1)), Receiver::new(keys(suite, 1)));
    let mut out = [0; MAX_PACKET];
    let of = |ssrc: usize, sequence| {
        let mut plain = packet(sequence, 40);
        plain[8..12].copy_from_slice(&(ssrc as u32).to_be_bytes());
        plain
    };
    for ssrc in 0..MAX_SRTP_SOURCES {
        assert!(receiver.unprotect_rtp(&protect(&mut sender, &of(ssrc, 7)), &mut out).is_ok());
    }
    let mut more = of(MAX_SRTP_SOURCES, 7);
    more.extend([0; 16]);
    assert_eq!(sender.protect_rtp(&mut more), Err(Error::TooManySources));
    let sealed = protect(&mut Sender::new(keys(suite, 1)), &of(MAX_SRTP_SOURCES, 7));
    assert_eq!(receiver.unprotect_rtp(&sealed, &mut out), Err(Error::TooManySources));
    assert!(receiver.unprotect_rtp(&protect(&mut sender, &of(3, 8)), &mut out).is_ok(), "the others go on");
}

#[test]
fn no_number_is_used_twice() {
    let mut sender = Sender::new(keys(Suite::AesCm128HmacSha1_80, 1));
    protect(&mut sender, &packet(5, 40));
    let mut other = packet(5, 41);
    other.extend([0; 10]);
    let before = other.clone();
    assert_eq!(sender.protect_rtp(&mut other), Err(Error::Replayed));
    assert_eq!(other, before);
}

#[test]
fn keys_have_the_lengths_of_their_suite_and_are_never_printed() {
    for suite in Suite::ALL {
        let (key, salt) = (vec![0xab; suite.key_length()], vec![0xcd; suite.salt_length()]);
        let keys = Keys::new(suite, &key, &salt).unwrap();
        assert_eq!(Keys::new(suite, &key[1..], &salt), None);
        assert_eq!(Keys::new(suite, &key, &salt[1..]), None);
        let pair = Pair { send: keys.clone(), receive: keys.clone() };
        let printed = format!("{pair:?} {:?} {:?}", Sender::new(keys.clone()), Receiver::new(keys));
        assert!(
            !printed.contains("171") && !printed.contains("205") && !printed.contains("ab,"),
            "{printed}"
        );
    }
}

fn suite() -> impl Strategy<Value = Suite> {
    prop::sample::select(&Suite::ALL[..])
}

proptest! {
    #[test]
    fn nothing_that_was_changed_is_taken(
        suite in suite(), length in 0..200_usize, flips in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..5),
        cut in any::<prop::sample::Index>(), cuts: bool, rtcp: bool,
    ) {
        let mut receiver = Receiver::new(keys(suite, 1));
        let mut sender = Sender::new(keys(suite, 1));
        let sealed = if rtcp { protect_report(&mut sender, &report(length)) } else { protect(&mut sender, &packet(9, length)) };
        let mut changed = sealed.clone();
        for (at, flip) in flips {
            changed[at.index(sealed.len())] ^= flip;
        }
        if cuts {
            changed.truncate(cut.index(changed.len()));
        }
        prop_assume!(changed != sealed);
        let mut out = [0; MAX_PACKET];
        let taken = |receiver: &mut Receiver, bytes: &[u8], out: &mut [u8]| {
            if rtcp { receiver.unprotect_rtcp(bytes, out).is_ok() } else { receiver.unprotect_rtp(bytes, out).is_ok() }
        };
        prop_assert!(!taken(&mut receiver, &changed, &mut out));
        prop_assert!(taken(&mut receiver, &sealed, &mut out), "and the true one still is");
        prop_assert!(!taken(&mut receiver, &changed, &mut out));
    }

    #[test]
    fn any_bytes_are_refused_and_left_alone(suite in suite(), bytes in prop::collection::vec(any::<u8>(), 0..100), room in 0..100_usize) {
        let mut receiver = Receiver::new(keys(suite, 1));
        let mut out = vec![0; room];
        prop_assert!(receiver.unprotect_rtp(&bytes, &mut out).is_err());
        prop_assert!(receiver.unprotect_rtcp(&bytes, &mut out).is_err());
        let mut sender = Sender::new(keys(suite, 1));
        let _ = sender.protect_rtp(&mut bytes.clone());
        let _ = sender.protect_rtcp(&mut bytes.clone());
    }
}

fn keys(suite: Suite, seed: u8) -> Keys {
    let secret: Vec<u8> = (0..46).map(|i| i * 5 + seed).collect();
    Keys::new(suite, &secret[..suite.key_length()], &secret[32..][..suite.salt_length()]).unwrap()
}

fn reference(suite: Suite, seed: u8) -> Context {
    let keys = keys(suite, seed);
    let profile = match suite {
        Suite::AesCm128HmacSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
        Suite::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        Suite::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
    };
    let salt = &keys.salt()[..suite.salt_length()];
    let key = &keys.secret[..suite.key_length()];
    let provider = rtc_srtp::crypto::default_provider().unwrap();
    let (rtp, rtcp) = (srtp_replay_protection(64), srtcp_replay_protection(64));
    Context::new(key, salt, profile, Some(rtp), Some(rtcp), provider.crypto()).unwrap()
}

fn packet(sequence: u16, payload: usize) -> Vec<u8> {
    let content: Vec<u8> = (0..payload).map(|i| i as u8 ^ sequence as u8).collect();
    let packet =
        rtp::Packet { marker: false, payload_type: 0, sequence, timestamp: 5, ssrc: SSRC, payload: &content };
    [&packet.header()[..], &content].concat()
}

fn report(length: usize) -> Vec<u8> {
    let mut bytes = vec![0x80, 200, 0, 6];
    bytes.extend(SSRC.to_be_bytes());
    bytes.extend((0..length).map(|i| i as u8));
    bytes
}

fn protect(sender: &mut Sender, plain: &[u8]) -> Vec<u8> {
    let mut packet = plain.to_vec();
    packet.resize(plain.len() + sender.keys().suite().rtp_overhead(), 0);
    sender.protect_rtp(&mut packet).unwrap();
    packet
}

fn protect_report(sender: &mut Sender, plain: &[u8]) -> Vec<u8> {
    let mut packet = plain.to_vec();
    packet.resize(plain.len() + sender.keys().suite().rtcp_overhead(), 0);
    sender.protect_rtcp(&mut packet).unwrap();
    packet
}

pub(super) fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

pub(super) fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap()
}
