//! Connections that are closed as they arrive, before any hook is asked. They are on record beside the calls of hooks, where
//! administrators look for the reason of a refusal.

use core::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::LoginService;
use crate::guard::Source;
use crate::guard::strangers::Strangers;
use crate::hook::{Exchange, HookRun};

/// Which of them are recorded: each address once in a while for each reason, and only so many of all.
#[derive(Default)]
pub(super) struct TurnedAway(Mutex<Strangers>);

impl TurnedAway {
    fn take(&self, address: IpAddr, reason: &str, now: i64) -> Option<u32> {
        let what = (Source::from(address).to_string(), "accept", reason.to_owned());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take(what, now)
    }
}

impl LoginService {
    /// Puts on record that a connection from this address was closed as it arrived, unless that was recorded a moment ago.
    pub fn turned_away(&self, address: IpAddr, reason: &str) {
        let (address, now) = (address.to_canonical(), self.ports.clock.now());
        let Some(left_out) = self.turned_away.take(address, reason, now) else { return };
        let detail = match left_out {
            0 => reason.to_owned(),
            _ => format!("{reason}; {left_out} before it, of this or other clients, were not recorded"),
        };
        self.ports.hooks.host.journal.record(HookRun {
            at: now,
            kind: "accept",
            hook: "tidegate".into(),
            adapter: "server",
            connection: None,
            username: None,
            address: Some(address),
            about: None,
            outcome: "refused",
            detail,
            is_error: false,
            decided: true,
            duration: Duration::ZERO,
            exchange: Exchange::default(),
        });
    }
}
