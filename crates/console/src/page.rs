//! The live page: our own embedded files, one catalogue of texts, no script or style inline, nothing from outside.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::LazyLock;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::{Part, Shared};
use crate::problem::Problem;

const TEMPLATE: &str = include_str!("../assets/page.html");
const TEXTS: &str = include_str!("../assets/texts.json");
const SCRIPT: &str = include_str!("../assets/live.js");
const STYLE: &str = include_str!("../assets/style.css");
const ICON: &str = include_str!("../assets/icon.svg");

/// One language's page and texts.
struct Edition {
    html: String,
    texts: String,
}

/// One text in both languages.
#[derive(Deserialize)]
struct Text {
    en: String,
    fr: String,
}

static EN: LazyLock<Edition> = LazyLock::new(|| Edition::new("en-CA", |text| &text.en));
static FR: LazyLock<Edition> = LazyLock::new(|| Edition::new("fr-CA", |text| &text.fr));

impl Edition {
    fn new(tag: &str, pick: fn(&Text) -> &String) -> Self {
        let texts = catalogue();
        let texts: BTreeMap<_, _> =
            texts.iter().map(|(key, text)| (key.as_str(), pick(text).as_str())).collect();
        let mut html = TEMPLATE.replace("{{lang}}", tag);
        for (key, text) in &texts {
            html = html.replace(&format!("{{{{{key}}}}}"), &escaped(text));
        }
        Self { html, texts: serde_json::to_string(&texts).unwrap_or_default() }
    }
}

/// A test reads the embedded catalogue, so it is never empty.
fn catalogue() -> BTreeMap<String, Text> {
    serde_json::from_str(TEXTS).unwrap_or_default()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The live page in the browser's language.
#[utoipa::path(get, path = "/", tag = "page", security(()),
    responses((status = 200, content_type = "text/html", body = String)))]
pub(crate) async fn any(headers: HeaderMap) -> Response {
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let edition = if french_first(accepted.unwrap_or_default()) { &FR } else { &EN };
    let mut response = html(edition);
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-language"));
    response
}

/// The live page in English.
#[utoipa::path(get, path = "/en", tag = "page", security(()),
    responses((status = 200, content_type = "text/html", body = String)))]
pub(crate) async fn en() -> Response {
    html(&EN)
}

/// The live page in French.
#[utoipa::path(get, path = "/fr", tag = "page", security(()),
    responses((status = 200, content_type = "text/html", body = String)))]
pub(crate) async fn fr() -> Response {
    html(&FR)
}

fn html(edition: &'static Edition) -> Response {
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], edition.html.as_str()).into_response()
}

/// The live page's files: `live.js`, `style.css`, `icon.svg`, and its texts `en.json` and `fr.json`.
#[utoipa::path(get, path = "/page/{file}", tag = "page", security(()), params(("file" = String, Path)), responses(
    (status = 200, content_type = "application/octet-stream", body = String),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn file(Part(file): Part) -> Result<Response, Problem> {
    let (kind, body): (_, &'static str) = match file.as_str() {
        "live.js" => ("text/javascript; charset=utf-8", SCRIPT),
        "style.css" => ("text/css; charset=utf-8", STYLE),
        "icon.svg" => ("image/svg+xml", ICON),
        "en.json" => ("application/json", &EN.texts),
        "fr.json" => ("application/json", &FR.texts),
        _ => return Err(Problem::no_such_path()),
    };
    Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
}

/// What the page may start with.
#[derive(Serialize, ToSchema)]
pub(crate) struct PageToken {
    /// The token, in the loopback demo (`open_page`); otherwise null, and the page asks for it.
    token: Option<String>,
}

/// The token for the page of the loopback demo.
#[utoipa::path(get, path = "/page/token", tag = "page", security(()), responses((status = 200, body = PageToken)))]
pub(crate) async fn token(State(shared): State<Shared>, headers: HeaderMap) -> Json<PageToken> {
    let open = shared.config.open_page && from_own_page(&headers);
    Json(PageToken { token: open.then(|| shared.config.token.expose().to_owned()) })
}

/// Whether the request comes from a page of this server. A foreign site that points its own name at 127.0.0.1
/// (DNS rebinding) has that name in `Host`; one that asks across origins says so in `Sec-Fetch-Site`.
fn from_own_page(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default());
    let own_host = text(header::HOST).is_some_and(|host| {
        let name = host
            .rsplit_once(':')
            .filter(|(_, port)| port.parse::<u16>().is_ok())
            .map_or(host, |(name, _)| name);
        let address = name.trim_start_matches('[').trim_end_matches(']');
        name.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    });
    let same_site = text(header::HeaderName::from_static("sec-fetch-site"));
    own_host && same_site.is_none_or(|site| site == "same-origin" || site == "none")
}

