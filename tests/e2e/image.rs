//! The container image: built as the Dockerfile says, and run without privileges.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tidegate_tests::tools;

/// The stage that compiles needs an image that cannot be had everywhere: what it would put out
/// is here already.
const BUILT: &str = "FROM scratch AS build\nCOPY tidegate /out/tidegate\n\n";
const BASE: &str = "FROM debian:bookworm-slim";

/// With images of its own.
struct Buildah<'a>(&'a Path);

impl Buildah<'_> {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("buildah");
        command.arg("--root").arg(self.0.join("images")).arg("--runroot").arg(self.0.join("run"));
        command.args(["--storage-driver", "vfs"]).args(words).env("BUILDAH_ISOLATION", "chroot");
        command
    }

    fn ok(&self, words: &[&str]) -> String {
        tools::run_ok(&mut self.command(words)).trim().to_owned()
    }

    /// Debian, under the name that the Dockerfile begins with.
    fn make_base(&self) {
        let container = self.ok(&["from", "scratch"]);
        self.ok(&["add", "--quiet", &container, tools::cache().join("debian.tar").to_str().unwrap(), "/"]);
        self.ok(&["commit", "--quiet", "--rm", &container, "docker.io/library/debian:bookworm-slim"]);
    }
}

fn build(buildah: &Buildah<'_>, directory: &Path) {
    let packaging = tools::root().join("host/packaging");
    let dockerfile = std::fs::read_to_string(packaging.join("docker/Dockerfile")).unwrap();
    let (_, image) = dockerfile.split_once(BASE).unwrap();
    let context = directory.join("context");
    std::fs::create_dir_all(context.join("host/packaging/etc")).unwrap();
    std::fs::write(context.join("Dockerfile"), format!("{BUILT}{BASE}{image}")).unwrap();
    std::fs::copy(packaging.join("etc/tidegate.toml"), context.join("host/packaging/etc/tidegate.toml")).unwrap();
    // The Dockerfile does so too; with all symbols it takes long to copy.
    tools::run_ok(Command::new("strip").arg("-o").arg(context.join("tidegate")).arg(tools::tidegate()));
    buildah.make_base();
    buildah.ok(&["bud", "--quiet", "--pull-never", "--format", "docker", "-t", "tidegate", context.to_str().unwrap()]);
}

/// A process that was started by `id`, or by one that it started.
fn descendant(id: u32, name: &str) -> Option<u32> {
    let threads = std::fs::read_dir(format!("/proc/{id}/task")).ok()?;
    let children = threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("children")).ok());
    let children: Vec<u32> = children
        .flat_map(|text| text.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>())
        .collect();
    children.into_iter().find_map(|child| {
        let found = std::fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
        if found.trim() == name { Some(child) } else { descendant(child, name) }
    })
}

/// A command that does not outlive the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

/// The first process of the container.
struct Init(u32);

impl Init {
    fn signal(&self, signal: &str) {
        let _ = Command::new("kill").args(["-s", signal, &self.0.to_string()]).status();
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        // Only a test that failed left it alive.
        if std::thread::panicking() {
            self.signal("TERM");
        }
    }
}

#[test]
fn the_image_runs_without_privileges() {
    // A1-27
    let directory = tempfile::tempdir().unwrap();
    let buildah = Buildah(directory.path());
    build(&buildah, directory.path());
    let container = buildah.ok(&["from", "--pull-never", "localhost/tidegate"]);
    buildah.ok(&[
        "config",
        "--env",
        "TIDEGATE_SFTPD__BIND_PORT=0",
        "--env",
        "TIDEGATE_HTTPD__BIND_PORT=-1",
        &container,
    ]);
    // As its ENTRYPOINT and CMD say, which `buildah run` does not heed.
    let mut serve = buildah.command(&["run", &container, "--", "tini", "--", "tidegate", "serve"]);
    serve.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut serve = Running(serve.spawn().unwrap());
    let mut log = BufReader::new(serve.0.stderr.take().unwrap()).lines().map(|line| line.unwrap());
    let port = log
        .by_ref()
        .filter_map(|line| serde_json::from_str::<Value>(&line).ok())
        .find(|line| line["message"] == "listening" && line["service"] == "sftpd")
        .and_then(|line| Some(line["address"].as_str()?.rsplit_once(':')?.1.to_owned()))
        .expect("the server does not listen");

    let init = Init(descendant(serve.0.id(), "tini").expect("tini does not run"));

    let inside = |line: &str| buildah.ok(&["run", &container, "--", "sh", "-c", line]);
    inside("tidegate ping");
    assert_eq!(inside("id -u"), "2022");
    inside("printf pw | tidegate user add --username alice --password-stdin");
    let local = directory.path().join("local");
    std::fs::write(&local, "content").unwrap();
    let put = format!(
        "echo 'put {} there' | sshpass -p pw sftp -oStrictHostKeyChecking=no -oUserKnownHostsFile=/dev/null -F/dev/null \
         -oPort={port} -oBatchMode=no -b /dev/stdin alice@127.0.0.1",
        local.display()
    );
    tools::run_ok(Command::new("sh").args(["-c", &put]));
    assert_eq!(inside("cat /srv/tidegate/alice/there"), "content");

    init.signal("TERM");
    assert!(log.any(|line| line.contains("the server has stopped")));
    serve.0.wait().unwrap();
    buildah.ok(&["rm", &container]);
}
