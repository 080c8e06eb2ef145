//! What is read, in which order, and which of it is a database that becomes our own.

use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};
use tidegate_migrate::older::{Names, is_ours, read_dump, read_sqlite};
use tidegate_migrate::{
    DatabaseKind, Moved, NoteKind, Source, UidRange, host_keys, in_place, read_proftpd, read_pureftpd, read_system,
};

use super::database_server::DatabaseServer;
use crate::config::DataProvider;
use crate::config::OlderConfig;

/// Host keys of an older server whose configuration names none.
const USUAL_KEYS: [&str; 3] = ["id_rsa", "id_ecdsa", "id_ed25519"];

pub struct Sources {
    all: Vec<Source>,
    /// The configuration of the older server, and its directory.
    pub older: Option<(PathBuf, OlderConfig)>,
    /// Where the older server's database is read.
    database: Option<PathBuf>,
    /// Where it is read if it is on a database server.
    database_server: Option<DatabaseServer>,
    /// The older server's database where ours will be: it has to be set aside.
    pub in_place: Option<PathBuf>,
    /// What to say where a database is not read.
    notes: Vec<String>,
}

impl Sources {
    pub fn find(from: &[String]) -> anyhow::Result<Self> {
        let all: Vec<Source> = from.iter().map(|from| Source::find(from)).collect::<Result<_, _>>()?;
        let mut older = None;
        for source in &all {
            if let Source::OlderDirectory(directory) = source {
                ensure!(older.is_none(), "two of the directories are of an older server; name one");
                older = Some((directory.clone(), OlderConfig::read(directory)?));
            }
        }
        Ok(Self { all, older, database: None, database_server: None, in_place: None, notes: Vec::new() })
    }

    pub fn is_of_older_server(&self) -> bool {
        self.all.iter().any(|source| match source {
            Source::OlderDirectory(_) | Source::Database(..) | Source::DatabaseServer(..) | Source::Dump(_) => true,
            Source::System(_) | Source::ProFtpd(_) | Source::PureFtpd(_) => false,
        })
    }

    /// Finds out where the older server's accounts are, and whether ours are at the same place. `ours`: the file that
    /// they will be in; `None`: they are on a server for databases.
    pub fn find_database(&mut self, ours: Option<&Path>) -> anyhow::Result<()> {
        let Some(path) = self.choose_database()? else { return Ok(()) };
        if !ours.is_some_and(|ours| is_same_place(&path, ours)) {
            ensure!(
                path.is_file(),
                "{}: there is no database; check data_provider.name of the older server",
                path.display()
            );
            self.database = Some(path);
            return Ok(());
        }
        // What was there before a move is what moves.
        let kept = in_place::kept(&path);
        let is_older = path.is_file() && !is_ours(&path)?;
        if kept.is_file() && is_older && !in_place::has_same_accounts(&path, &kept, &self.names()) {
            // Of a move that was undone: which of them has the latest accounts is not known.
            bail!(
                "both {} and {} are databases of the older server; move the outdated one elsewhere first",
                path.display(),
                kept.display()
            );
        }
        if is_older {
            self.database = Some(path.clone());
            self.in_place = Some(path);
        } else if kept.is_file() {
            self.database = Some(kept);
        } else if path.is_file() {
            self.notes
                .push(format!("{} is this server's own database already; no account is read from it", path.display()));
        } else {
            bail!("{}: there is no database; check data_provider.name of the older server", path.display());
        }
        Ok(())
    }

    /// Chooses the one database that is read, and notes one that is passed over. The answer is its file; `None`: it is on
    /// a database server, or there is none.
    fn choose_database(&mut self) -> anyhow::Result<Option<PathBuf>> {
        let mut named: Option<PathBuf> = None;
        for source in &self.all {
            let is_first = named.is_none() && self.database_server.is_none();
            match source {
                Source::Database(..) | Source::DatabaseServer(..) if !is_first => bail!(
                    "two of the sources are databases of the older server; name one with --from, and run the command \
                     again for the other"
                ),
                Source::Database(_, path) => named = Some(path.clone()),
                Source::DatabaseServer(kind, url) => {
                    self.database_server = Some(DatabaseServer::of_url(*kind, url, Path::new("."))?);
                }
                Source::OlderDirectory(_) | Source::Dump(_) | Source::System(_) => {}
                Source::ProFtpd(_) | Source::PureFtpd(_) => {}
            }
        }
        let Some((directory, older)) = &self.older else { return Ok(named) };
        let place = place_of(directory, &older.config.data_provider);
        let has_dump = self.all.iter().any(|source| matches!(source, Source::Dump(_)));
        let is_named = named.is_some() || self.database_server.is_some();
        match (place, is_named) {
            // A file is read beside a dump.
            (Ok(Place::File(path)), false) => return Ok(Some(path)),
            (Ok(Place::File(path)), true) if named.as_ref().is_some_and(|named| is_same_place(&path, named)) => {}
            (Ok(Place::Nowhere(text)), false) if !has_dump => self.notes.push(text),
            (Ok(Place::Nowhere(_)), _) => {}
            (_, true) => {
                let text = "the database of its configuration is not read: the accounts are those of the database that \
                            --from names";
                self.notes.push(text.to_owned());
            }
            (Ok(Place::Server(_)) | Err(_), false) if has_dump => {
                self.notes.push("its database is not read: the accounts are those of the dump".to_owned());
            }
            (Ok(Place::Server(kind)), false) => {
                let theirs = &older.config.data_provider;
                self.database_server = Some(DatabaseServer::of_provider(kind, theirs, directory)?);
            }
            (Err(error), false) => return Err(error),
        }
        Ok(named)
    }

