//! Tests await events, look with pauses for what no event tells, and stop the clock in units.

use std::path::Path;

use super::sources;

/// Pauses, and what looks again without one.
const PAUSES: [&str; 5] = ["thread::sleep", "park_timeout", "time::sleep", "yield_now", "spin_loop"];

/// Which may do so all the same.
const EXCEPTIONS: [(&str, &str); 5] = [
    ("tests/architecture/", "names them"),
    ("tests/bench/", "measures, and sends what it sends at its time"),
    ("tests/fuzz/targets/src/session.rs", "runs with its clock stopped"),
    ("tests/src/waiting.rs", "is where the others wait"),
    ("host/hooks-wasm/src/computing.rs", "counts on a clock that cannot be stopped"),
];

/// The part of a file that is compiled for tests only.
fn test_part<'a>(path: &Path, text: &'a str) -> &'a str {
    let name = path.to_string_lossy();
    match name.starts_with("tests/") || name.contains("tests") || name.contains("conformance") {
        true => text,
        false => text.split_once("\nmod tests {").map_or("", |(_, tests)| tests),
    }
}

/// The word of [`PAUSES`] that stands in a test for which time does not stand still.
fn pause(path: &Path, text: &str) -> Option<&'static str> {
    let tests = test_part(path, text);
    let is_stopped = |word: &&str| *word == "time::sleep" && tests.contains("start_paused = true");
    PAUSES.into_iter().find(|word| tests.contains(word) && !is_stopped(word))
}

#[test]
fn tests_wait_for_events() {
    for (path, text) in
        sources(&[".rs"]).iter().filter(|(path, _)| path.starts_with("tests") || path.starts_with("host"))
    {
        let is_exception = EXCEPTIONS.iter().any(|(place, _)| path.to_string_lossy().starts_with(place));
        if let Some(word) = pause(path, text).filter(|_| !is_exception) {
            panic!("{} has {word}: await an event, or look for it with tidegate_tests::waiting", path.display());
        }
    }
}

#[test]
fn pauses_are_found() {
    let check = |path: &str, text: &str, expected: Option<&str>| {
        assert_eq!(pause(Path::new(path), text), expected, "{path}: {text}");
    };
    let in_module = |line: &str| format!("fn work() {{}}\n\n#[cfg(test)]\nmod tests {{\n    {line}\n}}\n");
    check("tests/e2e/a.rs", "std::thread::sleep(PAUSE);", Some("thread::sleep"));
    check("tests/e2e/a.rs", "std::thread::yield_now();", Some("yield_now"));
    check("host/core/src/a.rs", "tokio::time::sleep(PAUSE).await;", None);
    check("host/core/src/a.rs", &in_module("tokio::time::sleep(PAUSE).await;"), Some("time::sleep"));
    check("host/core/src/a_tests.rs", "tokio::task::yield_now().await;", Some("yield_now"));
    let stopped = "#[tokio::test(start_paused = true)] async fn a() { tokio::time::sleep(PAUSE).await; }";
    check("host/core/src/a.rs", &in_module(stopped), None);
}
