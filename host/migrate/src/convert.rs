//! Accounts of other servers' files as a dump that `tidegate load` takes (A18-16).

use std::ops::RangeInclusive;
use std::path::Path;

use serde_json::{Map, Value, json};
use tidegate_core::account::{AccountDraft, CredentialRule};
use tidegate_core::password::PasswordHash;

use crate::account::about;
use crate::{MigrateError, Moved, NoteKind, read_proftpd, read_pureftpd, read_system};

/// What the file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserFormat {
    /// passwd(5), with `shadow`, `group` and `sshd_config` beside it.
    UnixPasswd,
    /// Pure-FTPd's file of virtual users.
    PureFtpd,
    /// ProFTPD's `AuthUserFile`.
    ProFtpd,
}

/// Which accounts are taken, and what all of them get.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// The least uid; None: 1000 of a system's accounts, any of others.
    pub min_uid: Option<u32>,
    /// The greatest uid; None: 60000 of a system's accounts, any of others.
    pub max_uid: Option<u32>,
    /// Only these accounts; empty: all.
    pub usernames: Vec<String>,
    /// The uid of new files, in place of that of the account.
    pub force_uid: Option<u32>,
    /// The gid of new files, in place of that of the account.
    pub force_gid: Option<u32>,
}

/// Reads a file. What comes out are accounts that can be loaded; the others are in the notes. `can_check`: whether some
/// password can match a hash.
///
/// # Errors
/// The file cannot be read.
pub fn convert(
    path: &Path,
    format: UserFormat,
    selection: &Selection,
    can_check: impl Fn(&PasswordHash) -> bool,
) -> Result<Moved, MigrateError> {
    let (least, greatest) = match format {
        UserFormat::UnixPasswd => (1000, 60000),
        UserFormat::PureFtpd | UserFormat::ProFtpd => (0, u32::MAX),
    };
    let uids: RangeInclusive<u32> = selection.min_uid.unwrap_or(least)..=selection.max_uid.unwrap_or(greatest);
    let read = match format {
        UserFormat::UnixPasswd => read_system(path, uids.clone())?,
        UserFormat::PureFtpd => read_pureftpd(path)?,
        UserFormat::ProFtpd => read_proftpd(path)?,
    };
    let mut moved = Moved::default();
    moved.add(read);
    moved.leave_unchecked_passwords(can_check);
    for name in &selection.usernames {
        if !moved.users.iter().any(|user| user.get("username").and_then(Value::as_str) == Some(name)) {
            moved.note(NoteKind::Invalid, about(name), "there is no such account that can be converted");
        }
    }
    for mut user in std::mem::take(&mut moved.users) {
        let name = user.get("username").and_then(Value::as_str).unwrap_or_default().to_owned();
        let uid = user.get("uid").and_then(Value::as_u64).and_then(|uid| u32::try_from(uid).ok());
        let is_in_range = uid.is_some_and(|uid| uids.contains(&uid));
        if !is_in_range || !(selection.usernames.is_empty() || selection.usernames.contains(&name)) {
            continue;
        }
        for (field, forced) in [("uid", selection.force_uid), ("gid", selection.force_gid)] {
            user.extend(forced.map(|forced| (field.to_owned(), json!(forced))));
        }
        make_loadable(&mut user, &name, &mut moved);
        match validated(&user) {
            Ok(()) => moved.users.push(user),
            Err(problem) => moved.note(NoteKind::Invalid, about(&name), format!("it is left out: {problem}")),
        }
    }
    Ok(moved)
}

/// A load wants a credential, or a word that there is none.
fn make_loadable(user: &mut Map<String, Value>, name: &str, moved: &mut Moved) {
    if !["password", "public_keys"].iter().any(|field| user.contains_key(*field)) {
        user.insert("password".to_owned(), json!("!"));
        moved.note(NoteKind::Changed, about(name), "it has neither a password nor a key, and gets a locked password");
    }
}

