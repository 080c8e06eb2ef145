//! `tidegate plugin check|inspect|component|sign|verify`, and what signatures are for.

use std::path::Path;
use std::process::Command;

use tidegate_tests::clients::{Proof, can_log_in, key};
use tidegate_tests::server::Site;
use tidegate_tests::tools;

const PASSWORD: Proof<'static> = Proof::Password("pw");

fn tidegate(arguments: &[&str]) -> (bool, String) {
    let output = tools::run(Command::new(tools::tidegate()).args(arguments));
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), text)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_component_is_looked_at() {
    let guest = tools::guest("http-auth");
    let (good, checked) = tidegate(&["plugin", "check", text(&guest)]);
    assert!(good, "{checked}");
    for expected in
        ["external-auth", "wasi:http/outgoing-handler", "the places that it may send", "[secrets]", "called"]
    {
        assert!(checked.contains(expected), "{expected}: {checked}");
    }
    assert!(checked.contains("granted   nothing"), "{checked}");
    let site = Site::new();
    site.plugin("http-auth", &guest, "grants = [\"credentials\"]\nhttp = [\"https://idp.example\"]\n");
    let (_, json) = tidegate(&["plugin", "check", "--json", text(&site.path("plugins/http-auth.wasm"))]);
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(document["hooks"][0], "external-auth");
    assert_eq!(document["granted"], serde_json::json!(["credentials", "https://idp.example"]));
    let (_, wit) = tidegate(&["plugin", "inspect", "--wit", text(&guest)]);
    assert!(wit.contains("export tidegate:hooks/external-auth@0.1.2;"), "{wit}");
}

#[test]
fn a_terminal_shows_that_a_component_is_being_compiled() {
    // With a terminal for all its output, and nothing to read.
    const IN_A_TERMINAL: &str = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)";
    let guest = tools::guest("http-auth");
    let mut command = Command::new(tools::python());
    command.args(["-c", IN_A_TERMINAL]).arg(tools::tidegate()).args(["plugin", "check"]).arg(&guest);
    let shown = tools::run_ok(&mut command);
    let (meanwhile, answer) = shown.split_once("\r\u{1b}[K").unwrap_or_else(|| panic!("{shown}"));
    assert!(meanwhile.contains(&format!("compiling {} … 0 s", guest.display())), "{shown}");
    assert!(answer.starts_with("size ") && !answer.contains("compiling"), "{shown}");
    // Without one, there is only the answer.
    let (good, said) = tidegate(&["plugin", "check", text(&guest)]);
    assert!(good && said.starts_with("size ") && !said.contains("compiling"), "{said}");
}

#[test]
fn what_is_no_plugin_says_what_to_do() {
    let site = Site::new();
    for (name, content, expected) in [
        ("core", &b"\0asm\x01\0\0\0"[..], "wasm-tools component new"),
        ("text", b"hello", "not WebAssembly"),
        ("nothing", b"\0asm\x0d\0\x01\0", "exports no hook"),
    ] {
        let file = site.write(&format!("{name}.wasm"), content);
        let (good, said) = tidegate(&["plugin", "check", text(&file)]);
        assert!(!good && said.contains(expected), "{name}: {said}");
    }
    let older = site.path("newer.wasm");
    // The contract's version is in the name of the export.
    let changed =
        replaced(&std::fs::read(tools::guest("older")).unwrap(), b"external-auth@0.1.", b"external-auth@9.1.");
    std::fs::write(&older, changed).unwrap();
    let (good, said) = tidegate(&["plugin", "check", text(&older)]);
    assert!(!good && said.contains("made for version 9.1."), "{said}");
    let (good, said) = tidegate(&["plugin", "component", text(&tools::guest("older")), "--output", "/dev/null"]);
    assert!(!good && said.contains("already"), "{said}");
}

