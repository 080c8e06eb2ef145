//! What commands print, and what comes of it where it cannot be printed.

use std::fs::File;
use std::process::Command;

use serde_json::{Value, json};
use tidegate_tests::server::Site;
use tidegate_tests::tools;

#[test]
fn what_cannot_be_printed_is_an_error() {
    for arguments in [&["--version"][..], &["-v"], &["--help"], &["help", "user"], &["user", "add", "--help"]] {
        let command = || {
            let mut command = Command::new(tools::tidegate());
            command.args(arguments);
            command
        };
        assert!(!tools::run_ok(&mut command()).is_empty(), "{arguments:?}");
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = command().stdout(full).stderr(std::process::Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains("standard output cannot be written"), "{output:?}");
    }
    // Wrong usage is told elsewhere.
    let full = File::options().write(true).open("/dev/full").unwrap();
    let status = Command::new(tools::tidegate()).arg("fly").stdout(full).stderr(std::process::Stdio::null()).status();
    assert_eq!(status.unwrap().code(), Some(2));
}

#[test]
fn one_time_codes_have_one_shape() {
    let site = Site::new();
    site.user("alice");
    let add = ["admin", "add", "--username", "alice", "--password", "Yellow-Horse-77", "--permissions", "*"];
    tools::run_ok(&mut site.tidegate(&add));
    for who in ["user", "admin"] {
        let codes = |change: &str| -> Value {
            let arguments = [who, "totp", "--username", "alice", change, "--json"];
            serde_json::from_str(&tools::run_ok(&mut site.tidegate(&arguments))).unwrap()
        };
        let given = codes("--enable");
        assert!(given["secret"].is_string() && given["url"].is_string(), "{who}");
        assert!(given["recovery_codes"].is_array(), "{who}");
        assert_eq!(codes("--disable"), json!({"secret": null, "url": null, "recovery_codes": []}), "{who}");
    }
}
