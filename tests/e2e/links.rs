//! Symbolic links: their text, where they lead, and whose rules hold there (A5-03, A5-20).

use std::os::unix::fs::{PermissionsExt, symlink};

use tidegate_tests::clients::{self, Proof, rsync, sftp, sftp_ok};
use tidegate_tests::raw_sftp::{RawSftp, Reply, fields, string};
use tidegate_tests::server::Site;
use tidegate_tests::sftp_numbers::{attr, fx, fxf, fxp};
use tidegate_tests::tools::run_ok;

/// The one name of a NAME, or the code of a STATUS.
fn name(reply: &Reply) -> Result<String, u32> {
    if reply.kind == fxp::STATUS {
        return Err(reply.status());
    }
    assert_eq!(reply.kind, fxp::NAME, "{reply:?}");
    let length = u32::from_be_bytes(reply.body[4..8].try_into().unwrap()) as usize;
    Ok(String::from_utf8(reply.body[8..8 + length].to_vec()).unwrap())
}

fn make_link(raw: &mut RawSftp, text: &str, link: &str) -> u32 {
    raw.request(fxp::SYMLINK, &fields(&[&string(text), &string(link)])).status()
}

#[test]
fn the_text_of_a_link_comes_back() {
    // A5-20
    let site = Site::new();
    let home = site.user("alice");
    std::fs::create_dir_all(home.join("d")).unwrap();
    std::fs::write(home.join("d/f"), "inside").unwrap();
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let texts = ["f", "../f", "./f", "d//f", "d/", "/etc/x", "/d/f", "/", "..", ".", "../../../out", "/d/../x", "a b"];
    for (number, text) in texts.into_iter().enumerate() {
        let link = format!("/d/l{number}");
        assert_eq!(make_link(&mut raw, text, &link), fx::OK, "{text}");
        assert_eq!(name(&raw.request(fxp::READLINK, &string(&link))).as_deref(), Ok(text));
    }
    assert_eq!(make_link(&mut raw, "", "/d/none"), fx::NO_SUCH_FILE);
    // Programs of the host find the same file.
    assert_eq!(std::fs::read_to_string(home.join("d/l6")).unwrap(), "inside");
    assert_eq!(raw.open_file("/d/l6", fxf::READ).kind, fxp::HANDLE);
    assert_eq!(raw.open_file("/d/l10", fxf::READ).kind, fxp::STATUS);
}

#[test]
fn absolute_links_on_disk_lead_into_the_home() {
    // A5-03, A5-20
    // As the older server made them.
    for mode in ["0", "1", "2"] {
        let site = Site::new().config(&format!("upload_mode = {mode}"));
        let home = site.user("alice");
        std::fs::create_dir_all(home.join("d/e")).unwrap();
        std::fs::write(home.join("d/f"), "old").unwrap();
        symlink(home.join("d/f"), home.join("file")).unwrap();
        symlink(home.join("d"), home.join("dir")).unwrap();
        symlink(&home, home.join("d/e/top")).unwrap();
        symlink(home.join("missing"), home.join("dangling")).unwrap();
        symlink(home.join("d/../../secret"), home.join("climbs")).unwrap();
        site.write("secret", "outside");
        site.write("homes/alice2/secret", "outside");
        symlink(site.path("homes/alice2/secret"), home.join("neighbour")).unwrap();
        let server = site.start();
        let mut raw = RawSftp::connect(&server, "alice", "pw");
        for (path, real) in [
            ("/file", "/d/f"),
            ("/dir/f", "/d/f"),
            ("/dir/e/top/dir/f", "/d/f"),
            ("/dir/e/../f", "/d/f"),
            ("/dir/..", "/"),
            ("/dangling", "/missing"),
            ("/dir/new", "/d/new"),
        ] {
            assert_eq!(name(&raw.request(fxp::REALPATH, &string(path))).as_deref(), Ok(real), "{path}");
        }
        for path in ["/none/new", "/none/..", "/none/../d", "/dir/none/new"] {
            assert_eq!(name(&raw.request(fxp::REALPATH, &string(path))), Err(fx::NO_SUCH_FILE), "{path}");
        }
        assert!(name(&raw.request(fxp::REALPATH, &string("/neighbour"))).is_err());
        for path in ["file", "dir/f", "dir/e/top/d/f"] {
            let handle = raw.open_file(path, fxf::READ).handle();
            let data = raw.request(fxp::READ, &fields(&[&string(&handle), &0_u64.to_be_bytes(), &9_u32.to_be_bytes()]));
            assert_eq!(data.string(), b"old", "{path}");
            raw.request(fxp::CLOSE, &string(&handle));
        }
        for path in ["climbs", "neighbour", "dir/../climbs"] {
            assert_eq!(raw.open_file(path, fxf::READ).kind, fxp::STATUS, "{path}");
        }
        // Written through, the link stays; what it names is made.
        for (path, real) in [("file", "d/f"), ("dir/made", "d/made"), ("dangling", "missing")] {
            let handle = raw.open_file(path, fxf::WRITE | fxf::CREAT | fxf::TRUNC).handle();
            let write = fields(&[&string(&handle), &0_u64.to_be_bytes(), &string("new")]);
            assert_eq!(raw.request(fxp::WRITE, &write).status(), fx::OK, "{path}");
            assert_eq!(raw.request(fxp::CLOSE, &string(&handle)).status(), fx::OK, "{path}, mode {mode}");
            assert_eq!(std::fs::read_to_string(home.join(real)).unwrap(), "new", "{path}");
        }
        assert!(home.join("file").symlink_metadata().unwrap().is_symlink());
        assert_eq!(raw.request(fxp::MKDIR, &fields(&[&string("dir/sub"), &0_u32.to_be_bytes()])).status(), fx::OK);
        assert!(home.join("d/sub").is_dir());
        assert_eq!(raw.request(fxp::REMOVE, &string("dir/made")).status(), fx::OK);
        assert_eq!(raw.request(fxp::REMOVE, &string("dir")).status(), fx::OK, "the link itself");
        assert!(home.join("d/f").exists());
        assert_eq!(std::fs::read_to_string(site.path("secret")).unwrap(), "outside");
    }
}

