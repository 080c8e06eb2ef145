//! Limits users to networks, and slows down clients that guess passwords. See README.md.

use ipnet::IpNet;
use serde::Deserialize;
use std::net::IpAddr;
use tidegate_hook::{Connection, Failure, LoginAttempt, LoginPre, PostLogin, Review, Session, config, kv};

struct IpPolicy;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    rules: Vec<Rule>,
    guessers: Option<Guessers>,
}

/// Users whose names match may log in from these networks only.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// `*` at the end stands for anything.
    users: Vec<String>,
    networks: Vec<IpNet>,
}

/// After so many failures from an address, it has to wait until the time has passed since
/// the first of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Guessers {
    failures: i64,
    seconds: u32,
}

impl Settings {
    fn read() -> Result<Self, Failure> {
        serde_json::from_str(&config::to_json()).map_err(|error| Failure::new(format!("config: {error}")))
    }
}

impl Rule {
    fn concerns(&self, username: &str) -> bool {
        self.users.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(beginning) => username.starts_with(beginning),
            None => pattern == username,
        })
    }
}

/// A client with one IPv6 address usually has its whole /64.
fn key(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("failures/{address}"),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("failures/{a:x}:{b:x}:{c:x}:{d:x}::")
        }
    }
}

fn address_of(connection: &Connection) -> Result<IpAddr, Failure> {
    let address: IpAddr = connection.remote_ip().parse().map_err(|error| Failure::new(format!("{error}")))?;
    Ok(address.to_canonical())
}

fn unavailable(error: kv::KvError) -> Failure {
    Failure::transient(format!("the plugin's store failed: {error:?}"))
}

impl LoginPre for IpPolicy {
    fn review(attempt: &LoginAttempt) -> Result<Review, Failure> {
        let settings = Settings::read()?;
        let address = address_of(&attempt.connection())?;
        if let Some(guessers) = &settings.guessers {
            // The store keeps counters as decimal text.
            let kept = kv::get(&key(address)).map_err(unavailable)?.unwrap_or_default();
            let failures = std::str::from_utf8(&kept).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
            if failures >= guessers.failures {
                return Ok(Review::deny("too many failed logins from this address"));
            }
        }
        let username = attempt.username();
        let mut rules = settings.rules.iter().filter(|rule| rule.concerns(&username)).peekable();
        let free = rules.peek().is_none();
        let inside = rules.any(|rule| rule.networks.iter().any(|network| network.contains(&address)));
        Ok(if free || inside { Review::Allow } else { Review::deny("not from this network") })
    }
}

impl PostLogin for IpPolicy {
    fn notify(
        connection: &Connection,
        attempt: Option<&LoginAttempt>,
        outcome: Result<&Session, String>,
    ) -> Result<(), Failure> {
        let Some(guessers) = Settings::read()?.guessers else { return Ok(()) };
        let key = key(address_of(connection)?);
        // A right password clears nothing: its owner could guess at others in between. A client that
        // made no attempt has guessed nothing.
        match outcome {
            Err(_) if attempt.is_some() => {
                kv::increment(&key, 1, Some(guessers.seconds)).map(drop).map_err(unavailable)
            }
            _ => Ok(()),
        }
    }
}

tidegate_hook::export!(IpPolicy: LoginPre, PostLogin);

#[cfg(test)]
mod tests {
    use tidegate_hook::testing::host;

    use super::*;

    fn allowed(user: &str, ip: &str) -> bool {
        let attempt = LoginAttempt::with_password(user, "pw").from(Connection::from_ip(ip));
        IpPolicy::review(&attempt).unwrap().is_allowed()
    }

    #[test]
    fn users_come_from_their_networks() {
        host::reset();
        host::set_config(r#"{"rules": [{"users": ["svc-*", "root"], "networks": ["10.0.0.0/8", "2001:db8::/32"]}]}"#);
        assert!(
            allowed("svc-backup", "10.1.2.3") && allowed("root", "2001:db8::7") && allowed("root", "::ffff:10.0.0.1")
        );
        assert!(!allowed("svc-backup", "192.0.2.1") && !allowed("root", "192.0.2.1"));
        assert!(allowed("alice", "192.0.2.1"));
    }

    #[test]
    fn guessers_wait() {
        host::reset();
        host::set_config(r#"{"guessers": {"failures": 3, "seconds": 600}}"#);
        let (ip, attempt) = (Connection::from_ip("192.0.2.9"), LoginAttempt::with_password("alice", "pw"));
        for _ in 0..3 {
            assert!(allowed("alice", "192.0.2.9"));
            IpPolicy::notify(&ip, Some(&attempt), Err("wrong".to_owned())).unwrap();
        }
        assert!(!allowed("alice", "192.0.2.9") && allowed("alice", "192.0.2.10"));
        IpPolicy::notify(&ip, Some(&attempt), Ok(&Session::default())).unwrap();
        assert!(!allowed("alice", "192.0.2.9"), "the success of another user clears nothing");
        assert_eq!(key("2001:db8::1".parse().unwrap()), key("2001:db8::ffff:1".parse().unwrap()));
    }

    #[test]
    fn a_mistake_in_the_settings_refuses() {
        host::reset();
        host::set_config(r#"{"rules": [{"users": ["a"], "networks": ["10.0.0.0/99"]}]}"#);
        assert!(IpPolicy::review(&LoginAttempt::with_password("a", "pw")).is_err());
    }
}
