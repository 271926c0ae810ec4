//! A leg whose packets are SRTP (RFC 3711). Whatever does not verify ends here: no address is learned from it, no
//! statistic counts it, no key is heard in it.

use std::net::SocketAddr;
use std::time::Duration;

use havre_model::{LegId, Mono};
use rand_chacha::rand_core::Rng;

use super::{Leg, Wire};
use crate::outbox::Outbox;
use crate::rtp::{HEADER, Packet};
use crate::srtp::{Error, Pair, Receiver, Sender, Suite};
use crate::{Channel, Counters};

/// For how long packets that were protected with the key before may come: more than any network delays them, and than
/// a far side takes to read our SDP.
const GRACE: Duration = Duration::from_secs(5);

/// Both directions of a leg.
#[derive(Debug)]
pub(super) struct Secure {
    sender: Sender,
    receiver: Receiver,
    /// What opened packets before, and until when it still does.
    old: Option<(Box<Receiver>, Mono)>,
}

impl Secure {
    fn new(keys: Pair) -> Self {
        Self { sender: Sender::new(keys.send), receiver: Receiver::new(keys.receive), old: None }
    }

    /// The length of what a packet protects, which is written to `room`.
    fn unprotect(&mut self, rtcp: bool, bytes: &[u8], room: &mut [u8], now: Mono) -> Result<usize, Error> {
        let mut open = |receiver: &mut Receiver| {
            let packet =
                if rtcp { receiver.unprotect_rtcp(bytes, room) } else { receiver.unprotect_rtp(bytes, room) };
            packet.map(<[u8]>::len)
        };
        let outcome = open(&mut self.receiver);
        match (&outcome, &mut self.old) {
            (Err(Error::NotAuthentic), Some((old, until))) if now < *until => open(old),
            _ => outcome,
        }
    }
}

impl Leg {
    /// Whether its packets have to be opened first.
    pub(crate) fn is_secure(&self) -> bool {
        self.wire.as_ref().is_some_and(|wire| wire.guarded || wire.secure.is_some())
    }

    /// The packet that a datagram protects, written to `room`; `None` if it protects none, or none that is new. A leg
    /// without keys takes datagrams as they are.
    pub(crate) fn unprotect<'a>(
        &mut self,
        rtcp: bool,
        bytes: &'a [u8],
        room: &'a mut [u8],
        now: Mono,
        counters: &mut Counters,
    ) -> Option<&'a [u8]> {
        let Some(wire) = &mut self.wire else { return Some(bytes) };
        let Some(secure) = &mut wire.secure else {
            counters.dropped_not_keyed += u64::from(wire.guarded);
            return (!wire.guarded).then_some(bytes);
        };
        match secure.unprotect(rtcp, bytes, room, now) {
            Ok(length) => return room.get(..length),
            Err(Error::Replayed) => counters.replayed_srtp += 1,
            Err(_) => counters.bad_srtp += 1,
        }
        None
    }
}

impl Wire {
    /// What was agreed, first or again. The same keys go on where they are (a re-INVITE repeats them, as a rule); a
    /// direction with a new one begins anew, and for a while takes the old one's packets too.
    pub(super) fn secure(&mut self, keys: Option<Box<Pair>>, rng: &mut impl Rng, now: Mono) {
        let Some(keys) = keys else {
            self.secure = None;
            return;
        };
        let Some(secure) = &mut self.secure else {
            self.secure = Some(Box::new(Secure::new(*keys)));
            return;
        };
        if *secure.receiver.keys() != keys.receive {
            secure.old = Some((Box::new(secure.receiver.rekey(keys.receive)), now + GRACE));
        }
        if *secure.sender.keys() != keys.send {
            if secure.sender.rolled_over(self.outgoing.ssrc()) {
                self.outgoing.rename(rng.next_u32());
            }
            secure.sender = Sender::new(keys.send);
        }
    }

    /// What our packets are protected with, if they are.
    pub(super) fn suite(&self) -> Option<Suite> {
        self.secure.as_ref().map(|secure| secure.sender.keys().suite())
    }

    /// Sends an RTP packet: every one of this leg's goes through here.
    pub(super) fn send(
        &mut self,
        leg: LegId,
        to: SocketAddr,
        header: &Packet<'_>,
        payload: &[u8],
        outbox: &mut Outbox,
    ) {
        if self.is_locked() {
            return;
        }
        self.outgoing.count_octets(payload.len());
        let Some(secure) = &mut self.secure else {
            outbox.rtp(leg, to, header, payload.len()).copy_from_slice(payload);
            return;
        };
        let length = HEADER + payload.len();
        let room = length + secure.sender.keys().suite().rtp_overhead();
        let packet = outbox.packet(leg, Channel::Rtp, to, room);
        packet[..HEADER].copy_from_slice(&header.header());
        packet[HEADER..length].copy_from_slice(payload);
        if secure.sender.protect_rtp(packet).is_err() {
            outbox.take_back();
        }
    }

    /// Sends an RTCP packet.
    pub(super) fn send_report(
        &mut self,
        leg: LegId,
        channel: Channel,
        to: SocketAddr,
        report: &[u8],
        outbox: &mut Outbox,
    ) {
        if self.is_locked() {
            return;
        }
        let overhead = self.secure.as_ref().map_or(0, |secure| secure.sender.keys().suite().rtcp_overhead());
        let packet = outbox.packet(leg, channel, to, report.len() + overhead);
        packet[..report.len()].copy_from_slice(report);
        if self.secure.as_mut().is_some_and(|secure| secure.sender.protect_rtcp(packet).is_err()) {
            outbox.take_back();
        }
    }
}