    /// Reads everything.
    pub fn read(&self, uids: UidRange) -> anyhow::Result<Moved> {
        let mut moved = Moved::default();
        if let Some((directory, older)) = &self.older {
            moved.evidence.see_settings(&older.tree);
            for (path, name) in keys_of(directory, older) {
                moved.host_key(path, name);
            }
        }
        for text in &self.notes {
            moved.note(NoteKind::Changed, "database", text);
        }
        if let Some(database) = &self.database {
            if has_ending(database, ".json") || !is_sqlite_like(database) {
                moved.add(read_dump(database)?);
            } else {
                moved.add(read_sqlite(database, &self.names())?);
            }
        }
        if let Some(server) = &self.database_server {
            moved.add(server.read(&self.names())?);
        }
        for source in &self.all {
            match source {
                Source::OlderDirectory(_) | Source::Database(..) | Source::DatabaseServer(..) => {}
                Source::Dump(path) => moved.add(read_dump(path)?),
                Source::System(path) => moved.add(read_system(path, uids.clone())?),
                Source::ProFtpd(path) => moved.add(read_proftpd(path)?),
                Source::PureFtpd(path) => moved.add(read_pureftpd(path)?),
            }
        }
        Ok(moved)
    }

    /// What the tables of the older server are called.
    pub fn names(&self) -> Names {
        let Some((_, older)) = &self.older else { return Names::default() };
        let users = older.config.data_provider.users_table.clone();
        let prefix = older.tree.get("data_provider").and_then(|provider| provider.get("sql_tables_prefix"));
        Names {
            users: Some(users).filter(|users| users != "users" && !users.is_empty()),
            prefix: prefix.and_then(|prefix| prefix.as_str()).unwrap_or_default().to_owned(),
        }
    }
}

/// Where the accounts of an older server are.
enum Place {
    /// An SQLite file, or the dump with which accounts in memory begin.
    File(PathBuf),
    Server(DatabaseKind),
    /// They are in memory, and there are none in the beginning: what is to be said of it.
    Nowhere(String),
}

fn place_of(directory: &Path, provider: &DataProvider) -> anyhow::Result<Place> {
    let Some(kind) = DatabaseKind::of_driver(&provider.driver) else {
        bail!("data_provider.driver of the older server is \"{}\", which is no driver", provider.driver);
    };
    let connection =
        [&provider.connection_string, &provider.connectionstring].into_iter().find(|text| !text.is_empty());
    match kind {
        DatabaseKind::Sqlite => {
            let named = match connection.and_then(|text| text.strip_prefix("file:")) {
                Some(text) => text.split('?').next().unwrap_or(text).to_owned(),
                None => provider.name.clone(),
            };
            Ok(Place::File(directory.join(named)))
        }
        DatabaseKind::Memory => Ok(dump_of_memory(directory, &provider.name)),
        DatabaseKind::Postgresql | DatabaseKind::Mysql => Ok(Place::Server(kind)),
        DatabaseKind::Bolt => Err(kind.refusal(&format!("data_provider of {}", directory.display())).into()),
    }
}

/// The dump with which accounts in memory begin. A default name means none, whatever file has it (A9-03), but for a dump.
fn dump_of_memory(directory: &Path, name: &str) -> Place {
    const DEFAULTS: [&str; 3] = ["sftpgo.db", "tidegate.db", ""];
    let path = directory.join(name);
    if path.is_file() && !(DEFAULTS.contains(&name) && is_sqlite_like(&path)) {
        return Place::File(path);
    }
    let dump = match DEFAULTS.contains(&name) {
        true => "no dump is named".to_owned(),
        false => format!("the dump {} is not there", path.display()),
    };
    Place::Nowhere(format!(
        "no account is read: the older server keeps them in memory, and {dump} with which they begin; where there is one, \
         name it with another --from"
    ))
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.to_str().is_some_and(|path| path.ends_with(ending))
}

