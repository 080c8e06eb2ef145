//! What the interfaces have in common: documents of lists, and changes that are based on a version.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value};
use tidegate_core::account::{AccountPage, InvalidStored, redacted};
use tidegate_core::admin::{Actor, ShownUser, UserEdit};

use super::RestApi;
use super::versions::{IfMatch, tagged, version_of};
use crate::answer::{Refusal, done, json};

/// The documents of a page, valid or not, without secrets; `descending`: the last name first.
pub fn documents(page: AccountPage, descending: bool) -> Vec<Value> {
    let AccountPage { accounts, invalid, .. } = page;
    let mut documents: Vec<(String, Value)> = Vec::new();
    for account in &accounts {
        documents.push((account.username.clone(), Value::Object(ShownUser::of(account).document)));
    }
    for InvalidStored { username, document, .. } in invalid {
        documents.push((username, Value::Object(redacted(document))));
    }
    documents.sort_by(|(one, _), (other, _)| one.cmp(other));
    if descending {
        documents.reverse();
    }
    documents.into_iter().map(|(_, document)| document).collect()
}

/// An account as an answer, with its version.
pub fn user(shown: &ShownUser) -> Response {
    tagged(json(&shown.document), version_of(&shown.document, shown.revision))
}

/// The answer to a change of an account, with its new version.
pub fn changed(shown: &ShownUser) -> Response {
    tagged(done(StatusCode::OK, "User updated"), version_of(&shown.document, shown.revision))
}

/// Changes an account, if it has the version that the request is based on.
///
/// # Errors
/// As of the use case, or the account has another version.
pub async fn edit_user(
    api: &RestApi,
    actor: &Actor,
    name: &str,
    edit: UserEdit,
    based: &IfMatch,
) -> Result<ShownUser, Refusal> {
    let users = &api.administration.users;
    let expected = match based {
        IfMatch::Any => None,
        IfMatch::One(_) => {
            let now = users.show(actor, name).await?;
            based.expected(&now.document, now.revision, Some(given(&edit)))?
        }
    };
    users.edit(actor, name, &edit, expected).await.map_err(|error| based.refusal(error))
}

fn given(edit: &UserEdit) -> &Map<String, Value> {
    match edit {
        UserEdit::Merge { document, .. } | UserEdit::Replace(document) => document,
    }
}

/// Deletes an account, if it has the version that the request is based on.
///
/// # Errors
/// As of the use case, or the account has another version.
pub async fn delete_user(api: &RestApi, actor: &Actor, name: &str, based: &IfMatch) -> Result<(), Refusal> {
    let users = &api.administration.users;
    let expected = match based {
        IfMatch::Any => None,
        IfMatch::One(_) => {
            let now = users.show(actor, name).await?;
            based.expected(&now.document, now.revision, None)?
        }
    };
    users.delete_version(actor, name, expected).await.map_err(|error| based.refusal(error))
}
