//! What can be put into the plugin directory, taken out of it, and done to it: the server goes on,
//! says so, and no gate opens.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use tidegate_tests::clients::{Proof, can_log_in};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::tools;

use crate::external_auth::json_users;

const PASSWORD: Proof<'static> = Proof::Password("pw");
const SESAME: Proof<'static> = Proof::Password("sesame");
const EVERY_GATE: &str = "connect, login-pre, external-auth, pre-login, check-password, keyboard-interactive, \
    session-create, pre-action, password-reset-pre";

fn with_bob() -> Site {
    let site = Site::new();
    site.user("bob");
    std::fs::create_dir_all(site.path("plugins")).unwrap();
    site
}

/// With a plugin that decides logins, and an account that it leaves to the server.
fn with_json_users() -> Site {
    let site = with_bob();
    site.plugin("json-users", &tools::guest("json-users"), &json_users(&site.path("homes")));
    site
}

fn make_fifo(path: &Path) {
    tools::run_ok(Command::new("mkfifo").arg(path));
}

type Make = fn(&Path);

/// What no plugin is, each with what is said about it.
const IRREGULAR: [(&str, Make, &str); 10] = [
    ("fifo", make_fifo, "it is a FIFO"),
    (
        "fifo-behind-a-link",
        |path| {
            make_fifo(&path.with_extension("pipe"));
            symlink(path.with_extension("pipe"), path).unwrap();
        },
        "it is a FIFO",
    ),
    ("zero", |path| symlink("/dev/zero", path).unwrap(), "it is a device"),
    ("directory", |path| std::fs::create_dir(path).unwrap(), "it is a directory"),
    ("socket", |path| drop(std::os::unix::net::UnixListener::bind(path).unwrap()), "it is a socket"),
    ("nowhere", |path| symlink("/nonexistent", path).unwrap(), "leads nowhere"),
    ("sparse", |path| std::fs::File::create(path).unwrap().set_len(100 << 30).unwrap(), "larger than 256 MiB"),
    ("zeros", |path| std::fs::write(path, vec![0; 8 << 20]).unwrap(), "not WebAssembly"),
    ("empty", |path| std::fs::write(path, b"").unwrap(), "not WebAssembly"),
    ("page", |path| std::fs::write(path, "<html>404 Not Found</html>").unwrap(), "not WebAssembly"),
];

/// Waits for what the server says about one plugin.
fn said_about(server: &Server, plugin: &str, text: &str) -> String {
    let line = server.wait_for(|line| {
        line["plugin"] == plugin && line["message"].as_str().is_some_and(|message| message.contains(text))
    });
    line["message"].as_str().unwrap().to_owned()
}

/// What was said about it before the server listened.
fn said_at_start(server: &Server, plugin: &str, text: &str) -> String {
    let log = server.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut messages = lines.filter(|line| line["plugin"] == plugin).map(|line| line["message"].to_string());
    let found = messages.find(|message| message.contains(text));
    found.unwrap_or_else(|| panic!("nothing was said about {plugin}: {log}"))
}

#[test]
fn what_is_no_plugin_closes_gates_only_while_it_is_there() {
    // G-01
    let site = with_bob();
    let mut server = site.start();
    for (name, make, expected) in IRREGULAR {
        let path = site.path(&format!("plugins/{name}.wasm"));
        make(&path);
        let said = said_about(&server, name, "was not loaded");
        assert!(said.contains(expected) && said.contains(EVERY_GATE), "{name}: {said}");
        assert!(!can_log_in(&server, "bob", PASSWORD), "{name}");
        let removed = if path.is_dir() { std::fs::remove_dir(&path) } else { std::fs::remove_file(&path) };
        removed.unwrap();
        said_about(&server, name, "was removed");
        assert!(can_log_in(&server, "bob", PASSWORD), "after {name}: {}", server.log());
    }
    assert!(server.is_running());
    assert!(server.memory() < 512 << 10, "{} KiB", server.memory());
    assert!(server.terminate().success());
}

