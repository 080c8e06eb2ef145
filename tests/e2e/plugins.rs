//! Files in the plugin directory that are no good: a clear error, and nothing else harmed.

use tidegate_tests::clients::{Proof, can_log_in};
use tidegate_tests::server::Site;
use tidegate_tests::tools;

const PASSWORD: Proof<'static> = Proof::Password("pw");

#[test]
fn bad_files_are_explained_and_harm_nothing() {
    let site = Site::new();
    site.user("alice");
    for (name, content, expected) in [
        ("text", &b"hello, I am no component"[..], "not WebAssembly"),
        ("empty", b"", "not WebAssembly"),
        ("core", b"\0asm\x01\0\0\0", "wasm-tools component new"),
        ("future", b"\0asm\x63\0\x07\0", "does not know"),
        ("truncated", b"\0asm\x0d\0\x01\0\xff\xff\xff", "cannot be compiled"),
        ("nothing", b"\0asm\x0d\0\x01\0", "exports no hook"),
        ("bad name", b"\0asm\x0d\0\x01\0", "letters, digits"),
    ] {
        site.write(&format!("plugins/{name}.wasm"), content);
        let listed = tools::run_ok(&mut site.tidegate(&["plugin", "list"]));
        assert!(listed.contains(expected), "{name}: {listed}");
    }
    let server = site.start();
    assert!(can_log_in(&server, "alice", PASSWORD));
    assert!(server.log().contains("was not loaded"));
}

/// Text to binary, by the real assembler.
fn assemble(source: &std::path::Path, target: &std::path::Path) {
    std::fs::create_dir_all(target.parent().unwrap()).unwrap();
    let wasm_tools = tools::cache().join("venv/bin/wasm-tools");
    tools::run_ok(std::process::Command::new(wasm_tools).arg("parse").arg(source).arg("-o").arg(target));
}

#[test]
fn other_exports_are_named() {
    let site = Site::new();
    let wat = r#"(component (instance $i) (export "wasi:cli/run@0.2.0" (instance $i)))"#;
    let source = site.write("other.wat", wat);
    assemble(&source, &site.path("plugins/other.wasm"));
    let listed = tools::run_ok(&mut site.tidegate(&["plugin", "list"]));
    assert!(listed.contains("it exports wasi:cli/run@0.2.0"), "{listed}");
}

/// With the component that misbehaves in the way that the user name says.
fn hostile_site() -> Site {
    let site = Site::new();
    let settings = "[limits]\ncpu_ms = 1000\nmemory_mib = 16\nlog_lines = 10\n[config]\nlimit = { top = 3 }\n";
    site.plugin("hostile", &tools::guest("hostile"), settings);
    site
}

/// Each call is refused with `expected` in the log, and the next login works.
#[test]
fn a_hostile_component_harms_only_its_own_call() {
    let site = hostile_site();
    site.user("alice");
    let mut server = site.start();
    for (behaviour, expected) in [
        ("loop", "limits.cpu_ms"),
        ("memory", "limits.memory_mib"),
        ("trap", "unreachable"),
        ("recursion", "out of bounds"),
        ("giant", "hook \"hostile\" failed"),
        ("log-flood", "flooded"),
        ("kv-flood", "the store said Some(KvError::Full)"),
        ("failure", "I could not decide"),
        ("drafts", "failed"),
        ("password", "NotGranted(\"credentials\")"),
        ("invalid", "home_dir"),
        ("nobody-stored", "no account"),
        ("memory-of-others", "seen 1"),
        ("memory-of-others", "seen 1"),
        ("count", "count Ok(1) of Some(\"3\")"),
    ] {
        assert!(!can_log_in(&server, behaviour, PASSWORD), "{behaviour}");
        // OpenSSH's client may give up on a second method with an empty password.
        let line = server.wait_for(|line| {
            let empty = line["error"] == "the password is empty";
            line["sender"] == "connection_failed" && line["username"] == behaviour && !empty
        });
        let error = line["error"].as_str().unwrap();
        assert!(error.contains(expected), "{behaviour}: {error}");
        assert!(can_log_in(&server, "alice", PASSWORD), "after {behaviour}");
    }
    assert!(server.is_running());
    let lines = server.log().matches(r#""message":"line "#).count();
    assert!((1..=20).contains(&lines), "{lines} lines were logged");
}

#[test]
fn the_clear_password_needs_a_grant_and_is_audited() {
    let site = hostile_site();
    site.write("plugins/hostile.toml", "grants = [\"credentials\"]\n");
    let server = site.start();
    assert!(!can_log_in(&server, "password", PASSWORD));
    server.wait_for(|line| line["sender"] == "audit" && line["plugin"] == "hostile");
    let denied = server.wait_for(|line| line["sender"] == "connection_failed");
    assert!(denied["error"].as_str().unwrap().contains("Ok(\"pw\")"), "{denied}");
}

#[test]
fn what_a_component_keeps_survives_a_restart() {
    let site = hostile_site();
    let count = || {
        let server = site.start();
        assert!(!can_log_in(&server, "count", PASSWORD));
        let line = server.wait_for_text("count Ok(");
        let error = line["error"].as_str().unwrap();
        error.split("Ok(").nth(1).unwrap().split(')').next().unwrap().parse::<i64>().unwrap()
    };
    let first = count();
    assert!(count() > first);
}

#[test]
fn wrong_settings_keep_a_component_out() {
    let site = hostile_site();
    site.write("plugins/hostile.toml", "grants = [\"everything\"]\n");
    let listed = tools::run_ok(&mut site.tidegate(&["plugin", "list"]));
    assert!(listed.contains("hostile.toml") && listed.contains("everything"), "{listed}");
}