#[test]
fn the_rules_of_both_ends_hold() {
    // A5-05, A5-20
    let site = Site::new();
    let permissions = ["/:*", "/ro:list,download", "/drop:upload", "/blind:download", "/open:*"];
    let arguments: Vec<&str> =
        ["--password", "pw"].into_iter().chain(permissions.iter().flat_map(|rule| ["--permissions", *rule])).collect();
    let home = site.user_with("alice", &arguments);
    for directory in ["ro", "drop", "blind", "open", "free"] {
        std::fs::create_dir_all(home.join(directory)).unwrap();
        std::fs::write(home.join(directory).join("file"), "old").unwrap();
    }
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    for directory in ["ro", "drop", "blind", "open"] {
        assert_eq!(make_link(&mut raw, &format!("/{directory}"), &format!("free/{directory}")), fx::OK);
        assert_eq!(make_link(&mut raw, &format!("../{directory}/file"), &format!("free/{directory}-file")), fx::OK);
    }
    assert_eq!(make_link(&mut raw, "file", "ro/link"), fx::PERMISSION_DENIED);
    assert_eq!(make_link(&mut raw, "file", "free/ro/link"), fx::PERMISSION_DENIED);
    let mut status = |kind: u8, body: Vec<u8>| {
        let reply = raw.request(kind, &body);
        let status = if reply.kind == fxp::STATUS { reply.status() } else { fx::OK };
        if reply.kind == fxp::HANDLE {
            raw.request(fxp::CLOSE, &string(reply.handle()));
        }
        status
    };
    let open = |path: &str, flags: u32| fields(&[&string(path), &flags.to_be_bytes(), &0_u32.to_be_bytes()]);
    let two = |from: &str, to: &str| fields(&[&string(from), &string(to)]);
    let chmod = |path: &str| fields(&[&string(path), &attr::PERMISSIONS.to_be_bytes(), &0o600_u32.to_be_bytes()]);
    let hard_link = |from: &str, to: &str| fields(&[&string("hardlink@openssh.com"), &string(from), &string(to)]);
    for (rule, kind, body) in [
        // Read.
        (fx::OK, fxp::OPEN, open("free/ro/file", fxf::READ)),
        (fx::OK, fxp::OPEN, open("free/ro-file", fxf::READ)),
        (fx::OK, fxp::OPEN, open("free/blind/file", fxf::READ)),
        (fx::PERMISSION_DENIED, fxp::OPEN, open("free/drop/file", fxf::READ)),
        (fx::PERMISSION_DENIED, fxp::OPEN, open("free/drop-file", fxf::READ)),
        // Write.
        (fx::PERMISSION_DENIED, fxp::OPEN, open("free/ro/file", fxf::WRITE)),
        (fx::PERMISSION_DENIED, fxp::OPEN, open("free/ro-file", fxf::WRITE)),
        (fx::PERMISSION_DENIED, fxp::OPEN, open("free/ro/new", fxf::WRITE | fxf::CREAT)),
        (fx::PERMISSION_DENIED, fxp::OPEN, open("free/ro/new", fxf::READ | fxf::CREAT)),
        (fx::PERMISSION_DENIED, fxp::OPEN, open("free/ro-file", fxf::READ | fxf::TRUNC)),
        (fx::OK, fxp::OPEN, open("free/drop/new", fxf::WRITE | fxf::CREAT)),
        (fx::PERMISSION_DENIED, fxp::OPEN, open("free/drop/file", fxf::WRITE | fxf::TRUNC)),
        (fx::PERMISSION_DENIED, fxp::OPEN, open("free/drop-file", fxf::WRITE | fxf::TRUNC)),
        (fx::OK, fxp::OPEN, open("free/open-file", fxf::WRITE)),
        // Look.
        (fx::OK, fxp::OPENDIR, string("free/ro")),
        (fx::PERMISSION_DENIED, fxp::OPENDIR, string("free/drop")),
        (fx::PERMISSION_DENIED, fxp::OPENDIR, string("free/blind")),
        (fx::PERMISSION_DENIED, fxp::STAT, string("free/blind-file")),
        (fx::OK, fxp::LSTAT, string("free/blind-file")),
        (fx::PERMISSION_DENIED, fxp::LSTAT, string("free/blind/file")),
        (fx::PERMISSION_DENIED, fxp::STAT, string("free/blind/none")),
        (fx::PERMISSION_DENIED, fxp::STAT, string("free/blind/none/below")),
        (fx::OK, fxp::READLINK, string("free/blind-file")),
        (fx::PERMISSION_DENIED, fxp::EXTENDED, fields(&[&string("statvfs@openssh.com"), &string("free/blind/file")])),
        // Change names and attributes.
        (fx::PERMISSION_DENIED, fxp::SETSTAT, chmod("free/ro/file")),
        (fx::PERMISSION_DENIED, fxp::SETSTAT, chmod("free/ro-file")),
        (fx::PERMISSION_DENIED, fxp::REMOVE, string("free/ro/file")),
        (fx::PERMISSION_DENIED, fxp::MKDIR, fields(&[&string("free/ro/d"), &0_u32.to_be_bytes()])),
        (fx::PERMISSION_DENIED, fxp::RENAME, two("free/ro/file", "free/taken")),
        (fx::PERMISSION_DENIED, fxp::RENAME, two("free/file", "free/ro/given")),
        (fx::PERMISSION_DENIED, fxp::RENAME, two("free/open", "free/ro/given")),
        (fx::PERMISSION_DENIED, fxp::EXTENDED, hard_link("free/ro/file", "free/copy")),
        (fx::PERMISSION_DENIED, fxp::EXTENDED, hard_link("free/file", "free/ro/copy")),
        (fx::OK, fxp::EXTENDED, hard_link("free/open/file", "free/copy")),
        (fx::OK, fxp::REMOVE, string("free/ro-file")),
    ] {
        let shown = String::from_utf8_lossy(&body).into_owned();
        assert_eq!(status(kind, body), rule, "{kind} {shown:?}");
    }
    // The server does not reveal what may not be listed.
    assert_eq!(
        name(&raw.request(fxp::REALPATH, &string("/free/blind/none/below"))).as_deref(),
        Ok("/free/blind/none/below")
    );
    assert_eq!(name(&raw.request(fxp::REALPATH, &string("/free/ro/file"))).as_deref(), Ok("/ro/file"));
    assert_eq!(name(&raw.request(fxp::REALPATH, &string("/free/ro/none/below"))), Err(fx::NO_SUCH_FILE));
    for directory in ["ro", "drop", "blind"] {
        assert_eq!(std::fs::read_to_string(home.join(directory).join("file")).unwrap(), "old");
        assert!(!home.join(directory).join("link").exists());
    }
    assert!(!home.join("ro/new").exists() && home.join("drop/new").exists());
    // A loop is an error everywhere.
    assert_eq!(make_link(&mut raw, "loop", "free/loop"), fx::OK);
    assert_eq!(name(&raw.request(fxp::REALPATH, &string("/free/loop"))), Err(fx::NO_SUCH_FILE));
    assert_eq!(raw.request(fxp::STAT, &string("/free/loop")).status(), fx::NO_SUCH_FILE);
}

