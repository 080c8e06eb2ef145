//! Ends connections of clients that wait in vain. paramiko asks for the authentication service again
//! before each method; the library answers that only once and reports nothing of it (ADR 11). It
//! shows from outside: after an answer that was not a success, bytes arrive but no request follows.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// Time from such an arrival to the end of the connection.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The state of an authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// The server has to answer, or the client has sent nothing yet.
    #[default]
    Open,
    /// The server has refused, or wants another method.
    Answered,
    /// Bytes arrived after that answer.
    Arrived,
    LoggedIn,
}

/// Shared by the socket, which sees bytes, and the handler, which sees requests. Every session keeps it, and a `watch`
/// with its eight lists of waiters would take some 300 bytes.
#[derive(Default)]
pub struct LoginProgress {
    state: Mutex<State>,
    changed: Notify,
}

impl LoginProgress {
    /// The handler got a request.
    pub fn request(&self) {
        self.set(State::Open);
    }

    /// The request was refused, or was not enough.
    pub fn refused(&self) {
        self.set(State::Answered);
    }

    pub fn logged_in(&self) {
        self.set(State::LoggedIn);
    }

    /// Bytes arrived. Returns `false` once the client has logged in.
    pub fn arrived(&self) -> bool {
        let mut state = self.lock();
        let before = *state;
        if before == State::Answered {
            *state = State::Arrived;
            drop(state);
            self.changed.notify_waiters();
        }
        before != State::LoggedIn
    }

    pub async fn is_logged_in(&self) {
        self.wait_for(|state| state == State::LoggedIn).await;
    }

    /// Completes when the bytes that arrived were no request.
    pub async fn is_stuck(&self) {
        loop {
            self.wait_for(|state| state == State::Arrived).await;
            let moved_on = self.wait_for(|state| state != State::Arrived);
            if tokio::time::timeout(PATIENCE, moved_on).await.is_err() {
                return;
            }
        }
    }

    async fn wait_for(&self, is_meant: impl Fn(State) -> bool) {
        loop {
            // Made before the look, so that it is told of a change in between.
            let changed = self.changed.notified();
            if is_meant(self.state()) {
                return;
            }
            changed.await;
        }
    }

    fn set(&self, state: State) {
        *self.lock() = state;
        self.changed.notify_waiters();
    }

    fn state(&self) -> State {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether clients with this identification ask for the service again.
pub fn repeats_its_service_request(identification: &str) -> bool {
    identification.to_ascii_lowercase().contains("paramiko")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;

    async fn check(steps: &[fn(&LoginProgress)], expected: bool) {
        let progress = LoginProgress::default();
        let day = Duration::from_secs(24 * 3600);
        let stuck = async { tokio::time::timeout(day, progress.is_stuck()).await.is_ok() };
        let moving = async {
            for step in steps {
                step(&progress);
                tokio::time::sleep(PATIENCE / 3).await;
            }
        };
        assert_eq!(tokio::join!(stuck, moving).0, expected, "{}", steps.len());
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_client_that_is_not_heard_is_stuck() {
        let (request, refused, logged_in) = (LoginProgress::request, LoginProgress::refused, LoginProgress::logged_in);
        let arrived = |progress: &LoginProgress| {
            progress.arrived();
        };
        check(&[], false).await;
        check(&[arrived, arrived], false).await;
        check(&[request, refused], false).await;
        check(&[request, refused, arrived], true).await;
        check(&[request, refused, arrived, arrived], true).await;
        check(&[request, refused, arrived, request], false).await;
        check(&[request, refused, arrived, request, refused], false).await;
        check(&[request, refused, arrived, request, refused, arrived], true).await;
        check(&[request, logged_in, arrived, arrived], false).await;
        check(&[arrived, request, arrived], false).await;
    }

    #[test]
    fn it_takes_little_of_a_session() {
        assert!(size_of::<LoginProgress>() <= 64, "{}", size_of::<LoginProgress>());
    }

    #[test]
    fn a_login_is_seen_before_and_after_it() {
        let progress = LoginProgress::default();
        let waiting = progress.is_logged_in();
        tokio::pin!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none());
        progress.request();
        assert!(waiting.as_mut().now_or_never().is_none());
        assert!(progress.arrived());
        progress.logged_in();
        assert!(waiting.as_mut().now_or_never().is_some());
        assert!(progress.is_logged_in().now_or_never().is_some());
        assert!(!progress.arrived());
    }

    #[test]
    fn the_client_is_known_by_its_name() {
        assert!(repeats_its_service_request("SSH-2.0-paramiko_5.1.0"));
        assert!(repeats_its_service_request("SSH-2.0-Paramiko"));
        assert!(!repeats_its_service_request("SSH-2.0-OpenSSH_9.2p1 Debian-2"));
    }
}
