//! What a reader has found.

use std::fmt;
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::account::printable;
use crate::{Evidence, Note, NoteKind};

/// A kind of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// Accounts.
    Account,
    /// Folders.
    Folder,
    /// Groups.
    Group,
    /// Roles.
    Role,
    /// Administrators.
    Administrator,
}

/// Numbers of objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftBehind {
    /// Accounts.
    pub users: usize,
    /// Folders.
    pub folders: usize,
    /// Groups.
    pub groups: usize,
    /// Roles.
    pub roles: usize,
    /// Administrators.
    pub admins: usize,
}

impl LeftBehind {
    fn count(&mut self, kind: ObjectKind) {
        *match kind {
            ObjectKind::Account => &mut self.users,
            ObjectKind::Folder => &mut self.folders,
            ObjectKind::Group => &mut self.groups,
            ObjectKind::Role => &mut self.roles,
            ObjectKind::Administrator => &mut self.admins,
        } += 1;
    }

    fn add(&mut self, other: Self) {
        self.users += other.users;
        self.folders += other.folders;
        self.groups += other.groups;
        self.roles += other.roles;
        self.admins += other.admins;
    }
}

/// Everything that one source gives.
#[derive(Default)]
pub struct Moved {
    /// Account documents, with the usages and dates that the other server has counted.
    pub users: Vec<Map<String, Value>>,
    /// Folders that accounts share.
    pub folders: Vec<Map<String, Value>>,
    /// Groups of accounts.
    pub groups: Vec<Map<String, Value>>,
    /// Roles.
    pub roles: Vec<Map<String, Value>>,
    /// Administrators, with hashes of their passwords.
    pub admins: Vec<Map<String, Value>>,
    /// Private host keys: the file, and the name that it gets here.
    pub host_keys: Vec<(PathBuf, String)>,
    /// Settings of the section `sftpd`, where the source has no configuration of the older server.
    pub sftpd: Map<String, Value>,
    /// The same of the section `common`.
    pub common: Map<String, Value>,
    /// Remarks for the operator.
    pub notes: Vec<Note>,
    /// How many objects are not valid and stay behind.
    pub left: LeftBehind,
    /// Properties of the source that show the version of the older server.
    pub evidence: Evidence,
}

impl Moved {
    /// Adds a note.
    pub fn note(&mut self, kind: NoteKind, about: impl Into<String>, text: impl Into<String>) {
        let note = Note { kind, about: about.into(), text: text.into() };
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Notes that an object stays behind, and counts it.
    pub fn leave(&mut self, kind: ObjectKind, about: impl Into<String>, text: impl Into<String>) {
        self.left.count(kind);
        self.note(NoteKind::Invalid, about, text);
    }

    /// Notes that an object stays behind after all: what was said of how it moves does not hold.
    pub fn leave_after_all(&mut self, noun: &str, name: &str, text: impl Into<String>) {
        let about = format!("{noun} \"{}\"", printable(name));
        self.notes.retain(|note| note.about != about || note.kind == NoteKind::Invalid);
        self.note(NoteKind::Invalid, about, text);
    }

    /// Adds a private host key. Of two files with one name, the second one gets a number: without it, clients that know
    /// it would see a changed key.
    pub fn host_key(&mut self, path: PathBuf, name: String) {
        if self.host_keys.iter().any(|(known, _)| *known == path) {
            return;
        }
        let is_taken = |name: &str| self.host_keys.iter().any(|(_, taken)| taken == name);
        let numbered = (2_u32..).map(|number| format!("{name}_{number}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| !is_taken(name));
        self.host_keys.push((path, free.unwrap_or(name)));
    }

    /// Takes in what another source gives. A document whose name is there already is left out and noted, and a host key
    /// whose name is taken gets another one.
    pub fn add(&mut self, other: Self) {
        let Self { users, folders, groups, roles, admins, host_keys, sftpd, common, notes, evidence, left } = other;
        self.left.add(left);
        for (kind, noun, field, ours, theirs) in [
            (ObjectKind::Account, "account", "username", &mut self.users, users),
            (ObjectKind::Folder, "folder", "name", &mut self.folders, folders),
            (ObjectKind::Group, "group", "name", &mut self.groups, groups),
            (ObjectKind::Role, "role", "name", &mut self.roles, roles),
            (ObjectKind::Administrator, "administrator", "username", &mut self.admins, admins),
        ] {
            let mut names: std::collections::HashSet<_> =
                ours.iter().filter_map(|one| one.get(field).cloned()).collect();
            for one in theirs {
                match one.get(field) {
                    Some(name) if !names.insert(name.clone()) => {
                        self.left.count(kind);
                        self.notes.push(Note {
                            kind: NoteKind::Invalid,
                            about: format!("{noun} {name}"),
                            text: "it is there twice; the first one is used".to_owned(),
                        });
                    }
                    Some(_) | None => ours.push(one),
                }
            }
        }
        for (path, name) in host_keys {
            self.host_key(path, name);
        }
        self.sftpd.extend(sftpd);
        self.common.extend(common);
        self.notes.extend(notes);
        self.evidence.add(evidence);
    }
}

/// Without the documents, which have password hashes.
impl fmt::Debug for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Moved({} accounts, {:?})", self.users.len(), self.notes)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(names: &[&str], keys: &[(&str, &str)]) -> Moved {
        let user = |name: &&str| json!({"username": name}).as_object().cloned().unwrap();
        let mut moved = Moved { users: names.iter().map(user).collect(), ..Moved::default() };
        for (path, name) in keys {
            moved.host_key(PathBuf::from(path), (*name).to_owned());
        }
        moved
    }

    #[test]
    fn of_two_accounts_with_one_name_the_first_holds() {
        let mut moved = Moved::default();
        moved.add(of(&["a", "b", "a"], &[]));
        moved.add(of(&["b", "c"], &[]));
        let names: Vec<_> = moved.users.iter().map(|user| user["username"].as_str().unwrap()).collect();
        assert_eq!((names, moved.notes.len(), moved.left.users), (vec!["a", "b", "c"], 2, 2));
    }

    #[test]
    fn what_stays_behind_is_not_said_to_move() {
        let mut moved = Moved::default();
        for about in ["account \"a\"", "account \"b\""] {
            moved.note(NoteKind::Changed, about, "it is disabled until you set status 1");
        }
        moved.leave_after_all("account", "a", "it stays behind");
        let notes: Vec<_> = moved.notes.iter().map(|note| (note.about.as_str(), note.kind)).collect();
        assert_eq!(notes, [("account \"b\"", NoteKind::Changed), ("account \"a\"", NoteKind::Invalid)]);
    }

    #[test]
    fn no_host_key_takes_the_name_of_another() {
        let mut moved = of(&[], &[("/a/host", "host"), ("/b/host", "host"), ("/a/host", "host")]);
        moved.add(of(&[], &[("/c/host", "host"), ("/b/host", "host"), ("/etc/ssh/ssh_host_rsa_key", "id_rsa")]));
        let names: Vec<_> = moved.host_keys.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["host", "host_2", "host_3", "id_rsa"]);
    }
}
