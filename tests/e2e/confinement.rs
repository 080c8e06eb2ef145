//! No path leads out of the home directory.

use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

use tidegate_tests::raw_sftp::{RawSftp, fields, string};
use tidegate_tests::server::Site;
use tidegate_tests::sftp_numbers::{fx, fxf, fxp};

const OUTSIDE: &str = "this is outside";

/// A home with a neighbour of the same prefix and every kind of link out of it.
fn site() -> (Site, std::path::PathBuf) {
    let site = Site::new();
    let home = site.user("alice");
    std::fs::create_dir_all(&home).unwrap();
    site.write("homes/alice2/secret", OUTSIDE);
    site.write("secret", OUTSIDE);
    symlink("../../secret", home.join("relative")).unwrap();
    symlink(site.path("secret"), home.join("absolute")).unwrap();
    symlink("..", home.join("up")).unwrap();
    symlink("/", home.join("root")).unwrap();
    symlink("/proc/self/root", home.join("magic")).unwrap();
    symlink("up", home.join("chain")).unwrap();
    (site, home)
}

#[test]
fn no_spelling_of_a_path_leads_out() {
    // A1-01, A5-03
    let (site, home) = site();
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    for path in [
        "../alice2/secret",
        "/../alice2/secret",
        "../../secret",
        "//../../secret",
        "/./../../secret",
        "relative",
        "absolute",
        "up/alice2/secret",
        "chain/alice2/secret",
        "root/etc/passwd",
        "magic/etc/passwd",
        "up/up/secret",
        "/up/../../secret",
        "alice2/secret",
        "/etc/passwd",
        "..%2fsecret",
        "....//secret",
        "up/",
        "root/.",
    ] {
        let opened = raw.open_file(path, fxf::READ);
        assert_eq!(opened.kind, fxp::STATUS, "{path} was opened");
        let created = raw.open_file(format!("{path}.new"), fxf::WRITE | fxf::CREAT);
        if created.kind == fxp::HANDLE {
            // A name of its own, inside.
            raw.request(fxp::CLOSE, &string(created.handle()));
        }
        for kind in [fxp::LSTAT, fxp::STAT] {
            let reply = raw.request(kind, &string(path));
            assert!(reply.kind == fxp::STATUS || !path.contains("secret"), "{path}: {reply:?}");
        }
    }
    for path in ["up", "root", "magic", "chain", "up/alice2"] {
        assert_eq!(raw.request(fxp::OPENDIR, &string(path)).kind, fxp::STATUS, "{path} was listed");
        assert_ne!(
            raw.request(fxp::MKDIR, &fields(&[&string(format!("{path}/made")), &0_u32.to_be_bytes()])).status(),
            fx::OK
        );
        assert_ne!(
            raw.request(fxp::RENAME, &fields(&[&string("mine"), &string(format!("{path}/mine"))])).status(),
            fx::OK
        );
    }
    // A link's text is shown as it was written (A5-20), which opens no way to what it names.
    for (path, text) in [("up", ".."), ("chain", "up"), ("root", "/"), ("magic", "/proc/self/root")] {
        let reply = raw.request(fxp::READLINK, &string(path));
        assert_eq!(reply.kind, fxp::NAME, "{path}");
        // After a count of one, and the length.
        assert_eq!(&reply.body[8..8 + text.len()], text.as_bytes(), "{path}: {reply:?}");
    }
    assert_eq!(raw.request(fxp::READLINK, &string("up/alice2")).kind, fxp::STATUS);
    // New links: whatever they say, following them stays inside.
    for target in ["../../secret", "/etc/passwd", "../../../../../../etc/passwd"] {
        raw.request(fxp::SYMLINK, &fields(&[&string(target), &string("planted")]));
        assert_eq!(raw.open_file("planted", fxf::READ).kind, fxp::STATUS, "{target}");
        raw.request(fxp::REMOVE, &string("planted"));
    }
    assert_eq!(std::fs::read_to_string(site.path("secret")).unwrap(), OUTSIDE);
    assert_eq!(std::fs::read_to_string(site.path("homes/alice2/secret")).unwrap(), OUTSIDE);
    assert!(home.is_dir() && !site.path("secret.new").exists() && !site.path("homes/alice2/secret.new").exists());
}

/// A directory that becomes a link out, and back, as fast as it goes.
#[test]
fn a_race_of_renames_does_not_lead_out() {
    // A5-03
    let (site, home) = site();
    std::fs::create_dir(home.join("honest")).unwrap();
    std::fs::write(home.join("honest/secret"), "this is inside").unwrap();
    symlink(site.path(""), home.join("evil")).unwrap();
    let server = site.start();
    let mut raw = RawSftp::connect(&server, "alice", "pw");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (honest, evil, used) = (home.join("honest"), home.join("evil"), home.join("used"));
            while !done.load(Ordering::Relaxed) {
                std::fs::rename(&honest, &used).unwrap();
                std::fs::rename(&used, &honest).unwrap();
                std::fs::rename(&evil, &used).unwrap();
                std::fs::rename(&used, &evil).unwrap();
            }
        });
        for _ in 0..3000 {
            let opened = raw.open_file("used/secret", fxf::READ);
            if opened.kind == fxp::HANDLE {
                let handle = opened.handle();
                let data =
                    raw.request(fxp::READ, &fields(&[&string(&handle), &0_u64.to_be_bytes(), &100_u32.to_be_bytes()]));
                assert_eq!(data.string(), b"this is inside");
                raw.request(fxp::CLOSE, &string(&handle));
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}
