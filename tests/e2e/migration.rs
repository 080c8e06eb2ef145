//! Installations of other servers that move in: configuration, accounts, host keys and hooks, with clients that must
//! notice nothing (A1-22, A9-01, A18-10, G-14).

mod older;
mod other_names;
mod secrets;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tidegate_tests::clients::{self, text};
use tidegate_tests::databases::{Database, Kind};
use tidegate_tests::server::Server;
use tidegate_tests::tools;

use older::{FIRST, HASH, LAST, Old, sqlite};

fn tidegate(arguments: &[&str], directory: &Path) -> Output {
    let mut command = Command::new(tools::tidegate());
    tools::run(command.args(arguments).arg("-c").arg(directory))
}

fn migrate(from: &Path, to: &Path, more: &[&str]) -> Output {
    tidegate(&[&["migrate", "--from", from.to_str().unwrap()], more].concat(), to)
}

/// The report of a move that must succeed.
fn report(from: &Path, to: &Path, more: &[&str]) -> Value {
    let output = migrate(from, to, &[&["--json"], more].concat());
    assert!(output.status.success(), "{}", text(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn shown(directory: &Path, user: &str) -> Value {
    let output = tidegate(&["user", "show", "--username", user], directory);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output)))
}

/// The administrators of the last era have moved with what limits them.
fn check_administrators(directory: &Path, done: &Value) {
    // A18-17
    let count = serde_json::json!({"added": 3, "present": 0, "invalid": 1});
    assert_eq!(done["admins"], count, "{done}");
    let said = done["notes"].to_string();
    for part in ["disable_mfa have no counterpart", "second factor", "no password that can be checked here"] {
        assert!(said.contains(part), "{said}");
    }
    let admin = |name: &str| -> Value {
        let output = tidegate(&["admin", "show", "--username", name], directory);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output)))
    };
    let (root, limited, sealed) = (admin("admin"), admin("limited"), admin("sealed"));
    assert_eq!((&root["status"], &root["filters"]["totp_config"]["enabled"]), (&1.into(), &true.into()), "{root}");
    assert_eq!((&root["email"], &root["filters"]["allow_list"][0]), (&"a@b".into(), &"127.0.0.0/8".into()), "{root}");
    assert_eq!((&limited["role"], &limited["permissions"]), (&"staff".into(), &serde_json::json!(["view_users"])));
    assert_eq!((&sealed["status"], &sealed["permissions"][0]), (&0.into(), &"*".into()), "{sealed}");
    let file = std::fs::read(directory.join("tidegate.db")).or_else(|_| std::fs::read(directory.join("old.db")));
    let is_clear = file.unwrap().windows(16).any(|part| part == b"GEZDGNBVGY3TQOJQ");
    assert!(!is_clear, "the secret of one-time codes is sealed");
}

/// The move has written what hooks expect, and clients see nothing new.
fn check_served(old: &Old, directory: &Path, compat: &str, folder: bool) {
    let settings = std::fs::read_to_string(directory.join("tidegate.toml")).unwrap();
    assert!(settings.contains(&format!("compat = \"{compat}\"")), "{settings}");
    check_clients(old, directory, folder);
}

/// What a client sees after the move: nothing new. `folder`: whether alice has the folder `shared`.
fn check_clients(old: &Old, directory: &Path, folder: bool) {
    let server = Server::in_directory(directory);
    for by_key in [false, true] {
        let output = old.client(&server, "alice", by_key, "ls -l\n");
        assert!(output.status.success() && text(&output).contains("first"), "{}\n{}", text(&output), server.log());
    }
    // The hook refuses bob, and carol's bucket cannot be used: its secret was of another server.
    for user in ["bob", "carol", "dave"] {
        assert!(!old.client(&server, user, false, "ls\n").status.success(), "{user}");
    }
    assert!(server.log().contains("filesystem.s3config.access_secret"), "{}", server.log());
    // Of three files, one is there.
    let file = old.path("batch").display().to_string();
    let put = |name: &str| old.client(&server, "alice", false, &format!("put {file} {name}\n")).status.success();
    assert!(put("second") && put("third") && !put("fourth"), "{}", server.log());
    assert_eq!(old.client(&server, "alice", false, "ls /shared\n").status.success(), folder);
    drop(server);
}

