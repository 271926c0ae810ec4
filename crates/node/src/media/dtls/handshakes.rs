//! The DTLS handshakes of all browser legs, as one machine: datagrams in, datagrams and keys out.
//!
//! `rtc-dtls` speaks; this says when, for whom, and for how long. A datagram gets here only from an address that ICE has
//! found to be the leg's. What makes no sense is passed over (RFC 6347 §4.1.2.7), not held against the handshake. A flight
//! that nobody answers goes out again as it was: what has arrived of it is a duplicate there, and the rest is new.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use havre_media::sdp::Fingerprint;
use havre_media::srtp::{Keys, Pair, Suite};
use havre_model::LegId;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_dtls::state::State;

use super::identity::{Identity, fingerprint};

/// Handshakes under way at once: at half a millisecond each, the last has to wait for a tenth of a second.
pub(super) const MAX_HANDSHAKES: usize = 256;
/// Datagrams of one leg in a row, and how soon there may be one more. A handshake has four of the browser's, and as many again
/// wherever some are lost; this bounds what the fragments of a bad one can hold, too.
const DATAGRAMS: u32 = 100;
const DATAGRAM_EVERY: Duration = Duration::from_millis(200);
/// How soon a flight goes out again that was not answered, and how long that doubles. RFC 6347 §4.2.4.1 begins with a second,
/// which a caller hears.
const REPEAT_FIRST: Duration = Duration::from_millis(400);
const REPEAT_LAST: Duration = Duration::from_millis(3_200);
/// A handshake that takes longer is given up; another may begin.
const PATIENCE: Duration = Duration::from_secs(30);
/// How soon a leg is looked at again whose turn it is to begin, while too many are under way.
const RETRY: Duration = Duration::from_millis(100);
/// How often we begin. Whoever does not answer then is not there.
const ATTEMPTS: u8 = 5;
/// What the keys are called (RFC 5764 §4.2).
const LABEL: &str = "EXTRACTOR-dtls_srtp";
/// `rtc-dtls` tells its peers apart by their addresses; here each has an endpoint of its own, and ICE knows where it is.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
/// Of a DTLS record: the content type of handshakes, where the type of the first message stands, and that of a ClientHello.
const HANDSHAKE: u8 = 22;
const MESSAGE_TYPE: usize = 13;
const CLIENT_HELLO: u8 = 1;

/// A leg, and the shard that it lives on.
pub(super) type Key = (usize, LegId);

/// What the machine wants done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// Send this to the leg's browser.
    Send(Box<[u8]>),
    /// The handshake ended well.
    Keys(Box<Pair>),
    /// The browser said goodbye.
    Gone,
}

/// What became of handshakes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) done: u64,
    /// Nobody answered any more, or nothing was agreed.
    pub(super) failed: u64,
    /// Somebody showed another certificate than SDP named.
    pub(super) wrong_certificate: u64,
    /// Datagrams that were one too many.
    pub(super) refused: u64,
    /// Datagrams that made no sense.
    pub(super) errors: u64,
}

/// All handshakes, and what came of them.
pub(super) struct Handshakes {
    identity: Identity,
    entries: HashMap<Key, Entry>,
    /// Those under way.
    shaking: BTreeSet<Key>,
    /// Those that we are to begin, as soon as there is room, and when to look.
    eager: VecDeque<Key>,
    retry_at: Option<Instant>,
    outputs: VecDeque<(Key, Output)>,
    tally: Tally,
}

struct Entry {
    fingerprint: Fingerprint,
    client: bool,
    stage: Stage,
    attempts: u8,
    datagrams: u32,
    counted: Instant,
}

enum Stage {
    /// Nobody has begun.
    Waiting,
    Shaking(Box<Shaking>),
    /// Our last flight may have to be repeated, and a goodbye may come.
    Done(Box<Endpoint>),
    /// It was somebody else.
    Refused,
}

/// A handshake under way.
struct Shaking {
    endpoint: Endpoint,
    until: Instant,
    /// What we said last, and when to say it again.
    flight: Vec<Box<[u8]>>,
    repeat_at: Instant,
    repeat_after: Duration,
}

impl Handshakes {
    pub(super) fn new(identity: Identity) -> Self {
        Self {
            identity,
            entries: HashMap::new(),
            shaking: BTreeSet::new(),
            eager: VecDeque::new(),
            retry_at: None,
            outputs: VecDeque::new(),
            tally: Tally::default(),
        }
    }

