//! Databases with the schemas of several eras, written here as the specification describes them.

use std::path::PathBuf;

use rusqlite::Connection;
use tempfile::TempDir;

use super::super::sqlite::{is_ours, read_sqlite};
use super::*;

const SEED: &str = "CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT UNIQUE, password TEXT, public_keys TEXT, \
     home_dir TEXT, uid INT, gid INT, max_sessions INT, quota_size BIGINT, quota_files INT, permissions TEXT, \
     used_quota_size BIGINT, used_quota_files INT, last_quota_update BIGINT, upload_bandwidth INT, download_bandwidth \
     INT, expiration_date BIGINT, last_login BIGINT, status INT, filters TEXT, filesystem TEXT);";
const ALICE: &str = "INSERT INTO users VALUES (1, 'alice', '$2a$10$x', NULL, '/srv/alice', 0, 0, 2, 100, 3, \
     '{\"/\":[\"*\"]}', 50, 2, 9, 0, 0, 0, 8, 1, '{\"allowed_ip\":[]}', '{\"provider\":0}');";

fn database(sql: &str) -> (TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("old.db");
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    (place, path)
}

fn read(sql: &str) -> Moved {
    let (_place, path) = database(sql);
    read_sqlite(&path, &Names::default()).unwrap()
}

/// What moves, and what is said of it, contains each of `expected`.
fn check(sql: &str, expected: &[&str], compat: &str) -> Moved {
    let moved = read(sql);
    let all = [&moved.users, &moved.folders, &moved.groups, &moved.roles, &moved.admins];
    let objects = all.into_iter().flatten();
    let objects: Vec<_> = objects.map(|object| serde_json::to_string(object).unwrap()).collect();
    let found = format!("{} {:?}", objects.join(" "), moved.notes);
    for part in expected {
        assert!(found.contains(part), "{found}\nlacks {part}");
    }
    assert_eq!(moved.evidence.compat(), compat, "{found}");
    moved
}

#[test]
fn the_first_schema_is_read() {
    // A9-01
    let expected = [
        r#""home_dir":"/srv/alice","uid":0,"gid":0,"max_sessions":2,"quota_size":100"#,
        r#""used_quota_size":50,"used_quota_files":2,"last_quota_update":9"#,
        r#""permissions":{"/":["*"]}"#,
        r#""password":"$2a$10$x""#,
    ];
    let moved = check(&format!("{SEED}{ALICE}"), &expected, "seed");
    assert_eq!((moved.notes.len(), moved.users.len()), (0, 1));
    let with_folders = "ALTER TABLE users ADD COLUMN virtual_folders TEXT; UPDATE users SET virtual_folders = \
         '[{\"virtual_path\":\"/v\",\"mapped_path\":\"/srv/v\",\"exclude_from_quota\":false}]';";
    let expected = [
        r#""virtual_folders":[{"virtual_path":"/v","exclude_from_quota":false,"name":"/srv/v"}]"#,
        r#"{"mapped_path":"/srv/v","name":"/srv/v"}"#,
    ];
    check(&format!("{SEED}{ALICE}{with_folders}"), &expected, "seed");
}

#[test]
fn folders_of_the_first_release_are_joined() {
    // C5-01
    let more = "CREATE TABLE folders (id INTEGER PRIMARY KEY, path TEXT, used_quota_size BIGINT, used_quota_files INT, \
         last_quota_update BIGINT); CREATE TABLE folders_mapping (id INTEGER PRIMARY KEY, virtual_path TEXT, quota_size \
         BIGINT, quota_files INT, folder_id INT, user_id INT); INSERT INTO folders VALUES (4, '/srv/f', 7, 1, 5); INSERT \
         INTO folders_mapping VALUES (1, '/f', -1, -1, 4, 1);";
    let expected = [
        r#""virtual_folders":[{"name":"/srv/f","virtual_path":"/f","quota_size":-1,"quota_files":-1}]"#,
        r#""used_quota_size":7,"used_quota_files":1,"mapped_path":"/srv/f","name":"/srv/f""#,
    ];
    check(&format!("{SEED}{ALICE}{more}"), &expected, "1.0");
}

