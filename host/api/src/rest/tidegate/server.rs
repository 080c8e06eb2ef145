//! Live connections, the configuration in force, and audit records.

use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::Response;
use serde_json::{Value, json};
use tidegate_api_types::{AuditEntries, Token, Tokens};
use tidegate_core::admin::{Actor, ShownToken, UseCase};
use tidegate_core::connection::ConnectionId;
use tidegate_core::ports::{AuditOutcome, AuditQuery, PageRequest};
use tidegate_core::session::Session;

use super::super::RestApi;
use super::super::conditions::Conditions;
use super::super::extract::{Name, Query};
use super::super::guard::Caller;
use super::super::openapi::{address_or_none, reference};
use super::super::pages::{self, DEFAULT_LIMIT, MAX_LIMIT};
use super::super::route::Route;
use crate::answer::{self, Refusal, done};
use crate::audit_export::{AuditShape, audit_as_answer};
use crate::control::{audit_entry, session, token};

pub fn routes() -> Vec<Route> {
    let text = || json!({"type": "string"});
    let time = || json!({"type": "integer", "minimum": 0, "maximum": i64::MAX});
    let outcomes = json!({"type": "string", "enum": AuditOutcome::ALL.map(AuditOutcome::as_str)});
    let limit = json!({"type": "integer", "minimum": 1, "maximum": 4294967295_u32, "default": 100});
    let selected = |route: Route| {
        route
            .needs(UseCase::ListAudit)
            .query(
                "before",
                json!({"type": "integer", "minimum": 0, "maximum": i64::MAX}),
                "Only records with a smaller number.",
            )
            .query("since", time(), "Only records of that time or later, in milliseconds since 1970.")
            .query("until", time(), "Only records of an earlier time, in milliseconds since 1970.")
            .query("actor", text(), "Only changes by this author.")
            .query("address", address_or_none(), "Only changes from this address.")
            .query("action", text(), "Only changes of this kind, such as update.")
            .query("outcome", outcomes.clone(), "Only requests that ended in this way.")
            .query("kind", text(), "Only changes of objects of this kind, such as user.")
            .query("name", text(), "Only changes of objects of this name.")
            .answers(200, reference("AuditEntries"))
    };
    vec![
        pages::partly(Route::new(
            Method::GET,
            "/connections",
            "list_connections",
            "List the sessions that are open, the oldest first, with the rates of their transfers; a page of them in the \
             order of the ids.",
            connections,
        ))
        .needs(UseCase::ListSessions)
        .answers(200, json!({"type": "array", "items": reference("Session")})),
        Route::new(
            Method::GET,
            "/connections/{connection_id}",
            "show_connection",
            "Show a session that is open, with the rates of its transfers.",
            connection,
        )
        .needs(UseCase::ListSessions)
        .answers(200, reference("Session"))
        .live(),
        Route::new(
            Method::GET,
            "/configuration",
            "show_configuration",
            "Show the configuration in force, without secrets, and where each value comes from.",
            configuration,
        )
        .needs(UseCase::ShowConfiguration)
        .answers(200, json!({"type": "object"}))
        .versioned(),
        selected(Route::new(
            Method::GET,
            "/audit",
            "list_audit",
            "List what was changed by whom, the newest first.",
            audit,
        ))
        .query("limit", limit.clone(), "The most records to give, 500 at most."),
        selected(Route::new(
            Method::GET,
            "/audit/export",
            "export_audit",
            "Give all that was changed by whom, the newest first, one record a line.",
            export,
        )),
        Route::new(Method::GET, "/tokens", "list_tokens", "List the tokens of administrators and users.", tokens)
            .needs(UseCase::ListTokens)
            .query("after", text(), "Only tokens whose id comes after this one.")
            .query("limit", limit, "The most tokens to give, 500 at most.")
            .answers(200, reference("Tokens")),
        Route::new(Method::GET, "/tokens/{token_id}", "show_token", "Show a token that is still good.", show_token)
            .needs(UseCase::ListTokens)
            .answers(200, reference("Token"))
            .versioned(),
        Route::new(Method::DELETE, "/tokens/{token_id}", "revoke_token", "End a token.", revoke)
            .needs(UseCase::RevokeToken)
            .answers(200, reference("Done"))
            .versioned(),
    ]
}

async fn connections(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    uri: Uri,
    query: Query,
) -> Result<Response, Refusal> {
    let sessions = api.administration.sessions.list(&actor).await?;
    let sessions = pages::keyed(sessions.iter().map(|open| with_rates(open)), "connection_id");
    let (sessions, next) = pages::part(&query, sessions)?;
    Ok(pages::list(&uri, &sessions, next))
}

