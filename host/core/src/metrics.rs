//! What is counted for monitoring (A20). Names and texts of metrics are those of the exposition.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::connection::LoginMethod;
use crate::hook::HookKind;
use crate::ports::{Clock, SystemClock};

mod requests;

pub use requests::{ObjectRequest, Requests, SftpRequest};

/// Counts what happens in one server, from 0. Counting is one atomic addition.
#[derive(Debug, Default)]
pub struct Metrics {
    counts: Counts<AtomicU64>,
    /// In milliseconds since 1970; 0: the account store is not away.
    store_away_since: AtomicI64,
}

/// What was counted: plain numbers, or those that still change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts<N = u64> {
    /// Whether the account store answers: 1 or 0 (A9-05).
    pub store_available: N,
    /// Sessions that are logged in.
    pub active_connections: N,
    /// Transfers from clients.
    pub uploads: Transfers<N>,
    /// Transfers to clients.
    pub downloads: Transfers<N>,
    /// SSH commands that were executed (A7-09).
    pub ssh_commands: N,
    /// SSH commands that failed or were refused.
    pub ssh_command_errors: N,
    /// Connections that ended before an attempt to log in.
    pub no_auth: N,
    /// Addresses that were banned (B14), by their score or by an administrator.
    pub addresses_banned: N,
    /// Connections that were refused because their address was banned.
    pub banned_connections: N,
    /// Connections that were refused because there were too many in a short time (B14-05).
    pub rate_limited_connections: N,
    /// Credentials for which there may be a remembered answer of external authentication (B8-05): one number for each of
    /// [`ExternalAuthAnswer::ALL`].
    pub external_auth: [N; ExternalAuthAnswer::ALL.len()],
    /// Events that hooks did not get, because too many waited (B0-10): one number for each of
    /// [`HookKind::ALL`]. Those of gates stay 0.
    pub hook_events_dropped: [N; HookKind::ALL.len()],
    /// Requests to object storage (A20-06): those of each of [`ObjectRequest::ALL`].
    pub object_requests: [Requests<N>; ObjectRequest::ALL.len()],
    /// Requests to other SFTP servers that have files: those of each of [`SftpRequest::ALL`].
    pub sftp_requests: [Requests<N>; SftpRequest::ALL.len()],
    /// Transfers from clients into object storage; they are among [`uploads`](Self::uploads), too.
    pub object_uploads: Transfers<N>,
    /// Transfers from object storage to clients; they are among [`downloads`](Self::downloads), too.
    pub object_downloads: Transfers<N>,
    /// HTTP requests.
    pub http: HttpRequests<N>,
    /// Attempts to log in that were not decided, because the store of accounts was away; they are not among `logins`.
    pub logins_unavailable: N,
    /// Attempts to log in, by any method.
    pub logins: Logins<N>,
    /// Attempts to log in: those of each of [`LoginMethod::ALL`].
    pub by_method: [Logins<N>; LoginMethod::ALL.len()],
}

/// Where an answer of external authentication came from (B8-05).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExternalAuthAnswer {
    /// The credential was accepted a short time ago.
    Accepted,
    /// The credential was denied a short time ago.
    Denied,
    /// The stored credential decided, because the last login is recent.
    Stored,
    /// The hook was asked.
    Asked,
}

impl ExternalAuthAnswer {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Accepted, Self::Denied, Self::Stored, Self::Asked];

    /// The label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Denied => "denied",
            Self::Stored => "stored",
            Self::Asked => "asked",
        }
    }
}

/// Transfers of one direction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transfers<N = u64> {
    /// Transfers that were completed.
    pub done: N,
    /// Transfers that ended early or were refused.
    pub failed: N,
    /// Bytes that were moved, also by transfers that failed.
    pub bytes: N,
}

/// HTTP requests, by the status they were answered with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpRequests<N = u64> {
    /// All requests.
    pub all: N,
    /// Requests that were answered with success.
    pub ok: N,
    /// Requests that the client made wrongly.
    pub client_errors: N,
    /// Requests that failed in the server.
    pub server_errors: N,
}

/// Attempts to log in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logins<N = u64> {
    /// All attempts.
    pub attempts: N,
    /// Attempts that were accepted.
    pub accepted: N,
    /// Attempts that were refused.
    pub refused: N,
}

