//! Records which plugins served which gates. The record is a file: when a plugin's file is removed,
//! its gates stay closed, also after a restart. Only the operator lets a gate go.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tidegate_core::hook::{Family, HookKind};

use crate::plugin_file::{self, NotRead};

/// The file in the server's state directory.
const NAME: &str = "plugin-gates.json";

/// The record of served gates cannot be read, or what it says is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the record of the gates that plugins served, {path}, cannot be used: {problem}; restore it, or remove it to let go \
     of all gates whose plugin is gone"
)]
pub struct RecordError {
    path: String,
    problem: String,
}

/// The gates that plugins have served, by the plugin's name.
#[derive(Debug, Default)]
pub struct ServedGates {
    gates: BTreeMap<String, BTreeSet<HookKind>>,
    /// The file that changes are written to; `None` if they are not: a read-only look, or a server
    /// that keeps no state.
    file: Option<PathBuf>,
}

impl ServedGates {
    /// Reads the record in the state directory. Later changes are not written.
    ///
    /// # Errors
    /// If the record cannot be read or names something that is not a gate. A missing file is an empty record.
    pub fn look(directory: &Path) -> Result<Self, RecordError> {
        let file = directory.join(NAME);
        let error = |problem: String| RecordError { path: file.display().to_string(), problem };
        let text = match plugin_file::read_text(&file) {
            Ok(text) => text,
            Err(NotRead::Missing) => return Ok(Self::default()),
            Err(NotRead::Because(problem)) => return Err(error(problem)),
        };
        let names: BTreeMap<String, Vec<String>> =
            serde_json::from_str(&text).map_err(|problem| error(problem.to_string()))?;
        let mut gates = BTreeMap::new();
        for (name, hooks) in names {
            let mut kinds = BTreeSet::new();
            for hook in hooks {
                let kind = HookKind::from_name(&hook).filter(|kind| kind.family() == Family::Gate);
                kinds.insert(kind.ok_or_else(|| error(format!("\"{hook}\" of \"{name}\" is no gate")))?);
            }
            gates.insert(name, kinds);
        }
        Ok(Self { gates, file: None })
    }

    /// Reads the record as [`Self::look`] does, and writes every later change.
    ///
    /// # Errors
    /// As for [`Self::look`].
    pub fn open(directory: &Path) -> Result<Self, RecordError> {
        Ok(Self { file: Some(directory.join(NAME)), ..Self::look(directory)? })
    }

    /// Names of the plugins that have served a gate.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.gates.keys()
    }

    /// Gates that the plugin has served; empty if the record does not name it.
    pub fn of(&self, name: &str) -> BTreeSet<HookKind> {
        self.gates.get(name).cloned().unwrap_or_default()
    }

    /// Adds gates that a plugin serves from now on to those that it served before.
    ///
    /// # Errors
    /// If the record cannot be written. The gates are added in memory all the same.
    pub fn add(&mut self, name: &str, gates: &BTreeSet<HookKind>) -> io::Result<()> {
        let known = self.gates.get(name);
        if gates.iter().all(|gate| known.is_some_and(|known| known.contains(gate))) {
            return Ok(());
        }
        self.gates.entry(name.to_owned()).or_default().extend(gates);
        self.write()
    }

    /// Keeps only the gates that the plugin serves now. Returns `false` if there was no other gate.
    ///
    /// # Errors
    /// If the record cannot be written; then no gate is let go.
    pub fn forget(&mut self, name: &str, served: &BTreeSet<HookKind>) -> io::Result<bool> {
        let Some(known) = self.gates.get_mut(name) else { return Ok(false) };
        let before = known.clone();
        known.retain(|gate| served.contains(gate));
        if *known == before {
            return Ok(false);
        }
        if known.is_empty() {
            self.gates.remove(name);
        }
        let written = self.write();
        if written.is_err() {
            // The file still names these gates, so they stay closed.
            self.gates.insert(name.to_owned(), before);
        }
        written.map(|()| true)
    }

    /// Replaces the file by a rename: a server that dies meanwhile leaves the old file or the new one.
    fn write(&self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let names = |gates: &BTreeSet<HookKind>| gates.iter().map(|kind| kind.as_str()).collect::<Vec<_>>();
        let document: BTreeMap<_, _> = self.gates.iter().map(|(name, gates)| (name, names(gates))).collect();
        let beside = file.with_extension("json.new");
        let mut options = OpenOptions::new();
        let mut written = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        serde_json::to_writer_pretty(&mut written, &document)?;
        written.write_all(b"\n")?;
        written.sync_all()?;
        std::fs::rename(&beside, file)?;
        if let Some(directory) = file.parent() {
            File::open(directory)?.sync_all()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gates(kinds: &[HookKind]) -> BTreeSet<HookKind> {
        kinds.iter().copied().collect()
    }

    #[test]
    fn what_was_served_is_there_after_a_restart_until_it_is_forgotten() {
        // G-01
        let directory = tempfile::tempdir().unwrap();
        let mut record = ServedGates::open(directory.path()).unwrap();
        record.add("policy", &gates(&[HookKind::Connect])).unwrap();
        record.add("policy", &gates(&[HookKind::PreAction])).unwrap();
        record.add("observer", &gates(&[])).unwrap();
        let mut again = ServedGates::open(directory.path()).unwrap();
        assert_eq!(again.of("policy"), gates(&[HookKind::Connect, HookKind::PreAction]));
        assert_eq!(again.of("observer"), gates(&[]));
        // What the plugin serves now stays.
        assert!(again.forget("policy", &gates(&[HookKind::PreAction])).unwrap());
        assert!(!again.forget("policy", &gates(&[HookKind::PreAction])).unwrap());
        assert!(!again.forget("unknown", &gates(&[])).unwrap());
        assert_eq!(ServedGates::look(directory.path()).unwrap().of("policy"), gates(&[HookKind::PreAction]));
        assert!(again.forget("policy", &gates(&[])).unwrap());
        assert_eq!(ServedGates::look(directory.path()).unwrap().names().count(), 0);
    }

    #[test]
    fn a_look_writes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        ServedGates::look(directory.path()).unwrap().add("policy", &gates(&[HookKind::Connect])).unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_record_that_cannot_be_read_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(NAME);
        for (text, expected) in [
            ("", "EOF"),
            ("[]", "expected a map"),
            ("{\"a\": [\"connect\"", "EOF"),
            ("{\"a\": [\"gate-of-the-future\"]}", "is no gate"),
            ("{\"a\": [\"post-login\"]}", "is no gate"),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = ServedGates::open(directory.path()).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("plugin-gates.json"), "{text}: {error}");
        }
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        assert!(ServedGates::open(directory.path()).unwrap_err().to_string().contains("a directory"));
    }
}
