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
        let mut named: Option<PathBuf> = None;
        for source in &self.all {
            match source {
                Source::Database(_, path) => named = Some(path.clone()),
                Source::DatabaseServer(kind, url) => {
                    self.database_server = Some(DatabaseServer::of_url(*kind, url, Path::new("."))?);
                }
                Source::OlderDirectory(_) | Source::Dump(_) | Source::System(_) => {}
                Source::ProFtpd(_) | Source::PureFtpd(_) => {}
            }
        }
        if let (None, None, Some((directory, older))) = (&named, &self.database_server, &self.older) {
            let has_dump = self.all.iter().any(|source| matches!(source, Source::Dump(_)));
            match (place_of(directory, &older.config.data_provider), has_dump) {
                (Ok(Place::File(path)), _) => named = Some(path),
                (Ok(Place::Server(kind)), false) => {
                    let theirs = &older.config.data_provider;
                    self.database_server = Some(DatabaseServer::of_provider(kind, theirs, directory)?);
                }
                (Ok(Place::Server(_)), true) => {
                    self.notes.push("its database is not read: the accounts are those of the dump".to_owned());
                }
                (Err(_), true) => {
                    self.notes.push("its database is not read: the accounts are those of the dump".to_owned())
                }
                (Err(error), false) => return Err(error),
            }
        }
        let Some(path) = named else { return Ok(()) };
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
        DatabaseKind::Memory => Ok(Place::File(directory.join(&provider.name))),
        DatabaseKind::Postgresql | DatabaseKind::Mysql => Ok(Place::Server(kind)),
        DatabaseKind::Bolt => Err(kind.refusal(&format!("data_provider of {}", directory.display())).into()),
    }
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