    /// A leg's browser is found, and may shake hands from now on; we begin if we are the `client`.
    pub(super) fn begin(&mut self, key: Key, fingerprint: Fingerprint, client: bool, now: Instant) {
        self.end(key);
        let stage = Stage::Waiting;
        let entry = Entry { fingerprint, client, stage, attempts: 0, datagrams: DATAGRAMS, counted: now };
        self.entries.insert(key, entry);
        if client {
            self.eager.push_back(key);
            self.begin_ours(now);
        }
    }

    /// A leg is over, or its browser another.
    pub(super) fn end(&mut self, key: Key) {
        self.entries.remove(&key);
        self.shaking.remove(&key);
        self.eager.retain(|other| *other != key);
    }

    /// A datagram of a leg's browser.
    pub(super) fn packet(&mut self, key: Key, bytes: &[u8], now: Instant) {
        let room = self.shaking.len() < MAX_HANDSHAKES;
        let Some(entry) = self.entries.get_mut(&key) else { return };
        if !entry.may_take(now) {
            self.tally.refused += 1;
            return;
        }
        let greets = bytes.first() == Some(&HANDSHAKE) && bytes.get(MESSAGE_TYPE) == Some(&CLIENT_HELLO);
        if matches!(entry.stage, Stage::Waiting) && !entry.client && greets {
            if !room {
                // It will say so again.
                self.tally.refused += 1;
                return;
            }
            entry.stage = Stage::Shaking(Box::new(Shaking::new(Some(&self.identity), now)));
            self.shaking.insert(key);
        }
        let outcome = match &mut entry.stage {
            Stage::Shaking(shaking) => {
                let outcome = shaking.endpoint.read(now, PEER, None, BytesMut::from(bytes));
                shaking.send_next(key, &mut self.outputs, now);
                outcome
            }
            Stage::Done(endpoint) => {
                let outcome = endpoint.read(now, PEER, None, BytesMut::from(bytes));
                while let Some(datagram) = endpoint.poll_transmit() {
                    self.outputs.push_back((key, Output::Send(datagram.message[..].into())));
                }
                outcome
            }
            Stage::Waiting | Stage::Refused => return,
        };
        let Ok(events) = outcome else {
            self.tally.errors += 1;
            return;
        };
        for event in events {
            match event {
                EndpointEvent::HandshakeComplete => self.on_complete(key),
                EndpointEvent::PeerClosed => self.on_closed(key),
                // Nobody here listens to data channels.
                _ => {}
            }
        }
    }

    /// Repeats what was not answered, and gives up what takes too long.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        let mut failed = Vec::new();
        for key in &self.shaking {
            let Some(Entry { stage: Stage::Shaking(shaking), .. }) = self.entries.get_mut(key) else {
                continue;
            };
            if shaking.until <= now {
                failed.push(*key);
            } else if shaking.repeat_at <= now {
                shaking.repeat(*key, &mut self.outputs, now);
            }
        }
        for key in failed {
            self.tally.failed += 1;
            self.wait(key);
        }
        self.begin_ours(now);
    }

    /// Ends all that are under way: one of them is not to be borne.
    pub(super) fn give_up(&mut self) {
        for key in std::mem::take(&mut self.shaking) {
            self.wait(key);
        }
    }

    /// When to call `handle_timeout` next.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let shaking = self.shaking.iter().filter_map(|key| match &self.entries.get(key)?.stage {
            Stage::Shaking(shaking) => Some(shaking.until.min(shaking.repeat_at)),
            _ => None,
        });
        shaking.chain(self.retry_at).min()
    }

    /// The next thing to do, until `None`.
    pub(super) fn poll_output(&mut self) -> Option<(Key, Output)> {
        self.outputs.pop_front()
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// Begins where it is ours to begin, as far as there is room.
    fn begin_ours(&mut self, now: Instant) {
        while self.shaking.len() < MAX_HANDSHAKES
            && let Some(key) = self.eager.pop_front()
        {
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            entry.attempts += 1;
            let mut shaking = Shaking::new(None, now);
            if shaking.endpoint.connect(now, PEER, self.identity.client.clone(), None).is_err() {
                self.tally.failed += 1;
                continue;
            }
            shaking.send_next(key, &mut self.outputs, now);
            entry.stage = Stage::Shaking(Box::new(shaking));
            self.shaking.insert(key);
        }
        self.retry_at = (!self.eager.is_empty()).then(|| now + RETRY);
    }

    /// Another handshake may begin.
    fn wait(&mut self, key: Key) {
        self.shaking.remove(&key);
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.stage = Stage::Waiting;
        if entry.client && entry.attempts < ATTEMPTS {
            self.eager.push_back(key);
        }
    }

    fn on_complete(&mut self, key: Key) {
        self.shaking.remove(&key);
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let endpoint = match std::mem::replace(&mut entry.stage, Stage::Refused) {
            Stage::Shaking(shaking) => shaking.endpoint,
            other => {
                entry.stage = other;
                return;
            }
        };
        let Some(state) = endpoint.get_connection_state(PEER) else { return };
        let shown = state.peer_certificates.first().map(|der| fingerprint(der));
        if shown != Some(entry.fingerprint) {
            self.tally.wrong_certificate += 1;
            return;
        }
        let Some(keys) = keys(state) else {
            self.tally.failed += 1;
            return;
        };
        self.tally.done += 1;
        entry.stage = Stage::Done(Box::new(endpoint));
        self.outputs.push_back((key, Output::Keys(Box::new(keys))));
    }

    fn on_closed(&mut self, key: Key) {
        let done = self.entries.get(&key).is_some_and(|entry| matches!(entry.stage, Stage::Done(_)));
        if done {
            self.outputs.push_back((key, Output::Gone));
        }
        self.wait(key);
    }
}

