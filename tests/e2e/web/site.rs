//! A server that has something to show on each page, under names that would harm a page which took them for markup.

use serde_json::{Value, json};
use tidegate_tests::clients::{Proof, can_log_in};
use tidegate_tests::raw_sftp::{RawSftp, fields, string};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::sftp_numbers::{fxf, fxp};
use tidegate_tests::tools;

use super::browser::administrator;

/// Of a user, a group, a role, a folder, an API key.
pub const MARKUP: &str = "<img src=x onerror=hostile=1>\"'&amp;";
/// What follows it is read from right to left where it is not kept apart.
pub const RIGHT_TO_LEFT: &str = "\u{202e}annA";
/// The name of a file.
pub const TWO_LINES: &str = "<script>hostile=1</script>\nin two lines";
/// What the hook says why it refuses `carol`.
pub const REASON: &str = "carol <b onclick=hostile=1>has left";

/// A name without a place where it could be broken.
pub fn long_name() -> String {
    "w".repeat(255)
}

/// A running server, and a session with an upload that is under way.
pub struct Full {
    pub site: Site,
    pub server: Server,
    pub upload: RawSftp,
}

/// Pages that no link leads to.
pub const UNLINKED: [&str; 2] = ["/web/users/new", "/web/account"];

/// Names that have to be read on some page.
pub fn names() -> Vec<String> {
    [MARKUP, RIGHT_TO_LEFT, REASON].iter().map(ToString::to_string).chain([long_name()]).collect()
}

/// Refuses `carol`, with a reason and with markup for the log.
const HOOK: &str = "#!/bin/sh\necho \"<img src=x onerror=hostile=1> asks for $SFTPGO_LOGIN_USERNAME\" >&2\n\
    [ \"$SFTPGO_LOGIN_USERNAME\" = carol ] || exit 0\n";

impl Full {
    pub fn start() -> Self {
        let site = Site::new();
        let script = site.script("gate.sh", &format!("{HOOK}echo '{REASON}'\nexit 1\n"));
        let site = site.config(&format!("[hook.login-pre]\nhook = \"{}\"\n", script.display()));
        administrator(&site);
        for kind in ["group", "role"] {
            tools::run_ok(&mut site.tidegate(&[kind, "add", "--name", MARKUP, "--description", RIGHT_TO_LEFT]));
        }
        let shared = site.path("shared");
        std::fs::create_dir(&shared).unwrap();
        let folder = ["folder", "add", "--name", MARKUP, "--mapped-path", shared.to_str().unwrap()];
        tools::run_ok(&mut site.tidegate(&folder));
        site.user_with("alice", &["--password", "pw", "--quota-files", "10", "--quota-size", "1000000"]);
        site.user("carol");
        for name in [MARKUP, RIGHT_TO_LEFT, &long_name()] {
            let home = site.path("homes/hostile");
            let document = json!({
                "username": name, "password": "pw", "status": 1, "home_dir": home, "permissions": {"/": ["*"]},
                "description": MARKUP, "role": MARKUP, "groups": [{"name": MARKUP, "type": 1}],
                "virtual_folders": [{"name": MARKUP, "virtual_path": format!("/{MARKUP}")}],
            });
            add(&site, &document);
        }
        let server = site.start();
        let upload = upload(&server);
        assert!(!can_log_in(&server, "carol", Proof::Password("pw")));
        tools::run_ok(&mut site.tidegate(&["ban", "add", "192.0.2.7", "--minutes", "5"]));
        Self { site, server, upload }
    }
}

fn add(site: &Site, document: &Value) {
    let file = site.write("user.json", document.to_string());
    tools::run_ok(&mut site.tidegate(&["user", "add", "--from-json", file.to_str().unwrap()]));
}

/// Half of a file.
fn upload(server: &Server) -> RawSftp {
    let mut raw = RawSftp::connect(server, "alice", "pw");
    let handle = raw.open_file(TWO_LINES, fxf::WRITE | fxf::CREAT).handle();
    let data = fields(&[&string(&handle), &0_u64.to_be_bytes(), &string(vec![1; 1000])]);
    assert_eq!(raw.request(fxp::WRITE, &data).status(), 0);
    raw
}
