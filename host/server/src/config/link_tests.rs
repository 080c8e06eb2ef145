//! What a link and its section set: times, places for calls, the environment, and the meaning of a failure.

use tidegate_core::hook::HookKind;

use super::tests::{check_error, read};
use super::*;

#[test]
fn what_a_link_says_holds_for_every_adapter() {
    // A11-05, A11-12, A14-04, A14-06, A15-05, A15-06, A15-23, B0-03, B0-08, B0-14, B6-01, D-03, J-09
    let check = |text: &str, kind: HookKind, own: Option<u64>, link: u64, concurrency: usize| {
        let settings = read("tidegate.toml", text, &[]).unwrap_or_else(|error| panic!("{text}: {error}"));
        let configured = &settings.hooks[&kind].links[0];
        let found = match &configured.target {
            settings::HookTarget::Program { settings, .. } => Some(settings.deadline),
            settings::HookTarget::Http { timeout, .. } => Some(*timeout),
            settings::HookTarget::Plugin(_) => None,
        };
        assert_eq!(found.map(|own| own.as_secs()), own, "{text}");
        assert_eq!(configured.settings.deadline.as_secs(), link, "{text}");
        assert_eq!(configured.settings.concurrency, concurrency, "{text}");
    };
    let (program, web, plugin) = ("\"/bin/true\"", "\"http://127.0.0.1:1/\"", "\"plugin:ours\"");
    let section = |kind: &str, hook: &str, more: &str| format!("[hook.{kind}]\nhook = {hook}\n{more}\n");
    let other = "[http]\ntimeout = 3.0\n[command]\ntimeout = 7";
    for kind in [HookKind::PreLogin, HookKind::PostAction, HookKind::Connect, HookKind::SessionDestroy] {
        let name = kind.as_str();
        let more = format!("timeout = 60\nconcurrency = 2\n{other}");
        check(&section(name, program, &more), kind, Some(60), 62, 2);
        check(&section(name, web, &more), kind, Some(60), 62, 2);
        check(&section(name, plugin, &more), kind, None, 60, 2);
    }
    check(&section("pre-login", program, other), HookKind::PreLogin, Some(7), 9, 64);
    check(&section("pre-login", web, other), HookKind::PreLogin, Some(3), 5, 64);
    check(&section("pre-login", plugin, other), HookKind::PreLogin, None, 302, 256);
    check(&section("session-destroy", web, ""), HookKind::SessionDestroy, Some(5), 7, 64);
    check(&section("session-destroy", program, ""), HookKind::SessionDestroy, Some(5), 7, 64);
    // Each era has the times of its documents, if nothing is configured.
    for (kind, program_time, request_time) in [
        (HookKind::ExternalAuth, 60, 20),
        (HookKind::PreLogin, 30, 20),
        (HookKind::CheckPassword, 30, 20),
        (HookKind::PostLogin, 20, 20),
        (HookKind::PostAction, 30, 20),
        (HookKind::ObjectChanges, 15, 20),
    ] {
        let name = kind.as_str();
        check(&section(name, program, ""), kind, Some(program_time), program_time + 2, 64);
        check(&section(name, web, "compat = \"current\""), kind, Some(request_time), request_time + 2, 64);
    }
    // Users think about a web server's questions longer than it does.
    check(&section("keyboard-interactive", program, ""), HookKind::KeyboardInteractive, Some(60), 62, 64);
    check(&section("keyboard-interactive", web, ""), HookKind::KeyboardInteractive, Some(20), 62, 64);
    let special = "timeout = 4\n[[command.commands]]\npath = \"/bin/true\"\ntimeout = 90";
    check(&section("pre-login", program, special), HookKind::PreLogin, Some(4), 6, 64);
    for (compat, seconds) in [("seed", 15), ("1.0", 20), ("current", 20)] {
        let more = format!("compat = \"{compat}\"");
        check(&section("post-action", web, &more), HookKind::PostAction, Some(seconds), seconds + 2, 64);
        check(&section("object-changes", web, &more), HookKind::ObjectChanges, Some(seconds), seconds + 2, 64);
        check(&section("post-login", web, &more), HookKind::PostLogin, Some(20), 22, 64);
    }
    check_error("tidegate.toml", "[command]\ntimeout = 301\n", &["command.timeout", "300"]);
    let wrong = section("connect", web, "timeout = 301");
    check_error("tidegate.toml", &wrong, &["hook.connect.timeout", "300"]);
}

