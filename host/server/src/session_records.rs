//! Files of the state directory with the sessions whose end hooks have to get, one for each (D-04). They survive a
//! kill of the server, and not every crash of the machine. The hooks that have got the end follow the session, each as a
//! string in a line of its own.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Deserializer;
use tidegate_core::connection::ConnectionId;
use tidegate_core::ports::{SessionRecord, SessionRecords};

const DIRECTORY: &str = "sessions";

/// The files.
#[derive(Debug)]
pub struct SessionRecordFiles {
    directory: PathBuf,
}

impl SessionRecordFiles {
    /// `state`: the state directory.
    pub fn new(state: &Path) -> Self {
        Self { directory: state.join(DIRECTORY) }
    }

    fn path(&self, id: &str) -> PathBuf {
        self.directory.join(id)
    }

    /// None: it is no record. A reported session is removed by its id, which has to be the name of the file.
    fn parse(path: &Path, content: &[u8]) -> Option<SessionRecord> {
        let mut values = Deserializer::from_slice(content);
        let mut record = SessionRecord::deserialize(&mut values).ok()?;
        // What a kill has cut off is not on record.
        record.told.extend(values.into_iter::<String>().map_while(Result::ok));
        (path.file_name()? == record.id.as_str()).then_some(record)
    }

    fn write(&self, path: &Path, record: &SessionRecord) -> io::Result<()> {
        let content = serde_json::to_vec(record)?;
        let make = || OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let mut file = match make() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
                make()?
            }
            made => made?,
        };
        file.write_all(&content)
    }
}

impl SessionRecords for SessionRecordFiles {
    fn left(&self) -> Vec<SessionRecord> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                let directory = self.directory.display();
                let message =
                    format!("hooks are not told of the end of earlier sessions: {directory} cannot be read: {error}");
                tracing::error!(sender = "login", message);
                return Vec::new();
            }
        };
        let mut left = Vec::new();
        for path in entries.flatten().map(|entry| entry.path()) {
            match fs::read(&path).map(|content| Self::parse(&path, &content)) {
                Ok(Some(record)) => left.push(record),
                // A kill may have cut it off, and then no hook was asked about the session yet.
                Ok(None) => drop(fs::remove_file(&path)),
                Err(error) => {
                    let path = path.display();
                    let message =
                        format!("hooks are not told yet of the end of a session: {path} cannot be read: {error}");
                    tracing::error!(sender = "login", message);
                }
            }
        }
        left.sort_by_key(|record| record.opened_at);
        left
    }

    fn keep(&self, record: &SessionRecord) -> Result<(), String> {
        let path = self.path(&record.id);
        self.write(&path, record).map_err(|error| format!("{} cannot be written: {error}", path.display()))
    }

    fn told(&self, id: &ConnectionId, hook: &str) {
        let path = self.path(id.as_str());
        match note(&path, hook) {
            // There is nothing to be told any more.
            Err(error) if error.kind() != ErrorKind::NotFound => {
                let path = path.display();
                let message = format!(
                    "{path} cannot be written; if the server is killed, the hook \"{hook}\" will be told of the end of \
                     its session again: {error}"
                );
                tracing::error!(sender = "login", message, connection_id = id.as_str());
            }
            Ok(()) | Err(_) => {}
        }
    }

    fn remove(&self, id: &ConnectionId) {
        let path = self.path(id.as_str());
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                let path = path.display();
                let message =
                    format!("{path} cannot be removed; hooks will be told of the end of its session again: {error}");
                tracing::error!(sender = "login", message, connection_id = id.as_str());
            }
            Ok(()) | Err(_) => {}
        }
    }
}

/// Adds the name of a hook that was told. In one piece: other hooks are told at the same time.
fn note(path: &Path, hook: &str) -> io::Result<()> {
    let mut line = b"\n".to_vec();
    serde_json::to_writer(&mut line, hook)?;
    OpenOptions::new().append(true).open(path)?.write_all(&line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str, opened_at: i64) -> SessionRecord {
        SessionRecord {
            id: id.to_owned(),
            username: "Ann".to_owned(),
            account: "ann".to_owned(),
            remote: "[2001:db8::1]:5".parse().unwrap(),
            local: "192.0.2.1:22".parse().unwrap(),
            client: "SSH-2.0-x".to_owned(),
            method: "password".to_owned(),
            connected_at: 1,
            opened_at,
            told: Vec::new(),
        }
    }

    #[test]
    fn records_are_there_until_they_are_removed() {
        // D-04
        let state = tempfile::tempdir().unwrap();
        let files = SessionRecordFiles::new(state.path());
        assert!(files.left().is_empty());
        files.remove(&ConnectionId::new("SSH_0"));
        let (first, second) = (record("SSH_2", 2), record("SSH_1", 3));
        files.keep(&second).unwrap();
        files.keep(&first).unwrap();
        assert!(files.keep(&first).unwrap_err().contains("sessions/SSH_2"));
        let next = SessionRecordFiles::new(state.path());
        assert_eq!(next.left(), [first.clone(), second.clone()]);
        let hooks = ["/usr/bin/a\n\"b\"", "plugin:c", "plugin:c"];
        hooks.iter().for_each(|hook| files.told(&ConnectionId::new("SSH_1"), hook));
        files.told(&ConnectionId::new("SSH_0"), "a");
        let second = SessionRecord { told: hooks.map(str::to_owned).into(), ..second };
        assert_eq!(next.left(), [first.clone(), second.clone()]);
        next.remove(&ConnectionId::new("SSH_2"));
        assert_eq!(next.left(), std::slice::from_ref(&second));
        // What was cut off, or is another's, is no record.
        for (name, content) in [("SSH_3", "{\"id\":"), ("SSH_4", &*serde_json::to_string(&first).unwrap())] {
            fs::write(state.path().join(DIRECTORY).join(name), content).unwrap();
        }
        // The name of a hook that was cut off is none.
        let path = state.path().join(DIRECTORY).join("SSH_1");
        note(&path, "d").unwrap();
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert_eq!(next.left(), [second]);
        assert_eq!(next.left().len(), 1);
        assert_eq!(fs::read_dir(state.path().join(DIRECTORY)).unwrap().count(), 1);
    }
}
