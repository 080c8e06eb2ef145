//! Installations of the older server, with the schemas of three eras as the specification describes them.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use tidegate_tests::clients;
use tidegate_tests::databases::{Database, Kind};
use tidegate_tests::server::Server;
use tidegate_tests::tools;

/// Of "changeme".
pub const HASH: &str = "$2b$10$eZxP33.gmdECc0xP81o/YuFHHVIAu5HS0/3Y7Hsd9FEKXWtoLkM3u";
const SEED: &str = "CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, username VARCHAR(255) NOT NULL UNIQUE, \
     password VARCHAR(255), public_keys TEXT, home_dir VARCHAR(255) NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL, \
     max_sessions INTEGER NOT NULL, quota_size BIGINT NOT NULL, quota_files INTEGER NOT NULL, permissions TEXT NOT NULL, \
     used_quota_size BIGINT NOT NULL, used_quota_files INTEGER NOT NULL, last_quota_update BIGINT NOT NULL, \
     upload_bandwidth INTEGER NOT NULL, download_bandwidth INTEGER NOT NULL, expiration_date BIGINT NOT NULL, last_login \
     BIGINT NOT NULL, status INTEGER NOT NULL, filters TEXT, filesystem TEXT);";
/// Folders, as from the first release on.
pub const FIRST: &str = "CREATE TABLE folders (id INTEGER PRIMARY KEY, path VARCHAR(512) NOT NULL UNIQUE, used_quota_size \
     BIGINT NOT NULL, used_quota_files INTEGER NOT NULL, last_quota_update BIGINT NOT NULL); CREATE TABLE \
     folders_mapping (id INTEGER PRIMARY KEY, virtual_path VARCHAR(512) NOT NULL, quota_size BIGINT NOT NULL, quota_files \
     INTEGER NOT NULL, folder_id INTEGER NOT NULL, user_id INTEGER NOT NULL); INSERT INTO folders VALUES (1, \
     'OLD/shared', 0, 0, 0); INSERT INTO folders_mapping VALUES (1, '/shared', -1, -1, 1, 1);";