#[test]
fn a_server_starts_with_them_and_says_so() {
    let site = with_bob();
    for (name, make, _) in IRREGULAR {
        make(&site.path(&format!("plugins/{name}.wasm")));
    }
    let server = site.start();
    assert!(!can_log_in(&server, "bob", PASSWORD));
    let (log, listed) = (server.log(), tools::run_ok(&mut site.tidegate(&["plugin", "list"])));
    let checked = tools::run(&mut site.tidegate(&["config", "check"]));
    let checked = String::from_utf8_lossy(&checked.stderr).into_owned();
    for (name, _, expected) in IRREGULAR {
        for (place, text) in [("the log", &log), ("plugin list", &listed), ("config check", &checked)] {
            let about = text.lines().find(|line| line.contains(name) && line.contains(expected));
            let about = about.unwrap_or_else(|| panic!("{name} is not in {place}: {text}"));
            assert!(about.contains(EVERY_GATE), "{place}: {about}");
        }
    }
    assert!(server.terminate().success());
}

#[test]
fn settings_and_signatures_that_are_no_files_hold_nothing_up() {
    let site = with_json_users();
    std::fs::remove_file(site.path("plugins/json-users.toml")).unwrap();
    make_fifo(&site.path("plugins/json-users.toml"));
    let server = site.start();
    let said = said_at_start(&server, "json-users", "was not loaded");
    // Its exports can be read, so only its own gate is closed.
    assert!(said.contains("it is a FIFO") && said.ends_with("this is refused: external-auth\""), "{said}");
    assert!(!can_log_in(&server, "bob", PASSWORD));
    std::fs::remove_file(site.path("plugins/json-users.toml")).unwrap();
    site.write("plugins/json-users.toml", json_users(&site.path("homes")));
    said_about(&server, "json-users", "is in service");
    assert!(can_log_in(&server, "alice", SESAME));
}

#[test]
fn a_plugin_that_is_cut_short_closes_its_gates_at_a_restart() {
    // G-01
    let site = with_json_users();
    let component = std::fs::read(tools::guest("json-users")).unwrap();
    for length in [13, component.len() / 2, component.len() - 1] {
        site.write("plugins/json-users.wasm", &component[..length]);
        let server = site.start();
        assert!(!can_log_in(&server, "bob", PASSWORD), "{length}");
        let said = said_at_start(&server, "json-users", "was not loaded");
        assert!(said.contains(EVERY_GATE), "{length}: {said}");
    }
}

#[test]
fn a_gate_that_was_served_stays_closed_until_it_is_forgotten() {
    // G-01
    let site = with_json_users();
    let gone = |server: &Server| {
        assert!(!can_log_in(server, "bob", PASSWORD), "{}", server.log());
        let listed = tools::run_ok(&mut site.tidegate(&["plugin", "list"]));
        assert!(listed.contains("tidegate plugin forget json-users") && listed.contains("external-auth"), "{listed}");
        let listed = tools::run_ok(&mut site.tidegate(&["hook", "list"]));
        let link = listed.lines().find(|line| line.contains("json-users")).unwrap();
        assert!(link.contains("the plugin is not loaded"), "{listed}");
        let checked = tools::run(&mut site.tidegate(&["config", "check"]));
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(said.contains("json-users") && said.contains("plugin forget"), "{said}");
    };
    let server = site.start();
    assert!(can_log_in(&server, "bob", PASSWORD));
    std::fs::remove_file(site.path("plugins/json-users.wasm")).unwrap();
    assert!(said_about(&server, "json-users", "was removed").contains("(external-auth)"));
    gone(&server);
    // A restart of either kind forgets nothing.
    server.kill();
    let server = site.start();
    said_at_start(&server, "json-users", "plugin forget json-users");
    gone(&server);
    // The file is back.
    site.plugin("json-users", &tools::guest("json-users"), &json_users(&site.path("homes")));
    said_about(&server, "json-users", "is in service");
    assert!(can_log_in(&server, "bob", PASSWORD));
    let refused = tools::run(&mut site.tidegate(&["plugin", "forget", "json-users"]));
    assert_eq!(refused.status.code(), Some(1), "what it serves is not forgotten");
    std::fs::remove_file(site.path("plugins/json-users.wasm")).unwrap();
    said_about(&server, "json-users", "was removed");
    // The running server lets go of it at once, and the next one knows.
    tools::run_ok(&mut site.tidegate(&["plugin", "forget", "json-users"]));
    assert!(can_log_in(&server, "bob", PASSWORD));
    server.kill();
    assert!(can_log_in(&site.start(), "bob", PASSWORD));
}

