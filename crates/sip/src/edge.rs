//! Who may call what. The source, or proven credentials, decide; the caller's number never does.

use std::sync::Arc;

use havre_model::{AgentId, LineId, TrunkId};

use crate::Method;
use crate::config::{Config, Trunk};
use crate::digest::{Guard, Guessing, Secret, Verdict};
use crate::endpoint::{Caller, Event, Origin, Path};
use crate::number::{caller_number, e164};
use crate::registrar::Registrar;
use crate::scanner::is_scanner;
use crate::stack::Stack;
use crate::trunk::Trunks;
use crate::wire::{Host, Name, Request, Uri};

/// Diversions that are looked at; a call that went further round is a loop.
const MAX_TARGETS: usize = 16;

/// What becomes of an INVITE.
#[derive(Debug, PartialEq)]
pub(crate) enum Ruling {
    /// It may ring here.
    Admit { origin: Origin, called: String, line: Option<LineId> },
    /// Another device of this account has a talk that this one wants (RFC 3891); no number is called.
    TakeOver { agent: AgentId },
    /// 401.
    Challenge { stale: bool },
    /// Final.
    Refuse { status: u16, why: &'static str, trunk: Option<TrunkId> },
}

/// Judges a new INVITE.
pub(crate) fn judge(
    stack: &mut Stack,
    guard: &mut Guard,
    registrar: &Registrar,
    request: &Request,
    path: Path,
) -> Ruling {
    let config = stack.config.clone();
    if config.accept_anyone {
        let called = request.uri.user().unwrap_or_default().into_owned();
        return Ruling::Admit { origin: Origin::Anyone, called, line: None };
    }
    if let Some(owner) = stack.owner(path) {
        return judge_owner(&config, request, path, owner.clone());
    }
    let claimed = claimed_user(&config, request, path);
    let account = claimed.as_deref().and_then(|user| known_account(&config, user));
    if account.is_some() || registrar.is_source(path) {
        return judge_agent(stack, guard, &config, request, path, account);
    }
    let source = path.remote.ip().to_canonical();
    let names = stack.names(path);
    let certified =
        |trunk: &&Trunk| trunk.is_certified(names) && (trunk.sources.is_empty() || trunk.sends_from(source));
    let certified: Vec<&Trunk> = config.trunks.iter().filter(certified).collect();
    if !certified.is_empty() {
        return judge_trunk(stack, guard, &config, &certified, request, path);
    }
    // An address proves nothing where a certificate is asked for.
    let by_source = |trunk: &&Trunk| trunk.certificate.is_none() && trunk.sends_from(source);
    let by_source: Vec<&Trunk> = config.trunks.iter().filter(by_source).collect();
    if !by_source.is_empty() {
        return judge_trunk(stack, guard, &config, &by_source, request, path);
    }
    let anywhere: Vec<&Trunk> = config.trunks.iter().filter(|trunk| is_from_anywhere(trunk)).collect();
    if !anywhere.is_empty() {
        return judge_trunk(stack, guard, &config, &anywhere, request, path);
    }
    // An account that does not exist gets what a wrong password gets, so that trying names teaches nothing.
    if claimed.is_some() {
        return judge_agent(stack, guard, &config, request, path, None);
    }
    Ruling::Refuse { status: 403, why: "unknown source", trunk: None }
}

/// Whether a new request is a scanner's: by its `User-Agent`, and not from a trunk's or a registered phone's address, or
/// from behind the console's login.
pub(crate) fn is_unwelcome(stack: &Stack, registrar: &Registrar, request: &Request, path: Path) -> bool {
    let agent = request.headers.first(&Name::UserAgent);
    if stack.config.accept_anyone || !agent.is_some_and(is_scanner) {
        return false;
    }
    let source = path.remote.ip().to_canonical();
    let known = registrar.is_source(path) || stack.owner(path).is_some();
    let names = stack.names(path);
    !known && !stack.config.trunks.iter().any(|trunk| trunk.sends_from(source) || trunk.is_certified(names))
}

/// Who calls, as far as a gateway may know: the asserted identity, else `From`; nothing where it is withheld.
pub(crate) fn caller(config: &Config, origin: &Origin, request: &Request) -> Caller {
    let from = request.headers.from().ok();
    let display = from.as_ref().and_then(|from| from.display.clone()).filter(|_| config.accept_anyone);
    let number = match origin {
        Origin::Trunk(_) if !request.headers.privacy().withheld() => {
            let asserted = request.headers.asserted_identities().unwrap_or_default();
            let asserted = asserted.iter().find_map(|identity| caller_number(&identity.uri));
            asserted.or_else(|| caller_number(&from?.uri))
        }
        Origin::Anyone => from.and_then(|from| from.uri.user().map(std::borrow::Cow::into_owned)),
        Origin::Trunk(_) | Origin::Agent(_) => None,
    };
    Caller { number, display }
}

fn judge_agent(
    stack: &mut Stack,
    guard: &mut Guard,
    config: &Config,
    request: &Request,
    path: Path,
    claimed: Option<AgentId>,
) -> Ruling {
    let secrets = Arc::clone(&stack.secrets);
    let user = match prove(stack, guard, request, path, |user| secrets.account(user)) {
        Ok(user) => user,
        Err(ruling) => return ruling,
    };
    let Some(agent) = known_account(config, &user) else {
        return Ruling::Challenge { stale: false };
    };
    admit_agent(config, request, agent, claimed)
}

/// The console's login has proven who it is.
fn judge_owner(config: &Config, request: &Request, path: Path, owner: AgentId) -> Ruling {
    let claimed = claimed_user(config, request, path).and_then(|user| known_account(config, &user));
    admit_agent(config, request, owner, claimed)
}

/// An account calls feature codes, in its own name.
fn admit_agent(config: &Config, request: &Request, agent: AgentId, claimed: Option<AgentId>) -> Ruling {
    let refuse = |status, why| Ruling::Refuse { status, why, trunk: None };
    if claimed.is_some_and(|claimed| claimed != agent) {
        return refuse(403, "another account's From");
    }
    if request.headers.has(&Name::Replaces) {
        return Ruling::TakeOver { agent };
    }
    let called = request.uri.user().unwrap_or_default().into_owned();
    if !called.starts_with('*') {
        return refuse(403, "an account may call feature codes only");
    }
    if !config.feature_codes.contains(&called) {
        return refuse(404, "unknown feature code");
    }
    Ruling::Admit { origin: Origin::Agent(agent), called, line: None }
}

/// The first trunk that takes the number is the one; its credentials are asked for where it has any.
fn judge_trunk(
    stack: &mut Stack,
    guard: &mut Guard,
    config: &Config,
    trunks: &[&Trunk],
    request: &Request,
    path: Path,
) -> Ruling {
    let asked = trunks.iter().any(|trunk| trunk.digest.is_some());
    let open = trunks.iter().any(|trunk| trunk.digest.is_none());
    let offered = request.headers.has(&Name::Authorization);
    let mut proven = None;
    if asked && (offered || !open) {
        let secrets = Arc::clone(&stack.secrets);
        match prove(stack, guard, request, path, |user| secrets.trunk(trunks, user)) {
            Ok(user) => proven = Some(user),
            Err(ruling) if !open => return ruling,
            Err(_) => {}
        }
    }
    let may_use = |trunk: &Trunk| match &trunk.digest {
        Some((user, _)) => proven.as_ref() == Some(user),
        None => true,
    };
    let called = request.uri.user().unwrap_or_default();
    // A carrier that knows us by our registration sends its callers to the contact, and the number in To.
    let to = request.headers.to().ok().and_then(|to| to.uri.user().map(std::borrow::Cow::into_owned));
    let find_line = |config: &Config, trunk: &Trunk, called: &str| {
        let by_to = || to.as_ref().filter(|_| Trunks::registers(config, &trunk.id));
        find_line(config, trunk, called).or_else(|| find_line(config, trunk, by_to()?))
    };
    let usable: Vec<_> = trunks.iter().filter(|trunk| may_use(trunk)).collect();
    let targets = targets(request);
    for trunk in &usable {
        if let Some((number, line)) = targets.iter().find_map(|target| find_line(config, trunk, target)) {
            return Ruling::Admit {
                origin: Origin::Trunk(trunk.id.clone()),
                called: number,
                line: Some(line),
            };
        }
    }
    // A number of a trunk whose credentials are still to be shown.
    let hidden = trunks.iter().any(|trunk| !may_use(trunk) && find_line(config, trunk, &called).is_some());
    if hidden && !offered {
        return Ruling::Challenge { stale: false };
    }
    let trunk = usable.first().or(trunks.first().as_ref()).map(|trunk| trunk.id.clone());
    Ruling::Refuse { status: 404, why: "unknown number", trunk }
}

/// The user that the credentials prove, or the challenge.
fn prove<'a>(
    stack: &mut Stack,
    guard: &mut Guard,
    request: &Request,
    path: Path,
    secret: impl FnOnce(&str) -> Option<&'a Secret>,
) -> Result<String, Ruling> {
    let auths = request.headers.auths(&Name::Authorization);
    let source = path.remote.ip();
    match guard.verify(&auths, Method::Invite, &request.uri, source, secret, stack.now) {
        Verdict::Genuine { username } => Ok(username),
        Verdict::Missing => Err(Ruling::Challenge { stale: false }),
        Verdict::Stale => Err(Ruling::Challenge { stale: true }),
        Verdict::Refused => {
            on_wrong(stack, guard);
            Err(Ruling::Challenge { stale: false })
        }
    }
}

