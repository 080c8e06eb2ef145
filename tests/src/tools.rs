//! Programs that the tests need. A missing one is a failure, never a skip.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The root of the tree.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// What `tests/install` put aside.
pub fn cache() -> PathBuf {
    root().join("tests/.cache")
}

pub fn python() -> PathBuf {
    let python = cache().join("venv/bin/python");
    assert!(python.exists(), "{} is missing; run tests/install", python.display());
    python
}

/// A component that `tests/guests/build` made.
pub fn guest(name: &str) -> PathBuf {
    let guest = cache().join("guests").join(format!("{name}.wasm"));
    assert!(guest.exists(), "{} is missing; run tests/guests/build", guest.display());
    guest
}

/// The binary beside the test: the same profile.
pub fn tidegate() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let binary = test.parent().unwrap().parent().unwrap().join("tidegate");
    assert!(binary.exists(), "{} is missing; build it first", binary.display());
    binary
}

pub fn run(command: &mut Command) -> Output {
    let program = command.get_program().to_owned();
    command.output().unwrap_or_else(|error| panic!("{program:?} cannot be run ({error}); run tests/install"))
}

/// Runs a command that must succeed; gives back what it printed.
pub fn run_ok(command: &mut Command) -> String {
    let output = run(command);
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} failed:\n{text}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
