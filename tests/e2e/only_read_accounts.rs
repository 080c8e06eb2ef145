//! Accounts of another program, in a view that the server may only read (A8-17, A3-36).

use std::path::Path;

use tidegate_tests::clients::{Proof, can_log_in, key, sftp_ok, text};
use tidegate_tests::databases::{Database, Kind};
use tidegate_tests::raw_sftp::RawSftp;
use tidegate_tests::server::Site;
use tidegate_tests::{tools, waiting};

fn example(name: &str) -> String {
    std::fs::read_to_string(tools::root().join("examples/accounts-view").join(name)).unwrap()
}

/// The hash of a password as another program would have made it.
fn hashed(password: &str) -> String {
    let mut openssl = std::process::Command::new("openssl");
    tools::run_ok(openssl.args(["passwd", "-6", "-salt", "saltsalt", password])).trim().to_owned()
}

/// The example's homes, below a directory of the test.
fn elsewhere(sql: &str, site: &Site) -> String {
    sql.replace("/srv/files/", &format!("{}/", site.path("homes").display()))
}

/// What holds for every database. `sql`: executes statements as the other program.
fn check(site: &Site, sql: &dyn Fn(&str)) {
    let mine = key(&site.path(""), "mine");
    let line = std::fs::read_to_string(mine.with_extension("pub")).unwrap();
    sql(&format!(
        "INSERT INTO customers (login, secret, ssh_key) VALUES ('alice', '{}', '{}'), ('bob', '*', NULL)",
        hashed("pw"),
        line.trim()
    ));
    let server = site.start();
    sftp_ok(&server, "alice", Proof::Password("pw"), "mkdir made\n");
    assert!(site.path("homes/1/made").is_dir());
    assert!(can_log_in(&server, "alice", Proof::Key(&mine)));
    assert!(!can_log_in(&server, "alice", Proof::Password("wrong")));
    assert!(!can_log_in(&server, "bob", Proof::Password("*")));
    // No account is changed, through the server or beside it.
    let refuse = |arguments: &[&str]| {
        let output = tools::run(&mut site.tidegate(arguments));
        assert!(!output.status.success(), "{arguments:?}");
        assert!(text(&output).contains("manage_users = 0"), "{}", text(&output));
    };
    let home = site.path("homes/3");
    let add = ["user", "add", "--username", "carol", "--password", "pw", "--home-dir", home.to_str().unwrap()];
    refuse(&add);
    refuse(&["user", "update", "--username", "alice", "--status", "0"]);
    refuse(&["user", "delete", "--username", "alice"]);
    // A3-36, A18-07
    let carol = format!(
        r#"{{"username":"carol","status":1,"password":"pw","home_dir":"{}","permissions":{{"/":["*"]}}}}"#,
        home.display()
    );
    let mut curl = std::process::Command::new("curl");
    curl.args(["--silent", "--show-error", "--json", &carol, "--unix-socket"]).arg(site.path("tidegate.sock"));
    let answer = tools::run_ok(curl.arg("http://localhost/api/v1/user"));
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert!(answer["status"] == 403 && answer["error"].as_str().unwrap().contains("manage_users = 0"), "{answer}");
    // What is the server's own is kept.
    let shared = site.path("shared");
    tools::run_ok(&mut site.tidegate(&[
        "folder",
        "add",
        "--name",
        "shared",
        "--mapped-path",
        shared.to_str().unwrap(),
    ]));
    assert!(tools::run_ok(&mut site.tidegate(&["folder", "list"])).contains("shared"));
    // The other program's change takes effect: for logins at once, for sessions after a while.
    let mut open = RawSftp::connect(&server, "alice", "pw");
    sql("UPDATE customers SET is_blocked = NOT is_blocked WHERE login = 'alice'");
    assert!(!can_log_in(&server, "alice", Proof::Password("pw")));
    waiting::until("the session of the blocked customer ends", || open.receive().is_none());
    server.terminate();
    refuse(&add);
    assert!(tools::run_ok(&mut site.tidegate(&["folder", "list"])).contains("shared"));
}

