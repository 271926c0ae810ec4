//! Refusing a trunk's new calls at a glance, while there is more to do than can be done and no place to wait in: what is
//! saved is for the calls that are let in.
//!
//! The answer is, byte for byte, that of the long way ([`super::invite`]). Two things the long way does are left out: what
//! else may be wrong with the INVITE is not looked at, and nothing but the counters remembers it.

use bytes::Bytes;

use super::{Endpoint, Output, Path};
use crate::Method;
use crate::config::Overload;
use crate::wire::{Glimpse, reason_phrase};

impl Endpoint {
    /// Whether some new calls cannot even wait.
    pub(super) fn is_refusing(&self) -> bool {
        self.admission.is_loaded() || !self.has_room()
    }

    /// Whether this datagram was dealt with here: an INVITE of a trunk that there is no place for, or the ACK of a refusal.
    pub(super) fn shed(&mut self, path: Path, bytes: &[u8]) -> bool {
        // Advocates do not wait, wherever their phones are.
        if !self.stack.config.is_trunks(path.remote.ip()) || self.registrar.is_source(path) {
            return false;
        }
        let Some(glimpse) = Glimpse::of(bytes) else { return false };
        let Some(key) = self.stack.invite_key(&glimpse.via) else { return false };
        if self.stack.knows(key) || self.admission.has(key) {
            return false;
        }
        match glimpse.method {
            // No dialog has such a tag.
            Method::Ack if is_stateless(glimpse.to) => self.stack.counters.stray_acks += 1,
            Method::Invite if !self.has_room() || self.admission.is_closed() => {
                self.turn_away_unread(path, &glimpse);
            }
            _ => return false,
        }
        self.stack.counters.received += 1;
        self.stack.trace.counts.add(false, path.transport, glimpse.method, None);
        true
    }

    fn turn_away_unread(&mut self, path: Path, glimpse: &Glimpse<'_>) {
        let stack = &mut self.stack;
        let overload = stack.config.overload(path.remote.ip());
        let status = if overload == Overload::ServerError { 500 } else { 503 };
        let stamped = glimpse.via.stamped(path.remote);
        let via = stamped.to_string();
        let Glimpse { from, to, call_id, cseq, .. } = glimpse;
        let tag = stack.tag_for([&via, call_id, from, cseq]);
        let mut answer = String::with_capacity(512);
        let mut line = |parts: [&str; 3]| answer.extend(parts.into_iter().chain(["\r\n"]));
        line(["SIP/2.0 ", &format!("{status} "), reason_phrase(status)]);
        line(["Via: ", &via, ""]);
        for more in &glimpse.more_vias {
            line(["Via: ", more, ""]);
        }
        line(["From: ", from, ""]);
        line(["To: ", to, &format!(";tag={tag}")]);
        line(["Call-ID: ", call_id, ""]);
        line(["CSeq: ", cseq, ""]);
        if overload == Overload::RetryAfter {
            line(["Retry-After: ", &stack.random_between(1, 3).to_string(), ""]);
        }
        line(["Content-Length: 0", "\r\n", ""]);
        let remote = stamped.reply_to().unwrap_or(path.remote);
        stack.counters.overload_refusals += 1;
        stack.counters.glances += 1;
        stack.counters.sent += 1;
        stack.trace.counts.add(true, path.transport, glimpse.method, Some(status));
        stack.put(Output::Transmit { path: Path { remote, ..path }, bytes: Bytes::from(answer) });
    }
}

/// Whether a `To` ends in a tag of ours that stands for no state.
fn is_stateless(to: &str) -> bool {
    let tag = to.rsplit_once(";tag=x").map(|(_, rest)| rest);
    tag.is_some_and(|tag| tag.len() == 16 && tag.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
