//! The console's pages: our own files, built from `web/` and embedded, so that this build needs no Node. Nothing is inline
//! and nothing comes from outside.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::api::Part;
use crate::problem::Problem;

/// One file of the build.
struct File {
    path: &'static str,
    kind: &'static str,
    plain: &'static [u8],
    brotli: &'static [u8],
}

/// All of them, sorted by path.
static FILES: &[File] = include!("../assets/app/files.rs");

/// What a browser may do with a file whose name tells its content.
const FOR_GOOD: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// The console. Every page of it is this file, which asks who is signed in.
#[utoipa::path(get, path = "/", tag = "page", security(()),
    responses((status = 200, content_type = "text/html", body = String)))]
pub(crate) async fn index(headers: HeaderMap) -> Result<Response, Problem> {
    find("index.html").map(|file| file.answer(&headers)).ok_or_else(Problem::no_such_path)
}

/// A file of the console, named after its content.
#[utoipa::path(get, path = "/app/{file}", tag = "page", security(()), params(("file" = String, Path)), responses(
    (status = 200, content_type = "application/octet-stream", body = String),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn file(Part(file): Part, headers: HeaderMap) -> Result<Response, Problem> {
    let file = find(&format!("app/{file}")).ok_or_else(Problem::no_such_path)?;
    let mut response = file.answer(&headers);
    response.headers_mut().insert(header::CACHE_CONTROL, FOR_GOOD);
    Ok(response)
}

fn find(path: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.path == path)
}

impl File {
    fn answer(&self, headers: &HeaderMap) -> Response {
        let small = takes_brotli(headers);
        let body = if small { self.brotli } else { self.plain };
        let mut response = ([(header::CONTENT_TYPE, self.kind)], body).into_response();
        let told = response.headers_mut();
        told.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if small {
            told.insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
        }
        response
    }
}

/// Whether the browser says that it takes Brotli (RFC 9110 §12.5.3).
fn takes_brotli(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("br") && weight.is_some_and(|weight| weight > 0.0)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::words::AGENT_STATES;
    use crate::{AlarmKind, Attention, Stage};

    const TEXTS: [&str; 4] = [
        include_str!("../web/src/texts/shell.ts"),
        include_str!("../web/src/texts/desk.ts"),
        include_str!("../web/src/texts/board.ts"),
        include_str!("../web/src/texts/operator.ts"),
    ];

    #[test]
    fn nothing_is_inline_and_nothing_comes_from_outside() {
        let html = text(find("index.html").unwrap());
        for inline in ["<style", "style=", " onclick", " onload", "javascript:", "data:", "//"] {
            assert!(!html.contains(inline), "{inline}");
        }
        for script in html.split("<script").skip(1) {
            assert!(script.contains("src=\"./app/"), "<script{script}");
            assert!(script.split('>').nth(1).is_some_and(|inside| inside.trim() == "</script"), "{script}");
        }
        for file in FILES.iter().filter(|file| file.kind.starts_with("text/css")) {
            for outside in ["http:", "https:", "//", "@import"] {
                assert!(!text(file).contains(outside), "{outside} in {}", file.path);
            }
        }
    }

    #[test]
    fn whatever_the_page_names_is_there() {
        let names: BTreeSet<_> = FILES.iter().map(|file| file.path).collect();
        assert!(names.len() == FILES.len() && names.len() > 20, "{names:?}");
        let html = text(find("index.html").unwrap());
        let named = html.split("\"./").skip(1).filter_map(|rest| rest.split('"').next());
        let named: Vec<_> = named.collect();
        assert!(named.len() >= 3, "{html}");
        for name in named {
            assert!(names.contains(name), "{name}");
        }
        for file in FILES {
            assert!(!file.plain.is_empty() && !file.brotli.is_empty(), "{}", file.path);
        }
    }

    /// The words of the model are looked up as `kind.word`: each has a text in both languages.
    #[test]
    fn every_word_that_the_server_says_has_a_text() {
        let reasons = ["signed_in", "break", "no_answer", "phone_failed", "hard_call"];
        let kinds: [(&str, Vec<&str>); 14] = [
            ("problem", crate::access::OidcError::ALL.map(crate::access::OidcError::as_str).into()),
            ("language", havre_model::Language::ALL.map(havre_model::Language::as_str).into()),
            ("risk", havre_model::Risk::ALL.map(havre_model::Risk::as_str).into()),
            ("spoken", havre_model::Spoken::ALL.map(havre_model::Spoken::as_str).into()),
            ("stage", Stage::ALL.map(Stage::as_str).into()),
            ("alarm", AlarmKind::ALL.map(AlarmKind::as_str).into()),
            ("call_note", Attention::ALL.iter().skip(1).map(|attention| attention.as_str()).collect()),
            ("state", AGENT_STATES.into()),
            ("reason", reasons.into()),
            ("role", havre_model::UserRole::ALL.map(havre_model::UserRole::as_str).into()),
            ("outcome", crate::tally::OUTCOMES_ALL.map(havre_model::Outcome::as_str).into()),
            ("act", crate::access::Act::ALL.iter().map(|act| act.as_str()).collect()),
            ("side", havre_model::Side::ALL.map(havre_model::Side::as_str).into()),
            ("cause", havre_model::Cause::ALL.iter().map(|cause| cause.as_str()).collect()),
        ];
        let mut missing = Vec::new();
        for (kind, words) in kinds {
            assert!(!words.is_empty());
            let keys = words.iter().map(|word| format!("{kind}.{word}"));
            missing.extend(keys.filter(|key| {
                let stands = format!("\"{key}\": [");
                !TEXTS.iter().any(|part| part.contains(&stands))
            }));
        }
        assert_eq!(missing, [""; 0]);
    }

    #[test]
    fn brotli_is_sent_to_whoever_takes_it() {
        let takes = |line: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, line.parse().unwrap());
            takes_brotli(&headers)
        };
        for yes in ["br", "gzip, deflate, br, zstd", "gzip;q=0.5, BR;q=0.1"] {
            assert!(takes(yes), "{yes}");
        }
        for no in ["", "gzip", "br;q=0", "br;q=x", "brotli", "*", ";,,"] {
            assert!(!takes(no), "{no}");
        }
        assert!(!takes_brotli(&HeaderMap::new()));
    }

    fn text(file: &File) -> &'static str {
        std::str::from_utf8(file.plain).unwrap()
    }
}
