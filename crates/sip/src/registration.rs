//! Being a phone, or a carrier's customer: our own registration at somebody else's registrar, kept alive (RFC 3261 §10.2).

use std::time::Duration;

use crate::Method;
use crate::dialog::{ALLOW, PRODUCT, own_contact};
use crate::digest::Session as Digest;
use crate::endpoint::{Account, Path};
use crate::leg::{challenge_headers, tag_text};
use crate::stack::{ClientId, Outcome, Stack, Timer, User};
use crate::timer::Alarm;
use crate::wire::{CSeq, Contacts, Name, NameAddr, Request, Response, SipUri, Uri};

/// After a failure: 2 s, 4 s, … and at most this (RFC 5626 §4.5 would have minutes: too long without an advocate).
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// So long before its end a registration is refreshed, or at half time if that is later.
const MARGIN: Duration = Duration::from_secs(60);
/// Challenges answered in one attempt: one, and one more if only the nonce was old; and one 423.
const MAX_TRIES: u8 = 4;

/// Which registration of ours: a phone has one, a gateway one for each trunk that wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RegistrationId(pub(crate) u64);

impl RegistrationId {
    /// A phone's.
    pub(crate) const PHONE: Self = Self(0);
}

/// What came of a registration, a refresh, or leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Registered {
    /// 200, or why not; 408 on timeout, 503 where the path failed.
    pub(crate) status: u16,
    /// Zero if it was not granted.
    pub(crate) expires: Duration,
}

/// See the module's page.
pub(crate) struct Registration {
    id: RegistrationId,
    account: Account,
    registrar: Path,
    address_of_record: Uri,
    expires: Duration,
    call_id: String,
    tag: String,
    seq: u32,
    digest: Option<Digest>,
    /// The registrar has taken an answer to this nonce: whatever it asks anew is no word on the password.
    trusted: bool,
    /// Where the credentials go: a proxy asks in another header.
    proof: Name,
    failures: u32,
    state: State,
}

enum State {
    /// A REGISTER is out, the `tries`-th of this attempt.
    Asking { client: ClientId, tries: u8 },
    /// Registered, or waiting to try again.
    Waiting { alarm: Alarm },
    /// A REGISTER with `Expires: 0` is out.
    Leaving { client: ClientId, tries: u8 },
    /// Left.
    Left,
}

impl Registration {
    pub(crate) fn begin(
        stack: &mut Stack,
        id: RegistrationId,
        account: Account,
        registrar: Path,
        uri: Uri,
        expires: Duration,
    ) -> Self {
        let call_id = tag_text(stack.random_u64());
        let tag = tag_text(stack.random_u64());
        let mut registration = Self {
            id,
            account,
            registrar,
            address_of_record: uri,
            expires,
            call_id,
            tag,
            seq: 0,
            digest: None,
            trusted: false,
            proof: Name::Authorization,
            failures: 0,
            state: State::Left,
        };
        let client = registration.ask(stack, registration.expires);
        registration.state = State::Asking { client, tries: 1 };
        registration
    }

    pub(crate) const fn id(&self) -> RegistrationId {
        self.id
    }

    pub(crate) const fn path(&self) -> Path {
        self.registrar
    }

    pub(crate) fn leave(&mut self, stack: &mut Stack) {
        self.stop(stack);
        let client = self.ask(stack, Duration::ZERO);
        self.state = State::Leaving { client, tries: 1 };
    }

    /// Forgets it without a word to the registrar.
    pub(crate) fn stop(&mut self, stack: &mut Stack) {
        if let State::Waiting { alarm } = std::mem::replace(&mut self.state, State::Left) {
            stack.cancel_timer(Some(alarm));
        }
    }

    pub(crate) fn on_timer(&mut self, stack: &mut Stack) {
        if let State::Waiting { .. } = self.state {
            let client = self.ask(stack, self.expires);
            self.state = State::Asking { client, tries: 1 };
        }
    }

    /// The connection that it stands on has gone: register again over a new one, soon.
    pub(crate) fn on_flow_closed(&mut self, stack: &mut Stack, remote: std::net::SocketAddr) {
        if let (State::Waiting { alarm }, true) = (&self.state, self.registrar.remote == remote) {
            stack.cancel_timer(Some(*alarm));
            self.pause(stack);
        }
    }

