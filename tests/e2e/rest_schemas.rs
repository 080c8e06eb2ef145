//! The descriptions of the REST interfaces against the server: schemathesis asks every operation with what its schema
//! allows and with what it does not, one request after the other and in sequences, and every answer has to be as the
//! description says.

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::tools;

use crate::first_administrator::codes;
use crate::rest_examples::{House, NOT_REACHED, administrator};

/// Operations with documents or parameters that have to do with each other, or with what is stored: that is in no
/// schema, so that what fits the schema may be refused with 400.
const DOCUMENTS: &[&str] = &[
    "add_user",
    "update_user",
    "add_folder",
    "update_folder",
    "add_group",
    "update_group",
    "add_role",
    "update_role",
    "add_admin",
    "update_admin",
    "add_api_key",
    "update_api_key",
    "add_login_link",
    // JSON Schema takes 1.0 for a whole number, the server does not.
    "add_ban",
    // Networks are texts in the schema.
    "add_exempt_network",
    "remove_exempt_network",
    "loaddata_from_request_body",
    "user_quota_update_usage",
    "folder_quota_update_usage",
    "test_hooks",
    "install_plugin",
    "get_users",
    "get_folders",
    "get_groups",
    "get_roles",
    "dumpdata",
    "loaddata",
    "loaddata_from_file",
];

/// Operations whose bodies are those of others, thousands of borders each: the phase that tries all borders is left out,
/// since a made-up version refuses a change before its body is looked at, and a dump is all kinds at once.
const BORDERS_ELSEWHERE: &[&str] = &["update_user", "update_group", "update_folder", "loaddata_from_request_body"];

/// How requests are authenticated, and what they may be refused with. A precondition may fail before the body is looked at
/// (RFC 9110 section 13.2.2), which the tool does not expect. In the phase of the examples nothing is asked with what other
/// answers have, so that each object is there for its operation.
fn settings(house: &House, interface: &str) -> String {
    let valid = r#"["2xx", "3xx", "401", "403", "404", "409", "412", "429"]"#;
    let refused = r#"["400", "401", "403", "404", "405", "409", "412", "413", "415", "422", "429"]"#;
    let credentials = match interface {
        "v2" => format!("[auth.openapi.token]\nbearer = \"{}\"\n", house.token),
        _ => format!("[auth.openapi.key]\napi_key = \"{}\"\n", house.key),
    };
    let mut text = format!(
        "{credentials}[auth.openapi.password]\nusername = \"root\"\npassword = \"a-long-password\"\n\
         [checks.positive_data_acceptance]\nexpected-statuses = {valid}\n\
         [checks.negative_data_rejection]\nexpected-statuses = {refused}\n\
         [phases.examples]\nextra-data-sources = {{ responses = false }}\n"
    );
    for operation in DOCUMENTS {
        text += &format!(
            "[[operations]]\ninclude-operation-id = \"{operation}\"\n\
             [operations.checks.positive_data_acceptance]\nexpected-statuses = {}\n",
            valid.replace("\"401\"", "\"400\", \"401\"")
        );
        if BORDERS_ELSEWHERE.contains(operation) {
            text += "[operations.phases.coverage]\nenabled = false\n";
        }
    }
    for (_, operation, token) in house.own_tokens.iter().filter(|(of, _, _)| *of == interface) {
        text += &format!("[auth.openapi.{operation}]\nbearer = \"{token}\"\n");
    }
    text
}

