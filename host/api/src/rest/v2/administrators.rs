//! Administrators and API keys.

use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use tidegate_api_types::ErrorCode;
use tidegate_core::admin::{AdminError, ShownObject, UseCase};
use tidegate_core::ports::{PageRequest, Version};
use tidegate_core::secret::Secret;

use super::super::RestApi;
use super::super::conditions::Conditions;
use super::super::extract::{Body, Document, Name, Query, only_fields};
use super::super::guard::Caller;
use super::super::openapi::{list_of, reference, word};
use super::super::pages::{self, Page};
use super::super::route::Route;
use super::super::versions::{tagged, version_of};
use crate::answer::{self, Refusal, done};
use crate::control::admin_codes;

const OBJECT_ID: HeaderName = HeaderName::from_static("x-object-id");

pub fn routes() -> Vec<Route> {
    administrators().into_iter().chain(keys()).collect()
}

fn administrators() -> Vec<Route> {
    let list_summary = "List administrators in the order of their names.";
    let disable = "Take the one-time codes of an administrator away.";
    let enable = "Give an administrator new one-time codes and recovery codes, which are shown only now.";
    let passwords = || {
        let properties = json!({"current_password": word(), "new_password": word()});
        json!({"type": "object", "properties": properties, "required": ["current_password", "new_password"], "additionalProperties": false})
    };
    let own = "Give the administrator of the request another password; its tokens end.";
    vec![
        after(Route::new(Method::GET, "/admins", "get_admins", list_summary, list))
            .needs(UseCase::ListAdmins)
            .answers(200, list_of("Admin")),
        Route::new(Method::POST, "/admins", "add_admin", "Add an administrator.", add)
            .needs(UseCase::AddAdmin)
            .body(reference("Admin"))
            .answers(201, reference("Admin"))
            .versioned(),
        Route::new(Method::GET, "/admins/{username}", "get_admin_by_username", "Show an administrator.", show)
            .needs(UseCase::ShowAdmin)
            .answers(200, reference("Admin"))
            .versioned(),
        Route::new(
            Method::PUT,
            "/admins/{username}",
            "update_admin",
            "Replace an administrator; password, one-time codes and status stay where the body does not name them.",
            update,
        )
        .needs(UseCase::UpdateAdmin)
        .body(reference("Admin"))
        .answers(200, reference("Done"))
        .versioned(),
        Route::new(Method::DELETE, "/admins/{username}", "delete_admin", "Delete an administrator.", delete)
            .needs(UseCase::DeleteAdmin)
            .answers(200, reference("Done"))
            .versioned(),
        Route::new(Method::PUT, "/admins/{username}/2fa/enable", "enable_admin_2fa", enable, make_codes)
            .needs(UseCase::UpdateAdmin)
            .answers(200, reference("AdminCodes"))
            .versioned(),
        Route::new(Method::PUT, "/admins/{username}/2fa/disable", "disable_admin_2fa", disable, remove_codes)
            .needs(UseCase::UpdateAdmin)
            .answers(200, reference("Done"))
            .versioned(),
        Route::new(Method::PUT, "/admin/changepwd", "change_admin_password", own, change_password)
            .body(passwords())
            .answers(200, reference("Done")),
        // The name of its first releases.
        Route::new(Method::PUT, "/changepwd/admin", "change_admin_password_old", own, change_password)
            .body(passwords())
            .answers(200, reference("Done")),
    ]
}

fn keys() -> Vec<Route> {
    let made = || json!({"type": "object", "properties": {"message": {"type": "string"}, "key": {"type": "string"}}});
    vec![
        after(Route::new(
            Method::GET,
            "/apikeys",
            "get_api_keys",
            "List API keys in the order of their ids.",
            list_keys,
        ))
        .needs(UseCase::ListApiKeys)
        .answers(200, list_of("ApiKey")),
        Route::new(Method::POST, "/apikeys", "add_api_key", "Make an API key; its text is shown only now.", add_key)
            .needs(UseCase::AddApiKey)
            .body(reference("ApiKey"))
            .answers(201, made())
            .versioned(),
        Route::new(Method::GET, "/apikeys/{key_id}", "get_api_key_by_id", "Show an API key.", show_key)
            .needs(UseCase::ShowApiKey)
            .answers(200, reference("ApiKey"))
            .versioned(),
        Route::new(
            Method::PUT,
            "/apikeys/{key_id}",
            "update_api_key",
            "Replace an API key; its text stays, and so does its administrator where the body does not name one.",
            update_key,
        )
        .needs(UseCase::UpdateApiKey)
        .body(reference("ApiKey"))
        .answers(200, reference("Done"))
        .versioned(),
        Route::new(Method::DELETE, "/apikeys/{key_id}", "delete_api_key", "Revoke an API key.", delete_key)
            .needs(UseCase::DeleteApiKey)
            .answers(200, reference("Done"))
            .versioned(),
        Route::new(
            Method::POST,
            "/apikeys/{key_id}/rotate",
            "rotate_api_key",
            "Give an API key a new text, which is shown only now; the former one ends.",
            rotate_key,
        )
        .needs(UseCase::RotateApiKey)
        .answers(200, made())
        .versioned(),
    ]
}

