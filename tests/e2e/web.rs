//! The web admin in a browser: Debian's Chromium goes through the journeys of `tests/web` on a server of their own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tidegate_tests::clients::{self, Proof, can_log_in, sftp, sftp_ok, sftp_with};
use tidegate_tests::raw_sftp::RawSftp;
use tidegate_tests::server::{Server, Site};
use tidegate_tests::tools;

const PASSWORD: Proof<'static> = Proof::Password("pw");
/// Of the administrators that the tests make.
const OF_ADMINS: &str = "a-long-password";
/// A name that becomes an element where it is not escaped.
const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'&\u{202e}\u{200f}--><script>x</script>";
/// A binding that has the pages of users as well.
const WITH_PAGES_OF_USERS: &str = "[[httpd.bindings]]\naddress = \"127.0.0.1\"\nport = -1\nenable_web_client = true\n";

pub fn admin(site: &Site, name: &str) {
    tools::run_ok(&mut site.tidegate(&[
        "admin",
        "add",
        "--username",
        name,
        "--password",
        OF_ADMINS,
        "--permissions",
        "*",
    ]));
}

/// Goes through the journeys of a file of `tests/web/journeys`, which find `more` in their task.
pub fn journeys(server: &Server, file: &str, more: &Value) {
    let mut task = json!({"address": format!("http://127.0.0.1:{}", server.http_port), "password": OF_ADMINS});
    task.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let mut node = Command::new("node");
    node.arg(tools::root().join("tests/web/run.mjs")).arg(file).env("JOURNEY", task.to_string());
    let output = tools::run(&mut node);
    let log = server.log();
    let end: Vec<_> = log.lines().rev().take(30).collect();
    assert!(output.status.success(), "{}\nthe newest lines of the log:\n{}", clients::text(&output), end.join("\n"));
}

/// A hook that refuses `eve`, and names that turn the direction of text, with a reason; it says on standard error which
/// user it was asked about.
fn sundays(site: &Site) -> String {
    let script = site.script(
        "sundays.sh",
        "#!/bin/sh\necho \"asked about $SFTPGO_LOGIN_USERNAME\" >&2\ncase $SFTPGO_LOGIN_USERNAME in\n\
         eve) echo closed on Sundays; exit 1 ;;\n*'\u{202e}'*) printf 'because %s\\n' \"$SFTPGO_LOGIN_USERNAME\"; exit 1 ;;\nesac\n",
    );
    format!("[hook.login-pre]\nhook = \"{}\"\n", script.display())
}

/// A server on which every page has something to show.
fn furnished() -> (Site, Server) {
    furnished_more(Site::new(), None)
}

/// `signer`: the key that signs its plugin, and that the configuration trusts: plugins may be changed in the browser.
fn furnished_more(site: Site, signer: Option<&Path>) -> (Site, Server) {
    site.plugin("upload-policy", &tools::guest("upload-policy"), "[config]\nmax_bytes = 1000000000\n");
    if let Some(signer) = signer {
        let mut sign = Command::new(tools::tidegate());
        sign.args(["plugin", "sign", "--key"]).arg(signer).arg(site.path("plugins/upload-policy.wasm"));
        tools::run_ok(&mut sign);
    }
    let hook = sundays(&site);
    let site = site.config(&hook);
    site.user("ada");
    admin(&site, "root");
    let may_change = [("TIDEGATE_HTTPD__MANAGE_PLUGINS", "true")];
    let server = site.start_with(if signer.is_some() { &may_change[..] } else { &[] });
    assert!(!can_log_in(&server, "ada", Proof::PasswordMethod("wrong")));
    (site, server)
}

#[test]
fn administrators_log_in_and_out() {
    // A19-04
    let site = Site::new();
    ["root", "second", "third", "careful"].iter().for_each(|name| admin(&site, name));
    let codes = tools::run_ok(&mut site.tidegate(&["admin", "totp", "--username", "careful", "--enable", "--json"]));
    let codes: Value = serde_json::from_str(&codes).unwrap();
    let server = site.start();
    journeys(&server, "login", &json!({"codes": codes}));
}

