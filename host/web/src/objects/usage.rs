//! How much of their limits accounts and folders use.

use serde_json::{Map, Value};
use tidegate_core::account::ObjectKind;
use tidegate_core::admin::{AdminError, AdminErrorKind, UseCase};
use tidegate_core::ports::PageRequest;

use super::Kind;
use super::kind::Stored;
use crate::problem::{Problem, sentence};
use crate::request::{Asked, address};
use crate::text::{bytes, natural, used};
use crate::view::{Block, Cell, Table, Tone};

/// The most accounts and groups whose limits a folder's page shows.
const MOST: usize = 20;

const OF_ACCOUNT: &str = "count for the account";

fn number(document: &Map<String, Value>, field: &str) -> i64 {
    document.get(field).and_then(Value::as_i64).unwrap_or(0)
}

/// Usages of an account, and of its folders, with the limits that are in force.
pub async fn of_account(asked: &Asked, name: &str, stored: &Stored) -> Result<Vec<Block>, Problem> {
    let mut blocks = Vec::new();
    let in_force = match asked.web.administration.users.effective(asked.actor()?, name).await {
        Ok(shown) => shown.in_force,
        Err(error) if is_of_server(&error) => return Err(error.into()),
        Err(error) => {
            let text = format!("The limits are the account's own. {}", sentence(&error.to_string()));
            blocks.extend(stored.problem.is_none().then_some(Block::Note(Tone::Bad, text)));
            stored.document.clone()
        }
    };
    blocks.push(Block::Facts(totals(name, &in_force)));
    blocks.extend(folder_table(asked, &in_force, |path, folder| of_folder(path, folder, folder)));
    Ok(blocks)
}

/// The folders of a group, with the limits that its accounts have in each.
pub fn of_group(asked: &Asked, stored: &Stored) -> Option<Block> {
    folder_table(asked, &stored.document, |_, folder| {
        if counts_for_account(folder) {
            return [(); 2].map(|()| Cell::text(OF_ACCOUNT));
        }
        let most = |field: &str, shown: fn(u64) -> String| match natural(number(folder, field)) {
            0 => Cell::text("without limit"),
            limit => Cell::Number(format!("at most {}", shown(limit))),
        };
        [most("quota_size", bytes), most("quota_files", |count| count.to_string())]
    })
}

/// The folders of a document, with cells about the bytes and files of each. None: there are no folders.
fn folder_table(
    asked: &Asked,
    document: &Map<String, Value>,
    cells: impl Fn(&str, &Map<String, Value>) -> [Cell; 2],
) -> Option<Block> {
    let mut table = Table::new("folders", "Folders", &["Path", "Folder", "Bytes", "Files"], "There are no folders.");
    for folder in folders(document) {
        let text = |field: &str| folder.get(field).and_then(Value::as_str).unwrap_or_default();
        let path = text("virtual_path");
        let mut row = vec![Cell::text(path), link(asked, Kind::Folder, text("name"))];
        row.extend(cells(path, folder));
        table.rows.push(row);
    }
    (!table.rows.is_empty()).then_some(Block::Table(table))
}

/// Whether the same may succeed another time.
fn is_of_server(error: &AdminError) -> bool {
    matches!(error.kind(), AdminErrorKind::Unavailable | AdminErrorKind::Failed)
}

/// Bytes and files that an account has stored and moved.
fn totals(name: &str, document: &Map<String, Value>) -> Vec<(String, Cell)> {
    let count = |field: &str| natural(number(document, field));
    let megabytes = |field: &str| count(field).saturating_mul(1 << 20);
    let (up, down) = (count("used_upload_data_transfer"), count("used_download_data_transfer"));
    let bar = |what: &str, is: u64, limit: u64| used(&format!("{what} of {name}"), is, limit, bytes);
    let files = |count: u64| count.to_string();
    let mut totals = vec![
        ("Bytes stored", bar("Bytes", count("used_quota_size"), count("quota_size"))),
        ("Files stored", used(&format!("Files of {name}"), count("used_quota_files"), count("quota_files"), files)),
        ("Uploaded", bar("Uploads", up, megabytes("upload_data_transfer"))),
        ("Downloaded", bar("Downloads", down, megabytes("download_data_transfer"))),
    ];
    let most = megabytes("total_data_transfer");
    if most > 0 {
        totals.push(("Uploaded and downloaded", bar("Uploads and downloads", up.saturating_add(down), most)));
    }
    totals.into_iter().map(|(what, cell)| (what.to_owned(), cell)).collect()
}

