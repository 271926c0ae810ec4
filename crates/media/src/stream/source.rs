//! Symmetric RTP with strict learning: which address a leg's packets may come from, and where ours go.
//!
//! The signalled address is always right, and at once where no other was learned. Another one is learned only while
//! nothing has come from the right one, and only when it has sent a few packets in sequence: the same host at another
//! port, or, where the signalled host lies behind a NAT, whoever does so within a short window. (One packet is not
//! enough even from the same host: a carrier's gateway sends all its calls from one, and may not have noticed yet that
//! the last call on this port of ours is over.) Once learned, an address is left only for the signalled one, by a few
//! packets in sequence while the other flows; or after a silence: for one that carries on the very same stream, or, in
//! the window after a re-INVITE, by learning again. So a stranger's packets neither enter a stream nor move it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use havre_model::Mono;

/// For how long after a (re-)INVITE another address may be learned. A phone behind a NAT speaks first, and at once.
const WINDOW: Duration = Duration::from_secs(5);
/// Packets in sequence that an unknown host has to send.
const PROBATION: u8 = 3;
/// An unfinished probation is given up after this, so that a stray packet does not keep the right sender out.
const PROBATION_LASTS: Duration = Duration::from_millis(200);
/// A learned address that was silent for this long may be left (a NAT that forgot its mapping).
const SILENT: Duration = Duration::from_secs(1);
/// How far a stream that carries on elsewhere may have moved: a minute of 20 ms packets.
const REBIND_SPAN: u16 = 3_000;

/// No address.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Where one leg's RTP may come from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source {
    /// ICE says where the far side is, and nothing else does.
    by_ice: bool,
    signalled: SocketAddr,
    learned: Option<SocketAddr>,
    /// Until when another address may be learned; learning one ends it.
    window: Option<Mono>,
    probe: Option<Probe>,
}

/// An unknown host on probation.
#[derive(Clone, Copy, Debug)]
struct Probe {
    from: SocketAddr,
    ssrc: u32,
    next: u16,
    left: u8,
    at: Mono,
}

/// The stream that is being received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) ssrc: u32,
    pub(crate) sequence: u16,
    pub(crate) at: Mono,
}

impl Source {
    pub(crate) fn new(signalled: SocketAddr, now: Mono) -> Self {
        let signalled = canonical(signalled);
        Self { by_ice: false, signalled, learned: None, window: Some(now + WINDOW), probe: None }
    }

    /// One that ICE points to where the far side is.
    pub(crate) fn by_ice(now: Mono) -> Self {
        Self { by_ice: true, ..Self::new(NOWHERE, now) }
    }

    /// ICE found the far side, or lost it; true if that is news.
    pub(crate) fn point_to(&mut self, to: Option<SocketAddr>) -> bool {
        let to = to.unwrap_or(NOWHERE);
        let news = to != std::mem::replace(&mut self.signalled, to);
        news && to != NOWHERE
    }

    /// SDP was agreed again; `speaks`: the far side is to send. Hold's 0.0.0.0 is no address.
    pub(crate) fn resignal(&mut self, signalled: SocketAddr, speaks: bool, now: Mono) {
        if self.by_ice {
            return;
        }
        let signalled = canonical(signalled);
        if signalled != self.signalled && !signalled.ip().is_unspecified() {
            *self = Self::new(signalled, now);
        } else if speaks {
            self.window = Some(now + WINDOW);
        }
    }

    /// Where to send: where the stream comes from, or else where SDP says. `None` if that is nowhere.
    pub(crate) fn destination(&self) -> Option<SocketAddr> {
        let to = self.learned.unwrap_or(self.signalled);
        (!to.ip().is_unspecified() && to.port() != 0).then_some(to)
    }

    /// Whether RTCP may come from this address: it has the host of the stream.
    pub(crate) fn admits_rtcp(&self, from: SocketAddr) -> bool {
        let from = canonical(from);
        self.by_ice
            || from.ip() == self.signalled.ip()
            || self.learned.is_some_and(|learned| learned.ip() == from.ip())
    }