/// Wrong credentials: counted, and reported where somebody guesses.
pub(crate) fn on_wrong(stack: &mut Stack, guard: &mut Guard) {
    stack.counters.authentication_failures += 1;
    if let Some(Guessing { source, failures }) = guard.take_alarm() {
        stack.counters.guessers += 1;
        stack.emit(Event::Guessing { source, failures });
    }
}

fn known_account(config: &Config, user: &str) -> Option<AgentId> {
    let agent: AgentId = user.parse().ok()?;
    config.accounts.contains_key(&agent).then_some(agent)
}

/// The `From` user, where its host is ours: an account's URI. A caller's number at a carrier's host never is.
fn claimed_user(config: &Config, request: &Request, path: Path) -> Option<String> {
    let from = request.headers.from().ok()?;
    let Uri::Sip(uri) = &from.uri else { return None };
    let ours = match &uri.host {
        Host::Name(name) => [&config.realm, &config.server_name].iter().any(|n| n.eq_ignore_ascii_case(name)),
        Host::Ip(ip) => *ip == path.local.ip() || config.advertised.values().any(|ours| ours == ip),
    };
    uri.user().filter(|_| ours).map(std::borrow::Cow::into_owned)
}

/// The numbers that the call was for, the first one dialled first: a carrier that brings a toll-free number by way of
/// another says so in `History-Info` (RFC 7044) or, the last first, `Diversion` (RFC 5806). Only our own numbers are
/// looked for among them; the others, which may be people's, are forgotten with the request.
fn targets(request: &Request) -> Vec<String> {
    let headers = &request.headers;
    let history = headers.history();
    let diversions = headers.diversions().unwrap_or_default();
    let before = history.iter().chain(diversions.iter().rev()).map(|address| &address.uri);
    let uris = before.take(MAX_TARGETS).chain(std::iter::once(&request.uri));
    uris.filter_map(|uri| uri.user().map(std::borrow::Cow::into_owned)).collect()
}

fn is_from_anywhere(trunk: &Trunk) -> bool {
    trunk.sources.is_empty() && trunk.digest.is_some() && trunk.certificate.is_none()
}

/// The line of a dialled number: as it stands, then without each of the carrier's prefixes.
fn find_line(config: &Config, trunk: &Trunk, called: &str) -> Option<(String, LineId)> {
    let stripped = trunk.strip_prefixes.iter().filter_map(|prefix| called.strip_prefix(prefix.as_str()));
    std::iter::once(called).chain(stripped).find_map(|called| {
        let number = e164(called)?;
        let allowed = trunk.numbers.is_empty() || trunk.numbers.contains(&number);
        let line = config.lines.iter().find(|line| line.numbers.contains(&number));
        line.filter(|_| allowed).map(|line| (number, line.line.clone()))
    })
}