fn folders(document: &Map<String, Value>) -> impl Iterator<Item = &Map<String, Value>> {
    let folders = document.get("virtual_folders").and_then(Value::as_array);
    folders.into_iter().flatten().filter_map(Value::as_object)
}

/// Whether what is in a folder with these limits counts for the account.
fn counts_for_account(limits: &Map<String, Value>) -> bool {
    let (size, files) = (number(limits, "quota_size"), number(limits, "quota_files"));
    // The second is how the first era said it.
    let is_excluded = limits.get("exclude_from_quota").and_then(Value::as_bool);
    size < 0 || (size, files) == (0, 0) && is_excluded == Some(false)
}

/// The bytes and files of a folder with the limits of an account or group that has it.
fn of_folder(label: &str, usage: &Map<String, Value>, limits: &Map<String, Value>) -> [Cell; 2] {
    if counts_for_account(limits) {
        return [(); 2].map(|()| Cell::text(OF_ACCOUNT));
    }
    let (size, files) = (number(limits, "quota_size"), number(limits, "quota_files"));
    let count = |field: &str| natural(number(usage, field));
    [
        used(&format!("Bytes of {label}"), count("used_quota_size"), natural(size), bytes),
        used(&format!("Files of {label}"), count("used_quota_files"), natural(files), |count| count.to_string()),
    ]
}

fn link(asked: &Asked, kind: Kind, name: &str) -> Cell {
    match asked.may(kind.cases().show) {
        true => Cell::link(name, address(&format!("{}/show", kind.path()), &[("name", name)])),
        false => Cell::text(name),
    }
}

/// The usage of a folder, with the limits of the accounts and groups that have it: the folder itself has none.
pub async fn of_shared(asked: &Asked, name: &str, stored: &Stored) -> Result<Vec<Block>, Problem> {
    let usage = &stored.document;
    let count = |field: &str| natural(number(usage, field));
    let facts = vec![
        ("Bytes stored".to_owned(), Cell::Number(bytes(count("used_quota_size")))),
        ("Files stored".to_owned(), Cell::Number(count("used_quota_files").to_string())),
    ];
    let mut blocks = vec![Block::Facts(facts)];
    let head = ["Of", "Path", "Bytes", "Files"];
    let mut table =
        Table::new("limits", "Limits of its accounts and groups", &head, "It has no accounts and no groups.");
    let (administration, actor) = (&asked.web.administration, asked.actor()?);
    let (users, groups) = (&stored.references.users, &stored.references.groups);
    let users = users.iter().map(|name| (Kind::User, name)).filter(|_| asked.may(UseCase::ShowUser));
    let groups = groups.iter().map(|name| (Kind::Group, name)).filter(|_| asked.may(UseCase::ListGroups));
    let having: Vec<_> = groups.chain(users).collect();
    for (kind, holder) in having.iter().copied().take(MOST) {
        let document = if kind == Kind::Group {
            // Which accounts have the group is not asked for.
            let request = PageRequest { after: None, prefix: Some(holder.clone()), limit: 1 };
            let found = administration.objects.list(actor, ObjectKind::Group, request).await;
            found.map(|mut found| found.pop().map(|shown| shown.document).unwrap_or_default())
        } else {
            administration.users.show(actor, holder).await.map(|shown| shown.document)
        };
        let document = match document {
            Ok(document) => document,
            Err(error) if is_of_server(&error) => return Err(error.into()),
            // It was deleted meanwhile, or is for administrators of another role.
            Err(_) => continue,
        };
        for folder in folders(&document).filter(|folder| folder.get("name").and_then(Value::as_str) == Some(name)) {
            let path = folder.get("virtual_path").and_then(Value::as_str).unwrap_or_default();
            let mut cells = vec![link(asked, kind, holder), Cell::text(path)];
            cells.extend(of_folder(&format!("{name} for {holder}"), usage, folder));
            table.rows.push(cells);
        }
    }
    if !table.rows.is_empty() {
        blocks.push(Block::Table(table));
    }
    if having.len() > MOST {
        let text = format!("The first {MOST} of {} accounts and groups are shown.", having.len());
        blocks.push(Block::Note(Tone::Plain, text));
    }
    Ok(blocks)
}
