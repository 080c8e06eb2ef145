//! Which plugins served which gates: kept in a file, because a plugin's file that goes must not
//! open a gate, not even at the next start. Only the operator lets a gate go.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tidegate_core::hook::{Family, HookKind};

use crate::plugin_file::{self, NotRead};

/// The file in the server's state directory.
const NAME: &str = "plugin-gates.json";

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the record of the gates that plugins served, {path}, cannot be used: {problem}; restore it, or remove it to let go \
     of all gates whose plugin is gone"
)]
pub struct RecordError {
    path: String,
    problem: String,
}

/// By the plugin's name.
#[derive(Debug, Default)]
pub struct ServedGates {
    gates: BTreeMap<String, BTreeSet<HookKind>>,
    /// None: a look only, or a server that keeps no state.
    file: Option<PathBuf>,
}

impl ServedGates {
    /// As the server left it in its state directory; what this process learns is not written.
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

    /// To be written whenever it changes.
    pub fn open(directory: &Path) -> Result<Self, RecordError> {
        Ok(Self { file: Some(directory.join(NAME)), ..Self::look(directory)? })
    }

    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.gates.keys()
    }

    pub fn of(&self, name: &str) -> BTreeSet<HookKind> {
        self.gates.get(name).cloned().unwrap_or_default()
    }

    /// Gates that a plugin serves from now on, beside those that it served before.
    pub fn add(&mut self, name: &str, gates: &BTreeSet<HookKind>) -> io::Result<()> {
        let known = self.gates.get(name);
        if gates.iter().all(|gate| known.is_some_and(|known| known.contains(gate))) {
            return Ok(());
        }
        self.gates.entry(name.to_owned()).or_default().extend(gates);
        self.write()
    }

    /// Leaves only what the plugin serves now. False: there was nothing to let go.
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
            // What the file still says stays closed.
            self.gates.insert(name.to_owned(), before);
        }
        written.map(|()| true)
    }

    /// In one step: a server that dies meanwhile leaves the old file or the new one.
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
