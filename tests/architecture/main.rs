//! The walls of the tree: which crate may know which, and what a file may look like.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod concrete_types;
mod decisions;
mod dependencies;
mod doors;
mod file_operations;
mod kinds;
mod specification;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tidegate_tests::tools;

/// Ours: from each crate to those it may name.
const ARROWS: &[(&str, &[&str])] = &[
    ("tidegate-core", &[]),
    ("tidegate-hooks-wasm", &["tidegate-core"]),
    ("tidegate-hooks-external", &["tidegate-core"]),
    ("tidegate-storage", &["tidegate-core"]),
    ("tidegate-storage-s3", &["tidegate-core"]),
    ("tidegate-storage-sftp", &["tidegate-core"]),
    ("tidegate-accounts", &["tidegate-core"]),
    ("tidegate-passwords", &["tidegate-core"]),
    ("tidegate-migrate", &["tidegate-core"]),
    ("tidegate-sealing", &["tidegate-core"]),
    ("tidegate-sftp", &["tidegate-core"]),
    ("tidegate-ssh", &["tidegate-core", "tidegate-sftp", "tidegate-ssh-commands"]),
    // Knows the channel only by its ports.
    ("tidegate-ssh-commands", &["tidegate-core", "tidegate-sftp"]),
    // Speaks to the outside, and knows nothing of the inside.
    ("tidegate-api-types", &[]),
    ("tidegate-api", &["tidegate-core", "tidegate-api-types"]),
    // Knows the connection of a request as the HTTP server tells it.
    ("tidegate-web", &["tidegate-core", "tidegate-api"]),
    (
        "tidegate",
        &[
            "tidegate-core",
            "tidegate-hooks-wasm",
            "tidegate-hooks-external",
            "tidegate-storage",
            "tidegate-storage-s3",
            "tidegate-storage-sftp",
            "tidegate-accounts",
            "tidegate-passwords",
            "tidegate-migrate",
            "tidegate-sealing",
            "tidegate-ssh",
            "tidegate-ssh-commands",
            "tidegate-api",
            "tidegate-api-types",
            "tidegate-web",
        ],
    ),
    // Writes parts of the SDKs.
    ("tidegate-bindings", &[]),
    // From outside only: it runs the binary.
    ("tidegate-tests", &[]),
    // Call the adapters as the server does.
    ("tidegate-contract", &["tidegate-core", "tidegate-hooks-wasm", "tidegate-hooks-external"]),
    // Gives foreign bytes to each crate that reads some.
    (
        "tidegate-fuzz-targets",
        &[
            "tidegate",
            "tidegate-api",
            "tidegate-core",
            "tidegate-hooks-external",
            "tidegate-sftp",
            "tidegate-ssh",
            "tidegate-ssh-commands",
            "tidegate-storage",
            "tidegate-storage-s3",
            "tidegate-web",
        ],
    ),
    (
        "tidegate-bench",
        &[
            "tidegate-core",
            "tidegate-accounts",
            "tidegate-hooks-wasm",
            "tidegate-hooks-external",
            "tidegate-contract",
            "tidegate-tests",
        ],
    ),
];

/// Other crates: the only packages that may depend on them.
const OWNERS: &[(&str, &[&str])] = &[
    ("argon2", &["tidegate-passwords"]),
    ("wasmtime", &["tidegate-hooks-wasm"]),
    ("wasmtime-wasi", &["tidegate-hooks-wasm"]),
    // The server, the client of another server, and that of the benchmark.
    ("russh", &["tidegate-ssh", "tidegate-storage-sftp", "tidegate-bench"]),
    // The tests have a store of their own.
    ("axum", &["tidegate-api", "tidegate-web", "tidegate-tests"]),
    ("prometheus", &["tidegate-api"]),
    ("opendal", &["tidegate-storage-s3"]),
    ("redb", &["tidegate-accounts"]),
    ("tokio-postgres", &["tidegate-accounts"]),
    ("mysql_async", &["tidegate-accounts"]),
    ("deadpool", &["tidegate-accounts"]),
    // One has our database, the other reads an older server's.
    ("rusqlite", &["tidegate-accounts", "tidegate-migrate"]),
    ("aws-lc-rs", &["tidegate-migrate", "tidegate-sealing"]),
    // The server sends traces; opendal is given a client that follows no redirect.
    ("reqwest", &["tidegate-hooks-external", "tidegate-hooks-wasm", "tidegate-storage-s3", "tidegate"]),
    ("opendal-http-transport-reqwest", &["tidegate-storage-s3"]),
    ("opentelemetry_sdk", &["tidegate"]),
    ("opentelemetry-otlp", &["tidegate"]),
    ("subprocess", &["tidegate-hooks-external"]),
    ("nix", &["tidegate-storage"]),
    (
        "rustix",
        &[
            "tidegate-storage",
            "tidegate-hooks-external",
            "tidegate-hooks-wasm",
            "tidegate-ssh",
            "tidegate-ssh-commands",
            // Backups are opened below their directory.
            "tidegate-api",
            "tidegate",
            "tidegate-tests",
        ],
    ),
    ("anyhow", &["tidegate", "tidegate-bench", "tidegate-bindings", "tidegate-contract"]),
];