/// Whether French is wanted before English (RFC 9110 §12.5.4).
fn french_first(accepted: &str) -> bool {
    let wish = |language: &str| {
        let ranges = accepted.split(',').enumerate().filter_map(|(place, range)| {
            let (tag, weight) = range.split_once(';').unwrap_or((range, "q=1"));
            let tag = tag.trim().split('-').next()?;
            let weight: f32 = weight.trim().strip_prefix("q=")?.parse().ok()?;
            (tag.eq_ignore_ascii_case(language) && weight > 0.0).then_some((weight, -(place as i64)))
        });
        ranges.max_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal))
    };
    wish("fr").partial_cmp(&wish("en")) == Some(std::cmp::Ordering::Greater)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::words::AGENT_STATES;
    use crate::{Attention, Stage};

    #[test]
    fn every_text_is_there_in_both_languages() {
        let texts = catalogue();
        assert!(texts.len() > 40, "the catalogue cannot be read");
        for (key, text) in &texts {
            for (language, words) in [("en", &text.en), ("fr", &text.fr)] {
                assert!(!words.trim().is_empty(), "{key} has no {language} text");
                assert!(!words.contains("{{"), "{key}");
            }
            let places = |words: &str| words.matches("{0}").count();
            assert_eq!(places(&text.en), places(&text.fr), "{key}: a place is missing in one language");
        }
    }

    #[test]
    fn every_text_used_exists_and_every_text_is_used() {
        let mut used: BTreeSet<String> = between(TEMPLATE, "{{", "}}").into_iter().collect();
        used.remove("lang");
        used.extend(between(SCRIPT, "say(\"", "\""));
        used.extend(between(SCRIPT, "setLink(\"", "\"").into_iter().filter(|key| !key.is_empty()));
        // Texts of words of the model are looked up as `kind.word`.
        let words =
            |kind: &str, words: &[&str]| words.iter().map(|w| format!("{kind}.{w}")).collect::<Vec<_>>();
        used.extend(words("language", &["en", "fr", "unknown", "other"]));
        used.extend(words("risk", &havre_model::Risk::ALL.map(havre_model::Risk::as_str)));
        used.extend(words("stage", &Stage::ALL.map(Stage::as_str)));
        used.extend(words("attention", &Attention::ALL.map(Attention::as_str)));
        used.remove("attention.none");
        used.extend(words("state", &AGENT_STATES));
        used.extend(words("reason", &["signed_in", "break", "no_answer", "hard_call"]));
        used.extend(words("role", &["supervisor", "on_call"]));
        used.extend(words("ready", &["starting", "draining", "store_degraded"]));
        used.extend(words("spoken", &["en", "fr", "es"]));
        let known: BTreeSet<String> = catalogue().into_keys().collect();
        assert_eq!(used.difference(&known).collect::<Vec<_>>(), [""; 0], "used, not in the catalogue");
        assert_eq!(known.difference(&used).collect::<Vec<_>>(), [""; 0], "in the catalogue, not used");
    }

    #[test]
    fn nothing_is_inline_and_nothing_comes_from_outside() {
        for edition in [&EN, &FR] {
            let html = &edition.html;
            assert!(!html.contains("{{"), "a place was not filled");
            for inline in ["<style", "style=", " onclick", " onload", "javascript:"] {
                assert!(!html.contains(inline), "{inline}");
            }
            for script in between(html, "<script", ">") {
                assert!(script.contains("src=\"/page/"), "<script{script}>");
            }
        }
        for (name, text) in [("html", TEMPLATE), ("script", SCRIPT), ("style", STYLE)] {
            for outside in ["http:", "https:", "//cdn", "@import", "innerHTML", "eval("] {
                assert!(!text.contains(outside), "{outside} in {name}");
            }
        }
    }

    #[test]
    fn the_browser_says_which_language_comes_first() {
        for french in
            ["fr", "fr-CA, en;q=0.8", "de, fr;q=0.5", "en;q=0.3, FR;q=0.9", "fr,en", "fr;q=0.2, en;q=0"]
        {
            assert!(french_first(french), "{french}");
        }
        for english in ["", "en", "en-CA, fr;q=0.8", "de", "en,fr", "fr;q=0", "fr;q=x", ",;,", "*"] {
            assert!(!french_first(english), "{english}");
        }
    }

    #[test]
    fn only_a_page_of_this_server_gets_the_token() {
        let from = |host: &str, site: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if let Some(site) = site {
                headers.insert("sec-fetch-site", site.parse().unwrap());
            }
            from_own_page(&headers)
        };
        for own in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST", "[::1]:8080", "[::1]", "127.0.0.1"] {
            assert!(from(own, None) && from(own, Some("same-origin")), "{own}");
            assert!(!from(own, Some("cross-site")) && !from(own, Some("same-site")), "{own}");
        }
        for foreign in
            ["evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "192.0.2.1", ""]
        {
            assert!(!from(foreign, None), "{foreign}");
        }
        assert!(!from_own_page(&HeaderMap::new()));
    }

    /// Everything between `open` and `close`.
    fn between(text: &str, open: &str, close: &str) -> Vec<String> {
        let parts = text.split(open).skip(1);
        parts.map(|rest| rest.split(close).next().unwrap_or_default().to_owned()).collect()
    }
}