/// Runs the tool, which has to find nothing; what it said.
fn run(site: &Site, server: &Server, settings: &str, description: &Value, phases: &str) -> String {
    site.write("schemathesis.toml", settings);
    site.write("description.json", description.to_string());
    let program = tools::python().with_file_name("schemathesis");
    let mut schemathesis = Command::new(program);
    schemathesis.current_dir(site.path("")).args(["--config-file", "schemathesis.toml", "run", "description.json"]);
    schemathesis.arg("--url").arg(format!("http://127.0.0.1:{}/", server.http_port));
    schemathesis.args(["--seed", "1", "--max-examples", "5", "--continue-on-failure", "--no-shrink", "--no-color"]);
    schemathesis.args(["--phases", phases, "--request-timeout", "30"]);
    let output = tools::run(schemathesis.stdin(Stdio::null()));
    let text = String::from_utf8_lossy(&output.stdout);
    let title = &description["info"]["title"];
    assert!(output.status.success(), "{title}:\n{text}{}", String::from_utf8_lossy(&output.stderr));
    text.into_owned()
}

fn check(house: &House, interface: &str, phases: &str) {
    let (settings, description) = (settings(house, interface), house.description(interface));
    let text = run(&house.site, &house.server, &settings, &description, phases);
    if interface == "v2" {
        // Otherwise only a limit of time could refuse them, which a slow machine does not reach.
        for path in ["/api/v2/admins/old/forgot-password", "/api/v2/users/alice/forgot-password"] {
            house.is_refused_with_a_version(path);
        }
    }
    for class in [2, 4] {
        let never: Vec<_> = house.never_answered(interface, class);
        let known = NOT_REACHED.iter().filter(|(of, _, _)| class == 2 && *of == interface).map(|(_, name, _)| *name);
        let known: Vec<_> = known.collect();
        assert!(never == known, "{interface}: never answered with {class}xx: {never:?}, and not {known:?}\n{text}");
    }
}

#[test]
fn every_answer_is_as_the_description_says() {
    // A18-14
    // Accounts have the same schema in v1 as in v2: all borders of all their fields once will do, since each account
    // that is made costs a hash.
    for (interface, phases) in [
        ("v1", "examples,fuzzing,stateful"),
        ("tidegate", "examples,coverage,fuzzing,stateful"),
        ("v2", "examples,coverage,fuzzing,stateful"),
    ] {
        // What one of them deletes, another one needs.
        check(&House::start(), interface, phases);
    }
}

#[test]
fn the_first_administrator_is_added_as_the_description_says() {
    // A18-14, A19-04: which succeeds only where there is no administrator.
    const PATH: &str = "/api/tidegate/first-administrator";
    let site = Site::new();
    let server = site.start();
    let mut curl = Command::new("curl");
    let url = format!("http://127.0.0.1:{}/openapi/tidegate.json", server.http_port);
    let mut description: Value = serde_json::from_str(&tools::run_ok(curl.args(["--silent", &url]))).unwrap();
    description["paths"].as_object_mut().unwrap().retain(|path, _| path == PATH);
    let code = codes(&server).remove(0);
    let body = json!({"code": code, "username": "root", "password": "a-long-password"});
    description["paths"][PATH]["post"]["requestBody"]["content"]["application/json"]["examples"] =
        json!({"stored": {"value": body}});
    run(&site, &server, "", &description, "examples");
    let log = server.log();
    let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    assert!(lines.any(|line| line["uri"] == PATH && line["resp_status"] == 201), "{log}");
}

#[test]
fn a_client_that_is_made_of_the_description_works() {
    // A18-14
    let site = Site::new();
    administrator(&site, "root", "a-long-password");
    let server = site.start();
    let base = format!("http://127.0.0.1:{}", server.http_port);
    let generator = tools::python().with_file_name("openapi-python-client");
    let mut generate = Command::new(generator);
    generate.current_dir(site.path("")).args(["generate", "--meta", "none", "--output-path", "generated"]);
    tools::run_ok(generate.args(["--url", &format!("{base}/openapi/v2.json")]));
    let mut client = Command::new(tools::python());
    client.arg(tools::root().join("tests/clients/rest_generated.py")).env("PYTHONPATH", site.path(""));
    assert_eq!(tools::run_ok(client.args([&base, "/srv/bob"])).trim(), "bob /srv/bob 0");
}
