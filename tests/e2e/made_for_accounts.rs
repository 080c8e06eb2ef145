//! What the server makes for an account: its home, and the owner of what is in it.

use std::os::unix::fs::MetadataExt;

use tidegate_tests::clients::{Proof, can_log_in, openssh, sftp_ok};
use tidegate_tests::server::Site;
use tidegate_tests::tools;

const PASSWORD: Proof<'static> = Proof::Password("pw");

#[test]
fn what_an_account_makes_belongs_to_its_user() {
    // A1-11, A4-11, A5-16: the home, which the login makes, and what is put there.
    for mode in ["0", "1"] {
        let site = Site::new().config(&format!("upload_mode = {mode}\nenabled_ssh_commands = [\"scp\"]"));
        let server = site.start();
        let file = site.write("local", "x");
        for (user, ids, expected) in [
            ("unmapped", ["0", "0"], (0, 0)),
            ("mapped", ["1234", "0"], (1234, 0)),
            ("with-group", ["1234", "1235"], (1234, 1235)),
        ] {
            let home = site.user_with(user, &["--password", "pw", "--uid", ids[0], "--gid", ids[1]]);
            sftp_ok(&server, user, PASSWORD, &format!("put {} f\nmkdir d\n", file.display()));
            let to = format!("{user}@127.0.0.1:/s");
            tools::run_ok(openssh("scp", &server, PASSWORD).arg("-O").arg(&file).arg(to));
            for name in ["", "f", "d", "s"] {
                let found = home.join(name).metadata().unwrap();
                assert_eq!((found.uid(), found.gid()), expected, "mode {mode} {user} \"{name}\"");
            }
        }
    }
}

#[test]
fn a_home_is_made_unless_the_account_says_otherwise() {
    // A4-11, A5-18, C3-01
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new();
    let home = |user: &str| site.path("above").join(user).join("home");
    for (user, switch) in [("made", false), ("missing", true)] {
        let json = format!(
            r#"{{"username":"{user}","status":1,"password":"pw","home_dir":"{}","permissions":{{"/":["*"]}},
            "filters":{{"disable_fs_checks":{switch}}}}}"#,
            home(user).display()
        );
        let file = site.write("user.json", json);
        tools::run_ok(&mut site.tidegate(&["user", "add", "--from-json", file.to_str().unwrap()]));
    }
    let server = site.start();
    for (user, is_made) in [("made", true), ("missing", false)] {
        assert_eq!(can_log_in(&server, user, PASSWORD), is_made, "{user}\n{}", server.log());
        assert_eq!(home(user).exists(), is_made, "{user}");
    }
    // With all that is above it, and with what the umask leaves.
    for made in [home("made"), site.path("above/made")] {
        assert_eq!(made.metadata().unwrap().permissions().mode() & 0o777, 0o755, "{}", made.display());
    }
}
