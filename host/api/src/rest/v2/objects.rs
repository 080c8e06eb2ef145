//! Folders, groups and roles by name.

use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use tidegate_core::account::ObjectKind;
use tidegate_core::admin::{Actor, AdminError, ShownObject, UseCase};

use super::super::RestApi;
use super::super::conditions::Conditions;
use super::super::extract::{Body, Document, Name, Query};
use super::super::guard::Caller;
use super::super::openapi::{list_of, reference};
use super::super::pages::{self, Page, paged};
use super::super::route::Route;
use super::super::versions::{tagged, version_of};
use crate::answer::{self, Refusal, done};

/// The names of a kind in paths, operations and messages.
struct Names {
    kind: ObjectKind,
    /// List, add, show, update, delete.
    cases: [UseCase; 5],
    schema: &'static str,
    many: &'static str,
    one: &'static str,
    /// List, add, show, update, delete.
    operations: [&'static str; 5],
    done: [&'static str; 2],
}

const FOLDERS: Names = Names {
    kind: ObjectKind::Folder,
    cases: [
        UseCase::ListFolders,
        UseCase::AddFolder,
        UseCase::ShowFolder,
        UseCase::UpdateFolder,
        UseCase::DeleteFolder,
    ],
    schema: "Folder",
    many: "/folders",
    one: "/folders/{name}",
    operations: ["get_folders", "add_folder", "get_folder_by_name", "update_folder", "delete_folder"],
    done: ["Folder updated", "Folder deleted"],
};

const GROUPS: Names = Names {
    kind: ObjectKind::Group,
    cases: [UseCase::ListGroups, UseCase::AddGroup, UseCase::ShowGroup, UseCase::UpdateGroup, UseCase::DeleteGroup],
    schema: "Group",
    many: "/groups",
    one: "/groups/{name}",
    operations: ["get_groups", "add_group", "get_group_by_name", "update_group", "delete_group"],
    done: ["Group updated", "Group deleted"],
};

const ROLES: Names = Names {
    kind: ObjectKind::Role,
    cases: [UseCase::ListRoles, UseCase::AddRole, UseCase::ShowRole, UseCase::UpdateRole, UseCase::DeleteRole],
    schema: "Role",
    many: "/roles",
    one: "/roles/{name}",
    operations: ["get_roles", "add_role", "get_role_by_name", "update_role", "delete_role"],
    done: ["Role updated", "Role deleted"],
};

pub fn routes() -> Vec<Route> {
    [&FOLDERS, &GROUPS, &ROLES].into_iter().flat_map(of).collect()
}

fn of(names: &'static Names) -> Vec<Route> {
    let [list_name, add_name, show_name, update_name, delete_name] = names.operations;
    let [list_case, add_case, show_case, update_case, delete_case] = names.cases;
    let list = async move |State(api): State<RestApi>, Caller(actor): Caller, uri: Uri, query: Query| {
        list(&api, &actor, names, &uri, &query).await
    };
    let add = async move |State(api): State<RestApi>, Caller(actor): Caller, Body(document): Document| {
        let added = api.administration.objects.add(&actor, names.kind, &document).await?;
        Ok::<_, Refusal>((StatusCode::CREATED, shown(&added)).into_response())
    };
    let show = async move |State(api): State<RestApi>, Caller(actor): Caller, Name(name): Name| {
        show(&api, &actor, names, &name).await
    };
    let update =
        async move |State(api): State<RestApi>,
                    Caller(actor): Caller,
                    Name(name): Name,
                    based: Conditions,
                    Body(document): Document| { update(&api, &actor, names, &name, &based, document).await };
    let delete = async move |State(api): State<RestApi>, Caller(actor): Caller, Name(name): Name, based: Conditions| {
        delete(&api, &actor, names, &name, &based).await
    };
    vec![
        paged(Route::new(Method::GET, names.many, list_name, "List objects in the order of their names.", list))
            .needs(list_case)
            .answers(200, list_of(names.schema)),
        Route::new(Method::POST, names.many, add_name, "Add an object.", add)
            .needs(add_case)
            .body(reference(names.schema))
            .answers(201, reference(names.schema))
            .versioned(),
        Route::new(Method::GET, names.one, show_name, "Show an object, and what refers to it.", show)
            .needs(show_case)
            .answers(200, reference(names.schema))
            .versioned(),
        Route::new(Method::PUT, names.one, update_name, "Replace an object.", update)
            .needs(update_case)
            .body(reference(names.schema))
            .answers(200, reference("Done"))
            .versioned(),
        Route::new(Method::DELETE, names.one, delete_name, "Delete an object that nothing refers to.", delete)
            .needs(delete_case)
            .answers(200, reference("Done"))
            .versioned(),
    ]
}

fn shown(object: &ShownObject) -> Response {
    tagged(answer::json(&object.document), version_of(&object.document, object.revision))
}

async fn list(api: &RestApi, actor: &Actor, names: &Names, uri: &Uri, query: &Query) -> Result<Response, Refusal> {
    let (page, objects) = (Page::of(query)?, &api.administration.objects);
    let found = match &page {
        Page::After(request) => objects.list(actor, names.kind, pages::and_one(request)).await?,
        Page::At(offset) => objects.page_at(actor, names.kind, offset.clone()).await?,
    };
    let (documents, next) = pages::cut(&page, pages::named(found, "name"));
    Ok(pages::list(uri, &documents, next))
}

async fn show(api: &RestApi, actor: &Actor, names: &Names, name: &str) -> Result<Response, Refusal> {
    let (mut object, references) = api.administration.objects.show(actor, names.kind, name).await?;
    object.document.insert("users".to_owned(), references.users.into());
    if names.kind == ObjectKind::Folder {
        object.document.insert("groups".to_owned(), references.groups.into());
    }
    Ok(shown(&object))
}

/// The stored object with its revision.
async fn stored(
    api: &RestApi,
    actor: &Actor,
    names: &Names,
    name: &str,
) -> Result<(Map<String, Value>, i64), AdminError> {
    let (now, _) = api.administration.objects.show(actor, names.kind, name).await?;
    Ok((now.document, now.revision))
}

async fn update(
    api: &RestApi,
    actor: &Actor,
    names: &Names,
    name: &str,
    based: &Conditions,
    document: Map<String, Value>,
) -> Result<Response, Refusal> {
    let objects = &api.administration.objects;
    let expected = based.expected(stored(api, actor, names, name), Some(&document)).await?;
    let replaced = match objects.replace(actor, names.kind, name, &document, expected).await {
        Ok(replaced) => replaced,
        Err(error) => {
            let now = async { stored(api, actor, names, name).await.map(|(now, _)| now) };
            return Err(based.refusal_of_change(error, now, &document).await);
        }
    };
    let [message, _] = names.done;
    Ok(tagged(done(StatusCode::OK, message), version_of(&replaced.document, replaced.revision)))
}

async fn delete(
    api: &RestApi,
    actor: &Actor,
    names: &Names,
    name: &str,
    based: &Conditions,
) -> Result<Response, Refusal> {
    let objects = &api.administration.objects;
    let expected = based.expected(stored(api, actor, names, name), None).await?;
    let deleted = objects.delete_version(actor, names.kind, name, expected).await;
    deleted.map_err(|error| based.refusal(error))?;
    let [_, message] = names.done;
    Ok(done(StatusCode::OK, message))
}
