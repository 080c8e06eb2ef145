//! Symbolic links: their text, where they lead, and whose rules hold there (A5-03, A5-20).

use std::os::unix::fs::{PermissionsExt, symlink};

use tidegate_tests::clients::rsync;
use tidegate_tests::raw_sftp::{RawSftp, Reply, fields, string};
use tidegate_tests::server::Site;

const OK: u32 = 0;
const NO_SUCH_FILE: u32 = 2;
const DENIED: u32 = 3;
const FAILURE: u32 = 4;

/// The one name of a NAME, or the code of a STATUS.
fn name(reply: &Reply) -> Result<String, u32> {
    if reply.kind == 101 {
        return Err(reply.status());
    }
    assert_eq!(reply.kind, 104, "{reply:?}");
    let length = u32::from_be_bytes(reply.body[4..8].try_into().unwrap()) as usize;
    Ok(String::from_utf8(reply.body[8..8 + length].to_vec()).unwrap())
}

fn make_link(raw: &mut RawSftp, text: &str, link: &str) -> u32 {
    raw.request(20, &fields(&[&string(text), &string(link)])).status()
}

#[test]
fn the_text_of_a_link_comes_back() {
    let site = Site::new();
    let home = site.user("alice");
    std::fs::create_dir_all(home.join("d")).unwrap();
    std::fs::write(home.join("d/f"), "inside").unwrap();
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let texts = ["f", "../f", "./f", "d//f", "d/", "/etc/x", "/d/f", "/", "..", ".", "../../../out", "/d/../x", "a b"];
    for (number, text) in texts.into_iter().enumerate() {
        let link = format!("/d/l{number}");
        assert_eq!(make_link(&mut raw, text, &link), OK, "{text}");
        assert_eq!(name(&raw.request(19, &string(&link))).as_deref(), Ok(text));
    }
    assert_eq!(make_link(&mut raw, "", "/d/none"), NO_SUCH_FILE);
    // Programs of the host find the same file.
    assert_eq!(std::fs::read_to_string(home.join("d/l6")).unwrap(), "inside");
    assert_eq!(raw.open_file("/d/l6", 1).kind, 102);
    assert_eq!(raw.open_file("/d/l10", 1).kind, 101);
}

#[test]
fn absolute_links_on_disk_lead_into_the_home() {
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
            assert_eq!(name(&raw.request(16, &string(path))).as_deref(), Ok(real), "{path}");
        }
        for path in ["/none/new", "/none/..", "/none/../d", "/dir/none/new"] {
            assert_eq!(name(&raw.request(16, &string(path))), Err(NO_SUCH_FILE), "{path}");
        }
        assert!(name(&raw.request(16, &string("/neighbour"))).is_err());
        for path in ["file", "dir/f", "dir/e/top/d/f"] {
            let handle = raw.open_file(path, 1).handle();
            let data = raw.request(5, &fields(&[&string(&handle), &0_u64.to_be_bytes(), &9_u32.to_be_bytes()]));
            assert_eq!(data.string(), b"old", "{path}");
            raw.request(4, &string(&handle));
        }
        for path in ["climbs", "neighbour", "dir/../climbs"] {
            assert_eq!(raw.open_file(path, 1).kind, 101, "{path}");
        }
        // Written through, the link stays; what it names is made.
        for (path, real) in [("file", "d/f"), ("dir/made", "d/made"), ("dangling", "missing")] {
            let handle = raw.open_file(path, 2 | 8 | 16).handle();
            let write = fields(&[&string(&handle), &0_u64.to_be_bytes(), &string("new")]);
            assert_eq!(raw.request(6, &write).status(), OK, "{path}");
            assert_eq!(raw.request(4, &string(&handle)).status(), OK, "{path}, mode {mode}");
            assert_eq!(std::fs::read_to_string(home.join(real)).unwrap(), "new", "{path}");
        }
        assert!(home.join("file").symlink_metadata().unwrap().is_symlink());
        assert_eq!(raw.request(14, &fields(&[&string("dir/sub"), &0_u32.to_be_bytes()])).status(), OK);
        assert!(home.join("d/sub").is_dir());
        assert_eq!(raw.request(13, &string("dir/made")).status(), OK);
        assert_eq!(raw.request(13, &string("dir")).status(), OK, "the link itself");
        assert!(home.join("d/f").exists());
        assert_eq!(std::fs::read_to_string(site.path("secret")).unwrap(), "outside");
    }
}