const LATE: &str = "ALTER TABLE users ADD COLUMN additional_info TEXT; ALTER TABLE users ADD COLUMN email TEXT; ALTER \
     TABLE users ADD COLUMN role_id INT; ALTER TABLE users ADD COLUMN deleted_at BIGINT; ALTER TABLE users ADD COLUMN \
     total_data_transfer INT; ALTER TABLE users ADD COLUMN odd TEXT; UPDATE users SET email = 'a@b', role_id = 2, odd = \
     'x', total_data_transfer = 5; CREATE TABLE roles (id INTEGER PRIMARY KEY, name TEXT, description TEXT); CREATE TABLE \
     groups (id INTEGER PRIMARY KEY, name TEXT, description TEXT, user_settings TEXT); CREATE TABLE users_groups_mapping \
     (id INTEGER PRIMARY KEY, user_id INT, group_id INT, group_type INT); CREATE TABLE folders (id INTEGER PRIMARY KEY, \
     name TEXT, mapped_path TEXT, description TEXT, filesystem TEXT); CREATE TABLE users_folders_mapping (id INTEGER \
     PRIMARY KEY, virtual_path TEXT, quota_size BIGINT, quota_files INT, folder_id INT, user_id INT); CREATE TABLE \
     groups_folders_mapping (id INTEGER PRIMARY KEY, virtual_path TEXT, quota_size BIGINT, quota_files INT, folder_id \
     INT, group_id INT); CREATE TABLE admins (id INTEGER PRIMARY KEY, username TEXT, password TEXT, email \
     TEXT, status INT, permissions TEXT, filters TEXT, role_id INT, created_at BIGINT); INSERT INTO roles VALUES (2, \
     'staff', ''); INSERT INTO groups VALUES (3, 'team', NULL, '{\"max_sessions\":4}'); INSERT INTO \
     users_groups_mapping VALUES (1, 1, 3, 1); INSERT INTO folders VALUES (5, 'f', '/srv/f', '', '{\"provider\":6}'); \
     INSERT INTO users_folders_mapping VALUES (1, '/f', 0, 0, 5, 1); INSERT INTO groups_folders_mapping VALUES (1, \
     '/g', 0, 0, 5, 3); INSERT INTO admins VALUES (1, 'admin', '$2a$10$x', 'a@c', 1, '[\"*\"]', \
     '{\"allow_list\":[\"10.0.0.0/8\"]}', 2, 9), (2, 'lost', '$2a$10$x', '', 1, '[\"*\"]', NULL, 7, 9), (3, 'broken', \
     '$2a$10$x', '', 1, '[', NULL, NULL, 9); CREATE TABLE api_keys (id INTEGER PRIMARY KEY, key_id TEXT); INSERT INTO \
     api_keys VALUES (1, 'x');";

#[test]
fn the_last_schemas_are_joined() {
    // B9-04
    let expected = [
        r#""role":"staff""#,
        r#""email":"a@b""#,
        r#""total_data_transfer":5"#,
        r#""groups":[{"name":"team","type":1}]"#,
        r#""user_settings":{"max_sessions":4},"virtual_folders":[{"name":"f","virtual_path":"/g""#,
        "its files are elsewhere (HTTP)",
        r#"{"username":"admin","password":"$2a$10$x","permissions":["*"],"email":"a@c","role":"staff","created_at":9,"status":1,"filters":{"allow_list":["10.0.0.0/8"]}}"#,
        "its role is not there; without it the administrator could do more",
        "its column permissions is no JSON",
        "make new ones with: tidegate apikey add",
        "column odd",
    ];
    check(&format!("{SEED}{ALICE}{LATE}"), &expected, "current");
    let prefixed = format!("{SEED}{ALICE}{LATE}")
        .replace("TABLE ", "TABLE x_")
        .replace("INTO ", "INTO x_")
        .replace("UPDATE ", "UPDATE x_");
    check(&prefixed, &expected, "current");
}

