//! What is counted for monitoring, under the older server's names (A20).

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::connection::LoginMethod;
use crate::hook::{Family, HookKind};

/// The counters of one server. Counting is one atomic addition.
pub struct Metrics {
    /// All counters and gauges below, for the exposition.
    pub registry: Registry,
    /// Whether the account store answers: 1 or 0 (A9-05).
    pub store_available: IntGauge,
    /// Sessions that are logged in.
    pub active_connections: IntGauge,
    /// Transfers from clients.
    pub uploads: Transfers,
    /// Transfers to clients.
    pub downloads: Transfers,
    /// SSH commands that were executed (A7-09).
    pub ssh_commands: IntCounter,
    /// SSH commands that failed.
    pub ssh_command_errors: IntCounter,
    /// Connections that ended before an attempt to log in.
    pub no_auth: IntCounter,
    hook_events_dropped: IntCounterVec,
    http: HttpRequests,
    logins: Outcomes,
    by_method: [Outcomes; LoginMethod::ALL.len()],
}

/// Counters for the transfers of one direction.
pub struct Transfers {
    /// Transfers that were completed.
    pub done: IntCounter,
    /// Transfers that ended early or were refused.
    pub failed: IntCounter,
    /// Bytes that were moved, also by transfers that failed.
    pub bytes: IntCounter,
}

struct HttpRequests {
    all: IntCounter,
    ok: IntCounter,
    client_errors: IntCounter,
    server_errors: IntCounter,
}

struct Outcomes {
    attempts: IntCounter,
    accepted: IntCounter,
    refused: IntCounter,
}

struct Names {
    registry: Registry,
}

impl Names {
    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        let counter = IntCounter::with_opts(Opts::new(name, help))?;
        self.registry.register(Box::new(counter.clone()))?;
        Ok(counter)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        let gauge = IntGauge::with_opts(Opts::new(name, help))?;
        self.registry.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }

    /// A counter with a series for each hook point that is an observer.
    fn by_observer(&self, name: &str, help: &str) -> Result<IntCounterVec, prometheus::Error> {
        let counters = IntCounterVec::new(Opts::new(name, help), &["kind"])?;
        for kind in HookKind::ALL.into_iter().filter(|kind| kind.family() == Family::Observer) {
            counters.get_metric_with_label_values(&[kind.as_str()])?;
        }
        self.registry.register(Box::new(counters.clone()))?;
        Ok(counters)
    }

    fn transfers(&self, what: &str) -> Result<Transfers, prometheus::Error> {
        Ok(Transfers {
            done: self.counter(&format!("sftpgo_{what}s_total"), &format!("Completed {what}s"))?,
            failed: self.counter(&format!("sftpgo_{what}_errors_total"), &format!("Failed {what}s"))?,
            bytes: self.counter(&format!("sftpgo_{what}_size"), &format!("Bytes of {what}s, partial ones included"))?,
        })
    }

    fn outcomes(&self, prefix: &str, what: &str) -> Result<Outcomes, prometheus::Error> {
        Ok(Outcomes {
            attempts: self.counter(&format!("sftpgo_{prefix}attempts_total"), &format!("Attempts to log in{what}"))?,
            accepted: self.counter(&format!("sftpgo_{prefix}ok_total"), &format!("Accepted logins{what}"))?,
            refused: self.counter(&format!("sftpgo_{prefix}ko_total"), &format!("Refused logins{what}"))?,
        })
    }
}

