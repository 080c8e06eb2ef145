//! ProFTPD's `AuthUserFile`: lines as in passwd(5), with the hashes in them.

use crate::account::{Line, about, lines, printable};
use crate::{Moved, NoteKind};

pub fn read(text: &str) -> Moved {
    let mut moved = Moved::default();
    for (number, line) in lines(text) {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, hash, uid, gid, gecos, home, _shell] = fields.as_slice() else {
            moved.note(NoteKind::Invalid, format!("line {number}"), "it has not seven fields");
            continue;
        };
        let line = Line { name, hash, uid, gid, gecos, home };
        match line.document(&mut moved) {
            Ok(document) => moved.users.push(document),
            Err(problem) => moved.note(NoteKind::Invalid, about(&printable(name)), problem),
        }
    }
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
                    carol:$1$a$b:x:1::/c:\r\n";
        let moved = read(text);
        assert_eq!(
            serde_json::to_string(&moved.users).unwrap(),
            r#"[{"username":"alice","status":1,"home_dir":"/srv/alice","uid":1001,"gid":1002,"permissions":{"/":["*"]},"description":"Alice","password":"$6$s$h"},{"username":"bob","status":1,"home_dir":"/b","uid":1,"gid":1,"permissions":{"/":["*"]}}]"#
        );
        let about: Vec<_> = moved.notes.iter().map(|note| note.about.as_str()).collect();
        assert_eq!(about, ["account \"bob\"", "line 5", "account \"carol\"", "proftpd.conf"]);
    }
}
