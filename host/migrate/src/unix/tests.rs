//! Systems made of files in a directory.

use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUz5p0sfkX6DHnnvnAjHyyFhHFzZ9Y3CCrPIWKwY4iB me";

const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio other";

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
    let no_password = r#""denied_login_methods":["password","publickey+password"]"#;
    check(&of("UsePAM yes\nPasswordAuthentication no\n"), shadow, no_password);
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
    check(&of("AuthorizedKeysFile none\n"), shadow, r#""password":"$6$salt$hash","filters":{"denied"#);
    check(&of("MaxAuthTries 3\nPort 22\n"), shadow, "goes on with its port");
    check(INTERNAL, shadow, "2 accounts of the system");
}

#[test]
fn what_the_other_server_refused_is_refused() {
    // A1-22
    let shadow = "me:$6$salt$hash:19000:0:99999:7:::\n";
    let of = |rest: &str| check(&format!("UsePAM yes\n{INTERNAL}{rest}"), shadow, "");
    let refused = |rest: &str, expected: &str| check(&format!("UsePAM yes\n{INTERNAL}{rest}"), shadow, expected);
    of("");
    // Words have any case, and quotes of both kinds.
    let no_password = r#""denied_login_methods":["password","publickey+password"]"#;
    refused("PasswordAuthentication No\n", no_password);
    refused("Match User 'me'\nPasswordAuthentication no\n", no_password);
    // What stands in a Match holds instead of what stands before all of them.
    refused("PasswordAuthentication yes\nMatch User me\nPasswordAuthentication no\n", no_password);
    refused("PasswordAuthentication yes\nMatch all\nPasswordAuthentication no\n", no_password);
    refused("ForceCommand none\nMatch Group sftp\nForceCommand internal-sftp -R\n", r#"{"/":["list","download"]}"#);
    refused("AllowUsers *\nMatch User me\nAllowUsers you\n", "does not admit it");
    refused("DenyGroups !sftp *\n", "does not admit it");
    refused("Match User me\nRefuseConnection Yes\n", "does not admit it");
    refused("Match User you\nRefuseConnection yes\n", r#""status":1"#);
    refused("Match Group sftp\nMaxSessions 0\n", "does not admit it");
    refused("MaxSessions 7\n", r#""status":1"#);
    // Each subsystem has its own line, and the later versions take them in a Match.
    let read_only = r#"{"/":["list","download"]}"#;
    check("UsePAM yes\nSubsystem netconf /usr/bin/netconf\nSubsystem sftp internal-sftp -R\n", shadow, read_only);
    refused("Match User me\nSubsystem other /bin/other\nSubsystem sftp internal-sftp -R\n", read_only);
    // No user that there is meets this condition, and it takes no value.
    refused("Match invalid-user\nForceCommand /bin/false\n", r#""status":1"#);
    refused("Match invalid-user User me\nDenyUsers me\n", r#""status":1"#);
    // What depends on the connection is not decided in the user's favour.
    for line in [
        "PasswordAuthentication no",
        "AllowUsers you",
        "ForceCommand internal-sftp -R",
        "ChrootDirectory /srv",
        "Subsystem sftp internal-sftp -R",
        "RefuseConnection yes",
        "MaxSessions 0",
    ] {
        refused(&format!("Match Address *,!10.0.0.0/8\n{line}\n"), r#""status":0"#);
        refused(&format!("Match LocalPort 22 User me\n{line}\n"), r#""status":0"#);
        refused(&format!("Match LocalPort 22 User you\n{line}\n"), r#""status":1"#);
    }
    refused("Match Address 10.0.0.0/8\nPasswordAuthentication yes\n", r#""status":1"#);
    // A list restricts those whom it names, or does not name.
    for (list, is_restricting) in [
        ("DenyUsers you", false),
        ("DenyUsers me", true),
        ("DenyUsers you m?", true),
        ("DenyUsers me@192.0.2.1", true),
        ("DenyUsers you\nDenyUsers me", true),
        ("AllowUsers me", false),
        ("AllowUsers you m*", false),
        ("AllowUsers you\nAllowUsers me", false),
        ("AllowUsers me@192.0.2.1", true),
        ("AllowUsers you", true),
        ("DenyGroups staff", false),
        ("DenyGroups staff sft?", true),
        ("AllowGroups sftp", false),
        ("AllowGroups staff\nAllowGroups s*p", false),
        ("AllowGroups staff", true),
        // A list of another block is one of other connections.
        ("AllowUsers you\nMatch Address 192.0.2.0/24\nAllowUsers me", true),
        ("AllowGroups staff\nMatch Address 10.0.0.0/8\nAllowGroups sftp", true),
    ] {
        let expected = if is_restricting { r#""status":0"# } else { r#""status":1"# };
        refused(&format!("Match Address 10.0.0.0/8\n{list}\n"), expected);
    }
    refused("Match Address 10.0.0.0/8\nSubsystem netconf /usr/bin/netconf\n", r#""status":1"#);
    // Without PAM there is no dialogue that takes the password.
    check(
        &format!("{INTERNAL}PasswordAuthentication no\n"),
        shadow,
        r#"["password","keyboard-interactive","publickey+password","publickey+keyboard-interactive"]"#,
    );
    refused("ForceCommand internal-sftp -Rx\n", "an option that is not known");
    refused("ForceCommand internal-sftp -Pwrite,mkdir\n", r#"["list","download","delete_files""#);
    refused("RevokedKeys /etc/revoked\n", "no list of keys that can be read here");
    refused("ChrootDirectory /\n", r#""status":0"#);
    refused("X11Forwarding no\nRequiredRSASize 3000\n", "these keywords are not read: requiredrsasize");
    let aged = |line: &str, expected: &str| check(&format!("UsePAM yes\n{INTERNAL}"), line, expected);
    aged("me:$6$s$h:19000:0:90:7:::\n", r#""last_password_change":1641600000000"#);
    aged("me:$6$s$h:19000:0:90:7:::\n", r#""password_expiration":90"#);
    aged("me:$6$s$h:19000:0:99999:7::soon:\n", r#""status":0"#);
    aged("me:$6$s$h:19000:0:99999:7::0:\n", r#""expiration_date":1"#);
}

#[test]
fn programs_that_are_no_shells_start_no_server() {
    let check = |shell: &str, moves: bool| {
        let site = Site::new(&format!("me:x:UID:1::/home/me:{shell}\n"), "Subsystem sftp /usr/lib/sftp-server\n");
        assert_eq!(site.read().users.len() == 1, moves, "{shell}");
    };
    check("/bin/bash", true);
    check("", true);
    check("/usr/lib/openssh/sftp-server", true);
    check("/bin/false", false);
    check("/usr/bin/git-shell", false);
    check("/bin/sync", false);
}

#[test]
fn an_ordinary_system_moves_as_it_is() {
    // As Debian installs it, with a group that has SFTP alone.
    let passwd = "root:x:0:0:root:/root:/bin/bash\nme:x:UID:1000::/home/me:/bin/bash\n\
                  guest:x:3999:3999::/home/guest:/usr/sbin/nologin\n";
    let config = "Include /etc/ssh/sshd_config.d/*.conf\n\n#Port 22\nKbdInteractiveAuthentication no\nUsePAM yes\n\
                  X11Forwarding yes\nPrintMotd no\nAcceptEnv LANG LC_*\n\
                  Subsystem\tsftp\t/usr/lib/openssh/sftp-server\n\
                  Match Group sftponly\n\tChrootDirectory /srv/%u\n\tForceCommand internal-sftp\n\
                  \tAllowTcpForwarding no\n";
    let site = Site::new(passwd, config);
    let shadow = ["me", "guest"].map(|name| format!("{name}:$6$salt$hash:19000:0:99999:7:::\n")).concat();
    for (name, text) in [
        ("etc/ssh/sshd_config.d/50-cloud-init.conf", "PasswordAuthentication yes\n"),
        ("etc/shadow", shadow.as_str()),
        ("etc/group", "sftponly:x:700:guest\n"),
        ("bin/sh", ""),
        ("bin/bash", ""),
    ] {
        site.write(name, text);
    }
    let moved = site.read();
    let said = |user: &serde_json::Map<String, serde_json::Value>| {
        ["username", "home_dir", "status"].map(|field| user[field].to_string()).join(" ")
    };
    let users: Vec<_> = moved.users.iter().map(said).collect();
    assert_eq!(users, [r#""me" "/home/me" 1"#, r#""guest" "/srv/guest" 1"#], "{:?}", moved.notes);
    let everything = serde_json::json!({"/": ["*"]});
    assert!(moved.users.iter().all(|user| user["permissions"] == everything), "{:?}", moved.users);
}

#[test]
fn a_shell_that_is_not_there_admits_no_one() {
    let check = |sshd_config: &str, is_there: bool, moves: bool| {
        let site = Site::new("me:x:UID:1::/home/me:/bin/zsh\n", sshd_config);
        site.write(if is_there { "bin/zsh" } else { "bin/sh" }, "");
        assert_eq!(site.read().users.len() == 1, moves, "{sshd_config} {is_there}");
    };
    check(INTERNAL, true, true);
    check(INTERNAL, false, false);
    // In a chroot, that server looks for none.
    check(&format!("{INTERNAL}ChrootDirectory /srv\n"), false, true);
    check("", false, true);
    // Files that were copied from elsewhere say nothing about shells, nor do those of the system here.
    let site = Site::new("me:x:UID:1::/home/me:/bin/zsh-of-elsewhere\n", INTERNAL);
    site.write("bin/mine", "");
    assert_eq!(site.read().users.len(), 1);
    site.write("bin/sh", "");
    assert_eq!(site.read().users.len(), 0);
    for name in ["passwd", "ssh/sshd_config"] {
        let text = std::fs::read_to_string(site.root.path().join("etc").join(name)).unwrap();
        site.write(&format!("copied/{name}"), &text);
    }
    let moved = read(&site.root.path().join("copied/passwd"), 1000..=60000).unwrap();
    assert_eq!(moved.users.len(), 1, "{:?}", moved.notes);
}

#[test]
fn without_the_groups_no_line_about_groups_is_passed_over() {
    let check = |lines: &str, expected: Option<&str>| {
        let site = Site::new("me:x:UID:1::/home/me:/bin/sh\n", &format!("{INTERNAL}{lines}"));
        let found = read(&site.root.path().join("etc/passwd"), 1000..=60000);
        match (found, expected) {
            (Ok(moved), None) => assert_eq!(moved.users.len(), 1, "{lines}"),
            (Err(error), Some(part)) => assert!(error.to_string().contains(part), "{lines}: {error}"),
            (found, _) => panic!("{lines}: {found:?}"),
        }
    };
    check("", None);
    check("Match User me\nPasswordAuthentication no\n", None);
    for lines in ["DenyGroups staff\n", "AllowGroups staff\n", "Match Group staff\nChrootDirectory /srv\n"] {
        check(lines, Some("lines for groups"));
    }
}

#[test]
fn a_key_that_is_revoked_is_not_moved() {
    let site = Site::new("me:x:UID:1::/home/me:/bin/sh\n", "Subsystem sftp internal-sftp\nRevokedKeys /etc/revoked\n");
    let keys = site.write("home/me/.ssh/authorized_keys", &format!("{KEY}\n{OTHER}\n"));
    std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o600)).unwrap();
    site.write("etc/revoked", &format!("# lost\n{KEY} of another name\n"));
    let moved = site.read();
    assert_eq!(moved.users[0]["public_keys"], serde_json::json!([OTHER]));
    assert!(moved.notes.iter().any(|note| note.text.contains("RevokedKeys")), "{:?}", moved.notes);
    site.write("etc/revoked", "SSHKRL\n");
    assert!(site.read().users[0].get("public_keys").is_none());
    // What stands in a Match holds for its users, in the place of what stands before all of them.
    site.write("etc/revoked", &format!("{OTHER}\n"));
    for (lines, expected) in [
        ("RevokedKeys none\nMatch User me\nRevokedKeys /etc/revoked\n", serde_json::json!([KEY])),
        ("RevokedKeys /etc/revoked\nMatch User you\nRevokedKeys none\n", serde_json::json!([KEY])),
        ("RevokedKeys /etc/revoked\nMatch User me\nRevokedKeys none\n", serde_json::json!([KEY, OTHER])),
    ] {
        site.write("etc/ssh/sshd_config", &format!("{INTERNAL}{lines}"));
        assert_eq!(site.read().users[0]["public_keys"], expected, "{lines}");
    }
}

#[test]
fn a_configuration_that_cannot_be_read_is_not_taken_for_none() {
    let site = Site::new("me:x:UID:1::/home/me:/bin/sh\n", "");
    std::fs::create_dir_all(site.root.path().join("etc/ssh")).unwrap();
    std::os::unix::fs::symlink("nowhere", site.root.path().join("etc/ssh/sshd_config")).unwrap();
    let read = || read(&site.root.path().join("etc/passwd"), 1000..=60000).map(|moved| moved.users.len());
    assert!(read().unwrap_err().to_string().contains("could not be read"));
    std::fs::remove_file(site.root.path().join("etc/ssh/sshd_config")).unwrap();
    assert_eq!(read().unwrap(), 1);
    for pattern in ["/etc/ssh/[ab].conf", "/etc/*/more.conf"] {
        site.write("etc/ssh/sshd_config", &format!("Include {pattern}\n"));
        assert!(read().unwrap_err().to_string().contains("a pattern that is not read"), "{pattern}");
    }
    site.write("etc/ssh/sshd_config", "Include /etc/ssh/none.conf /none/*.conf\n");
    assert_eq!(read().unwrap(), 1);
}

#[test]
fn what_shadow_says_of_a_person_moves() {
    check(INTERNAL, "me:!$6$s$h:19000::::::\n", "it is locked, and so it is disabled");
    check(&format!("UsePAM yes\n{INTERNAL}"), "me:!:19000::::::\n", r#""status":1"#);
    check(INTERNAL, "me:$6$s$h:0:0:99999:7:::\n", r#""require_password_change":true"#);
    check(INTERNAL, "me:$6$s$h:19000:0:99999:7::20000:\n", r#""expiration_date":1728000000000"#);
    check(INTERNAL, "me:rqXexS6ZhobKA:19000::::::\n", "cannot be checked here");
    check(INTERNAL, "me:$6$s$h:x:y:99999999999999999999:7:::\n", r#""status":0"#);
}

#[test]
fn keys_that_others_can_write_are_not_moved() {
    let site = Site::new("me:x:UID:1::/home/me:/bin/sh\n", INTERNAL);
    site.write("home/me/.ssh/authorized_keys", KEY);
    for (path, mode, is_moved) in [
        ("home/me/.ssh/authorized_keys", 0o666, false),
        ("home/me/.ssh/authorized_keys", 0o600, true),
        ("home/me/.ssh", 0o777, false),
        ("home/me/.ssh", 0o700, true),
        ("home/me", 0o770, false),
    ] {
        let place = site.root.path().join(path);
        std::fs::set_permissions(place, std::fs::Permissions::from_mode(mode)).unwrap();
        let moved = site.read();
        assert_eq!(moved.users[0].contains_key("public_keys"), is_moved, "{path} {mode:o}");
        assert_eq!(moved.notes.iter().any(|note| note.text.contains("StrictModes")), !is_moved, "{:?}", moved.notes);
    }
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
    // What is included behind a Match is for those who meet it, whatever the file's own Match say.
    for inner in ["", "Match all\n", "Match User me\n", "Match User you\nChrootDirectory /other\nMatch User *\n"] {
        for (outer, home) in [("you", "/a b"), ("me", "/inner")] {
            site.write("etc/ssh/more/0.conf", &format!("Match User {outer}\nInclude inner.conf\n"));
            site.write("etc/ssh/inner.conf", &format!("{inner}ChrootDirectory /inner\n"));
            assert_eq!(site.read().users[0]["home_dir"], home, "{outer}: {inner}");
        }
    }
    site.write("etc/ssh/more/3.conf", "Include more/3.conf\n");
    let error = read(&site.root.path().join("etc/passwd"), 1000..=60000).unwrap_err().to_string();
    assert!(error.contains("or itself"), "{error}");
}

#[test]
fn keys_that_are_not_looked_at_are_noted() {
    let site = Site::new("me:x:UID:1::/home/me:/bin/sh\n", "Port 22\n");
    let is_noted = || site.read().notes.iter().any(|note| note.text.contains("no keys are moved"));
    assert!(is_noted());
    std::fs::create_dir_all(site.root.path().join("home/me")).unwrap();
    assert!(!is_noted());
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
