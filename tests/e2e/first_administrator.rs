//! The first administrator, added with the code that the server writes to its log.

use std::process::Command;

use serde_json::{Value, json};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::tools;

use crate::rest_examples::administrator;

const PASSWORD: &str = "a-long-password";

/// The codes in the log of a server that has started.
pub fn codes(server: &Server) -> Vec<String> {
    let lines = server.log();
    let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let messages = lines.filter_map(|line| line["message"].as_str().map(str::to_owned));
    let of_code = messages.filter(|message| message.starts_with("there is no administrator"));
    let code = |message: String| message.split(' ').find(|word| word.starts_with("tgt_")).unwrap().to_owned();
    of_code.map(code).collect()
}

/// The status and the body of an answer.
fn ask(server: &Server, arguments: &[&str], path: &str) -> (String, String) {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "30", "--write-out", "\n%{http_code}"]).args(arguments);
    let answer = tools::run_ok(curl.arg(format!("http://127.0.0.1:{}{path}", server.http_port)));
    let (body, status) = answer.trim_end().rsplit_once('\n').unwrap();
    (status.to_owned(), body.to_owned())
}

#[test]
fn the_code_in_the_log_adds_one_who_logs_in_on_the_web_pages() {
    // A19-04
    let site = Site::new();
    let server = site.start();
    let [code]: [String; 1] = codes(&server).try_into().unwrap();
    assert!(server.log().contains("/web/first"), "{}", server.log());
    let jar = site.path("cookies");
    let jar = jar.to_str().unwrap();
    let cookies = ["--cookie", jar, "--cookie-jar", jar];
    let send = |path: &str, form: &str| {
        let own = ["--header", "Sec-Fetch-Site: same-origin", "--data", form];
        ask(&server, &[&cookies[..], &own[..]].concat(), path)
    };
    let add =
        |code: &str| send("/web/first", &format!("code={code}&username=root&password={PASSWORD}&again={PASSWORD}"));
    assert_eq!(ask(&server, &[], "/web/first").0, "200");
    let wrong = add("tgt_x_y");
    assert!(wrong.0 == "403" && wrong.1.contains("The code is wrong, was used, has expired"), "{wrong:?}");
    assert_eq!(add(&code).0, "303", "{}", server.log());
    assert_eq!(add(&code).0, "403");
    assert_eq!(send("/web/login", &format!("username=root&password={PASSWORD}")).0, "303");
    let page = ask(&server, &cookies, "/web/admins");
    assert!(page.0 == "200" && page.1.contains("root"), "{page:?}");
    // The code was said once, and nowhere else.
    let audit = tools::run_ok(&mut site.tidegate(&["audit", "list", "--json"]));
    assert!(audit.contains("code:first-administrator") && !audit.contains(&code), "{audit}");
    assert!(!ask(&server, &[], "/metrics").1.contains(&code));
    assert_eq!(server.log().matches(&code).count(), 1, "{}", server.log());
    server.terminate();
    assert!(codes(&site.start()).is_empty(), "there is an administrator");
}

#[test]
fn the_code_adds_one_over_rest_who_gets_a_token() {
    // A19-04
    let site = Site::new();
    // A code is good on each server of the database, also after a restart.
    let server = site.start();
    let [code]: [String; 1] = codes(&server).try_into().unwrap();
    server.terminate();
    let server = site.start();
    let [other]: [String; 1] = codes(&server).try_into().unwrap();
    assert_ne!(code, other);
    let add = |code: &str| {
        let body = json!({"code": code, "username": "root", "password": PASSWORD}).to_string();
        ask(&server, &["--json", &body], "/api/tidegate/first-administrator")
    };
    assert_eq!(add(&code).0, "201", "{}", server.log());
    let denied = add(&other);
    assert!(denied.0 == "403" && denied.1.contains("there is an administrator already"), "{denied:?}");
    let token = ask(&server, &["--user", &format!("root:{PASSWORD}")], "/api/v2/token");
    assert!(token.0 == "200" && token.1.contains("access_token"), "{token:?}");
}

#[test]
fn there_is_a_code_only_where_it_is_of_use() {
    // A19-04
    let check = |configuration: &str, environment: &[(&str, &str)], has_administrator: bool, expected: usize| {
        let site = Site::new().config(configuration);
        if has_administrator {
            administrator(&site, "root", PASSWORD);
        }
        let server = site.start_with(environment);
        assert_eq!(codes(&server).len(), expected, "{configuration} {environment:?}\n{}", server.log());
        server
    };
    check("", &[], false, 1);
    check("", &[], true, 0);
    check("", &[("TIDEGATE_HTTPD__FIRST_ADMINISTRATOR_CODE", "false")], false, 0);
    check("", &[("TIDEGATE_HTTPD__BIND_PORT", "0")], false, 0);
    let sockets = tempfile::tempdir().unwrap();
    let socket = sockets.path().join("http.sock");
    check(&format!("[[httpd.bindings]]\naddress = \"{}\"\n", socket.display()), &[], false, 0);
    let rest_alone = "[[httpd.bindings]]\naddress = \"127.0.0.1\"\nport = -1\nenable_web_admin = false\n";
    let server = check(rest_alone, &[], false, 1);
    assert!(!server.log().contains("/web/first"), "{}", server.log());
    assert_eq!(ask(&server, &[], "/web/first").0, "404");
}
