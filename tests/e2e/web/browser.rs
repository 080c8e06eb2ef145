//! Journeys with a browser: the scripts of `tests/web`, run by node.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tidegate_tests::server::{Server, Site};
use tidegate_tests::tools;

pub const NAME: &str = "root";
pub const PASSWORD: &str = "a long password";

/// An administrator with all permissions.
pub fn administrator(site: &Site) {
    let arguments = ["admin", "add", "--username", NAME, "--password", PASSWORD, "--permissions", "*"];
    tools::run_ok(&mut site.tidegate(&arguments));
}

/// A second factor for the administrator: the secret of the authenticator, and a recovery code.
pub fn second_factor(site: &Site) -> (String, String) {
    let arguments = ["admin", "totp", "--username", NAME, "--enable", "--json"];
    let codes: Value = serde_json::from_str(&tools::run_ok(&mut site.tidegate(&arguments))).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&codes["secret"]), text(&codes["recovery_codes"][0]))
}

fn script(server: &Server, name: &str, given: &[(&str, &str)]) -> Command {
    let modules = tools::cache().join("web/node_modules");
    assert!(modules.exists(), "{} is missing; run tests/install", modules.display());
    let mut node = Command::new("node");
    node.arg(tools::root().join("tests/web").join(name));
    node.env("WEB_ADDRESS", format!("http://127.0.0.1:{}", server.http_port));
    node.envs([("WEB_USERNAME", NAME), ("WEB_PASSWORD", PASSWORD)]).envs(given.iter().copied());
    node
}

/// Runs a script to its end, which has to be a good one.
pub fn journey(server: &Server, name: &str, given: &[(&str, &str)]) {
    let output = tools::run(&mut script(server, name, given));
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}:\n{said}\nlog:\n{}", server.log());
}

/// A script that is at work while the test goes on.
pub struct Journey {
    node: Child,
    lines: BufReader<std::process::ChildStdout>,
    errors: Option<std::process::ChildStderr>,
}

impl Journey {
    pub fn begin(server: &Server, name: &str, given: &[(&str, &str)]) -> Self {
        let mut node = script(server, name, given);
        let mut node = node.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (lines, errors) = (BufReader::new(node.stdout.take().unwrap()), node.stderr.take());
        Self { node, lines, errors }
    }

    /// Until the script says this.
    pub fn wait_for(&mut self, expected: &str) {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        if line.trim_end() != expected {
            panic!("not “{expected}” but “{line}”:\n{}", self.errors());
        }
    }

    /// Its end, which has to be a good one.
    pub fn end(mut self) {
        let errors = self.errors();
        assert!(self.node.wait().unwrap().success(), "{errors}");
    }

    fn errors(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut errors) = self.errors.take() {
            errors.read_to_string(&mut text).unwrap();
        }
        text
    }
}

impl Drop for Journey {
    fn drop(&mut self) {
        // It has ended after `end`.
        let _ = self.node.kill();
        let _ = self.node.wait();
    }
}