impl Metrics {
    /// All counters at 0.
    ///
    /// # Errors
    /// If two metrics have the same name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let names = Names { registry: Registry::new() };
        let method = |prefix: &str, what: &str| names.outcomes(prefix, &format!(" by {what}"));
        // A20-08: methods that SSH does not have, because dashboards of the older server show them.
        method("tls_cert_login_", "TLS certificate")?;
        method("tls_cert_and_pwd_login_", "TLS certificate and password")?;
        method("idp_login_", "identity provider")?;
        Ok(Self {
            store_available: names
                .gauge("sftpgo_dataprovider_availability", "Whether the store of accounts answers: 1 yes, 0 no")?,
            active_connections: names.gauge("sftpgo_active_connections", "Sessions that are logged in")?,
            uploads: names.transfers("upload")?,
            downloads: names.transfers("download")?,
            ssh_commands: names.counter("sftpgo_ssh_commands_total", "SSH commands that succeeded")?,
            ssh_command_errors: names.counter("sftpgo_ssh_command_errors_total", "SSH commands that failed")?,
            no_auth: names.counter("sftpgo_no_auth_total", "Connections that ended before an attempt to log in")?,
            hook_events_dropped: names.by_observer(
                "tidegate_hook_events_dropped_total",
                "Events that hooks were not told of, because too many waited",
            )?,
            http: HttpRequests {
                all: names.counter("sftpgo_http_req_total", "HTTP requests")?,
                ok: names.counter("sftpgo_http_req_ok_total", "HTTP requests answered with success")?,
                client_errors: names.counter("sftpgo_http_client_errors_total", "HTTP requests that were wrong")?,
                server_errors: names.counter("sftpgo_http_server_errors_total", "HTTP requests that failed")?,
            },
            logins: names.outcomes("login_", "")?,
            by_method: [
                method("password_login_", "password")?,
                method("public_key_login_", "public key")?,
                method("keyboard_interactive_login_", "keyboard-interactive")?,
                method("key_and_password_login_", "public key, then password")?,
                method("key_and_keyboard_int_login_", "public key, then keyboard-interactive")?,
            ],
            registry: names.registry,
        })
    }

    /// Counts an attempt to log in, in all and by method.
    pub fn login(&self, method: LoginMethod, accepted: bool) {
        let at = LoginMethod::ALL.iter().position(|known| *known == method);
        let by_method = at.and_then(|at| self.by_method.get(at));
        for outcomes in std::iter::once(&self.logins).chain(by_method) {
            outcomes.attempts.inc();
            if accepted {
                outcomes.accepted.inc()
            } else {
                outcomes.refused.inc()
            };
        }
    }

    /// Counts an event that an observer was not told of, because too many waited (B0-10).
    pub fn hook_event_dropped(&self, kind: HookKind) {
        if let Ok(counter) = self.hook_events_dropped.get_metric_with_label_values(&[kind.as_str()]) {
            counter.inc();
        }
    }

    /// Counts an HTTP request by the status it was answered with.
    pub fn http_request(&self, status: u16) {
        self.http.all.inc();
        match status {
            200..300 => self.http.ok.inc(),
            400..500 => self.http.client_errors.inc(),
            500.. => self.http.server_errors.inc(),
            _ => {}
        }
    }

    /// Counts a transfer that ended after `bytes` bytes; `done`: it was complete.
    pub fn transfer(&self, upload: bool, bytes: u64, done: bool) {
        let transfers = if upload { &self.uploads } else { &self.downloads };
        transfers.bytes.inc_by(bytes);
        if done {
            transfers.done.inc()
        } else {
            transfers.failed.inc()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_events_are_counted_by_kind() {
        // B0-10
        let metrics = Metrics::new().unwrap();
        metrics.hook_event_dropped(HookKind::PostAction);
        metrics.hook_event_dropped(HookKind::PostAction);
        let families = metrics.registry.gather();
        let family = families.iter().find(|family| family.name() == "tidegate_hook_events_dropped_total").unwrap();
        let counts = family
            .get_metric()
            .iter()
            .map(|metric| (metric.get_label()[0].value().to_owned(), metric.get_counter().get_value()));
        let counts: std::collections::BTreeMap<_, _> = counts.collect();
        assert_eq!((counts["post-action"], counts["post-login"], counts.get("connect")), (2.0, 0.0, None));
    }

    #[test]
    fn methods_have_their_own_counters() {
        // A20-04
        let metrics = Metrics::new().unwrap();
        metrics.login(LoginMethod::PublicKey, true);
        metrics.login(LoginMethod::Password, false);
        let value = |name: &str| {
            let families = metrics.registry.gather();
            let family = families.iter().find(|family| family.name() == name).unwrap();
            family.get_metric()[0].get_counter().get_value()
        };
        for (name, expected) in [
            ("sftpgo_login_attempts_total", 2.0),
            ("sftpgo_login_ok_total", 1.0),
            ("sftpgo_public_key_login_ok_total", 1.0),
            ("sftpgo_password_login_ko_total", 1.0),
            ("sftpgo_password_login_ok_total", 0.0),
            ("sftpgo_keyboard_interactive_login_attempts_total", 0.0),
            ("sftpgo_upload_size", 0.0),
        ] {
            assert_eq!(value(name), expected, "{name}");
        }
    }
}
