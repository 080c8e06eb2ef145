//! Tables of the older server, of all its eras: each column is taken by its name, so that what an era lacks is just
//! not there (A9-01).

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Map, Value, json};
use tidegate_core::account::fields::{ACCOUNT, Kind};

use super::documents::Documents;
use super::dump::counted;
use super::joined::{self, Joined};
use super::tables::{Row, Tables, is_text, printable_name};
use super::views::views_to_read;
use crate::version::{ACCOUNT as LATER_COLUMNS, COLLECTIONS};
use crate::{MigrateError, Moved, NoteKind, ObjectKind};

/// Names of tables that the configuration chooses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// The table of accounts; None: `users`.
    pub users: Option<String>,
    /// What the names of all tables begin with.
    pub prefix: String,
}

/// Tables whose rows move, beside that of accounts.
const READ: [&str; 10] = [
    "folders",
    "users_folders_mapping",
    "folders_mapping",
    "groups_folders_mapping",
    "roles",
    "groups",
    "users_groups_mapping",
    "admins",
    "admins_groups_mapping",
    "configs",
];

/// Tables whose rows have no counterpart, and how they are called in the report.
const LEFT_BEHIND: [(&str, &str); 11] = [
    ("api_keys", "API keys"),
    ("shares", "shares"),
    ("events_rules", "event rules"),
    ("events_actions", "event actions"),
    ("defender_hosts", "hosts of the defender"),
    ("defender_events", "events of the defender"),
    ("ip_lists", "entries of IP lists"),
    ("active_transfers", "running transfers"),
    ("shared_sessions", "sessions of administrators"),
    ("tasks", "tasks"),
    ("nodes", "nodes"),
];

/// Reads what the tables have. `place`: the database, for messages.
///
/// # Errors
/// The database cannot be read, or has no accounts of the older server.
pub fn read_tables(tables: &dyn Tables, place: &Path, names: &Names) -> Result<Moved, MigrateError> {
    let all = tables.names()?;
    let prefix = prefix_of(&all, names);
    let table = |name: &str| Some(format!("{prefix}{name}")).filter(|name| all.contains(name));
    let users = names.users.clone().or_else(|| table("users")).filter(|users| all.contains(users));
    let Some(users) = users else {
        return Err(MigrateError::unusable(place, no_accounts(names)));
    };
    let is_read = |name: &str| {
        let plain = name.strip_prefix(prefix.as_str());
        let is_known =
            |plain: &str| READ.contains(&plain) || LEFT_BEHIND.iter().any(|(left_behind, _)| *left_behind == plain);
        name == users || plain.is_some_and(is_known)
    };
    let views = views_to_read(tables, place, is_read)?;
    let columns = tables.columns(&users)?;
    if !["username", "home_dir"].iter().all(|wanted| columns.iter().any(|column| column == wanted)) {
        let problem = format!("its table {} has not the columns of accounts", printable_name(&users));
        return Err(MigrateError::unusable(place, problem));
    }
    let mut documents = Documents::new(false);
    for view in views {
        let text = "it has the name of a table of the older server, which makes no views; its rows are taken for those of \
                    the table";
        documents.moved.note(NoteKind::Changed, format!("view {}", printable_name(&view)), text);
    }
    documents.moved.evidence.see_fields("the column", columns.iter(), LATER_COLUMNS);
    let plain: Vec<String> =
        all.iter().filter_map(|name| name.strip_prefix(prefix.as_str()).map(str::to_owned)).collect();
    documents.moved.evidence.see_fields("the table", plain.iter(), COLLECTIONS);

    let mut joined = Joined::default();
    if let Some(folders) = table("folders") {
        for (index, mut row) in tables.rows(&folders)?.into_iter().enumerate() {
            let about = about("folder", &row);
            if !is_text(&mut row, index, ObjectKind::Folder, &about, &mut documents.moved) {
                continue;
            }
            let folder = folder_of(row, &mut documents);
            joined.folders.extend(folder.get("id").and_then(Value::as_i64).zip(joined::name_of(&folder)));
            documents.folder(folder);
        }
    }
    for name in ["users_folders_mapping", "folders_mapping"] {
        if let Some(mapping) = table(name) {
            joined.add_folders("user_id", tables.rows(&mapping)?, &mut documents.moved);
        }
    }
    if let Some(mapping) = table("groups_folders_mapping") {
        joined.add_folders("group_id", tables.rows(&mapping)?, &mut documents.moved);
    }
    if let Some(roles) = table("roles") {
        for (index, mut row) in tables.rows(&roles)?.into_iter().enumerate() {
            let about = about("role", &row);
            if !is_text(&mut row, index, ObjectKind::Role, &about, &mut documents.moved) {
                continue;
            }
            joined.roles.extend(row.get("id").and_then(Value::as_i64).zip(joined::name_of(&row)));
            documents.role(row);
        }
    }
    if let Some(groups) = table("groups") {
        for (index, mut row) in tables.rows(&groups)?.into_iter().enumerate() {
            let about = about("group", &row);
            if !is_text(&mut row, index, ObjectKind::Group, &about, &mut documents.moved) {
                continue;
            }
            group(row, &mut joined, &mut documents);
        }
    }
    if let Some(mapping) = table("users_groups_mapping") {
        joined.add_groups(tables.rows(&mapping)?, &mut documents.moved);
    }
    let mut unread = HashMap::new();
    for (index, row) in tables.rows(&users)?.into_iter().enumerate() {
        user(row, index, &mut joined, &mut documents, &mut unread);
    }
    for (column, count) in unread {
        let text = format!("{count} accounts have a value in this column, which is not known");
        documents.moved.note(NoteKind::NoCounterpart, format!("column {}", printable_name(&column)), text);
    }
    if let Some(mapping) = table("admins_groups_mapping") {
        joined.add_groups_of_admins(tables.rows(&mapping)?);
    }
    if let Some(admins) = table("admins") {
        for (index, mut row) in tables.rows(&admins)?.into_iter().enumerate() {
            let name = row.get("username").and_then(Value::as_str).unwrap_or_default();
            let about = format!("administrator \"{}\"", printable_name(name));
            if !is_text(&mut row, index, ObjectKind::Administrator, &about, &mut documents.moved) {
                continue;
            }
            administrator(row, &joined, &mut documents);
        }
    }
    if let Some(configs) = table("configs") {
        // There is a row, whether anything was set or not.
        let is_filled = |row: &Row| {
            let text = row.get("configs").and_then(Value::as_str).unwrap_or_default();
            !matches!(text.trim(), "" | "{}" | "null")
        };
        if tables.rows(&configs)?.iter().any(is_filled) {
            documents.moved.note(NoteKind::NoCounterpart, "configs", counted("configs", 1));
        }
    }
    for (name, noun) in LEFT_BEHIND {
        if let Some(table) = table(name) {
            let count = tables.count(&table)?;
            if count > 0 {
                documents.moved.note(NoteKind::NoCounterpart, noun, counted(name, count));
            }
        }
    }
    Ok(documents.moved)
}

