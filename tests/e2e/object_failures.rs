//! What a store that is killed, or a server that is, leaves of files and of sessions (A16).

use std::process::Stdio;

use serde_json::Value;
use tidegate_tests::clients::{Proof, openssh, sftp, sftp_ok, text};
use tidegate_tests::object_store::Store;
use tidegate_tests::raw_sftp::{RawSftp, fields, string};
use tidegate_tests::server::Site;
use tidegate_tests::sftp_numbers::{fx, fxf, fxp};
use tidegate_tests::{tools, waiting};

const PASSWORD: Proof<'static> = Proof::Password("pw");
const PACKET: usize = 32 << 10;

/// The user `alice`, whose files are in the store.
fn alice(site: &Site, store: &Store) {
    let home = site.path("homes/alice");
    let user = format!(
        r#"{{"username":"alice","status":1,"password":"pw","home_dir":"{}","permissions":{{"/":["*"]}},{}}}"#,
        home.display(),
        store.file_system()
    );
    let file = site.write("alice.json", user);
    tools::run_ok(&mut site.tidegate(&["user", "add", "--from-json", file.to_str().unwrap()]));
}

#[test]
fn a_store_that_is_killed_loses_nothing_and_stops_no_other_session() {
    let site = Site::new();
    let mut store = Store::start(&site);
    alice(&site, &store);
    let bob = site.user("bob");
    let server = site.start();
    let (small, large) = (site.write("small", "acknowledged"), site.write("large", vec![7; 48 << 20]));
    sftp_ok(&server, "alice", PASSWORD, &format!("put {} kept\n", small.display()));
    for round in 0..2 {
        let batch = site.write("batch", format!("put {} broken\n", large.display()));
        let mut client = openssh("sftp", &server, PASSWORD);
        // Slow enough to be in the middle of it.
        client.args(["-l", "64000", "-oBatchMode=no", "-b"]).arg(batch).arg("alice@127.0.0.1");
        let mut client = client.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        waiting::until("parts are stored", || !store.unfinished().is_empty());
        store.kill();
        // A session on a directory of the host goes on meanwhile.
        let local = format!("put {} f{round}\nget f{round} {}\n", small.display(), site.path("from-bob").display());
        sftp_ok(&server, "bob", PASSWORD, &local);
        assert_eq!(std::fs::read(bob.join(format!("f{round}"))).unwrap(), b"acknowledged");
        assert!(!client.wait().unwrap().success(), "{}", server.log());
        store.restart();
        let put = format!("put {} kept{round}\n", small.display());
        waiting::until("the store is used again", || sftp(&server, "alice", PASSWORD, &put).status.success());
        let back = site.path("back");
        sftp_ok(&server, "alice", PASSWORD, &format!("get kept {}\n", back.display()));
        assert_eq!(std::fs::read(&back).unwrap(), b"acknowledged");
        assert!(!store.objects().contains(&"broken".to_owned()), "{:?}", store.objects());
        // s3s-fs cannot list what was left, so that no sweep removes it; the server may be about to.
        for left in store.unfinished() {
            let _ = std::fs::remove_file(store.bucket.parent().unwrap().join(left));
        }
    }
}

#[test]
fn a_client_is_told_what_is_wrong_with_the_store() {
    // A5-19
    let site = Site::new();
    let mut store = Store::start(&site);
    alice(&site, &store);
    let set = |secret: &str| {
        let filesystem = store.file_system().replace(r#""access_secret":"secret""#, secret);
        let file = site.write("change.json", format!(r#"{{"username":"alice",{filesystem}}}"#));
        tools::run_ok(&mut site.tidegate(&["user", "update", "--from-json", file.to_str().unwrap()]));
    };
    let server = site.start();
    let asked = || RawSftp::connect(&server, "alice", "pw").request(fxp::STAT, &string("/f"));
    assert_eq!(asked().status(), fx::NO_SUCH_FILE);
    set(r#""access_secret":"another""#);
    let refused = asked();
    assert_eq!(refused.status(), fx::PERMISSION_DENIED);
    assert_eq!(refused.message(), "Permission denied");
    let expected = "the object store does not permit it with these credentials";
    assert!(server.log().contains(expected), "{}", server.log());
    set(r#""access_secret":"secret""#);
    store.kill();
    let failed = asked();
    assert_eq!(failed.status(), fx::FAILURE);
    assert!(failed.message().contains("the object store failed or cannot be reached"), "{}", failed.message());
    // Neither names the bucket, the store or its keys.
    for text in [refused.message(), failed.message()] {
        assert!(!text.contains("files") && !text.contains("127.0.0.1"), "{text}");
    }
}

#[test]
fn what_a_killed_server_leaves_is_swept() {
    let site = Site::new();
    let store = Store::with_directories(&site);
    alice(&site, &store);
    let server = site.start();
    let sweep = |older_than: &str| {
        let arguments = ["storage", "sweep", "--user", "alice", "--older-than", older_than, "--json"];
        let shown = tools::run_ok(&mut site.tidegate(&arguments));
        let swept: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(swept.as_array().unwrap().len(), 1, "{shown}");
        (swept[0]["aborted"].as_u64().unwrap(), swept[0]["left"].as_u64().unwrap())
    };
    let small = site.write("small", "acknowledged");
    sftp_ok(&server, "alice", PASSWORD, &format!("put {} kept\n", small.display()));
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let handle = raw.open_file("/broken", fxf::WRITE | fxf::CREAT | fxf::TRUNC).handle();
    let data = string(vec![7; PACKET]);
    // Two parts and a half.
    for number in 0..(20 << 20) / PACKET as u64 {
        let write = fields(&[&string(&handle), &(number * PACKET as u64).to_be_bytes(), &data]);
        assert_eq!(raw.request(fxp::WRITE, &write).status(), fx::OK);
    }
    // One of another century would be swept.
    waiting::until("the store has begun the upload", || sweep("1000000") == (0, 1));
    server.kill();
    // Without a server the command does it itself, and with one that asks the server.
    assert_eq!(sweep("1000000"), (0, 1));
    let server = site.start();
    assert_eq!((sweep("0"), sweep("0")), ((1, 0), (0, 0)));
    let back = site.path("back");
    sftp_ok(&server, "alice", PASSWORD, &format!("get kept {}\n", back.display()));
    assert_eq!(std::fs::read(&back).unwrap(), b"acknowledged");
    let listed = text(&sftp(&server, "alice", PASSWORD, "ls -1\n"));
    assert!(listed.contains("kept") && !listed.contains("broken"), "{listed}");
}
