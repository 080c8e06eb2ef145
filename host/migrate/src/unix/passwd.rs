//! `passwd`, `group` and `shadow`.

use std::collections::{HashMap, HashSet};

use crate::account::{lines, printable};
use crate::{Moved, ObjectKind};

/// One line of `passwd`.
pub struct Entry<'a> {
    pub name: &'a str,
    pub hash: &'a str,
    pub uid: u32,
    pub gid: u32,
    pub gecos: &'a str,
    pub home: &'a str,
    pub shell: &'a str,
}

/// The lines that are accounts; others are noted.
pub fn entries<'a>(text: &'a str, moved: &mut Moved) -> Vec<Entry<'a>> {
    let mut entries: Vec<Entry<'a>> = Vec::new();
    let mut names = HashSet::new();
    for (number, line) in lines(text) {
        let fields: Vec<&str> = line.split(':').collect();
        let entry = match fields.as_slice() {
            [name, hash, uid, gid, gecos, home, shell] => uid
                .parse()
                .ok()
                .zip(gid.parse().ok())
                .map(|(uid, gid)| Entry { name, hash, uid, gid, gecos, home, shell }),
            _ => None,
        };
        // Lines with a plus sign bring in accounts from elsewhere.
        match entry.filter(|entry| !entry.name.is_empty() && !entry.name.starts_with(['+', '-'])) {
            Some(entry) if !names.insert(entry.name) => {
                moved.leave(ObjectKind::Account, format!("passwd, line {number}"), "an earlier line has the same name");
            }
            Some(entry) => entries.push(entry),
            None => {
                let text = format!("\"{}\" is no account", printable(fields.first().copied().unwrap_or_default()));
                moved.leave(ObjectKind::Account, format!("passwd, line {number}"), text);
            }
        }
    }
    entries
}

/// The passwords.
pub struct Shadow(HashMap<String, ShadowEntry>);

/// One line of `shadow`.
#[derive(Clone)]
pub struct ShadowEntry {
    pub hash: String,
    /// Day of the last change, since 1970; 0: the password has to be changed.
    pub changed: Option<i64>,
    /// Days after the last change on which the password has to be changed.
    pub lifetime: Option<i64>,
    /// Day from which the account cannot be used.
    pub expires: Option<i64>,
    /// Whether one of the days is no number: what it restricts is not known.
    pub is_broken: bool,
}

impl Shadow {
    pub fn read(text: &str) -> Self {
        let mut all = HashMap::new();
        for (_, line) in lines(text) {
            let mut fields = line.split(':');
            let (Some(name), Some(hash)) = (fields.next(), fields.next()) else { continue };
            let days: Vec<&str> = fields.collect();
            let day = |index: usize| days.get(index)?.parse().ok();
            let is_broken = [0, 2, 5]
                .iter()
                .any(|index| days.get(*index).is_some_and(|field| !field.is_empty() && field.parse::<i64>().is_err()));
            let hash = hash.to_owned();
            let entry = ShadowEntry { hash, changed: day(0), lifetime: day(2), expires: day(5), is_broken };
            all.entry(name.to_owned()).or_insert(entry);
        }
        Self(all)
    }

    pub fn get(&self, name: &str) -> Option<&ShadowEntry> {
        self.0.get(name)
    }
}

/// The groups, by number and by member.
#[derive(Default)]
pub struct Groups(Vec<(String, Option<u32>, Vec<String>)>);

impl Groups {
    pub fn read(text: &str) -> Self {
        let group = |(_, line): (usize, &str)| {
            let mut fields = line.split(':');
            let name = fields.next()?.to_owned();
            let gid = fields.nth(1)?.parse().ok();
            let members = fields.next().unwrap_or_default().split(',').map(|member| member.trim().to_owned());
            Some((name, gid, members.collect()))
        };
        Self(lines(text).filter_map(group).collect())
    }

    /// The names of the groups that a user is in.
    pub fn of(&self, user: &str, gid: u32) -> Vec<&str> {
        let is_in = |(_, number, members): &&(String, Option<u32>, Vec<String>)| {
            *number == Some(gid) || members.iter().any(|member| member == user)
        };
        self.0.iter().filter(is_in).map(|(name, ..)| name.as_str()).collect()
    }
}