/// The parameters of lists that begin after a name only.
fn after(route: Route) -> Route {
    let limit = json!({"type": "integer", "minimum": 1, "maximum": 4294967295_u32, "default": 100});
    route
        .query("limit", limit, "The most objects of the page, 500 at most.")
        .query(
            "after",
            json!({"type": "string"}),
            "Only objects that come after this one, the last of the page before.",
        )
        .query("prefix", json!({"type": "string"}), "Only objects whose name or id begins with this.")
}

/// The page, and what asks for it and one object behind it.
fn wanted(query: &Query) -> Result<(Page, PageRequest), Refusal> {
    match Page::of(query)? {
        Page::After(request) => {
            let wanted = pages::and_one(&request);
            Ok((Page::After(request), wanted))
        }
        Page::At(_) => Err(Refusal::of_field("offset", "this list has pages after a name only")),
    }
}

fn shown(object: &ShownObject) -> Response {
    tagged(answer::json(&object.document), version_of(&object.document, object.revision))
}

/// The answer to a change, with the new version.
fn changed(message: &str, object: &ShownObject) -> Response {
    tagged(done(StatusCode::OK, message), version_of(&object.document, object.revision))
}

async fn list(State(api): State<RestApi>, Caller(actor): Caller, uri: Uri, query: Query) -> Result<Response, Refusal> {
    let (page, request) = wanted(&query)?;
    let found = api.administration.admins.list(&actor, request).await?;
    let (documents, next) = pages::cut(&page, pages::named(found, "username"));
    Ok(pages::list(&uri, &documents, next))
}

async fn add(State(api): State<RestApi>, Caller(actor): Caller, Body(document): Document) -> Result<Response, Refusal> {
    let added = api.administration.admins.add(&actor, &document, None).await?;
    Ok((StatusCode::CREATED, shown(&added)).into_response())
}

async fn show(State(api): State<RestApi>, Caller(actor): Caller, Name(name): Name) -> Result<Response, Refusal> {
    Ok(shown(&api.administration.admins.show(&actor, &name).await?))
}

/// The version that the stored object has to have; None: any. `now`: reads the object, where the request depends on it.
async fn expected(
    based: &Conditions,
    now: impl Future<Output = Result<ShownObject, AdminError>>,
    given: Option<&Map<String, Value>>,
) -> Result<Option<Version>, Refusal> {
    based.expected(async { now.await.map(|now| (now.document, now.revision)) }, given).await
}

async fn update(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    Name(name): Name,
    based: Conditions,
    Body(document): Document,
) -> Result<Response, Refusal> {
    let admins = &api.administration.admins;
    let expected = expected(&based, admins.show(&actor, &name), Some(&document)).await?;
    match admins.replace_document(&actor, &name, &document, expected).await {
        Ok(updated) => Ok(changed("Admin updated", &updated)),
        Err(error) => {
            let now = async { admins.show(&actor, &name).await.map(|now| now.document) };
            Err(based.refusal_of_change(error, now, &document).await)
        }
    }
}

async fn delete(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    Name(name): Name,
    based: Conditions,
) -> Result<Response, Refusal> {
    let admins = &api.administration.admins;
    let expected = expected(&based, admins.show(&actor, &name), None).await?;
    admins.delete_version(&actor, &name, expected).await.map_err(|error| based.refusal(error))?;
    Ok(done(StatusCode::OK, "Admin deleted"))
}

