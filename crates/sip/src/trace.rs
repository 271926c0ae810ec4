//! What passed, for whoever has to find out why a call did not: counted by kind, and, of INVITEs and their dialogs,
//! remembered. Identities never get here: a dialog is known by a keyed hash of its `Call-ID`, a party by its name in
//! the configuration.

mod seen;
mod traffic;

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use havre_model::{Attempt, CallId, Ladder, LegId, Now, Passed, Peer, Said, limits};

use crate::Method;
use crate::endpoint::Transport;
use crate::wire::method_name;
pub(crate) use seen::Seen;
use traffic::Counts;

/// Of a dialog that is longer than its share, so many of the first messages are kept: they set it up.
const KEPT_FIRST: usize = 24;
/// Legs that have begun and are not yet said to be of a call.
const MAX_FRESH: usize = 64;

/// See the module's page.
#[derive(Default)]
pub(crate) struct Trace {
    hashing: RandomState,
    pub(crate) counts: Counts,
    dialogs: HashMap<Key, Dialog>,
    /// Dialogs of each call, the caller's first.
    calls: HashMap<CallId, Vec<Key>>,
    /// The oldest first.
    order: VecDeque<CallId>,
    /// Dialogs of no call, the oldest first.
    attempts: VecDeque<Key>,
    /// The latest last.
    fresh: VecDeque<(LegId, Key)>,
    messages: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key(u64);

/// The messages of one `Call-ID`.
struct Dialog {
    began: Now,
    peer: Peer,
    /// Whose it is.
    call: Option<CallId>,
    notes: VecDeque<Note>,
    left_out: u64,
}

/// One message, as small as it can be.
#[derive(Clone, Copy)]
struct Note {
    /// Milliseconds since the dialog began.
    after: u32,
    seq: u32,
    /// Of the `To` tag: tells forks apart.
    tag: u32,
    /// 0 for a request.
    status: u16,
    cause: u16,
    method: Method,
    transport: Transport,
    sent: bool,
    again: bool,
    described: bool,
}

impl Trace {
    /// A message passed.
    pub(crate) fn pass(&mut self, sent: bool, transport: Transport, seen: &Seen<'_>, now: Now) {
        self.counts.add(sent, transport, seen.method, seen.status);
        let key = self.key(seen.call_id);
        if !self.dialogs.contains_key(&key) {
            if seen.method != Method::Invite || seen.status.is_some() {
                return;
            }
            self.begin(key, now);
        }
        let Some(dialog) = self.dialogs.get_mut(&key) else { return };
        let tag = seen.tag.map_or(0, |tag| self.hashing.hash_one(tag) as u32);
        if dialog.add(sent, transport, seen, tag, now) {
            self.messages += 1;
            if self.messages > limits::MAX_TRACED_IN_ALL {
                self.forget_oldest_call();
            }
        }
    }

    /// The dialog of `call_id` is this leg's, and `peer` its far end.
    pub(crate) fn assign(&mut self, call_id: &str, leg: LegId, peer: Peer) {
        self.name(call_id, peer);
        if self.fresh.len() >= MAX_FRESH {
            self.fresh.pop_front();
        }
        self.fresh.push_back((leg, self.key(call_id)));
    }

    /// The far end of `call_id` is known.
    pub(crate) fn name(&mut self, call_id: &str, peer: Peer) {
        let key = self.key(call_id);
        if let Some(dialog) = self.dialogs.get_mut(&key) {
            dialog.peer = peer;
        }
    }

    /// The leg, which has just begun, is of this call.
    pub(crate) fn belongs(&mut self, leg: LegId, call: CallId) {
        let keys: Vec<Key> = self.fresh.iter().filter(|(of, _)| *of == leg).map(|(_, key)| *key).collect();
        self.fresh.retain(|(of, _)| *of != leg);
        for key in keys {
            self.adopt(key, call);
        }
    }

    /// The dialog of `call_id` follows that of `former`, which came to nothing, in the same call.
    pub(crate) fn follow(&mut self, call_id: &str, former: &str) {
        if let Some(call) = self.dialogs.get(&self.key(former)).and_then(|dialog| dialog.call) {
            self.adopt(self.key(call_id), call);
        }
    }

    /// What passed in a call; `None` if it is not, or no longer, known.
    pub(crate) fn ladder(&self, call: CallId) -> Option<Ladder> {
        let keys = self.calls.get(&call)?;
        let dialogs: Vec<&Dialog> = keys.iter().filter_map(|key| self.dialogs.get(key)).collect();
        Some(ladder(&dialogs))
    }

