//! Components written by hand to misbehave: each harms only its own call.

use std::path::{Path, PathBuf};
use std::process::Command;

use tidegate_tests::clients::{Proof, can_log_in};
use tidegate_tests::server::Site;
use tidegate_tests::tools;

const PASSWORD: Proof<'static> = Proof::Password("pw");

fn fixtures() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("hostile");
    let mut files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "wat"));
    files.sort();
    files
}

/// A core module in text becomes a component with the world of the hook.
fn component(fixture: &Path, site: &Site) {
    let wasm_tools = || Command::new(tools::cache().join("venv/bin/wasm-tools"));
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let (embedded, target) = (site.path("embedded.wasm"), site.path("plugins/hostile.wasm"));
    std::fs::create_dir_all(target.parent().unwrap()).unwrap();
    let mut embed = wasm_tools();
    embed.args(["component", "embed", "--world", "external-auth-hook"]).arg(wit).arg(fixture).arg("-o").arg(&embedded);
    tools::run_ok(&mut embed);
    tools::run_ok(wasm_tools().args(["component", "new"]).arg(embedded).arg("-o").arg(target));
}

#[test]
fn each_fixture_is_refused_for_its_own_reason() {
    // G-06
    let fixtures = fixtures();
    assert!(fixtures.len() >= 12, "{fixtures:?}");
    for fixture in fixtures {
        let name = fixture.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&fixture).unwrap();
        let expected = text.lines().next().unwrap().trim_start_matches(";; ");
        let site = Site::new();
        site.user("alice");
        component(&fixture, &site);
        site.write(
            "plugins/hostile.toml",
            "[limits]\ncpu_ms = 1000\ndeadline_ms = 90000\nmemory_mib = 16\nlog_lines = 10\n",
        );
        let mut server = site.start();
        assert!(!can_log_in(&server, "mallory", PASSWORD), "{name}");
        let line = server.wait_for(|line| line["sender"] == "connection_failed" && line["username"] == "mallory");
        let error = line["error"].as_str().unwrap();
        assert!(error.contains("\"hostile\"") && error.contains(expected), "{name}: {error}");
        // The fixture refuses every login until it is replaced by one that defers.
        site.plugin("hostile", &tools::guest("hostile"), "");
        server.wait_for(|line| line["message"] == "the plugin \"hostile\" is in service");
        assert!(can_log_in(&server, "alice", PASSWORD), "after {name}");
        assert!(server.is_running(), "{name}");
    }
}
