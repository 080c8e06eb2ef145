//! From an empty directory to a login, in each language: the way that README promises.

use std::path::{Path, PathBuf};
use std::process::Command;

use tidegate_tests::clients::{Proof, can_log_in};
use tidegate_tests::server::Site;
use tidegate_tests::tools;

/// All hook points, as one argument.
const EVERY_HOOK: &str = "startup,connect,login-pre,external-auth,pre-login,check-password,keyboard-interactive,\
    session-create,post-login,pre-action,post-action,session-destroy,disconnect,object-changes,credential-changed,\
    password-reset-pre,one-click-login-post,address-banned";

fn tidegate(directory: &Path, arguments: &[&str]) -> String {
    tools::run_ok(Command::new(tools::tidegate()).args(arguments).current_dir(directory))
}

/// Runs a program of the project, which may use what is kept between runs.
fn run(project: &Path, program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(project);
    command.env("TIDEGATE", tools::tidegate()).env("CARGO_TARGET_DIR", tools::root().join("plugins/target"));
    // Zig and Go share what they compiled between projects.
    command.env("HOME", std::env::var("HOME").unwrap_or("/tmp".to_owned()));
    // The machine's own Python may be too old, and its settings for Go are not the project's.
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", tools::python().parent().unwrap().display()));
    for setting in ["GOROOT", "GOFLAGS", "GOWORK", "GO111MODULE", "WASM_CC"] {
        command.env_remove(setting);
    }
    tools::run_ok(&mut command)
}

fn project(directory: &Path, name: &str, language: &str, hooks: &str) -> PathBuf {
    tidegate(directory, &["plugin", "new", name, "--lang", language, "--hook", hooks]);
    let project = directory.join(name);
    run(&project, "./build.sh", &[]);
    project
}

/// `test`: the command that runs the project's own tests.
fn from_nothing_to_a_login(language: &str, test: &[&str]) {
    let site = Site::new();
    let projects = site.path("projects");
    std::fs::create_dir(&projects).unwrap();
    let project = project(&projects, "guests", language, "external-auth,post-login");
    run(&project, test[0], &test[1..]);
    let tested = tidegate(&project, &["hook", "test", "--file", "events.toml"]);
    assert_eq!(tested.matches("ok  ").count(), 2, "{tested}");
    let checked = tidegate(&project, &["plugin", "check", "guests.wasm"]);
    assert!(checked.contains("external-auth") && checked.contains("called"), "{checked}");
    let guests = site.path("homes/guests");
    std::fs::create_dir_all(&guests).unwrap();
    let settings = std::fs::read_to_string(project.join("guests.toml")).unwrap();
    // The tests keep homes in the server's own directory, where plugins place none by themselves.
    let settings = settings.replace("/srv/guests", guests.to_str().unwrap());
    let settings = format!("homes = [{:?}]\n{settings}", site.path("homes"));
    site.plugin("guests", &project.join("guests.wasm"), &settings);
    let server = site.start();
    assert!(can_log_in(&server, "guest-1", Proof::Password("changeme")), "{}", server.log());
    assert!(!can_log_in(&server, "guest-1", Proof::Password("wrong")));
    assert!(!can_log_in(&server, "alice", Proof::Password("changeme")));
    drop(server);
    // The first thing that an author changes is a verdict; the project's own tests survive that.
    let (file, before, after) = first_change(language);
    let example = project.join(file);
    let text = std::fs::read_to_string(&example).unwrap();
    assert!(text.contains(before), "{file}: {text}");
    std::fs::write(&example, text.replacen(before, after, 1)).unwrap();
    run(&project, test[0], &test[1..]);
    run(&project, "./build.sh", &[]);
    let tested = tidegate(&project, &["hook", "test", "--file", "events.toml"]);
    assert!(tested.contains("external-auth about a made-up user: reject"), "{tested}");
}

/// From "not mine" to a rejection, in the example of external-auth.
fn first_change(language: &str) -> (&'static str, &'static str, &'static str) {
    match language {
        "rust" => ("src/external_auth.rs", "Ok(AuthVerdict::Defer)", "Ok(AuthVerdict::reject(\"not a guest\"))"),
        "js" => ("hooks/external_auth.js", "return defer();", "return reject(\"not a guest\");"),
        "python" => ("external_auth.py", "return Defer()", "return Reject(\"not a guest\")"),
        "c" => (
            "src/external_auth.c",
            "return external_auth_defer();",
            "return external_auth_reject(text(\"not a guest\"));",
        ),
        "go" => ("external_auth.go", "externalauth.Defer(), nil", "externalauth.Reject(\"not a guest\"), nil"),
        other => panic!("{other}"),
    }
}

/// The example of each hook point answers what it says, in one component.
fn every_example_works(language: &str) {
    let directory = tempfile::tempdir().unwrap();
    let project = project(directory.path(), "everything", language, EVERY_HOOK);
    let tested = tidegate(&project, &["hook", "test", "--file", "events.toml"]);
    assert_eq!(tested.matches("ok  ").count(), 18, "{tested}");
}

#[test]
fn rust_from_nothing_to_a_login() {
    from_nothing_to_a_login("rust", &["cargo", "test", "--quiet"]);
}

#[test]
fn javascript_from_nothing_to_a_login() {
    from_nothing_to_a_login("js", &["npm", "test"]);
}

#[test]
fn python_from_nothing_to_a_login() {
    from_nothing_to_a_login("python", &[".venv/bin/python", "-m", "unittest"]);
}

#[test]
fn c_from_nothing_to_a_login() {
    from_nothing_to_a_login("c", &["./test.sh"]);
}

#[test]
fn go_from_nothing_to_a_login() {
    from_nothing_to_a_login("go", &["sh", "-c", "PATH=$PWD/.venv/bin:$PATH GOTOOLCHAIN=local go test ./..."]);
}

#[test]
fn every_example_in_rust_works() {
    every_example_works("rust");
}

#[test]
fn every_example_in_javascript_works() {
    every_example_works("js");
}

#[test]
fn every_example_in_python_works() {
    every_example_works("python");
}

#[test]
fn every_example_in_c_works() {
    every_example_works("c");
}

#[test]
fn every_example_in_go_works() {
    every_example_works("go");
}

#[test]
fn what_cannot_be_made_says_why() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("taken")).unwrap();
    for (name, hook, expected) in [
        ("taken", "external-auth", "is there already"),
        ("Not A Name", "external-auth", "is not a name for a plugin"),
        ("../escape", "external-auth", "is not a name for a plugin"),
        ("fine", "external-authentication", "is not a hook point"),
    ] {
        let arguments = ["plugin", "new", name, "--lang", "rust", "--hook", hook];
        let output = tools::run(Command::new(tools::tidegate()).args(arguments).current_dir(directory.path()));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && said.contains(expected), "{name}: {said}");
    }
    assert!(!directory.path().join("fine").exists());
}
