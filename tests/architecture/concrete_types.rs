//! The types behind the ports: which they are, and that the server names them in one place.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::dependencies::mentions;
use super::{is_below, sources};

/// Types behind the ports → the only files of the server that may name them. `config` asks two of them what may be
/// set; all else goes through the ports, and through what `wire` offers.
const CONCRETE_TYPES: &[(&str, &[&str])] = &[
    ("ProgramHook", &["wire/hook_points.rs", "config/hooks.rs"]),
    ("HttpHook", &["wire/hook_points.rs"]),
    ("PluginHook", &["wire/hook_points.rs"]),
    ("PluginDirectory", &["wire.rs", "wire/hook_points.rs", "config/synchronous.rs"]),
    ("LocalStorageFactory", &["wire/storages.rs"]),
    ("LocalHostPaths", &["wire.rs"]),
    ("S3FileSystems", &["wire/storages.rs"]),
    ("SftpFileSystems", &["wire/storages.rs"]),
    ("PasswordPool", &["wire.rs"]),
    ("KeyFile", &["wire.rs"]),
    ("SqliteDatabase", &["wire.rs"]),
    ("PostgresqlDatabase", &["wire.rs"]),
    ("MysqlDatabase", &["wire.rs"]),
    ("RedbDatabase", &["wire.rs"]),
    ("MemoryStore", &["wire.rs"]),
    // Made by their factories, or for tests.
    ("LocalStorage", &[]),
    ("S3Storage", &[]),
    ("SftpStorage", &[]),
    ("MemoryStorage", &[]),
    ("MemoryStorageFactory", &[]),
];

/// The crates of ring 2, which are behind the ports, and what begins the line of a store that is an alias.
const ADAPTERS: [&str; 8] =
    ["accounts", "storage", "storage-s3", "storage-sftp", "passwords", "sealing", "hooks-wasm", "hooks-external"];
const STORE: &str = "SqlStore<";

#[test]
fn only_the_wiring_names_concrete_types() {
    const SERVER: &str = "host/server/src";
    let files = sources(&[".rs"]);
    let files: Vec<_> = files.iter().filter(|(path, _)| is_below(path, SERVER)).collect();
    for (name, allowed) in CONCRETE_TYPES {
        let named: BTreeSet<PathBuf> =
            files.iter().filter(|(_, text)| mentions(text, name)).map(|(path, _)| path.clone()).collect();
        let allowed: BTreeSet<PathBuf> = allowed.iter().map(|file| Path::new(SERVER).join(file)).collect();
        let others: Vec<_> = named.difference(&allowed).collect();
        assert!(others.is_empty(), "{others:?} must not name {name}: use a port, or a function of server::wire");
        let idle: Vec<_> = allowed.difference(&named).collect();
        assert!(idle.is_empty(), "{idle:?} must not be in CONCRETE_TYPES: the file does not name {name}");
    }
}

/// The trait and the type of a line such as `impl<E: Event> Hook<E> for HttpHook {`.
fn implementation(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix("impl")?;
    // Bounds of parameters have no space before a brace, a trait has its name there.
    let rest = if rest.starts_with('<') { rest.split_once("> ")?.1 } else { rest.trim_start() };
    let (port, kind) = rest.split_once(" for ")?;
    let name = |text: &str| text.find(|it: char| !it.is_alphanumeric()).unwrap_or(text.len());
    Some((&port[..name(port)], &kind[..name(kind)]))
}

#[test]
fn implementations_are_found() {
    let check = |line: &str, expected: Option<(&str, &str)>| assert_eq!(implementation(line), expected, "{line}");
    check("impl Sealing for KeyFile {", Some(("Sealing", "KeyFile")));
    check("impl<E: LegacyEvent> Hook<E> for HttpHook {", Some(("Hook", "HttpHook")));
    check("impl Hook<KeyboardInteractive> for ProgramHook {", Some(("Hook", "ProgramHook")));
    check("impl<D: Database> Directory for SqlStore<D> {", Some(("Directory", "SqlStore")));
    check("impl KeyFile {", None);
    check("    impl Sealing for Inner {", None);
}

/// A type that implements a port and that its crate gives to others is in the list above.
#[test]
fn each_type_behind_a_port_is_in_the_list() {
    let files = sources(&[".rs"]);
    let core = files.iter().filter(|(path, _)| is_below(path, "host/core/src/ports"));
    let of_core = core.flat_map(|(_, text)| text.lines()).filter_map(|line| line.strip_prefix("pub trait "));
    let mut ports: BTreeSet<&str> = of_core.filter_map(|rest| rest.split([':', '<', ' ']).next()).collect();
    ports.insert("Hook");
    let mut found = BTreeSet::new();
    for adapter in ADAPTERS {
        let directory = format!("host/{adapter}/src");
        let given = &files.iter().find(|(path, _)| *path == Path::new(&directory).join("lib.rs")).unwrap().1;
        for (_, text) in files.iter().filter(|(path, _)| is_below(path, &directory)) {
            let implementing = text.lines().filter_map(implementation);
            let implementing = implementing.filter(|(port, _)| ports.contains(port)).map(|(_, name)| name);
            let aliases = text.lines().filter_map(|line| line.strip_prefix("pub type ")?.split_once(" = "));
            let stores = aliases.filter(|(_, meant)| meant.starts_with(STORE)).map(|(name, _)| name);
            found.extend(implementing.chain(stores).filter(|name| mentions(given, name)));
        }
    }
    assert!(found.contains("MysqlDatabase") && found.contains("PluginHook"), "{found:?}");
    for name in found {
        let is_listed = CONCRETE_TYPES.iter().any(|(listed, _)| *listed == name);
        assert!(is_listed, "{name} is behind a port: name it in CONCRETE_TYPES, with the files that make it");
    }
}
