//! The kinds of sources, and which kind is at the place that the operator names.

use std::path::{Path, PathBuf};

use tidegate_core::secret::Secret;

use crate::{MigrateError, files};

const EXTENSIONS: [&str; 7] = ["toml", "yaml", "yml", "json", "hcl", "env", "properties"];
/// The first bytes of an SQLite file.
const SQLITE: &[u8] = b"SQLite format 3\0";
/// A bbolt file has this number at byte 16 of its first page, in the byte order of its machine.
const BOLT: u32 = 0xED0C_DAED;
/// The first bytes of Pure-FTPd's indexed file.
const PUREDB: &[u8] = b"PDB2";

/// Something that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A directory with the configuration of the older server, or with its database under its usual name.
    OlderDirectory(PathBuf),
    /// A database of the older server.
    Database(DatabaseKind, PathBuf),
    /// A database of the older server that is reached over a connection: its URL.
    DatabaseServer(DatabaseKind, Secret),
    /// A dump of the older server.
    Dump(PathBuf),
    /// The accounts of a system: the file `passwd`.
    System(PathBuf),
    /// A file of ProFTPD's accounts.
    ProFtpd(PathBuf),
    /// A file of Pure-FTPd's accounts.
    PureFtpd(PathBuf),
}

/// The databases of the older server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseKind {
    /// A file.
    Sqlite,
    /// A server.
    Postgresql,
    /// A server, MariaDB as well.
    Mysql,
    /// A file of keys and values.
    Bolt,
    /// Nothing: a dump is read at the start.
    Memory,
}

impl DatabaseKind {
    /// The database that a `driver` of the older server's configuration means.
    pub fn of_driver(name: &str) -> Option<Self> {
        match name {
            "sqlite" => Some(Self::Sqlite),
            "postgresql" | "cockroachdb" => Some(Self::Postgresql),
            "mysql" => Some(Self::Mysql),
            "bolt" => Some(Self::Bolt),
            "memory" => Some(Self::Memory),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgresql => "PostgreSQL",
            Self::Mysql => "MySQL",
            Self::Bolt => "bolt",
            Self::Memory => "memory",
        }
    }

    /// The sentence for a database that cannot be read, with the way around it.
    pub fn refusal(self, place: &str) -> MigrateError {
        let name = self.name();
        MigrateError::Refused(format!(
            "{place}: accounts are not read from a {name} database; make a dump with the older server (its REST API: \
             dumpdata), and name the dump with another --from"
        ))
    }
}

impl Source {
    /// Looks at a path, or at a URL.
    ///
    /// # Errors
    /// There is nothing that can be read; the sentence says what to do.
    pub fn find(from: &str) -> Result<Self, MigrateError> {
        if let Some((scheme, _)) = from.split_once("://") {
            let kind = match scheme.to_ascii_lowercase().as_str() {
                "postgres" | "postgresql" => DatabaseKind::Postgresql,
                "mysql" | "mariadb" => DatabaseKind::Mysql,
                _ => {
                    return Err(MigrateError::Refused(format!("{scheme}://… is not read; name a directory or a file")));
                }
            };
            return Ok(Self::DatabaseServer(kind, Secret::new(from)));
        }
        let path = Path::new(from);
        let metadata = path.metadata().map_err(|error| MigrateError::Unreadable { path: path.to_owned(), error })?;
        if metadata.is_dir() { in_directory(path) } else { in_file(path) }
    }
}

fn in_directory(directory: &Path) -> Result<Source, MigrateError> {
    let has = |name: &str| directory.join(name).is_file();
    let is_configured = EXTENSIONS.iter().any(|extension| has(&format!("sftpgo.{extension}")));
    if is_configured || has("sftpgo.db") {
        return Ok(Source::OlderDirectory(directory.to_owned()));
    }
    if has("passwd") {
        return Ok(Source::System(directory.join("passwd")));
    }
    let problem = "it has neither sftpgo.json (or .toml, .yaml …) nor sftpgo.db nor passwd; name the directory that has, \
                   or a file";
    Err(MigrateError::unusable(directory, problem))
}

