//! A Debian system that has just been installed, booted with systemd in namespaces of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::{tools, waiting};

/// Killed when dropped.
pub struct Container {
    directory: tempfile::TempDir,
    nspawn: Child,
    /// systemd, as it is known outside.
    leader: u32,
}

impl Container {
    /// Boots, and waits until everything has started.
    pub fn boot() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        std::fs::create_dir(&root).unwrap();
        let image = tools::cache().join("debian.tar");
        assert!(image.exists(), "{} is missing; run tests/install", image.display());
        tools::run_ok(Command::new("tar").arg("-xf").arg(image).arg("-C").arg(&root));
        let mut nspawn = Command::new("systemd-nspawn");
        nspawn.args(["--quiet", "--boot", "--register=no", "--keep-unit", "--private-network", "--console=pipe"]);
        // A machine of its own would have them; nspawn's own list does not.
        nspawn.arg("--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self");
        nspawn.arg(format!("--machine=tidegate{}", std::process::id())).arg("-D").arg(&root);
        let mut nspawn = nspawn.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let Some(leader) = leader(&mut nspawn) else {
            let _ = nspawn.kill();
            panic!("the container did not boot: {}", text(&nspawn.wait_with_output().unwrap()));
        };
        let container = Self { directory, nspawn, leader };
        let booted = container.run(&["systemctl", "is-system-running", "--wait"]);
        assert_eq!(text(&booted).trim(), "running", "{}", text(&container.run(&["systemctl", "--failed"])));
        container
    }

    /// A path of the container, seen from outside.
    pub fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join("root").join(path.trim_start_matches('/'))
    }

    pub fn copy(&self, from: &Path, to: &str) {
        std::fs::copy(from, self.path(to)).unwrap();
    }

    /// Inside.
    pub fn run(&self, words: &[&str]) -> Output {
        let mut command = self.enter(&["-m", "-u", "-i", "-n", "-p"]);
        tools::run(command.args(words).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env_remove("TMPDIR"))
    }

    /// What a command printed that must succeed.
    pub fn run_ok(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?} failed:\n{}", text(&output));
        text(&output)
    }

    /// A program of this system, in the network of the container.
    pub fn from_outside(&self, words: &[&str]) -> Output {
        tools::run(self.enter(&["-n"]).args(words))
    }

    fn enter(&self, namespaces: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.arg("--target").arg(self.leader.to_string()).args(namespaces).arg("--");
        command
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // With it, the kernel ends all others in its namespace.
        let _ = Command::new("kill").args(["-KILL", &self.leader.to_string()]).status();
        let _ = self.nspawn.wait();
    }
}

/// The child of nspawn, when it answers.
fn leader(nspawn: &mut Child) -> Option<u32> {
    let children = format!("/proc/{0}/task/{0}/children", nspawn.id());
    let answers = |leader: &&str| {
        let mut state = Command::new("nsenter");
        state.args(["--target", *leader, "-m", "-p", "--", "/bin/systemctl", "is-system-running"]);
        ["starting", "running", "degraded", "initializing"].contains(&text_of(&mut state).trim())
    };
    // `Some(None)`: it has ended, and no answer will come.
    let found = waiting::look_for(|| {
        if nspawn.try_wait().unwrap().is_some() {
            return Some(None);
        }
        let text = std::fs::read_to_string(&children).unwrap_or_default();
        text.split_whitespace().find(answers).map(|leader| leader.parse::<u32>().ok())
    });
    found.flatten()
}

fn text_of(command: &mut Command) -> String {
    text(&tools::run(command.stderr(Stdio::null())))
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