impl Entry {
    fn may_take(&mut self, now: Instant) -> bool {
        let more = now.saturating_duration_since(self.counted).as_millis() / DATAGRAM_EVERY.as_millis();
        if more > 0 {
            self.counted = now;
            let more = u32::try_from(more).unwrap_or(DATAGRAMS);
            self.datagrams = self.datagrams.saturating_add(more).min(DATAGRAMS);
        }
        let may = self.datagrams > 0;
        self.datagrams -= u32::from(may);
        may
    }
}

impl Shaking {
    /// A server's, if it has an identity.
    fn new(server: Option<&Identity>, now: Instant) -> Self {
        let config = server.map(|identity| identity.server.clone());
        Self {
            endpoint: Endpoint::new(PEER, Default::default(), config),
            until: now + PATIENCE,
            flight: Vec::new(),
            repeat_at: now + REPEAT_FIRST,
            repeat_after: REPEAT_FIRST,
        }
    }

    /// Sends the next flight, if it has come to that.
    fn send_next(&mut self, key: Key, outputs: &mut VecDeque<(Key, Output)>, now: Instant) {
        let mut flight = Vec::new();
        while let Some(datagram) = self.endpoint.poll_transmit() {
            flight.push(Box::from(&datagram.message[..]));
        }
        if !flight.is_empty() {
            (self.flight, self.repeat_after, self.repeat_at) = (flight, REPEAT_FIRST, now + REPEAT_FIRST);
            self.send(key, outputs);
        }
    }

    fn repeat(&mut self, key: Key, outputs: &mut VecDeque<(Key, Output)>, now: Instant) {
        self.repeat_after = (2 * self.repeat_after).min(REPEAT_LAST);
        self.repeat_at = now + self.repeat_after;
        self.send(key, outputs);
    }

    fn send(&self, key: Key, outputs: &mut VecDeque<(Key, Output)>) {
        outputs.extend(self.flight.iter().map(|datagram| (key, Output::Send(datagram.clone()))));
    }
}

/// The keys of both directions: the client's, the server's, and their salts in that order (RFC 5764 §4.2).
fn keys(state: &State) -> Option<Pair> {
    let suite = match state.srtp_protection_profile() {
        SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => Suite::AesCm128HmacSha1_80,
        SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => Suite::AeadAes128Gcm,
        SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm => Suite::AeadAes256Gcm,
        _ => return None,
    };
    let (key, salt) = (suite.key_length(), suite.salt_length());
    let secret = state.export_keying_material(LABEL, &[], 2 * (key + salt)).ok()?;
    let secret: &[u8] = secret.as_ref();
    let (keys, salts) = secret.split_at_checked(2 * key)?;
    let client = Keys::new(suite, &keys[..key], &salts[..salt])?;
    let server = Keys::new(suite, &keys[key..], &salts[salt..])?;
    let (send, receive) = if state.is_client() { (client, server) } else { (server, client) };
    Some(Pair { send, receive })
}

#[cfg(test)]
mod tests;