/// Crate → its dependencies, without those for tests.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--no-deps", "--offline"]).current_dir(tools::root());
    let metadata: Value = serde_json::from_str(&tools::run_ok(&mut cargo)).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap().iter();
            let normal = dependencies.filter(|dependency| dependency["kind"].is_null());
            let names = normal.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect();
            (package["name"].as_str().unwrap().to_owned(), names)
        })
        .collect()
}

#[test]
fn arrows_point_one_way() {
    let dependencies = dependencies();
    for (name, found) in &dependencies {
        let allowed =
            ARROWS.iter().find(|(from, _)| from == name).unwrap_or_else(|| panic!("{name} has no place in ARROWS"));
        for other in found.iter().filter(|other| dependencies.contains_key(*other)) {
            assert!(allowed.1.contains(&other.as_str()), "{name} must not know {other}");
        }
    }
}

#[test]
fn each_library_has_its_owner() {
    for (name, found) in dependencies() {
        for (library, owners) in OWNERS.iter().copied() {
            assert!(!found.contains(library) || owners.contains(&name.as_str()), "{name} must not depend on {library}");
        }
    }
}

/// Sources that git knows or would take, with these endings.
fn sources(endings: &[&str]) -> Vec<(PathBuf, String)> {
    let root = tools::root();
    let mut git = Command::new("git");
    let listed = tools::run_ok(git.args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(&root));
    listed
        .lines()
        .filter(|name| endings.iter().any(|ending| name.ends_with(ending)))
        .filter_map(|name| Some((PathBuf::from(name), std::fs::read_to_string(root.join(name)).ok()?)))
        .collect()
}

fn is_below(path: &Path, directory: &str) -> bool {
    path.starts_with(directory)
}

/// What only an adapter does: files, sockets, programs, the terminal, the environment, tasks of its own.
const INPUT_AND_OUTPUT: [&str; 15] = [
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "eprint",
    "println!",
    "tokio::fs",
    "tokio::io",
    "tokio::net",
    "tokio::process",
    "tokio::signal",
    "tokio::spawn",
    "task::spawn",
    "spawn_blocking",
];

/// What the core asks the host for all the same, and the files that do.
const FROM_THE_HOST: [(&str, &[&str]); 2] = [
    // By itself only where a time in nanoseconds is wanted, which the port does not give.
    ("SystemTime", &["host/core/src/ports/clock.rs", "host/core/src/files/hooks.rs"]),
    (
        "getrandom",
        &[
            "host/core/src/account/hashed_passwords.rs",
            "host/core/src/admin/credential_text.rs",
            "host/core/src/admin/storage.rs",
            "host/core/src/login/external_auth_cache.rs",
        ],
    ),
];

