//! Hooks that would never be called, or could not be: refused, with a message that names them.

use std::os::unix::fs::PermissionsExt;

use tidegate_core::hook::HookKind;

use super::legacy_hooks::legacy_name;
use super::tests::{check_error, read};

fn check(text: &str, expected: &[&str]) {
    check_error("tidegate.toml", text, expected);
}

/// Checks a valid configuration that gives one warning, which contains `expected`; `None`: that gives none.
fn check_warning(text: &str, expected: Option<&str>) {
    let settings = read("tidegate.toml", text, &[]).unwrap_or_else(|error| panic!("{text}: {error}"));
    match expected {
        None => assert!(settings.warnings.is_empty(), "{text}: {:?}", settings.warnings),
        Some(expected) => {
            let warned = settings.warnings.iter().any(|warning| warning.contains(expected));
            assert!(warned, "{text}: {:?}", settings.warnings);
        }
    }
}

#[test]
fn selectors_that_can_never_match_are_refused() {
    // B9-03, B17-01
    let of = |kind: &str, selector: &str| format!("[hook.{kind}]\nhook = \"/bin/false\"\n{selector}\n");
    let refused = |kind: &str, selector: &str, expected: &[&str]| check(&of(kind, selector), expected);
    refused("pre-action", "actions = [\"uplaod\"]", &["hook.pre-action.actions", "\"uplaod\"", "\"upload\"?"]);
    refused("pre-action", "actions = [\"pre-upload\"]", &["\"pre-upload\"", "write \"upload\""]);
    refused("pre-action", "actions = [\"first-upload\"]", &["\"first-upload\"", "pre-action"]);
    refused("pre-action", "actions = [\"upload\", \"fly\"]", &["\"fly\"", "download, upload"]);
    refused("post-action", "actions = [\"pre-delete\"]", &["write \"delete\""]);
    refused("object-changes", "actions = [\"upload\"]", &["add, update, delete"]);
    refused("object-changes", "networks = [\"10.0.0.0/8\"]", &["hook.object-changes.networks"]);
    refused("connect", "users = [\"a\"]", &["hook.connect.users", "has no users"]);
    refused("connect", "groups = [\"a\"]", &["hook.connect.groups"]);
    refused("connect", "methods = [\"password\"]", &["hook.connect.methods"]);
    refused("login-pre", "paths = [\"/a\"]", &["hook.login-pre.paths"]);
    refused("session-create", "actions = [\"upload\"]", &["hook.session-create.actions"]);
    refused("startup", "users = [\"a\"]", &["hook.startup.users"]);
    refused("keyboard-interactive", "methods = [\"password\"]", &["never about \"password\""]);
    refused("check-password", "methods = [\"publickey\"]", &["never about \"publickey\""]);
    refused("login-pre", "methods = [\"pasword\"]", &["\"pasword\" is not one of"]);
    let scope = "[data_provider]\nexternal_auth_scope = 1\n";
    let of_key = of("external-auth", "methods = [\"publickey\"]");
    check(&format!("{scope}{of_key}"), &["external_auth_scope", "leaves out every method"]);
    check_warning(&format!("{scope}{}", of("external-auth", "methods = [\"publickey\", \"password\"]")), None);
    refused("login-pre", "users = [\"\"]", &["hook.login-pre.users", "matches no name"]);
    refused("login-pre", "users = [\" bob\"]", &["hook.login-pre.users", "\" bob\"", "blank"]);
    for path in ["/a/../b", "/a/**", "/[a", "/a?", "a"] {
        refused("pre-action", &format!("paths = [\"{path}\"]"), &["hook.pre-action.paths", path, "absolute path"]);
    }
    // In the table of a link as well as in the section, and reported once.
    let table = "[hook.pre-action]\nhook = [{ hook = \"/bin/false\", actions = [\"uplaod\"] }]\n";
    check(table, &["hook.pre-action.actions"]);
    let legacy = "[data_provider]\nexternal_auth_hook = { hook = \"plugin:a\", paths = [\"/x\"] }\n";
    check(legacy, &["data_provider.external_auth_hook.paths"]);
    let twice = read("tidegate.toml", &of("connect", "users = [\"a\"]"), &[]).unwrap_err();
    assert_eq!(twice.0.len(), 1, "{twice}");
    for (kind, selector) in [
        ("connect", "networks = [\"10.0.0.0/8\"]"),
        ("login-pre", "users = [\"a*\"]\ngroups = [\"g\"]\nmethods = [\"password\"]"),
        ("keyboard-interactive", "methods = [\"keyboard-interactive\"]"),
        ("pre-action", "actions = [\"upload\", \"ssh_cmd\"]\npaths = [\"/a\"]"),
        ("post-action", "actions = [\"first-upload\"]"),
        ("object-changes", "actions = [\"add\"]\nusers = [\"a\"]"),
    ] {
        check_warning(&of(kind, selector), None);
    }
}