#[test]
fn a_view_of_postgresql_is_enough() {
    let database = Database::start(Kind::Postgresql);
    let provider = database.provider().replace("username = \"postgres\"", "username = \"tidegate\"");
    let provider: Vec<&str> = provider.lines().filter(|line| !line.starts_with("schema")).collect();
    let site = Site::new().config(&format!(
        "[data_provider]\n{}\nusers_table = \"file_accounts\"\nmanage_users = 0\ntrack_quota = 0",
        provider.join("\n")
    ));
    database.sql(&elsewhere(&example("postgresql.sql"), &site));
    check(&site, &|sql| drop(database.sql(sql)));
    // Its own tables are elsewhere.
    let tables = database.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'");
    assert_eq!(tables.trim(), "1");
    assert!(site.path("tidegate.db").is_file());
}

#[test]
fn a_view_of_sqlite_is_enough() {
    let site = Site::new().config(
        "[data_provider]\ndriver = \"sqlite\"\nname = \"shop.db\"\nusers_table = \"file_accounts\"\nmanage_users = 0\ntrack_quota = 0",
    );
    let shop = site.path("shop.db");
    let sql = |sql: &str| {
        let script = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=30).executescript(sys.argv[2])";
        tools::run_ok(std::process::Command::new(tools::python()).args(["-c", script]).arg(&shop).arg(sql));
    };
    sql(&elsewhere(&example("sqlite.sql"), &site));
    check(&site, &sql);
}

#[test]
fn what_a_hook_makes_is_not_stored() {
    let site = Site::new();
    let home = site.path("homes/hooked");
    let document =
        format!(r#"{{"username":"carol","status":1,"home_dir":"{}","permissions":{{"/":["*"]}}}}"#, home.display());
    let hook = site.script("hook.sh", &format!("#!/bin/sh\ncat <<'E'\n{document}\nE\n"));
    let site = site.config(&format!(
        "[data_provider]\nname = \"shop.db\"\nusers_table = \"file_accounts\"\nmanage_users = 0\ntrack_quota = 0\n\
         external_auth_hook = \"{}\"",
        hook.display()
    ));
    let script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])";
    let mut python = std::process::Command::new(tools::python());
    let shop: &Path = &site.path("shop.db");
    tools::run_ok(python.args(["-c", script]).arg(shop).arg(example("sqlite.sql")));
    let before = std::fs::read(shop).unwrap();
    let server = site.start();
    for _ in 0..2 {
        sftp_ok(&server, "carol", Proof::Password("any"), "ls\n");
    }
    assert!(home.is_dir());
    assert_eq!(std::fs::read(shop).unwrap(), before);
    let shown = tools::run(&mut site.tidegate(&["user", "show", "--username", "carol"]));
    assert!(!shown.status.success() && text(&shown).contains("no account"), "{}", text(&shown));
}

#[test]
fn settings_that_would_write_are_refused() {
    for (lines, expected) in [
        ("name = \"shop.db\"\nmanage_users = 0", "data_provider.track_quota"),
        ("manage_users = 0\ntrack_quota = 0", "data_provider.name"),
        ("driver = \"bolt\"\nname = \"shop.db\"\nmanage_users = 0\ntrack_quota = 0", "data_provider.manage_users"),
        ("name = \"shop.db\"\nmanage_users = 2", "data_provider.manage_users"),
        ("name = \"gone.db\"\nmanage_users = 0\ntrack_quota = 0", "gone.db"),
    ] {
        let site = Site::new().config(&format!("[data_provider]\n{lines}"));
        let output = tools::run(&mut site.tidegate(&["serve"]));
        assert!(!output.status.success() && text(&output).contains(expected), "{lines}: {}", text(&output));
    }
}