#[test]
fn programs_come_under_the_rules_of_where_they_work() {
    let site = Site::new().config("enabled_ssh_commands = [\"*\"]");
    let home = site.user_with(
        "alice",
        &["--password", "pw", "--permissions", "/:*", "--permissions", "/ro:list,download", "--permissions", "/w:*"],
    );
    for directory in ["ro", "w", "free"] {
        std::fs::create_dir_all(home.join(directory)).unwrap();
    }
    symlink("../ro", home.join("free/ro")).unwrap();
    symlink(home.join("w"), home.join("free/w")).unwrap();
    let server = site.start();
    let source = site.write("source", "sent");
    let send = |to: &str| {
        let to = format!("alice@127.0.0.1:{to}");
        rsync(&server, "pw", &[source.to_str().unwrap(), &to]).output().unwrap().status.success()
    };
    assert!(!send("/free/ro/stolen") && !home.join("ro/stolen").exists());
    assert!(send("/free/w/sent"), "{}", server.log());
    assert_eq!(std::fs::read_to_string(home.join("w/sent")).unwrap(), "sent");
    // A5-16: and no file becomes a program of the server's user.
    std::fs::set_permissions(&source, std::fs::Permissions::from_mode(0o6755)).unwrap();
    let to = "alice@127.0.0.1:/w/program";
    assert!(rsync(&server, "pw", &["-p", source.to_str().unwrap(), to]).output().unwrap().status.success());
    assert_eq!(home.join("w/program").metadata().unwrap().permissions().mode() & 0o7777, 0o755);
}

