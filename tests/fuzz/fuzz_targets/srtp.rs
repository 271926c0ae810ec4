//! A datagram on a leg with SRTP: no panic, and nothing is taken that was not protected with its keys. The first byte
//! chooses the suite; the second, whether the rest is taken as it is or laid over a true packet.
#![no_main]

use havre_media::limits::MAX_PACKET;
use havre_media::srtp::{Keys, Receiver, Sender, Suite};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let [suite, kind, bytes @ ..] = bytes else { return };
    let suite = Suite::ALL[usize::from(*suite) % 3];
    let keys = || Keys::new(suite, &[1; 32][..suite.key_length()], &[2; 14][..suite.salt_length()]);
    let (Some(ours), Some(theirs)) = (keys(), keys()) else { unreachable!("the suite's own lengths") };
    let mut receiver = Receiver::new(ours);
    let mut sealed = vec![0; 60 + suite.rtp_overhead()];
    sealed[..12].copy_from_slice(&[0x80, 0, 0, 7, 0, 0, 0, 160, 1, 2, 3, 4]);
    Sender::new(theirs).protect_rtp(&mut sealed).expect("a packet");
    let mut packet = bytes.to_vec();
    if kind % 2 == 1 {
        packet = sealed.clone();
        packet.iter_mut().zip(bytes).for_each(|(byte, change)| *byte ^= change);
    }
    let mut out = [0; MAX_PACKET];
    let taken = receiver.unprotect_rtp(&packet, &mut out).is_ok();
    assert_eq!(taken, packet == sealed);
    assert!(receiver.unprotect_rtcp(&packet, &mut out).is_err());
    assert_eq!(receiver.unprotect_rtp(&sealed, &mut out).is_ok(), !taken, "the true packet, once");
});