#[test]
fn a_gate_is_forgotten_without_a_server_too() {
    // G-01
    let site = with_json_users();
    assert!(can_log_in(&site.start(), "bob", PASSWORD));
    std::fs::remove_file(site.path("plugins/json-users.wasm")).unwrap();
    let forget = || tools::run(&mut site.tidegate(&["plugin", "forget", "json-users"]));
    assert!(forget().status.success());
    let again = forget();
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("plugin list"), "{again:?}");
    assert!(can_log_in(&site.start(), "bob", PASSWORD));
    // A record that cannot be read stops the start, rather than being taken for an empty one.
    site.write("plugin-gates.json", "{");
    let checked = tools::run(&mut site.tidegate(&["config", "check"]));
    assert_eq!(checked.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&checked.stderr).contains("plugin-gates.json"), "{checked:?}");
}

/// Takes seconds to compile, exports an empty instance of that name, and is no plugin.
fn slow_component(site: &Site, export: &str) -> Vec<u8> {
    let mut wat = String::from("(component (core module\n");
    for function in 0..1500 {
        wat.push_str(&format!("(func (export \"f{function}\") (param i32) (result i32) local.get 0\n"));
        for step in 0..300 {
            wat.push_str(&format!("i32.const {} i32.mul local.get 0 i32.xor\n", function * 1000 + step));
        }
        wat.push_str(")\n");
    }
    wat.push_str(&format!(") (instance $i) (export \"{export}\" (instance $i)))"));
    let (source, target) = (site.write("slow.wat", wat), site.path("slow.wasm"));
    let wasm_tools = tools::cache().join("venv/bin/wasm-tools");
    tools::run_ok(Command::new(wasm_tools).arg("parse").arg(source).arg("-o").arg(&target));
    std::fs::read(target).unwrap()
}

#[test]
fn the_gates_of_a_new_file_refuse_while_it_is_compiled() {
    // G-01
    let site = with_bob();
    let slow = site.write("new.part", slow_component(&site, "tidegate:hooks/external-auth@0.1.0"));
    let server = site.start();
    assert!(can_log_in(&server, "bob", PASSWORD));
    let path = site.path("plugins/slow.wasm");
    std::fs::rename(slow, &path).unwrap();
    let said = said_about(&server, "slow", "is being compiled");
    assert!(said.ends_with(" KiB)"), "{said}");
    assert!(!can_log_in(&server, "bob", PASSWORD));
    let listed = tools::run_ok(&mut site.tidegate(&["plugin", "list"]));
    assert!(listed.contains("refused meanwhile: external-auth"), "{listed}");
    said_about(&server, "slow", "compiling the plugin \"slow\" took ");
    let said = said_about(&server, "slow", "was not loaded");
    assert!(said.ends_with("this is refused: external-auth"), "{said}");
    std::fs::remove_file(path).unwrap();
    said_about(&server, "slow", "was removed");
    assert!(can_log_in(&server, "bob", PASSWORD));
}

/// Whether `first` was logged before `second`, which has to be there.
fn came_before(server: &Server, first: &str, second: &str) -> bool {
    let log = server.log();
    let place = |text: &str| log.find(text);
    place(first).is_some_and(|first| place(second).is_none_or(|second| first < second))
}

