//! Six formats with the same meaning, and errors that tell the place and the remedy.

use std::time::Duration;

use tidegate_core::hook::HookKind;
use tidegate_core::pattern::Pattern;
use tidegate_ssh::host_keys::HostKeyFiles;

use super::settings::HttpPlace;
use super::*;

const LEGACY_DEFAULT: &str = include_str!("testdata/legacy-default.json");

pub fn read(name: &str, text: &str, environment: &[(&str, &str)]) -> Result<Settings, ConfigErrors> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(name), text).unwrap();
    let environment: Vec<_> =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let base = name.split('.').next();
    Loaded::read(&[directory.path().to_owned()], base, &environment)?.validate(directory.path(), false)
}

pub fn check_error(name: &str, text: &str, expected: &[&str]) {
    let error = read(name, text, &[]).unwrap_err().to_string();
    for part in expected {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn every_format_says_the_same() {
    // A1-24
    for (name, text) in [
        ("tidegate.toml", "[sftpd]\nbind_port = 2200\nidle_timeout = 3\nenabled_ssh_commands = [\"cd\"]\n"),
        ("tidegate.yaml", "sftpd:\n  bind_port: 2200\n  idle_timeout: 3\n  enabled_ssh_commands: [cd]\n"),
        ("tidegate.yml", "sftpd:\n  bind_port: 2200\n  idle_timeout: 3\n  enabled_ssh_commands:\n    - cd\n"),
        ("tidegate.json", r#"{"sftpd":{"bind_port":2200,"idle_timeout":3,"enabled_ssh_commands":["cd"]}}"#),
        ("tidegate.hcl", "sftpd {\n  bind_port = 2200\n  idle_timeout = 3\n  enabled_ssh_commands = [\"cd\"]\n}\n"),
        (
            "tidegate.env",
            "SFTPD__BIND_PORT=2200\nTIDEGATE_SFTPD__IDLE_TIMEOUT=3\nSFTPGO_SFTPD__ENABLED_SSH_COMMANDS=cd\n",
        ),
        ("tidegate.properties", "sftpd.bind_port=2200\nsftpd.idle_timeout: 3\nsftpd.enabled_ssh_commands=cd\n"),
    ] {
        let settings = read(name, text, &[]).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            (settings.bind_port, settings.idle_timeout),
            (2200, Some(std::time::Duration::from_secs(180))),
            "{name}"
        );
        assert!(settings.commands.parse(b"cd").is_some() && settings.commands.parse(b"pwd").is_none(), "{name}");
    }
}

#[test]
fn the_older_servers_default_file_is_taken_as_it_is() {
    // A3-08
    let settings = read("sftpgo.json", LEGACY_DEFAULT, &[]).unwrap();
    assert_eq!(settings.bind_port, 2022);
    assert!(matches!(settings.database, settings::DatabaseSettings::Sqlite(path) if path.ends_with("sftpgo.db")));
}

#[test]
fn the_environment_overrides_and_ours_wins() {
    // A3-02, A3-03
    let environment = [
        ("SFTPGO_SFTPD__BIND_PORT", "1"),
        ("TIDEGATE_SFTPD__BIND_PORT", "2"),
        ("SFTPGO_SFTPD__ENABLED_SSH_COMMANDS", "pwd,cd"),
        ("SFTPGO_AUTHD__SOMETHING", "x"),
        ("TIDEGATE_COMMAND__INHERIT_ENV", "0"),
        ("SFTPGO_DATA_PROVIDER__PRE_LOGIN_HOOK", "/bin/true"),
        ("SFTPGO_HTTP__TIMEOUT", "2.5"),
        ("SFTPGO_COMMON__UMASK", "77"),
    ];
    let settings = read("tidegate.toml", "[sftpd]\nbind_port = 9\n", &environment).unwrap();
    assert_eq!((settings.bind_port, settings.umask), (2, 0o77));
    assert_eq!(settings.http.timeout, Duration::from_millis(2500));
    assert!(settings.commands.parse(b"pwd").is_some());
    let settings::HookTarget::Program { path, settings } = &settings.hooks[&HookKind::PreLogin].links[0].target else {
        panic!("a program");
    };
    assert!(path == "/bin/true" && !settings.environment.inherited);
    let error = read("tidegate.toml", "", &[("TIDEGATE_SFTPD__BIND_PORT", "many")]).unwrap_err().to_string();
    assert!(error.contains("TIDEGATE_SFTPD__BIND_PORT") && error.contains("not an integer"), "{error}");
}

#[test]
fn what_a_hook_is_given_its_chain_lets_it_have() {
    // A13-07, B0-03, B0-08
    let check = |text: &str, least: u64, most: u64| {
        let settings = read("tidegate.toml", text, &[]).unwrap();
        let deadline = settings.hooks[&HookKind::PreLogin].links[0].settings.deadline.as_secs();
        assert!((least..=most).contains(&deadline), "{text}: {deadline}");
    };
    let program = "[data_provider]\npre_login_hook = \"/bin/true\"\n";
    check(program, 30, 35);
    check(&format!("{program}[[command.commands]]\npath = \"/bin/true\"\ntimeout = 120\n"), 120, 125);
    let http = "[data_provider]\npre_login_hook = \"http://127.0.0.1:1/\"\n[http]\ntimeout = 200.0\n";
    check(http, 200, 205);
    let bounded = "[hook.pre-login]\ntimeout = 5\nhook = \"http://127.0.0.1:1/\"\n[http]\ntimeout = 200.0\n";
    check(bounded, 5, 10);
    // The first entry for the program and the hook counts.
    let entry = |more: &str| format!("[[command.commands]]\npath = \"/bin/true\"\n{more}\n");
    let (other, own) = (entry("hook = \"post_login\"\ntimeout = 90"), entry("hook = \"pre_login\"\ntimeout = 120"));
    let any = entry("timeout = 60");
    check(&format!("{program}{other}{own}{any}"), 120, 125);
    check(&format!("{program}{other}{any}{own}"), 60, 65);
}

#[test]
fn keyboard_interactive_is_wanted_not_wanted_or_left_to_the_hooks() {
    // A3-26, B4-01
    let check = |text: &str, expected: Option<bool>, warns: bool| {
        let settings = read("tidegate.toml", text, &[]).unwrap();
        assert_eq!(settings.keyboard_interactive, expected, "{text}");
        let warned = settings.warnings.iter().any(|warning| warning.contains("keyboard_interactive_authentication"));
        assert_eq!(warned, warns, "{text}: {:?}", settings.warnings);
    };
    let hook = "[hook.keyboard-interactive]\nhook = \"http://127.0.0.1/\"\n";
    check("", None, false);
    check("[sftpd]\nkeyboard_interactive_authentication = true\n", Some(true), false);
    check("[sftpd]\nkeyboard_interactive_authentication = false\n", Some(false), false);
    check(hook, None, false);
    check(&format!("[sftpd]\nkeyboard_interactive_authentication = false\n{hook}"), Some(false), true);
    check(&format!("[sftpd]\nkeyboard_interactive_authentication = true\n{hook}"), Some(true), false);
}

#[test]
fn programs_that_cannot_run_are_fatal_where_they_decide() {
    // A3-18, A3-46, A15-08
    let check = |text: &str, expected: Option<&str>| match (read("tidegate.toml", text, &[]), expected) {
        (Ok(settings), None) => settings,
        (Err(error), Some(expected)) => {
            assert!(error.to_string().contains(expected), "{error}");
            read("tidegate.toml", "", &[]).unwrap()
        }
        (outcome, _) => panic!("{text}: {:?}", outcome.map(drop)),
    };
    let settings = check("[sftpd.actions]\nexecute_on = [\"upload\"]\ncommand = \"notify.sh\"\n", None);
    assert!(settings.hooks[&HookKind::PostAction].links.is_empty() && settings.keyboard_interactive.is_none());
    assert!(settings.warnings.iter().any(|warning| warning.contains("notify.sh")), "{:?}", settings.warnings);
    let settings = check("[sftpd]\nkeyboard_interactive_auth_program = \"/nowhere/ask\"\n", None);
    assert_eq!(settings.keyboard_interactive, Some(false));
    assert!(settings.warnings.iter().any(|warning| warning.contains("/nowhere/ask")), "{:?}", settings.warnings);
    check("[sftpd.actions]\nexecute_on = [\"pre-upload\"]\ncommand = \"scan.sh\"\n", Some("scan.sh"));
    check("[data_provider]\nexternal_auth_program = \"/nowhere/auth\"\n", Some("/nowhere/auth"));
    for key in ["external_auth_hook", "pre_login_hook", "post_login_hook", "check_password_hook"] {
        for program in ["/nowhere/auth", "auth.sh", "/etc/passwd"] {
            check(&format!("[data_provider]\n{key} = \"{program}\"\n"), Some(program));
        }
    }
    // J-10
    let both = "[common.actions]\nexecute_on = [\"upload\"]\ncommand = \"/bin/true\"\nhook = \"/bin/false\"\n";
    check(both, Some("the two differ"));
}

#[test]
fn unknown_keys_are_named_with_the_nearest() {
    // A3-09
    check_error(
        "tidegate.toml",
        "[sftpd]\n\nbind_prot = 1\n",
        &["tidegate.toml", "line 3", "sftpd.bind_prot", "\"bind_port\""],
    );
    check_error("tidegate.yaml", "sfptd:\n  bind_port: 1\n", &["line 1", "\"sfptd\"", "\"sftpd\""]);
    check_error("tidegate.json", r#"{"sftpd":{"keys":[{"private":"x"}]}}"#, &["sftpd.keys.private", "private_key"]);
    check_error("tidegate.toml", "[sftpd]\nqqqqqqqqqqqqqq = 1\n", &["remove it"]);
}

#[test]
fn syntax_errors_have_a_line() {
    // A3-05
    check_error("tidegate.toml", "[sftpd]\nbind_port = \n", &["tidegate.toml, line 2"]);
    check_error("tidegate.json", "{\n\"sftpd\": {,}\n}", &["tidegate.json, line 2"]);
    check_error("tidegate.yaml", "sftpd:\n  - bind_port: [\n", &["tidegate.yaml, line"]);
    check_error("tidegate.hcl", "sftpd {\n  bind_port = = 1\n}\n", &["tidegate.hcl, line 2"]);
    for text in ["a = 4 / 0", "a = -(4 / 0)", "a = [\"${4 / 0}\"]", "a = true ? 1 : 2", "a { b = {c = f(1)} }"] {
        check_error("tidegate.hcl", text, &["the file has an expression"]);
    }
    check_error("tidegate.env", "this is no assignment\n", &["KEY=value"]);
    check_error("tidegate.toml", "\u{0}", &["tidegate.toml"]);
    check_error("tidegate.json", "[]", &["sections"]);
}

#[test]
fn a_key_is_there_once() {
    // A3-09
    for (name, text) in [
        ("tidegate.toml", "[sftpd]\nbind_port = 1\nbind_port = 2\n"),
        ("tidegate.yaml", "sftpd:\n  bind_port: 1\n  bind_port: 2\n"),
        ("tidegate.json", "{\"sftpd\":{\"bind_port\":1,\n\"bind_port\":2}}"),
        ("tidegate.json", "{\"sftpd\":{},\"sftpd\":{}}"),
        ("tidegate.env", "SFTPD__BIND_PORT=1\nTIDEGATE_SFTPD__BIND_PORT=2\n"),
        ("tidegate.properties", "sftpd.bind_port=1\nsftpd.bind_port=2\n"),
    ] {
        let error = read(name, text, &[]).unwrap_err().to_string();
        assert!(error.contains("twice") || error.contains("duplicate"), "{name}: {error}");
    }
    check_error("tidegate.json", "{\n\"sftpd\":{},\n\"sftpd\":{}}", &["line 3", "\"sftpd\" is there twice"]);
}

#[test]
fn values_are_checked_all_at_once() {
    // A3-30, B0-01
    check_error(
        "tidegate.toml",
        "[sftpd]\nbind_address = \"nowhere\"\nciphers = [\"none\"]\nsetstat_mode = 7\n[data_provider]\ndriver = \"oracle\"\n",
        &[
            "\"nowhere\" is not an IP address",
            "\"none\" is not supported",
            "setstat_mode",
            "\"oracle\" is not a driver",
            "line 6",
        ],
    );
    check_error("tidegate.toml", "[sftpd]\nbind_port = 70000\n", &["line 2", "sftpd.bind_port"]);
    check_error("tidegate.toml", "[sftpd]\nbind_port = \"x\"\n", &["sftpd.bind_port", "invalid type"]);
    check_error("tidegate.toml", "[data_provider]\nexternal_auth_hook = \"hook.sh\"\n", &["not an absolute path"]);
    check_error("tidegate.toml", "[data_provider]\nexternal_auth_hook = [\"plugin:\"]\n", &["needs the name"]);
    check_error("tidegate.toml", "[data_provider]\nexternal_auth_hook = \"/nonexistent/x\"\n", &["/nonexistent/x"]);
    check_error(
        "tidegate.toml",
        "[data_provider]\nexternal_auth_hook = \"plugin:a\"\nexternal_auth_program = \"plugin:b\"\n",
        &["older name"],
    );
    check_error("tidegate.toml", "[hook.external-auth]\non_error = \"accept\"\n", &["\"skip\" or \"unsafe_allow\""]);
    check_error("tidegate.toml", "[hook.external]\non_error = \"deny\"\n", &["no such hook"]);
    check_error("tidegate.toml", "[plugin.x]\ngrants = [\"all\"]\n", &["plugin.x"]);
}

#[test]
fn hooks_of_all_spellings_become_links() {
    // A3-17, A3-18, A3-19, A3-40, B0-02, B0-03, B0-04
    let text = r#"
compat = "2.0"
[sftpd.actions]
execute_on = ["upload", "pre-delete"]
http_notification_url = "http://127.0.0.1:1/"
[data_provider]
external_auth_hook = ["/bin/true", { hook = "plugin:ldap", on_error = "skip", users = ["a*"] }]
post_login_hook = "/bin/true"
post_login_scope = 2
[command]
env = ["TZ=UTC"]
commands = [{ path = "/bin/true", timeout = 7, env = ["A=b=c"], args = ["x"], hook = "post_login" }]
[hook.connect]
hook = { hook = "/bin/false", networks = ["10.0.0.0/8"], compat = "current" }
timeout = 3
[hook.session_create]
hook = "/bin/true"
dialect = "directadmin"
"#;
    let settings = read("tidegate.toml", text, &[]).unwrap();
    let of = |kind| &settings.hooks[&kind].links;
    let program = |kind: HookKind| match &of(kind)[0].target {
        settings::HookTarget::Program { settings, .. } => settings.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(of(HookKind::ExternalAuth).len(), 2);
    assert_eq!(of(HookKind::ExternalAuth)[1].settings.on_error, tidegate_core::hook::OnError::Skip);
    assert_eq!(of(HookKind::ExternalAuth)[1].settings.selector.users, [Pattern::wildcards("a*")]);
    assert_eq!(of(HookKind::PostAction)[0].settings.selector.actions, ["upload"]);
    assert_eq!(of(HookKind::PreAction)[0].settings.selector.actions, ["delete"]);
    assert!(matches!(&of(HookKind::PreAction)[0].target, settings::HookTarget::Http { flavour, .. } if flavour.get));
    assert_eq!(of(HookKind::PostLogin)[0].settings.selector.login_succeeded, Some(true));
    let post_login = program(HookKind::PostLogin);
    assert_eq!((post_login.deadline.as_secs(), post_login.args), (7, vec!["x".to_owned()]));
    let variables = [("TZ", "UTC"), ("A", "b=c")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(post_login.environment.variables, variables);
    let connect = program(HookKind::Connect);
    assert!(!connect.environment.inherited && connect.deadline.as_secs() == 3, "{connect:?}");
    assert_eq!(program(HookKind::SessionCreate).flavour.dialect, tidegate_hooks_external::Dialect::DirectAdmin);
    // A15-07
    let both = "command = \"/bin/true\"\nhttp_notification_url = \"http://127.0.0.1:1/\"";
    for (section, on, kind) in
        [("sftpd.actions", "upload", HookKind::PostAction), ("data_provider.actions", "add", HookKind::ObjectChanges)]
    {
        let settings = read("tidegate.toml", &format!("[{section}]\nexecute_on = [\"{on}\"]\n{both}\n"), &[]).unwrap();
        assert_eq!(settings.hooks[&kind].links.len(), 2, "{section}");
    }
}

#[test]
fn hooks_that_make_no_sense_are_explained() {
    // B0-01, B0-02
    let check = |text: &str, expected: &[&str]| check_error("tidegate.toml", text, expected);
    check("compat = \"3.0\"\n", &["compat", "seed, 1.0, 2.0, 2.4, current"]);
    check("[sftpd.actions]\nexecute_on = [\"fly\"]\n", &["\"fly\" is not an action"]);
    check("[hook.connect]\nhook = \"plugin:../x\"\n", &["name of a plugin"]);
    check("[hook.connect]\ncompat = \"old\"\n", &["hook.connect.compat"]);
    check("[hook.connect]\nnetworks = [\"home\"]\n", &["hook.connect.networks", "192.0.2.0/24"]);
    check("[hook.connect]\ntimeout = 0\n", &["hook.connect.timeout"]);
    check("[hook.connect]\nconcurrency = 0\n", &["hook.connect.concurrency"]);
    check("[hook.connect]\nconcurrency = 9223372036854775807\n", &["hook.connect.concurrency", "100000"]);
    check("[hook.connect]\nhok = \"x\"\n", &["hook.connect", "hok"]);
    check("[command]\nenv = [\"SFTPGO_X=1\"]\n[hook.connect]\nhook = \"/bin/true\"\n", &["SFTPGO_X", "reserved"]);
    check("[data_provider]\nexternal_auth_hook = \"http:/\"\n", &["not an http or https URL"]);
    check("[http]\ntimeout = 0\n", &["http.timeout"]);
}

#[test]
fn odd_values_of_the_older_server_are_warned_of() {
    // A3-07, A3-14
    let settings = read(
        "tidegate.toml",
        "[sftpd]\nupload_mode = 9\numask = \"abc\"\n[data_provider]\nexternal_auth_scope = 99\n",
        &[],
    )
    .unwrap();
    assert_eq!(settings.warnings.len(), 3, "{:?}", settings.warnings);
    assert_eq!(settings.umask, 0o022);
    assert_eq!((settings.overwrite, settings.external_auth_scope), (Default::default(), Default::default()));
    for (lines, count) in [
        ("[sftpd]\nupload_mode = 2\n[data_provider]\nexternal_auth_scope = 7\n", 0),
        ("[sftpd]\nupload_mode = 3\n", 1),
        ("[sftpd]\nupload_mode = -1\n", 1),
        ("[data_provider]\nexternal_auth_scope = 16\n", 1),
        ("[data_provider]\nexternal_auth_scope = -1\n", 1),
    ] {
        let warnings = read("tidegate.toml", lines, &[]).unwrap().warnings;
        let named = |line: &&String| line.contains("upload_mode") || line.contains("external_auth_scope");
        assert_eq!(warnings.iter().filter(named).count(), count, "{lines}: {warnings:?}");
    }
    for banner in ["", "   "] {
        let settings = read("tidegate.toml", &format!("[sftpd]\nbanner = \"{banner}\"\n"), &[]).unwrap();
        assert_eq!(settings.identification, concat!("Tidegate_", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn ports_can_be_off_or_any() {
    // A3-50
    let check = |line: &str, expected: Option<(u16, bool)>| {
        let settings = read("tidegate.toml", &format!("[httpd]\n{line}\n"), &[]).unwrap();
        let bound = settings.http_bindings.first().map(|binding| match &binding.place {
            HttpPlace::Tcp(address) => (address.port(), binding.is_chosen),
            HttpPlace::Unix(path) => panic!("{}", path.display()),
        });
        assert_eq!(bound, expected, "{line}");
    };
    check("", Some((8080, false)));
    check("bind_port = 0", None);
    check("bind_port = -1", Some((0, true)));
    check("bind_port = 8081", Some((8081, true)));
    check("bindings = [{ port = 0 }]", None);
    check("bindings = [{ port = 8082, address = \"127.0.0.1\" }]", Some((8082, true)));
    check_error("tidegate.toml", "[httpd]\nbind_port = -2\n", &["httpd.bind_port", "-1 takes any free port"]);
    check_error("tidegate.toml", "[httpd]\nbind_port = 65536\n", &["httpd.bind_port"]);
}

#[test]
fn masks_are_octal_however_they_are_written() {
    // A3-14
    let check = |name: &str, text: &str, expected: Option<u32>| {
        let settings = read(name, text, &[]).unwrap_or_else(|error| panic!("{text}: {error}"));
        match expected {
            Some(expected) => assert_eq!((settings.umask, &settings.warnings), (expected, &Vec::new()), "{text}"),
            None => {
                let key = if text.contains("common") { "common.umask" } else { "sftpd.umask" };
                assert!(settings.warnings.iter().any(|warning| warning.contains(key)), "{:?}", settings.warnings);
            }
        }
    };
    check("tidegate.toml", "", Some(0o022));
    for section in ["sftpd", "common"] {
        let toml = |value: &str| format!("[{section}]\numask = {value}\n");
        let yaml = |value: &str| format!("{section}:\n  umask: {value}\n");
        check("tidegate.yaml", &yaml("0022"), Some(0o022));
        check("tidegate.yaml", &yaml("0077"), Some(0o077));
        check("tidegate.yaml", &yaml("'0027'"), Some(0o027));
        check("tidegate.yaml", &yaml("22"), Some(0o022));
        check("tidegate.yaml", &yaml("0o022"), None);
        check("tidegate.toml", &toml("\"0022\""), Some(0o022));
        check("tidegate.toml", &toml("22"), Some(0o022));
        check("tidegate.toml", &toml("0o077"), None);
        check("tidegate.toml", &toml("\"0088\""), None);
        check("tidegate.toml", &toml("\"\""), None);
        check("tidegate.toml", &toml("\"01777\""), None);
        check("tidegate.json", &format!("{{\"{section}\":{{\"umask\":\"0022\"}}}}"), Some(0o022));
        check("tidegate.hcl", &format!("{section} {{\n  umask = \"0022\"\n}}\n"), Some(0o022));
        check("tidegate.properties", &format!("{section}.umask=0022\n"), Some(0o022));
    }
}

#[test]
fn keys_of_other_databases_are_not_ignored_in_silence() {
    // A1-03, A3-30, A3-32, A3-33, A3-34, A3-35, A3-38, A9-03
    let of = |lines: &str| format!("[data_provider]\n{lines}\n");
    let warned = |lines: &str, key: &str| {
        let settings = read("tidegate.toml", &of(lines), &[]).unwrap_or_else(|error| panic!("{lines}: {error}"));
        assert!(settings.warnings.iter().any(|warning| warning.contains(key)), "{lines}: {:?}", settings.warnings);
    };
    warned("host = \"db\"", "data_provider.host");
    warned("port = 3306", "data_provider.port");
    warned("username = \"u\"", "data_provider.username");
    warned("password = \"p\"", "data_provider.password");
    warned("sslmode = 1", "data_provider.sslmode");
    warned("pool_size = 4", "data_provider.pool_size");
    warned("schema = \"s\"", "data_provider.schema");
    for key in ["password_file", "root_cert", "client_cert", "client_key", "target_session_attrs"] {
        warned(&format!("{key} = \"p\""), &format!("data_provider.{key}"));
    }
    warned("driver = \"memory\"\nhost = \"db\"", "data_provider.host");
    warned("driver = \"bolt\"\npool_size = 4", "data_provider.pool_size");
    warned("connection_string = \"file:/srv/x.db?cache=shared\"", "cache=shared");
    warned("driver = \"bolt\"\nsql_tables_prefix = \"x_\"", "data_provider.sql_tables_prefix");
    let prefixed = ["data_provider.sql_tables_prefix", "tidegate migrate --from DIR -c DIR"];
    check_error("tidegate.toml", &of("sql_tables_prefix = \"x_\""), &prefixed);
    check_error("tidegate.toml", &of("sslmode = 9"), &["data_provider.sslmode"]);
    // A3-35
    for driver in ["sqlite", "bolt", "memory"] {
        let with = |name: &str| of(&format!("driver = \"{driver}\"\nusers_table = \"{name}\""));
        check_error("tidegate.toml", &with("view"), &["data_provider.users_table", prefixed[1]]);
        assert!(read("tidegate.toml", &with("users"), &[]).is_ok(), "{driver}");
    }
    check_error("tidegate.toml", &of("manage_users = 0"), &["data_provider.track_quota"]);
    check_error("tidegate.toml", &of("connection_string = \"host=db\""), &["data_provider.connection_string"]);
    check_error("tidegate.toml", &of("connectionstring = \"a\"\nconnection_string = \"b\""), &["the two differ"]);
    check_error("tidegate.toml", &of("driver = \"memory\"\nname = \"gone.json\""), &["no dump", "gone.json"]);
    let connected = of("driver = \"memory\"\nconnection_string = \"file:x\"");
    check_error("tidegate.toml", &connected, &["data_provider.connection_string", "no meaning for memory"]);
    let bolt = |lines: &str| of(&format!("driver = \"bolt\"\n{lines}"));
    check_error("tidegate.toml", &bolt("connection_string = \"file:x\""), &["no meaning for bolt"]);
    check_error("tidegate.toml", &bolt("name = \"\""), &["data_provider.name", "must name a file"]);
    check_error("tidegate.toml", &bolt("manage_users = 0"), &["data_provider.manage_users"]);
    for (lines, expected) in [("", "tidegate.db"), ("name = \"accounts.db\"", "accounts.db")] {
        let settings = read("tidegate.toml", &bolt(lines), &[]).unwrap();
        assert!(matches!(settings.database, settings::DatabaseSettings::Bolt(path) if path.ends_with(expected)));
    }
    let file = |lines: &str| match read("tidegate.toml", &of(lines), &[]).unwrap().database {
        settings::DatabaseSettings::Sqlite(path) => path,
        other => panic!("{other:?}"),
    };
    assert!(file("").ends_with("tidegate.db"));
    assert!(file("port = 5432").ends_with("tidegate.db"));
    let memory = read("tidegate.toml", &of("driver = \"memory\""), &[]).unwrap().database;
    assert!(matches!(memory, settings::DatabaseSettings::Memory(_)), "{memory:?}");
    check_error("tidegate.toml", &of("driver = \"oracle\""), &["data_provider.driver"]);
    assert_eq!(file("connection_string = \"file:/srv/x.db\""), Path::new("/srv/x.db"));
    assert_eq!(file("connectionstring = \"file:/srv/x.db\""), Path::new("/srv/x.db"));
}

#[test]
fn what_is_not_used_is_said() {
    // A3-25, A3-52
    let check = |text: &str, expected: &str| {
        let settings = read("tidegate.toml", text, &[]).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(settings.warnings.iter().any(|warning| warning.contains(expected)), "{text}: {:?}", settings.warnings);
    };
    check("[sftpd]\nenabled_ssh_commands = [\"cd\", \"sha1sm\"]\n", "\"sha1sm\"");
    check("[sftpd]\nenabled_ssh_commands = [\"SCP\"]\n", "\"SCP\"");
    check("[httpd]\ntemplates_path = \"mine\"\n", "httpd.templates_path");
    check("[httpd]\nstatic_files_path = \"mine\"\n", "httpd.static_files_path");
    check("[data_provider]\nexternal_auth_scope = 8\n", "data_provider.external_auth_scope");
    check("[data_provider]\ncheck_password_hook = \"/bin/true\"\ncheck_password_scope = 2\n", "leaves out SSH");
    check_error(
        "tidegate.toml",
        "[data_provider]\ncheck_password_scope = 16\n",
        &["data_provider.check_password_scope"],
    );
    for section in ["httpd", "data_provider"] {
        let settings = read("tidegate.toml", &format!("[{section}]\nbackups_path = \"/srv/b\"\n"), &[]).unwrap();
        assert_eq!(settings.backups, Path::new("/srv/b"), "{section}");
    }
    let backups = read("tidegate.toml", "", &[]).unwrap().backups;
    assert!(backups.is_absolute() && backups.ends_with("backups"), "{}", backups.display());
}

#[test]
fn keys_of_later_versions_are_understood_or_named() {
    // A3-02, A3-09
    let directory = tempfile::tempdir().unwrap();
    let load = |text: &str, environment: &[(&str, &str)]| {
        std::fs::write(directory.path().join("tidegate.toml"), text).unwrap();
        let environment: Vec<_> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let loaded = Loaded::read(&[directory.path().to_owned()], None, &environment).unwrap();
        let settings = loaded.validate(directory.path(), false).map_err(|error| error.to_string());
        (settings, loaded.notes.join("\n"))
    };
    let (settings, notes) = load("[sftpd]\nbindings = [{ port = 22, address = \"127.0.0.1\" }]\n", &[]);
    assert_eq!((settings.unwrap().bind_port, notes.as_str()), (22, ""));
    let environment = [("SFTPGO_SFTPD__BINDINGS__0__PORT", "23"), ("SFTPGO_SFTPD__HOST_KEYS", "/k")];
    let (settings, notes) = load("[sftpd]\nbind_port = 22\n", &environment);
    let settings = settings.unwrap();
    assert_eq!((settings.bind_port, settings.host_keys), (23, HostKeyFiles::Named(vec![PathBuf::from("/k")])));
    assert!(notes.contains("sftpd.bindings"), "{notes}");
    let (settings, notes) = load("[common]\ntemp_path = \"/var/tmp\"\n", &[]);
    assert!(settings.is_ok() && notes.contains("line 2") && notes.contains("common.temp_path"), "{notes}");
    let environment = [("SFTPGO_COMMON__RATE_LIMITERS__0__AVERAGE", "10")];
    assert_eq!(load("", &environment).0.unwrap().defender.rates.len(), 1);
    let (settings, _) = load("[sftpd]\npassword_authentication = false\n", &[]);
    assert!(settings.unwrap_err().contains("sftpd.password_authentication"));
    let (settings, _) = load("", &[("TIDEGATE_SFTPD__BIND_PROT", "1")]);
    assert!(settings.unwrap_err().contains("TIDEGATE_SFTPD__BIND_PROT"));
    let (settings, notes) = load("", &[("SFTPGO_SFTPD__BIND_PROT", "1")]);
    assert!(settings.is_ok() && notes.contains("SFTPGO_SFTPD__BIND_PROT"), "{notes}");
}
