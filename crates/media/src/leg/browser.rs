//! A leg that a browser is on: ICE says where it is, DTLS brings the keys, and until then nothing is heard or said.

use std::net::SocketAddr;

use havre_model::Mono;
use rand_chacha::rand_core::Rng;

use super::Leg;
use crate::ice::Agent;
use crate::outbox::Outbox;
use crate::sdp::{BrowserFar, Setup};
use crate::srtp::Pair;
use crate::{Counters, Handshake, IceLocal};

/// What other legs lack.
#[derive(Debug)]
pub(crate) struct Browser {
    agent: Agent,
    /// Whether a handshake was asked for.
    begun: bool,
}

impl Browser {
    pub(crate) fn new(ice: IceLocal, now: Mono) -> Self {
        Self { agent: Agent::new(ice, now), begun: false }
    }
}

impl Leg {
    /// What a browser has to know.
    pub(crate) fn ice(&self) -> Option<&IceLocal> {
        self.browser.as_ref().map(|browser| browser.agent.local())
    }

    pub(crate) fn agent(&mut self) -> Option<&mut Agent> {
        self.browser.as_mut().map(|browser| &mut browser.agent)
    }

    /// Whether somebody waits for its DTLS.
    pub(crate) fn shakes_hands(&self) -> bool {
        self.browser.as_ref().is_some_and(|browser| browser.begun)
    }

    /// Who the browser is, by SDP.
    pub(crate) fn far(&self) -> Option<&BrowserFar> {
        self.wire.as_ref()?.agreed.browser.as_deref()
    }

    /// SDP told who the browser is, first or again; `gone` is told the addresses that are another's. A browser that shows
    /// another certificate, or changes its part, begins a handshake anew (RFC 8842 §5.1), and is not heard before it ends.
    pub(crate) fn expect(
        &mut self,
        before: Option<&BrowserFar>,
        gone: impl FnMut(SocketAddr),
        outbox: &mut Outbox,
    ) {
        let (Some(browser), Some(wire)) = (&mut self.browser, &mut self.wire) else { return };
        let Some(far) = &wire.agreed.browser else { return };
        let same = before.is_some_and(|b| (b.fingerprint, b.setup) == (far.fingerprint, far.setup));
        browser.agent.expect(&far.ufrag, same, gone);
        if !same {
            wire.secure = None;
            self.end_handshake(outbox);
        }
    }

    /// Where the browser is may have changed: its packets go there, and a handshake begins if none has.
    pub(crate) fn on_path(&mut self, counters: &mut Counters, outbox: &mut Outbox) {
        let (Some(browser), Some(wire)) = (&mut self.browser, &mut self.wire) else { return };
        let to = browser.agent.chosen();
        counters.ice_moves += u64::from(wire.source.point_to(to));
        if let Some(far) = wire.agreed.browser.as_ref().filter(|_| to.is_some() && !browser.begun) {
            browser.begun = true;
            let client = far.setup == Setup::Passive;
            outbox.handshake(self.id, Handshake::Begin { fingerprint: far.fingerprint, client });
        }
    }

    /// Consents end; `gone` is told the addresses from which nobody has checked for long.
    pub(crate) fn watch_path(
        &mut self,
        gone: impl FnMut(SocketAddr),
        now: Mono,
        counters: &mut Counters,
        outbox: &mut Outbox,
    ) {
        let Some(browser) = &mut self.browser else { return };
        let before = browser.agent.chosen();
        browser.agent.tick(now, gone);
        let chosen = browser.agent.chosen();
        if before == chosen {
            return;
        }
        if let (None, Some(wire)) = (chosen, &mut self.wire) {
            counters.ice_lost += 1;
            if let Some(event) = wire.watch.on_no_consent(self.id, now) {
                outbox.event(event);
            }
        }
        self.on_path(counters, outbox);
    }

    /// A datagram of our side of the handshake.
    pub(crate) fn send_handshake(&self, bytes: &[u8], outbox: &mut Outbox) {
        let to = self.browser.as_ref().filter(|browser| browser.begun).and_then(|b| b.agent.chosen());
        if let Some(to) = to {
            outbox.packet(self.id, crate::Channel::Rtp, to, bytes.len()).copy_from_slice(bytes);
        }
    }

    /// The handshake ended well.
    pub(crate) fn take_keys(&mut self, keys: Box<Pair>, rng: &mut impl Rng, now: Mono) {
        let (Some(browser), Some(wire)) = (&self.browser, &mut self.wire) else { return };
        if browser.begun {
            wire.secure(Some(keys), rng, now);
        }
    }

    /// The leg is over.
    pub(crate) fn end_handshake(&mut self, outbox: &mut Outbox) {
        if self.browser.as_mut().is_some_and(|browser| std::mem::take(&mut browser.begun)) {
            outbox.handshake(self.id, Handshake::End);
        }
    }
}
