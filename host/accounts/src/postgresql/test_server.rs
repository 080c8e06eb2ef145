//! A PostgreSQL server of its own for a test: from Debian's package, in a temporary directory.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use tidegate_core::ports::Stores;
use tokio_postgres::{Client, NoTls};

use super::*;
use crate::sql::remote::test_cases::TestServer;
use crate::sql::remote::test_process::{self, as_user, halt, installed, run, signal, started, template};

const USER: &str = "postgres";

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
        run(Command::new("cp").arg("-a").arg(data()).arg(directory.path().join("data")));
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

    /// The processes that serve connections, and those that work for all of them.
    fn children(&self) -> Vec<u32> {
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.process.id()));
        children.unwrap_or_default().split_whitespace().filter_map(|id| id.parse().ok()).collect()
    }

    /// Lets the server read its configuration again.
    pub fn reload(&self) {
        signal("HUP", [self.process.id()]);
    }

    pub fn settings(&self) -> DatabaseServerSettings {
        DatabaseServerSettings {
            hosts: vec![(self.directory.path().join("socket").display().to_string(), PORT)],
            database: "postgres".into(),
            username: "postgres".into(),
            ..DatabaseServerSettings::default()
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

impl TestServer for Server {
    fn start() -> Self {
        Self::start()
    }

    fn settings(&self) -> DatabaseServerSettings {
        self.settings()
    }

    fn try_open(settings: DatabaseServerSettings) -> Result<Arc<dyn Stores>, StoreError> {
        Ok(Arc::new(PostgresqlDatabase::open(settings)?))
    }

    fn crash(&mut self) {
        self.stop();
        self.process = begin(self.directory.path(), &[]);
    }

    fn stop(&mut self) {
        signal("QUIT", [self.process.id()]);
        self.process.wait().unwrap();
    }

    fn hang(&self) {
        // First the process that begins and collects all others: so none of those is missed, or gone before its signal.
        halt(&self.process);
        signal("STOP", self.children());
    }

    fn go_on(&self) {
        signal("CONT", self.children());
        signal("CONT", [self.process.id()]);
    }
}

/// PgBouncer before a server, with fewer connections than its clients have.
pub struct Pooler(Child);

impl Pooler {
    /// Starts a pooler that lends connections for one transaction each.
    pub fn start(server: &Server) -> (Self, DatabaseServerSettings) {
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
        (Self(process), DatabaseServerSettings { hosts, ..server.settings() })
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
            let processes = [self.process.id()].into_iter().chain(self.children());
            let processes = processes.map(|id| id.to_string());
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

/// The data of a new server: made once, because that takes longer than most tests.
fn data() -> PathBuf {
    let initdb = program("initdb");
    let major = initdb.parent().and_then(Path::parent).unwrap().file_name().unwrap().to_owned();
    template(&format!("postgresql-{}", major.display()), |part| {
        let directory = tempfile::tempdir().unwrap();
        give(directory.path());
        let data = directory.path().join("data");
        let mut command = as_owner(&initdb);
        command.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]);
        run(command.arg("-D").arg(&data));
        run(Command::new("cp").arg("-a").arg(&data).arg(part));
    })
}

/// A program of the newest PostgreSQL.
fn program(name: &str) -> PathBuf {
    installed("postgresql", || {
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        versions.map(|version| version.path().join("bin").join(name)).filter(|program| program.exists()).max()
    })
}

/// Gives a file to the user that runs the server.
pub fn give(path: &Path) {
    test_process::give(path, USER);
}

/// A command as the user that runs the server.
fn as_owner(program: &Path) -> Command {
    as_user(USER, program, "QUIT")
}