fn validated(user: &Map<String, Value>) -> Result<(), String> {
    let mut draft = AccountDraft::default();
    draft.merge_value(&Value::Object(user.clone())).map_err(|error| error.to_string())?;
    draft.validate(CredentialRule::Required).map(drop).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names with their uids, and how many notes there are about accounts.
    fn check(format: UserFormat, text: &str, selection: &Selection, expected: &[(&str, u32)], notes: usize) {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("passwd");
        std::fs::write(&path, text).unwrap();
        let moved = convert(&path, format, selection, |_| true).unwrap();
        let found: Vec<_> = moved
            .users
            .iter()
            .map(|user| (user["username"].as_str().unwrap(), user["uid"].as_u64().unwrap()))
            .collect();
        let expected: Vec<_> = expected.iter().map(|(name, uid)| (*name, u64::from(*uid))).collect();
        // There is a note for each system user whose home does not exist.
        let is_meant =
            |note: &&crate::Note| note.about.starts_with("account") && !note.text.contains("its home was looked for");
        let about = moved.notes.iter().filter(is_meant).count();
        assert_eq!((found, about), (expected, notes), "{text} {:?}", moved.notes);
    }

    #[test]
    fn chosen_accounts_are_converted() {
        // A18-16
        use UserFormat::{ProFtpd, PureFtpd, UnixPasswd};
        let lines =
            "a:$6$s$h:1001:1::/srv/a:/bin/sh\nb:$1$s$h:2002:2::/srv/b:/bin/sh\nroot:$6$s$h:0:0::/root:/bin/sh\n";
        let all = Selection::default();
        check(UnixPasswd, lines, &all, &[("a", 1001), ("b", 2002)], 0);
        check(ProFtpd, lines, &all, &[("a", 1001), ("b", 2002), ("root", 0)], 1);
        check(ProFtpd, lines, &Selection { min_uid: Some(2000), ..all.clone() }, &[("b", 2002)], 1);
        check(ProFtpd, lines, &Selection { max_uid: Some(1500), ..all.clone() }, &[("a", 1001), ("root", 0)], 1);
        let named = Selection { usernames: vec!["b".to_owned(), "c".to_owned()], ..all.clone() };
        check(UnixPasswd, lines, &named, &[("b", 2002)], 1);
        let forced = Selection { force_uid: Some(7), force_gid: Some(8), ..all.clone() };
        check(UnixPasswd, lines, &forced, &[("a", 7), ("b", 7)], 0);
        let lines = "a:$2a$10$x:1001:1::/srv/a/./::::::::::::\nb:*:5:1::/srv/b/./::::::::::::\n";
        check(PureFtpd, lines, &all, &[("a", 1001), ("b", 5)], 1);
        // One that cannot be loaded would keep the others out.
        check(ProFtpd, "a:$1$s$h:1:1::relative:/x\nb:$1$s$h:1:1::/b:/x\n", &all, &[("b", 1)], 1);
        check(ProFtpd, "a:$1$s$h:1:1::/a:/x\na:$1$s$h:1:1::/b:/x\n", &all, &[("a", 1)], 1);
    }

    #[test]
    fn what_is_converted_can_be_loaded() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("passwd");
        std::fs::write(&path, "a:x:1001:1::/srv/a:/bin/sh\nb:x:1002:1::/srv/b:/bin/sh\nc:x:1003:1::/c:/bin/sh\n")
            .unwrap();
        std::fs::write(
            place.path().join("shadow"),
            "a:!:19000::::::\nb:$6$s$h:19000:0:1:7:::\nc:$6$s$h:90000:0:9:7:::\n",
        )
        .unwrap();
        let moved = convert(&path, UserFormat::UnixPasswd, &Selection::default(), |_| true).unwrap();
        let user = |index: usize| serde_json::to_string(&moved.users[index]).unwrap();
        assert!(user(0).contains(r#""password":"!""#), "{}", user(0));
        // Its time has passed, and does not begin anew: the load keeps the age.
        for (index, days, changed) in [(1, 1, 19_000_i64), (2, 9, 90_000)] {
            let document = &moved.users[index];
            let found = [&document["filters"]["password_expiration"], &document["last_password_change"]];
            assert_eq!(found.map(Value::as_i64), [Some(days), Some(changed * 86_400_000)], "{}", user(index));
        }
    }
}
