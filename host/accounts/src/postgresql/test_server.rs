//! A PostgreSQL server of its own for a test: from Debian's package, in a temporary directory.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tokio_postgres::{Client, NoTls};

use super::*;

const PORT: u16 = 5432;

/// A running server. It is stopped, and its files are removed, with the value.
pub struct Server {
    process: Child,
    directory: tempfile::TempDir,
}

impl Server {
    /// Starts a server that is reached only by its socket.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with more settings, such as `ssl=on`.
    pub fn start_with(settings: &[String]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
        run(Command::new("cp").arg("-a").arg(template()).arg(directory.path().join("data")));
        let socket = directory.path().join("socket");
        std::fs::create_dir(&socket).unwrap();
        give(&socket);
        let process = begin(directory.path(), settings);
        Self { process, directory }
    }

    /// The directory of the server's data.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Stops the server as a crash does, and starts it again.
    pub fn crash(&mut self) {
        self.stop();
        self.process = begin(self.directory.path(), &[]);
    }

    /// Stops the server as a crash does.
    pub fn stop(&mut self) {
        signal("QUIT", [self.process.id()]);
        self.process.wait().unwrap();
    }

    /// Lets the server hang (`STOP`), or go on (`CONT`), with all of its processes.
    pub fn signal_all(&self, name: &str) {
        signal(name, self.processes());
    }

    fn processes(&self) -> Vec<u32> {
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.process.id()));
        let children = children.unwrap_or_default();
        let children = children.split_whitespace().filter_map(|id| id.parse().ok());
        [self.process.id()].into_iter().chain(children).collect()
    }

    /// Lets the server read its configuration again.
    pub fn reload(&self) {
        signal("HUP", [self.process.id()]);
    }

    pub fn settings(&self) -> PostgresqlSettings {
        PostgresqlSettings {
            hosts: vec![(self.directory.path().join("socket").display().to_string(), PORT)],
            database: "postgres".into(),
            username: "postgres".into(),
            ..PostgresqlSettings::default()
        }
    }

    pub fn open(&self) -> PostgresqlDatabase {
        PostgresqlDatabase::open(self.settings()).unwrap()
    }

    /// A connection without the store.
    pub async fn raw(&self) -> Client {
        let mut config = tokio_postgres::Config::new();
        config.host_path(self.directory.path().join("socket")).user("postgres").dbname("postgres");
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

/// PgBouncer before a server, with fewer connections than its clients have.
pub struct Pooler(Child);

impl Pooler {
    /// Starts a pooler that lends connections for one transaction each.
    pub fn start(server: &Server) -> (Self, PostgresqlSettings) {
        let directory = server.directory.path().join("pooler");
        std::fs::create_dir(&directory).unwrap();
        give(&directory);
        let shown = directory.display();
        let text = format!(
            "[databases]\npostgres = host={} port={PORT} user=postgres\n[pgbouncer]\npool_mode = transaction\n\
             auth_type = any\ndefault_pool_size = 3\nlisten_addr =\nunix_socket_dir = {shown}\n",
            server.directory.path().join("socket").display()
        );
        let file = directory.join("pgbouncer.ini");
        std::fs::write(&file, text).unwrap();
        let mut command = as_owner(&installed("pgbouncer", || Some("/usr/sbin/pgbouncer".into())));
        let process = started(command.arg(&file), "process up");
        let hosts = vec![(shown.to_string(), 6432)];
        (Self(process), PostgresqlSettings { hosts, ..server.settings() })
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its processes have ended before its files are removed; some of them may have been halted.
        for name in ["CONT", "QUIT"] {
            let processes = self.processes();
            let processes = processes.iter().map(ToString::to_string);
            let _ = Command::new("kill").arg(format!("-{name}")).args(processes).stderr(Stdio::null()).status();
        }
        let _ = self.process.wait();
    }
}

fn begin(directory: &Path, settings: &[String]) -> Child {
    let mut command = as_owner(&program("postgres"));
    command.arg("-D").arg(directory.join("data")).arg("-k").arg(directory.join("socket"));
    let fast = ["listen_addresses=", "fsync=off", "shared_buffers=16MB", "max_connections=300", "autovacuum=off"];
    for setting in fast.into_iter().chain(settings.iter().map(String::as_str)) {
        command.args(["-c", setting]);
    }
    started(&mut command, "database system is ready to accept connections")
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

/// The data of a new server: made once, because that takes longer than most tests.
fn template() -> PathBuf {
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/.cache");
    let initdb = program("initdb");
    let major = initdb.parent().and_then(Path::parent).unwrap().file_name().unwrap().to_owned();
    let template = cache.join(format!("postgresql-{}", major.display()));
    if !template.exists() {
        std::fs::create_dir_all(&cache).unwrap();
        let directory = tempfile::tempdir().unwrap();
        give(directory.path());
        let data = directory.path().join("data");
        let mut command = as_owner(&initdb);
        command.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]);
        run(command.arg("-D").arg(&data));
        let part = tempfile::tempdir_in(&cache).unwrap();
        run(Command::new("cp").arg("-a").arg(&data).arg(part.path()));
        // Another test may have been faster.
        let _ = std::fs::rename(part.path().join("data"), &template);
    }
    template
}

/// A program of the newest PostgreSQL.
fn program(name: &str) -> PathBuf {
    installed("postgresql", || {
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        versions.map(|version| version.path().join("bin").join(name)).filter(|program| program.exists()).max()
    })
}

/// A program of a Debian package, which is installed where it may be.
fn installed(package: &str, find: impl Fn() -> Option<PathBuf>) -> PathBuf {
    let find = || find().filter(|program| program.exists());
    find().unwrap_or_else(|| {
        let _ = Command::new("apt-get").args(["install", "-y", "-qq", "--no-install-recommends", package]).status();
        find().unwrap_or_else(|| panic!("the tests need Debian's package {package}; install it, or run tests/install"))
    })
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| std::os::unix::fs::MetadataExt::uid(&process) == 0)
}

/// The user that runs the server, which must not be root.
fn owner() -> (u32, u32) {
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.starts_with("postgres:")).expect("the package makes a user postgres");
    let mut numbers = line.split(':').skip(2).map(|field| field.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// Gives a file to the user that runs the server.
pub fn give(path: &Path) {
    if is_root() {
        let (user, group) = owner();
        chown(path, Some(user), Some(group)).unwrap();
    }
}

/// A command as the user that runs the server; it ends with the test.
fn as_owner(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.arg("--pdeathsig=QUIT");
    if is_root() {
        let (user, group) = owner();
        command.arg(format!("--reuid={user}")).arg(format!("--regid={group}")).arg("--clear-groups");
    }
    command.arg(program).current_dir("/");
    command
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn signal(name: &str, processes: impl IntoIterator<Item = u32>) {
    let mut command = Command::new("kill");
    command.arg(format!("-{name}"));
    run(command.args(processes.into_iter().map(|id| id.to_string())));
}