#[test]
fn what_has_no_counterpart_is_said() {
    // A18-17, B9-04
    let base = format!("{SEED}{ALICE}{LATE}");
    let more = "CREATE TABLE admins_groups_mapping (id INTEGER PRIMARY KEY, admin_id INT, group_id INT, options TEXT); \
         INSERT INTO admins_groups_mapping VALUES (1, 1, 3, '{}'); CREATE TABLE configs (id INTEGER PRIMARY KEY, configs \
         TEXT); INSERT INTO configs VALUES (1, '{\"smtp\":{\"host\":\"h\"}}'); UPDATE groups SET user_settings = \
         '{\"status\":0,\"later\":3,\"expires_in\":5,\"filters\":{\"recovery_codes\":[1],\"denied_ip\":[\"192.0.2.0/24\"]}}';";
    let expected = [
        "its groups have no counterpart",
        "what was set on the older server's pages stays behind",
        "status, later, filters.recovery_codes in its user_settings has no effect",
    ];
    check(&format!("{base}{more}"), &expected, "current");
    let empty = "CREATE TABLE configs (id INTEGER PRIMARY KEY, configs TEXT); INSERT INTO configs VALUES (1, '{}');";
    assert!(read(&format!("{base}{empty}")).notes.iter().all(|note| note.about != "configs"));
}

#[test]
fn the_version_of_a_database_is_detected() {
    // A9-01, C1
    let column = |name: &str| format!("ALTER TABLE users ADD COLUMN {name} TEXT;");
    let table = |name: &str| format!("CREATE TABLE {name} (id INTEGER PRIMARY KEY, name TEXT, path TEXT);");
    let access = "UPDATE users SET filters = '{\"access_time\":[]}';".to_owned();
    let eras = [
        (String::new(), None, "seed"),
        (column("virtual_folders"), Some("0.9.6"), "seed"),
        (table("folders") + &table("folders_mapping"), Some("1.0"), "1.0"),
        (column("additional_info") + &table("admins"), Some("2.0"), "2.0"),
        (column("description") + &table("api_keys"), Some("2.1"), "2.0"),
        (column("email") + &table("shares"), Some("2.2"), "2.0"),
        (table("groups") + &table("users_groups_mapping"), Some("2.3"), "2.0"),
        (column("first_upload") + &table("events_rules"), Some("2.4"), "2.4"),
        (column("role_id") + &table("ip_lists"), Some("2.5"), "current"),
        (access, Some("2.6"), "current"),
    ];
    // Each has what those before it have.
    let mut sql = format!("{SEED}{ALICE}");
    for (more, version, compat) in eras {
        sql.push_str(&more);
        let moved = read(&sql);
        let found = moved.evidence.version().map(|(version, _)| version.to_string());
        assert_eq!((found.as_deref(), moved.evidence.compat(), moved.users.len()), (version, compat, 1), "{sql}");
    }
}

