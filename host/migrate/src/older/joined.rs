//! What tables of numbers say of accounts and groups: which folders, which groups.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::tables::{NOT_UTF8, Row};
use crate::{Moved, NoteKind};

/// Names by numbers, and lists by the number of the account or group that has them.
#[derive(Default)]
pub struct Joined {
    pub folders: HashMap<i64, String>,
    pub groups: HashMap<i64, String>,
    pub roles: HashMap<i64, String>,
    pub folders_of_users: HashMap<i64, Vec<Value>>,
    pub folders_of_groups: HashMap<i64, Vec<Value>>,
    pub groups_of_users: HashMap<i64, Vec<Value>>,
    /// Names alone; U+2026 stands for a group that is not there.
    pub groups_of_admins: HashMap<i64, Vec<String>>,
    /// Accounts that cannot move without meaning something else, by number, and why.
    pub broken: HashMap<i64, String>,
}

/// The name of a folder, group or role; in the first eras the path of a folder is its name.
pub fn name_of(row: &Row) -> Option<String> {
    let text = |column: &str| row.get(column).and_then(Value::as_str).filter(|text| !text.is_empty());
    text("name").or_else(|| text("mapped_path")).map(str::to_owned)
}

impl Joined {
    /// `owner`: the column with the number of the account or group.
    pub fn add_folders(&mut self, owner: &str, rows: Vec<Row>, moved: &mut Moved) {
        for row in rows {
            let number = |column: &str| row.get(column).and_then(Value::as_i64);
            let Some(of) = number(owner) else {
                moved.note(NoteKind::Invalid, "a folder of an account", format!("a row has no {owner}"));
                continue;
            };
            if row.contains_key(NOT_UTF8) {
                let text = "the path of one of its folders is not UTF-8";
                if owner == "user_id" {
                    self.broken.insert(of, format!("{text}, so it stays behind"));
                } else {
                    moved.note(
                        NoteKind::Changed,
                        format!("group number {of}"),
                        format!("{text}; it does not have the folder"),
                    );
                }
                continue;
            }
            let Some(name) = number("folder_id").and_then(|id| self.folders.get(&id)) else {
                let text = "one of its folders is not there; a group or an account without it would be another one, so it \
                            stays behind";
                if owner == "user_id" {
                    self.broken.insert(of, text.to_owned());
                } else {
                    moved.note(NoteKind::Changed, format!("group number {of}"), "one of its folders is not there");
                }
                continue;
            };
            let mut entry = json!({"name": name});
            if let Value::Object(entry) = &mut entry {
                for column in ["virtual_path", "quota_size", "quota_files"] {
                    entry.extend(
                        row.get(column).filter(|cell| !cell.is_null()).map(|cell| (column.to_owned(), cell.clone())),
                    );
                }
            }
            let lists = if owner == "user_id" { &mut self.folders_of_users } else { &mut self.folders_of_groups };
            lists.entry(of).or_default().push(entry);
        }
    }

    /// The groups of administrators, which do not move.
    pub fn add_groups_of_admins(&mut self, rows: Vec<Row>) {
        for row in rows {
            let number = |column: &str| row.get(column).and_then(Value::as_i64);
            let Some(admin) = number("admin_id") else { continue };
            let name = number("group_id").and_then(|group| self.groups.get(&group));
            self.groups_of_admins.entry(admin).or_default().push(name.map_or_else(|| "…".to_owned(), Clone::clone));
        }
    }

    /// The groups of accounts.
    pub fn add_groups(&mut self, rows: Vec<Row>, moved: &mut Moved) {
        for row in rows {
            let number = |column: &str| row.get(column).and_then(Value::as_i64);
            let (Some(user), Some(group)) = (number("user_id"), number("group_id")) else {
                moved.note(NoteKind::Invalid, "a group of an account", "a row has no user_id or no group_id");
                continue;
            };
            let Some(name) = self.groups.get(&group) else {
                // The group may restrict the account.
                self.broken.insert(user, "one of its groups is not there, so it stays behind".to_owned());
                continue;
            };
            let Some(kind) = number("group_type").filter(|kind| (1..=3).contains(kind)) else {
                self.broken
                    .insert(user, "how it belongs to one of its groups is not known, so it stays behind".to_owned());
                continue;
            };
            self.groups_of_users.entry(user).or_default().push(json!({"name": name, "type": kind}));
        }
    }
}
