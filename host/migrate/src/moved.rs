//! What a reader has found.

use std::fmt;
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::{Evidence, Note, NoteKind};

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
    /// Private host keys: the file, and the name that it gets here.
    pub host_keys: Vec<(PathBuf, String)>,
    /// Settings of the section `sftpd`, where the source has no configuration of the older server.
    pub sftpd: Map<String, Value>,
    /// What is to be said about it.
    pub notes: Vec<Note>,
    /// What shows the version of the older server.
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

    /// Takes in what another source gives. A document whose name is there already is left out and noted.
    pub fn add(&mut self, other: Self) {
        let Self { users, folders, groups, roles, host_keys, sftpd, notes, evidence } = other;
        for (noun, field, ours, theirs) in [
            ("account", "username", &mut self.users, users),
            ("folder", "name", &mut self.folders, folders),
            ("group", "name", &mut self.groups, groups),
            ("role", "name", &mut self.roles, roles),
        ] {
            let names: std::collections::HashSet<_> = ours.iter().filter_map(|one| one.get(field).cloned()).collect();
            for one in theirs {
                match one.get(field) {
                    Some(name) if names.contains(name) => self.notes.push(Note {
                        kind: NoteKind::Invalid,
                        about: format!("{noun} {name}"),
                        text: "two sources have it; the first one holds".to_owned(),
                    }),
                    Some(_) | None => ours.push(one),
                }
            }
        }
        self.host_keys.extend(host_keys);
        self.sftpd.extend(sftpd);
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
