//! Connections: which host, with which password, and when a connection is no longer usable.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use tidegate_core::ports::StoreError;
use tokio::time::timeout;

use super::{DatabaseServerSettings, Driver, stalled};

/// Makes connections for the pool.
pub struct Connector<D> {
    pub driver: D,
    settings: DatabaseServerSettings,
    /// The host to try first: the one that answered last.
    preferred: AtomicUsize,
    /// Connections of earlier generations are no longer usable.
    generation: AtomicU64,
}

/// One connection.
pub struct Connected<C> {
    pub connection: C,
    /// The host as messages name it.
    pub host: Arc<str>,
    host_number: usize,
    generation: u64,
}

impl<D: Driver> Connector<D> {
    pub fn new(driver: D, settings: DatabaseServerSettings) -> Self {
        Self { driver, settings, preferred: AtomicUsize::new(0), generation: AtomicU64::new(0) }
    }

    pub fn settings(&self) -> &DatabaseServerSettings {
        &self.settings
    }

    /// The hosts as messages name them.
    pub fn hosts(&self) -> String {
        let names: Vec<String> =
            self.settings.hosts.iter().map(|(host, port)| self.driver.shown(host, *port)).collect();
        names.join(", ")
    }

    /// Connects to the first host that can be used.
    pub async fn connect(&self) -> Result<Connected<D::Connection>, StoreError> {
        let generation = self.generation.load(Ordering::Acquire);
        let hosts = &self.settings.hosts;
        let preferred = self.preferred.load(Ordering::Acquire);
        let mut problems = Vec::new();
        for number in (0..hosts.len()).map(|step| (preferred + step) % hosts.len()) {
            let Some((host, port)) = hosts.get(number) else { continue };
            let shown = self.driver.shown(host, *port);
            match self.connect_to((host.as_str(), *port), &shown).await {
                Ok(connection) => {
                    self.preferred.store(number, Ordering::Release);
                    return Ok(Connected { connection, host: shown.into(), host_number: number, generation });
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

    /// Closes a connection and all older ones: they are to the same host and have the same fault.
    pub fn give_up(&self, connection: &Connected<D::Connection>) {
        if self.generation.load(Ordering::Acquire) == connection.generation {
            self.generation.fetch_add(1, Ordering::AcqRel);
            self.pass_over(connection.host_number);
        }
    }

    /// Closes all connections, which are to the host that is preferred.
    pub fn give_up_all(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.pass_over(self.preferred.load(Ordering::Acquire));
    }

    /// Lets the next attempt begin with the next host.
    fn pass_over(&self, number: usize) {
        let next = (number + 1) % self.settings.hosts.len().max(1);
        let _ = self.preferred.compare_exchange(number, next, Ordering::AcqRel, Ordering::Acquire);
    }

    async fn connect_to(&self, place: (&str, u16), shown: &str) -> Result<D::Connection, StoreError> {
        let password = self.password().await?;
        let attempt = self.driver.connect(&self.settings, place, password.as_deref());
        timeout(self.settings.connect_limit(), attempt).await.unwrap_or_else(|_| Err(stalled(shown)))
    }

    async fn password(&self) -> Result<Option<String>, StoreError> {
        let Some(file) = &self.settings.password_file else {
            return Ok(self.settings.password.as_ref().map(|password| password.expose().to_owned()));
        };
        // Read anew each time: another program may change the password.
        let text = tokio::fs::read_to_string(file).await.map_err(|error| {
            let file = file.display();
            StoreError::Unavailable(format!(
                "the password of the database cannot be read from {file}: {error}; correct data_provider.password_file"
            ))
        })?;
        Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

impl<D: Driver> Manager for Connector<D> {
    type Type = Connected<D::Connection>;
    type Error = StoreError;

    async fn create(&self) -> Result<Self::Type, StoreError> {
        self.connect().await
    }

    async fn recycle(&self, connected: &mut Self::Type, metrics: &Metrics) -> RecycleResult<StoreError> {
        let is_old = metrics.age() > self.settings.max_age;
        let is_given_up = connected.generation != self.generation.load(Ordering::Acquire);
        if is_old || is_given_up || self.driver.is_closed(&connected.connection) {
            return Err(RecycleError::message("a new one is made"));
        }
        Ok(())
    }
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
