//! Challenges to our requests inside a dialog that was dialled with an account (RFC 3261 §22): a trunk may want to
//! see the password for a BYE too.

use crate::digest::Session as Digest;
use crate::endpoint::Account;
use crate::stack::{Outcome, Stack};
use crate::wire::{Name, Request, Response};

/// Challenges answered in a row, each of a new nonce, before the password counts as wrong.
const MAX_CHALLENGES: u8 = 3;

/// An account, and what proves it to the far side. Later requests show the proof unasked.
pub(super) struct Credentials {
    account: Account,
    /// At most one for `Authorization` and one for `Proxy-Authorization`.
    proofs: Vec<Proof>,
    /// Challenges since a request was last let through.
    challenges: u8,
}

struct Proof {
    header: Name,
    session: Digest,
    /// Requests with this `CSeq` number and later ones carry it.
    since: u32,
}

impl Credentials {
    pub(super) const fn new(account: Account) -> Self {
        Self { account, proofs: Vec::new(), challenges: 0 }
    }

    /// Adds what proves the account, as far as it was asked for.
    pub(super) fn write(&mut self, stack: &mut Stack, request: &mut Request) {
        for proof in &mut self.proofs {
            let cnonce = format!("{:016x}", stack.random_u64());
            let (user, password) = (&self.account.user, self.account.password.expose());
            let credentials = proof.session.authorize(user, password, request.method, &request.uri, &cnonce);
            request.headers.set(proof.header.clone(), &credentials);
        }
    }

    /// Whether the request that came to this shall be sent again with credentials: it was challenged, in the
    /// account's realm, with a nonce that it had not answered. `next` is the `CSeq` number of the next request.
    pub(super) fn take(&mut self, outcome: &Outcome, next: u32) -> bool {
        match outcome {
            Outcome::Response(response) if matches!(response.status, 401 | 407) => {
                self.take_challenge(response, next)
            }
            Outcome::Response(response) if response.status >= 200 => {
                self.challenges = 0;
                false
            }
            Outcome::Response(_) | Outcome::TimedOut | Outcome::Unreachable => false,
        }
    }

    fn take_challenge(&mut self, response: &Response, next: u32) -> bool {
        let (asked, header) = challenge_headers(response.status);
        let challenges = response.headers.auths(&asked);
        let Ok(session) = Digest::accept(&challenges, Some(&self.account.realm)) else {
            return false;
        };
        let seq = response.headers.cseq().map_or(0, |cseq| cseq.seq);
        let known = self.proofs.iter().find(|proof| proof.header == header);
        if let Some(known) = known.filter(|known| known.session.nonce() == session.nonce()) {
            // Two requests may have been on their way when the first challenge came.
            return seq < known.since;
        }
        if self.challenges >= MAX_CHALLENGES {
            return false;
        }
        self.challenges += 1;
        self.proofs.retain(|proof| proof.header != header);
        self.proofs.push(Proof { header, session, since: next });
        true
    }
}

/// Where a 401 or 407 says what it asks for, and where the answer goes.
pub(crate) const fn challenge_headers(status: u16) -> (Name, Name) {
    if status == 407 {
        (Name::ProxyAuthenticate, Name::ProxyAuthorization)
    } else {
        (Name::WwwAuthenticate, Name::Authorization)
    }
}
