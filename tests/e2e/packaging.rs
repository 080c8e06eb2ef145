//! What packages bring: units, maintainer scripts, and the Debian package itself.

use std::path::Path;
use std::process::Command;

use tidegate_tests::tools;

fn packaging() -> std::path::PathBuf {
    tools::root().join("host/packaging")
}

#[test]
fn units_are_valid_and_confined() {
    // A1-27. systemd looks for the program.
    let directory = tempfile::tempdir().unwrap();
    let copy = |from: &Path| {
        let text = std::fs::read_to_string(from).unwrap();
        let text = text.replace("/usr/bin/tidegate", tools::tidegate().to_str().unwrap());
        std::fs::write(directory.path().join(from.file_name().unwrap()), text).unwrap();
    };
    copy(&packaging().join("systemd/tidegate.service"));
    for socket in ["tidegate-sftpd.socket", "tidegate-httpd.socket"] {
        copy(&packaging().join("systemd/sockets").join(socket));
    }
    let unit = |name: &str| directory.path().join(name);
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no"]);
    let units = ["tidegate.service", "tidegate-sftpd.socket", "tidegate-httpd.socket"].map(unit);
    let output = tools::run(verify.args(units));
    // A key that systemd does not know is only printed.
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut security = Command::new("systemd-analyze");
    security.args(["security", "--offline=true", "--threshold=25", "--no-pager"]).arg(unit("tidegate.service"));
    tools::run_ok(&mut security);
}

#[test]
fn other_files_are_well_formed() {
    let mut shellcheck = Command::new("shellcheck");
    shellcheck.args(["-s", "sh"]);
    tools::run_ok(shellcheck.args(["postinst", "prerm", "postrm"].map(|name| packaging().join("debian").join(name))));
    let site = tidegate_tests::server::Site::new();
    let mut check = Command::new(tools::tidegate());
    check.args(["config", "check", "-c"]).arg(site.path("state")).arg("-f").arg(packaging().join("etc/tidegate.toml"));
    tools::run_ok(&mut check);
}

pub fn build_package(to: &Path) {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["deb", "--no-build", "--no-strip", "--fast", "--output"]).arg(to);
    tools::run_ok(cargo.current_dir(tools::root().join("host/server")));
}

#[test]
fn the_debian_package_has_everything_in_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let package = directory.path().join("tidegate.deb");
    build_package(&package);
    let listed = tools::run_ok(Command::new("dpkg-deb").arg("--contents").arg(&package));
    for (mode, path) in [
        ("-rwxr-xr-x", "./usr/bin/tidegate"),
        ("-rw-r-----", "./etc/tidegate/tidegate.toml"),
        ("-rw-r--r--", "./usr/lib/systemd/system/tidegate.service"),
        ("-rw-r--r--", "./usr/lib/systemd/system/tidegate-sftpd.socket"),
        ("-rw-r--r--", "./usr/share/doc/tidegate/examples/fail2ban/filter.d/tidegate.conf"),
        ("-rw-r--r--", "./usr/share/doc/tidegate/host/docs/configuration.md"),
        ("-rw-r--r--", "./usr/share/man/man1/tidegate.1.gz"),
        ("-rw-r--r--", "./usr/share/man/man1/tidegate-user-add.1.gz"),
    ] {
        let is_there = listed.lines().any(|line| line.starts_with(mode) && line.ends_with(path));
        // The place of units is either, as systems are merged.
        let elsewhere = path.replace("./usr/lib/systemd", "./lib/systemd");
        let is_elsewhere = listed.lines().any(|line| line.starts_with(mode) && line.ends_with(&elsewhere));
        assert!(is_there || is_elsewhere, "{mode} {path}:\n{listed}");
    }
    let unpacked = directory.path().join("unpacked");
    tools::run_ok(Command::new("dpkg-deb").arg("--raw-extract").arg(&package).arg(&unpacked));
    let control = std::fs::read_to_string(unpacked.join("DEBIAN/control")).unwrap();
    assert!(control.contains("Package: tidegate") && control.contains("adduser"), "{control}");
    let conffiles = std::fs::read_to_string(unpacked.join("DEBIAN/conffiles")).unwrap();
    assert!(conffiles.contains("/etc/tidegate/tidegate.toml"), "{conffiles}");
    let postinst = std::fs::read_to_string(unpacked.join("DEBIAN/postinst")).unwrap();
    assert!(postinst.contains("tidegate.service"), "{postinst}");
    // What is in it runs.
    let version = tools::run_ok(Command::new(unpacked.join("usr/bin/tidegate")).arg("--version"));
    assert!(version.contains("tidegate"), "{version}");
}