#[test]
fn the_environment_is_inherited_as_the_operator_says() {
    // A14-04, A15-05, B0-02, B0-14, B6-01, J-03
    let check = |compat: &str, command: &str, link: &str, expected: bool| {
        let text =
            format!("compat = \"{compat}\"\n[hook.connect]\nhook = \"/bin/true\"\n{link}\n[command]\n{command}\n");
        let settings = read("tidegate.toml", &text, &[]).unwrap();
        let settings::HookTarget::Program { settings, .. } = &settings.hooks[&HookKind::Connect].links[0].target else {
            panic!("a program");
        };
        assert_eq!(settings.environment.inherited, expected, "{text}");
    };
    for (compat, by_era) in [("seed", true), ("1.0", true), ("2.0", true), ("2.4", false), ("current", false)] {
        check(compat, "", "", by_era);
        check(compat, "inherit_env = true", "", true);
        check(compat, "inherit_env = false", "", false);
        check(compat, "inherit_env = false", "inherit_env = true", true);
        check(compat, "inherit_env = true", "inherit_env = false", false);
    }
    check_error("tidegate.toml", "[command]\ninherit_env = \"perhaps\"\n", &["true or false"]);
    for (text, expected) in [("0", false), ("1", true), ("true", true), ("false", false)] {
        let variable = [("TIDEGATE_COMMAND__INHERIT_ENV", text)];
        let settings = read("tidegate.toml", "[hook.connect]\nhook = \"/bin/true\"\n", &variable).unwrap();
        let settings::HookTarget::Program { settings, .. } = &settings.hooks[&HookKind::Connect].links[0].target else {
            panic!("a program");
        };
        assert_eq!(settings.environment.inherited, expected, "{text}");
    }
}

#[test]
fn on_error_is_what_the_kind_allows() {
    // B17-01, B17-02
    use tidegate_core::hook::OnError;
    let check = |kind: HookKind, value: &str, expected: Option<OnError>| {
        let text = format!("[hook.{kind}]\nhook = \"http://127.0.0.1:1/\"\non_error = \"{value}\"\n");
        let settings = read("tidegate.toml", &text, &[]);
        let found = settings.as_ref().ok().map(|settings| settings.hooks[&kind].links[0].settings.on_error);
        assert_eq!(found, expected, "{text}");
        let warned =
            settings.is_ok_and(|settings| settings.warnings.iter().any(|line| line.contains("without this hook")));
        assert_eq!(warned, value == "unsafe_allow" && expected.is_some(), "{text}");
    };
    for kind in HookKind::ALL {
        let proves = matches!(
            kind,
            HookKind::ExternalAuth | HookKind::PreLogin | HookKind::CheckPassword | HookKind::KeyboardInteractive
        );
        check(kind, "deny", Some(OnError::Deny));
        check(kind, "skip", Some(OnError::Skip));
        check(kind, "next", Some(OnError::Skip));
        check(kind, "allow", (!proves).then_some(OnError::Allow));
        check(kind, "unsafe_allow", proves.then_some(OnError::Allow));
        check(kind, "accept", None);
        // A gate refuses in any doubt unless the operator says otherwise.
        let text = format!("[hook.{kind}]\nhook = \"http://127.0.0.1:1/\"\n");
        let settings = read("tidegate.toml", &text, &[]).unwrap();
        assert_eq!(settings.hooks[&kind].links[0].settings.on_error, OnError::Deny, "{kind}");
        assert_eq!(settings.hooks[&kind].dropped.on_error, OnError::Deny, "{kind}");
    }
}

