//! The descriptions of the REST interfaces against the server: schemathesis asks every operation with what its schema
//! allows and with what it does not, one request after the other and in sequences, and every answer has to be as the
//! description says.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tidegate_tests::server::Site;
use tidegate_tests::tools;

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
    "add_login_link",
    // JSON Schema takes 1.0 for a whole number, the server does not.
    "add_ban",
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

/// Checks of what requests are refused with. A precondition may fail before the body is looked at (RFC 9110 section
/// 13.2.2), which the tool does not expect.
fn settings(key: &str) -> String {
    let valid = r#"["2xx", "3xx", "401", "403", "404", "409", "412", "429"]"#;
    let refused = r#"["400", "401", "403", "404", "405", "409", "412", "413", "415", "422", "429"]"#;
    let mut text = format!(
        "[auth.openapi.password]\nusername = \"root\"\npassword = \"a-long-password\"\n\
         [auth.openapi.key]\napi_key = \"{key}\"\n\
         [checks.positive_data_acceptance]\nexpected-statuses = {valid}\n\
         [checks.negative_data_rejection]\nexpected-statuses = {refused}\n"
    );
    for operation in DOCUMENTS {
        text += &format!(
            "[[operations]]\ninclude-operation-id = \"{operation}\"\n\
             [operations.checks.positive_data_acceptance]\nexpected-statuses = {}\n",
            valid.replace("\"401\"", "\"400\", \"401\"")
        );
    }
    text
}

fn check(directory: &Path, url: &str, phases: &str) {
    let program = tools::python().with_file_name("schemathesis");
    let mut schemathesis = Command::new(program);
    schemathesis.current_dir(directory).args(["--config-file", "schemathesis.toml", "run", url]);
    schemathesis.args(["--seed", "1", "--max-examples", "5", "--continue-on-failure", "--no-shrink", "--no-color"]);
    schemathesis.args(["--phases", phases, "--request-timeout", "30"]);
    let output = tools::run(schemathesis.stdin(Stdio::null()));
    assert!(output.status.success(), "{url}:\n{}", String::from_utf8_lossy(&output.stdout));
}

/// An administrator `root` with all permissions.
fn administrator(site: &Site) {
    let mut add = site.tidegate(&["admin", "add", "--username", "root", "--password-stdin", "--permissions", "*"]);
    let mut child = add.stdin(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"a-long-password\n").unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn every_answer_is_as_the_description_says() {
    // A18-14
    let site = Site::new();
    site.user("alice");
    administrator(&site);
    let made = tools::run_ok(&mut site.tidegate(&["apikey", "add", "--name", "all", "--json"]));
    let made: Value = serde_json::from_str(&made).unwrap();
    let server = site.start();
    site.write("schemathesis.toml", settings(made["key"].as_str().unwrap()));
    // Accounts have the same schema in v1 as in v2: all borders of all their fields once will do, since each account
    // that is made costs a hash.
    let phases = [
        ("tidegate", "examples,coverage,fuzzing,stateful"),
        ("v2", "examples,coverage,fuzzing,stateful"),
        ("v1", "examples,fuzzing,stateful"),
    ];
    for (interface, phases) in phases {
        let url = format!("http://127.0.0.1:{}/openapi/{interface}.json", server.http_port);
        check(&site.path(""), &url, phases);
    }
}

#[test]
fn a_client_that_is_made_of_the_description_works() {
    // A18-14
    let site = Site::new();
    administrator(&site);
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
