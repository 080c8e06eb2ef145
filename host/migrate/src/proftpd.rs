//! ProFTPD's `AuthUserFile`: lines as in passwd(5), with the hashes in them.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::account::{Line, about, lines, printable};
use crate::apart::keep_apart;
use crate::{Moved, NoteKind, ObjectKind};

pub fn read(text: &str) -> Moved {
    let mut moved = Moved::default();
    let mut without_shell = HashSet::new();
    let mut names = HashSet::new();
    for (number, line) in lines(text) {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, hash, uid, gid, gecos, home, shell] = fields.as_slice() else {
            moved.leave(ObjectKind::Account, format!("line {number}"), "it has not seven fields");
            continue;
        };
        // Also after one that stays behind: that server takes the first one.
        if !names.insert(*name) {
            moved.leave(ObjectKind::Account, about(&printable(name)), "it is there twice; the first one is used");
            continue;
        }
        let line = Line { name, hash, uid, gid, gecos, home };
        match line.document(&mut moved) {
            Ok(document) => {
                if matches!(shell.rsplit('/').next(), Some("nologin" | "false" | "")) {
                    without_shell.insert(moved.users.len());
                }
                moved.users.push(document);
            }
            Err(problem) => moved.leave(ObjectKind::Account, about(&printable(name)), problem),
        }
    }
    // Where no account has a shell, that server does not ask for one (RequireValidShell).
    if without_shell.len() < moved.users.len() {
        let mut notes = Vec::new();
        for (_, user) in moved.users.iter_mut().enumerate().filter(|(index, _)| without_shell.contains(index)) {
            user.insert("status".to_owned(), json!(0));
            notes.push(about(user.get("username").and_then(Value::as_str).unwrap_or_default()));
        }
        let text = "unlike others it has no shell, with which that server may refuse it (RequireValidShell); it is disabled \
                    until you set status 1";
        notes.into_iter().for_each(|about| moved.note(NoteKind::Changed, about, text));
    }
    keep_apart(&mut moved);
    let text = "directories that proftpd.conf gives accounts as their root are not read: each account sees its home \
                directory as /";
    moved.note(NoteKind::Changed, "proftpd.conf", text);
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read() {
        // A18-16
        let text = "# comment\n\nalice:$6$s$h:1001:1002:Alice,,,:/srv/alice:/bin/false\nbob:rqXexS6ZhobKA:1:1::/b:\nshort:x\n\
                    carol:$1$a$b:x:1::/c:\ncarol:$1$a$b:1:1::/c:\r\n";
        let moved = read(text);
        assert_eq!(
            serde_json::to_string(&moved.users).unwrap(),
            r#"[{"username":"alice","status":1,"home_dir":"/srv/alice","uid":1001,"gid":1002,"permissions":{"/":["*"]},"description":"Alice","password":"$6$s$h"},{"username":"bob","status":1,"home_dir":"/b","uid":1,"gid":1,"permissions":{"/":["*"]}}]"#
        );
        let about: Vec<_> = moved.notes.iter().map(|note| note.about.as_str()).collect();
        assert_eq!(about, ["account \"bob\"", "line 5", "account \"carol\"", "account \"carol\"", "proftpd.conf"]);
    }

    #[test]
    fn an_account_without_a_shell_among_others_is_disabled() {
        let check = |shells: [&str; 2], expected: [i32; 2]| {
            let lines = shells.map(|shell| format!("u{}:$1$a$b:7:7::/srv/{}:{shell}\n", shell.len(), shell.len()));
            let found: Vec<_> = read(&lines.concat()).users.iter().map(|user| user["status"].clone()).collect();
            assert_eq!(found, expected.map(|status| json!(status)), "{shells:?}");
        };
        check(["/bin/false", "/usr/sbin/nologin"], [1, 1]);
        check(["/bin/false", "/bin/sh"], [0, 1]);
        check(["/bin/bash", "/bin/sh"], [1, 1]);
    }
}
