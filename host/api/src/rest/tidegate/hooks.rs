//! Hook points and the records of their calls.

use std::net::IpAddr;

use axum::extract::State;
use axum::http::Method;
use axum::response::Response;
use serde_json::{Value, json};
use tidegate_api_types::{ForgottenCredentials, HookCounters, HookLinks, HookRuns};
use tidegate_core::admin::{LoginQuestion, UseCase};
use tidegate_core::connection::LoginMethod;
use tidegate_core::hook::HookKind;
use tidegate_core::ports::{DURATION_BOUNDS, RunFilter};

use super::super::RestApi;
use super::super::extract::{Body, Document, Name, Query};
use super::super::guard::Caller;
use super::super::openapi::{address_or_none, reference, word};
use super::super::pages::{DEFAULT_LIMIT, MAX_LIMIT};
use super::super::route::Route;
use crate::answer::{self, Refusal};
use crate::control::{hook_counter, hook_link, hook_run};

pub fn routes() -> Vec<Route> {
    let text = || json!({"type": "string"});
    let kinds = json!({"type": "string", "enum": HookKind::ALL.map(HookKind::as_str)});
    let number = || json!({"type": "integer", "minimum": 0, "maximum": i64::MAX});
    vec![
        Route::new(
            Method::GET,
            "/hooks",
            "list_hook_links",
            "List the links of every hook point, in the order in which they are asked.",
            links,
        )
        .needs(UseCase::ListHooks)
        .answers(200, reference("HookLinks")),
        Route::new(
            Method::GET,
            "/hooks/explain",
            "explain_login",
            "Say which hooks a login would meet and why, without running any.",
            explain,
        )
        .needs(UseCase::ExplainHooks)
        .required("username", word(), "The user name, as a client would send it.")
        .query(
            "method",
            json!({"type": "string", "enum": LoginMethod::ALL.map(LoginMethod::as_str), "default": "password"}),
            "The login method.",
        )
        .query("address", address_or_none(), "The client's address; without it, that of a client on this machine.")
        .answers(200, json!({"type": "object"})),
        Route::new(
            Method::POST,
            "/hooks/test",
            "test_hooks",
            "Ask the configured hooks about a made-up event, whose keys are those of `tidegate hook test --file`; \
             `only` names one of them, as the list of links has it.",
            test,
        )
        .needs(UseCase::TestHooks)
        .body(json!({"type": "object", "properties": {"hook": kinds, "only": text()}, "required": ["hook"]}))
        .answers(200, json!({"type": "object"})),
        Route::new(
            Method::POST,
            "/hooks/forget-credentials",
            "forget_credentials",
            "Forget what external authentication has decided, so that its hooks are asked again.",
            forget,
        )
        .needs(UseCase::ForgetCredentials)
        .query("username", text(), "Only about this user.")
        .answers(200, reference("ForgottenCredentials")),
        Route::new(
            Method::GET,
            "/hooks/runs",
            "list_hook_runs",
            "List the newest calls of hooks, the oldest first.",
            runs,
        )
        .needs(UseCase::ListRuns)
        .query(
            "kind",
            text(),
            "Only calls of this hook point; login: the outcomes of logins; round: questions to users.",
        )
        .query("username", text(), "Only calls about this user.")
        .query("address", address_or_none(), "Only calls about clients at this address.")
        .query("connection", text(), "Only calls about this connection.")
        .query("hook", text(), "Only calls of this hook: a path, a URL or the name of a plugin.")
        .query("outcome", text(), "Only calls with this outcome.")
        .query("since", number(), "Only calls that began then or later, in milliseconds since 1970.")
        .query("until", number(), "Only calls that began earlier, in milliseconds since 1970.")
        .query("after", number(), "Only records with a greater number.")
        .query(
            "limit",
            json!({"type": "integer", "minimum": 1, "maximum": 4294967295_u32, "default": 100}),
            "The most records to give, 500 at most.",
        )
        .answers(200, reference("HookRuns")),
        Route::new(Method::GET, "/hooks/runs/{id}", "show_hook_run", "Show one call of a hook.", run)
            .needs(UseCase::ShowRun)
            .answers(200, reference("HookRun"))
            .versioned(),
        Route::new(
            Method::GET,
            "/hooks/counters",
            "list_hook_counters",
            "Count all calls of hooks by hook, version and outcome.",
            counters,
        )
        .needs(UseCase::ListCounters)
        .answers(200, reference("HookCounters")),
    ]
}

