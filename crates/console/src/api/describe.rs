//! The description of the API (OpenAPI 3.1).

use axum::Json;
use axum::extract::State;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, OpenApi};

use super::{
    Shared, agents, board, calls, desk, plan, probes, prompts, provinces, reload, stream, today, trunks,
};
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
        calls::queues, calls::calls, calls::call, calls::escalate, agents::agents, agents::agent, agents::set_state, stream::events, reload::reload,
        board::board, board::events, desk::desk, desk::events, desk::set_state, desk::escalate, desk::history, provinces::provinces,
        calls::log, today::today, today::roster, today::set_roster, today::coverage, trunks::trunks,
        plan::plan, plan::check, plan::replace, prompts::prompts, prompts::recording, prompts::replace,
        page::any, page::en, page::fr, page::token, page::file,
    ),
    components(schemas(CallNews, AgentNews, SystemNews, Change, KeyNews)),
    security(("token" = []))
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
    let components = api.components.take().unwrap_or_else(|| ComponentsBuilder::new().build());
    api.components = Some(ComponentsBuilder::from(components).security_scheme("token", bearer).build());
    api
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::api::{Access, routes};

    #[test]
    fn every_route_is_described_and_every_description_has_a_route() {
        let routed: BTreeSet<_> = routes().into_iter().map(|(path, ..)| path.to_owned()).collect();
        let described: BTreeSet<_> = description("").paths.paths.into_keys().collect();
        assert_eq!(routed, described);
    }

    #[test]
    fn the_description_says_which_routes_need_the_token() {
        let api = serde_json::to_value(description("")).unwrap();
        for (path, access, _) in routes() {
            for operation in api["paths"][path].as_object().unwrap().values() {
                let open = operation["security"] == serde_json::json!([{}]);
                assert_eq!(open, access == Access::Open, "{path}");
                assert_eq!(operation["responses"]["401"].is_object(), !open, "{path}");
            }
        }
    }
}
