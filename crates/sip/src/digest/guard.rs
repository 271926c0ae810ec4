//! The side that challenges.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use havre_model::Now;
use subtle::ConstantTimeEq;

use super::nonce::{Mint, Stamp};
use super::patience::{Guessing, Patience};
use super::{Algorithm, Proof, Secret};
use crate::Method;
use crate::wire::{Auth, Uri, method_name};

/// How long a nonce may be used. Afterwards its holder is told `stale=true` and asks no human.
pub const NONCE_LIFETIME: Duration = Duration::from_secs(300);

/// Nonces whose `nc` is remembered. Only right passwords make an entry; when it is full, the oldest nonce is
/// retired together with all older ones, so that forgetting never opens the door to a replay.
const MAX_NONCES: usize = 4096;

/// Challenges and verifies the users of one realm.
pub struct Guard {
    realm: String,
    algorithms: Vec<Algorithm>,
    mint: Mint,
    /// The highest `nc` seen of each nonce in use.
    counts: BTreeMap<Stamp, u32>,
    /// Nonces up to this one are stale.
    retired: Option<Stamp>,
    patience: Patience,
    /// What those who are nobody are checked against, and are not let in by.
    nobody: Secret,
}

/// What credentials were worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The user is who the request says. Whether this user may act for `From` or `To` is another question.
    Genuine {
        /// As it was looked up.
        username: String,
    },
    /// The password is right, the nonce is too old, from elsewhere, or was used: challenge with `stale=true`.
    Stale,
    /// There are no Digest credentials for this realm: challenge.
    Missing,
    /// Wrong, not what was asked for, or too soon after others that were. An unknown user and a wrong password are
    /// the same here, in result and in work done.
    Refused,
}

impl Guard {
    /// For `realm`, offering `algorithms` in that order of preference. `key` must be secret and new at each start.
    #[must_use]
    pub fn new(realm: &str, algorithms: &[Algorithm], key: [u8; 32]) -> Self {
        Self {
            realm: realm.to_owned(),
            algorithms: algorithms.to_vec(),
            mint: Mint::new(key),
            counts: BTreeMap::new(),
            retired: None,
            patience: Patience::default(),
            nobody: Secret::new("", realm, ""),
        }
    }

    /// One challenge per algorithm, for `WWW-Authenticate` or `Proxy-Authenticate` in this order (RFC 8760 §2.4).
    pub fn challenge(&mut self, source: IpAddr, stale: bool, now: Now) -> Vec<Auth> {
        let nonce = self.mint.make(source, now.mono);
        let challenge = |algorithm: &Algorithm| {
            let auth =
                Auth::digest().quoted("realm", &self.realm).quoted("nonce", &nonce).quoted("qop", "auth");
            let auth = auth.token("algorithm", algorithm.as_str());
            if stale { auth.token("stale", "true") } else { auth }
        };
        self.algorithms.iter().map(challenge).collect()
    }

    /// Judges what came with a request. `secret` looks a user up.
    pub fn verify<'a>(
        &mut self,
        auths: &[Auth],
        method: Method,
        uri: &Uri,
        source: IpAddr,
        secret: impl FnOnce(&str) -> Option<&'a Secret>,
        now: Now,
    ) -> Verdict {
        let ours = |auth: &&Auth| auth.is_digest() && auth.get("realm") == Some(&self.realm);
        let Some(auth) = auths.iter().find(ours) else { return Verdict::Missing };
        let Some(claim) = Claim::read(auth) else { return Verdict::Refused };
        let known = secret(claim.username);
        let proof = Proof { method: method_name(method), ..claim.proof };
        // An unknown user costs the same hashes and the same comparison.
        let expected = proof.response(known.unwrap_or(&self.nobody));
        let right: bool = expected.as_bytes().ct_eq(claim.response.to_ascii_lowercase().as_bytes()).into();
        let offered = self.algorithms.contains(&proof.algorithm);
        if self.patience.is_spent(claim.username, source, now.mono) {
            return Verdict::Refused;
        }
        if !right || known.is_none() || !offered || !same_target(proof.uri, uri) {
            self.patience.failed(claim.username, source, now.mono);
            return Verdict::Refused;
        }
        match self.mint.recognise(proof.nonce, source) {
            Some(stamp) if self.count(stamp, claim.nc, now) => {
                self.patience.succeeded(claim.username, source, now.mono);
                Verdict::Genuine { username: claim.username.to_owned() }
            }
            _ => Verdict::Stale,
        }
    }

    /// Somebody who guesses passwords, to be reported.
    pub(crate) const fn take_alarm(&mut self) -> Option<Guessing> {
        self.patience.take_alarm()
    }

    /// Notes the use of a nonce; false if it is too old or `nc` is not beyond what was seen (RFC 7616 §3.4.5).
    fn count(&mut self, stamp: Stamp, nc: u32, now: Now) -> bool {
        let retired = self.retired.is_some_and(|retired| stamp <= retired);
        if retired || stamp.age(now.mono) >= NONCE_LIFETIME {
            return false;
        }
        let seen = self.counts.entry(stamp).or_insert(0);
        if nc <= *seen {
            return false;
        }
        *seen = nc;
        while let Some((&oldest, _)) = self.counts.first_key_value() {
            if self.counts.len() <= MAX_NONCES && oldest.age(now.mono) < NONCE_LIFETIME {
                break;
            }
            self.counts.pop_first();
            self.retired = Some(oldest);
        }
        true
    }
}

