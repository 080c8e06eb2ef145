//! The hooks of the older server's keys: their names, programs and URLs, and when there is none.

use tidegate_core::hook::HookKind;

use super::settings::HookTarget;
use super::tests::{check_error, read};

/// What the hooks of a kind are, in the order in which they are asked.
fn targets(text: &str, kind: HookKind) -> Vec<String> {
    let settings = read("tidegate.toml", text, &[]).unwrap_or_else(|error| panic!("{text}: {error}"));
    let shown = |target: &HookTarget| match target {
        HookTarget::Program { path, .. } => path.clone(),
        HookTarget::Http { url, flavour, .. } => format!("{}{url}", if flavour.get { "GET " } else { "POST " }),
        HookTarget::Plugin(name) => format!("plugin {name}"),
    };
    settings.hooks[&kind].links.iter().map(|link| shown(&link.target)).collect()
}

#[test]
fn hooks_of_logins_are_programs_or_urls_under_each_name() {
    // A3-41, A3-43, A3-44, A3-45, B0-01
    for (key, kind) in [
        ("external_auth_program", HookKind::ExternalAuth),
        ("external_auth_hook", HookKind::ExternalAuth),
        ("pre_login_program", HookKind::PreLogin),
        ("pre_login_hook", HookKind::PreLogin),
        ("post_login_hook", HookKind::PostLogin),
        ("check_password_hook", HookKind::CheckPassword),
    ] {
        let with = |value: &str| targets(&format!("[data_provider]\n{key} = \"{value}\"\n"), kind);
        assert_eq!(with("/bin/true"), ["/bin/true"], "{key}");
        assert_eq!(with("https://192.0.2.1/x"), ["POST https://192.0.2.1/x"], "{key}");
        assert!(with("").is_empty(), "{key}");
        check_error("tidegate.toml", &format!("[data_provider]\n{key} = \"bin/true\"\n"), &["not an absolute path"]);
    }
    for (old, new) in [("external_auth_program", "external_auth_hook"), ("pre_login_program", "pre_login_hook")] {
        let both = format!("[data_provider]\n{old} = \"/bin/true\"\n{new} = \"/bin/false\"\n");
        check_error("tidegate.toml", &both, &[old, "the two differ"]);
    }
}

#[test]
fn hooks_of_the_server_and_of_connections_have_a_key_each() {
    // B7-01, B7-02, B7-03
    for (key, kind) in [
        ("startup_hook", HookKind::Startup),
        ("post_connect_hook", HookKind::Connect),
        ("post_disconnect_hook", HookKind::Disconnect),
    ] {
        for (value, expected) in [("/bin/true", "/bin/true"), ("http://192.0.2.1/x", "POST http://192.0.2.1/x")] {
            let text = format!("[common]\n{key} = \"{value}\"\n");
            for other in HookKind::ALL {
                let found = targets(&text, other);
                assert_eq!(found, if other == kind { vec![expected] } else { Vec::new() }, "{key} {other}");
            }
        }
    }
}

#[test]
fn scopes_choose_logins_and_protocols() {
    // A3-44, A3-45, A14-02, B5-05
    for (scope, expected) in [(0, None), (1, Some(false)), (2, Some(true))] {
        let text = format!("[data_provider]\npost_login_hook = \"/bin/true\"\npost_login_scope = {scope}\n");
        let links = read("tidegate.toml", &text, &[]).unwrap().hooks[&HookKind::PostLogin].links.clone();
        assert_eq!(links[0].settings.selector.login_succeeded, expected, "{scope}");
    }
    check_error("tidegate.toml", "[data_provider]\npost_login_scope = 3\n", &["data_provider.post_login_scope"]);
    for (scope, expected) in [(0, 1), (1, 1), (2, 0), (3, 1), (4, 0), (6, 0), (7, 1)] {
        let text = format!("[data_provider]\ncheck_password_hook = \"/bin/true\"\ncheck_password_scope = {scope}\n");
        assert_eq!(targets(&text, HookKind::CheckPassword).len(), expected, "{scope}");
    }
}

#[test]
fn actions_are_sent_where_both_the_list_and_a_hook_are_there() {
    // A3-17, A3-18, A3-19, A3-40, J-11
    for (section, action, kind, url) in [
        ("sftpd.actions", "upload", HookKind::PostAction, "GET http://127.0.0.1:1/"),
        ("data_provider.actions", "add", HookKind::ObjectChanges, "POST http://127.0.0.1:1/"),
    ] {
        let with = |on: &str, command: &str, url: &str| {
            let keys = format!("execute_on = [{on}]\ncommand = \"{command}\"\nhttp_notification_url = \"{url}\"\n");
            targets(&format!("[{section}]\n{keys}"), kind)
        };
        let on = format!("\"{action}\"");
        assert_eq!(with(&on, "/bin/true", ""), ["/bin/true"], "{section}");
        assert_eq!(with(&on, "", "http://127.0.0.1:1/"), [url], "{section}");
        assert!(with(&on, "", "").is_empty(), "{section}");
        assert!(with("", "/bin/true", "http://127.0.0.1:1/").is_empty(), "{section}");
    }
}

#[test]
fn a_key_has_an_older_and_a_newer_name() {
    // J-10: the section, both names, and the kinds of hooks.
    let upload = "execute_on = [\"upload\", \"pre-upload\"]\n";
    let actions = [HookKind::PreAction, HookKind::PostAction];
    let (url, program) = ("https://192.0.2.1/x", "/bin/true");
    for (section, older, newer, values, kinds) in [
        (
            "[sftpd]\n".to_owned(),
            "keyboard_interactive_auth_program",
            "keyboard_interactive_auth_hook",
            &[program, url][..],
            &[HookKind::KeyboardInteractive][..],
        ),
        (
            "[data_provider]\n".to_owned(),
            "external_auth_program",
            "external_auth_hook",
            &[program, url],
            &[HookKind::ExternalAuth],
        ),
        ("[data_provider]\n".to_owned(), "pre_login_program", "pre_login_hook", &[program, url], &[HookKind::PreLogin]),
        (format!("[sftpd.actions]\n{upload}"), "command", "hook", &[program], &actions),
        (format!("[sftpd.actions]\n{upload}"), "http_notification_url", "hook", &[url], &actions),
        (format!("[common.actions]\n{upload}"), "command", "hook", &[program], &actions),
        (format!("[common.actions]\n{upload}"), "http_notification_url", "hook", &[url], &actions),
        (
            "[data_provider.actions]\nexecute_on = [\"add\"]\n".to_owned(),
            "command",
            "hook",
            &[program],
            &[HookKind::ObjectChanges],
        ),
        (
            "[data_provider.actions]\nexecute_on = [\"add\"]\n".to_owned(),
            "http_notification_url",
            "hook",
            &[url],
            &[HookKind::ObjectChanges],
        ),
    ] {
        for value in values {
            for kind in kinds {
                let set = |names: &[&str]| {
                    let keys: String = names.iter().map(|name| format!("{name} = \"{value}\"\n")).collect();
                    let found = targets(&format!("{section}{keys}"), *kind);
                    assert!(found.len() == 1 && found[0].ends_with(*value), "{section} {names:?}: {found:?}");
                };
                set(&[older]);
                set(&[newer]);
                // Twice the same is one hook, which gets an event once.
                set(&[older, newer]);
            }
        }
        let both = format!("{section}{older} = \"{}\"\n{newer} = \"/bin/false\"\n", values[0]);
        check_error("tidegate.toml", &both, &[older, "the two differ"]);
    }
}
