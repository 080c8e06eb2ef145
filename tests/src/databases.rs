//! Database servers of their own, for one test or for a run of tests: from Debian's packages, in a temporary directory.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, WaitOptions, waitpid};
use tempfile::TempDir;

use crate::tools;

/// Lines for the section `data_provider`, which say where accounts are; set for a run on another store than the
/// default one. `{unique}` in them becomes a name of the test's own.
pub const PROVIDER: &str = "TESTS_DATA_PROVIDER";

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Postgresql,
    Mariadb,
}

/// A running server, which is reached only by its socket. It is stopped, and its files are removed, with the value.
pub struct Database {
    kind: Kind,
    process: Child,
    directory: TempDir,
}

impl Database {
    pub fn start(kind: Kind) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
        tools::run_ok(Command::new("cp").arg("-a").arg(kind.template()).arg(directory.path().join("data")));
        let socket = directory.path().join("socket");
        std::fs::create_dir(&socket).unwrap();
        give(&socket, kind.user());
        let process = kind.begin(directory.path());
        Self { kind, process, directory }
    }

    /// The kind of the server.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The URL of its database, as the programs of its kind understand it.
    pub fn url(&self) -> String {
        let socket = self.socket();
        let socket = socket.display();
        match self.kind {
            Kind::Postgresql => format!("postgresql://postgres@/postgres?host={socket}"),
            Kind::Mariadb => format!("mysql://root@localhost/tidegate?socket={socket}/mysqld.sock"),
        }
    }

    /// The directory of its socket.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    /// The lines of [`PROVIDER`] for this server.
    pub fn provider(&self) -> String {
        let socket = self.socket();
        let socket = socket.display();
        match self.kind {
            Kind::Postgresql => format!(
                "driver = \"postgresql\"\nhost = \"{socket}\"\nname = \"postgres\"\nusername = \"postgres\"\nschema = \"{{unique}}\""
            ),
            Kind::Mariadb => format!(
                "driver = \"mysql\"\nhost = \"{socket}\"\nname = \"tidegate\"\nusername = \"root\"\nsql_tables_prefix = \"{{unique}}_\""
            ),
        }
    }

    /// Stops the server as a crash does.
    pub fn stop(&mut self) {
        signal("QUIT", [self.process.id()]);
        self.process.wait().unwrap();
    }

    /// Starts a stopped server again.
    pub fn start_again(&mut self) {
        self.process = self.kind.begin(self.directory.path());
    }

    /// Lets the server hang: it does nothing any more, and its connections stay.
    pub fn hang(&mut self) {
        // First the process that begins and collects all others: so none of those is missed, or gone before its signal.
        signal("STOP", [self.process.id()]);
        // Threads are stopped one after the other, later than the signal is sent.
        let (_, status) = waitpid(Some(Pid::from_child(&self.process)), WaitOptions::UNTRACED).unwrap().unwrap();
        assert!(status.stopped(), "{status:?}");
        signal("STOP", self.children());
    }

    /// Lets the server go on after it has hung.
    pub fn go_on(&mut self) {
        signal("CONT", self.children());
        signal("CONT", [self.process.id()]);
    }

    fn children(&self) -> Vec<u32> {
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.process.id()));
        children.unwrap_or_default().split_whitespace().filter_map(|id| id.parse().ok()).collect()
    }

    /// Executes SQL with all rights, and gives what is printed.
    pub fn sql(&self, sql: &str) -> String {
        let socket = self.socket();
        let mut command = match self.kind {
            Kind::Postgresql => {
                let mut command = Command::new(program(self.kind, "psql"));
                command.args(["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "postgres"]);
                command.arg("-h").arg(&socket).arg("-c").arg(sql);
                command
            }
            Kind::Mariadb => {
                let mut command = Command::new("/usr/bin/mariadb");
                command.args(["--no-defaults", "--batch", "--skip-column-names", "--user=root", "tidegate"]);
                command.arg(format!("--socket={}", socket.join("mysqld.sock").display())).arg("-e").arg(sql);
                command
            }
        };
        tools::run_ok(&mut command)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // Its processes have ended before its files are removed; some of them may have been halted.
        for name in ["CONT", "QUIT"] {
            let processes = [self.process.id()].into_iter().chain(self.children());
            let processes = processes.map(|id| id.to_string());
            let _ = Command::new("kill").arg(format!("-{name}")).args(processes).stderr(Stdio::null()).status();
        }
        if self.kind == Kind::Mariadb {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

impl Kind {
    /// The user that runs the server, which must not be root.
    fn user(self) -> &'static str {
        match self {
            Self::Postgresql => "postgres",
            Self::Mariadb => "mysql",
        }
    }

    fn begin(self, directory: &Path) -> Child {
        let path = |name: &str| directory.join(name).display().to_string();
        match self {
            Self::Postgresql => {
                let mut command = as_user(self, &program(self, "postgres"), "QUIT");
                command.arg("-D").arg(path("data")).arg("-k").arg(path("socket"));
                for setting in
                    ["listen_addresses=", "fsync=off", "shared_buffers=16MB", "max_connections=500", "autovacuum=off"]
                {
                    command.args(["-c", setting]);
                }
                started(&mut command, "database system is ready to accept connections")
            }
            Self::Mariadb => {
                let mut command = as_user(self, &program(self, "mariadbd"), "KILL");
                command.args(["--no-defaults", "--skip-name-resolve", "--skip-networking", "--max-connections=500"]);
                command.args(["--innodb-flush-method=nosync", "--innodb-buffer-pool-size=64M"]);
                command.args(["--innodb-log-file-size=4M", "--performance-schema=off"]);
                command.arg(format!("--datadir={}", path("data"))).arg(format!("--pid-file={}", path("socket/pid")));
                command.arg(format!("--socket={}", path("socket/mysqld.sock")));
                started(&mut command, "ready for connections")
            }
        }
    }

    /// The data of a new server: made once, because that takes longer than most tests.
    fn template(self) -> PathBuf {
        let template = tools::cache().join(match self {
            Self::Postgresql => "postgresql-of-tests",
            Self::Mariadb => "mariadb-of-tests",
        });
        if template.exists() {
            return template;
        }
        let work = tempfile::tempdir().unwrap();
        std::fs::set_permissions(work.path(), PermissionsExt::from_mode(0o755)).unwrap();
        give(work.path(), self.user());
        let data = work.path().join("data");
        match self {
            Self::Postgresql => {
                let mut command = as_user(self, &program(self, "initdb"), "KILL");
                command.args([
                    "--auth=trust",
                    "--username=postgres",
                    "--encoding=UTF8",
                    "--locale=C.UTF-8",
                    "--no-sync",
                ]);
                tools::run_ok(command.arg("-D").arg(&data));
            }
            Self::Mariadb => {
                let mut command = as_user(self, &program(self, "mariadb-install-db"), "KILL");
                command.args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"]);
                command.args(["--innodb-log-file-size=4M", "--innodb-flush-method=nosync"]);
                tools::run_ok(command.arg(format!("--datadir={}", data.display())));
                std::fs::create_dir(data.join("tidegate")).unwrap();
                give(&data.join("tidegate"), self.user());
            }
        }
        std::fs::create_dir_all(tools::cache()).unwrap();
        let part = tempfile::tempdir_in(tools::cache()).unwrap();
        tools::run_ok(Command::new("cp").arg("-a").arg(&data).arg(part.path()));
        // Another test may have been faster.
        let _ = std::fs::rename(part.path().join("data"), &template);
        template
    }
}

/// A program of the newest package.
fn program(kind: Kind, name: &str) -> PathBuf {
    let found = match kind {
        Kind::Postgresql => {
            let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
            versions.map(|version| version.path().join("bin").join(name)).filter(|program| program.exists()).max()
        }
        Kind::Mariadb => {
            let places = ["/usr/sbin", "/usr/bin"].into_iter().map(|place| Path::new(place).join(name));
            places.into_iter().find(|program| program.exists())
        }
    };
    found.unwrap_or_else(|| panic!("{name} is missing; run tests/install"))
}

/// Starts a program and waits for the line with which it says that it can be used.
fn started(command: &mut Command, ready: &str) -> Child {
    let mut process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut said = Vec::new();
    let is_ready = lines.by_ref().any(|line| {
        said.push(line);
        said.last().unwrap().contains(ready)
    });
    assert!(is_ready, "{command:?} did not start: {said:#?}");
    // What it says further is of no interest, but it must be able to say it.
    std::thread::spawn(move || lines.for_each(drop));
    process
}

fn signal(name: &str, processes: impl IntoIterator<Item = u32>) {
    let processes: Vec<String> = processes.into_iter().map(|id| id.to_string()).collect();
    if !processes.is_empty() {
        tools::run_ok(Command::new("kill").arg(format!("-{name}")).args(processes));
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn ids(user: &str) -> (u32, u32) {
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.split(':').next() == Some(user)).expect("the package makes its user");
    let mut numbers = line.split(':').skip(2).map(|field| field.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// Gives a file to the user that runs the server.
fn give(path: &Path, user: &str) {
    if is_root() {
        let (user, group) = ids(user);
        chown(path, Some(user), Some(group)).unwrap();
    }
}

/// A command as the user that runs the server; `ending` is the signal with which it ends with the test.
fn as_user(kind: Kind, program: &Path, ending: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.arg(format!("--pdeathsig={ending}"));
    if is_root() {
        let (user, group) = ids(kind.user());
        command.arg(format!("--reuid={user}")).arg(format!("--regid={group}")).arg("--clear-groups");
    }
    command.arg(program).current_dir("/");
    command
}