#[test]
fn over_tls_the_cookie_is_bound_to_the_host() {
    // A19-04
    let site = Site::new();
    let file = |name: &str| site.path(name).to_str().unwrap().to_owned();
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout"];
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]);
    tools::run_ok(openssl.args(key).arg(file("tls.key")).args(["-out", &file("tls.pem")]));
    admin(&site, "root");
    let server = site.start_with(&[
        ("TIDEGATE_HTTPD__CERTIFICATE_FILE", "tls.pem"),
        ("TIDEGATE_HTTPD__CERTIFICATE_KEY_FILE", "tls.key"),
    ]);
    journeys(&server, "encrypted", &json!({"address": format!("https://127.0.0.1:{}", server.http_port)}));
}

#[test]
fn behind_a_trusted_proxy_the_cookie_is_bound_to_the_host() {
    // A19-04
    let site =
        Site::new().config("[[httpd.bindings]]\naddress = \"127.0.0.1\"\nport = -1\nproxy_allowed = [\"127.0.0.1\"]\n");
    admin(&site, "root");
    let server = site.start();
    let ask = |from: &str, arguments: &[&str], path: &str| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--include", "--max-time", "30", "--interface", from]);
        for line in ["Host: files.example", "X-Forwarded-For: 198.51.100.7", "X-Forwarded-Proto: https"] {
            curl.args(["--header", line]);
        }
        tools::run_ok(curl.args(arguments).arg(format!("http://127.0.0.1:{}{path}", server.http_port)))
    };
    let password = format!("username=root&password={OF_ADMINS}");
    let form =
        ["--header", "Origin: https://files.example", "--header", "Sec-Fetch-Site: same-origin", "--data", &password];
    let answer = ask("127.0.0.1", &form, "/web/login");
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    let line = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap_or_else(|| panic!("{answer}"));
    assert!(line.starts_with("__Host-tidegate=") && line.trim_end().ends_with("; Secure"), "{line}");
    let cookie = format!("Cookie: {}", line.split(';').next().unwrap());
    let page = ask("127.0.0.1", &["--header", &cookie], "/web");
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    // Another program on the same machine is not the proxy.
    for (arguments, path) in [(&form[..], "/web/login"), (&["--header", &cookie][..], "/web")] {
        let answer = ask("127.0.0.9", arguments, path);
        let is_refused = answer.starts_with("HTTP/1.1 403") || answer.starts_with("HTTP/1.1 303");
        assert!(is_refused && !answer.contains("set-cookie"), "{path} {answer}");
    }
    let page = ask("127.0.0.9", &[], "/web/login");
    assert!(page.contains("a proxy in httpd.proxy_allowed") && !page.contains("type=\"password\""), "{page}");
}

#[test]
fn a_binding_without_the_web_admin_has_the_other_doors_alone() {
    // A19-01
    let status = |server: &Server, arguments: &[&str], path: &str| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--max-time", "30"])
            .args(arguments);
        tools::run_ok(curl.arg(format!("http://127.0.0.1:{}{path}", server.http_port)))
    };
    for (is_on, expected) in [(true, "200"), (false, "404")] {
        let site = Site::by_default();
        admin(&site, "root");
        let binding = "[[httpd.bindings]]\naddress = \"127.0.0.1\"\nport = -1\n";
        let server = site.config(&format!("{binding}enable_web_admin = {is_on}\n")).start();
        assert_eq!(status(&server, &[], "/web/login"), expected, "{is_on}");
        let token = ["--user", &format!("root:{OF_ADMINS}")];
        assert_eq!(status(&server, &token, "/api/v2/token"), "200", "{is_on}");
        if !is_on {
            for path in ["/", "/web", "/web/users", "/web/static/style.css"] {
                assert_eq!(status(&server, &[], path), "404", "{path}");
            }
            let form = ["--data", "username=root&password=x"];
            assert_eq!(status(&server, &form, "/web/login"), "404");
        }
    }
}