/// A component that exports external-auth and does this when it is started.
fn starting_with(site: &Site, start: &str, settings: &str) -> std::path::PathBuf {
    let module = format!(
        "(module (memory (export \"memory\") 1)
           (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) i32.const 4096)
           (func (export \"external-auth\") (param i32) (result i32) unreachable)
           (func (export \"_initialize\") {start}))"
    );
    let (source, core, component) = (site.write("start.wat", module), site.path("core.wasm"), site.path("start.wasm"));
    let wasm_tools = tools::cache().join("venv/bin/wasm-tools");
    tools::run_ok(Command::new(wasm_tools).arg("parse").arg(source).arg("-o").arg(&core));
    let (made, said) = tidegate(&["plugin", "component", text(&core), "--output", text(&component)]);
    assert!(made, "{said}");
    site.write("start.toml", settings);
    component
}

#[test]
fn what_fails_at_its_start_is_said_as_that() {
    for (start, settings, expected) in [
        ("unreachable", "", "it failed when it was started: wasm trap: wasm `unreachable` instruction executed"),
        ("(loop (br 0))", "[limits]\ncpu_ms = 100\n", "it used up its CPU time (limits.cpu_ms)"),
        (
            "(loop (br_if 0 (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0)))) unreachable",
            "[limits]\nmemory_mib = 2\n",
            "it needs more than 2 MiB of memory (limits.memory_mib)",
        ),
    ] {
        let site = Site::new();
        let component = starting_with(&site, start, settings);
        let (good, said) = tidegate(&["plugin", "check", text(&component)]);
        assert!(!good && said.contains(expected) && !said.contains("does not offer"), "{start}: {said}");
        // The server says the same, and closes the gate.
        site.plugin("start", &component, settings);
        let listed = tools::run_ok(&mut site.tidegate(&["plugin", "list"]));
        assert!(listed.contains(expected) && listed.contains("refused meanwhile: external-auth"), "{listed}");
    }
}

#[test]
fn settings_are_checked_against_the_schema_beside_the_plugin() {
    let schema = include_str!("../../plugins/upload-policy/config.schema.json");
    for (settings, schema, expected) in [
        ("[config]\nmax_bytes = 5\n", schema, None),
        ("", schema, None),
        ("[config]\nmax_bytes = -1\n", schema, Some("config.max_bytes is less than 0 (by upload-policy.schema.json)")),
        ("[config]\nmax_byte = 5\n", schema, Some("config.max_byte is not known")),
        ("[[config.contents]]\nnames = [1]\n", schema, Some("config.contents[0].magic is missing")),
        ("", "{", Some("upload-policy.schema.json: it is not JSON")),
    ] {
        let site = Site::new();
        site.plugin("upload-policy", &tools::guest("upload-policy"), settings);
        site.write("plugins/upload-policy.schema.json", schema);
        let listed = tools::run_ok(&mut site.tidegate(&["plugin", "list"]));
        match expected {
            Some(problem) => assert!(listed.contains(problem), "{settings}: {listed}"),
            None => assert!(listed.contains("exports "), "{settings}: {listed}"),
        }
    }
}

#[test]
fn a_pool_without_room_is_said_as_that() {
    let site = Site::new();
    for number in 0..9 {
        let settings = "[limits]\ninstances = \"prepared\"\nready = 64\n";
        site.plugin(&format!("p{number}"), &tools::guest("older"), settings);
    }
    let listed = tools::run_ok(&mut site.tidegate(&["plugin", "list"]));
    assert!(listed.contains("all 512 places for instances of plugins are taken; lower limits.ready"), "{listed}");
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let places: Vec<_> = (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
    assert!(!places.is_empty());
    places.iter().for_each(|at| bytes[*at..at + to.len()].copy_from_slice(to));
    bytes
}

#[test]
fn only_what_a_trusted_key_signed_is_loaded() {
    let site = Site::new();
    let (trusted, stranger) = (key(&site.path(""), "trusted"), key(&site.path(""), "stranger"));
    let public = std::fs::read_to_string(trusted.with_extension("pub")).unwrap();
    let site = site.config(&format!("[plugins]\ntrusted_keys = [{:?}]\n", public.trim()));
    let settings = "[[config.users]]\nusername = \"alice\"\npassword = \"$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/\"\n";
    site.plugin("json-users", &tools::guest("json-users"), settings);
    let plugin = site.path("plugins/json-users.wasm");
    let listed = || tools::run_ok(&mut site.tidegate(&["plugin", "list"]));
    assert!(listed().contains("not signed"), "{}", listed());
    let sign = |key: &Path| tidegate(&["plugin", "sign", "--key", text(key), text(&plugin)]);
    assert!(sign(&stranger).0);
    assert!(listed().contains("none of the trusted keys"), "{}", listed());
    assert!(sign(&trusted).0);
    assert!(listed().contains("exports external-auth"), "{}", listed());
    let verify = |key: &Path| tidegate(&["plugin", "verify", "--key", text(&key.with_extension("pub")), text(&plugin)]);
    assert!(verify(&trusted).1.contains("good: signed by SHA256:"), "{}", verify(&trusted).1);
    assert!(!verify(&stranger).0);
    // OpenSSH's own tool agrees, and its signatures are taken as well.
    let signature = site.path("plugins/json-users.wasm.sig");
    std::fs::remove_file(&signature).unwrap();
    tools::run_ok(
        Command::new("ssh-keygen").args(["-q", "-Y", "sign", "-n", "tidegate-plugin", "-f"]).arg(&trusted).arg(&plugin),
    );
    assert!(listed().contains("exports external-auth"), "{}", listed());
    // One byte more is another file.
    let mut bytes = std::fs::read(&plugin).unwrap();
    bytes.extend([0, 1, 0]);
    std::fs::write(&plugin, bytes).unwrap();
    assert!(listed().contains("changed after it was signed"), "{}", listed());
    // A plugin that is not loaded refuses: its verdict is not known.
    site.user("bob");
    let server = site.start();
    assert!(!can_log_in(&server, "bob", PASSWORD));
}
