//! The description of the API (OpenAPI 3.1).

use axum::Json;
use axum::extract::State;
use axum::http::Method;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ComponentsBuilder, ContentBuilder, OpenApi, Ref, ResponseBuilder};

use super::{
    Shared, accounts, agents, board, calls, desk, oidc, plan, probes, prompts, provinces, reload, routes,
    session, sip, stream, today, trace, trunks,
};
use crate::access::Access;
use crate::events::{AgentNews, CallNews, SystemNews};
use crate::page;
use crate::problem::Problem;
use crate::screens::KeyNews;
use crate::views::Change;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Havre",
        description = "The line as it is now: queue, calls, advocates. No caller's identity is anywhere in it. \
                       Errors are problem details (RFC 9457) with a `remedy`.",
        license(name = "MIT OR Apache-2.0")
    ),
    paths(
        probes::health, probes::ready, probes::metrics, openapi,
        calls::queues, calls::calls, calls::call, calls::escalate, calls::take, agents::agents, agents::agent, agents::set_state, stream::events, reload::reload,
        board::board, board::events, desk::desk, desk::events, desk::set_state, desk::escalate, desk::history, provinces::provinces,
        calls::log, trace::call, trace::attempts, today::today, today::roster, today::set_roster, today::coverage, trunks::trunks,
        plan::plan, plan::check, plan::replace, prompts::prompts, prompts::recording, prompts::replace,
        session::ways, session::sign_in, session::read, session::sign_out, session::set_language,
        session::set_password, session::set_up, oidc::begin, oidc::finish, accounts::list, accounts::add, accounts::change, accounts::remove,
        accounts::audit, sip::socket,
        page::index, page::file,
    ),
    components(schemas(CallNews, AgentNews, SystemNews, Change, KeyNews)),
    security(("token" = []), ("session" = []))
)]
struct Description;

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "node", responses(
    (status = 200, content_type = "application/json", body = Object),
    (status = 401, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn openapi(State(shared): State<Shared>) -> Json<OpenApi> {
    Json(description(&shared.config.version))
}

pub(crate) fn description(version: &str) -> OpenApi {
    let mut api = <Description as utoipa::OpenApi>::openapi();
    version.clone_into(&mut api.info.version);
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
        "havre_session",
        "The cookie of POST /api/v1/session. What changes something needs `X-CSRF-Token` and a page's origin too.",
    )));
    let components = api.components.take().unwrap_or_else(|| ComponentsBuilder::new().build());
    let components = ComponentsBuilder::from(components).security_scheme("token", bearer);
    api.components = Some(components.security_scheme("session", cookie).build());
    for (method, path, access, _) in routes() {
        if let Some(operation) = api.paths.paths.get_mut(path).and_then(|item| operation(item, &method)) {
            say_who_may(operation, access);
        }
    }
    api
}

fn operation<'a>(item: &'a mut PathItem, method: &Method) -> Option<&'a mut Operation> {
    let operation = match method.as_str() {
        "GET" => &mut item.get,
        "PUT" => &mut item.put,
        "POST" => &mut item.post,
        "DELETE" => &mut item.delete,
        _ => return None,
    };
    operation.as_mut()
}

/// Who may ask stands in the table of routes alone; here it is told.
fn say_who_may(operation: &mut Operation, access: Access) {
    if access == Access::Open {
        return;
    }
    let said = operation.description.take().map_or_else(String::new, |said| format!("{said}\n\n"));
    operation.description = Some(format!("{said}For {access}."));
    if access == Access::Session {
        operation.security = Some(vec![SecurityRequirement::new("session", [""; 0])]);
    }
    let problem = |said: &str| {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        ResponseBuilder::new().description(said).content("application/problem+json", content).build().into()
    };
    let told = &mut operation.responses.responses;
    told.entry("401".to_owned()).or_insert_with(|| problem("Neither the token nor a live session."));
    told.entry("403".to_owned()).or_insert_with(|| {
        problem("`not_allowed`: not this role. `bad_origin`, `bad_csrf`: see the session.")
    });
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_is_described_and_every_description_has_a_route() {
        let name = |method: &str, path: &str| format!("{} {path}", method.to_lowercase());
        let routed: BTreeSet<_> =
            routes().iter().map(|(method, path, ..)| name(method.as_str(), path)).collect();
        let api = serde_json::to_value(description("")).unwrap();
        let mut described = BTreeSet::new();
        for (path, item) in api["paths"].as_object().unwrap() {
            described.extend(item.as_object().unwrap().keys().map(|method| name(method, path)));
        }
        assert_eq!(routed, described);
    }

    #[test]
    fn the_description_says_who_may_ask() {
        let api = serde_json::to_value(description("")).unwrap();
        for (method, path, access, _) in routes() {
            let operation = &api["paths"][path][method.as_str().to_lowercase()];
            let open = operation["security"] == serde_json::json!([{}]);
            assert_eq!(open, access == Access::Open, "{method} {path}");
            if !open {
                for status in ["401", "403"] {
                    assert!(operation["responses"][status].is_object(), "{method} {path} {status}");
                }
                let said = operation["description"].as_str().unwrap();
                assert!(said.ends_with(&format!("For {access}.")), "{method} {path}: {said}");
            }
        }
    }
}
