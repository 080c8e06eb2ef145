//! Hashes that begin like one of a known format, and that no password can match all the same.

use serde_json::{Map, Value};
use tidegate_core::password::PasswordHash;

use crate::account::{about, printable};
use crate::{Moved, NoteKind, ObjectKind};

impl Moved {
    /// Takes such passwords from accounts, and leaves administrators behind that have one. `can_check`: whether some
    /// password can match a hash.
    pub fn leave_unchecked_passwords(&mut self, can_check: impl Fn(&PasswordHash) -> bool) {
        let is_unchecked = |document: &Map<String, Value>| {
            let hash = document.get("password").and_then(Value::as_str).and_then(PasswordHash::recognise);
            hash.is_some_and(|hash| !can_check(&hash))
        };
        let name = |document: &Map<String, Value>| {
            document.get("username").and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let mut users = std::mem::take(&mut self.users);
        for user in users.iter_mut().filter(|user| is_unchecked(user)) {
            user.remove("password");
            let text = "the hash of its password is cut off or malformed, or its cost is too high, so it has none; set it \
                        with: tidegate user update";
            self.note(NoteKind::Changed, about(&name(user)), text);
        }
        self.users = users;
        let (unchecked, admins): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.admins).into_iter().partition(is_unchecked);
        self.admins = admins;
        for admin in unchecked {
            let text = "the hash of its password is cut off or malformed, or its cost is too high; it stays behind; add it \
                        with: tidegate admin add";
            let about = format!("administrator \"{}\"", printable(&name(&admin)));
            self.leave(ObjectKind::Administrator, about, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hashes_that_match_nothing_do_not_move() {
        // A8-11
        let of = |hash: &str| json!({"username": hash, "password": hash}).as_object().cloned().unwrap();
        let documents = || vec![of("$2a$10$cut"), of("$2a$10$whole"), of("clear")];
        let mut moved = Moved { users: documents(), admins: documents(), ..Moved::default() };
        moved.leave_unchecked_passwords(|hash| hash.expose() != "$2a$10$cut");
        let passwords: Vec<_> = moved.users.iter().map(|user| user.get("password").and_then(Value::as_str)).collect();
        assert_eq!(passwords, [None, Some("$2a$10$whole"), Some("clear")]);
        let about: Vec<_> = moved.notes.iter().map(|note| note.about.as_str()).collect();
        assert_eq!(about, ["account \"$2a$10$cut\"", "administrator \"$2a$10$cut\""]);
        assert_eq!((moved.admins.len(), moved.left.admins, moved.left.users), (2, 1, 0));
    }
}