#[test]
fn permissions_of_the_first_versions_hold_everywhere() {
    let list = "UPDATE users SET permissions = '[\"list\",\"download\"]';";
    let moved = check(&format!("{SEED}{ALICE}{list}"), &[r#""permissions":{"/":["list","download"]}"#], "seed");
    assert!(moved.notes.is_empty(), "{:?}", moved.notes);
}

#[test]
fn rows_that_are_wrong_stay_behind() {
    let rows = "INSERT INTO users (username, home_dir, permissions) VALUES ('broken', '/b', '{'); INSERT INTO users \
         (username, home_dir) VALUES (NULL, '/b'); INSERT INTO users (username, home_dir) VALUES (7, '/b'); INSERT INTO \
         users (username, home_dir, uid, public_keys) VALUES ('odd', '/odd', 'text', '[\"x\"]'); INSERT INTO users \
         (username, home_dir, password) VALUES ('old', '/o', 'rqXexS6ZhobKA');";
    let expected =
        ["column permissions is no JSON", "row 3 of the accounts", "one of its public keys", "cannot be checked here"];
    let moved = check(&format!("{SEED}{ALICE}{rows}"), &expected, "seed");
    let names: Vec<_> = moved.users.iter().map(|user| user["username"].as_str().unwrap()).collect();
    assert_eq!(names, ["alice", "7", "odd", "old"]);
    let deleted =
        check(&format!("{SEED}{ALICE}{LATE}UPDATE users SET deleted_at = 5;"), &["it was deleted"], "current");
    assert!(deleted.users.is_empty());
    let lost = "INSERT INTO users_groups_mapping VALUES (2, 1, 99, 1);";
    let moved = check(&format!("{SEED}{ALICE}{LATE}{lost}"), &["one of its groups is not there"], "current");
    assert!(moved.users.is_empty());
}

#[test]
fn names_and_paths_that_are_no_text_stay_behind() {
    let names = |moved: &Moved| moved.users.iter().map(|user| user["username"].to_string()).collect::<String>();
    let alone = |change: &str, expected: &str| {
        let moved = check(&format!("{SEED}{ALICE}{change}"), &[expected], "seed");
        assert_eq!((names(&moved).as_str(), moved.left.users), ("", 1), "{change}");
    };
    alone("UPDATE users SET home_dir = CAST(x'2f7372762ffffe' AS TEXT);", "row 1: its home_dir is not UTF-8");
    alone("UPDATE users SET username = CAST(x'61ff' AS TEXT);", "row 1: its username is not UTF-8");
    alone("UPDATE users SET filters = CAST(x'7b22ff223a317d' AS TEXT);", "row 1: its filters is not UTF-8");
    let base = format!("{SEED}{ALICE}{LATE}");
    let said = "row 1: its email is not UTF-8, and moves with U+FFFD";
    let moved = check(&format!("{base}UPDATE users SET email = CAST(x'61ff' AS TEXT);"), &[said], "current");
    assert_eq!((names(&moved).as_str(), moved.left.users), ("\"alice\"", 0));
    for (change, expected) in [
        ("UPDATE folders SET mapped_path = CAST(x'2fff' AS TEXT);", "row 1: its mapped_path is not UTF-8"),
        ("UPDATE users_folders_mapping SET virtual_path = CAST(x'2fff' AS TEXT);", "the path of one of its folders"),
        ("UPDATE roles SET name = CAST(x'ff' AS TEXT);", "row 1: its name is not UTF-8"),
        ("UPDATE groups SET name = CAST(x'ff' AS TEXT);", "row 1: its name is not UTF-8"),
    ] {
        assert_eq!(names(&check(&format!("{base}{change}"), &[expected], "current")), "", "{change}");
    }
    let admins = "UPDATE admins SET username = CAST(x'ff' AS TEXT) WHERE id = 1;";
    assert!(check(&format!("{base}{admins}"), &["row 1: its username is not UTF-8"], "current").admins.is_empty());
}

#[test]
fn secrets_of_the_first_eras_are_noted_if_they_do_not_open() {
    // A8-15
    let secret = r#"UPDATE users SET filesystem = '{"provider":1,"s3config":{"access_secret":"$aes$00ff"}}';"#;
    check(&format!("{SEED}{ALICE}{secret}"), &["filesystem.s3config.access_secret cannot be used"], "seed");
}

#[test]
fn what_becomes_of_secrets_that_open_is_said() {
    // A8-15
    let sealed = super::super::sealed_for_tests("hush");
    let s3 = serde_json::json!({"provider": 1, "s3config": {"access_secret": sealed}});
    let codes = serde_json::json!({"totp_config": {"enabled": true, "secret": sealed}});
    let recovery = serde_json::json!({"recovery_codes": [{"secret": sealed}]});
    for (column, value, compat, expected) in [
        ("filesystem", s3, "seed", "filesystem.s3config.access_secret was decrypted, and is encrypted anew"),
        ("filters", codes, "2.0", "filters.totp_config.secret was decrypted, and is encrypted anew"),
        ("filters", recovery, "2.0", "filters.recovery_codes.0.secret was decrypted, and is kept in clear"),
    ] {
        let change = format!("UPDATE users SET {column} = '{value}';");
        check(&format!("{SEED}{ALICE}{change}"), &[expected, "hush"], compat);
    }
}

#[test]
fn other_files_are_refused() {
    let check = |content: &[u8], expected: &str| {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("f.db");
        std::fs::write(&path, content).unwrap();
        let error = read_sqlite(&path, &Names::default()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), content);
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
    };
    check(b"", "no table of accounts");
    check(b"hello, this is no database at all, whatever its name says", "cannot be read as an SQLite database");
    let (_place, path) = database(&format!("{SEED}{ALICE}"));
    let whole = std::fs::read(&path).unwrap();
    for length in (0..whole.len()).step_by(509) {
        let mut broken = whole.clone();
        broken.truncate(length);
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("f.db");
        std::fs::write(&path, &broken).unwrap();
        // Whatever comes out, it comes out.
        let _ = read_sqlite(&path, &Names::default());
        let mut flipped = whole.clone();
        flipped.iter_mut().skip(length).step_by(97).take(9).for_each(|byte| *byte ^= 0x5a);
        std::fs::write(&path, &flipped).unwrap();
        let _ = read_sqlite(&path, &Names::default());
    }
    let (_place, path) = database("CREATE TABLE users (id INT);");
    let error = read_sqlite(&path, &Names::default()).unwrap_err().to_string();
    assert!(error.contains("has not the columns of accounts"), "{error}");
    let error = read_sqlite(std::path::Path::new("/nonexistent"), &Names::default()).unwrap_err().to_string();
    assert!(error.contains("could not be read"), "{error}");
}

#[test]
fn changes_in_the_log_are_read_and_nothing_is_touched() {
    let (place, path) = database(SEED);
    let writer = Connection::open(&path).unwrap();
    writer.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).unwrap();
    writer.execute_batch(ALICE).unwrap();
    let before = std::fs::read(&path).unwrap();
    let files = || {
        let mut names: Vec<_> =
            std::fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let names = files();
    assert_eq!(read_sqlite(&path, &Names::default()).unwrap().users.len(), 1);
    assert_eq!((std::fs::read(&path).unwrap(), files()), (before, names));
    assert!(!is_ours(&path).unwrap());
    writer.pragma_update(None, "user_version", 20_261_203).unwrap();
    assert!(is_ours(&path).unwrap());
}

#[test]
fn a_damaged_database_is_no_smaller_one() {
    // Many rows, so that a page of them can be lost without an error.
    let mut sql = format!("PRAGMA page_size = 512; {SEED}");
    for number in 0..200 {
        sql.push_str(&format!("INSERT INTO users (username, home_dir, status) VALUES ('user{number}', '/u', 1);"));
    }
    let (_place, path) = database(&sql);
    let whole = std::fs::read(&path).unwrap();
    let count = || read_sqlite(&path, &Names::default()).map(|moved| moved.users.len());
    assert_eq!(count().unwrap(), 200);
    for page in 1..whole.len() / 512 {
        let mut broken = whole.clone();
        broken[page * 512..(page + 1) * 512].fill(0);
        std::fs::write(&path, &broken).unwrap();
        assert!(!matches!(count(), Ok(..200)), "page {page}");
        std::fs::write(&path, &whole[..page * 512]).unwrap();
        assert!(count().is_err(), "page {page}");
    }
}

#[test]
fn a_locked_database_is_read_as_it_was_committed() {
    let (place, path) = database(&format!("{SEED}{ALICE}"));
    let writer = Connection::open(&path).unwrap();
    writer.execute_batch("BEGIN EXCLUSIVE; UPDATE users SET status = 0, home_dir = '/other';").unwrap();
    let moved = read_sqlite(&path, &Names::default()).unwrap();
    assert_eq!(moved.users[0]["home_dir"], "/srv/alice");
    assert!(place.path().join("old.db-journal").exists());
    writer.execute_batch("COMMIT").unwrap();
    assert_eq!(read_sqlite(&path, &Names::default()).unwrap().users[0]["status"], 0);
}

#[test]
fn columns_are_told_by_their_versions() {
    // C1, A9-01: what each version has added to the table of accounts, in its order.
    let mut sql = format!("{SEED}{ALICE}");
    for (columns, version, compat) in [
        ("", None, "seed"),
        ("virtual_folders TEXT", Some("0.9.6"), "seed"),
        ("additional_info TEXT", Some("2.0"), "2.0"),
        ("description TEXT", Some("2.1"), "2.0"),
        ("email TEXT,created_at BIGINT,updated_at BIGINT", Some("2.2"), "2.0"),
        ("upload_data_transfer INT,download_data_transfer INT,total_data_transfer INT", Some("2.3"), "2.0"),
        ("first_download BIGINT,first_upload BIGINT", Some("2.4"), "2.4"),
        ("last_password_change BIGINT,role_id INT,deleted_at BIGINT", Some("2.5"), "current"),
    ] {
        for column in columns.split(',').filter(|column| !column.is_empty()) {
            sql.push_str(&format!("ALTER TABLE users ADD COLUMN {column};"));
        }
        let moved = read(&sql);
        let found = moved.evidence.version().map(|(version, _)| version.to_string());
        assert_eq!((found.as_deref(), moved.evidence.compat(), moved.users.len()), (version, compat, 1), "{columns}");
    }
    sql.push_str("UPDATE users SET filters = '{\"access_time\":[]}';");
    assert_eq!(read(&sql).evidence.version().unwrap().0.to_string(), "2.6");
}

#[test]
fn rows_that_cannot_be_joined_stay_behind() {
    let base = format!("{SEED}{ALICE}{LATE}");
    for (broken, expected) in [
        ("UPDATE users_groups_mapping SET group_type = NULL;", "how it belongs to one of its groups"),
        ("UPDATE users_groups_mapping SET group_type = 9;", "how it belongs to one of its groups"),
        ("UPDATE groups SET user_settings = '{';", "one of its groups is not there"),
        ("DELETE FROM roles;", "its role is not there"),
        ("DELETE FROM folders WHERE id = 5;", "one of its folders is not there"),
        ("UPDATE users SET filters = '[';", "column filters is no JSON"),
    ] {
        assert!(check(&format!("{base}{broken}"), &[expected], "current").users.is_empty(), "{broken}");
    }
}

#[test]
fn the_configured_table_is_read() {
    let sql = format!("{SEED}{ALICE}").replace("users", "people");
    let (_place, path) = database(&sql);
    let names = Names { users: Some("people".to_owned()), prefix: String::new() };
    assert_eq!(read_sqlite(&path, &names).unwrap().users.len(), 1);
}

#[test]
fn a_table_of_accounts_that_is_not_there_is_said_with_the_keys_that_name_it() {
    let (_place, path) = database("CREATE TABLE other (a)");
    let keys = ["data_provider.users_table", "data_provider.sql_tables_prefix"];
    for (users, prefix, named, table) in [
        (None, "", [false, false], "is it a database"),
        (None, "x_", [false, true], "\"x_users\""),
        (Some("people"), "", [true, false], "\"people\""),
        (Some("people"), "x_", [true, true], "\"people\""),
    ] {
        let names = Names { users: users.map(str::to_owned), prefix: prefix.to_owned() };
        let said = read_sqlite(&path, &names).unwrap_err().to_string();
        assert!(said.contains("no table of accounts") && said.contains(table), "{names:?}: {said}");
        assert_eq!(keys.map(|key| said.contains(key)), named, "{names:?}: {said}");
    }
}

#[test]
fn views_with_the_names_of_tables_are_said() {
    let theirs = "CREATE TABLE theirs (id INT, name TEXT, mapped_path TEXT); INSERT INTO theirs VALUES (5, 'team', '/srv/team');";
    for (view, expected) in [
        ("folders AS SELECT * FROM theirs", Ok((1, true))),
        ("api_keys AS SELECT * FROM theirs", Ok((0, true))),
        ("invoices AS SELECT * FROM gone", Ok((0, false))),
        ("folders AS SELECT * FROM gone", Err("its view folders has the name")),
        ("shares AS SELECT * FROM gone", Err("its view shares has the name")),
    ] {
        let (_place, path) = database(&format!("{SEED}{ALICE}{theirs}CREATE VIEW {view};"));
        let found = read_sqlite(&path, &Names::default()).map_err(|error| error.to_string());
        match (found, expected) {
            (Ok(moved), Ok((folders, is_said))) => {
                let views = moved.notes.iter().filter(|note| note.about.starts_with("view "));
                assert_eq!((moved.folders.len(), views.count() == 1), (folders, is_said), "{view}: {:?}", moved.notes);
            }
            (Err(said), Err(part)) => {
                assert!(
                    said.contains(part) && said.contains("no such table") && said.contains("drop the view"),
                    "{said}"
                );
            }
            (found, _) => panic!("{view}: {:?}", found.map(|moved| moved.notes)),
        }
    }
}