    /// Whether a well-formed packet with a negotiated payload type may enter. `known` is the stream so far.
    pub(crate) fn admit(
        &mut self,
        from: SocketAddr,
        (ssrc, sequence): (u32, u16),
        known: Option<Known>,
        now: Mono,
    ) -> bool {
        let from = canonical(from);
        // Whoever has come so far has proven itself to ICE, and holds the keys.
        if self.by_ice || Some(from) == self.learned {
            return true;
        }
        let flows = self.learned.is_some() && known.is_some_and(|known| now.since(known.at) < SILENT);
        if from == self.signalled {
            // Its sender may be forged once, and a stranger may have been learned: a few packets tell.
            return if flows { self.probe(from, ssrc, sequence, now) } else { self.learn(from) };
        }
        if flows {
            return false;
        }
        if self.learned.is_some() {
            let carries_on = |known: Known| {
                ssrc == known.ssrc && (1..REBIND_SPAN).contains(&sequence.wrapping_sub(known.sequence))
            };
            if known.is_some_and(carries_on) {
                return self.learn(from);
            }
        }
        let open = self.window.is_some_and(|until| now <= until);
        let own = from.ip() == self.signalled.ip() && (open || self.learned.is_none());
        (own || open && behind_nat(self.signalled.ip())) && self.probe(from, ssrc, sequence, now)
    }

    fn learn(&mut self, from: SocketAddr) -> bool {
        *self = Self { learned: Some(from), window: None, probe: None, ..*self };
        true
    }

    fn probe(&mut self, from: SocketAddr, ssrc: u32, sequence: u16, now: Mono) -> bool {
        let mut left = PROBATION;
        if let Some(probe) = self.probe {
            if from != probe.from && now.since(probe.at) <= PROBATION_LASTS {
                return false;
            }
            if (from, ssrc, sequence) == (probe.from, probe.ssrc, probe.next) {
                left = probe.left;
            }
        }
        if left == 1 {
            return self.learn(from);
        }
        self.probe = Some(Probe { from, ssrc, next: sequence.wrapping_add(1), left: left - 1, at: now });
        false
    }
}

/// Whether a host that signals this address may be seen under another: it is not one of the public Internet.
fn behind_nat(signalled: IpAddr) -> bool {
    match signalled {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let shared = a == 100 && b & 0xc0 == 64; // RFC 6598
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || shared
        }
        IpAddr::V6(ip) => {
            ip == Ipv6Addr::LOCALHOST
                || ip.is_unspecified()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
        }
    }
}