/// Credentials that have every part in its right form.
struct Claim<'a> {
    username: &'a str,
    /// Without the method, which the request gives.
    proof: Proof<'a>,
    response: &'a str,
    nc: u32,
}

impl<'a> Claim<'a> {
    /// `qop=auth` is what we asked for, so `nc` and `cnonce` must be there.
    fn read(auth: &'a Auth) -> Option<Self> {
        let (nc, cnonce) = (auth.get("nc")?, auth.get("cnonce")?);
        // `1*8LHEX` by RFC 7616 has exactly eight; a sign must not slip through `from_str_radix`.
        let eight = nc.len() == 8 && nc.bytes().all(|b| b.is_ascii_hexdigit());
        if !eight || cnonce.is_empty() || !auth.get("qop")?.eq_ignore_ascii_case("auth") {
            return None;
        }
        let proof = Proof {
            algorithm: Algorithm::parse(auth.get("algorithm"))?,
            nonce: auth.get("nonce")?,
            method: "",
            uri: auth.get("uri")?,
            counted: Some((nc, cnonce)),
        };
        Some(Self {
            username: auth.get("username")?,
            proof,
            response: auth.get("response")?,
            nc: u32::from_str_radix(nc, 16).ok()?,
        })
    }
}

/// Whether credentials for `claimed` hold for a request to `asked` (RFC 3261 §22.4: "the URI"). Phones leave out
/// or add ports and parameters; user and host decide what is reached.
fn same_target(claimed: &str, asked: &Uri) -> bool {
    match (Uri::parse(claimed), asked) {
        (Ok(Uri::Sip(claimed)), Uri::Sip(asked)) => {
            // SIPp and some carriers leave the user out of `uri`; the response is bound to the nonce all the same.
            claimed.user().is_none_or(|user| Some(user) == asked.user())
                && claimed.host.equivalent(&asked.host)
        }
        (Ok(claimed), asked) => claimed.equivalent(asked),
        (Err(_), _) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::digest::Session;
    use crate::digest::tests::hashed;

    const KEY: [u8; 32] = [42; 32];

    fn uri() -> Uri {
        Uri::parse("sip:havre.example.org").unwrap()
    }

    fn here() -> IpAddr {
        "192.0.2.1".parse().unwrap()
    }

    fn guard() -> Guard {
        Guard::new("havre", &[Algorithm::Sha256, Algorithm::Md5], KEY)
    }

    fn secret(user: &str) -> Option<&'static Secret> {
        static SECRET: LazyLock<Secret> = LazyLock::new(|| Secret::new("advocate-en", "havre", "s3cret"));
        (user == "advocate-en").then(|| &*SECRET)
    }

    fn verify(guard: &mut Guard, auth: &Auth, now: Now) -> Verdict {
        // As it would come over the wire.
        let auth = Auth::parse(&auth.to_string()).unwrap();
        guard.verify(&[auth], Method::Register, &uri(), here(), secret, now)
    }

    fn genuine() -> Verdict {
        Verdict::Genuine { username: "advocate-en".to_owned() }
    }

    fn session(guard: &mut Guard, now: Now) -> Session {
        Session::accept(&guard.challenge(here(), false, now), Some("havre")).unwrap()
    }

    fn answer(session: &mut Session) -> Auth {
        session.authorize("advocate-en", "s3cret", Method::Register, &uri(), "c0ffee")
    }

    #[test]
    fn both_algorithms_let_the_right_password_in() {
        for algorithms in [&[Algorithm::Sha256, Algorithm::Md5][..], &[Algorithm::Md5]] {
            let mut guard = Guard::new("havre", algorithms, KEY);
            let mut session = session(&mut guard, Now::default());
            let auth = answer(&mut session);
            assert_eq!(auth.get("algorithm"), Some(algorithms[0].as_str()));
            assert_eq!(verify(&mut guard, &auth, Now::default()), genuine());
        }
    }

    #[test]
    fn unknown_user_and_wrong_password_are_the_same() {
        let mut guard = guard();
        let mut session = session(&mut guard, Now::default());
        for (user, password) in [("advocate-en", "wrong"), ("nobody", "s3cret"), ("nobody", ""), ("", "")] {
            let auth = session.authorize(user, password, Method::Register, &uri(), "c");
            assert_eq!(verify(&mut guard, &auth, Now::default()), Verdict::Refused, "{user}");
        }
    }

    #[test]
    fn a_verdict_costs_the_same_whoever_is_asked_for() {
        let mut work = Vec::new();
        // Of one length, as the hash of what was asked for has the name in it; passwords are of any.
        for (user, password) in
            [("advocate-en", "s"), ("advocate-fr", &*"long".repeat(60)), ("advocate-no", "")]
        {
            let known = Secret::new(user, "havre", password);
            let secret = |_: &str| (user != "advocate-no").then_some(&known);
            let mut guard = guard();
            let mut session = session(&mut guard, Now::default());
            let auth = session.authorize(user, "wrong", Method::Register, &uri(), "c");
            let hashed = hashed(|| {
                for _ in 0..10 {
                    let auth = std::slice::from_ref(&auth);
                    let verdict =
                        guard.verify(auth, Method::Register, &uri(), here(), secret, Now::default());
                    assert_eq!(verdict, Verdict::Refused);
                }
            });
            work.push((hashed, guard.take_alarm().map(|guessing| guessing.failures)));
        }
        assert_eq!(work[0].0.0, 20, "two hashes for each");
        assert_eq!(work[0].1, Some(6), "and slowed from the sixth on");
        assert!(work.iter().all(|of| *of == work[0]), "{work:?}");
    }

    #[test]
    fn the_right_password_is_not_told_from_a_wrong_one_to_whoever_has_guessed_too_often() {
        let mut guard = guard();
        let mut session = session(&mut guard, Now::default());
        for _ in 0..6 {
            let wrong = session.authorize("advocate-en", "wrong", Method::Register, &uri(), "c");
            assert_eq!(verify(&mut guard, &wrong, Now::default()), Verdict::Refused);
        }
        let right = answer(&mut session);
        assert_eq!(verify(&mut guard, &right, Now::default()), Verdict::Refused);
        assert_eq!(verify(&mut guard, &right, Now::default().after(Duration::from_secs(1))), genuine());
    }

    #[test]
    fn a_count_is_good_once_and_reads_as_hexadecimal() {
        let mut guard = guard();
        let mut session = session(&mut guard, Now::default());
        let answers: Vec<Auth> = (0..20).map(|_| answer(&mut session)).collect();
        assert_eq!(answers[15].get("nc"), Some("00000010"));
        for auth in &answers[..16] {
            assert_eq!(verify(&mut guard, auth, Now::default()), genuine());
        }
        for replayed in &answers[..16] {
            assert_eq!(verify(&mut guard, replayed, Now::default()), Verdict::Stale);
        }
        assert_eq!(verify(&mut guard, &answers[19], Now::default()), genuine());
        assert_eq!(verify(&mut guard, &answers[18], Now::default()), Verdict::Stale);
    }

    #[test]
    fn old_foreign_and_invented_nonces_are_stale_only_with_the_right_password() {
        let mut guard = guard();
        let later = Now::default().after(NONCE_LIFETIME);
        let mut ours = session(&mut guard, Now::default());
        assert_eq!(verify(&mut guard, &answer(&mut ours), later), Verdict::Stale);
        let wrong = ours.authorize("advocate-en", "wrong", Method::Register, &uri(), "c");
        assert_eq!(verify(&mut guard, &wrong, later), Verdict::Refused);
        let mut other = Guard::new("havre", &[Algorithm::Md5], [1; 32]);
        let mut theirs = session(&mut other, later);
        assert_eq!(verify(&mut guard, &answer(&mut theirs), later), Verdict::Stale);
        let renewed = guard.challenge(here(), true, later);
        assert!(Session::accept(&renewed, None).unwrap().stale());
        let there = "192.0.2.99".parse().unwrap();
        let mut elsewhere = Session::accept(&guard.challenge(there, false, later), None).unwrap();
        assert_eq!(verify(&mut guard, &answer(&mut elsewhere), later), Verdict::Stale);
    }

    #[test]
    fn credentials_hold_for_one_method_and_one_target() {
        let mut guard = guard();
        let mut session = session(&mut guard, Now::default());
        let auth = answer(&mut session);
        let mut asked = |method, uri: &str| {
            let uri = Uri::parse(uri).unwrap();
            guard.verify(std::slice::from_ref(&auth), method, &uri, here(), secret, Now::default())
        };
        assert_eq!(asked(Method::Invite, "sip:havre.example.org"), Verdict::Refused);
        assert_eq!(asked(Method::Register, "sip:elsewhere.example.org"), Verdict::Refused);
        assert_eq!(asked(Method::Register, "sip:havre.example.org:5060;transport=tcp"), genuine());
    }

    #[test]
    fn what_was_not_asked_for_is_refused() {
        let mut guard = guard();
        let good = answer(&mut session(&mut guard, Now::default())).to_string();
        for (from, to) in [
            ("qop=auth", "qop=auth-int"),
            (", qop=auth", ""),
            ("nc=00000001", "nc=1"),
            ("nc=00000001", "nc=+0000001"),
            ("cnonce=\"c0ffee\"", "cnonce=\"\""),
            ("algorithm=SHA-256", "algorithm=SHA-512"),
        ] {
            let bad = good.replace(from, to);
            assert_ne!(bad, good, "{from}");
            assert_eq!(
                verify(&mut guard, &Auth::parse(&bad).unwrap(), Now::default()),
                Verdict::Refused,
                "{to}"
            );
        }
        let mut strict = Guard::new("havre", &[Algorithm::Sha256], KEY);
        let weak = Guard::new("havre", &[Algorithm::Md5], KEY).challenge(here(), false, Now::default());
        let weak = answer(&mut Session::accept(&weak, None).unwrap());
        assert_eq!(verify(&mut strict, &weak, Now::default()), Verdict::Refused);
    }

    #[test]
    fn other_realms_and_schemes_are_missing() {
        let mut guard = guard();
        let foreign = Auth::digest().quoted("realm", "elsewhere").quoted("username", "advocate-en");
        let basic = Auth::parse("Basic YWJj").unwrap();
        let verdict = guard.verify(
            &[foreign, basic],
            Method::Register,
            &uri(),
            here(),
            |_| unreachable!("no look-up for another realm"),
            Now::default(),
        );
        assert_eq!(verdict, Verdict::Missing);
    }

    #[test]
    fn the_memory_is_bounded_and_never_reopens_a_replay() {
        let mut guard = Guard::new("havre", &[Algorithm::Md5], KEY);
        let first = answer(&mut session(&mut guard, Now::default()));
        assert_eq!(verify(&mut guard, &first, Now::default()), genuine());
        for _ in 0..MAX_NONCES + 10 {
            let auth = answer(&mut session(&mut guard, Now::default()));
            assert_eq!(verify(&mut guard, &auth, Now::default()), genuine());
            assert!(guard.counts.len() <= MAX_NONCES);
        }
        assert_eq!(verify(&mut guard, &first, Now::default()), Verdict::Stale);
        let later = Now::default().after(NONCE_LIFETIME);
        let auth = answer(&mut session(&mut guard, later));
        assert_eq!(verify(&mut guard, &auth, later), genuine());
        assert_eq!(guard.counts.len(), 1);
    }
}