#[test]
fn a_user_that_was_added_in_the_form_logs_in() {
    // A1-21, A19-02
    let site = Site::new();
    admin(&site, "root");
    let server = site.start();
    let key = clients::key(&site.path(""), "key");
    let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    // Not in the server's own directory, where none may be.
    let homes = tempfile::tempdir().unwrap();
    journeys(&server, "add_a_user", &json!({"homes": homes.path(), "key": public.trim()}));
    let local = site.write("local", vec![1; 1000]);
    for (proof, name) in [(Proof::Password("pw of ada"), "a"), (Proof::Key(&key), "b")] {
        let local = local.display();
        let batch = format!("put {local} /{name}\n-mkdir /in\nput {local} /in/{name}\n-rm /in/{name}\nls /in\n");
        let said = sftp_ok(&server, "ada", proof, &batch);
        assert!(said.contains("ermission denied") && said.contains(&format!("/in/{name}")), "{said}");
    }
    let large = site.write("large", vec![1; 1_000_000]);
    let batch = format!("put {} /b\n", large.display());
    assert!(!sftp(&server, "ada", Proof::Key(&key), &batch).status.success(), "the quota is that of the form");
    assert!(can_log_in(&server, "grace", Proof::Password("pw of grace")));
    assert!(!can_log_in(&server, "grace", Proof::Key(&key)), "keys are not copied");
}

#[test]
fn a_user_changes_its_own_account() {
    // D-08
    let site = Site::new().config(WITH_PAGES_OF_USERS);
    admin(&site, "root");
    site.user("ada");
    let server = site.start();
    let key = clients::key(&site.path(""), "key");
    let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    journeys(&server, "own_account", &json!({"key": public.trim()}));
    assert!(can_log_in(&server, "ada", Proof::Key(&key)));
    assert!(can_log_in(&server, "ada", Proof::Password("another pw")) && !can_log_in(&server, "ada", PASSWORD));
}

#[test]
fn the_pages_of_users_fit_and_a_keyboard_is_enough_for_them() {
    // D-08
    let site = Site::new().config(WITH_PAGES_OF_USERS);
    admin(&site, "root");
    let server = site.start();
    let key = clients::key(&site.path(""), "key");
    let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    let words: Vec<_> = public.split_whitespace().take(2).collect();
    let long = format!("{HOSTILE}{}", "x".repeat(300));
    journeys(&server, "own_pages", &json!({"key": words.join(" "), "hostile": HOSTILE, "long": long}));
}

#[test]
fn accounts_are_found_and_changed() {
    // A1-21, A19-01, A19-02, A19-03
    let site = Site::new();
    admin(&site, "root");
    site.user("open");
    let server = site.start();
    let mut session = RawSftp::connect(&server, "open", "pw");
    journeys(&server, "change_users", &json!({}));
    assert!(session.receive().is_none(), "the session has ended with the account");
    assert!(can_log_in(&server, "document", PASSWORD) && can_log_in(&server, "both", PASSWORD), "passwords stay");
    assert!(!can_log_in(&server, "m00", PASSWORD) && can_log_in(&server, "m01", PASSWORD));
}

#[test]
fn groups_folders_and_roles_are_added_and_deleted() {
    let site = Site::new();
    admin(&site, "root");
    let server = site.start();
    let homes = tempfile::tempdir().unwrap();
    journeys(&server, "other_objects", &json!({"homes": homes.path()}));
}

#[test]
fn a_keyboard_or_forms_alone_are_enough() {
    let site = Site::new();
    admin(&site, "root");
    let hook = sundays(&site);
    let site = site.config(&hook);
    let server = site.start();
    journeys(&server, "keyboard", &json!({}));
    journeys(&server, "without_script", &json!({}));
}

