//! A server that has something to show on each page, under names that would harm a page which took them for markup.

use serde_json::json;
use tidegate_tests::clients::{Proof, can_log_in};
use tidegate_tests::raw_sftp::{RawSftp, fields, string};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::sftp_numbers::{fxf, fxp};
use tidegate_tests::{tools, waiting};

use super::browser::administrator;

/// Of a user, a group, a role, a folder, an API key.
const MARKUP: &str = "<img src=x onerror=hostile=1>\"'&amp;";
/// What follows it is read from right to left where it is not kept apart.
const RIGHT_TO_LEFT: &str = "\u{202e}annA";
/// As long as a name may be, without a place where it could be broken.
const LONG: &str = "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww\
    wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww\
    wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww";
/// The name of a file.
const TWO_LINES: &str = "<script>hostile=1</script>\nin two lines";
/// Why the hook refuses `carol`.
const REASON: &str = "carol <b onclick=hostile=1>has left";

/// Those that have to be read on some page.
pub const NAMES: [&str; 5] = [MARKUP, RIGHT_TO_LEFT, LONG, TWO_LINES, REASON];
pub const USERS: [&str; 3] = [MARKUP, RIGHT_TO_LEFT, LONG];
/// Pages that no link leads to.
pub const UNLINKED: [&str; 1] = ["/web/refused?who=carol"];

/// A program that refuses `carol` with that reason, and writes markup to its standard error.
pub fn with_gate(site: Site, reason: &str) -> Site {
    let script = format!(
        "#!/bin/sh\necho \"<img src=x onerror=hostile=1> asks for $SFTPGO_LOGIN_USERNAME\" >&2\n\
         [ \"$SFTPGO_LOGIN_USERNAME\" = carol ] || exit 0\necho '{reason}'\nexit 1\n"
    );
    let script = site.script("gate.sh", &script);
    site.config(&format!("[hook.login-pre]\nhook = \"{}\"\n", script.display()))
}

/// Until the record of a hook's call, or of an attempt's outcome, is stored.
pub fn wait_for_record(site: &Site, user: &str, outcome: &str) {
    waiting::until("the record of the attempt", || {
        let runs = tools::run_ok(&mut site.tidegate(&["hook", "runs", "--user", user, "--json"]));
        runs.contains(&format!("\"outcome\":\"{outcome}\""))
    });
}

/// A file that a client has begun to write.
pub struct Upload {
    pub raw: RawSftp,
    handle: Vec<u8>,
    written: u64,
}

impl Upload {
    pub fn begin(server: &Server, user: &str, name: &str) -> Self {
        let mut raw = RawSftp::connect(server, user, "pw");
        let handle = raw.open_file(name, fxf::WRITE | fxf::CREAT).handle();
        Self { raw, handle, written: 0 }
    }

    /// So many bytes more.
    pub fn write(&mut self, length: usize) {
        let data = fields(&[&string(&self.handle), &self.written.to_be_bytes(), &string(vec![1; length])]);
        assert_eq!(self.raw.request(fxp::WRITE, &data).status(), 0);
        self.written += length as u64;
    }
}

/// A running server, with an upload that is under way.
pub struct Full {
    // The directory is there as long as the server.
    _site: Site,
    pub server: Server,
    _upload: Upload,
}

impl Full {
    pub fn start() -> Self {
        let site = with_gate(Site::new(), REASON);
        administrator(&site);
        for kind in ["group", "role"] {
            tools::run_ok(&mut site.tidegate(&[kind, "add", "--name", MARKUP, "--description", RIGHT_TO_LEFT]));
        }
        let shared = site.path("shared");
        std::fs::create_dir(&shared).unwrap();
        let folder = ["folder", "add", "--name", MARKUP, "--mapped-path", shared.to_str().unwrap()];
        tools::run_ok(&mut site.tidegate(&folder));
        let key = ["apikey", "add", "--name", MARKUP, "--allow", "user.*"];
        tools::run_ok(&mut site.tidegate(&key));
        site.user_with("alice", &["--password", "pw", "--quota-files", "10", "--quota-size", "1000000"]);
        site.user("carol");
        for name in USERS {
            let home = site.path("homes/hostile");
            let document = json!({
                "username": name, "password": "pw", "status": 1, "home_dir": home, "permissions": {"/": ["*"]},
                "description": MARKUP, "role": MARKUP, "groups": [{"name": MARKUP, "type": 1}],
                "virtual_folders": [{"name": MARKUP, "virtual_path": "/shared"}],
            });
            let file = site.write("user.json", document.to_string());
            tools::run_ok(&mut site.tidegate(&["user", "add", "--from-json", file.to_str().unwrap()]));
        }
        let server = site.start();
        let mut upload = Upload::begin(&server, "alice", TWO_LINES);
        upload.write(1000);
        assert!(!can_log_in(&server, "carol", Proof::Password("pw")));
        wait_for_record(&site, "carol", "refused");
        tools::run_ok(&mut site.tidegate(&["ban", "add", "192.0.2.7", "--minutes", "5"]));
        Self { _site: site, server, _upload: upload }
    }
}