/// The paths of a text's `use` declarations, one a line: `std::{fs, path::Path}` is `std::fs` and `std::path::Path`.
fn imports(text: &str) -> String {
    let mut paths = String::new();
    for (at, _) in text.match_indices("use ") {
        let Some((tree, _)) = text[at + 4..].split_once(';') else { continue };
        // What stands before each open brace.
        let (mut prefixes, mut path) = (vec![String::new()], String::new());
        for character in tree.chars().filter(|character| !character.is_whitespace()).chain([',']) {
            match character {
                '{' => prefixes.push(std::mem::take(&mut path)),
                ',' | '}' => {
                    if !path.is_empty() {
                        paths.push_str(&prefixes.concat());
                        paths.push_str(&std::mem::take(&mut path));
                        paths.push('\n');
                    }
                    if character == '}' && prefixes.len() > 1 {
                        prefixes.pop();
                    }
                }
                other => path.push(other),
            }
        }
    }
    paths
}

/// The first of these names that a text mentions, spelt out or imported.
fn forbidden_name<'a>(text: &str, names: &[&'a str]) -> Option<&'a str> {
    let imports = imports(text);
    names.iter().copied().find(|name| text.contains(name) || imports.lines().any(|path| path.starts_with(name)))
}

#[test]
fn imports_are_spelt_out() {
    let check = |text: &str, expected: Option<&str>| {
        assert_eq!(forbidden_name(text, &["std::fs", "tokio::net"]), expected, "{text}: {}", imports(text));
    };
    check("use std::fs;", Some("std::fs"));
    check("std::fs::read(path)", Some("std::fs"));
    check("use std::{fs, path::Path};", Some("std::fs"));
    check("use std::{\n    collections::{BTreeMap, BTreeSet},\n    fs::File,\n};", Some("std::fs"));
    check("use tokio::{sync::{Mutex, Notify}, net::{TcpListener, TcpStream}};", Some("tokio::net"));
    check("use std::{path::Path, sync::Arc};\nuse tokio::{sync::Notify, time};", None);
}

#[test]
fn the_core_does_no_input_or_output() {
    for (path, text) in sources(&[".rs"]).iter().filter(|(path, _)| is_below(path, "host/core")) {
        let forbidden = forbidden_name(text, &INPUT_AND_OUTPUT);
        assert_eq!(forbidden, None, "{}", path.display());
        for (name, files) in FROM_THE_HOST {
            let is_allowed = files.iter().any(|file| path == Path::new(file));
            assert!(is_allowed || !text.contains(name), "{} uses {name}; there is a port for it", path.display());
        }
    }
}

/// Hooks know the data of events, not the service that asks them; quotas know storage by its port.
#[test]
fn files_know_hooks_and_not_the_other_way() {
    let core = sources(&[".rs"]);
    for (path, text) in core.iter().filter(|(path, _)| is_below(path, "host/core/src")) {
        let is_test = path.to_string_lossy().contains("tests");
        for (directory, forbidden) in [
            ("host/core/src/hook", "crate::files"),
            ("host/core/src/quota", "crate::files"),
            ("host/core/src/ports", "crate::files"),
            // Nothing that a hook gets can change a file.
            ("host/core/src/hook", "crate::ports::storage"),
            ("host/core/src/hook", "dyn Storage"),
        ] {
            let holds = is_test || !is_below(path, directory) || forbidden_name(text, &[forbidden]).is_none();
            assert!(holds, "{} names {forbidden}", path.display());
        }
    }
}

/// No file without a login: what gives files without one is for tests.
#[test]
fn only_tests_open_files_without_a_login() {
    for (path, text) in sources(&[".rs"]).iter().filter(|(path, _)| is_below(path, "host")) {
        let name = path.to_string_lossy();
        let is_test = name.contains("tests") || name.contains("conformance");
        assert!(is_test || !text.contains("FileService::for_tests"), "{name} opens files without a login");
    }
}

#[test]
fn sql_is_in_its_place() {
    for (path, text) in sources(&[".rs"]).iter().filter(|(path, _)| is_below(path, "host")) {
        let allowed = is_below(path, "host/accounts") || is_below(path, "host/migrate");
        assert!(
            allowed || !["SELECT ", "INSERT INTO", "UPDATE users"].iter().any(|sql| text.contains(sql)),
            "{}",
            path.display()
        );
    }
}

#[test]
fn generated_types_stay_in_their_track() {
    for (path, text) in sources(&[".rs"]).iter().filter(|(path, _)| is_below(path, "host")) {
        let text = text.replace("http_bindings::", "");
        assert!(is_below(path, "host/hooks-wasm/src/v0_1") || !text.contains("bindings::"), "{}", path.display());
    }
}

