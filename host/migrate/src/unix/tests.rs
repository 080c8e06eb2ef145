//! Systems made of files in a directory.

use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUz5p0sfkX6DHnnvnAjHyyFhHFzZ9Y3CCrPIWKwY4iB me";

struct Site {
    root: TempDir,
    uid: u32,
}

impl Site {
    fn new(passwd: &str, sshd_config: &str) -> Self {
        use std::os::unix::fs::MetadataExt;
        let root = tempfile::tempdir().unwrap();
        let uid = root.path().metadata().unwrap().uid();
        let site = Self { root, uid };
        site.write("etc/passwd", &passwd.replace("UID", &uid.max(1000).to_string()));
        if !sshd_config.is_empty() {
            site.write("etc/ssh/sshd_config", sshd_config);
        }
        site
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.root.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn read(&self) -> Moved {
        read(&self.root.path().join("etc/passwd"), 1000..=60000).unwrap()
    }
}

/// What moves of one person and what is said of it contains `expected`.
fn check(sshd_config: &str, shadow: &str, expected: &str) {
    let passwd =
        "root:x:0:0:root:/root:/bin/bash\nme:x:UID:1000:Me:/home/me:/usr/sbin/nologin\nsvc:x:33:33::/:/bin/sh\n";
    let site = Site::new(passwd, sshd_config);
    site.write("etc/shadow", shadow);
    site.write("etc/group", "sftp:x:700:other,me\n");
    std::fs::create_dir_all(site.root.path().join("srv/me/in")).unwrap();
    let keys = site.write("home/me/.ssh/authorized_keys", &format!("# mine\n{KEY}\nrubbish\n"));
    std::fs::set_permissions(keys, std::fs::Permissions::from_mode(0o600)).unwrap();
    let moved = site.read();
    let users: Vec<_> = moved.users.iter().map(|user| serde_json::to_string(user).unwrap()).collect();
    let found = format!("{users:?} {:?}", moved.notes).replace('\\', "");
    assert!(found.contains(expected), "{sshd_config}\n{found}\nlacks {expected}");
}

const INTERNAL: &str = "Subsystem sftp internal-sftp\n";

#[test]
fn what_sshd_config_says_of_a_person_moves() {
    // A1-22
    let of = |rest: &str| format!("{INTERNAL}{rest}");
    let shadow = "me:$6$salt$hash:19000:0:99999:7:::\n";
    check(INTERNAL, shadow, r#""home_dir":"/home/me""#);
    check(INTERNAL, shadow, r#""password":"$6$salt$hash""#);
    check(INTERNAL, shadow, "one of its public keys stays behind");
    check(INTERNAL, shadow, KEY);
    check(INTERNAL, shadow, "saw the whole file system");
    check(&of("Match Group sftp\n ChrootDirectory /srv/%u\n"), shadow, r#""home_dir":"/srv/me""#);
    check(&of("Match Group other\n ChrootDirectory /srv/%u\n"), shadow, r#""home_dir":"/home/me""#);
    check(&of("Match User m*,!me\n ChrootDirectory /srv/%u\n"), shadow, r#""home_dir":"/home/me""#);
    check(&of("ChrootDirectory /srv/%x\n"), shadow, "a token that is not known");
    check(&of("ForceCommand internal-sftp -R -d /in\n"), shadow, r#""permissions":{"/":["list","download"]}"#);
    check(&of("ForceCommand internal-sftp -R -d /in\n"), shadow, r#""start_directory":"/in""#);
    check(&of("ForceCommand /usr/bin/git-shell\n"), shadow, "could not use SFTP");
    check("Subsystem sftp /usr/lib/sftp-server\n", shadow, "could not use SFTP");
    check(&of("PasswordAuthentication no\n"), shadow, r#""denied_login_methods":["password","publickey+password"]"#);
    check(
        &of("AuthenticationMethods publickey,password\n"),
        shadow,
        r#"["publickey","password","keyboard-interactive","publickey+keyboard-interactive"]"#,
    );
    check(&of("AuthenticationMethods hostbased\n"), shadow, r#""status":0"#);
    check(&of("AllowUsers you\n"), shadow, "does not admit it");
    check(&of("DenyGroups sftp\n"), shadow, "does not admit it");
    check(&of("AllowUsers me@10.0.0.1\n"), shadow, "from some addresses only");
    check(&of("Match Address 10.0.0.0/8\n PasswordAuthentication no\n"), shadow, "depend on the connection");
    check(&of("AuthorizedKeysFile none\n"), shadow, r#""password":"$6$salt$hash"}"#);
    check(&of("MaxAuthTries 3\nPort 22\n"), shadow, "goes on with its port");
    check(INTERNAL, shadow, "2 accounts of the system");
}

#[test]
fn what_shadow_says_of_a_person_moves() {
    check(INTERNAL, "me:!$6$s$h:19000::::::\n", "it is locked, and so it is disabled");
    check(&format!("UsePAM yes\n{INTERNAL}"), "me:!:19000::::::\n", r#""status":1"#);
    check(INTERNAL, "me:$6$s$h:0:0:99999:7:::\n", r#""require_password_change":true"#);
    check(INTERNAL, "me:$6$s$h:19000:0:99999:7::20000:\n", r#""expiration_date":1728000000000"#);
    check(INTERNAL, "me:rqXexS6ZhobKA:19000::::::\n", "cannot be checked here");
    check(INTERNAL, "me:$6$s$h:x:y:99999999999999999999:7:::\n", r#""password":"$6$s$h""#);
}

#[test]
fn keys_that_others_can_write_are_not_moved() {
    let site = Site::new("me:x:UID:1::/home/me:/bin/sh\n", INTERNAL);
    let keys = site.write("home/me/.ssh/authorized_keys", KEY);
    std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o666)).unwrap();
    let moved = site.read();
    assert!(moved.notes.iter().any(|note| note.text.contains("StrictModes")), "{:?}", moved.notes);
    assert!(moved.users[0].get("public_keys").is_none());
    assert!(site.uid < u32::MAX);
}

#[test]
fn host_keys_get_our_names() {
    let site = Site::new("me:x:UID:1::/home/me:/bin/sh\n", "Port 22\n");
    site.write("etc/ssh/ssh_host_ed25519_key", "");
    site.write("etc/ssh/ssh_host_rsa_key", "");
    let names: Vec<_> = site.read().host_keys.into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["id_ed25519", "id_rsa"]);
    site.write("etc/ssh/sshd_config", "HostKey /etc/keys/mine\nHostKey /etc/keys/ssh_host_dsa_key\n");
    let moved = site.read();
    assert_eq!(moved.host_keys, [(site.root.path().join("etc/keys/mine"), "mine".to_owned())]);
    assert!(moved.notes.iter().any(|note| note.about.ends_with("ssh_host_dsa_key")));
}

#[test]
fn included_files_count_where_they_stand() {
    let site = Site::new("me:x:UID:1::/home/me:/bin/sh\n", "Include /etc/ssh/more/*.conf\nChrootDirectory /b\n");
    site.write("etc/ssh/more/1.conf", "Match User you\nChrootDirectory /you\n");
    site.write("etc/ssh/more/2.conf", "chrootdirectory=\"/a b\" # first\n");
    assert_eq!(site.read().users[0]["home_dir"], "/a b");
    site.write("etc/ssh/more/3.conf", "Include more/3.conf\n");
    let error = read(&site.root.path().join("etc/passwd"), 1000..=60000).unwrap_err().to_string();
    assert!(error.contains("or itself"), "{error}");
}

#[test]
fn lines_that_are_no_accounts_are_noted() {
    let site = Site::new("+::::::\nx\nme:x:UID:1::/home/me:/bin/sh\nme:x:1:1::/:\nyou:x:-1:1::/:\n", "Port 22\n");
    let about: Vec<_> = site.read().notes.into_iter().map(|note| note.about).collect();
    for line in [1, 2, 4, 5] {
        assert!(about.contains(&format!("passwd, line {line}")), "{about:?}");
    }
    let file = site.root.path().join("etc/shadow");
    std::fs::create_dir(&file).unwrap();
    assert!(read(&site.root.path().join("etc/passwd"), 1000..=60000).unwrap_err().to_string().contains("not a file"));
}
