//! The dependencies: what `deny.toml` says of them, and whether they are used.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tidegate_tests::tools;

use super::sources;

fn cargo(arguments: &[&str]) -> String {
    tools::run_ok(Command::new(env!("CARGO")).args(arguments).current_dir(tools::root()))
}

/// All packages that a build for this machine takes in.
fn metadata() -> Value {
    let version = tools::run_ok(Command::new("rustc").arg("-vV").current_dir(tools::root()));
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let arguments = ["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform", host];
    serde_json::from_str(&cargo(&arguments)).unwrap()
}

/// Those that are compiled: the others hang on features that are not chosen.
fn built() -> BTreeSet<String> {
    let tree = cargo(&["tree", "--workspace", "--offline", "--locked", "--prefix", "none", "--format", "{p}"]);
    tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

fn policy() -> toml::Table {
    std::fs::read_to_string(tools::root().join("deny.toml")).unwrap().parse().unwrap()
}

fn texts(value: &toml::Value) -> BTreeSet<&str> {
    value.as_array().unwrap().iter().filter_map(toml::Value::as_str).collect()
}

/// Whether an SPDX expression can be met with these licences. `/` is an older way to write OR.
fn is_allowed(expression: &str, allowed: &BTreeSet<&str>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    let met = any_of(&mut words, allowed);
    assert!(words.next().is_none(), "\"{expression}\" is no SPDX expression");
    met
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> bool {
    let mut met = all_of(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        met |= all_of(words, allowed);
    }
    met
}

fn all_of(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> bool {
    let mut met = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        met &= one(words, allowed);
    }
    met
}

fn one(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> bool {
    let word = words.next().expect("a licence");
    if word == "(" {
        let met = any_of(words, allowed);
        assert_eq!(words.next(), Some(")"));
        return met;
    }
    match words.next_if_eq(&"WITH") {
        Some(_) => allowed.contains(format!("{word} WITH {}", words.next().expect("an exception")).as_str()),
        None => allowed.contains(word),
    }
}

#[test]
fn licences_are_understood() {
    let allowed = BTreeSet::from(["MIT", "Apache-2.0 WITH LLVM-exception", "ISC"]);
    let check = |expression: &str, expected: bool| {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    };
    check("MIT", true);
    check("MIT/Apache-2.0", true);
    check("Apache-2.0 / GPL-3.0-only", false);
    check("GPL-3.0-only OR MIT", true);
    check("MIT AND GPL-3.0-only", false);
    check("ISC AND (GPL-3.0-only OR MIT)", true);
    check("GPL-3.0-only AND ISC OR MIT", true);
    check("Apache-2.0 WITH LLVM-exception", true);
    check("Apache-2.0", false);
}

#[test]
fn dependencies_keep_to_the_policy() {
    let (metadata, policy) = (metadata(), policy());
    let allowed = texts(&policy["licenses"]["allow"]);
    let registries = texts(&policy["sources"]["allow-registry"]);
    let banned = policy["bans"]["deny"].as_array().unwrap();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let licence = package["license"].as_str().unwrap_or_else(|| panic!("{name} names no licence"));
        assert!(is_allowed(licence, &allowed), "{name}: deny.toml does not allow {licence}");
        // None of them: it lies in this tree.
        if let Some(source) = package["source"].as_str() {
            let registry = source.strip_prefix("registry+").unwrap_or_default();
            assert!(registries.contains(registry), "{name} comes from {source}, which deny.toml does not allow");
        }
    }
    for name in built() {
        let ban = banned.iter().find(|ban| ban["name"].as_str() == Some(&name));
        assert!(ban.is_none(), "{name} is banned: {}", ban.unwrap()["reason"]);
    }
}

/// Whether `name` stands in the text as a word.
pub(super) fn mentions(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let is_part = |character: char| character.is_alphanumeric() || character == '_';
        !text[..at].ends_with(is_part) && !text[at + name.len()..].starts_with(is_part)
    })
}

