//! Login links, one-click logins and acting as a user, for administrators.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tidegate_core::admin::{Actor, LinkWish, NewLink, ShownLink, UseCase};

use super::super::RestApi;
use super::super::conditions::Conditions;
use super::super::credentials::door_client;
use super::super::extract::{Name, OptionalBody, Query};
use super::super::guard::Caller;
use super::super::openapi::reference;
use super::super::pages;
use super::super::route::Route;
use super::user::{issued, token_schema};
use crate::answer::{self, Refusal, done};
use crate::client_pages::CodePage;
use crate::http::Client;

pub fn routes() -> Vec<Route> {
    let text = || json!({"type": "string"});
    let number = || json!({"type": "integer"});
    let texts = || json!({"type": "array", "items": {"type": "string"}});
    let wish = json!({
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 255},
            "max_uses": {"type": ["integer", "null"], "minimum": 1, "maximum": 1000},
            "expires_at": {"type": ["integer", "null"], "minimum": 0, "maximum": i64::MAX},
            "ips": texts(),
        },
        "additionalProperties": false,
    });
    let link = json!({
        "type": "object",
        "properties": {
            "id": text(), "name": text(), "username": text(), "max_uses": number(), "uses": number(),
            "expires_at": number(), "ips": texts(), "created_at": number(), "created_by": text(),
        },
        "required": ["id", "name", "username", "max_uses", "uses", "expires_at", "ips", "created_at", "created_by"],
    });
    let made = json!({
        "type": "object",
        "properties": { "code": text(), "path": text(), "url": text(), "link": link },
        "required": ["code", "link"],
    });
    let target = json!({
        "type": "object",
        "properties": { "name": {"type": "string", "maxLength": 255} },
        "additionalProperties": false,
    });
    vec![
        Route::new(
            Method::POST,
            "/users/{username}/login-links",
            "add_login_link",
            "Make a login link; its code is shown once, and logs the user in at /api/v2/user/token.",
            add,
        )
        .needs(UseCase::AddLoginLink)
        .optional_body(wish)
        .answers(201, made.clone()),
        pages::partly(Route::new(
            Method::GET,
            "/users/{username}/login-links",
            "get_login_links",
            "List the login links of a user that are still good, in the order of their ids.",
            list,
        ))
        .needs(UseCase::ListLoginLinks)
        .answers(200, json!({"type": "array", "items": link})),
        Route::new(
            Method::GET,
            "/login-links/{link}",
            "get_login_link_by_id",
            "Show a login link that is still good.",
            show,
        )
        .needs(UseCase::ListLoginLinks)
        .answers(200, link)
        .versioned(),
        Route::new(Method::DELETE, "/login-links/{link}", "delete_login_link", "Revoke a login link.", delete)
            .needs(UseCase::DeleteLoginLink)
            .answers(200, reference("Done"))
            .versioned(),
        Route::new(
            Method::POST,
            "/users/{username}/one-click-login",
            "one_click_login",
            "Make a code, good once and for a minute, by which a portal logs its user in at /api/v2/user/token.",
            one_click,
        )
        .needs(UseCase::OneClickLogin)
        .optional_body(target)
        .answers(201, made),
        Route::new(
            Method::POST,
            "/users/{username}/impersonate",
            "impersonate_user",
            "Give a token with which the administrator acts as the user.",
            impersonate,
        )
        .needs(UseCase::Impersonate)
        .answers(200, token_schema()),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    #[serde(default)]
    name: String,
    #[serde(default)]
    max_uses: Option<i64>,
    #[serde(default)]
    expires_at: Option<i64>,
    #[serde(default)]
    ips: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    #[serde(default)]
    name: String,
}

async fn add(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    Name(username): Name,
    OptionalBody(wish): OptionalBody<Wish>,
) -> Result<Response, Refusal> {
    let Wish { name, max_uses, expires_at, ips } = wish;
    let wish = LinkWish { name, max_uses, expires_at, ips };
    Ok(made(&api, &api.administration.login_links.add(&actor, &username, wish).await?))
}

async fn list(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    Name(username): Name,
    uri: Uri,
    query: Query,
) -> Result<Response, Refusal> {
    let found = api.administration.login_links.list(&actor, &username).await?;
    let (links, next) = pages::part(&query, pages::keyed(found.iter().map(shown), "id"))?;
    Ok(pages::list(&uri, &links, next))
}

async fn show(State(api): State<RestApi>, Caller(actor): Caller, Name(link): Name) -> Result<Response, Refusal> {
    Ok(answer::json(&found(&api, &actor, &link).await?))
}

async fn found(api: &RestApi, actor: &Actor, link: &str) -> Result<Value, Refusal> {
    Ok(shown(&api.administration.login_links.show(actor, link).await?))
}

async fn delete(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    Name(link): Name,
    based: Conditions,
) -> Result<Response, Refusal> {
    based.require(found(&api, &actor, &link)).await?;
    api.administration.login_links.delete(&actor, &link).await?;
    Ok(done(StatusCode::OK, "Login link revoked"))
}

async fn one_click(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    Name(username): Name,
    OptionalBody(target): OptionalBody<Target>,
) -> Result<Response, Refusal> {
    Ok(made(&api, &api.administration.login_links.add_for_portal(&actor, &username, &target.name).await?))
}

async fn impersonate(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    Extension(client): Extension<Client>,
    Name(username): Name,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let client = door_client(&client, &headers);
    issued(&api.administration.user_sessions.impersonate(&actor, &username, &client).await?)
}

fn made(api: &RestApi, made: &NewLink) -> Response {
    let mut body = json!({ "code": made.text.expose(), "link": shown(&made.link) });
    // The page at which a browser uses it.
    if let (Some(body), Some(pages)) = (body.as_object_mut(), &api.facts.client_pages) {
        let CodePage { path, url } = pages.login_link(made.text.expose());
        body.insert("path".to_owned(), path.into());
        body.extend(url.map(|url| ("url".to_owned(), url.into())));
    }
    (StatusCode::CREATED, answer::json(&body)).into_response()
}

fn shown(link: &ShownLink) -> Value {
    let ShownLink { id, name, username, max_uses, uses, expires_at, ips, created_at, created_by } = link;
    json!({
        "id": id, "name": name, "username": username, "max_uses": max_uses, "uses": uses, "expires_at": expires_at,
        "ips": ips, "created_at": created_at, "created_by": created_by,
    })
}
