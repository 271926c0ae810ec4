//! Messages from the network to what they belong to.

use std::net::SocketAddr;

use bytes::Bytes;
use havre_model::FlowId;

use super::replaces::is_misplaced;
use super::{Endpoint, Path};
use crate::Method;
use crate::dialog::{ALLOW, PRODUCT, SUPPORTED};
use crate::edge::is_unwelcome;
use crate::leg::options_answer;
use crate::stack::{Arrival, Inbound};
use crate::trace::Seen;
use crate::wire::{KEEP_ALIVE, Message, Name, ParseError, Request, Tokens, parse_datagram};

impl Endpoint {
    pub(super) fn on_datagram(&mut self, local: SocketAddr, source: SocketAddr, bytes: &[u8]) {
        let path = Path::udp(local, source);
        if self.admission.is_loaded() && self.is_too_much(path, bytes) {
            self.stack.counters.strangers_dropped += 1;
            return;
        }
        if self.is_refusing() && self.shed(path, bytes) {
            return;
        }
        self.on_message(path, parse_datagram(bytes));
    }

    /// Under load: whether a stranger asks for more than it may. Answers are those of whom we asked.
    fn is_too_much(&mut self, path: Path, bytes: &[u8]) -> bool {
        let known = self.stack.config.accept_anyone
            || bytes.starts_with(b"SIP/2.0 ")
            || self.stack.config.is_trunks(path.remote.ip())
            || self.registrar.is_source(path);
        !known && !self.strangers.admits(path.remote.ip(), self.stack.mono())
    }

    pub(super) fn on_stream(&mut self, flow: FlowId, bytes: &[u8]) {
        self.stack.on_stream(flow, bytes);
        // What a message makes us do may close the connection: then there is no next one.
        while let Some((path, message)) = self.stack.next_message(flow) {
            let fatal = message.as_ref().is_err_and(|error| error.fatal);
            self.on_message(path, message);
            if fatal {
                self.stack.drop_flow(flow);
            }
            self.settle();
        }
    }

    /// A WebSocket carries whole messages, and answers an older page's CRLF keep-alive (RFC 7118 §6 has no use for it).
    pub(super) fn on_web_message(&mut self, flow: FlowId, bytes: &[u8]) {
        let Some(path) = self.stack.on_web_message(flow) else { return };
        if bytes == b"\r\n\r\n" {
            self.stack.transmit(path, Bytes::from_static(b"\r\n"));
        }
        self.on_message(path, parse_datagram(bytes));
    }

    fn on_message(&mut self, path: Path, message: Result<Message, ParseError>) {
        if let Some(seen) = message.as_ref().ok().and_then(Seen::received) {
            self.stack.trace.pass(false, path.transport, &seen, self.stack.now);
        }
        match message {
            Ok(Message::Response(response)) => {
                self.stack.counters.received += 1;
                self.stack.on_response(response);
            }
            Ok(Message::Request(request)) => {
                self.stack.counters.received += 1;
                self.on_request(path, request);
            }
            Err(error) if error.why == KEEP_ALIVE => {}
            Err(error) => {
                self.stack.counters.malformed += 1;
                if let Some(reply) = error.reply {
                    self.stack.respond_to_junk(*reply, path);
                }
            }
        }
    }

    fn on_request(&mut self, path: Path, mut request: Request) {
        // Inside a dialog a request proves by its tag that it was welcome.
        let begins = request.headers.to().is_ok_and(|to| to.tag().is_none());
        if begins && is_unwelcome(&self.stack, &self.registrar, &request, path) {
            self.stack.counters.scanners_dropped += 1;
            return;
        }
        self.stack.on_alias(path, &request);
        request.headers.stamp_via(path.remote);
        match self.stack.on_request(request, path) {
            Arrival::Absorbed => {}
            Arrival::Ack(ack) => self.on_ack(&ack),
            Arrival::Cancel { cancel, matched, leg, invite } => {
                let waiting = self.admission.cancel(invite);
                let matched = matched || waiting.is_some();
                if let Some(mut waiting) = waiting {
                    // With state, or a repetition on its way would be a new call of somebody who has gone.
                    self.stack.begin_server(&mut waiting.inbound);
                    self.stack.respond_stateless(&waiting.inbound, 487);
                }
                // RFC 3261 §9.2: with the tag that the INVITE's answers have.
                match leg.and_then(|leg| self.legs.tag(leg)) {
                    Some(tag) => {
                        let mut response = cancel.request.respond(200, Some(&tag));
                        response.headers.push(Name::Server, PRODUCT);
                        self.stack.respond(cancel.reply, &response);
                    }
                    None => self.stack.respond_stateless(&cancel, if matched { 200 } else { 481 }),
                }
                if let Some(id) = leg {
                    self.with_leg(id, |leg, stack| leg.on_cancel(stack, &cancel));
                }
            }
            Arrival::New(inbound) => self.on_new_request(inbound),
        }
    }