/// A dump is text that begins with a bracket; everything else is left to SQLite, whose errors say what is wrong.
fn is_sqlite_like(path: &Path) -> bool {
    !matches!(path.to_str().map(Source::find), Some(Ok(Source::Dump(_))))
}

/// Whether both name one file, which need not be there.
pub fn is_same_place(one: &Path, other: &Path) -> bool {
    if let (Ok(one), Ok(other)) = (one.canonicalize(), other.canonicalize()) {
        return one == other;
    }
    let place = |path: &Path| {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some((directory.canonicalize().ok()?, path.file_name()?.to_owned()))
    };
    place(one).is_some_and(|one| Some(one) == place(other))
}

/// The host keys that the older server showed.
fn keys_of(directory: &Path, older: &OlderConfig) -> Vec<(PathBuf, String)> {
    let named = older.config.sftpd.keys.iter().map(|key| directory.join(&key.private_key));
    let mut paths: Vec<PathBuf> = named.collect();
    if paths.is_empty() {
        paths = USUAL_KEYS.map(|name| directory.join(name)).into_iter().filter(|path| path.exists()).collect();
    }
    paths.into_iter().filter_map(|path| host_keys::name_for(&path).map(|name| (path, name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "postgresql://role:hush@db/old";

    /// `provider`: the section of the older server's configuration. `from`: `""` is its directory. `expected`: parts of
    /// what is read and said, or of the refusal.
    fn check(provider: &str, from: &[&str], expected: &[&str]) {
        let place = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &str| std::fs::write(place.path().join(name), content).unwrap();
        write("sftpgo.json", &format!(r#"{{"data_provider":{{{provider}}}}}"#));
        write("dump.json", r#"{"users":[]}"#);
        for name in ["old.db", "other.db", "sftpgo.db"] {
            write(name, "SQLite format 3\0");
        }
        let path = |from: &&str| match from.contains("://") {
            true => (*from).to_owned(),
            false => place.path().join(from).display().to_string(),
        };
        let named: Vec<String> = from.iter().map(path).collect();
        let found = Sources::find(&named).and_then(|mut sources| {
            sources.find_database(None)?;
            let (file, server) = (&sources.database, sources.database_server.is_some());
            let name = file.as_ref().and_then(|file| file.file_name()?.to_str());
            Ok(format!("{name:?}, server: {server}, said: {:?}", sources.notes))
        });
        let found = found.unwrap_or_else(|error| error.to_string());
        for part in expected {
            assert!(found.contains(part), "{provider} {from:?}: {found}\nlacks {part}");
        }
    }

    #[test]
    fn one_database_is_read_and_what_is_passed_over_is_said() {
        let sqlite = r#""driver":"sqlite","name":"old.db""#;
        check(sqlite, &[""], &[r#"Some("old.db"), server: false, said: []"#]);
        check(sqlite, &["", "old.db"], &[r#"Some("old.db"), server: false, said: []"#]);
        check(sqlite, &["", "dump.json"], &[r#"Some("old.db"), server: false, said: []"#]);
        check(sqlite, &["other.db"], &[r#"Some("other.db"), server: false, said: []"#]);
        check(sqlite, &["", "other.db"], &[r#"Some("other.db")"#, "of its configuration is not read"]);
        check(sqlite, &["", URL], &["None, server: true", "of its configuration is not read"]);
        for two in [["old.db", "other.db"], ["old.db", URL], [URL, "old.db"], [URL, URL]] {
            check(sqlite, &two, &["two of the sources are databases"]);
        }
        let server = r#""driver":"postgresql","connection_string":"host=db user=u dbname=d""#;
        check(server, &[""], &["None, server: true, said: []"]);
        check(server, &["", "dump.json"], &["None, server: false", "those of the dump"]);
        check(server, &["", "other.db"], &[r#"Some("other.db"), server: false"#, "is not read"]);
        let bolt = r#""driver":"bolt""#;
        check(bolt, &[""], &["make a dump"]);
        check(bolt, &["", "dump.json"], &["None, server: false", "those of the dump"]);
        check(bolt, &["", "other.db"], &[r#"Some("other.db")"#, "is not read"]);
    }

    #[test]
    fn accounts_in_memory_begin_with_a_dump_or_with_none() {
        // A9-03
        let memory = |name: &str| format!(r#""driver":"memory","name":"{name}""#);
        for none in [r#""driver":"memory""#.to_owned(), memory(""), memory("sftpgo.db"), memory("tidegate.db")] {
            check(&none, &[""], &["None, server: false", "no dump is named"]);
        }
        check(&memory("gone.json"), &[""], &["None, server: false", "gone.json is not there"]);
        check(&memory("dump.json"), &[""], &[r#"Some("dump.json"), server: false, said: []"#]);
        check(&memory(""), &["", "dump.json"], &["None, server: false, said: []"]);
        check(&memory(""), &["", "other.db"], &[r#"Some("other.db"), server: false, said: []"#]);
    }
}
