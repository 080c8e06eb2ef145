//! A MariaDB server of its own for a test: from Debian's package, in a temporary directory.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use mysql_async::{Conn, OptsBuilder};

use super::*;
use crate::sql::remote::test_cases::TestServer;
use crate::sql::remote::test_process::{as_user, give, halt, installed, run, signal, started, template};

const USER: &str = "mysql";
const PORT: u16 = 3306;

/// A running server. It is stopped, and its files are removed, with the value.
pub struct Server {
    process: Child,
    directory: tempfile::TempDir,
    arguments: Vec<String>,
}

impl Server {
    /// Starts a server that is reached only by its socket.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with more arguments.
    pub fn start_with(arguments: &[String]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
        run(Command::new("cp").arg("-a").arg(data()).arg(directory.path().join("data")));
        let socket = directory.path().join("socket");
        std::fs::create_dir(&socket).unwrap();
        give(&socket, USER);
        let users = "CREATE USER IF NOT EXISTS tidegate@'%' IDENTIFIED BY 'tide';\n\
             CREATE USER IF NOT EXISTS tidegate@localhost IDENTIFIED BY 'tide';\n\
             GRANT ALL ON tidegate.* TO tidegate@'%';\nGRANT ALL ON tidegate.* TO tidegate@localhost;\n";
        std::fs::write(directory.path().join("users.sql"), users).unwrap();
        let process = begin(directory.path(), arguments);
        Self { process, directory, arguments: arguments.to_vec() }
    }

    pub fn settings(&self) -> DatabaseServerSettings {
        DatabaseServerSettings {
            hosts: vec![(self.directory.path().join("socket").display().to_string(), PORT)],
            database: "tidegate".into(),
            username: "tidegate".into(),
            password: Some(tidegate_core::secret::Secret::new("tide")),
            ..DatabaseServerSettings::default()
        }
    }

    pub fn open(&self) -> MysqlDatabase {
        MysqlDatabase::open(self.settings()).unwrap()
    }

    /// A connection without the store, with all rights.
    pub async fn raw(&self) -> Conn {
        let socket = options::socket(&self.directory.path().join("socket").display().to_string());
        let options = OptsBuilder::default().socket(Some(socket)).user(Some("root")).db_name(Some("tidegate"));
        Conn::new(options.init(vec!["SET SESSION autocommit = 1"])).await.unwrap()
    }
}

impl TestServer for Server {
    fn start() -> Self {
        Self::start()
    }

    fn settings(&self) -> DatabaseServerSettings {
        self.settings()
    }

    fn try_open(
        settings: DatabaseServerSettings,
    ) -> Result<std::sync::Arc<dyn tidegate_core::ports::Stores>, StoreError> {
        Ok(std::sync::Arc::new(MysqlDatabase::open(settings)?))
    }

    fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    fn crash(&mut self) {
        self.stop();
        self.process = begin(self.directory.path(), &self.arguments);
    }

    fn hang(&self) {
        halt(&self.process);
    }

    fn go_on(&self) {
        signal("CONT", [self.process.id()]);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn begin(directory: &Path, arguments: &[String]) -> Child {
    let mut command = as_user(USER, &program("/usr/sbin/mariadbd"), "KILL");
    let path = |name: &str| directory.join(name).display().to_string();
    command.args([
        "--no-defaults",
        "--skip-name-resolve",
        "--innodb-flush-method=nosync",
        "--innodb-buffer-pool-size=16M",
    ]);
    command.args([
        "--innodb-log-file-size=4M",
        "--max-connections=300",
        "--performance-schema=off",
        "--bind-address=127.0.0.1",
    ]);
    command.arg(format!("--datadir={}", path("data"))).arg(format!("--pid-file={}", path("socket/pid")));
    command.arg(format!("--socket={}", path("socket/mysqld.sock"))).arg(format!("--init-file={}", path("users.sql")));
    if !arguments.iter().any(|argument| argument.starts_with("--port")) {
        command.arg("--skip-networking");
    }
    started(command.args(arguments), "ready for connections")
}

/// The data of a new server with an empty database: made once.
fn data() -> PathBuf {
    let version = Command::new(program("/usr/sbin/mariadbd")).arg("--version").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let version = version.split_whitespace().nth(2).unwrap().split('-').next().unwrap();
    template(&format!("mariadb-{version}"), |part| {
        let directory = tempfile::tempdir().unwrap();
        give(directory.path(), USER);
        let data = directory.path().join("data");
        let mut command = as_user(USER, &program("/usr/bin/mariadb-install-db"), "KILL");
        command.args(["--no-defaults", "--skip-test-db", "--innodb-log-file-size=4M", "--innodb-flush-method=nosync"]);
        run(command.arg("--auth-root-authentication-method=normal").arg(format!("--datadir={}", data.display())));
        std::fs::create_dir(data.join("tidegate")).unwrap();
        give(&data.join("tidegate"), USER);
        run(Command::new("cp").arg("-a").arg(&data).arg(part));
    })
}

fn program(path: &str) -> PathBuf {
    installed("mariadb-server", || Some(path.into()))
}
