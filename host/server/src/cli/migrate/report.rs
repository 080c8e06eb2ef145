//! The report for the operator at the end.

use serde::Serialize;
use tidegate_core::terminal::on_one_line;
use tidegate_migrate::host_keys::KeyOutcome;
use tidegate_migrate::{Note, NoteKind};

use super::configuration::ConfigurationOutcome;

/// The report, which is also its JSON.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    pub dry_run: bool,
    /// What was found of the older server's version.
    pub version: Option<String>,
    /// The era whose rules hold for its hooks.
    pub compat: Option<&'static str>,
    pub users: Count,
    pub folders: Count,
    pub groups: Count,
    pub roles: Count,
    pub admins: Count,
    pub host_keys: Vec<HostKey>,
    pub configuration: ConfigurationOutcome,
    /// Where the older server's database is kept, if ours has taken its place.
    pub kept_database: Option<String>,
    pub notes: Vec<Note>,
}

/// How many objects of a kind were added, were there, or stayed behind.
#[derive(Debug, Default, Serialize)]
pub struct Count {
    pub added: usize,
    pub present: usize,
    pub invalid: usize,
}

/// What became of one host key.
#[derive(Debug, Serialize)]
pub struct HostKey {
    pub name: String,
    pub outcome: &'static str,
}

impl From<(String, KeyOutcome)> for HostKey {
    fn from((name, outcome): (String, KeyOutcome)) -> Self {
        let outcome = match outcome {
            KeyOutcome::Copied => "copied",
            KeyOutcome::Same => "present",
            KeyOutcome::Taken => "taken",
        };
        Self { name, outcome }
    }
}

impl Report {
    pub fn note(&mut self, kind: NoteKind, about: String, text: impl Into<String>) {
        self.notes.push(Note { kind, about, text: text.into() });
    }

    /// Whether anything was done, or would be.
    pub fn has_changed(&self) -> bool {
        let added = self.counts().into_iter().any(|(_, count)| count.added > 0);
        added
            || self.kept_database.is_some()
            || self.configuration == ConfigurationOutcome::Written
            || self.host_keys.iter().any(|key| key.outcome == "copied")
    }

    fn counts(&self) -> [(&'static str, &Count); 5] {
        [
            ("accounts", &self.users),
            ("folders", &self.folders),
            ("groups", &self.groups),
            ("roles", &self.roles),
            ("administrators", &self.admins),
        ]
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |part: String| {
            text.push_str(&part);
            text.push('\n');
        };
        if let Some(version) = &self.version {
            line(format!("The older server is of version {version}."));
        }
        if let Some(kept) = &self.kept_database {
            line(on_one_line(&format!("Its database is kept as {kept}.")));
        }
        if self.configuration == ConfigurationOutcome::Written {
            let compat = self.compat.map(|compat| format!(", with compat = \"{compat}\"")).unwrap_or_default();
            line(format!("tidegate.toml is written{compat}."));
        }
        for key in self.host_keys.iter().filter(|key| key.outcome == "copied") {
            line(on_one_line(&format!("The host key {} is copied.", key.name)));
        }
        for (noun, count) in self.counts() {
            let Count { added, present, invalid } = count;
            if added + present + invalid > 0 {
                line(format!("{noun}: {added} moved, {present} here already, {invalid} not valid"));
            }
        }
        for kind in NoteKind::ALL {
            let mut notes = self.notes.iter().filter(|note| note.kind == kind).peekable();
            if notes.peek().is_some() {
                line(format!("\n{}:", kind.heading()));
            }
            for note in notes {
                // Names of old rows may have characters that a terminal takes as commands.
                line(on_one_line(&format!("  {}: {}", note.about, note.text)));
            }
        }
        let end = match (self.dry_run, self.has_changed()) {
            (_, false) => "Nothing was changed: everything that can move is here already.",
            (true, true) => "Nothing was changed: this was a dry run.",
            (false, true) => "Done. Look at the configuration with: tidegate config check",
        };
        line(format!("\n{end}"));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_reaches_the_terminal_as_a_command() {
        let mut report = Report { users: Count { added: 1, present: 0, invalid: 2 }, ..Report::default() };
        report.note(NoteKind::Invalid, "account \"nul\0\u{1b}[2J\u{202e}\"".to_owned(), "it stays behind");
        let text = report.text();
        assert!(!text.contains(['\0', '\u{1b}', '\u{202e}']) && text.contains("it stays behind"), "{text:?}");
        assert!(text.contains("accounts: 1 moved, 0 here already, 2 not valid"), "{text}");
    }
}