impl Metrics {
    /// The numbers as they are now. They are read one after the other, while others are counted.
    pub fn counts(&self) -> Counts {
        self.counts.read()
    }

    /// Notes whether the account store answers (A9-05).
    pub fn store_answers(&self, answers: bool) {
        self.counts.store_available.store(u64::from(answers), Ordering::Relaxed);
        let since = &self.store_away_since;
        if answers {
            since.store(0, Ordering::Relaxed);
        } else {
            // The first time stays; another thread may have noted it just now.
            let _ = since.compare_exchange(0, SystemClock.now().max(1), Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Whether the account store did not answer when it was asked last. False before it was asked.
    pub fn is_store_away(&self) -> bool {
        self.store_away_since().is_some()
    }

    /// When it was first noticed that the account store does not answer, in milliseconds since 1970; None: it answered
    /// when it was asked last.
    pub fn store_away_since(&self) -> Option<i64> {
        Some(self.store_away_since.load(Ordering::Relaxed)).filter(|since| *since > 0)
    }

    /// Counts a session that begins. [`session_ended`](Self::session_ended) is called once for each.
    pub fn session_began(&self) {
        add(&self.counts.active_connections, 1);
    }

    /// Takes back what [`session_began`](Self::session_began) counted.
    pub fn session_ended(&self) {
        self.counts.active_connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts an SSH command (A7-09). `done`: it was executed, neither refused nor failed.
    pub fn ssh_command(&self, done: bool) {
        let Counts { ssh_commands, ssh_command_errors, .. } = &self.counts;
        add(if done { ssh_commands } else { ssh_command_errors }, 1);
    }

    /// Counts a connection that ended before an attempt to log in.
    pub fn no_auth(&self) {
        add(&self.counts.no_auth, 1);
    }

    /// Counts an address that is banned (B14).
    pub fn address_banned(&self) {
        add(&self.counts.addresses_banned, 1);
    }

    /// Counts a connection that was refused because its address is banned.
    pub fn banned_connection(&self) {
        add(&self.counts.banned_connections, 1);
    }

    /// Counts a connection that was refused because there were too many in a short time (B14-05).
    pub fn rate_limited_connection(&self) {
        add(&self.counts.rate_limited_connections, 1);
    }

    /// Counts where an answer of external authentication came from (B8-05).
    pub fn external_auth(&self, answer: ExternalAuthAnswer) {
        if let Some(answers) = entry(ExternalAuthAnswer::ALL, &self.counts.external_auth, answer) {
            add(answers, 1);
        }
    }

    /// Counts an attempt to log in, in all and by method.
    pub fn login(&self, method: LoginMethod, accepted: bool) {
        let by_method = entry(LoginMethod::ALL, &self.counts.by_method, method);
        for logins in std::iter::once(&self.counts.logins).chain(by_method) {
            add(&logins.attempts, 1);
            add(if accepted { &logins.accepted } else { &logins.refused }, 1);
        }
    }

    /// Counts an attempt to log in that was not decided, because the store of accounts was away.
    pub fn login_unavailable(&self) {
        add(&self.counts.logins_unavailable, 1);
    }

    /// Counts an event that an observer did not get, because too many waited (B0-10).
    pub fn hook_event_dropped(&self, kind: HookKind) {
        if let Some(dropped) = entry(HookKind::ALL, &self.counts.hook_events_dropped, kind) {
            add(dropped, 1);
        }
    }

    /// Counts an HTTP request by the status it was answered with.
    pub fn http_request(&self, status: u16) {
        let HttpRequests { all, ok, client_errors, server_errors } = &self.counts.http;
        add(all, 1);
        match status {
            200..300 => add(ok, 1),
            400..500 => add(client_errors, 1),
            500.. => add(server_errors, 1),
            _ => {}
        }
    }

    /// Counts a request to object storage (A20-06). `failed`: the store did not answer, or refused it.
    pub fn object_request(&self, request: ObjectRequest, failed: bool) {
        if let Some(requests) = entry(ObjectRequest::ALL, &self.counts.object_requests, request) {
            add(&requests.all, 1);
            add(&requests.failed, u64::from(failed));
        }
    }

    /// Counts a request to another SFTP server that has files (A20-06). `failed`: it did not answer, or refused it.
    pub fn sftp_request(&self, request: SftpRequest, failed: bool) {
        if let Some(requests) = entry(SftpRequest::ALL, &self.counts.sftp_requests, request) {
            add(&requests.all, 1);
            add(&requests.failed, u64::from(failed));
        }
    }

    /// Counts a transfer into or from object storage, beside [`transfer`](Self::transfer).
    pub fn object_transfer(&self, upload: bool, bytes: u64, done: bool) {
        let Counts { object_uploads, object_downloads, .. } = &self.counts;
        count_transfer(if upload { object_uploads } else { object_downloads }, bytes, done);
    }

    /// Counts a transfer that ended after `bytes` bytes; `done`: it was complete.
    pub fn transfer(&self, upload: bool, bytes: u64, done: bool) {
        let transfers = if upload { &self.counts.uploads } else { &self.counts.downloads };
        count_transfer(transfers, bytes, done);
    }
}

impl Counts<AtomicU64> {
    fn read(&self) -> Counts {
        Counts {
            store_available: number(&self.store_available),
            active_connections: number(&self.active_connections),
            uploads: self.uploads.read(),
            downloads: self.downloads.read(),
            ssh_commands: number(&self.ssh_commands),
            ssh_command_errors: number(&self.ssh_command_errors),
            no_auth: number(&self.no_auth),
            addresses_banned: number(&self.addresses_banned),
            banned_connections: number(&self.banned_connections),
            rate_limited_connections: number(&self.rate_limited_connections),
            external_auth: self.external_auth.each_ref().map(number),
            hook_events_dropped: self.hook_events_dropped.each_ref().map(number),
            object_requests: self.object_requests.each_ref().map(Requests::read),
            sftp_requests: self.sftp_requests.each_ref().map(Requests::read),
            object_uploads: self.object_uploads.read(),
            object_downloads: self.object_downloads.read(),
            http: self.http.read(),
            logins_unavailable: number(&self.logins_unavailable),
            logins: self.logins.read(),
            by_method: self.by_method.each_ref().map(Logins::read),
        }
    }
}

impl Transfers<AtomicU64> {
    fn read(&self) -> Transfers {
        Transfers { done: number(&self.done), failed: number(&self.failed), bytes: number(&self.bytes) }
    }
}

impl HttpRequests<AtomicU64> {
    fn read(&self) -> HttpRequests {
        HttpRequests {
            all: number(&self.all),
            ok: number(&self.ok),
            client_errors: number(&self.client_errors),
            server_errors: number(&self.server_errors),
        }
    }
}

impl Logins<AtomicU64> {
    fn read(&self) -> Logins {
        Logins { attempts: number(&self.attempts), accepted: number(&self.accepted), refused: number(&self.refused) }
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

fn count_transfer(transfers: &Transfers<AtomicU64>, bytes: u64, done: bool) {
    add(&transfers.bytes, bytes);
    add(if done { &transfers.done } else { &transfers.failed }, 1);
}

fn number(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// What an array with an entry for each of `all` has for `key`.
fn entry<K: PartialEq, T, const N: usize>(all: [K; N], entries: &[T; N], key: K) -> Option<&T> {
    all.into_iter().zip(entries).find(|(known, _)| *known == key).map(|(_, entry)| entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(metrics: &Metrics, expected: Counts) {
        assert_eq!(metrics.counts(), expected);
    }

    #[test]
    fn dropped_events_are_counted_by_kind() {
        // B0-10
        let metrics = Metrics::default();
        metrics.hook_event_dropped(HookKind::PostAction);
        metrics.hook_event_dropped(HookKind::PostAction);
        let hook_events_dropped = HookKind::ALL.map(|kind| if kind == HookKind::PostAction { 2 } else { 0 });
        check(&metrics, Counts { hook_events_dropped, ..Counts::default() });
    }

    #[test]
    fn methods_have_their_own_counters() {
        // A20-04
        let metrics = Metrics::default();
        metrics.login(LoginMethod::PublicKey, true);
        metrics.login(LoginMethod::Password, false);
        let by_method = LoginMethod::ALL.map(|method| match method {
            LoginMethod::PublicKey => Logins { attempts: 1, accepted: 1, refused: 0 },
            LoginMethod::Password => Logins { attempts: 1, accepted: 0, refused: 1 },
            LoginMethod::KeyboardInteractive
            | LoginMethod::PublicKeyThenPassword
            | LoginMethod::PublicKeyThenKeyboardInteractive => Logins::default(),
        });
        let logins = Logins { attempts: 2, accepted: 1, refused: 1 };
        check(&metrics, Counts { logins, by_method, ..Counts::default() });
    }

    #[test]
    fn requests_are_counted_by_status() {
        // A20-05
        let metrics = Metrics::default();
        // The first and the last status of each class, and those in between.
        [199, 200, 204, 299, 300, 399, 400, 404, 499, 500, 599]
            .into_iter()
            .for_each(|status| metrics.http_request(status));
        let http = HttpRequests { all: 11, ok: 3, client_errors: 3, server_errors: 2 };
        check(&metrics, Counts { http, ..Counts::default() });
    }

    #[test]
    fn transfers_count_their_bytes_even_if_they_fail() {
        // A20-02
        let metrics = Metrics::default();
        metrics.transfer(true, 10, true);
        metrics.transfer(true, 4, false);
        metrics.transfer(false, 7, true);
        let uploads = Transfers { done: 1, failed: 1, bytes: 14 };
        let downloads = Transfers { done: 1, failed: 0, bytes: 7 };
        check(&metrics, Counts { uploads, downloads, ..Counts::default() });
    }

    #[test]
    fn requests_to_object_storage_count_by_what_they_are_for() {
        // A20-06
        let metrics = Metrics::default();
        metrics.object_request(ObjectRequest::Copy, false);
        metrics.object_request(ObjectRequest::Copy, true);
        metrics.object_transfer(true, 5, true);
        metrics.object_transfer(false, 3, false);
        let of = |request| match request {
            ObjectRequest::Copy => Requests { all: 2, failed: 1 },
            _ => Requests::default(),
        };
        let object_uploads = Transfers { done: 1, failed: 0, bytes: 5 };
        let object_downloads = Transfers { done: 0, failed: 1, bytes: 3 };
        let object_requests = ObjectRequest::ALL.map(of);
        check(&metrics, Counts { object_requests, object_uploads, object_downloads, ..Counts::default() });
    }

    #[test]
    fn requests_to_other_servers_count_by_what_they_are_for() {
        // A20-06
        let metrics = Metrics::default();
        metrics.sftp_request(SftpRequest::Write, false);
        metrics.sftp_request(SftpRequest::Write, true);
        let sftp_requests = SftpRequest::ALL.map(|request| match request {
            SftpRequest::Write => Requests { all: 2, failed: 1 },
            _ => Requests::default(),
        });
        check(&metrics, Counts { sftp_requests, ..Counts::default() });
    }

    #[test]
    fn sessions_and_the_store_are_shown_as_they_are_now() {
        // A20-01, A9-05
        let metrics = Metrics::default();
        metrics.store_answers(true);
        metrics.session_began();
        metrics.session_began();
        check(&metrics, Counts { store_available: 1, active_connections: 2, ..Counts::default() });
        assert_eq!(metrics.store_away_since(), None);
        metrics.store_answers(false);
        let since = metrics.store_away_since();
        assert!(since.is_some() && metrics.is_store_away());
        metrics.session_ended();
        check(&metrics, Counts { active_connections: 1, ..Counts::default() });
        metrics.store_answers(false);
        assert_eq!(metrics.store_away_since(), since, "it is still away");
        metrics.store_answers(true);
        assert!(metrics.store_away_since().is_none() && !metrics.is_store_away());
    }

    #[test]
    fn commands_count_by_whether_they_were_executed() {
        // A20-03, A7-09
        let metrics = Metrics::default();
        metrics.ssh_command(true);
        metrics.ssh_command(false);
        metrics.ssh_command(false);
        metrics.no_auth();
        check(&metrics, Counts { ssh_commands: 1, ssh_command_errors: 2, no_auth: 1, ..Counts::default() });
    }
}
