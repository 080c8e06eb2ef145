//! Hooks in languages that have no SDK: the way that `sdk/other/README.md` describes, and C++ with the
//! headers of the SDK for C.

use std::path::{Path, PathBuf};
use std::process::Command;

use tidegate_tests::clients::{Proof, can_log_in};
use tidegate_tests::server::Site;
use tidegate_tests::tools;

/// Of the word "changeme".
const HASH: &str = "$2b$10$eZxP33.gmdECc0xP81o/YuFHHVIAu5HS0/3Y7Hsd9FEKXWtoLkM3u";

fn zig() -> PathBuf {
    let zig = tools::cache().join("zig/bin/python-zig");
    assert!(zig.exists(), "{} is missing; run tests/install", zig.display());
    zig
}

fn assemblyscript() -> PathBuf {
    let compiler = tools::cache().join("assemblyscript/node_modules/.bin/asc");
    assert!(compiler.exists(), "{} is missing; run tests/install", compiler.display());
    compiler
}

/// Builds the example of a language, and has guests log in.
fn guests_log_in(language: &str, variable: &str, compiler: &Path) {
    let site = Site::new();
    let build = tools::root().join("sdk/other").join(language).join("build.sh");
    let mut command = Command::new(build);
    command.arg(site.path("")).env(variable, compiler).env("TIDEGATE", tools::tidegate());
    tools::run_ok(&mut command);
    let component = site.path("external_auth.wasm");
    let checked = tools::run_ok(Command::new(tools::tidegate()).args(["plugin", "check"]).arg(&component));
    assert!(checked.contains("exports   external-auth") && checked.contains("external-auth: defer"), "{checked}");
    let home = site.path("homes/guests");
    std::fs::create_dir_all(&home).unwrap();
    let homes = site.path("homes");
    let settings = format!("homes = [{homes:?}]\n[config]\npassword_hash = {HASH:?}\ndirectory = {home:?}\n");
    site.plugin("guests", &component, &settings);
    site.user("stored");
    let server = site.start();
    assert!(can_log_in(&server, "guest-1", Proof::Password("changeme")), "{}", server.log());
    assert!(!can_log_in(&server, "guest-1", Proof::Password("wrong")));
    let refused = server.wait_for(|line| line["sender"] == "connection_failed" && line["username"] == "guest-1");
    assert!(refused["error"].as_str().unwrap().contains("not the guests' password"), "{refused}");
    // Other users are left to the server.
    assert!(can_log_in(&server, "stored", Proof::Password("pw")), "{}", server.log());
    drop(server);
    // Without its settings it fails, which is no verdict.
    site.plugin("guests", &component, "");
    let server = site.start();
    assert!(!can_log_in(&server, "guest-1", Proof::Password("changeme")));
    let failed = server.wait_for(|line| line["sender"] == "connection_failed" && line["username"] == "guest-1");
    assert!(failed["error"].as_str().unwrap().contains("config.password_hash"), "{failed}");
}

#[test]
fn zig_from_the_bare_contract_to_a_login() {
    guests_log_in("zig", "ZIG", &zig());
}

#[test]
fn assemblyscript_from_the_bare_contract_to_a_login() {
    guests_log_in("assemblyscript", "ASC", &assemblyscript());
}

const CPP: &str = r#"
#include <tidegate_draft.h>
#include <hooks/external_auth.h>
#include <tidegate_events.h>

namespace {
struct Greeting {
  text_t name;
  text_t words() const { return text_format("C++ does not know %s", text_c(name)); }
};
}  // namespace

external_auth_t on_external_auth(login_attempt_t attempt) {
  return external_auth_reject(Greeting{login_attempt_username(attempt)}.words());
}
"#;

/// Runs Zig's compiler for C or C++, for WebAssembly.
fn compile(language: &str, arguments: &[&Path], flags: &[&str]) {
    let sdk = tools::root().join("sdk/c");
    let mut command = Command::new(zig());
    command.args([language, "-target", "wasm32-wasi", "-Oz", "-Wall", "-Werror", "-I"]).arg(sdk);
    tools::run_ok(command.args(flags).args(arguments));
}

#[test]
fn cpp_takes_the_headers_of_c() {
    let site = Site::new();
    let sdk = tools::root().join("sdk/c");
    let (source, object) = (site.write("hook.cpp", CPP), site.path("hook.o"));
    compile("c++", &[&source], &["-std=c++20", "-fno-exceptions", "-c", "-o", object.to_str().unwrap()]);
    let (core, component) = (site.path("core.wasm"), site.path("hook.wasm"));
    let (layer, bindings) = (sdk.join("tidegate_hook.c"), sdk.join("generated/bindings.c"));
    compile("cc", &[&object, &layer, &bindings], &["-mexec-model=reactor", "-o", core.to_str().unwrap()]);
    let mut tidegate = Command::new(tools::tidegate());
    tools::run_ok(tidegate.args(["plugin", "component"]).arg(core).arg("--output").arg(&component));
    let checked = tools::run_ok(Command::new(tools::tidegate()).args(["plugin", "check"]).arg(&component));
    assert!(checked.contains("C++ does not know nobody"), "{checked}");
}

#[test]
fn every_header_can_be_included_first_and_twice() {
    let site = Site::new();
    let sdk = tools::root().join("sdk/c");
    let hooks = std::fs::read_dir(sdk.join("hooks")).unwrap();
    let hooks = hooks.map(|entry| format!("hooks/{}", entry.unwrap().file_name().to_str().unwrap()));
    let own = ["tidegate_hook.h", "tidegate_draft.h", "tidegate_events.h", "fake_server.h"].map(str::to_owned);
    for header in own.into_iter().chain(hooks) {
        let text = format!("#include <{header}>\n#include <{header}>\n");
        for (language, name) in [("cc", "twice.c"), ("c++", "twice.cpp")] {
            let source = site.write(name, &text);
            let standard = if language == "cc" { "-std=c17" } else { "-std=c++20" };
            let object = site.path("twice.o");
            compile(language, &[&source], &[standard, "-Wno-unused-function", "-c", "-o", object.to_str().unwrap()]);
        }
    }
}