fn in_file(path: &Path) -> Result<Source, MigrateError> {
    // A database or a dump may be larger than what is read as a whole.
    let content = files::start(path, 4096)?;
    if content.starts_with(SQLITE) {
        return Ok(Source::Database(DatabaseKind::Sqlite, path.to_owned()));
    }
    if is_bolt(&content) {
        return Err(DatabaseKind::Bolt.refusal(&path.display().to_string()));
    }
    if content.starts_with(PUREDB) {
        let problem = "it is Pure-FTPd's index; name the file that it is made of, pureftpd.passwd";
        return Err(MigrateError::unusable(path, problem));
    }
    if begins_json(&content) {
        return Ok(Source::Dump(path.to_owned()));
    }
    let content = files::bytes(path)?;
    let Ok(text) = std::str::from_utf8(&content) else {
        return Err(MigrateError::unusable(path, "it is neither a database nor text"));
    };
    let owned = path.to_owned();
    if begins_json(&content) {
        return Ok(Source::Dump(owned));
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let fields: Vec<_> = lines.map(|line| line.split(':').collect::<Vec<_>>()).collect();
    if fields.iter().any(|fields| fields.len() >= 17) {
        return Ok(Source::PureFtpd(owned));
    }
    if !fields.iter().any(|fields| fields.len() == 7) {
        return Err(MigrateError::unusable(path, "it is no dump, no database and no file of accounts"));
    }
    // Where the passwords are elsewhere, the file is the system's.
    let is_elsewhere = |fields: &Vec<&str>| matches!(fields.get(1).copied(), Some("x" | "*" | "!" | "!!" | ""));
    let is_system = fields.iter().all(is_elsewhere);
    Ok(if is_system { Source::System(owned) } else { Source::ProFtpd(owned) })
}

fn begins_json(content: &[u8]) -> bool {
    let text = content.strip_prefix("\u{feff}".as_bytes()).unwrap_or(content).trim_ascii_start();
    text.starts_with(b"{") || text.starts_with(b"[")
}

fn is_bolt(content: &[u8]) -> bool {
    let Some(Ok(number)) = content.get(16..20).map(<[u8; 4]>::try_from) else { return false };
    u32::from_le_bytes(number) == BOLT || u32::from_be_bytes(number) == BOLT
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected`: a part of what is found, or of the error.
    fn check(files: &[(&str, &[u8])], from: &str, expected: &str) {
        let root = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(root.path().join(name), content).unwrap();
        }
        let from = if from.contains("://") { from.to_owned() } else { format!("{}/{from}", root.path().display()) };
        let found = Source::find(&from).map_or_else(|error| error.to_string(), |source| format!("{source:?}"));
        assert!(found.contains(expected), "{from}: {found}");
    }

    #[test]
    fn sources_are_told_by_what_is_in_them() {
        check(&[("sftpgo.yaml", b"")], "", "OlderDirectory");
        check(&[("sftpgo.db", b"")], "", "OlderDirectory");
        check(&[("passwd", b"")], "", "System");
        check(&[], "", "neither sftpgo.json");
        check(&[], "missing", "could not be read");
        check(&[("f", b"SQLite format 3\0rest")], "f", "Database(Sqlite");
        let bolt = [&[0; 16][..], &0xED0C_DAED_u32.to_le_bytes(), &[0; 16]].concat();
        check(&[("f", &bolt)], "f", "make a dump with the older server");
        check(&[("f", b" {\"users\":[]}")], "f", "Dump");
        check(&[("f", b"[]")], "f", "Dump");
        check(&[("f", "\u{feff}\n{}".as_bytes())], "f", "Dump");
        check(&[("f", &[&[b' '; 5000][..], b"[]"].concat())], "f", "Dump");
        check(&[("f", b"a:x:1:1::/a:/bin/sh\n")], "f", "System");
        check(&[("f", b"#\na:$1$x$y:1:1::/a:/bin/sh\n")], "f", "ProFtpd");
        check(&[("f", b"a:$1$x$y:1:1::/a/./::::::::::::\n")], "f", "PureFtpd");
        check(&[("f", b"PDB2....")], "f", "pureftpd.passwd");
        check(&[("f", b"\xff\xfe")], "f", "neither a database nor text");
        check(&[("f", b"")], "f", "no file of accounts");
        check(&[("f", b"hello")], "f", "no file of accounts");
        for (url, expected) in [
            ("postgresql://u:hush@host/db", "DatabaseServer(Postgresql"),
            ("mysql://u:hush@host/db", "DatabaseServer(Mysql"),
        ] {
            check(&[], url, expected);
            // The URL may have a password.
            assert!(!format!("{:?}", Source::find(url)).contains("hush"));
        }
        check(&[], "ftp://host/", "is not read");
    }
}
