//! OpenSSH's server with files of accounts, beside the server under test.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::clients::key;
use crate::server::Site;
use crate::{tools, waiting};

/// OpenSSH's server, for the user that runs the tests.
pub struct Sshd {
    process: Child,
    directory: PathBuf,
    /// The port on loopback.
    pub port: u16,
    /// The directory that has the files.
    pub files: PathBuf,
    /// The user that has them.
    pub user: String,
    /// Of the host key.
    pub fingerprint: String,
    /// The user's private key.
    pub key: PathBuf,
}

impl Sshd {
    pub fn start(site: &Site) -> Self {
        let directory = site.path("sshd");
        let files = directory.join("files");
        std::fs::create_dir_all(&files).unwrap();
        let user_key = key(&directory, "user");
        let host_key = key(&directory, "host");
        std::fs::copy(directory.join("user.pub"), directory.join("authorized")).unwrap();
        let shown = tools::run_ok(Command::new("ssh-keygen").arg("-lf").arg(&host_key));
        let fingerprint = shown.split_whitespace().nth(1).unwrap().to_owned();
        let user = tools::run_ok(Command::new("id").arg("-un")).trim().to_owned();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nPidFile none\nAuthorizedKeysFile {}\nStrictModes no\n\
             UsePAM no\nPermitRootLogin yes\nPasswordAuthentication yes\nMaxStartups 100\nSubsystem sftp internal-sftp\n",
            host_key.display(),
            directory.join("authorized").display(),
        );
        std::fs::write(directory.join("config"), config).unwrap();
        // Root's server wants this directory.
        let _ = std::fs::create_dir_all("/run/sshd");
        let process = run(&directory, port);
        Self { process, directory, port, files, user, fingerprint, key: user_key }
    }

    /// `filesystem` of an account or a folder that has the files here.
    pub fn filesystem(&self, change: impl FnOnce(&mut serde_json::Value)) -> serde_json::Value {
        let mut config = serde_json::json!({
            "endpoint": format!("127.0.0.1:{}", self.port), "username": self.user, "fingerprints": [self.fingerprint],
            "private_key": std::fs::read_to_string(&self.key).unwrap(), "prefix": self.files.join("home"),
        });
        change(&mut config);
        serde_json::json!({"provider": 5, "sftpconfig": config})
    }

    /// Ends the server and its sessions.
    pub fn kill(&mut self) {
        let mut ending = vec![self.process.id()];
        while let Some(pid) = ending.pop() {
            let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            ending.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status();
        }
        let _ = self.process.wait();
    }

    /// Starts it again, where it was.
    pub fn restart(&mut self) {
        self.process = run(&self.directory, self.port);
    }

    /// The directory that [`filesystem`](Self::filesystem) names.
    pub fn home(&self) -> PathBuf {
        self.files.join("home")
    }
}

fn run(directory: &Path, port: u16) -> Child {
    let mut sshd = Command::new("/usr/sbin/sshd");
    sshd.arg("-D").arg("-e").arg("-f").arg(directory.join("config"));
    let process = sshd.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    waiting::until("sshd listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    process
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.kill();
    }
}