#[test]
fn programs_of_the_account_write_only_where_the_operator_says_so() {
    // B10-14
    let check = |text: &str, expected: Option<bool>| {
        let settings = read("tidegate.toml", text, &[]);
        let found = settings.ok().map(|settings| {
            let links = &settings.hooks[&HookKind::PreAction].links;
            links.iter().all(|link| link.settings.programs_go_unasked)
                && settings.hooks[&HookKind::PreAction].dropped.programs_go_unasked
        });
        assert_eq!(found, expected, "{text}");
    };
    check("[hook.pre-action]\nhook = \"/bin/true\"\n", Some(false));
    check("[hook.pre-action]\nhook = \"/bin/true\"\nprograms = \"allow\"\n", Some(true));
    check("[hook.pre-action]\nhook = \"/bin/true\"\nprograms = \"refuse\"\n", Some(false));
    check(
        "[hook.pre-action]\nhook = [{ hook = \"/bin/true\", programs = \"refuse\" }]\nprograms = \"allow\"\n",
        Some(false),
    );
    check("[hook.pre-action]\nhook = \"/bin/true\"\nprograms = \"yes\"\n", None);
    check("[hook.connect]\nhook = \"/bin/true\"\nprograms = \"allow\"\n", None);
}

#[test]
fn passwords_are_forgotten_for_plugins_only() {
    // A11-22
    let check = |text: &str, expected: Option<bool>| {
        let found = read("tidegate.toml", text, &[]).ok().map(|settings| {
            let point = &settings.hooks[&HookKind::ExternalAuth];
            point.links.iter().all(|link| link.settings.stores_passwords) && point.dropped.stores_passwords
        });
        assert_eq!(found, expected, "{text}");
    };
    check("[hook.external-auth]\nhook = \"plugin:a\"\n", Some(true));
    check("[hook.external-auth]\nhook = \"plugin:a\"\nstore_passwords = true\n", Some(true));
    check("[hook.external-auth]\nhook = \"plugin:a\"\nstore_passwords = false\n", Some(false));
    check("[hook.external-auth]\nhook = [{ hook = \"plugin:a\", store_passwords = false }]\n", Some(false));
    check("[hook.external-auth]\nhook = \"/bin/true\"\nstore_passwords = true\n", Some(true));
    check("[hook.external-auth]\nhook = [{ hook = \"/bin/true\", store_passwords = false }]\n", None);
    check("[hook.pre-login]\nhook = \"plugin:a\"\nstore_passwords = false\n", None);
    // Programs beside a plugin store all the same.
    let both = "[hook.external-auth]\nhook = [\"/bin/true\", \"plugin:a\"]\nstore_passwords = false\n";
    let links = read("tidegate.toml", both, &[]).unwrap().hooks[&HookKind::ExternalAuth].links.clone();
    assert_eq!(links.iter().map(|link| link.settings.stores_passwords).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn no_certificate_is_left_out_in_silence() {
    // B0-08
    let pair = |name: &str| format!("[[http.certificates]]\ncert = \"{name}.crt\"\nkey = \"{name}.key\"\n");
    let both = [pair("a"), pair("b")].concat();
    assert_eq!(read("tidegate.toml", &both, &[]).unwrap().http.certificates.len(), 2);
}

#[test]
fn notifications_are_repeated_as_the_section_says() {
    // B0-08
    for (lines, expected) in [
        ("", (2, 30, 3)),
        ("retry_wait_min = 1\nretry_wait_max = 9\nretry_max = 0", (1, 9, 0)),
        ("retry_max = 7", (2, 30, 7)),
    ] {
        let http = read("tidegate.toml", &format!("[http]\n{lines}\n"), &[]).unwrap().http;
        let found = (http.retry_wait_min.as_secs(), http.retry_wait_max.as_secs(), http.retry_max);
        assert_eq!(found, expected, "{lines}");
    }
}