#[test]
fn every_dependency_is_used() {
    let metadata = metadata();
    let members: BTreeSet<&str> =
        metadata["workspace_members"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let packages: Vec<&Value> = metadata["packages"].as_array().unwrap().iter().collect();
    let directory =
        |package: &Value| Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned();
    let ours: Vec<_> = packages
        .iter()
        .filter(|package| members.contains(package["id"].as_str().unwrap()))
        .map(|it| directory(it))
        .collect();
    let all = sources(&[".rs"]);
    for node in metadata["resolve"]["nodes"].as_array().unwrap() {
        let Some(id) = node["id"].as_str().filter(|id| members.contains(id)) else { continue };
        let package = packages.iter().find(|package| package["id"].as_str() == Some(id)).unwrap();
        let own = directory(package);
        // Files of a package below this one are that package's.
        let is_own = |path: &Path| {
            let path = tools::root().join(path);
            ours.iter().filter(|other| path.starts_with(other)).max_by_key(|other| other.as_os_str().len())
                == Some(&own)
        };
        let texts: Vec<&String> = all.iter().filter(|(path, _)| is_own(path)).map(|(_, text)| text).collect();
        for dependency in node["deps"].as_array().unwrap() {
            let name = dependency["name"].as_str().unwrap();
            let is_used = texts.iter().any(|text| mentions(text, name));
            assert!(is_used, "{} does not use {name}; remove it from its Cargo.toml", package["name"]);
        }
    }
}

#[test]
fn no_clock_of_the_product_can_be_stopped() {
    // What `cargo build --release` builds, whose features are not those of the tests.
    let root: toml::Table = std::fs::read_to_string(tools::root().join("Cargo.toml")).unwrap().parse().unwrap();
    assert_eq!(texts(&root["workspace"]["default-members"]), BTreeSet::from(["host/server"]));
    let edges = ["--edges", "normal,build,features", "--prefix", "none"];
    let tree = cargo(&[&["tree", "--package", "tidegate", "--offline", "--locked"][..], &edges].concat());
    let has = |feature: &str| tree.contains(&format!("tokio feature \"{feature}\""));
    assert!(has("rt-multi-thread"), "{tree}");
    assert!(!has("test-util"), "a crate of the server takes tokio's \"test-util\" for more than its tests");
}

#[test]
fn the_workspace_names_no_dependency_in_vain() {
    let manifests = sources(&["Cargo.toml"]);
    let root: toml::Table = std::fs::read_to_string(tools::root().join("Cargo.toml")).unwrap().parse().unwrap();
    for name in root["workspace"]["dependencies"].as_table().unwrap().keys() {
        let is_taken = |text: &String| {
            text.lines().any(|line| {
                line.starts_with(&format!("{name}.workspace")) || line.starts_with(&format!("{name} = {{ workspace"))
            })
        };
        assert!(manifests.iter().any(|(_, text)| is_taken(text)), "no crate takes {name} from the workspace");
    }
}

#[test]
fn the_fuzz_targets_are_locked_to_what_the_server_has() {
    let lock = std::fs::read_to_string(tools::root().join("tests/fuzz/Cargo.lock")).unwrap();
    let lock: toml::Table = lock.parse().unwrap();
    let packages = lock["package"].as_array().unwrap();
    let metadata = metadata();
    let name_of = |id: &Value| {
        let package = metadata["packages"].as_array().unwrap().iter().find(|package| package["id"] == *id);
        package.unwrap()["name"].as_str().unwrap().to_owned()
    };
    let mut compared = 0;
    for node in metadata["resolve"]["nodes"].as_array().unwrap() {
        let name = name_of(&node["id"]);
        let locked = packages.iter().find(|locked| locked["name"].as_str() == Some(&*name));
        let Some(locked) = locked.filter(|_| name.starts_with("tidegate")) else { continue };
        compared += 1;
        // Two versions of one package stand there as `NAME VERSION`.
        let dependencies = locked.get("dependencies").map(texts).unwrap_or_default();
        let known: BTreeSet<&str> = dependencies.into_iter().filter_map(|text| text.split(' ').next()).collect();
        for dependency in node["deps"].as_array().unwrap() {
            let is_for_tests = |kind: &Value| kind["kind"] == "dev";
            if !dependency["dep_kinds"].as_array().unwrap().iter().all(is_for_tests) {
                let wanted = name_of(&dependency["pkg"]);
                let advice = "run: cargo metadata --manifest-path tests/fuzz/Cargo.toml";
                assert!(known.contains(&*wanted), "tests/fuzz/Cargo.lock: {name} lacks {wanted}; {advice}");
            }
        }
    }
    assert!(compared > 5, "{compared}");
}