#[test]
fn installations_of_three_eras_move_in() {
    for (more, hook, compat, folder) in [
        ("", "pre_login_program", "seed", false),
        (FIRST, "pre_login_hook", "1.0", true),
        (LAST, "pre_login_hook", "current", true),
    ] {
        let old = Old::new(more, hook);
        let (from, to) = (old.path("old"), old.path("new"));
        let before = clients::checksum(&from);
        let trial = report(&from, &to, &["--dry-run"]);
        assert!(!to.exists(), "a trial makes nothing");
        assert_eq!((&trial["users"]["added"], &trial["users"]["invalid"]), (&3.into(), &1.into()), "{trial}");
        let done = report(&from, &to, &[]);
        assert_eq!((&done["users"], &done["compat"]), (&trial["users"], &compat.into()), "{done}");
        let said = done["notes"].to_string();
        for part in ["public_keys is no JSON", "access_secret cannot be used", "ftpd", "hook.sh"] {
            assert!(said.contains(part), "{said}");
        }
        assert_eq!(clients::checksum(&from), before, "nothing is changed at the source");
        assert_eq!(std::fs::read(to.join("host")).unwrap(), std::fs::read(from.join("host")).unwrap());
        let alice = shown(&to, "alice");
        for (field, expected) in
            [("used_quota_files", 1), ("used_quota_size", 7), ("last_login", 6), ("quota_files", 3)]
        {
            assert_eq!(alice[field], expected, "{alice}");
        }
        if more == LAST {
            check_administrators(&to, &done);
            assert_eq!(done["admins"], trial["admins"], "{trial}");
            assert_eq!((&alice["role"], &alice["used_upload_data_transfer"]), (&"staff".into(), &77.into()));
            assert_eq!(alice["groups"][0]["name"], "team");
        }
        let dump = || {
            let output = tidegate(&["dump"], &to);
            assert!(output.status.success(), "{}", text(&output));
            output.stdout
        };
        let (settings, accounts) = (clients::checksum(&to.join("plugins")), dump());
        let again = migrate(&from, &to, &[]);
        assert!(again.status.success() && text(&again).contains("Nothing was changed"), "{}", text(&again));
        assert_eq!((clients::checksum(&to.join("plugins")), dump()), (settings, accounts));
        check_served(&old, &to, compat, folder);
        // What was changed here since stays.
        assert!(tidegate(&["user", "update", "--username", "alice", "--max-sessions", "5"], &to).status.success());
        let again = report(&from, &to, &[]);
        assert_eq!(again["users"]["added"], 0, "{again}");
        assert!(again["notes"].to_string().contains("differs in max_sessions"), "{again}");
        assert_eq!(shown(&to, "alice")["max_sessions"], 5);
    }
}

#[test]
fn accounts_move_in_from_a_database_server() {
    // A9-01
    for kind in [Kind::Postgresql, Kind::Mariadb] {
        for (more, hook, compat, folder) in
            [("", "pre_login_program", "seed", false), (LAST, "pre_login_hook", "current", true)]
        {
            let database = Database::start(kind);
            let old = Old::in_database(more, hook, &database);
            let (from, to) = (old.path("old"), old.path("new"));
            let content = || {
                let tables = "SELECT COUNT(*) FROM information_schema.tables";
                [tables, "SELECT * FROM users ORDER BY id"].map(|question| database.sql(question))
            };
            let before = content();
            let trial = report(&from, &to, &["--dry-run"]);
            let done = report(&from, &to, &[]);
            assert_eq!((&done["users"], &done["compat"]), (&trial["users"], &compat.into()), "{kind:?} {done}");
            assert_eq!((&done["users"]["added"], &done["users"]["invalid"]), (&3.into(), &1.into()), "{kind:?} {done}");
            assert_eq!(content(), before, "nothing is changed at the source");
            let alice = shown(&to, "alice");
            for (field, expected) in
                [("used_quota_files", 1), ("used_quota_size", 7), ("last_login", 6), ("quota_files", 3)]
            {
                assert_eq!(alice[field], expected, "{kind:?} {alice}");
            }
            if more == LAST {
                assert_eq!(done["admins"]["added"], 3, "{kind:?} {done}");
                assert_eq!((&alice["role"], &alice["groups"][0]["name"]), (&"staff".into(), &"team".into()));
            }
            let again = migrate(&from, &to, &[]);
            assert!(again.status.success() && text(&again).contains("Nothing was changed"), "{}", text(&again));
            check_served(&old, &to, compat, folder);
            // The database alone, without the configuration.
            let alone = report(Path::new(&database.url()), &old.path("alone"), &[]);
            assert_eq!((&alone["users"], &alone["compat"]), (&done["users"], &done["compat"]), "{kind:?} {alone}");
            // The configuration that is written names no database server.
            let in_place = report(&from, &from, &[]);
            assert_eq!(in_place["users"], done["users"], "{kind:?} {in_place}");
            for said in [&trial, &done, &in_place] {
                let notes = said["notes"].to_string();
                assert!(notes.contains("data_provider.driver") && notes.contains("tidegate.db"), "{kind:?} {said}");
            }
        }
    }
}