/// A socket for both families writes IPv4 addresses as `::ffff:192.0.2.1`.
pub(crate) fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Mono {
        Mono::from_start(Duration::from_millis(millis))
    }

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    const HOME: &str = "192.168.1.5:4000";
    const PUBLIC: &str = "198.51.100.7:4000";
    const NAT: &str = "203.0.113.9:40000";
    const STRANGER: &str = "203.0.113.66:6666";

    /// Sends `count` packets from sequence 10 on, 20 ms apart; says which were let in.
    fn sends(source: &mut Source, from: &str, start: u64, count: u16) -> Vec<bool> {
        (0..count)
            .map(|i| source.admit(addr(from), (1, 10 + i), None, at(start + u64::from(i) * 20)))
            .collect()
    }

    #[test]
    fn the_signalled_address_is_right_at_once_and_for_good() {
        let mut source = Source::new(addr(PUBLIC), at(0));
        assert_eq!(sends(&mut source, PUBLIC, 0, 1), [true]);
        assert_eq!(sends(&mut source, STRANGER, 20, 10), [false; 10]);
        assert_eq!(source.destination(), Some(addr(PUBLIC)));
        assert!(source.admit(addr("[::ffff:198.51.100.7]:4000"), (1, 1), None, at(1)));
    }

    #[test]
    fn a_public_host_is_not_replaced_even_if_it_never_speaks() {
        let mut source = Source::new(addr(PUBLIC), at(0));
        assert_eq!(sends(&mut source, STRANGER, 0, 10), [false; 10]);
        assert_eq!(source.destination(), Some(addr(PUBLIC)));
        let other = sends(&mut source, "198.51.100.7:4444", 9_000, 4);
        assert_eq!(other, [false, false, true, true], "its own other port");
    }

    #[test]
    fn a_nat_is_learned_after_three_packets_in_sequence() {
        let mut source = Source::new(addr(HOME), at(0));
        assert_eq!(sends(&mut source, NAT, 0, 4), [false, false, true, true]);
        assert_eq!(source.destination(), Some(addr(NAT)));
        assert_eq!(sends(&mut source, STRANGER, 100, 50), [false; 50]);
        assert_eq!(source.destination(), Some(addr(NAT)));
    }

    #[test]
    fn the_window_closes() {
        let mut source = Source::new(addr(HOME), at(0));
        assert_eq!(sends(&mut source, NAT, 5_001, 10), [false; 10]);
        source.resignal(addr(HOME), true, at(6_000));
        assert_eq!(sends(&mut source, NAT, 6_000, 3), [false, false, true]);
    }

    #[test]
    fn a_stranger_in_the_window_gives_way_to_the_signalled_address() {
        let mut source = Source::new(addr(HOME), at(0));
        sends(&mut source, STRANGER, 0, 5);
        let known = |at_ms| Some(Known { ssrc: 1, sequence: 14, at: at(at_ms) });
        let real = |source: &mut Source, i: u64, known| {
            source.admit(addr(HOME), (7, i as u16), known, at(100 + 20 * i))
        };
        assert!(!real(&mut source, 0, known(90)) && !real(&mut source, 1, known(110)));
        assert_eq!(source.destination(), Some(addr(STRANGER)));
        assert!(real(&mut source, 2, known(130)));
        assert_eq!(source.destination(), Some(addr(HOME)));
        assert_eq!(sends(&mut source, STRANGER, 200, 5), [false; 5]);
    }

    #[test]
    fn the_signalled_address_is_taken_at_once_where_the_other_is_silent() {
        let mut source = Source::new(addr(HOME), at(0));
        sends(&mut source, NAT, 0, 3);
        let known = Some(Known { ssrc: 1, sequence: 12, at: at(40) });
        assert!(source.admit(addr(HOME), (7, 1), known, at(1_100)));
        assert_eq!(source.destination(), Some(addr(HOME)));
    }

    #[test]
    fn one_forged_packet_moves_nothing() {
        let mut source = Source::new(addr(HOME), at(0));
        sends(&mut source, NAT, 0, 3);
        for i in 0..200_u16 {
            let known = Some(Known { ssrc: 1, sequence: 12 + i, at: at(40 + u64::from(i) * 20) });
            // Once a second, the right stream's next packet from the right, but forged, address.
            if i % 50 == 0 {
                assert!(!source.admit(addr(HOME), (1, 13 + i), known, at(50 + u64::from(i) * 20)));
            }
            assert_eq!(source.destination(), Some(addr(NAT)));
        }
    }

    #[test]
    fn the_last_call_of_the_same_gateway_does_not_bleed_into_this_one() {
        let mut source = Source::new(addr(PUBLIC), at(0));
        // Two late packets of its other port, and then the right one speaks.
        assert_eq!(sends(&mut source, "198.51.100.7:4444", 0, 2), [false; 2]);
        assert_eq!(sends(&mut source, PUBLIC, 30, 1), [true]);
        assert_eq!(sends(&mut source, "198.51.100.7:4444", 40, 20), [false; 20]);
        assert_eq!(source.destination(), Some(addr(PUBLIC)));
    }

    /// What an attacker sends: from where (never the phone's address), which of the stream's numbers it has guessed.
    fn attacks() -> impl Strategy<Value = Vec<(SocketAddr, bool, i16)>> {
        let port = prop_oneof![Just(4_000_u16), Just(40_000), any::<u16>()];
        let host =
            prop::sample::select(vec!["203.0.113.66", "192.168.1.6", "::1", "203.0.113.10", "10.0.0.1"]);
        let one = (host, port, any::<bool>(), -3..300_i16);
        prop::collection::vec(
            one.prop_map(|(host, port, ssrc, ahead)| {
                (SocketAddr::new(host.parse().unwrap(), port), ssrc, ahead)
            }),
            0..200,
        )
    }

    proptest! {
        /// Strangers know when packets go, and even the stream's SSRC and sequence: while the phone speaks, and for a
        /// public one always, none of theirs gets in or moves anything, re-INVITEs or not.
        #[test]
        fn no_stranger_enters_or_moves_a_stream(public: bool, attacks in attacks(), resignals in 0..3_u16) {
            let (signalled, phone) = if public { (PUBLIC, PUBLIC) } else { (HOME, NAT) };
            let mut source = Source::new(addr(signalled), at(0));
            let (mut known, mut attacks) = (None, attacks.into_iter());
            for i in 0..60_u16 {
                let now = at(u64::from(i) * 20);
                let admitted = source.admit(addr(phone), (1, 100 + i), known, now);
                prop_assert_eq!(admitted, public || i >= 2);
                if admitted {
                    known = Some(Known { ssrc: 1, sequence: 100 + i, at: now });
                }
                if i > 0 && i % 20 < resignals {
                    source.resignal(addr(signalled), true, now);
                }
                if admitted {
                    for (from, ssrc, ahead) in attacks.by_ref().take(4) {
                        let numbers = (if ssrc { 1 } else { 9 }, (100 + i).wrapping_add_signed(ahead));
                        prop_assert!(!source.admit(from, numbers, known, at(u64::from(i) * 20 + 7)));
                        prop_assert_eq!(source.destination(), Some(addr(phone)));
                    }
                }
            }
            // The phone falls silent: who does not know its stream stays out, and who is public is not replaced.
            for (n, (from, ssrc, ahead)) in attacks.enumerate() {
                let guessed = ssrc && (1..REBIND_SPAN as i16).contains(&ahead);
                if !guessed {
                    let numbers = (if ssrc { 1 } else { 9 }, 159_u16.wrapping_add_signed(ahead.min(0)));
                    prop_assert!(!source.admit(from, numbers, known, at(60_000 + n as u64)));
                    prop_assert_eq!(source.destination(), Some(addr(phone)));
                }
            }
        }
    }

    #[test]
    fn one_stray_packet_does_not_keep_the_phone_out() {
        let mut source = Source::new(addr(HOME), at(0));
        sends(&mut source, STRANGER, 0, 1);
        assert_eq!(sends(&mut source, NAT, 190, 5), [false, false, false, true, true]);
    }

    #[test]
    fn the_same_stream_may_move_after_a_silence() {
        let mut source = Source::new(addr(HOME), at(0));
        sends(&mut source, NAT, 0, 3);
        let known = Some(Known { ssrc: 1, sequence: 12, at: at(40) });
        let moved = addr("203.0.113.9:40001");
        assert!(!source.admit(moved, (1, 13), known, at(60)), "not while it speaks");
        assert!(!source.admit(moved, (2, 13), known, at(2_000)), "not another stream");
        assert!(!source.admit(moved, (1, 12), known, at(2_000)), "not a replay");
        assert!(source.admit(moved, (1, 100), known, at(2_000)));
        assert_eq!(source.destination(), Some(moved));
    }

    #[test]
    fn a_phone_that_resumes_from_hold_may_have_a_new_mapping() {
        let mut source = Source::new(addr(HOME), at(0));
        sends(&mut source, NAT, 0, 3);
        let known = Some(Known { ssrc: 1, sequence: 12, at: at(40) });
        let moved = addr("203.0.113.9:40001");
        let tries = |source: &mut Source, start| {
            [0, 1, 2].map(|i| source.admit(moved, (9, 500 + i), known, at(start + 20 * u64::from(i))))
        };
        source.resignal(addr(HOME), false, at(10_000));
        assert_eq!(tries(&mut source, 12_000), [false; 3], "held: nobody is to speak");
        source.resignal(addr(HOME), true, at(60_000));
        assert_eq!(source.destination(), Some(addr(NAT)));
        assert_eq!(tries(&mut source, 60_100), [false, false, true]);
        assert_eq!(sends(&mut source, STRANGER, 60_200, 5), [false; 5], "and the window is closed");
    }

    #[test]
    fn a_re_invite_opens_nothing_while_the_stream_flows() {
        let mut source = Source::new(addr(HOME), at(0));
        sends(&mut source, NAT, 0, 3);
        source.resignal(addr(HOME), true, at(100));
        let known = Some(Known { ssrc: 7, sequence: 12, at: at(150) });
        for i in 0..20 {
            assert!(!source.admit(addr(STRANGER), (1, i), known, at(200 + u64::from(i) * 20)));
        }
    }

    #[test]
    fn hold_moves_nothing_and_a_new_address_does() {
        let mut source = Source::new(addr(PUBLIC), at(0));
        sends(&mut source, PUBLIC, 0, 1);
        source.resignal(addr("0.0.0.0:4000"), false, at(100));
        assert_eq!(source.destination(), Some(addr(PUBLIC)));
        source.resignal(addr("198.51.100.8:5000"), true, at(200));
        assert_eq!(source.destination(), Some(addr("198.51.100.8:5000")));
        assert_eq!(sends(&mut source, PUBLIC, 220, 3), [false; 3]);
    }
}
