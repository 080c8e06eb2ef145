//! The committed corpora of the fuzz targets, in the ordinary tests.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::path::Path;

use tidegate_fuzz_targets::TARGETS;

#[test]
fn corpora_are_replayed() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    for (name, target) in TARGETS {
        let mut count = 0;
        for entry in std::fs::read_dir(corpora.join(name)).unwrap() {
            let path = entry.unwrap().path();
            // A panic does not say which file it was.
            println!("{}", path.display());
            target(&std::fs::read(&path).unwrap());
            count += 1;
        }
        assert!(count > 0, "{name} has no seeds");
    }
}

#[test]
fn each_target_is_built_and_each_corpus_is_used() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut expected: Vec<String> = TARGETS.map(|(name, _)| name.to_owned()).to_vec();
    expected.sort();
    let names = |directory: &str| {
        let entries = std::fs::read_dir(fuzz.join(directory)).unwrap();
        let name = |entry: std::io::Result<std::fs::DirEntry>| {
            entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    };
    assert_eq!((names("fuzz_targets"), names("corpus")), (expected.clone(), expected));
}