#[test]
fn no_account_makes_the_root_of_another_by_a_link() {
    // A5-03
    let site = Site::new();
    let homes = format!("[data_provider]\nhomes = [\"{}\"]", site.path("homes").display());
    let site = site.config(&homes);
    let alice = site.user("alice");
    site.user("carol");
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    for (user, home, link, text, reason) in [
        ("state", "state", "/state", "../..", "the server's own"),
        ("plugins", "plugins/x", "/plugins", "../../plugins", "the server's own"),
        ("below", "below/deep/x", "/below", "../..", "the server's own"),
        ("carols", "carols", "/carols", "../carol", "\"alice\""),
        ("machine", "machine", "/machine", "../../../../../../../../../../../../../../etc", "\"alice\""),
        ("proc", "proc/x", "/proc", "../../../../../../../../../../../../../../proc/self/root/etc", "\"alice\""),
    ] {
        let path = alice.join(home);
        let path = path.to_str().unwrap();
        run_ok(&mut site.tidegate(&["user", "add", "--username", user, "--password", "pw", "--home-dir", path]));
        std::fs::create_dir_all(site.path("homes/carol")).unwrap();
        assert_eq!(make_link(&mut raw, text, link), fx::OK, "{text}");
        let output = sftp(&server, user, Proof::Password("pw"), "ls\n");
        assert!(!output.status.success(), "{user}: {}", clients::text(&output));
        let line = server.wait_for(|line| {
            let message = line["message"].as_str().unwrap_or_default();
            message.contains("could not be opened") && message.contains(reason)
        });
        assert!(line.to_string().contains(path), "{user}: {line}");
    }
    assert!(!site.path("deep").exists() && !site.path("plugins/x").exists());
    // In the directory of its maker, and by the operator.
    assert_eq!(make_link(&mut raw, "own", "/dan"), fx::OK);
    std::fs::create_dir(alice.join("own")).unwrap();
    std::fs::create_dir_all(site.path("homes/disk/erin")).unwrap();
    symlink(site.path("homes/disk/erin"), site.path("homes/erin")).unwrap();
    for (user, home) in [("dan", alice.join("dan")), ("erin", site.path("homes/erin"))] {
        let path = home.to_str().unwrap();
        run_ok(&mut site.tidegate(&["user", "add", "--username", user, "--password", "pw", "--home-dir", path]));
        sftp_ok(&server, user, Proof::Password("pw"), "ls\n");
    }
}
