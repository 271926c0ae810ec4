//! Refusing a trunk's new calls at a glance, while there is more to do than can be done and no place to wait in: what is
//! saved is for the calls that are let in.
//!
//! The answer is, byte for byte, that of the long way ([`super::invite`]). Two things the long way does are left out: what
//! else may be wrong with the INVITE is not looked at, and nothing but the counters remembers it.

use std::fmt::Write as _;

use bytes::Bytes;

use super::{Endpoint, Output, Path};
use crate::Method;
use crate::config::Overload;
use crate::wire::{Glimpse, Via, reason_phrase};

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
        if glimpse.method == Method::Ack {
            // Nothing has such a tag.
            if !is_stateless(glimpse.to) {
                return false;
            }
            self.stack.counters.stray_acks += 1;
        } else {
            if self.has_room() && !self.admission.is_closed() {
                return false;
            }
            let Some((hop, branch)) = Via::glimpse(glimpse.via) else { return false };
            let key = self.stack.invite_key(&hop, branch);
            if self.stack.knows(key)
                || self.admission.has(key)
                || !self.turn_away_unread(path, &glimpse, &hop)
            {
                return false;
            }
        }
        self.stack.counters.received += 1;
        self.stack.trace.counts.add(false, path.transport, glimpse.method, None);
        true
    }

    /// False if its `Via` is not sound.
    fn turn_away_unread(&mut self, path: Path, glimpse: &Glimpse<'_>, hop: &Via) -> bool {
        let stack = &mut self.stack;
        let mut via = String::with_capacity(glimpse.via.len() + 64);
        let Some(remote) = hop.stamp_text(glimpse.via, path.remote, &mut via) else { return false };
        let overload = stack.config.overload(path.remote.ip());
        let status = if overload == Overload::ServerError { 500 } else { 503 };
        let Glimpse { from, to, call_id, cseq, .. } = glimpse;
        let tag = stack.tag_for([&via, call_id, from, cseq]);
        let mut answer = String::with_capacity(1_024);
        // Writing into a string does not fail.
        let _ = write!(answer, "SIP/2.0 {status} {}\r\nVia: {via}\r\n", reason_phrase(status));
        glimpse.more_vias.iter().for_each(|more| answer.extend(["Via: ", more, "\r\n"]));
        answer.extend([
            "From: ",
            from,
            "\r\nTo: ",
            to,
            ";tag=",
            &tag,
            "\r\nCall-ID: ",
            call_id,
            "\r\nCSeq: ",
            cseq,
        ]);
        if overload == Overload::RetryAfter {
            let _ = write!(answer, "\r\nRetry-After: {}", stack.random_between(1, 3));
        }
        answer.push_str("\r\nContent-Length: 0\r\n\r\n");
        stack.counters.overload_refusals += 1;
        stack.counters.glances += 1;
        stack.counters.sent += 1;
        stack.trace.counts.add(true, path.transport, glimpse.method, Some(status));
        stack.put(Output::Transmit { path: Path { remote, ..path }, bytes: Bytes::from(answer) });
        true
    }
}

/// Whether a `To` ends in a tag of ours that stands for no state ([`crate::stack::Stack::tag_for`]).
fn is_stateless(to: &str) -> bool {
    let Some((rest, digits)) = to.as_bytes().split_last_chunk::<16>() else { return false };
    rest.ends_with(b";tag=x") && digits.iter().all(u8::is_ascii_hexdigit)
}