async fn connection(State(api): State<RestApi>, Caller(actor): Caller, Name(id): Name) -> Result<Response, Refusal> {
    let open = api.administration.sessions.show(&actor, &ConnectionId::new(id)).await?;
    Ok(answer::json(&with_rates(&open)))
}

/// A session whose transfers have all that is known of them, also what the second version of the interface leaves out.
fn with_rates(open: &Session) -> Value {
    // A session has texts, numbers and lists only: it can always be written.
    let mut document = serde_json::to_value(session(open)).unwrap_or_default();
    if let Some(document) = document.as_object_mut() {
        document.insert("active_transfers".to_owned(), json!(open.live.transfers()));
    }
    document
}

async fn configuration(State(api): State<RestApi>) -> Response {
    answer::json(&api.facts.configuration)
}

async fn audit(State(api): State<RestApi>, Caller(actor): Caller, query: Query) -> Result<Response, Refusal> {
    let query = AuditQuery { limit: limit(&query)?, ..audit_query(&query)? };
    let entries = api.administration.audit.list(&actor, query).await?;
    Ok(answer::json(&AuditEntries { entries: entries.into_iter().map(audit_entry).collect() }))
}

/// [`AuditEntries`] as JSON.
const EXPORT: AuditShape = AuditShape {
    content_type: "application/json",
    content_disposition: "attachment; filename=\"audit.json\"",
    begin: "{\"entries\":[\n",
    between: ",\n",
    end: "\n]}\n",
    // A record has texts and numbers only: it can always be written.
    record: |stored| serde_json::to_string(&audit_entry(stored)).unwrap_or_default(),
};

async fn export(State(api): State<RestApi>, Caller(actor): Caller, query: Query) -> Result<Response, Refusal> {
    Ok(audit_as_answer(&api.administration.audit, &actor, audit_query(&query)?, EXPORT).await?)
}

/// What the query selects; it sets no limit.
fn audit_query(query: &Query) -> Result<AuditQuery, Refusal> {
    let text = |name: &str| query.text(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let outcome = text("outcome").map(|name| {
        let known = AuditOutcome::ALL.map(AuditOutcome::as_str).join(", ");
        let unknown = || Refusal::of_field("outcome", format!("the parameter \"outcome\" must be one of {known}"));
        AuditOutcome::from_name(&name).ok_or_else(unknown)
    });
    Ok(AuditQuery {
        before: query.natural("before")?,
        since: query.natural("since")?,
        until: query.natural("until")?,
        actions: text("action").into_iter().collect(),
        outcome: outcome.transpose()?,
        address: query.value("address", "an address")?,
        author: text("actor"),
        kinds: text("kind").into_iter().collect(),
        name: text("name"),
        ..AuditQuery::default()
    })
}

async fn tokens(State(api): State<RestApi>, Caller(actor): Caller, query: Query) -> Result<Response, Refusal> {
    let after = query.text("after").filter(|text| !text.is_empty()).map(str::to_owned);
    let request = PageRequest { after, prefix: None, limit: limit(&query)? };
    let page = api.administration.tokens.list(&actor, request).await?;
    let next = page.last().map(ShownToken::after);
    Ok(answer::json(&Tokens { tokens: page.into_iter().map(token).collect(), next }))
}

async fn show_token(State(api): State<RestApi>, Caller(actor): Caller, Name(id): Name) -> Result<Response, Refusal> {
    Ok(answer::json(&shown_token(&api, &actor, &id).await?))
}

async fn shown_token(api: &RestApi, actor: &Actor, id: &str) -> Result<Token, Refusal> {
    Ok(token(api.administration.tokens.show(actor, id).await?))
}

async fn revoke(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    Name(id): Name,
    based: Conditions,
) -> Result<Response, Refusal> {
    based.require(shown_token(&api, &actor, &id)).await?;
    api.administration.tokens.revoke_by_id(&actor, &id).await?;
    Ok(done(StatusCode::OK, "Token ended"))
}

/// The limit of a page.
pub fn limit(query: &Query) -> Result<u32, Refusal> {
    match query.value::<u32>("limit", "a whole number from 1 to 500")?.unwrap_or(DEFAULT_LIMIT) {
        0 => Err(Refusal::of_field("limit", "the parameter \"limit\" must be a whole number from 1 to 500")),
        limit => Ok(limit.min(MAX_LIMIT)),
    }
}