/// What to say where the table of accounts is not there, with the keys of the configuration that name it.
fn no_accounts(names: &Names) -> String {
    const NOT_THERE: &str = "it has no table of accounts";
    let prefix = names.prefix.as_str();
    match names.users.as_deref().map(printable_name) {
        None if prefix.is_empty() => format!("{NOT_THERE}; is it a database of the older server?"),
        None => format!(
            "{NOT_THERE}: there is no \"{}users\", whose name begins with data_provider.sql_tables_prefix of the older \
             server; correct that key",
            printable_name(prefix)
        ),
        Some(users) if prefix.is_empty() => format!(
            "{NOT_THERE}: there is no \"{users}\", which data_provider.users_table of the older server names; correct that \
             key"
        ),
        Some(users) => format!(
            "{NOT_THERE}: there is no \"{users}\", which data_provider.users_table of the older server names beside \
             data_provider.sql_tables_prefix, \"{}\", which is no part of it; correct users_table, or leave it out where the \
             table is \"{}users\"",
            printable_name(prefix),
            printable_name(prefix)
        ),
    }
}

/// The prefix that is configured, or the one that a table of accounts has.
pub(super) fn prefix_of(all: &[String], names: &Names) -> String {
    if !names.prefix.is_empty() || names.users.is_some() || all.iter().any(|name| name == "users") {
        return names.prefix.clone();
    }
    let mut prefixes = all.iter().filter_map(|name| name.strip_suffix("users"));
    match (prefixes.next(), prefixes.next()) {
        (Some(only), None) => only.to_owned(),
        _ => String::new(),
    }
}

fn about(noun: &str, row: &Row) -> String {
    format!("{noun} \"{}\"", printable_name(&joined::name_of(row).unwrap_or_default()))
}

/// A folder's row. In the eras before folders had names, the column of the path is `path`.
fn folder_of(mut row: Row, documents: &mut Documents) -> Map<String, Value> {
    if let Some(path) = row.remove("path") {
        row.entry("mapped_path").or_insert(path);
    }
    parse(&mut row, "filesystem", ObjectKind::Folder, "a folder", documents);
    row.retain(|_, value| !value.is_null());
    row
}

fn group(mut row: Row, joined: &mut Joined, documents: &mut Documents) {
    let id = row.get("id").and_then(Value::as_i64);
    let name = joined::name_of(&row);
    let about = format!("group \"{}\"", printable_name(name.as_deref().unwrap_or_default()));
    if !parse(&mut row, "user_settings", ObjectKind::Group, &about, documents) {
        return;
    }
    joined.groups.extend(id.zip(name));
    if let Some(folders) = id.and_then(|id| joined.folders_of_groups.remove(&id)) {
        row.insert("virtual_folders".to_owned(), Value::Array(folders));
    }
    row.retain(|_, value| !value.is_null());
    documents.group(row);
}

