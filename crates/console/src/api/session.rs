//! Signing in and out, and the first account.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use havre_model::UserAccount;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Body, Shared};
use crate::access::{Act, ChangeError, Here, Origins, Peer, SignInError, SignedIn, Who, set_cookie};
use crate::problem::Problem;
use crate::words::{ScreenWord, UserRoleWord};

/// How one may sign in here.
#[derive(Serialize, ToSchema)]
pub(crate) struct SignInWays {
    /// By user and password. Not over an unencrypted connection from another machine.
    password: bool,
    /// By an identity provider.
    oidc: Option<OidcName>,
    /// There is no account yet: the link that the first start printed makes one.
    setup: bool,
    /// The accounts are the demo's, with passwords that everybody knows.
    demo: bool,
}

/// An identity provider.
#[derive(Serialize, ToSchema)]
pub(crate) struct OidcName {
    /// What to call it on the button.
    name: String,
    /// Where one's session there is ended, if it says so.
    sign_out: Option<String>,
}

/// A user and a password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    user: String,
    password: String,
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
pub(crate) struct Session {
    user: String,
    /// What to call them: any text.
    name: String,
    roles: Vec<UserRoleWord>,
    /// The agent whose calls they take.
    agent: Option<String>,
    language: ScreenWord,
    /// Whether they have a password here; without one, the identity provider lets them in.
    password: bool,
    /// To be repeated in `X-CSRF-Token` by every request that changes something.
    csrf: String,
    /// When the session is over at the latest, in ms since 1970.
    expires: i64,
    /// For the softphone; null without an agent.
    sip: Option<SipAccount>,
}

/// What the softphone registers as. The socket at `/sip` asks for no password: the session is the proof.
#[derive(Serialize, ToSchema)]
pub(crate) struct SipAccount {
    /// `sip:ID@REALM`.
    uri: String,
    realm: String,
}

/// The first account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FirstAccount {
    /// The last part of the link.
    token: String,
    user: String,
    name: String,
    password: String,
}

/// A language for the screen.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LanguageWish {
    language: ScreenWord,
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordWish {
    current: String,
    new: String,
}

/// How one may sign in.
#[utoipa::path(get, path = "/api/v1/sign-in", tag = "people", security(()),
    responses((status = 200, body = SignInWays)))]
pub(crate) async fn ways(State(shared): State<Shared>, peer: Peer) -> Json<SignInWays> {
    let (setup, demo) = (shared.people.awaits_setup(), shared.people.is_demo());
    let provider = shared.provider.as_ref().filter(|_| peer.private);
    let oidc =
        provider.map(|provider| OidcName { name: provider.name().to_owned(), sign_out: provider.sign_out() });
    Json(SignInWays { password: peer.private, oidc, setup, demo })
}

/// Sign in. Whatever is wrong with user or password, the answer is the same, and takes as long.
#[utoipa::path(post, path = "/api/v1/session", tag = "people", security(()), request_body = Credentials, responses(
    (status = 200, description = "Signed in: the cookie is the session.", body = Session),
    (status = 400, description = "Not JSON.", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "`wrong_credentials`.", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "`bad_origin`, or `not_private`: not over TLS.", body = Problem,
     content_type = "application/problem+json"),
    (status = 413, body = Problem, content_type = "application/problem+json"),
    (status = 415, body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "Other JSON.", body = Problem, content_type = "application/problem+json"),
    (status = 429, description = "`slow_down`: see Retry-After.", body = Problem,
     content_type = "application/problem+json"),
))]
pub(crate) async fn sign_in(
    State(shared): State<Shared>,
    peer: Peer,
    headers: HeaderMap,
    Body(Credentials { user, password }): Body<Credentials>,
) -> Result<Response, Problem> {
    may_sign_in(&shared, peer, &headers)?;
    match shared.people.sign_in(&user, password, peer.remote.ip()).await {
        Ok(signed_in) => Ok(welcome(&shared, peer, &headers, StatusCode::OK, &signed_in)),
        Err(SignInError::Slow(wait)) => Err(Problem::slow_down(wait)),
        Err(SignInError::Wrong) => {
            // What was typed as the user may be a password: it is not logged.
            tracing::warn!(source = %peer.remote.ip(), "sign-in refused");
            Err(wrong_credentials())
        }
    }
}