/// Groups and roles, as from 2.5 on.
pub const LAST: &str = "ALTER TABLE users ADD COLUMN description VARCHAR(512); ALTER TABLE users ADD COLUMN email VARCHAR(255); \
     ALTER TABLE users ADD COLUMN first_download BIGINT NOT NULL DEFAULT 0; ALTER TABLE users ADD COLUMN first_upload \
     BIGINT NOT NULL DEFAULT 0; ALTER TABLE users ADD COLUMN deleted_at BIGINT NOT NULL DEFAULT 0; ALTER TABLE users ADD \
     COLUMN role_id INTEGER; ALTER TABLE users ADD COLUMN total_data_transfer INTEGER NOT NULL DEFAULT 0; ALTER TABLE \
     users ADD COLUMN used_upload_data_transfer BIGINT NOT NULL DEFAULT 0; CREATE TABLE roles (id INTEGER PRIMARY KEY, \
     name VARCHAR(255)); CREATE TABLE folders (id INTEGER PRIMARY KEY, name VARCHAR(255), description VARCHAR(512), \
     mapped_path TEXT, used_quota_size BIGINT, used_quota_files INTEGER, last_quota_update BIGINT, filesystem TEXT); \
     CREATE TABLE users_folders_mapping (id INTEGER PRIMARY KEY, virtual_path TEXT, quota_size BIGINT, quota_files \
     INTEGER, folder_id INTEGER, user_id INTEGER); CREATE TABLE groups (id INTEGER PRIMARY KEY, name VARCHAR(255), \
     user_settings TEXT); CREATE TABLE users_groups_mapping (id INTEGER PRIMARY KEY, user_id INTEGER, group_id INTEGER, \
     group_type INTEGER); CREATE TABLE admins (id INTEGER PRIMARY KEY, username VARCHAR(255), password \
     VARCHAR(255), email VARCHAR(255), status INTEGER, permissions TEXT, filters TEXT, role_id INTEGER, created_at BIGINT); \
     INSERT INTO admins VALUES (1, 'admin', '$2b$10$eZxP33.gmdECc0xP81o/YuFHHVIAu5HS0/3Y7Hsd9FEKXWtoLkM3u', 'a@b', 1, \
     '[\"*\"]', '{\"allow_list\":[\"127.0.0.0/8\"],\"totp_config\":{\"enabled\":true,\"secret\":{\"status\":\"Plain\",\"payload\":\"GEZDGNBVGY3TQOJQ\"}}}', \
     NULL, 5), (2, 'limited', '$2b$10$eZxP33.gmdECc0xP81o/YuFHHVIAu5HS0/3Y7Hsd9FEKXWtoLkM3u', '', 1, \
     '[\"view_users\",\"disable_mfa\"]', NULL, 4, 5), (3, 'sealed', '$2b$10$eZxP33.gmdECc0xP81o/YuFHHVIAu5HS0/3Y7Hsd9FEKXWtoLkM3u', \
     '', 1, '[\"*\"]', '{\"totp_config\":{\"enabled\":true,\"secret\":{\"status\":\"Secretbox\",\"payload\":\"x\"}}}', NULL, 5), (4, \
     'lost', '', '', 1, '[\"*\"]', NULL, NULL, 5); INSERT INTO roles VALUES (4, 'staff'); INSERT INTO folders VALUES (1, 'shared', NULL, 'OLD/shared', 0, 0, \
     0, '{\"provider\":0}'); INSERT INTO users_folders_mapping VALUES (1, '/shared', -1, -1, 1, 1); INSERT INTO groups \
     VALUES (2, 'team', '{\"max_sessions\":9}'); INSERT INTO users_groups_mapping VALUES (1, 1, 2, 1); UPDATE users SET \
     role_id = 4, used_upload_data_transfer = 77 WHERE username = 'alice';";

/// An installation of the older server.
pub struct Old {
    place: TempDir,
    key: PathBuf,
    /// The statements that make its database, for SQLite.
    sql: String,
}

impl Old {
    /// `more`: what the era adds to the first schema; `hook`: its key of the configuration.
    pub fn new(more: &str, hook: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        let mut old = Self { key: clients::key(place.path(), "client"), place, sql: String::new() };
        clients::key(&old.make("old"), "host");
        std::fs::create_dir_all(old.path("old/shared")).unwrap();
        for name in ["alice", "bob"] {
            std::fs::create_dir_all(old.path(&format!("homes/{name}"))).unwrap();
        }
        std::fs::write(old.path("homes/alice/first"), "1234567").unwrap();
        let script = old.path("old/hook.sh");
        let refuse =
            "#!/bin/sh\ncase \"$SFTPGO_LOGIND_USER\" in *'\"username\":\"bob\"'*) echo '{\"status\":0}';; esac\n";
        std::fs::write(&script, refuse).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        let settings = serde_json::json!({
            "sftpd": {"bind_port": 0, "bind_address": "127.0.0.1", "keys": [{"private_key": "host"}]},
            "data_provider": {"driver": "sqlite", "name": "old.db", "track_quota": 1, hook: script},
            "httpd": {"bind_port": 0}, "common": {"defender": {"enabled": true}},
            "ftpd": {"bindings": [{"port": 2121}]},
        });
        std::fs::write(old.path("old/sftpgo.json"), settings.to_string()).unwrap();
        let key = std::fs::read_to_string(old.path("client.pub")).unwrap();
        let homes = old.path("homes").display().to_string();
        let user = |name: &str, keys: &str, filesystem: &str| {
            format!(
                "INSERT INTO users (username, password, public_keys, home_dir, uid, gid, max_sessions, quota_size, \
                 quota_files, permissions, used_quota_size, used_quota_files, last_quota_update, upload_bandwidth, \
                 download_bandwidth, expiration_date, last_login, status, filters, filesystem) VALUES ('{name}', '{HASH}', \
                 '{keys}', '{homes}/{name}', 0, 0, 0, 1000, 3, '{{\"/\":[\"*\"]}}', 7, 1, 5, 0, 0, 0, 6, 1, NULL, \
                 '{filesystem}');"
            )
        };
        let keys = serde_json::json!([key.trim()]).to_string();
        let s3 = r#"{"provider":1,"s3config":{"bucket":"b","region":"r","access_key":"k","access_secret":"$aes$00"}}"#;
        let rows =
            [user("alice", &keys, ""), user("bob", "[]", ""), user("carol", "[]", s3), user("dave", "[", "")].concat();
        old.sql = format!("{SEED}{rows}{}", more.replace("OLD", &old.path("old").display().to_string()));
        sqlite(&old.path("old/old.db"), &old.sql);
        old
    }

