//! Connections: which host, with which password, and when a connection is of no use any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use tidegate_core::ports::StoreError;
use tokio::time::timeout;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres::{Client, Config};

use super::errors;
use super::settings::{PostgresqlSettings, TlsMode};
use super::tls::Tls;

/// Makes connections for the pool.
pub struct Connector {
    settings: PostgresqlSettings,
    tls: Tls,
    /// The host to try first: the one that answered last.
    preferred: AtomicUsize,
    /// Connections of earlier generations are of no use any more.
    generation: AtomicU64,
}

/// One connection.
pub struct Connected {
    pub client: Client,
    /// The host as messages name it.
    pub host: Arc<str>,
    host_number: usize,
    generation: u64,
}

impl Connector {
    pub fn new(settings: PostgresqlSettings) -> Result<Self, StoreError> {
        let tls = Tls::new(&settings)?;
        Ok(Self { settings, tls, preferred: AtomicUsize::new(0), generation: AtomicU64::new(0) })
    }

    pub fn settings(&self) -> &PostgresqlSettings {
        &self.settings
    }

    /// The hosts as messages name them.
    pub fn hosts(&self) -> String {
        let names: Vec<String> = self.settings.hosts.iter().map(|(host, port)| shown(host, *port)).collect();
        names.join(", ")
    }

    /// Connects to the first host that can be used.
    pub async fn connect(&self) -> Result<Connected, StoreError> {
        let generation = self.generation.load(Ordering::Acquire);
        let hosts = &self.settings.hosts;
        let preferred = self.preferred.load(Ordering::Acquire);
        let mut problems = Vec::new();
        for number in (0..hosts.len()).map(|step| (preferred + step) % hosts.len()) {
            let Some((host, port)) = hosts.get(number) else { continue };
            match self.connect_to(host, *port).await {
                Ok(client) => {
                    self.preferred.store(number, Ordering::Release);
                    return Ok(Connected { client, host: shown(host, *port).into(), host_number: number, generation });
                }
                Err(error) => {
                    // Also where the attempt is given up before the last host is tried.
                    self.pass_over(number);
                    problems.push(error);
                }
            }
        }
        Err(all_of(problems))
    }

    /// Gives up a connection, and all that were made before this moment: what befell one befalls the others.
    pub fn give_up(&self, connection: &Connected) {
        if self.generation.load(Ordering::Acquire) == connection.generation {
            self.generation.fetch_add(1, Ordering::AcqRel);
            self.pass_over(connection.host_number);
        }
    }

    /// Lets the next attempt begin with the next host.
    fn pass_over(&self, number: usize) {
        let next = (number + 1) % self.settings.hosts.len().max(1);
        let _ = self.preferred.compare_exchange(number, next, Ordering::AcqRel, Ordering::Acquire);
    }

    async fn connect_to(&self, host: &str, port: u16) -> Result<Client, StoreError> {
        let shown = shown(host, port);
        let config = self.config(host, port).await?;
        let attempt = timeout(self.settings.connect_limit(), config.connect(self.tls.clone()));
        let (client, connection) = match attempt.await {
            Err(_) => return Err(errors::stalled(&shown)),
            Ok(connected) => connected.map_err(|error| errors::of_connecting(&error, &shown))?,
        };
        // It ends with the client; its errors are those of the statements.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(client)
    }

    async fn config(&self, host: &str, port: u16) -> Result<Config, StoreError> {
        let settings = &self.settings;
        let mut config = Config::new();
        config.host(host).port(port).user(&settings.username).dbname(&settings.database);
        config.application_name("tidegate").connect_timeout(settings.connect_limit());
        // Data that stays unacknowledged means that the host is gone.
        config.tcp_user_timeout(settings.answer_timeout * 5);
        if let Some(file) = &settings.password_file {
            // Read anew each time: another program may change the password.
            let text = tokio::fs::read_to_string(file).await.map_err(|error| {
                let file = file.display();
                StoreError::Unavailable(format!(
                    "the password of the database cannot be read from {file}: {error}; correct data_provider.password_file"
                ))
            })?;
            config.password(text.trim_end_matches(['\r', '\n']));
        } else if let Some(password) = &settings.password {
            config.password(password.expose());
        }
        config.ssl_mode(match settings.tls {
            _ if is_directory(host) => SslMode::Disable,
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
        });
        if settings.only_writable {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        Ok(config)
    }
}

impl Manager for Connector {
    type Type = Connected;
    type Error = StoreError;

    async fn create(&self) -> Result<Connected, StoreError> {
        self.connect().await
    }

    async fn recycle(&self, connection: &mut Connected, metrics: &Metrics) -> RecycleResult<StoreError> {
        let is_old = metrics.age() > self.settings.max_age;
        let is_given_up = connection.generation != self.generation.load(Ordering::Acquire);
        if is_old || is_given_up || connection.client.is_closed() {
            return Err(RecycleError::message("a new one is made"));
        }
        Ok(())
    }
}

fn is_directory(host: &str) -> bool {
    host.starts_with('/')
}

fn shown(host: &str, port: u16) -> String {
    if is_directory(host) { format!("{host}/.s.PGSQL.{port}") } else { format!("{host}:{port}") }
}

fn all_of(mut problems: Vec<StoreError>) -> StoreError {
    match (problems.pop(), problems.is_empty()) {
        (None, _) => StoreError::Failed("no host of the database is named; set data_provider.host".to_owned()),
        (Some(only), true) => only,
        (Some(last), false) => {
            let texts: Vec<String> = problems.iter().chain([&last]).map(ToString::to_string).collect();
            StoreError::Unavailable(texts.join(". "))
        }
    }
}
