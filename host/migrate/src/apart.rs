//! Accounts that only the file system kept apart: another server worked with the rights of each system user, so that the
//! owners and modes of files held for them. Here they hold for the server, and permissions are what is left.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::account::about;
use crate::{Moved, NoteKind};

/// The users whose files are in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owners {
    One(u64),
    Several,
}

/// Disables the accounts that would see more here than there: those of root, those whose home is the whole file system,
/// and those whose home is that of another system user, or has it in it.
pub fn keep_apart(moved: &mut Moved) {
    let mut notes = Vec::new();
    let shared = shared_homes(moved);
    for (index, user) in moved.users.iter_mut().enumerate() {
        let name = user.get("username").and_then(Value::as_str).unwrap_or_default();
        let (home, uid) = (home_of(user), uid_of(user));
        let text = if uid == Some(0) {
            "its uid is that of root, as which that server lets no account in; it is disabled until you set another uid, \
             and status 1"
        } else if home.parent().is_none() {
            "its home is the whole file system, of which it could use there what the rights of its uid left it, and could \
             use here what those of the server leave it; it is disabled until you set another home_dir, and status 1"
        } else if shared.contains(&index) {
            "accounts with other uids have the same home, or one in it; there, the owners and modes of files kept them \
             apart, and here only permissions do: it is disabled until you set them, and status 1"
        } else {
            continue;
        };
        notes.push((about(name), text));
        user.insert("status".to_owned(), json!(0));
    }
    for (about, text) in notes {
        moved.note(NoteKind::Changed, about, text);
    }
}

fn home_of(user: &serde_json::Map<String, Value>) -> PathBuf {
    let text = user.get("home_dir").and_then(Value::as_str).unwrap_or_default();
    // Each component once, without `.` and double slashes.
    text.split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .fold(PathBuf::from("/"), |path, part| path.join(part))
}

fn uid_of(user: &serde_json::Map<String, Value>) -> Option<u64> {
    user.get("uid").and_then(Value::as_u64)
}

/// The accounts whose home has files of several system users, by their place in the list.
fn shared_homes(moved: &Moved) -> HashSet<usize> {
    let mut homes: BTreeMap<PathBuf, (Owners, Vec<usize>)> = BTreeMap::new();
    for (index, user) in moved.users.iter().enumerate() {
        let owner = Owners::One(uid_of(user).unwrap_or(u64::MAX));
        let (owners, users) = homes.entry(home_of(user)).or_insert((owner, Vec::new()));
        if *owners != owner {
            *owners = Owners::Several;
        }
        users.push(index);
    }
    // In the order of paths, what is in a directory follows it.
    let mut shared = HashSet::new();
    let mut above: Vec<(PathBuf, Owners, Vec<usize>)> = Vec::new();
    let mut close = |above: &mut Vec<(PathBuf, Owners, Vec<usize>)>| {
        let Some((_, owners, users)) = above.pop() else { return };
        if owners == Owners::Several {
            shared.extend(users);
        }
        if let Some((_, outer, _)) = above.last_mut()
            && *outer != owners
        {
            *outer = Owners::Several;
        }
    };
    for (home, (owners, users)) in homes {
        while above.last().is_some_and(|(outer, ..)| !home.starts_with(outer)) {
            close(&mut above);
        }
        above.push((home, owners, users));
    }
    while !above.is_empty() {
        close(&mut above);
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places of the accounts that are disabled.
    fn check(homes: &[(&str, u32)], expected: &[usize]) {
        let mut moved = Moved::default();
        for (index, (home, uid)) in homes.iter().enumerate() {
            let user = json!({"username": index.to_string(), "home_dir": home, "uid": uid, "status": 1});
            moved.users.push(user.as_object().cloned().unwrap());
        }
        keep_apart(&mut moved);
        let is_off = |user: &serde_json::Map<String, Value>| user["status"] == 0;
        let found: Vec<_> = (0..homes.len()).filter(|index| is_off(&moved.users[*index])).collect();
        assert_eq!((found.as_slice(), moved.notes.len()), (expected, expected.len()), "{homes:?}");
    }

    #[test]
    fn homes_that_the_file_system_kept_apart_are_closed() {
        check(&[("/home/a", 1), ("/home/b", 2), ("/home/ab", 3)], &[]);
        check(&[("/srv", 1), ("/srv", 1), ("/srv/c", 1)], &[]);
        check(&[("/srv", 1), ("/srv/./", 2), ("/home/c", 3)], &[0, 1]);
        check(&[("/srv/x/b", 2), ("/srv", 1), ("/srv-old", 3), ("/srv/x", 2), ("/srv/x/y", 2)], &[1]);
        check(&[("/srv", 1), ("/srv/x", 2), ("/srv/x/y", 3), ("/srv/z", 1)], &[0, 1]);
        check(&[("/", 1)], &[0]);
        check(&[("//", 1), ("/a", 2)], &[0]);
        check(&[("/root", 0), ("/a", 2)], &[0]);
    }
}