    /// What came of a request: something to be told once the attempt is over.
    #[must_use]
    pub(crate) fn on_outcome(
        &mut self,
        stack: &mut Stack,
        id: ClientId,
        outcome: &Outcome,
    ) -> Option<Registered> {
        let status = outcome.status();
        let (tries, lifetime) = match self.state {
            State::Asking { client, tries } if client == id => (tries, self.expires),
            State::Leaving { client, tries } if client == id => (tries, Duration::ZERO),
            _ => return None,
        };
        if status < 200 {
            return None;
        }
        self.trusted |=
            self.digest.is_some() && matches!(outcome, Outcome::Response(_)) && !matches!(status, 401 | 407);
        if let Outcome::Response(response) = outcome
            && tries < MAX_TRIES
            && self.can_try_again(response)
        {
            let lifetime = if lifetime.is_zero() { lifetime } else { self.expires };
            let client = self.ask(stack, lifetime);
            self.state = match self.state {
                State::Leaving { .. } => State::Leaving { client, tries: tries + 1 },
                _ => State::Asking { client, tries: tries + 1 },
            };
            return None;
        }
        let leaving = matches!(self.state, State::Leaving { .. });
        let granted = match outcome {
            Outcome::Response(response) if status < 300 && !leaving => self.granted(stack, response),
            _ => Duration::ZERO,
        };
        if leaving {
            self.state = State::Left;
        } else if granted.is_zero() {
            self.pause(stack);
        } else {
            self.failures = 0;
            let at = stack.mono() + granted.saturating_sub(MARGIN).max(granted / 2);
            self.state = State::Waiting { alarm: stack.set_timer(at, Timer::Registration(self.id)) };
        }
        Some(Registered { status, expires: granted })
    }

    /// After a failure, or a lost connection: a pause that doubles, jittered by half.
    fn pause(&mut self, stack: &mut Stack) {
        let doubled = Duration::from_secs(1 << self.failures.min(6)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        let jitter =
            Duration::from_millis(stack.random_between(0, 1000)).mul_f64(doubled.as_secs_f64() / 2.0);
        let at = stack.mono() + doubled / 2 + jitter;
        self.state = State::Waiting { alarm: stack.set_timer(at, Timer::Registration(self.id)) };
    }

    fn can_try_again(&mut self, response: &Response) -> bool {
        match response.status {
            401 | 407 => {
                let (asked, answered_in) = challenge_headers(response.status);
                let challenges = response.headers.auths(&asked);
                self.proof = answered_in;
                let Ok(session) = Digest::accept(&challenges, Some(&self.account.realm)) else {
                    return false;
                };
                // The answer to its last nonce did not do, and not for its age: the password is wrong. Of a nonce that did once
                // that cannot be; many a registrar takes each for one request alone, and does not call it stale.
                let wrong = self.digest.is_some() && !self.trusted && !session.stale();
                (self.digest, self.trusted) = ((!wrong).then_some(session), false);
                !wrong
            }
            423 => match response.headers.min_expires() {
                Some(min) if Duration::from_secs(u64::from(min)) > self.expires => {
                    self.expires = Duration::from_secs(u64::from(min));
                    true
                }
                _ => false,
            },
            _ => false,
        }
    }

    fn ask(&mut self, stack: &mut Stack, lifetime: Duration) -> ClientId {
        self.seq += 1;
        let host = self.address_of_record.as_sip().map(|aor| (aor.host.clone(), aor.port));
        let uri = match host {
            Some((host, port)) => Uri::Sip(SipUri::new(None, host, port)),
            None => self.address_of_record.clone(),
        };
        let mut request = Request::new(Method::Register, uri);
        let address = NameAddr::new(self.address_of_record.clone());
        let headers = &mut request.headers;
        headers.push(Name::MaxForwards, "70");
        headers.push(Name::From, &address.clone().with_tag(&self.tag));
        headers.push(Name::To, &address);
        headers.push(Name::CallId, &self.call_id);
        headers.push(Name::CSeq, &CSeq { seq: self.seq, method: Method::Register });
        headers.push(Name::Contact, &self.contact(stack));
        headers.push(Name::Expires, &lifetime.as_secs());
        headers.push(Name::Allow, ALLOW);
        headers.push(Name::UserAgent, PRODUCT);
        if let Some(digest) = &mut self.digest {
            let cnonce = tag_text(stack.random_u64());
            let (user, password) = (&self.account.user, self.account.password.expose());
            let credentials = digest.authorize(user, password, Method::Register, &request.uri, &cnonce);
            request.headers.push(self.proof.clone(), &credentials);
        }
        stack.send_request(request, self.registrar, User::Registration(self.id))
    }

    fn contact(&self, stack: &Stack) -> NameAddr {
        own_contact(&stack.config, self.registrar, &self.address_of_record)
    }

    /// The lifetime of our own contact in the registrar's list, else the header's, else what we asked for.
    fn granted(&self, stack: &Stack, response: &Response) -> Duration {
        let own = self.contact(stack).uri;
        let listed = match response.headers.contacts() {
            Ok(Contacts::List(list)) => {
                list.iter().find(|contact| contact.uri.equivalent(&own)).and_then(NameAddr::expires)
            }
            _ => None,
        };
        let seconds = listed.or(response.headers.expires());
        seconds.map_or(self.expires, |seconds| Duration::from_secs(u64::from(seconds)))
    }
}
