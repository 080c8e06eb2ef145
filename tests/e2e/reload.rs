//! A plugin replaced while logins are under way.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tidegate_tests::clients::{Proof, can_log_in};
use tidegate_tests::server::Site;
use tidegate_tests::tools;

use crate::external_auth::json_users;

const SESAME: Proof<'static> = Proof::Password("sesame");

/// Replaces a plugin's file in one step, as an installer does.
fn replace(site: &Site, content: &[u8]) {
    let beside = site.write("plugins/json-users.part", content);
    std::fs::rename(beside, site.path("plugins/json-users.wasm")).unwrap();
}

/// The component with a custom section behind it: another file, the same behaviour.
fn variant(component: &[u8], number: usize) -> Vec<u8> {
    let name = format!("variant{number:05}");
    let mut section = vec![0, (name.len() + 1) as u8, name.len() as u8];
    section.extend_from_slice(name.as_bytes());
    [component, &section].concat()
}

#[test]
fn replacing_a_plugin_under_load_fails_no_login() {
    // G-07
    const LOGINS: usize = 1000;
    let site = Site::new();
    let component = std::fs::read(tools::guest("json-users")).unwrap();
    site.plugin("json-users", &tools::guest("json-users"), &json_users(&site.path("homes")));
    let server = site.start();
    let script = tools::root().join("tests/e2e/clients/many_logins.py");
    let done = AtomicBool::new(false);
    let replaced = AtomicUsize::new(0);
    let text = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let number = replaced.fetch_add(1, Ordering::Relaxed);
                replace(&site, &variant(&component, number));
                server.wait_for_text("is in service");
            }
        });
        let mut python = std::process::Command::new(tools::python());
        let text = tools::run_ok(python.arg(script).arg(server.port.to_string()).arg(LOGINS.to_string()));
        done.store(true, Ordering::Relaxed);
        // The last replacement must not wait for a line in vain.
        replace(&site, &variant(&component, 99_999));
        text
    });
    assert!(text.contains(&format!("{LOGINS} logins, 0 failed")), "{text}");
    assert!(replaced.load(Ordering::Relaxed) > 2, "the plugin was hardly replaced");
}

#[test]
fn a_broken_replacement_leaves_the_old_one_in_service() {
    // G-07
    let site = Site::new();
    site.plugin("json-users", &tools::guest("json-users"), &json_users(&site.path("homes")));
    let server = site.start();
    assert!(can_log_in(&server, "alice", SESAME));
    replace(&site, b"\0asm\x01\0\0\0");
    let line = server.wait_for_text("was not loaded");
    assert_eq!(line["level"], "error");
    assert!(line["message"].as_str().unwrap().contains("the version before it stays in service"), "{line}");
    assert!(can_log_in(&server, "alice", SESAME));
    // Commands ask the server that runs, not the directory.
    let listed = |what: &str| {
        let text = tools::run_ok(&mut site.tidegate(&[what, "list"]));
        text.lines().find(|line| line.contains("json-users")).unwrap().to_owned()
    };
    assert!(listed("hook").contains("; ready)"), "{}", listed("hook"));
    assert!(listed("plugin").contains("core module") && !listed("plugin").contains(" - "), "{}", listed("plugin"));
    drop(server);
    assert!(listed("hook").contains("the plugin is not loaded"), "{}", listed("hook"));
    assert!(listed("plugin").contains(" - ") && listed("plugin").contains("refused meanwhile"), "{}", listed("plugin"));
}

#[test]
fn a_component_dropped_in_decides_from_then_on() {
    // G-01
    let site = Site::new();
    let server = site.start();
    assert!(!can_log_in(&server, "alice", SESAME));
    site.plugin("json-users", &tools::guest("json-users"), &json_users(&site.path("homes")));
    server.wait_for_text("is in service");
    assert!(can_log_in(&server, "alice", SESAME));
}

#[test]
fn removing_a_file_opens_no_door() {
    // G-01
    let site = Site::new();
    site.user("stored");
    site.plugin("json-users", &tools::guest("json-users"), &json_users(&site.path("homes")));
    let server = site.start();
    assert!(can_log_in(&server, "stored", Proof::Password("pw")));
    std::fs::remove_file(site.path("plugins/json-users.wasm")).unwrap();
    server.wait_for_text("was removed");
    assert!(!can_log_in(&server, "stored", Proof::Password("pw")));
    // A restart is no consent: only the operator lets the gate go.
    drop(server);
    assert!(!can_log_in(&site.start(), "stored", Proof::Password("pw")));
    tools::run_ok(&mut site.tidegate(&["plugin", "forget", "json-users"]));
    assert!(can_log_in(&site.start(), "stored", Proof::Password("pw")));
}