    /// INVITEs that became no call, the oldest first.
    pub(crate) fn attempts(&self) -> Vec<Attempt> {
        let known = self.attempts.iter().filter_map(|key| self.dialogs.get(key));
        known
            .map(|dialog| Attempt {
                at: dialog.began.unix,
                peer: dialog.peer.clone(),
                status: dialog.outcome(),
                ladder: ladder(&[dialog]),
            })
            .collect()
    }

    fn key(&self, call_id: &str) -> Key {
        Key(self.hashing.hash_one(call_id))
    }

    /// Nobody's call, until a leg says whose.
    fn begin(&mut self, key: Key, now: Now) {
        if self.attempts.len() >= limits::MAX_TRACED_ATTEMPTS
            && let Some(oldest) = self.attempts.pop_front()
        {
            self.forget(oldest);
        }
        self.attempts.push_back(key);
        let notes = VecDeque::with_capacity(8);
        let dialog = Dialog { began: now, peer: Peer::Unknown, call: None, notes, left_out: 0 };
        self.dialogs.insert(key, dialog);
    }

    fn adopt(&mut self, key: Key, call: CallId) {
        let Some(dialog) = self.dialogs.get_mut(&key).filter(|dialog| dialog.call.is_none()) else { return };
        dialog.call = Some(call);
        // Among the latest: it has just begun.
        if let Some(at) = self.attempts.iter().rposition(|known| *known == key) {
            self.attempts.remove(at);
        }
        if !self.calls.contains_key(&call) {
            if self.order.len() >= limits::MAX_TRACED_CALLS {
                self.forget_oldest_call();
            }
            self.order.push_back(call);
        }
        let keys = self.calls.entry(call).or_default();
        keys.push(key);
        if keys.len() > limits::MAX_TRACED_DIALOGS {
            let spare = keys.remove(limits::MAX_TRACED_DIALOGS / 2);
            self.forget(spare);
        }
    }

    fn forget_oldest_call(&mut self) {
        let Some(call) = self.order.pop_front() else { return };
        for key in self.calls.remove(&call).into_iter().flatten() {
            self.forget(key);
        }
    }

    fn forget(&mut self, key: Key) {
        if let Some(dialog) = self.dialogs.remove(&key) {
            self.messages -= dialog.notes.len();
        }
    }
}

impl Dialog {
    /// Whether there is one note more than before.
    fn add(&mut self, sent: bool, transport: Transport, seen: &Seen<'_>, tag: u32, now: Now) -> bool {
        let after = now.mono.since(self.began.mono).as_millis();
        let mut note = Note {
            after: u32::try_from(after).unwrap_or(u32::MAX),
            seq: seen.seq,
            tag,
            status: seen.status.unwrap_or(0),
            cause: seen.cause.unwrap_or(0),
            method: seen.method,
            transport,
            sent,
            again: false,
            described: seen.described,
        };
        note.again = self.notes.iter().any(|known| known.is_same(&note));
        let full = self.notes.len() >= limits::MAX_TRACED_MESSAGES;
        if full {
            self.notes.remove(KEPT_FIRST);
            self.left_out += 1;
        }
        self.notes.push_back(note);
        !full
    }

    /// The last final answer to an INVITE that the far end or we began.
    fn outcome(&self) -> Option<u16> {
        let finals = self.notes.iter().rev().filter(|note| note.method == Method::Invite);
        finals.map(|note| note.status).find(|status| *status >= 200)
    }
}

impl Note {
    fn is_same(&self, other: &Self) -> bool {
        let what = |note: &Self| (note.sent, note.method, note.seq, note.status, note.tag);
        what(self) == what(other)
    }
}

fn ladder(dialogs: &[&Dialog]) -> Ladder {
    let Some(first) = dialogs.iter().map(|dialog| dialog.began).min_by_key(|began| began.mono) else {
        return Ladder::default();
    };
    let mut messages = Vec::new();
    for (at, dialog) in dialogs.iter().enumerate() {
        let before = dialog.began.mono.since(first.mono);
        messages.extend(dialog.notes.iter().map(|note| {
            let since = Duration::from_millis(u64::from(note.after));
            let name = method_name(note.method);
            Passed {
                at: dialog.began.unix + since,
                after: before + since,
                peer: dialog.peer.clone(),
                dialog: at,
                sent: note.sent,
                transport: note.transport.as_str(),
                said: match note.status {
                    0 => Said::Request(name),
                    status => Said::Response { status, to: name },
                },
                seq: note.seq,
                again: note.again,
                described: note.described,
                cause: Some(note.cause).filter(|cause| *cause > 0),
            }
        }));
    }
    // Stable: what passed in one millisecond stays in the order of its dialog.
    messages.sort_by_key(|passed| passed.after);
    Ladder { messages, left_out: dialogs.iter().map(|dialog| dialog.left_out).sum() }
}

#[cfg(test)]
mod tests;