fn administrator(mut row: Row, joined: &Joined, documents: &mut Documents) {
    let name = row.get("username").and_then(Value::as_str).unwrap_or_default();
    let about = format!("administrator \"{}\"", printable_name(name));
    if row.remove("deleted_at").and_then(|at| at.as_i64()).is_some_and(|at| at > 0) {
        return documents.moved.note(NoteKind::NoCounterpart, about, "it was deleted, and does not come back");
    }
    let groups = row.get("id").and_then(Value::as_i64).and_then(|id| joined.groups_of_admins.get(&id));
    row.extend(groups.map(|names| ("groups".to_owned(), json!(names))));
    for column in ["permissions", "filters"] {
        if !parse(&mut row, column, ObjectKind::Administrator, &about, documents) {
            return;
        }
    }
    if let Some(role) = row.remove("role_id").as_ref().and_then(Value::as_i64) {
        let Some(role) = joined.roles.get(&role) else {
            let text = "its role is not there; without it the administrator could do more, so it stays behind";
            return documents.moved.leave(ObjectKind::Administrator, about, text);
        };
        row.insert("role".to_owned(), json!(role));
    }
    documents.administrator(row);
}

fn user(
    mut row: Row,
    index: usize,
    joined: &mut Joined,
    documents: &mut Documents,
    unread: &mut HashMap<String, usize>,
) {
    let id = row.get("id").and_then(Value::as_i64);
    let name = row.get("username").and_then(Value::as_str).unwrap_or_default();
    let place = match name {
        "" => format!("row {} of the accounts", index + 1),
        name => crate::account::about(name),
    };
    if !is_text(&mut row, index, ObjectKind::Account, &place, &mut documents.moved) {
        return;
    }
    // Rows of deleted accounts stay until other nodes have seen it.
    if row.remove("deleted_at").and_then(|at| at.as_i64()).is_some_and(|at| at > 0) {
        return documents.moved.note(NoteKind::NoCounterpart, place, "it was deleted, and does not come back");
    }
    for field in ACCOUNT {
        let is_readable = match field.kind {
            Kind::Texts
            | Kind::Permissions
            | Kind::Object(_)
            | Kind::Whole(_)
            | Kind::List(_)
            | Kind::SecretText
            | Kind::Anything => parse(&mut row, field.name, ObjectKind::Account, &place, documents),
            Kind::Integer(..) | Kind::Time | Kind::Text | Kind::Flag => true,
        };
        if !is_readable {
            return;
        }
    }
    if let Some(role) = row.remove("role_id").as_ref().and_then(Value::as_i64) {
        match joined.roles.get(&role) {
            Some(role) => drop(row.insert("role".to_owned(), json!(role))),
            // Paths of its groups may have the role's name in them.
            None => {
                let text = "its role is not there; without it the account would be another one, so it stays behind";
                return documents.moved.leave(ObjectKind::Account, place, text);
            }
        }
    }
    if let Some(id) = id {
        for (field, lists) in
            [("virtual_folders", &mut joined.folders_of_users), ("groups", &mut joined.groups_of_users)]
        {
            row.extend(lists.remove(&id).map(|list| (field.to_owned(), Value::Array(list))));
        }
        if let Some(missing) = joined.broken.remove(&id) {
            return documents.moved.leave(ObjectKind::Account, place, missing);
        }
    }
    let is_known = |name: &str| ACCOUNT.iter().any(|field| field.name == name || field.alias == Some(name));
    let is_empty = |value: &Value| value.is_null() || *value == json!(0) || *value == json!("");
    for (column, value) in row.iter().filter(|(column, _)| !is_known(column)) {
        if !is_empty(value) {
            *unread.entry(column.clone()).or_default() += 1;
        }
    }
    row.retain(|column, value| is_known(column) && !value.is_null());
    documents.user(row, &place);
}

/// Reads the JSON of a column in its place; if it is none, the row stays behind.
fn parse(row: &mut Row, column: &str, kind: ObjectKind, about: &str, documents: &mut Documents) -> bool {
    let parsed = match row.get(column) {
        Some(Value::String(text)) if text.trim().is_empty() => Ok(Value::Null),
        Some(Value::String(text)) => tidegate_core::json::parse(text),
        Some(_) | None => return true,
    };
    match parsed {
        Ok(value) => {
            row.insert(column.to_owned(), value);
            true
        }
        Err(error) => {
            let text = format!("its column {column} is no JSON ({error}); it stays behind");
            documents.moved.leave(kind, about, text);
            false
        }
    }
}

#[cfg(test)]
#[path = "database_tests.rs"]
mod tests;
