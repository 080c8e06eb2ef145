//! What all readers of files with one account a line have in common.

use serde_json::{Map, Value, json};
use tidegate_core::password::PasswordText;
use tidegate_core::public_key::PublicKey;
use tidegate_core::terminal::on_one_line;

use crate::{Moved, NoteKind};

/// One account of such a file.
pub struct Line<'a> {
    pub name: &'a str,
    pub hash: &'a str,
    pub uid: &'a str,
    pub gid: &'a str,
    pub gecos: &'a str,
    pub home: &'a str,
}

/// The lines that have something to say, with their numbers from 1.
pub fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim_end_matches('\r')));
    numbered.filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
}

impl Line<'_> {
    /// The account document: enabled, with all permissions.
    pub fn document(&self, moved: &mut Moved) -> Result<Map<String, Value>, String> {
        let number = |name: &str, text: &str| {
            text.parse::<u32>().map_err(|_| format!("its {name} \"{}\" is no number", printable(text)))
        };
        let mut document = Map::new();
        document.insert("username".to_owned(), json!(self.name));
        document.insert("status".to_owned(), json!(1));
        document.insert("home_dir".to_owned(), json!(self.home));
        document.insert("uid".to_owned(), json!(number("uid", self.uid)?));
        document.insert("gid".to_owned(), json!(number("gid", self.gid)?));
        document.insert("permissions".to_owned(), json!({"/": ["*"]}));
        let description = self.gecos.split(',').next().unwrap_or_default().trim();
        if !description.is_empty() {
            document.insert("description".to_owned(), json!(description));
        }
        if let Some(hash) = password(self.hash, false, &about(self.name), moved) {
            document.insert("password".to_owned(), json!(hash));
        }
        Ok(document)
    }
}

/// How an account is named in notes.
pub fn about(name: &str) -> String {
    format!("account \"{}\"", printable(name))
}

/// At most 80 characters, none of which a terminal takes as a command.
pub fn printable(text: &str) -> String {
    on_one_line(text).chars().take(80).collect()
}

/// Names with commas between them, at most 20 of them.
pub fn printable_list(names: &[&str]) -> String {
    let shown: Vec<String> = names.iter().take(20).map(|name| printable(name)).collect();
    let more = if names.len() > 20 { " …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

/// The hash to store; None, with a note where it says something: the account gets no password. Where
/// `may_be_clear` is false, a text that no known hash looks like is never taken as a password: it would open the
/// account.
pub fn password(text: &str, may_be_clear: bool, about: &str, moved: &mut Moved) -> Option<String> {
    let kind = match PasswordText::of(text) {
        PasswordText::Hash(hash) => return Some(hash.expose().to_owned()),
        PasswordText::Clear(clear) if may_be_clear => return Some(clear.expose().to_owned()),
        PasswordText::Absent | PasswordText::Locked => return None,
        PasswordText::Clear(_) => "old crypt, or another kind without a name".to_owned(),
        PasswordText::Unknown(name) => name,
    };
    let text = format!(
        "its password is kept in a form that cannot be checked here ({}), so it has none; set it with: tidegate user \
         update",
        printable(&kind)
    );
    moved.note(NoteKind::Changed, about, text);
    None
}

/// The lines that are public keys; the others are noted, and those with which no login is accepted.
pub fn public_keys<'a>(lines: impl Iterator<Item = &'a str>, about: &str, moved: &mut Moved) -> Vec<String> {
    let mut keys = Vec::new();
    for line in lines.map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match PublicKey::parse(line) {
            Ok(_) if keys.iter().any(|key| key == line) => {}
            Ok(key) => {
                if let Some(problem) = key.weakness() {
                    let text = format!("one of its public keys ({}) admits no login: {problem}", key.fingerprint());
                    moved.note(NoteKind::Changed, about, text);
                }
                keys.push(line.to_owned());
            }
            Err(error) => moved.note(NoteKind::Invalid, about, format!("one of its public keys stays behind: {error}")),
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, may_be_clear: bool, expected: Option<&str>, is_noted: bool) {
        let mut moved = Moved::default();
        let found = password(text, may_be_clear, "a", &mut moved);
        assert_eq!((found.as_deref(), !moved.notes.is_empty()), (expected, is_noted), "{text}");
    }

    #[test]
    fn no_hash_becomes_a_password() {
        // A8-11
        check("$1$salt$hash", false, Some("$1$salt$hash"), false);
        check("rqXexS6ZhobKA", false, None, true);
        check("$7$x$y", true, None, true);
        check("!$6$x$y", false, None, false);
        check("*", true, None, false);
        check("", false, None, false);
        check("secret", true, Some("secret"), false);
    }
}