#[test]
fn a_section_is_there_once() {
    let twice = "[hook.pre-action]\nhook = \"/bin/false\"\n[hook.pre_action]\nhook = \"/bin/true\"\n";
    check(twice, &["another spelling of hook.pre-action"]);
}

#[test]
fn a_section_only_narrows_what_an_old_key_names() {
    let old = "[common.actions]\nexecute_on = [\"pre-upload\", \"pre-delete\"]\nhook = \"/bin/false\"\n";
    let settings = read("tidegate.toml", &format!("{old}[hook.pre-action]\nactions = [\"delete\", \"rename\"]\n"), &[]);
    assert_eq!(settings.unwrap().hooks[&HookKind::PreAction].links[0].settings.selector.actions, ["delete"]);
    check(&format!("{old}[hook.pre-action]\nactions = [\"rename\"]\n"), &["common.actions.hook.actions", "execute_on"]);
}

#[test]
fn entries_for_programs_apply_to_something() {
    // B0-03
    let of = |entry: &str| format!("[hook.connect]\nhook = \"/bin/true\"\n[[command.commands]]\n{entry}\n");
    check(&of("path = \"/bin/true\"\nhook = \"post_conect\""), &["command.commands.hook", "\"post_connect\"?"]);
    check(&of("path = \"/bin/true\"\nhook = \"nothing\""), &["\"nothing\"", "fs_actions"]);
    check(&of("path = \"true\""), &["command.commands.path", "not an absolute path"]);
    check(&of("path = \"/bin/true\"\ntimeout = 301"), &["command.commands.timeout"]);
    let stores = |hook: &str| format!("[hook.external-auth]\nhook = \"{hook}\"\nstore_passwords = false\n");
    check_warning(&stores("/bin/true"), Some("store passwords all the same"));
    check_warning(&stores("plugin:a"), None);
    check("[command]\nenv = [\"NOEQ\"]\n", &["command.env", "NOEQ"]);
    check_warning("[common.actions]\nexecute_on = [\"upload\"]\n", Some("names no hook"));
    check_warning("[common]\nproxy_allowed = [\"10.0.0.1\"]\n", Some("proxy_protocol is 0"));
    check_warning("[http]\nca_certificates = [\"none.pem\"]\n", Some("none.pem cannot be read"));
    check_warning(&of("path = \"/bin/false\""), Some("no hook runs \"/bin/false\""));
    check_warning(&of("path = \"/bin/true\"\nhook = \"fs_actions\""), Some("no hook \"fs_actions\" runs"));
    check_warning(&of("path = \"/bin/true\"\nhook = \"data_retention\""), Some("data_retention"));
    check_warning(&of("path = \"/bin/true\"\nhook = \"post_connect\""), None);
    check_warning(&of("path = \"/bin/true\"\nhook = \"connect\""), None);
    check_warning(&of("path = \"/bin/true\""), None);
}