#[test]
fn sources_are_tidy() {
    for (path, text) in sources(&[".rs"]).iter().filter(|(path, _)| is_below(path, "host") || is_below(path, "tests")) {
        let shown = path.display();
        let lines = text.lines().count();
        assert!(lines <= 500, "{shown} has {lines} lines; split it");
        assert!(text.starts_with("//!"), "{shown} does not say what it is for");
        assert!(
            !text.contains("thread::sleep")
                || shown.to_string().ends_with("engine.rs")
                || shown.to_string().ends_with("waiting.rs")
                || shown.to_string().contains("architecture"),
            "{shown} sleeps"
        );
        for word in ["utils", "helpers", "manager", "common"] {
            let name = path.file_stem().unwrap().to_string_lossy();
            assert!(!name.contains(word), "{shown}: a name that says nothing");
        }
    }
}

#[test]
fn the_contract_is_valid() {
    let wasm_tools = tools::cache().join("venv/bin/wasm-tools");
    let printed = tools::run_ok(Command::new(wasm_tools).args(["component", "wit"]).arg(tools::root().join("wit")));
    assert!(printed.contains("package tidegate:hooks@0.1.2"), "{printed}");
}

/// Whether `wasm-tools` finds that the world of `new` takes what was made for that of `old`.
fn is_compatible(old: (&Path, &str), new: (&Path, &str), world: &str) -> bool {
    let check = tempfile::tempdir().unwrap();
    for (name, (directory, _)) in [("old", old), ("new", new)] {
        let copy = check.path().join("deps").join(name);
        std::fs::create_dir_all(&copy).unwrap();
        for entry in std::fs::read_dir(directory).unwrap().flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "wit") {
                std::fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
            }
        }
    }
    let world_of = |version: &str| format!("tidegate:hooks/{world}@{version}");
    let imports = [old.1, new.1].map(|version| format!("import tidegate:hooks/types@{version};")).join(" ");
    std::fs::write(check.path().join("root.wit"), format!("package check:check;\nworld all {{ {imports} }}\n"))
        .unwrap();
    let mut wasm_tools = Command::new(tools::cache().join("venv/bin/wasm-tools"));
    wasm_tools.args(["component", "semver-check"]).arg(check.path());
    let output = wasm_tools.args(["--prev", &world_of(old.1), "--new", &world_of(new.1)]).output().unwrap();
    output.status.success()
}

#[test]
fn released_contracts_go_on_being_kept() {
    let (wit, released) = (tools::root().join("wit"), tools::root().join("wit/released"));
    let (first, second) = (released.join("0.1.0"), released.join("0.1.1"));
    assert!(is_compatible((&first, "0.1.0"), (&second, "0.1.1"), "external-auth-hook"));
    assert!(is_compatible((&first, "0.1.0"), (&wit, "0.1.2"), "external-auth-hook"));
    // Components export the worlds of single hooks; "every-hook" has what is new, and is for documentation.
    let worlds = std::fs::read_to_string(second.join("worlds.wit")).unwrap();
    let worlds = worlds.lines().filter_map(|line| line.strip_prefix("world ")?.split_whitespace().next());
    let worlds: Vec<_> = worlds.filter(|world| *world != "every-hook").collect();
    assert!(worlds.len() > 10, "{worlds:?}");
    for world in worlds {
        assert!(is_compatible((&second, "0.1.1"), (&wit, "0.1.2"), world), "{world}");
    }
    // The check itself finds a break.
    let broken = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(&wit).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        std::fs::write(broken.path().join(entry.file_name()), text.replace("remote-ip: func()", "remote-host: func()"))
            .unwrap();
    }
    assert!(!is_compatible((&first, "0.1.0"), (broken.path(), "0.1.2"), "external-auth-hook"));
}

#[test]
fn migrations_are_named_by_date() {
    // Examples are of databases that are not ours.
    for (path, _) in sources(&[".sql"]).iter().filter(|(path, _)| !is_below(path, "examples")) {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        assert!(stem.len() == 8 && stem.chars().all(|digit| digit.is_ascii_digit()), "{}", path.display());
    }
}