/// Who is signed in.
#[utoipa::path(get, path = "/api/v1/session", tag = "people", responses((status = 200, body = Session)))]
pub(crate) async fn read(State(shared): State<Shared>, who: Who) -> Result<Json<Session>, Problem> {
    let here = here(&who)?;
    let account = shared.people.account(&here.user).ok_or_else(Problem::no_session)?;
    Ok(Json(session(&shared, here, &account)))
}

/// Sign out.
#[utoipa::path(delete, path = "/api/v1/session", tag = "people", responses((status = 204)))]
pub(crate) async fn sign_out(
    State(shared): State<Shared>,
    peer: Peer,
    who: Who,
) -> Result<Response, Problem> {
    shared.people.sign_out(here(&who)?).await;
    shared.audit().write(&who, Act::SignOut, &who.name, "");
    let cookie = set_cookie(None, peer.secure, 0);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// Choose the language of one's screens.
#[utoipa::path(put, path = "/api/v1/session/language", tag = "people", request_body = LanguageWish,
    responses((status = 204), (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn set_language(
    State(shared): State<Shared>,
    who: Who,
    Body(LanguageWish { language: ScreenWord(language) }): Body<LanguageWish>,
) -> Result<StatusCode, Problem> {
    shared.people.set_language(&here(&who)?.user, language).await.map_err(refusal)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Change one's own password. One's other sessions are over.
#[utoipa::path(put, path = "/api/v1/session/password", tag = "people", request_body = PasswordWish, responses(
    (status = 204),
    (status = 409, description = "`demo_account`.", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "`weak_password`, or `wrong_password`.", body = Problem,
     content_type = "application/problem+json"),
    (status = 429, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn set_password(
    State(shared): State<Shared>,
    peer: Peer,
    who: Who,
    Body(PasswordWish { current, new }): Body<PasswordWish>,
) -> Result<StatusCode, Problem> {
    let here = here(&who)?;
    let asked = shared.audit().ask(&who, Act::Password, &who.name, "own");
    if let Err(fault) = shared.people.set_password(here, current, new, peer.remote.ip()).await {
        asked.refused();
        return Err(refusal(fault));
    }
    asked.done();
    Ok(StatusCode::NO_CONTENT)
}

/// Make the first account, an operator's, with the link that the first start printed.
#[utoipa::path(post, path = "/api/v1/setup", tag = "people", security(()), request_body = FirstAccount, responses(
    (status = 201, description = "Made, and signed in.", body = Session),
    (status = 403, description = "`no_link`: used, too old, or not the one; `bad_origin`; `not_private`.",
     body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "`bad_user`, `bad_name`, `weak_password`.", body = Problem,
     content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn set_up(
    State(shared): State<Shared>,
    peer: Peer,
    headers: HeaderMap,
    Body(FirstAccount { token, user, name, password }): Body<FirstAccount>,
) -> Result<Response, Problem> {
    may_sign_in(&shared, peer, &headers)?;
    let user = user.parse().map_err(|_| bad_user())?;
    let signed_in = shared.people.set_up(&token, user, name, password).await.map_err(refusal)?;
    Ok(welcome(&shared, peer, &headers, StatusCode::CREATED, &signed_in))
}

/// A session must not travel in clear, nor begin on a foreign page.
fn may_sign_in(shared: &Shared, peer: Peer, headers: &HeaderMap) -> Result<(), Problem> {
    if !peer.private {
        let detail = "This connection is not encrypted and comes from another machine.";
        let remedy = "Use the https address; [tls] and [http] secure in the configuration open one.";
        return Err(Problem::new(StatusCode::FORBIDDEN, "not-private", "Not private", detail, remedy));
    }
    if shared.origins.allow(headers) { Ok(()) } else { Err(Problem::bad_origin()) }
}

fn welcome(
    shared: &Shared,
    peer: Peer,
    headers: &HeaderMap,
    status: StatusCode,
    signed_in: &SignedIn,
) -> Response {
    let Some(here) = &signed_in.who.session else { return Problem::no_session().into_response() };
    let secure = peer.secure || Origins::is_https(headers);
    let cookie = set_cookie(Some(&signed_in.secret), secure, shared.config.sessions.most.as_secs());
    let body = Json(session(shared, here, &signed_in.account));
    (status, [(header::SET_COOKIE, cookie)], body).into_response()
}

fn session(shared: &Shared, here: &Here, account: &UserAccount) -> Session {
    let realm = &shared.config.realm;
    let sip = |agent| SipAccount { uri: format!("sip:{agent}@{realm}"), realm: realm.clone() };
    Session {
        user: account.user.to_string(),
        name: account.name.clone(),
        roles: account.roles.iter().map(UserRoleWord).collect(),
        agent: account.agent.as_ref().map(ToString::to_string),
        language: ScreenWord(account.language),
        password: account.password.is_some(),
        csrf: here.csrf.clone(),
        expires: here.expires.as_millis(),
        sip: account.agent.as_ref().map(sip),
    }
}

fn here(who: &Who) -> Result<&Here, Problem> {
    who.session.as_ref().ok_or_else(Problem::no_session)
}

fn wrong_credentials() -> Problem {
    let detail = "There is no such user with this password, or the account is disabled.";
    let remedy = "Check both; an operator can set a new password.";
    Problem::new(StatusCode::UNAUTHORIZED, "wrong-credentials", "Wrong user or password", detail, remedy)
}

pub(crate) fn bad_user() -> Problem {
    let detail = "This cannot be the name of a user.";
    let remedy = "Use 1 to 64 letters, digits, '.', '_', '-', '@' or '+', beginning with a letter or digit.";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-user", "Not a user's name", detail, remedy)
}

/// Why an account is not changed, for people.
pub(crate) fn refusal(error: ChangeError) -> Problem {
    let (status, kind, detail, remedy) = match error {
        ChangeError::Exists => {
            (StatusCode::CONFLICT, "exists", "There is an account of this name.", "Choose another name.")
        }
        ChangeError::Unknown => (
            StatusCode::NOT_FOUND,
            "not-found",
            "There is no such account.",
            "GET /api/v1/accounts lists them.",
        ),
        ChangeError::Demo => (
            StatusCode::CONFLICT,
            "demo-account",
            "Accounts of the demo stay as they are.",
            "Switch [console] demo_accounts off and make accounts of your own.",
        ),
        ChangeError::Full => {
            (StatusCode::CONFLICT, "full", "There are 10,000 accounts already.", "Remove those not needed.")
        }
        ChangeError::Name => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "bad-name",
            "The name is empty or has more than 80 characters.",
            "Give a name by which colleagues know this person.",
        ),
        ChangeError::Weak(why) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "weak-password",
            why,
            "Use 10 characters or more: four words that do not belong together are easy to keep in mind.",
        ),
        ChangeError::LastOperator => (
            StatusCode::CONFLICT,
            "last-operator",
            "Nobody could manage accounts any more.",
            "Make somebody else an operator first.",
        ),
        ChangeError::Wrong => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "wrong-password",
            "The present password is another one.",
            "Check it; an operator can set a new one.",
        ),
        ChangeError::NoLink => (
            StatusCode::FORBIDDEN,
            "no-link",
            "This link has been used, is older than a day, or never was one.",
            "Restart havre: while there is no account, each start prints a new link.",
        ),
        ChangeError::Unkept => (
            StatusCode::SERVICE_UNAVAILABLE,
            "unkept",
            "The account cannot be written to the disk.",
            "Look at the log; check free space and permissions of [console] accounts.",
        ),
        ChangeError::Slow(wait) => return Problem::slow_down(wait),
    };
    Problem::new(status, kind, "The account stays as it is", detail, remedy)
}