#[test]
fn entries_for_programs_name_hooks_as_the_older_server_does() {
    // B0-03: written out, so that none is spelled in another way.
    for (kind, name) in [
        (HookKind::PreAction, "fs_actions"),
        (HookKind::PostAction, "fs_actions"),
        (HookKind::ObjectChanges, "provider_actions"),
        (HookKind::Startup, "startup"),
        (HookKind::Connect, "post_connect"),
        (HookKind::Disconnect, "post_disconnect"),
        (HookKind::CheckPassword, "check_password"),
        (HookKind::PreLogin, "pre_login"),
        (HookKind::PostLogin, "post_login"),
        (HookKind::ExternalAuth, "external_auth"),
        (HookKind::KeyboardInteractive, "keyboard_interactive"),
    ] {
        assert_eq!(legacy_name(kind), name, "{kind:?}");
    }
}

#[test]
fn keys_that_a_link_has_no_use_for_are_refused() {
    check("[hook.connect]\nhook = { hook = \"plugin:a\", args = [\"x\"] }\n", &["hook.connect.args", "only a program"]);
    check("[hook.connect]\nhook = { hook = \"http://127.0.0.1:1/\", env = [\"A=1\"] }\n", &["hook.connect.env"]);
    check_warning("[hook.connect]\nhook = \"plugin:a\"\ninherit_env = true\n", Some("hook.connect.inherit_env"));
}

#[test]
fn a_hook_that_decides_about_visible_uploads_is_warned_of() {
    // B10-08
    let check = |mode: u32, sync: &str, warned: bool| {
        let text = format!(
            "[common]\nupload_mode = {mode}\n[common.actions]\nexecute_on = [\"upload\", \"delete\"]\n\
             execute_sync = [{sync}]\nhook = \"/bin/true\"\n"
        );
        check_warning(&text, warned.then_some("set upload_mode = 1"));
    };
    check(0, "\"upload\"", true);
    check(0, "\"delete\", \"upload\"", true);
    check(0, "\"delete\"", false);
    check(0, "", false);
    check(1, "\"upload\"", false);
    check(2, "\"upload\"", false);
}

#[test]
fn a_synchronous_hook_has_to_be_there() {
    // B10-08
    let of = |lines: &str| format!("[common.actions]\n{lines}\n");
    let sync = "execute_sync = [\"upload\"]";
    let on = "execute_on = [\"upload\"]";
    for missing in ["\"/nowhere/scan\"", "\"scan.sh\"", "\"/etc/passwd\"", "\"http:/\"", "\"plugin:\""] {
        check(&of(&format!("{on}\n{sync}\nhook = {missing}")), &["common.actions.hook"]);
    }
    check(&of(&format!("{on}\n{sync}\nhook = [\"/bin/true\", \"/nowhere/scan\"]")), &["/nowhere/scan"]);
    check(
        &of(&format!("execute_on = [\"delete\"]\n{sync}\nhook = \"/bin/true\"")),
        &["\"upload\" is not in execute_on"],
    );
    check(&of(&format!("{on}\n{sync}")), &["no hook is told of \"upload\""]);
    check(&of(sync), &["no hook is told of \"upload\""]);
    check(&of("execute_sync = [\"uplaod\"]"), &["\"uplaod\" is not an action"]);
    check(&of("execute_sync = [\"pre-uplaod\"]"), &["\"pre-uplaod\" is not an action"]);
    check(&of("execute_sync = [\"first-upload\"]"), &["nothing can wait"]);
    let elsewhere = "[hook.post-action]\nhook = \"/bin/true\"\nactions = [\"delete\"]\n";
    check(&format!("{}{elsewhere}", of(sync)), &["no hook is told of \"upload\""]);
    check("[data_provider.actions]\nexecute_sync = [\"add\"]\n", &["data_provider.actions.execute_sync"]);
    // B10-08: it is told of, and said to wait for nothing.
    let download = of("execute_on = [\"download\"]\nexecute_sync = [\"download\"]\nhook = \"/bin/true\"");
    check_warning(&download, Some("\"download\" waits for no hook"));
    let atomic = |text: String| format!("[common]\nupload_mode = 1\n{text}");
    check_warning(&atomic(of(&format!("{on}\n{sync}\nhook = \"/bin/true\""))), None);
    check_warning(&atomic(of(&format!("{on}\n{sync}\nhook = \"plugin:scan\""))), None);
    check_warning(&atomic(format!("{}[hook.post-action]\nhook = \"/bin/true\"\n", of(sync))), None);
    // No operation waits for this hook, so it is only a warning.
    check_warning(&of(&format!("{on}\nhook = \"/nowhere/tell\"")), Some("the hook is not used"));
}

