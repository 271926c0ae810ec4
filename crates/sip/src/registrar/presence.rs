//! Whether a registered phone is there: it is asked by OPTIONS (RFC 3261 §11) between its refreshes.
//!
//! A registration is a promise for minutes; a phone whose power failed keeps none. Any response proves a phone, whatever
//! its status. Silence proves its absence only where it has answered before, since some phones never answer OPTIONS: those
//! are believed until their registration ends. A phone that is gone is asked on, and is there again when it answers.

use havre_model::Mono;

use crate::Method;
use crate::dialog::{PRODUCT, own_contact};
use crate::endpoint::Path;
use crate::stack::{Outcome, Stack, User};
use crate::wire::{CSeq, Host, Name, NameAddr, Request, SipUri, Uri};

/// Names a binding, through all its refreshes, to the answers that are on their way to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BindingId(u64);

/// What is known of a phone.
#[derive(Clone, Debug)]
pub(super) struct Presence {
    pub(super) id: BindingId,
    there: bool,
    /// It has answered OPTIONS since it registered first.
    answers: bool,
    ask: Ask,
}

#[derive(Clone, Copy, Debug)]
enum Ask {
    At(Mono),
    Awaited { until: Mono },
}

impl Presence {
    /// A phone that has just registered, for the first time or again.
    pub(super) fn proven(former: Option<&Self>, stack: &mut Stack) -> Self {
        let id = former.map_or_else(|| BindingId(stack.random_u64()), |former| former.id);
        let answers = former.is_some_and(|former| former.answers);
        Self { id, there: true, answers, ask: Ask::next(stack) }
    }

    pub(super) const fn is_there(&self) -> bool {
        self.there
    }

    /// When `on_due` is wanted.
    pub(super) const fn due(&self) -> Mono {
        let (Ask::At(at) | Ask::Awaited { until: at }) = self.ask;
        at
    }

    pub(super) fn on_due(&mut self, stack: &mut Stack, uri: &Uri, path: Path) {
        let now = stack.mono();
        self.ask = match self.ask {
            Ask::At(at) if at <= now => {
                let options = options(stack, uri, path);
                stack.send_request(options, path, User::Binding(self.id));
                Ask::Awaited { until: now + stack.config.registration.patience }
            }
            Ask::Awaited { until } if until <= now => {
                self.is_silent(stack);
                Ask::next(stack)
            }
            waiting => waiting,
        };
    }

    /// An answer, perhaps a late one, or the certainty that there will be none.
    pub(super) fn on_asked(&mut self, stack: &mut Stack, outcome: &Outcome) {
        match outcome {
            Outcome::Response(response) if response.status < 200 => return,
            Outcome::Response(_) => (self.there, self.answers) = (true, true),
            // Its time was up long before.
            Outcome::TimedOut => return,
            // Nobody listens where it registered from.
            Outcome::Unreachable if !stack.is_full() => {
                stack.counters.phones_gone += u64::from(self.there);
                self.there = false;
            }
            Outcome::Unreachable => {}
        }
        self.ask = Ask::next(stack);
    }

    fn is_silent(&mut self, stack: &mut Stack) {
        if self.answers {
            stack.counters.phones_gone += u64::from(self.there);
            self.there = false;
        }
    }
}

impl Ask {
    /// In a while, not all phones at once.
    fn next(stack: &mut Stack) -> Self {
        let every = stack.config.registration.ask_every;
        let part = (stack.random_u64() % 1_024) as u32;
        Self::At(stack.mono() + every.mul_f64(0.75 + f64::from(part) / 4_096.0))
    }
}

fn options(stack: &mut Stack, uri: &Uri, path: Path) -> Request {
    let server = &stack.config.server_name;
    let host = Host::parse(server).unwrap_or_else(|_| Host::Ip(stack.config.advertise(path.local).ip()));
    let line = NameAddr::new(Uri::Sip(SipUri::new(None, host, None)));
    let mut request = Request::new(Method::Options, uri.clone());
    let headers = &mut request.headers;
    headers.push(Name::MaxForwards, "70");
    headers.push(Name::From, &line.with_tag(&format!("{:016x}", stack.random_u64())));
    headers.push(Name::To, &NameAddr::new(uri.clone()));
    headers.push(Name::CallId, &format!("{:016x}{:016x}", stack.random_u64(), stack.random_u64()));
    headers.push(Name::CSeq, &CSeq { seq: 1, method: Method::Options });
    headers.push(Name::Contact, &own_contact(&stack.config, path, uri));
    headers.push(Name::Accept, "application/sdp");
    headers.push(Name::UserAgent, PRODUCT);
    request
}
