//! The section `common.defender`, and the tables `common.rate_limiters`.

use serde::{Deserialize, Serialize};

use super::super::flag;

/// Bans addresses from which logins are denied again and again (not from networks in `exempt` or in `proxy_allowed`). A
/// score leaks away evenly, a whole threshold in the observation time; bans are kept in memory.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Defender {
    /// Whether denied logins score. Not set: yes, but not with a configuration file named `sftpgo`.
    #[serde(deserialize_with = "flag::optional")]
    pub enabled: Option<bool>,
    /// Where bans are kept: only `memory`.
    pub driver: String,
    /// How long the first ban of an address lasts. At least 1.
    /// Unit: minutes
    pub ban_time: u32,
    /// How much longer each further ban is, in percent of `ban_time`; a ban by scores lasts at most a day, or `ban_time`.
    pub ban_time_increment: u32,
    /// The score that bans an address. At least 1.
    pub threshold: u32,
    /// Points for a denied login of a user that does not exist.
    pub score_invalid: u32,
    /// Points for a denied login of a user that exists. If it differs from `score_invalid`, a ban tells which users exist.
    pub score_valid: u32,
    /// Points for a connection above `max_per_host_connections`.
    pub score_limit_exceeded: u32,
    /// Points for a connection without an attempt to log in.
    pub score_no_auth: u32,
    /// The time in which a score of `threshold` leaks away. At least 1.
    /// Unit: minutes
    pub observation_time: u32,
    /// Ignored, with a warning: the table has room for 100,000 addresses.
    pub entries_soft_limit: Option<u32>,
    /// Ignored, with a warning: the table has room for 100,000 addresses.
    pub entries_hard_limit: Option<u32>,
    /// Networks or addresses that are never banned, and that `rate_limiters` do not limit; of at least 8 bits, or 16 of
    /// IPv6. Loopback is not among them by itself.
    pub exempt: Vec<String>,
    pub login_delay: LoginDelay,
}

impl Default for Defender {
    fn default() -> Self {
        Self {
            enabled: None,
            driver: "memory".to_owned(),
            ban_time: 30,
            ban_time_increment: 50,
            threshold: 15,
            score_invalid: 2,
            score_valid: 2,
            score_limit_exceeded: 3,
            score_no_auth: 0,
            observation_time: 30,
            entries_soft_limit: None,
            entries_hard_limit: None,
            exempt: Vec::new(),
            login_delay: LoginDelay::default(),
        }
    }
}

/// Refuses connections over SSH that come too often, before the handshake, and log-ins over HTTP, with 429 (not from
/// networks in `common.defender.exempt` or in `proxy_allowed`). Behind a proxy it is about the client, as soon as it is known. At most 8 tables.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct RateLimiter {
    /// Connections in a `period`, which are spread evenly; 0: the table has no effect. At most 1000000.
    pub average: u32,
    /// From 100 to 86400000.
    /// Unit: milliseconds
    pub period: u32,
    /// The most connections at once, after a pause. At least 1.
    pub burst: u32,
    /// 1: all connections count together. 2: those of each address, or of each IPv6 network of 64 bits.
    pub r#type: u32,
    /// What is limited: `SSH`, the connections over it, and `HTTP`, log-ins over it: with Basic, for a token, on the web
    /// pages and with a login link, each request with Basic being one. Requests with a token or a key are none, nor is what
    /// comes over a unix socket. With both, all count together. Without either, the table has no effect.
    pub protocols: Vec<String>,
    /// With `type` 2, whether a refused connection scores `score_limit_exceeded`.
    pub generate_defender_events: bool,
    /// Ignored, with a warning: the table has room for 100,000 addresses.
    pub entries_soft_limit: Option<u32>,
    /// Ignored, with a warning: the table has room for 100,000 addresses.
    pub entries_hard_limit: Option<u32>,
}

impl Default for RateLimiter {
    fn default() -> Self {
        Self {
            average: 0,
            period: 1000,
            burst: 1,
            r#type: 2,
            protocols: vec!["SSH".to_owned()],
            generate_defender_events: false,
            entries_soft_limit: None,
            entries_hard_limit: None,
        }
    }
}

/// How long clients wait for the outcome of a login over SSH, whether or not the defender is enabled.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct LoginDelay {
    /// Time that is added to a login that succeeds; at most 10000.
    /// Unit: milliseconds
    pub success: u64,
    /// Least time from a wrong password to its refusal; at most 10000.
    /// Unit: milliseconds
    pub password_failed: u64,
}

impl Default for LoginDelay {
    fn default() -> Self {
        Self { success: 0, password_failed: 1000 }
    }
}