/// A client that transfers something large so slowly that it does not end by itself.
fn slow_transfer(site: &Site, server: &Server, user: &str, options: &[&str], batch: &str) -> Child {
    let batch = site.write(&format!("{user}.batch"), batch);
    let mut sftp = clients::openssh("sftp", server, PASSWORD);
    sftp.args(["-l", "1600"]).args(options).arg("-oBatchMode=no").arg("-b").arg(batch).arg(format!("{user}@127.0.0.1"));
    sftp.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn transfers_are_watched_and_ended() {
    // A1-21, A19-01, A19-03
    let site = Site::new().config("enabled_ssh_commands = [\"scp\"]");
    admin(&site, "root");
    let large = site.write("large", vec![1; 50_000_000]);
    let homes = ["uploader", "downloader", "other", "copier"].map(|user| site.user(user));
    std::fs::create_dir_all(&homes[1]).unwrap();
    std::fs::copy(&large, homes[1].join("big")).unwrap();
    let server = site.start();
    let put = format!("put {} /big\n", large.display());
    let get = format!("get /big {}\n", site.path("fetched").display());
    let mut uploader = slow_transfer(&site, &server, "uploader", &[], &put);
    let mut downloader = slow_transfer(&site, &server, "downloader", &[], &get);
    let mut other = slow_transfer(&site, &server, "other", &["-oBindAddress=127.0.0.2"], &put);
    let mut scp = clients::openssh("scp", &server, PASSWORD);
    // The older protocol says the size before the content.
    scp.args(["-O", "-l", "1600", "-oBatchMode=no"]).arg(&large).arg("copier@127.0.0.1:/big");
    let mut copier = scp.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    journeys(&server, "connections", &json!({}));
    copier.kill().unwrap();
    copier.wait().unwrap();
    assert!(!uploader.wait().unwrap().success() && !other.wait().unwrap().success(), "their connections were closed");
    assert!(downloader.try_wait().unwrap().is_none(), "the other one goes on");
    let elsewhere = || sftp_with(&server, "other", PASSWORD, &["-oBindAddress=127.0.0.2"], "pwd\n").status.success();
    assert!(!elsewhere() && can_log_in(&server, "other", PASSWORD), "the address is banned, the account is not");
    journeys(&server, "lift_a_ban", &json!({}));
    assert!(elsewhere(), "{}", server.log());
    downloader.kill().unwrap();
    downloader.wait().unwrap();
}

#[test]
fn a_refused_login_and_a_slow_hook_are_found() {
    let site = Site::new();
    // Slower than any other script, however busy the machine is.
    let slow = site.script("slow.sh", "#!/bin/sh\nexec sleep 1\n");
    let hook = sundays(&site);
    let site = site.config(&format!("{hook}[hook.session-create]\nhook = \"{}\"\n", slow.display()));
    admin(&site, "root");
    site.user("ada");
    let server = site.start();
    assert!(can_log_in(&server, "ada", PASSWORD));
    assert!(!can_log_in(&server, "ada", Proof::PasswordMethod("wrong")));
    let secret = "the-password-of-eve";
    assert!(!can_log_in(&server, "eve", Proof::PasswordMethod(secret)));
    journeys(&server, "hooks", &json!({"secret": secret}));
}

#[test]
fn the_server_is_operated() {
    // A19-03
    let site = Site::new();
    let homes = format!("[data_provider]\nhomes = [\"{}\"]", site.path("homes").display());
    let signer = clients::key(&site.path(""), "signer");
    let public = std::fs::read_to_string(signer.with_extension("pub")).unwrap();
    let trusted = format!("[plugins]\ntrusted_keys = [{:?}]", public.trim());
    let (site, server) = furnished_more(site.config(&homes).config(&trusted), Some(&signer));
    let home = site.path("homes/ada");
    std::fs::create_dir_all(&home).unwrap();
    ["a", "b", "c"].iter().for_each(|name| std::fs::write(home.join(name), "content").unwrap());
    tools::run_ok(&mut site.tidegate(&["user", "update", "--username", "ada", "--quota-files", "10"]));
    journeys(&server, "operations", &json!({"plugin": site.path("plugins/upload-policy.wasm")}));
    journeys(&server, "people", &json!({}));
    // Last, since the first minute of a plot is over by then.
    journeys(&server, "plots", &json!({}));
}

#[test]
fn guests_see_neither_data_nor_buttons() {
    // A19-04
    let (_site, server) = furnished();
    journeys(&server, "guests", &json!({}));
}

#[test]
fn every_page_fits() {
    // A19-01
    let (_site, server) = furnished();
    journeys(&server, "widths", &json!({}));
}

#[test]
fn names_full_of_markup_are_texts() {
    let site = Site::new();
    let hook = sundays(&site);
    let site = site.config(&hook);
    admin(&site, "root");
    site.user("files");
    let server = site.start();
    let mut client = Command::new(tools::python());
    client.arg(tools::root().join("tests/e2e/clients/hostile_names.py")).arg(server.port.to_string()).arg(HOSTILE);
    let mut client = client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let said: Vec<_> = BufReader::new(client.stdout.take().unwrap()).lines().map_while(Result::ok).take(2).collect();
    assert_eq!(said, ["refused", "ready"], "{}", server.log());
    journeys(&server, "markup", &json!({"hostile": HOSTILE, "long": format!("{HOSTILE}{}", "x".repeat(300))}));
    drop(client.stdin.take());
    client.wait().unwrap();
}