async fn make_codes(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    Name(name): Name,
    based: Conditions,
) -> Result<Response, Refusal> {
    let admins = &api.administration.admins;
    let expected = expected(&based, admins.show(&actor, &name), None).await?;
    let made = admins.make_codes_version(&actor, &name, expected).await;
    let (codes, admin) = made.map_err(|error| based.refusal(error))?;
    Ok(tagged(answer::json(&admin_codes(&codes)), version_of(&admin.document, admin.revision)))
}

async fn remove_codes(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    Name(name): Name,
    based: Conditions,
) -> Result<Response, Refusal> {
    let admins = &api.administration.admins;
    let expected = expected(&based, admins.show(&actor, &name), None).await?;
    let updated = admins.remove_codes_version(&actor, &name, expected).await;
    Ok(changed("2FA disabled", &updated.map_err(|error| based.refusal(error))?))
}

async fn change_password(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    Body(document): Document,
) -> Result<Response, Refusal> {
    let text = |field: &'static str| {
        let text = document.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
        text.map(Secret::new).ok_or_else(|| Refusal::of_field(field, format!("the body must have a {field}")))
    };
    only_fields(&document, &["current_password", "new_password"])?;
    let (current, new) = (text("current_password")?, text("new_password")?);
    api.administration.admins.change_own_password(&actor, &current, new).await?;
    Ok(done(StatusCode::OK, "Password updated"))
}

async fn list_keys(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    uri: Uri,
    query: Query,
) -> Result<Response, Refusal> {
    let (page, request) = wanted(&query)?;
    let found = api.administration.api_keys.list(&actor, request).await?;
    let (documents, next) = pages::cut(&page, pages::named(found, "key_id"));
    Ok(pages::list(&uri, &documents, next))
}

async fn add_key(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    Body(document): Document,
) -> Result<Response, Refusal> {
    let made = api.administration.api_keys.add(&actor, &document).await?;
    let id = made.key.document.get("key_id").and_then(Value::as_str).unwrap_or_default();
    let unwritable = |_| Refusal::new(ErrorCode::Failed, "the id of the key cannot be written");
    let location = HeaderValue::from_str(&format!("/api/v2/apikeys/{id}")).map_err(unwritable)?;
    let id = HeaderValue::from_str(id).map_err(unwritable)?;
    let body =
        json!({ "message": "API key created. This is the only time the key is shown.", "key": made.text.expose() });
    let response = (StatusCode::CREATED, [(LOCATION, location), (OBJECT_ID, id)], answer::json(&body)).into_response();
    Ok(tagged(response, version_of(&made.key.document, made.key.revision)))
}

async fn show_key(State(api): State<RestApi>, Caller(actor): Caller, Name(key): Name) -> Result<Response, Refusal> {
    Ok(shown(&api.administration.api_keys.show(&actor, &key).await?))
}

async fn update_key(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    Name(key): Name,
    based: Conditions,
    Body(document): Document,
) -> Result<Response, Refusal> {
    let keys = &api.administration.api_keys;
    let expected = expected(&based, keys.show(&actor, &key), Some(&document)).await?;
    match keys.replace(&actor, &key, &document, expected).await {
        Ok(updated) => Ok(changed("API key updated", &updated)),
        Err(error) => {
            let now = async { keys.show(&actor, &key).await.map(|now| now.document) };
            Err(based.refusal_of_change(error, now, &document).await)
        }
    }
}

async fn delete_key(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    Name(key): Name,
    based: Conditions,
) -> Result<Response, Refusal> {
    let keys = &api.administration.api_keys;
    let expected = expected(&based, keys.show(&actor, &key), None).await?;
    keys.delete_version(&actor, &key, expected).await.map_err(|error| based.refusal(error))?;
    Ok(done(StatusCode::OK, "API key deleted"))
}

async fn rotate_key(
    State(api): State<RestApi>,
    Caller(actor): Caller,
    Name(key): Name,
    based: Conditions,
) -> Result<Response, Refusal> {
    let keys = &api.administration.api_keys;
    let expected = expected(&based, keys.show(&actor, &key), None).await?;
    let made = keys.rotate_version(&actor, &key, expected).await.map_err(|error| based.refusal(error))?;
    let message = "The key has a new text. This is the only time that it is shown.";
    let response = answer::json(&json!({ "message": message, "key": made.text.expose() }));
    Ok(tagged(response, version_of(&made.key.document, made.key.revision)))
}
