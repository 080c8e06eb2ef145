//! The one connection to a server as one user, which is made when it is needed, and anew when it broke off.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tidegate_core::metrics::Metrics;
use tidegate_core::ports::storage::SftpLocation;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::connect::{Dial, Times, connect};
use crate::errors::Fault;
use crate::session::Session;

/// A connection that is found broken is made anew this often before it is an error.
const TRIES: usize = 3;

/// The connections of a server, shared by all that have the same endpoint, user and credentials.
pub struct Remotes {
    dial: Arc<dyn Dial>,
    times: Times,
    pause: Duration,
    metrics: Arc<Metrics>,
    known: Mutex<Vec<Weak<Remote>>>,
}

impl Remotes {
    /// `pause`: how long a server is left alone that could not be used. `metrics`: counts requests.
    pub fn new(dial: Arc<dyn Dial>, times: Times, pause: Duration, metrics: Arc<Metrics>) -> Self {
        Self { dial, times, pause, metrics, known: Mutex::default() }
    }

    /// The connection for a place; none is made yet.
    pub fn of(&self, place: &SftpLocation) -> Arc<Remote> {
        let mut known = lock(&self.known);
        known.retain(|remote| remote.strong_count() > 0);
        if let Some(remote) = known.iter().filter_map(Weak::upgrade).find(|remote| is_same(&remote.place, place)) {
            return remote;
        }
        let remote = Arc::new(Remote {
            place: place.clone(),
            dial: self.dial.clone(),
            times: self.times,
            pause: self.pause,
            metrics: self.metrics.clone(),
            session: Mutex::default(),
            refusal: Mutex::default(),
            can_replace: AtomicU8::new(UNKNOWN),
            written: Mutex::default(),
            last_generation: AtomicU64::new(0),
        });
        known.push(Arc::downgrade(&remote));
        remote
    }
}

/// Whether both are reached by one connection.
fn is_same(a: &SftpLocation, b: &SftpLocation) -> bool {
    let of = |place: &SftpLocation| {
        let SftpLocation { endpoint, username, password, private_key, key_passphrase, fingerprints, .. } =
            place.clone();
        (endpoint, username, password, private_key, key_passphrase, fingerprints)
    };
    of(a) == of(b)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Values of [`Remote::can_replace`].
const UNKNOWN: u8 = 0;
const YES: u8 = 1;
const NO: u8 = 2;

/// A server, as one user.
pub struct Remote {
    place: SftpLocation,
    dial: Arc<dyn Dial>,
    times: Times,
    pause: Duration,
    metrics: Arc<Metrics>,
    /// The session, or the one that is being made.
    session: Mutex<Arc<OnceCell<Arc<Session>>>>,
    /// Why the server could not be used, until it is tried again.
    refusal: Mutex<Option<(Instant, Fault)>>,
    can_replace: AtomicU8,
    /// The files that are open to be written, by their paths there.
    written: Mutex<HashMap<Vec<u8>, Written>>,
    last_generation: AtomicU64,
}

/// A path at which files are open to be written.
#[derive(Default)]
struct Written {
    files: usize,
    /// Tells apart the files that had the path one after the other.
    generation: u64,
}

impl Remote {
    /// The session, which is made if there is none.
    ///
    /// # Errors
    /// The server cannot be used.
    pub async fn session(&self) -> Result<Arc<Session>, Fault> {
        for _ in 0..TRIES {
            let cell = lock(&self.session).clone();
            let session = cell.get_or_try_init(|| self.connect()).await?.clone();
            if !session.has_ended() {
                return Ok(session);
            }
            let mut current = lock(&self.session);
            if Arc::ptr_eq(&current, &cell) {
                *current = Arc::default();
            }
        }
        Err(Fault::Gone("the server ends each connection at once".to_owned()))
    }

    async fn connect(&self) -> Result<Arc<Session>, Fault> {
        let refusal = lock(&self.refusal).clone();
        if let Some((until, fault)) = refusal
            && Instant::now() < until
        {
            return Err(fault);
        }
        match connect(&*self.dial, &self.place, self.times, self.metrics.clone()).await {
            Ok(session) => {
                self.can_replace.store(if session.offers.posix_rename { YES } else { NO }, Ordering::Relaxed);
                Ok(Arc::new(session))
            }
            Err(fault) => {
                *lock(&self.refusal) = Some((Instant::now() + self.pause, fault.clone()));
                Err(fault)
            }
        }
    }

    /// Does what changes nothing; once more, if the connection broke off meanwhile.
    ///
    /// # Errors
    /// That of the operation.
    pub async fn look<T, F>(&self, act: impl Fn(Arc<Session>) -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        match act(self.session().await?).await {
            Err(Fault::Gone(_)) => act(self.session().await?).await,
            outcome => outcome,
        }
    }

    /// Whether a rename can replace a file in one step, as far as is known.
    pub fn can_replace(&self) -> bool {
        self.can_replace.load(Ordering::Relaxed) != NO
    }

    /// Tells apart the files that have, or had, a path while files are open to be written there.
    pub fn generation(&self, path: &[u8]) -> u64 {
        lock(&self.written).get(path).map_or(0, |written| written.generation)
    }

    /// A file was opened to be written. Gives its generation.
    pub fn opened(&self, path: &[u8]) -> u64 {
        let mut written = lock(&self.written);
        let entry = written.entry(path.to_vec()).or_default();
        entry.files += 1;
        entry.generation
    }

    /// A file that was [`opened`](Self::opened) is open no more.
    pub fn closed(&self, path: &[u8]) {
        let mut written = lock(&self.written);
        if let Some(entry) = written.get_mut(path) {
            entry.files = entry.files.saturating_sub(1);
            if entry.files == 0 {
                written.remove(path);
            }
        }
    }

    /// What had the path, and all below it, has it no more.
    pub fn moved(&self, path: &[u8]) {
        for (of, entry) in lock(&self.written).iter_mut() {
            if of.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/")) {
                entry.generation = self.last_generation.fetch_add(1, Ordering::Relaxed) + 1;
            }
        }
    }

    /// Where the server is, and as whom it is used.
    pub fn place(&self) -> &SftpLocation {
        &self.place
    }
}
