//! One server process in a directory of its own, on a port of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

use crate::databases::PROVIDER;
use crate::waiting::PATIENCE;
use crate::{clients, tools};

/// A directory with a configuration, before a server runs in it.
pub struct Site {
    directory: TempDir,
    config: String,
    /// Keys of no section.
    first: String,
    /// The section `common.defender`; empty: as it is without a configuration.
    defender: String,
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

impl Site {
    /// Any port on loopback, and one host key that is made at once.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config =
            "[httpd]\nbind_port = -1\n[sftpd]\nbind_port = 0\nbind_address = \"127.0.0.1\"\nkeys = [{ private_key = \"id_ed25519\" }]\n"
                .to_owned();
        // Tests try many wrong passwords from one address.
        let defender = "[common.defender]\nenabled = false\n".to_owned();
        Self { directory, config, first: String::new(), defender }
    }

    /// Any port on loopback, and everything else as it is without a configuration. The RSA key is
    /// there before the first start, since making one takes seconds.
    pub fn by_default() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = "[httpd]\nbind_port = 0\n[sftpd]\nbind_port = 0\nbind_address = \"127.0.0.1\"\n".to_owned();
        clients::key_of(directory.path(), "id_rsa", &["-t", "rsa", "-b", "3072"]);
        Self { directory, config, first: String::new(), defender: String::new() }
    }

    /// Replaces the keys of `common.defender`.
    pub fn defender(mut self, keys: &str) -> Self {
        self.defender = format!("[common.defender]\n{keys}\n");
        self
    }

    /// Appends to the configuration; begin with a section unless it belongs to `[sftpd]`.
    pub fn config(mut self, text: &str) -> Self {
        self.config.push_str(text);
        self.config.push('\n');
        self
    }

    /// The era whose rules hold.
    pub fn compat(mut self, era: &str) -> Self {
        self.first = format!("compat = \"{era}\"\n");
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    pub fn script(&self, name: &str, content: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.write(name, content);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Copies a component into the plugin directory.
    pub fn plugin(&self, name: &str, component: &Path, settings: &str) {
        self.write(&format!("plugins/{name}.toml"), settings);
        std::fs::copy(component, self.path(&format!("plugins/{name}.wasm"))).unwrap();
    }

    fn write_config(&self) {
        let provider = std::env::var(PROVIDER).unwrap_or_default();
        let name =
            self.directory.path().file_name().unwrap().to_string_lossy().replace(|c: char| !c.is_alphanumeric(), "");
        let config = with_provider(&self.config, &provider.replace("{unique}", &format!("t{name}")));
        self.write("tidegate.toml", format!("{}{}{config}", self.first, self.defender));
    }

    /// The command line, on this directory.
    pub fn tidegate(&self, arguments: &[&str]) -> Command {
        self.write_config();
        let mut command = Command::new(tools::tidegate());
        command.args(arguments).arg("-c").arg(self.directory.path());
        command
    }

    /// An account with all permissions and the password `pw`.
    pub fn user(&self, name: &str) -> PathBuf {
        self.user_with(name, &["--password", "pw"])
    }

    pub fn user_with(&self, name: &str, arguments: &[&str]) -> PathBuf {
        let home = self.path(&format!("homes/{name}"));
        let mut command = self.tidegate(&["user", "add", "--username", name, "--home-dir", home.to_str().unwrap()]);
        tools::run_ok(command.args(arguments));
        home
    }

    pub fn start(&self) -> Server {
        self.start_with(&[])
    }

    pub fn start_with(&self, environment: &[(&str, &str)]) -> Server {
        let mut command = self.tidegate(&["serve", "--log-file-path", ""]);
        command.envs(environment.iter().copied());
        Server::spawn(command)
    }
}

/// The configuration with what a run on another store says of it, unless the test says itself where accounts are.
fn with_provider(config: &str, provider: &str) -> String {
    const SECTION: &str = "[data_provider]\n";
    let own = config.split_once(SECTION).map_or("", |(_, rest)| rest.split("\n[").next().unwrap_or_default());
    if provider.is_empty() || own.lines().any(|line| line.starts_with("driver") || line.starts_with("name")) {
        return config.to_owned();
    }
    match config.contains(SECTION) {
        true => config.replacen(SECTION, &format!("{SECTION}{provider}\n"), 1),
        false => format!("{config}{SECTION}{provider}\n"),
    }
}

pub struct Server {
    child: Child,
    lines: Mutex<Receiver<String>>,
    seen: Arc<Mutex<Vec<String>>>,
    pub port: u16,
    /// Of HTTP; 0: there is none, or on a unix socket alone.
    pub http_port: u16,
}

fn port_of(listening: &Value) -> u16 {
    listening["address"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap()
}

impl Server {
    fn spawn(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let (sender, lines) = channel();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let log = seen.clone();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                log.lock().unwrap().push(line.clone());
                if sender.send(line).is_err() {
                    // No test waits for lines any more; they are still collected.
                }
            }
        });
        let mut server = Self { child, lines: Mutex::new(lines), seen, port: 0, http_port: 0 };
        let listening = server.wait_for(|line| line["message"] == "listening" && line["service"] == "sftpd");
        server.port = port_of(&listening);
        let http = server
            .log()
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|line| line["message"] == "listening" && line["service"] == "httpd")
            .find(|line| line["address"].as_str().is_some_and(|address| !address.starts_with('/')));
        server.http_port = http.as_ref().map_or(0, port_of);
        server
    }

    /// A server on a directory as it is.
    pub fn in_directory(directory: &Path) -> Self {
        let mut command = Command::new(tools::tidegate());
        command.args(["serve", "--log-file-path", "", "-c"]).arg(directory);
        Self::spawn(command)
    }

    /// Transfers get so many seconds when it is to stop.
    pub fn with_grace(site: &Site, seconds: u32) -> Self {
        Self::spawn(site.tidegate(&["serve", "--log-file-path", "", "--grace-time", &seconds.to_string()]))
    }

    /// The server may have so many descriptors.
    pub fn with_descriptors(site: &Site, most: u32) -> Self {
        Self::with_limit(site, 'n', most)
    }

    /// The server may write files of so many blocks of 512 bytes, and is killed where it writes more.
    pub fn with_largest_file(site: &Site, blocks: u32) -> Self {
        Self::with_limit(site, 'f', blocks)
    }

    /// With a limit of the shell's `ulimit`.
    fn with_limit(site: &Site, resource: char, most: u32) -> Self {
        let served = site.tidegate(&["serve", "--log-file-path", ""]);
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -{resource} {most}; exec \"$@\""), "sh"]);
        command.arg(served.get_program()).args(served.get_args());
        Self::spawn(command)
    }

    /// How it ended, once it has.
    pub fn ended(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// The next line of the log that `wanted` takes.
    pub fn wait_for(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        let lines = self.lines.lock().unwrap();
        while let Ok(line) = lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            match serde_json::from_str(&line) {
                Ok(value) if wanted(&value) => return value,
                _ => {}
            }
        }
        panic!("the line did not appear; the log is:\n{}", self.log());
    }

    pub fn wait_for_text(&self, text: &str) -> Value {
        self.wait_for(|line| line.to_string().contains(text))
    }

    /// Everything logged so far.
    pub fn log(&self) -> String {
        self.seen.lock().unwrap().join("\n")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory in KiB.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Like `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn terminate(mut self) -> ExitStatus {
        tools::run_ok(Command::new("kill").arg(self.pid().to_string()));
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already gone after `kill` and `terminate`.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_on_another_store_keeps_what_a_test_says() {
        let check = |config: &str, expected: &str| assert_eq!(with_provider(config, "driver = \"x\""), expected);
        check("[sftpd]\n", "[sftpd]\n[data_provider]\ndriver = \"x\"\n");
        check("[data_provider]\na = 1\n", "[data_provider]\ndriver = \"x\"\na = 1\n");
        check("[data_provider]\ndriver = \"memory\"\n", "[data_provider]\ndriver = \"memory\"\n");
        let other = "[data_provider]\na = 1\n[other]\nname = 1\n";
        check(other, "[data_provider]\ndriver = \"x\"\na = 1\n[other]\nname = 1\n");
        assert_eq!(with_provider("[sftpd]\n", ""), "[sftpd]\n");
    }
}