#[test]
fn an_installation_moves_in_where_it_is() {
    for (more, hook, compat) in [("", "pre_login_program", "seed"), (LAST, "pre_login_hook", "current")] {
        let old = Old::new(more, hook);
        let place = old.path("old");
        let before = std::fs::read(place.join("old.db")).unwrap();
        let trial = report(&place, &place, &["--dry-run"]);
        assert!(trial["kept_database"].as_str().unwrap().ends_with("old.db.before-tidegate"), "{trial}");
        assert_eq!(std::fs::read(place.join("old.db")).unwrap(), before);
        let done = report(&place, &place, &[]);
        assert_eq!(
            (&done["users"]["added"], &done["host_keys"][0]["outcome"]),
            (&3.into(), &"present".into()),
            "{done}"
        );
        let kept = place.join("old.db.before-tidegate");
        assert_eq!(kept.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let kept = std::fs::read(kept).unwrap();
        let again = report(&place, &place, &[]);
        assert_eq!((&again["users"]["added"], &again["kept_database"]), (&0.into(), &Value::Null), "{again}");
        assert_eq!(again["users"]["present"], 3, "{again}");
        assert_eq!(std::fs::read(place.join("old.db.before-tidegate")).unwrap(), kept);
        check_served(&old, &place, compat, more == LAST);
        // Where the old database came back, neither of the two is changed. The journal was of the other one.
        for journal in ["old.db-wal", "old.db-shm"] {
            let _ = std::fs::remove_file(place.join(journal));
        }
        std::fs::write(place.join("old.db"), &before).unwrap();
        sqlite(&place.join("old.db"), "UPDATE users SET quota_files = 4");
        let before = std::fs::read(place.join("old.db")).unwrap();
        let output = migrate(&place, &place, &[]);
        assert!(!output.status.success() && text(&output).contains("move the outdated one"), "{}", text(&output));
        assert_eq!(std::fs::read(place.join("old.db")).unwrap(), before);
    }
}

#[test]
fn a_file_behind_a_link_is_replaced_where_it_is_and_what_others_have_in_it_is_told() {
    for (more, hook) in [("", "pre_login_program"), (LAST, "pre_login_hook")] {
        let old = Old::new(more, hook);
        let (place, file) = (old.path("old"), old.make("data").join("real.db"));
        let link = place.join("old.db");
        sqlite(&link, "CREATE TABLE invoices (a); CREATE VIEW paid AS SELECT a FROM invoices");
        std::fs::rename(&link, &file).unwrap();
        symlink(&file, &link).unwrap();
        let trial = report(&place, &place, &["--dry-run"]);
        let done = report(&place, &place, &[]);
        for said in [&trial, &done] {
            let is_told = |note: &Value| note["about"] == "invoices, paid";
            assert!(said["notes"].as_array().unwrap().iter().any(is_told), "{said}");
            assert!(said["kept_database"].as_str().unwrap().ends_with("data/real.db.before-tidegate"), "{said}");
        }
        assert!(link.is_symlink() && old.path("data/real.db.before-tidegate").is_file());
        assert!(!place.join("old.db.before-tidegate").exists());
        assert_eq!(shown(&place, "alice")["username"], "alice");
        assert_eq!(report(&place, &place, &[])["users"]["present"], 3);
    }
}

#[test]
fn an_installation_of_the_first_era_starts_in_its_place_and_a_later_one_is_refused() {
    // A9-01
    let list = |place: &Path| tidegate(&["user", "list"], place);
    let old = Old::new("", "pre_login_program");
    let place = old.path("old");
    let kept = place.join("old.db.before-tidegate");
    let listed = list(&place);
    assert!(listed.status.success() && text(&listed).contains("alice"), "{}", text(&listed));
    assert_eq!(kept.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let before = std::fs::read(&kept).unwrap();
    assert!(list(&place).status.success() && std::fs::read(&kept).unwrap() == before);
    // As a whole: configuration, accounts, usage, host key and hook.
    check_clients(&old, &place, false);
    assert!(!place.join("tidegate.toml").exists() && std::fs::read(&kept).unwrap() == before);

    let old = Old::new(LAST, "pre_login_hook");
    let place = old.path("old");
    let before = std::fs::read(place.join("old.db")).unwrap();
    for command in [["user", "list"], ["config", "check"]] {
        let refused = tidegate(&command, &place);
        assert!(!refused.status.success(), "{command:?}");
        assert!(text(&refused).contains("tidegate migrate --from DIR -c DIR"), "{}", text(&refused));
    }
    assert!(!place.join("old.db.before-tidegate").exists());
    assert_eq!(std::fs::read(place.join("old.db")).unwrap(), before);
    // What an interrupted move leaves is gone over.
    std::fs::copy(place.join("old.db"), place.join("old.db.before-tidegate")).unwrap();
    std::fs::write(place.join("old.db.moving"), "half").unwrap();
    assert_eq!(report(&place, &place, &[])["users"]["added"], 3);
    assert!(list(&place).status.success() && !place.join("old.db.moving").exists());
}

#[test]
fn tables_of_a_later_era_on_a_database_server_are_reported_and_those_of_the_first_are_taken_over() {
    // A9-01
    for kind in [Kind::Postgresql, Kind::Mariadb] {
        let check = |directory: &Path| tidegate(&["config", "check"], directory);
        let database = Database::start(kind);
        let old = Old::in_database(LAST, "pre_login_hook", &database);
        let refused = check(&old.path("old"));
        assert!(!refused.status.success() && text(&refused).contains("tidegate migrate"), "{}", text(&refused));

        let database = Database::start(kind);
        let old = Old::in_database("", "pre_login_program", &database);
        let checked = check(&old.path("old"));
        assert!(checked.status.success(), "{kind:?}: {}", text(&checked));
        let listed = tidegate(&["user", "list"], &old.path("old"));
        assert!(listed.status.success() && text(&listed).contains("alice"), "{kind:?}: {}", text(&listed));
        assert!(check(&old.path("old")).status.success());
    }
}

#[test]
fn clients_see_the_old_keys_beside_new_ones() {
    // A4-02: two keys in files of one name, and another key that is here already.
    let old = Old::new("", "pre_login_program");
    let settings = old.path("old/sftpgo.json");
    old.make("old/second");
    let make = |kind: &str, path: &Path| {
        let mut command = Command::new("ssh-keygen");
        tools::run_ok(command.args(["-q", "-N", "", "-t", kind, "-f"]).arg(path));
    };
    make("ecdsa", &old.path("old/second/host"));
    let one = std::fs::read_to_string(&settings).unwrap();
    let two = one.replace(r#"{"private_key":"host"}"#, r#"{"private_key":"second/host"},{"private_key":"host"}"#);
    assert_ne!(one, two);
    std::fs::write(&settings, two).unwrap();
    let to = old.make("new");
    make("ed25519", &to.join("host"));
    let done = report(&old.path("old"), &to, &[]);
    let names: Vec<_> = done["host_keys"].as_array().unwrap().iter().map(|key| key["name"].clone()).collect();
    assert_eq!(names, ["host_2", "host_2_2"], "{done}");
    let server = Server::in_directory(&to);
    assert!(old.client(&server, "alice", true, "ls\n").status.success(), "{}", server.log());
}

#[test]
fn accounts_move_in_while_the_server_runs() {
    let old = Old::new("", "pre_login_program");
    let to = old.path("new");
    report(&old.path("old"), &to, &[]);
    let server = Server::in_directory(&to);
    let home = old.path("homes/eve").display().to_string();
    let dump = serde_json::json!({"users": [
        {"username": "eve", "status": 1, "password": HASH, "home_dir": home, "permissions": {"/": ["*"]}},
        {"username": "odd", "status": 7, "home_dir": "/odd", "permissions": {"/": ["*"]}},
    ]});
    std::fs::write(old.path("dump.json"), dump.to_string()).unwrap();
    let done = report(&old.path("dump.json"), &to, &[]);
    assert_eq!((&done["users"]["added"], &done["users"]["invalid"]), (&1.into(), &1.into()), "{done}");
    assert!(old.client(&server, "eve", false, "ls\n").status.success(), "{}", server.log());
}

#[test]
fn a_system_with_openssh_moves_in() {
    let old = Old::new("", "pre_login_program");
    let etc = old.make("root/etc");
    std::fs::create_dir_all(old.path("root/srv/zoe/.ssh")).unwrap();
    // Where the files are is where the account is served.
    let home = old.path("root/srv/zoe").display().to_string();
    std::fs::write(etc.join("passwd"), format!("root:x:0:0::/root:/bin/sh\nzoe:x:1234:1234:Zoe:{home}:/bin/sh\n"))
        .unwrap();
    std::fs::write(etc.join("shadow"), format!("zoe:{HASH}:19000:0:99999:7:::\n")).unwrap();
    old.make("root/etc/ssh");
    std::fs::write(
        etc.join("ssh/sshd_config"),
        "UsePAM yes\nMaxAuthTries 4\nSubsystem sftp internal-sftp\nForceCommand internal-sftp -R\n",
    )
    .unwrap();
    std::fs::copy(old.path("old/host"), etc.join("ssh/ssh_host_ed25519_key")).unwrap();
    let to = old.path("new");
    let done = report(&etc, &to, &[]);
    assert_eq!((&done["users"]["added"], &done["host_keys"][0]["name"]), (&1.into(), &"id_ed25519".into()), "{done}");
    let settings = to.join("tidegate.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, text.replace("[sftpd]", "[sftpd]\nbind_port = 0\nbind_address = \"127.0.0.1\"")).unwrap();
    let server = Server::in_directory(&to);
    let batch = old.path("batch").display().to_string();
    assert!(old.client(&server, "zoe", false, "ls\n").status.success(), "{}", server.log());
    assert!(!old.client(&server, "zoe", false, &format!("put {batch} x\n")).status.success());
}

#[test]
fn files_of_other_servers_become_a_dump() {
    // A18-16
    let old = Old::new("", "pre_login_program");
    let (input, output, to) = (old.path("users"), old.path("users.json"), old.make("new"));
    let home = old.path("homes/eve").display().to_string();
    let lines = format!("eve:{HASH}:1001:1001::{home}:/bin/sh\nsam:rqXexS6ZhobKA:1002:1002::/srv/sam:/bin/sh\nodd:x\n");
    std::fs::write(&input, lines).unwrap();
    let convert = |more: &[&str]| {
        let mut command = Command::new(tools::tidegate());
        tools::run(command.arg("convert-users").arg(&input).arg("proftpd").arg(&output).args(more))
    };
    for (more, count) in [(&["--usernames", "eve"][..], 1), (&["--min-uid", "1002"][..], 1), (&[][..], 2)] {
        let done = convert(more);
        assert!(done.status.success() && text(&done).contains(&format!("{count} accounts were")), "{}", text(&done));
    }
    assert_eq!(output.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let loaded = tidegate(&["load", output.to_str().unwrap()], &to);
    assert!(loaded.status.success(), "{}", text(&loaded));
    assert_eq!(convert(&["--force-uid", "x"]).status.code(), Some(2));
    assert_eq!(shown(&to, "eve")["uid"], 1001);
    // Without a hash that can be checked there is no password, not that text.
    assert_ne!(shown(&to, "sam")["has_password"], true);
}

#[test]
fn no_account_gets_another_folder_of_the_same_name() {
    let old = Old::new("", "pre_login_program");
    let to = old.path("new");
    let dump = |name: &str, mapped: &str| {
        let home = old.path("homes/eve").display().to_string();
        let dump = serde_json::json!({
            "folders": [{"name": "shared", "mapped_path": mapped}],
            "groups": [{"name": format!("{name}s"), "virtual_folders": [{"name": "shared", "virtual_path": "/g"}]}],
            "users": [
                {"username": name, "status": 1, "password": HASH, "home_dir": home, "permissions": {"/": ["*"]},
                 "virtual_folders": [{"name": "shared", "virtual_path": "/shared"}]},
                {"username": format!("{name}2"), "status": 1, "password": HASH, "home_dir": home,
                 "permissions": {"/": ["*"]}, "groups": [{"name": format!("{name}s"), "type": 1}]},
            ],
        });
        std::fs::write(old.path("dump.json"), dump.to_string()).unwrap();
        report(&old.path("dump.json"), &to, &[])
    };
    assert_eq!(dump("eve", "/srv/one")["users"]["added"], 2);
    let done = dump("sam", "/srv/two");
    assert_eq!((&done["users"]["added"], &done["users"]["invalid"]), (&0.into(), &2.into()), "{done}");
    assert_eq!(done["groups"]["added"], 0, "{done}");
    assert_eq!(dump("kim", "/srv/one")["users"]["added"], 2);
}

#[test]
fn what_cannot_move_is_said() {
    let old = Old::new("", "pre_login_program");
    let to = old.path("new");
    let check = |from: &str, expected: &str| {
        let output = tidegate(&["migrate", "--from", from], &to);
        assert_eq!(output.status.code(), Some(1), "{from}: {}", text(&output));
        assert!(text(&output).contains(expected) && !text(&output).contains("panicked"), "{from}: {}", text(&output));
        assert!(!to.exists(), "{from}");
    };
    let path = |name: &str| old.path(name).display().to_string();
    check("postgresql://user:hush@host/sftpgo", "make a dump");
    check("mysql://user:hush@host/sftpgo", "make a dump");
    check(&path("missing"), "could not be read");
    check(&path("homes"), "neither sftpgo.json");
    symlink("loop", old.path("loop")).unwrap();
    check(&path("loop"), "could not be read");
    let settings = old.path("old/sftpgo.json");
    let whole = std::fs::read_to_string(&settings).unwrap();
    for driver in ["postgresql", "mysql", "bolt"] {
        std::fs::write(&settings, whole.replace("sqlite", driver)).unwrap();
        check(&path("old"), "make a dump");
    }
    std::fs::write(&settings, whole.replace("\"track_quota\":1", "\"track_quota\":\"one\"")).unwrap();
    check(&path("old"), "data_provider.track_quota");
    std::fs::write(&settings, whole.replace("old.db", "none.db")).unwrap();
    check(&path("old"), "there is no database");
    for at in (0..whole.len()).step_by(23) {
        std::fs::write(&settings, &whole[..at]).unwrap();
        check(&path("old"), "sftpgo.json");
    }
    std::fs::write(&settings, &whole).unwrap();
    let database = std::fs::read(old.path("old/old.db")).unwrap();
    std::fs::write(old.path("old/old.db"), &database[..5000]).unwrap();
    check(&path("old"), "old.db");
    std::fs::remove_file(old.path("old/old.db")).unwrap();
    std::fs::create_dir(old.path("old/old.db")).unwrap();
    check(&path("old"), "there is no database");
    let output = tidegate(&["migrate"], &to);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn what_cannot_be_ignored_keeps_the_server_from_starting() {
    let old = Old::new("", "pre_login_program");
    let to = old.path("new");
    let settings = old.path("old/sftpgo.json");
    let whole = std::fs::read_to_string(&settings).unwrap();
    let closed = whole.replace("\"bind_port\":0,", "\"bind_port\":0,\"password_authentication\":false,");
    assert_ne!(whole, closed);
    let shown = closed
        .replace(r#""httpd":{"bind_port":0}"#, r#""httpd":{"bindings":[{"port":8080,"enable_web_client":true}]}"#);
    assert_ne!(closed, shown);
    std::fs::write(&settings, shown).unwrap();
    let done = report(&old.path("old"), &to, &[]);
    assert_eq!(done["users"]["added"], 3, "{done}");
    assert!(done["notes"].to_string().contains("password_authentication"), "{done}");
    // What holds here as it did there, and shows users something else.
    assert!(done["notes"].to_string().contains("users have pages at /web/client"), "{done}");
    let output = tidegate(&["config", "check"], &to);
    assert!(text(&output).contains("sftpd.password_authentication"), "{}", text(&output));
    assert_eq!(output.status.code(), Some(1));
}
