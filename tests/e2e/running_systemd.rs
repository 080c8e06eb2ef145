//! The Debian package, installed on a system that runs systemd: what its user gets.

use std::process::Output;

use tidegate_tests::clients::text;
use tidegate_tests::container::Container;
use tidegate_tests::tools;

use crate::packaging::build_package;

const PLACES: &str = "-c /var/lib/tidegate -f /etc/tidegate/tidegate.toml";

/// The command-line interface, as the configuration file of the package says.
fn tidegate(container: &Container, words: &str) -> String {
    let line = format!("runuser -u tidegate -- tidegate {words} {PLACES}");
    container.run_ok(&line.split(' ').collect::<Vec<_>>())
}

const SSH: &str = "-oStrictHostKeyChecking=no -oUserKnownHostsFile=/dev/null -oLogLevel=ERROR -F/dev/null -oConnectTimeout=60 -oPort=2022";

/// One line for `sftp`.
fn sftp(container: &Container, line: &str) -> Output {
    let command = format!("echo '{line}' | sshpass -p pw sftp {SSH} -oBatchMode=no -b /dev/stdin alice@127.0.0.1");
    container.from_outside(&["sh", "-c", &command])
}

fn sftp_ok(container: &Container, line: &str) {
    let output = sftp(container, line);
    let log = || container.run_ok(&["journalctl", "--no-pager", "-u", "tidegate"]);
    assert!(output.status.success(), "{line}: {}\n{}", text(&output), log());
}

fn state(container: &Container, unit: &str) -> String {
    text(&container.run(&["systemctl", "is-active", unit])).trim().to_owned()
}

#[test]
fn the_package_runs_and_is_removed() {
    let container = Container::boot();
    let local = tempfile::tempdir().unwrap();
    let file = |name: &str| local.path().join(name).display().to_string();
    build_package(&container.path("/var/tmp/tidegate.deb"));

    // Installed, it is ready: systemd was told, and waited for it.
    container.run_ok(&["dpkg", "-i", "/var/tmp/tidegate.deb"]);
    assert_eq!(state(&container, "tidegate"), "active");
    tidegate(&container, "config check");
    tidegate(&container, "user add --username alice --password pw");
    std::fs::write(file("first"), "content").unwrap();
    sftp_ok(&container, &format!("put {} first", file("first")));
    assert_eq!(std::fs::read_to_string(container.path("/srv/tidegate/alice/first")).unwrap(), "content");

    // No privilege at all, and none to be had.
    let main_process = || container.run_ok(&["systemctl", "show", "-p", "MainPID", "--value", "tidegate"]);
    let status = container.run_ok(&["cat", &format!("/proc/{}/status", main_process().trim())]);
    for line in ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.contains(line), "{line} is not in\n{status}");
    }
    assert!(!status.contains("Uid:\t0"), "{status}");

    // In the sandbox, components are compiled and rsync is confined.
    container.run_ok(&["systemctl", "stop", "tidegate"]);
    container.copy(&tools::guest("upload-policy"), "/var/lib/tidegate/plugins/upload-policy.wasm");
    let settings = "[config]\ndenied_names = [\"*.exe\"]\nmax_bytes = 0\n";
    std::fs::write(container.path("/var/lib/tidegate/plugins/upload-policy.toml"), settings).unwrap();
    container.run_ok(&["chown", "-R", "tidegate:", "/var/lib/tidegate/plugins"]);
    let configuration = container.path("/etc/tidegate/tidegate.toml");
    let text_before = std::fs::read_to_string(&configuration).unwrap();
    let with_rsync = text_before.replace("[sftpd]", "[sftpd]\nenabled_ssh_commands = [\"*\"]");
    // The policy sees names of files only over SFTP and scp, so rsync needs leave to write past it.
    let with_rsync = format!("{with_rsync}\n[hook.pre-action]\nprograms = \"allow\"\n");
    std::fs::write(&configuration, with_rsync).unwrap();

    // From here on systemd holds the port.
    container.run_ok(&["systemctl", "enable", "--now", "tidegate-sftpd.socket"]);
    container.run_ok(&["systemctl", "start", "tidegate"]);
    sftp_ok(&container, &format!("put {} second", file("first")));
    assert!(!sftp(&container, &format!("put {} refused.exe", file("first"))).status.success());
    assert!(!container.path("/srv/tidegate/alice/refused.exe").exists());
    let rsync = format!("rsync -a -e 'sshpass -p pw ssh {SSH}' {} alice@127.0.0.1:/third", file("first"));
    let sent = container.from_outside(&["sh", "-c", &rsync]);
    assert!(sent.status.success(), "{}", text(&sent));
    assert_eq!(std::fs::read_to_string(container.path("/srv/tidegate/alice/third")).unwrap(), "content");

    // When it dies it comes back, and clients that connect meanwhile wait.
    let killed = main_process();
    container.run_ok(&["systemctl", "kill", "--signal", "KILL", "tidegate"]);
    sftp_ok(&container, &format!("get first {}", file("back")));
    assert_eq!(std::fs::read_to_string(file("back")).unwrap(), "content");
    assert_ne!(main_process(), killed);
    // Told to end, it ends well.
    container.run_ok(&["systemctl", "stop", "tidegate-sftpd.socket", "tidegate"]);
    assert_eq!(container.run_ok(&["systemctl", "show", "-p", "Result", "--value", "tidegate"]).trim(), "success");

    // A purge takes all but what users brought.
    container.run_ok(&["dpkg", "--purge", "tidegate"]);
    assert_eq!(state(&container, "tidegate"), "inactive");
    assert!(!container.path("/etc/tidegate").exists());
    let state_directory = container.path("/var/lib/tidegate");
    let left: Vec<_> =
        std::fs::read_dir(&state_directory).into_iter().flatten().flatten().map(|it| it.path()).collect();
    assert!(!state_directory.exists(), "{left:?}");
    assert_eq!(std::fs::read_to_string(container.path("/srv/tidegate/alice/first")).unwrap(), "content");
}
