//! What the interfaces have in common: documents of lists, and changes that are based on a version.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value};
use tidegate_core::account::{AccountPage, Audience, InvalidStored, redacted};
use tidegate_core::admin::{Actor, AdminError, ExpectedUser, ShownUser, UserEdit};

use super::RestApi;
use super::conditions::Conditions;
use super::versions::{tagged, version_of};
use crate::answer::{Refusal, done, json};

/// The documents of a page with their names, valid or not, without secrets; `descending`: the last name first.
pub fn documents(page: AccountPage, descending: bool) -> Vec<(String, Value)> {
    let AccountPage { accounts, invalid, .. } = page;
    let mut documents: Vec<(String, Value)> = Vec::new();
    for account in &accounts {
        documents.push((account.username.clone(), Value::Object(account.to_document(Audience::Redacted))));
    }
    for InvalidStored { username, document, .. } in invalid {
        documents.push((username, Value::Object(redacted(document))));
    }
    documents.sort_by(|(one, _), (other, _)| one.cmp(other));
    if descending {
        documents.reverse();
    }
    documents
}

/// An account as an answer, with its version.
pub fn user(shown: &ShownUser) -> Response {
    tagged(json(&shown.document), version_of(&shown.document, shown.revision))
}

/// The answer to a change of an account, with its new version.
pub fn changed(shown: &ShownUser) -> Response {
    tagged(done(StatusCode::OK, "User updated"), version_of(&shown.document, shown.revision))
}

/// The state that the account has to have for a request. `id`: its number, where the path has it. `given`: the document
/// of the request.
async fn expected(
    api: &RestApi,
    actor: &Actor,
    (name, id): (&str, Option<i64>),
    given: Option<&Map<String, Value>>,
    based: &Conditions,
) -> Result<ExpectedUser, Refusal> {
    let users = &api.administration.users;
    let now = async {
        let now = match id {
            Some(id) => users.show_by_id(actor, id).await?.1,
            None => users.show(actor, name).await?,
        };
        Ok::<_, AdminError>((now.document, now.revision))
    };
    Ok(match (based.expected(now, given).await?, id) {
        (Some(version), _) => ExpectedUser::Version(version),
        (None, Some(id)) => ExpectedUser::Number(id),
        (None, None) => ExpectedUser::Any,
    })
}

/// Changes an account, if it has the number and the version that the request is based on.
///
/// # Errors
/// As of the use case, or the account has another version.
pub async fn edit_user(
    api: &RestApi,
    actor: &Actor,
    (name, id): (&str, Option<i64>),
    edit: UserEdit,
    based: &Conditions,
) -> Result<ShownUser, Refusal> {
    let expected = expected(api, actor, (name, id), Some(given(&edit)), based).await?;
    let users = &api.administration.users;
    match users.edit(actor, name, &edit, expected).await {
        Ok(edited) => Ok(edited),
        Err(error) => {
            let now = async { users.show(actor, name).await.map(|now| now.document) };
            Err(based.refusal_of_change(error, now, given(&edit)).await)
        }
    }
}

fn given(edit: &UserEdit) -> &Map<String, Value> {
    match edit {
        UserEdit::Merge { document, .. } | UserEdit::Replace(document) => document,
    }
}

/// Deletes an account, if it has the number and the version that the request is based on.
///
/// # Errors
/// As of the use case, or the account has another version.
pub async fn delete_user(
    api: &RestApi,
    actor: &Actor,
    (name, id): (&str, Option<i64>),
    based: &Conditions,
) -> Result<(), Refusal> {
    let expected = expected(api, actor, (name, id), None, based).await?;
    let users = &api.administration.users;
    users.delete_version(actor, name, expected).await.map_err(|error| based.refusal(error))
}