#[test]
fn the_rules_of_both_ends_hold() {
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
        assert_eq!(make_link(&mut raw, &format!("/{directory}"), &format!("free/{directory}")), OK);
        assert_eq!(make_link(&mut raw, &format!("../{directory}/file"), &format!("free/{directory}-file")), OK);
    }
    assert_eq!(make_link(&mut raw, "file", "ro/link"), DENIED);
    assert_eq!(make_link(&mut raw, "file", "free/ro/link"), DENIED);
    let mut status = |kind: u8, body: Vec<u8>| {
        let reply = raw.request(kind, &body);
        let status = if reply.kind == 101 { reply.status() } else { OK };
        if reply.kind == 102 {
            raw.request(4, &string(reply.handle()));
        }
        status
    };
    let open = |path: &str, flags: u32| fields(&[&string(path), &flags.to_be_bytes(), &0_u32.to_be_bytes()]);
    let two = |from: &str, to: &str| fields(&[&string(from), &string(to)]);
    let chmod = |path: &str| fields(&[&string(path), &4_u32.to_be_bytes(), &0o600_u32.to_be_bytes()]);
    let hard_link = |from: &str, to: &str| fields(&[&string("hardlink@openssh.com"), &string(from), &string(to)]);
    for (rule, kind, body) in [
        // Read.
        (OK, 3, open("free/ro/file", 1)),
        (OK, 3, open("free/ro-file", 1)),
        (OK, 3, open("free/blind/file", 1)),
        (DENIED, 3, open("free/drop/file", 1)),
        (DENIED, 3, open("free/drop-file", 1)),
        // Write.
        (DENIED, 3, open("free/ro/file", 2)),
        (DENIED, 3, open("free/ro-file", 2)),
        (DENIED, 3, open("free/ro/new", 2 | 8)),
        (DENIED, 3, open("free/ro/new", 1 | 8)),
        (DENIED, 3, open("free/ro-file", 1 | 16)),
        (OK, 3, open("free/drop/new", 2 | 8)),
        (DENIED, 3, open("free/drop/file", 2 | 16)),
        (DENIED, 3, open("free/drop-file", 2 | 16)),
        (OK, 3, open("free/open-file", 2)),
        // Look.
        (OK, 11, string("free/ro")),
        (DENIED, 11, string("free/drop")),
        (DENIED, 11, string("free/blind")),
        (DENIED, 17, string("free/blind-file")),
        (OK, 7, string("free/blind-file")),
        (DENIED, 7, string("free/blind/file")),
        (DENIED, 17, string("free/blind/none")),
        (DENIED, 17, string("free/blind/none/below")),
        (OK, 19, string("free/blind-file")),
        (DENIED, 200, fields(&[&string("statvfs@openssh.com"), &string("free/blind/file")])),
        // Change names and attributes.
        (DENIED, 9, chmod("free/ro/file")),
        (DENIED, 9, chmod("free/ro-file")),
        (DENIED, 13, string("free/ro/file")),
        (DENIED, 14, fields(&[&string("free/ro/d"), &0_u32.to_be_bytes()])),
        (DENIED, 18, two("free/ro/file", "free/taken")),
        (DENIED, 18, two("free/file", "free/ro/given")),
        (DENIED, 18, two("free/open", "free/ro/given")),
        (DENIED, 200, hard_link("free/ro/file", "free/copy")),
        (DENIED, 200, hard_link("free/file", "free/ro/copy")),
        (OK, 200, hard_link("free/open/file", "free/copy")),
        (OK, 13, string("free/ro-file")),
    ] {
        let shown = String::from_utf8_lossy(&body).into_owned();
        assert_eq!(status(kind, body), rule, "{kind} {shown:?}");
    }
    // What may not be listed is not told either.
    assert_eq!(name(&raw.request(16, &string("/free/blind/none/below"))).as_deref(), Ok("/free/blind/none/below"));
    assert_eq!(name(&raw.request(16, &string("/free/ro/file"))).as_deref(), Ok("/ro/file"));
    assert_eq!(name(&raw.request(16, &string("/free/ro/none/below"))), Err(NO_SUCH_FILE));
    for directory in ["ro", "drop", "blind"] {
        assert_eq!(std::fs::read_to_string(home.join(directory).join("file")).unwrap(), "old");
        assert!(!home.join(directory).join("link").exists());
    }
    assert!(!home.join("ro/new").exists() && home.join("drop/new").exists());
    // A loop is an error everywhere.
    assert_eq!(make_link(&mut raw, "loop", "free/loop"), OK);
    assert_eq!(name(&raw.request(16, &string("/free/loop"))), Err(FAILURE));
    assert_eq!(raw.request(17, &string("/free/loop")).status(), FAILURE);
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