    /// The same installation with its accounts in another database, which the configuration names.
    pub fn in_database(more: &str, hook: &str, database: &Database) -> Self {
        let old = Self::new(more, hook);
        std::fs::remove_file(old.path("old/old.db")).unwrap();
        let (driver, name, user, numbered) = match database.kind() {
            Kind::Postgresql => ("postgresql", "postgres", "postgres", "SERIAL PRIMARY KEY"),
            Kind::Mariadb => ("mysql", "tidegate", "root", "INTEGER AUTO_INCREMENT PRIMARY KEY"),
        };
        database.sql(&old.sql.replace("INTEGER PRIMARY KEY AUTOINCREMENT", numbered));
        let file = old.path("old/sftpgo.json");
        let mut settings: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let section = settings["data_provider"].as_object_mut().unwrap();
        for (key, value) in [("driver", driver), ("name", name), ("username", user)] {
            section.insert(key.to_owned(), value.into());
        }
        section.insert("host".to_owned(), database.socket().to_str().unwrap().into());
        std::fs::write(&file, settings.to_string()).unwrap();
        old
    }

    pub fn make(&self, name: &str) -> PathBuf {
        std::fs::create_dir_all(self.path(name)).unwrap();
        self.path(name)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// OpenSSH's client as it was configured before, with the host's key in its `known_hosts`.
    pub fn client(&self, server: &Server, user: &str, by_key: bool, batch: &str) -> Output {
        let public = std::fs::read_to_string(self.path("old/host.pub")).unwrap();
        std::fs::write(self.path("known_hosts"), format!("old {public}")).unwrap();
        std::fs::write(self.path("batch"), batch).unwrap();
        let mut command = Command::new("sshpass");
        command.args(["-e", "sftp"]).env("SSHPASS", "changeme").args([
            "-F/dev/null",
            "-oStrictHostKeyChecking=yes",
            "-oHostKeyAlias=old",
            "-oGlobalKnownHostsFile=/dev/null",
            "-oNumberOfPasswordPrompts=1",
            "-oIdentityAgent=none",
            "-oBatchMode=no",
        ]);
        command.arg(format!("-oUserKnownHostsFile={}", self.path("known_hosts").display()));
        command.arg(format!("-oPort={}", server.port));
        match by_key {
            true => command.args(["-oPreferredAuthentications=publickey", "-oIdentitiesOnly=yes", "-i"]).arg(&self.key),
            false => command.args(["-oPubkeyAuthentication=no"]),
        };
        tools::run(command.arg("-b").arg(self.path("batch")).arg(format!("{user}@127.0.0.1")))
    }
}

/// Executes statements in a file.
pub fn sqlite(path: &Path, sql: &str) {
    let script = "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.executescript(sys.argv[2]); d.close()";
    tools::run_ok(Command::new("python3").args(["-c", script]).arg(path).arg(sql));
}