async fn links(State(api): State<RestApi>, Caller(actor): Caller) -> Result<Response, Refusal> {
    let links = api.administration.plugins.links(&actor).await?;
    Ok(answer::json(&HookLinks { links: links.into_iter().map(hook_link).collect() }))
}

async fn explain(State(api): State<RestApi>, Caller(actor): Caller, query: Query) -> Result<Response, Refusal> {
    let username = query.text("username").filter(|username| !username.is_empty());
    let missing = || Refusal::of_field("username", "the parameter \"username\" is missing");
    let method = query.text("method").unwrap_or(LoginMethod::Password.as_str());
    let unknown = || {
        let known = LoginMethod::ALL.map(LoginMethod::as_str).join(", ");
        Refusal::of_field("method", format!("the parameter \"method\" must be one of {known}"))
    };
    let login = LoginQuestion {
        username: username.ok_or_else(missing)?.to_owned(),
        method: LoginMethod::ALL.into_iter().find(|known| known.as_str() == method).ok_or_else(unknown)?,
        address: query.value("address", "an address")?.unwrap_or_else(|| [127, 0, 0, 1].into()),
    };
    let explanation = api.administration.plugins.explain(&actor, &login).await?;
    let points = explanation.points.into_iter().map(|point| {
        let links = point.links.into_iter().map(|(link, mismatch)| {
            let reason = point.not_asked.clone().or(mismatch);
            // A link has texts and numbers only: it can always be written.
            let mut document = serde_json::to_value(hook_link(link)).unwrap_or_default();
            if let Value::Object(fields) = &mut document {
                fields.insert("runs".to_owned(), json!(reason.is_none()));
                fields.insert("reason".to_owned(), json!(reason));
            }
            document
        });
        let links: Vec<Value> = links.collect();
        json!({"hook": point.hook, "composition": point.composition, "not_asked": point.not_asked, "links": links})
    });
    Ok(answer::json(&json!({"is_stored": explanation.is_stored, "points": points.collect::<Vec<_>>()})))
}

async fn test(State(api): State<RestApi>, Caller(actor): Caller, Body(event): Document) -> Result<Response, Refusal> {
    Ok(answer::json(&api.administration.plugins.test(&actor, event).await?))
}

async fn forget(State(api): State<RestApi>, Caller(actor): Caller, query: Query) -> Result<Response, Refusal> {
    let username = query.text("username").filter(|username| !username.is_empty());
    let forgotten = api.administration.credentials.forget(&actor, username).await?;
    Ok(answer::json(&ForgottenCredentials { forgotten: u64::try_from(forgotten).unwrap_or(u64::MAX) }))
}

async fn runs(State(api): State<RestApi>, Caller(actor): Caller, query: Query) -> Result<Response, Refusal> {
    let text = |name: &str| query.text(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let number = |name: &str| query.natural(name);
    let limit = query.value::<u32>("limit", "a whole number from 1 to 500")?.unwrap_or(DEFAULT_LIMIT);
    if limit == 0 {
        return Err(Refusal::of_field("limit", "the parameter \"limit\" must be a whole number from 1 to 500"));
    }
    let filter = RunFilter {
        kind: text("kind"),
        username: text("username"),
        hook: text("hook"),
        outcome: text("outcome"),
        address: query.value::<IpAddr>("address", "an address")?.map(|address| address.to_string()),
        connection: text("connection"),
        since: number("since")?,
        until: number("until")?,
        after: number("after")?.unwrap_or(0),
        limit: limit.min(MAX_LIMIT),
        ..RunFilter::default()
    };
    let runs = api.administration.hook_runs.list(&actor, filter).await?;
    Ok(answer::json(&HookRuns { runs: runs.into_iter().map(hook_run).collect() }))
}

async fn run(State(api): State<RestApi>, Caller(actor): Caller, Name(id): Name) -> Result<Response, Refusal> {
    let id = id.parse().map_err(|_| Refusal::of_field("id", "the number of a record is a whole number"))?;
    Ok(answer::json(&hook_run(api.administration.hook_runs.show(&actor, id).await?)))
}

async fn counters(State(api): State<RestApi>, Caller(actor): Caller) -> Result<Response, Refusal> {
    let counters = api.administration.hook_runs.counters(&actor).await?.into_iter().map(hook_counter).collect();
    Ok(answer::json(&HookCounters { duration_bounds_us: DURATION_BOUNDS.to_vec(), counters }))
}