    fn on_ack(&mut self, ack: &Inbound) {
        let headers = &ack.request.headers;
        match self
            .legs
            .named_by(headers)
            .filter(|id| self.legs.find(*id).is_some_and(|leg| leg.matches(headers)))
        {
            Some(id) => {
                self.trust(ack.path);
                self.with_leg(id, |leg, stack| leg.on_ack(stack, ack));
            }
            None => self.stack.counters.stray_acks += 1,
        }
    }

    fn on_new_request(&mut self, inbound: Inbound) {
        let headers = &inbound.request.headers;
        if headers.to().is_ok_and(|to| to.tag().is_some()) {
            return self.on_request_in_dialog(inbound);
        }
        if inbound.request.method == Method::Invite {
            return self.on_invite(inbound);
        }
        if is_misplaced(&inbound.request) {
            return self.stack.respond_stateless(&inbound, 400);
        }
        if let Some(unsupported) = unsupported(&inbound.request, &[]) {
            return self.refuse_extension(&inbound, &unsupported);
        }
        match inbound.request.method {
            Method::Register if !self.stack.config.accept_anyone => {
                self.registrar.on_register(&mut self.stack, &mut self.guard, inbound);
            }
            Method::Options => {
                let tag = self.stack.stateless_tag(&inbound.request);
                let response = options_answer(&inbound.request, Some(&tag));
                self.stack.respond(inbound.reply, &response);
            }
            // Outside a dialog these mean nothing.
            Method::Bye | Method::Info | Method::Update | Method::PRack => {
                self.stack.counters.unknown_dialogs += 1;
                self.stack.respond_stateless(&inbound, 481);
            }
            _ => self.refuse_method(&inbound),
        }
    }

    fn on_request_in_dialog(&mut self, mut inbound: Inbound) {
        let headers = &inbound.request.headers;
        let id = self.legs.named_by(headers);
        let id = id.filter(|id| self.legs.find(*id).is_some_and(|leg| leg.matches(headers)));
        let Some(id) = id else {
            self.stack.counters.unknown_dialogs += 1;
            return self.stack.respond_stateless(&inbound, 481);
        };
        self.trust(inbound.path);
        if !is_allowed(inbound.request.method) {
            if inbound.request.method == Method::Refer {
                self.with_leg(id, |leg, stack| leg.on_refused_transfer(stack.mono()));
            }
            return self.refuse_method(&inbound);
        }
        // A caller's BYE is a BYE, whatever else stands in it.
        if is_misplaced(&inbound.request) && self.legs.find(id).is_some_and(|leg| leg.is_owned()) {
            return self.stack.respond_stateless(&inbound, 400);
        }
        if let Some(unsupported) = unsupported(&inbound.request, &[]) {
            return self.refuse_extension(&inbound, &unsupported);
        }
        self.stack.begin_server(&mut inbound);
        self.with_leg(id, |leg, stack| leg.on_request(stack, inbound));
    }

    /// Who sends from there is the other end of a call, and nobody else knows its tags: calls in progress come first.
    fn trust(&mut self, path: Path) {
        let source = path.remote.ip();
        if !path.transport.is_reliable() && !self.stack.config.is_trunks(source) {
            self.strangers.prove(source, self.stack.mono());
        }
    }

    pub(super) fn refuse_extension(&mut self, inbound: &Inbound, unsupported: &Tokens) {
        let mut response = self.stack.stateless(inbound, 420);
        response.headers.push(Name::Unsupported, unsupported);
        self.stack.respond(inbound.reply, &response);
    }

    fn refuse_method(&mut self, inbound: &Inbound) {
        self.stack.counters.refused_methods += 1;
        let mut response = self.stack.stateless(inbound, 405);
        response.headers.push(Name::Allow, ALLOW);
        self.stack.respond(inbound.reply, &response);
    }
}

/// What a request requires and we cannot do (RFC 3261 §8.2.2.3), here not even `more`.
pub(super) fn unsupported(request: &Request, more: &[&str]) -> Option<Tokens> {
    let tokens = request.headers.require().without(&SUPPORTED).without(more);
    (!tokens.is_empty()).then_some(tokens)
}

fn is_allowed(method: Method) -> bool {
    use Method::{Bye, Info, Invite, Options, PRack, Update};
    matches!(method, Invite | Bye | Options | Info | PRack | Update)
}