#[test]
fn removing_a_plugin_waits_for_no_compilation() {
    // G-07
    let site = with_json_users();
    let server = site.start();
    site.write("plugins/another.wasm", slow_component(&site, "wasi:cli/run@0.2.0"));
    std::fs::remove_file(site.path("plugins/json-users.wasm")).unwrap();
    said_about(&server, "json-users", "was removed");
    assert!(!can_log_in(&server, "alice", SESAME));
    assert!(came_before(&server, "\\\"json-users\\\" was removed", "another.wasm was not loaded"), "{}", server.log());
    said_about(&server, "another", "was not loaded");
}

#[test]
fn taking_back_a_grant_waits_for_no_compilation() {
    // G-07
    let site = with_json_users();
    let with_grant = format!("grants = [\"credentials\"]\n{}", json_users(&site.path("homes")));
    site.write("plugins/json-users.toml", &with_grant);
    let server = site.start();
    let listed = || tools::run_ok(&mut site.tidegate(&["hook", "list"]));
    assert!(listed().contains("granted credentials"), "{}", listed());
    site.write("plugins/another.wasm", slow_component(&site, "wasi:cli/run@0.2.0"));
    site.write("plugins/json-users.toml", json_users(&site.path("homes")));
    said_about(&server, "json-users", "is taken back");
    said_about(&server, "json-users", "is in service");
    assert!(!listed().contains("granted credentials"), "{}", listed());
    assert!(came_before(&server, "is taken back", "another.wasm was not loaded"), "{}", server.log());
    assert!(can_log_in(&server, "alice", SESAME));
}

#[test]
fn writes_without_end_hold_up_no_removal() {
    let site = with_json_users();
    let server = site.start();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                site.write("plugins/notes.txt", "again");
            }
        });
        std::fs::remove_file(site.path("plugins/json-users.wasm")).unwrap();
        said_about(&server, "json-users", "was removed");
        let is_closed = !can_log_in(&server, "alice", SESAME);
        done.store(true, Ordering::Relaxed);
        assert!(is_closed);
    });
}

#[test]
fn limits_without_measure_are_refused_and_the_directory_is_followed_on() {
    let site = with_json_users();
    let server = site.start();
    let settings = json_users(&site.path("homes"));
    for (limit, value) in [("concurrency", "18446744073709551615"), ("ready", "65"), ("log_lines", "100001")] {
        site.write("plugins/json-users.toml", format!("{settings}\n[limits]\n{limit} = {value}\n"));
        let said = said_about(&server, "json-users", "was not loaded");
        assert!(said.contains(limit) && said.contains("the version before it stays in service"), "{said}");
    }
    site.write("plugins/json-users.toml", &settings);
    std::fs::remove_file(site.path("plugins/json-users.wasm")).unwrap();
    said_about(&server, "json-users", "was removed");
    site.plugin("json-users", &tools::guest("json-users"), &format!("{settings}\n[limits]\nconcurrency = 257\n"));
    said_about(&server, "json-users", "must be between 1 and 256");
    // At start as well: refused, but not the end of the server.
    server.kill();
    let server = site.start();
    said_at_start(&server, "json-users", "must be between 1 and 256");
    assert!(!can_log_in(&server, "alice", SESAME));
}

#[test]
fn a_directory_that_is_replaced_is_followed() {
    let site = with_json_users();
    let server = site.start();
    assert!(can_log_in(&server, "alice", SESAME));
    std::fs::rename(site.path("plugins"), site.path("plugins.old")).unwrap();
    said_about(&server, "json-users", "was removed");
    server.wait_for_text("it begins again");
    assert!(!can_log_in(&server, "alice", SESAME));
    std::fs::create_dir(site.path("plugins")).unwrap();
    server.wait_for_text("is watched again");
    site.plugin("json-users", &tools::guest("json-users"), &json_users(&site.path("homes")));
    said_about(&server, "json-users", "is in service");
    assert!(can_log_in(&server, "alice", SESAME));
}