#[test]
fn a_directory_is_a_hook_only_with_programs_in_it() {
    // D-14
    let directory = tempfile::tempdir().unwrap();
    let script = |path: &str| {
        let path = directory.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    script("none/check.py");
    script("some/a.sh");
    script("mixed/a.sh");
    script("mixed/check.py");
    let of = |kind: &str, name: &str| format!("[hook.{kind}]\nhook = \"{}\"\n", directory.path().join(name).display());
    for kind in ["external-auth", "session-create", "login-pre", "connect", "pre-action", "post-login"] {
        check(&of(kind, "none"), &[&format!("hook.{kind}"), "no program"]);
        check_warning(&of(kind, "some"), None);
        check_warning(&of(kind, "mixed"), Some("check.py is not run"));
    }
    check(&of("keyboard-interactive", "some"), &["hook.keyboard-interactive", "is a directory"]);
    let legacy = directory.path().join("some").display().to_string();
    check(&format!("[sftpd]\nkeyboard_interactive_auth_hook = \"{legacy}\"\n"), &["is a directory"]);
}

#[test]
fn hooks_get_changes_of_the_objects_that_are_named() {
    // B11-04
    let of = |compat: &str, lines: &str| {
        format!(
            "compat = \"{compat}\"\n[data_provider.actions]\nhook = \"/bin/true\"\nexecute_on = [\"add\"]\n{lines}\n"
        )
    };
    let links = |text: &str| read("tidegate.toml", text, &[]).unwrap().hooks[&HookKind::ObjectChanges].links.len();
    for (compat, lines, expected) in [
        ("seed", "", 1),
        ("2.0", "", 1),
        ("2.4", "", 0),
        ("current", "", 0),
        ("current", "execute_for = [\"user\"]", 1),
        ("seed", "execute_for = [\"user\"]", 1),
        ("current", "execute_for = [\"user\", \"folder\", \"group\", \"role\", \"admin\", \"api_key\"]", 1),
    ] {
        assert_eq!(links(&of(compat, lines)), expected, "{compat} {lines}");
    }
    check_warning(&of("current", ""), Some("told of no change"));
    for object in ["share", "usr", ""] {
        let text = of("current", &format!("execute_for = [\"user\", \"{object}\"]"));
        check(&text, &["data_provider.actions.execute_for", &format!("\"{object}\"")]);
    }
    check("[common.actions]\nexecute_for = [\"user\"]\n", &["common.actions.execute_for"]);
}

#[test]
fn what_the_dialect_of_the_panel_grants_is_said() {
    // D-12, D-15
    for (kind, variable) in [
        ("login-pre", Some("password")),
        ("session-create", Some("password")),
        ("session-destroy", Some("passwd")),
        ("credential-changed", Some("key")),
        ("one-click-login-post", Some("passwd")),
        ("password-reset-pre", None),
    ] {
        let expected = variable.map(|variable| format!("is the grant to give the hook \"{variable}\" in clear"));
        let dialect = "dialect = \"directadmin\"";
        // Of one link, and of all of the section.
        for lines in [
            format!("hook = [{{ hook = \"/bin/false\", {dialect} }}]"),
            format!("hook = \"/bin/false\"\n{dialect}"),
            format!("hook = [\"/bin/false\", \"/bin/true\"]\n{dialect}"),
            format!("hook = \"http://127.0.0.1:1/\"\n{dialect}"),
        ] {
            check_warning(&format!("[hook.{kind}]\n{lines}\n"), expected.as_deref());
        }
        let others = format!("hook = [{{ hook = \"/bin/false\", dialect = \"sftpgo\" }}]\n{dialect}");
        check_warning(&format!("[hook.{kind}]\n{others}\n"), None);
    }
}
