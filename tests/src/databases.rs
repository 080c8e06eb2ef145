//! Database servers of their own, for one test or for a run of tests: from Debian's packages, in a temporary directory.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::processes::{as_user, give, halt, signal, started, template};
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

/// A running server. It is stopped, and its files are removed, with the value.
pub struct Database {
    kind: Kind,
    process: Child,
    directory: TempDir,
    arguments: Vec<String>,
}

impl Database {
    /// Starts a server that is reached only by its socket.
    pub fn start(kind: Kind) -> Self {
        Self::start_with(kind, &[])
    }

    /// Starts a server with more settings, as the command line of its kind takes them: `ssl=on` of PostgreSQL, `--port=1` of
    /// MariaDB.
    pub fn start_with(kind: Kind, arguments: &[String]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
        tools::run_ok(Command::new("cp").arg("-a").arg(kind.template()).arg(directory.path().join("data")));
        let socket = directory.path().join("socket");
        std::fs::create_dir(&socket).unwrap();
        give(&socket, kind.user());
        let process = kind.begin(directory.path(), arguments);
        Self { kind, process, directory, arguments: arguments.to_vec() }
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

    /// The directory of its data.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
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
        signal(self.kind.ending(), [self.process.id()]);
        self.process.wait().unwrap();
    }

    /// Starts a stopped server again.
    pub fn start_again(&mut self) {
        self.process = self.kind.begin(self.directory.path(), &self.arguments);
    }

    /// Lets the server read its configuration again.
    pub fn reload(&self) {
        signal("HUP", [self.process.id()]);
    }

    /// Lets the server hang: it does nothing any more, and its connections stay.
    pub fn hang(&self) {
        // First the process that begins and collects all others: so none of those is missed, or gone before its signal.
        halt(&self.process);
        signal("STOP", self.children());
    }

    /// Lets the server go on after it has hung.
    pub fn go_on(&self) {
        signal("CONT", self.children());
        signal("CONT", [self.process.id()]);
    }

    /// The processes that serve connections, and those that work for all of them.
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
    pub fn user(self) -> &'static str {
        match self {
            Self::Postgresql => "postgres",
            Self::Mariadb => "mysql",
        }
    }

    /// The signal that ends a server as a crash does, with all its processes.
    fn ending(self) -> &'static str {
        match self {
            Self::Postgresql => "QUIT",
            Self::Mariadb => "KILL",
        }
    }

    /// A command as the user that runs the server, which ends with the test.
    fn command(self, program_name: &str) -> Command {
        as_user(self.user(), &program(self, program_name), self.ending())
    }

    fn begin(self, directory: &Path, arguments: &[String]) -> Child {
        let path = |name: &str| directory.join(name).display().to_string();
        match self {
            Self::Postgresql => {
                let mut command = self.command("postgres");
                command.arg("-D").arg(path("data")).arg("-k").arg(path("socket"));
                let fast =
                    ["listen_addresses=", "fsync=off", "shared_buffers=16MB", "max_connections=500", "autovacuum=off"];
                for setting in fast.into_iter().chain(arguments.iter().map(String::as_str)) {
                    command.args(["-c", setting]);
                }
                started(&mut command, "database system is ready to accept connections")
            }
            Self::Mariadb => {
                let mut command = self.command("mariadbd");
                command.args([
                    "--no-defaults",
                    "--skip-name-resolve",
                    "--bind-address=127.0.0.1",
                    "--max-connections=500",
                ]);
                command.args(["--innodb-flush-method=nosync", "--innodb-buffer-pool-size=64M"]);
                command.args(["--innodb-log-file-size=4M", "--performance-schema=off"]);
                command.arg(format!("--datadir={}", path("data"))).arg(format!("--pid-file={}", path("socket/pid")));
                // A server that starts removes what looks like the temporary tables of an earlier one.
                command.arg(format!("--tmpdir={}", path("socket")));
                command.arg(format!("--socket={}", path("socket/mysqld.sock")));
                if !arguments.iter().any(|argument| argument.starts_with("--port")) {
                    command.arg("--skip-networking");
                }
                started(command.args(arguments), "ready for connections")
            }
        }
    }

    /// The data of a new server: made once, because that takes longer than most tests.
    fn template(self) -> PathBuf {
        template(&self.version(), |part| {
            let work = tempfile::tempdir().unwrap();
            std::fs::set_permissions(work.path(), PermissionsExt::from_mode(0o755)).unwrap();
            give(work.path(), self.user());
            let data = work.path().join("data");
            match self {
                Self::Postgresql => {
                    let mut command = self.command("initdb");
                    command.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8"]);
                    tools::run_ok(command.arg("--no-sync").arg("-D").arg(&data));
                }
                Self::Mariadb => {
                    let mut command = self.command("mariadb-install-db");
                    command.args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"]);
                    command.args(["--innodb-log-file-size=4M", "--innodb-flush-method=nosync"]);
                    // As for a running server: in a directory of several, each removes the files of the others.
                    let temporary = work.path().join("temporary");
                    std::fs::create_dir(&temporary).unwrap();
                    give(&temporary, self.user());
                    command.arg(format!("--tmpdir={}", temporary.display()));
                    tools::run_ok(command.arg(format!("--datadir={}", data.display())));
                    std::fs::create_dir(data.join("tidegate")).unwrap();
                    give(&data.join("tidegate"), self.user());
                }
            }
            tools::run_ok(Command::new("cp").arg("-a").arg(&data).arg(part));
        })
    }

    /// The name and the version of its package: another release may not read the data.
    fn version(self) -> String {
        match self {
            Self::Postgresql => {
                let initdb = program(self, "initdb");
                let major = initdb.parent().and_then(Path::parent).and_then(Path::file_name).unwrap();
                format!("postgresql-{}", major.display())
            }
            Self::Mariadb => {
                let version = tools::run_ok(Command::new(program(self, "mariadbd")).arg("--version"));
                let version = version.split_whitespace().nth(2).unwrap().split('-').next().unwrap();
                format!("mariadb-{version}")
            }
        }
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
