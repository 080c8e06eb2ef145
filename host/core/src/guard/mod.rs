//! The defender (B14): denied logins score by the address of the client, and an address with too high a score is
//! refused for a while, before any handshake. Sessions that are open are left alone. Beside it, limits on the rate of
//! connections, and of log-ins over HTTP, in the same table.

mod addresses;
mod rates;
mod scores;
pub(crate) mod strangers;

use core::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipnet::IpNet;

pub use addresses::Source;
pub use rates::{MAX_RATE_LIMITS, RateLimit, RateProtocol, RateProtocols, RateScope};
pub use scores::{Ban, BanRule};

use self::scores::{ScoreTable, Scoring};
use crate::hook::Observers;
use crate::hook::observation::{AddressBanned, Offences};
use crate::login::RefusalReason;
use crate::metrics::Metrics;
use crate::ports::{Clock, Exemptions, ExemptionsInMemory};

/// Most addresses whose scores and bans are kept.
pub const CAPACITY: usize = 100_000;
/// Milliseconds by which the clock of the host may go before the steady one, or behind it, without having been set.
const CLOCKS_DIFFER: u64 = 1_000;

/// How the defender scores and bans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefenderSettings {
    /// Whether offences score. Bans by administrators hold in any case.
    pub enabled: bool,
    /// When an address is banned, and for how long.
    pub rule: BanRule,
    /// The points of each offence.
    pub points: Points,
    /// Networks whose offences do not score, and whose connections are not limited.
    pub exempt: Vec<IpNet>,
    /// Limits on the rate of connections and log-ins, at most [`MAX_RATE_LIMITS`]. They hold whether or not offences score.
    pub rates: Vec<RateLimit>,
}

/// The points of each offence; 0: it does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Points {
    /// A denied login of an account that exists.
    pub valid: u32,
    /// A login of an account that does not exist.
    pub invalid: u32,
    /// A connection or a log-in above a limit.
    pub limit_exceeded: u32,
    /// A connection without an attempt to log in.
    pub no_auth: u32,
}

impl Default for DefenderSettings {
    /// Off, with the numbers of B14-01.
    fn default() -> Self {
        let half_an_hour = 30 * 60_000;
        Self {
            enabled: false,
            rule: BanRule {
                threshold: 15,
                observation_time: half_an_hour,
                ban_time: half_an_hour,
                ban_time_increment: 50,
            },
            points: Points { valid: 2, invalid: 2, limit_exceeded: 3, no_auth: 0 },
            exempt: Vec::new(),
            rates: Vec::new(),
        }
    }
}

/// An event for which an address scores (B14-03).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offence {
    /// A login was denied.
    LoginFailed,
    /// There is no such account.
    UserNotFound,
    /// The connection ended without an attempt to log in.
    NoLoginTried,
    /// The address had too many connections.
    LimitExceeded,
}

impl Offence {
    /// The word in the log (B14-03).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LoginFailed => "LoginFailed",
            Self::UserNotFound => "UserNotFound",
            Self::NoLoginTried => "NoLoginTried",
            Self::LimitExceeded => "LimitExceeded",
        }
    }

    /// With this offence counted, too.
    fn counted(self, mut before: Offences) -> Offences {
        let counter = match self {
            Self::LoginFailed => &mut before.login_failed,
            Self::UserNotFound => &mut before.user_not_found,
            Self::NoLoginTried => &mut before.no_login_tried,
            Self::LimitExceeded => &mut before.limit_exceeded,
        };
        *counter = counter.saturating_add(1);
        before
    }

    /// The offence of a refused login; None: it is none, because the server or a hook failed, or because the
    /// credential was right (B14-06).
    pub fn of_refusal(reason: RefusalReason) -> Option<Self> {
        match reason {
            RefusalReason::UnknownUser => Some(Self::UserNotFound),
            RefusalReason::WrongCredential | RefusalReason::Denied => Some(Self::LoginFailed),
            RefusalReason::Session | RefusalReason::GivenUp => None,
            RefusalReason::Failure | RefusalReason::Unavailable => None,
        }
    }
}

/// Why an administrator's ban was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BanRefusal {
    /// The address is in a network that is never banned.
    Exempt,
    /// The table is full of bans.
    Full,
}

/// The scores and bans of this server. They are lost when it ends. They last by the steady clock: a clock that is set
/// back or forward changes no ban.
pub struct Defender {
    settings: DefenderSettings,
    table: Mutex<ScoreTable>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    /// The milliseconds from the steady clock to that of the host.
    offset_of_wall_clock: AtomicI64,
    observers: Option<Arc<Observers<AddressBanned>>>,
    exemptions: Arc<dyn Exemptions>,
}

impl Defender {
    /// A defender that has seen no offence yet.
    pub fn new(settings: DefenderSettings, metrics: Arc<Metrics>, clock: Arc<dyn Clock>) -> Self {
        let table = Mutex::new(ScoreTable::new(settings.rule, CAPACITY));
        let offset_of_wall_clock = AtomicI64::new(clock.now().saturating_sub(clock.steady()));
        let exemptions = Arc::new(ExemptionsInMemory::default());
        Self { settings, table, metrics, clock, offset_of_wall_clock, observers: None, exemptions }
    }

    /// The same defender, which tells these observers of each ban.
    pub fn with_observers(self, observers: Arc<Observers<AddressBanned>>) -> Self {
        Self { observers: Some(observers), ..self }
    }

    /// The same defender, with networks that administrators exempt while it runs.
    pub fn with_exemptions(self, exemptions: Arc<dyn Exemptions>) -> Self {
        Self { exemptions, ..self }
    }

    /// The networks that administrators exempt.
    pub fn exemptions(&self) -> &Arc<dyn Exemptions> {
        &self.exemptions
    }

    /// The networks that the settings exempt.
    pub fn always_exempt(&self) -> &[IpNet] {
        &self.settings.exempt
    }

    /// Ends the bans of addresses that are exempt by now, and forgets their scores.
    pub fn forgive_exempt(&self) {
        let exempt: Vec<_> = self.bans().into_iter().filter(|(source, _)| self.is_exempt(source.first())).collect();
        for (source, _) in exempt {
            self.forgive(source.first());
        }
    }

    /// Whether a connection from this address is refused, which neither scores nor prolongs the ban.
    pub fn refuses(&self, address: IpAddr) -> bool {
        let is_banned = self.table().ban_of(address.into(), self.clock.steady()).is_some();
        if is_banned {
            self.metrics.banned_connection();
        }
        is_banned
    }

    /// Counts a connection, and says whether it is refused because its address, or all together, connect too often
    /// (B14-05). One that is refused does not count, but scores where the limit says so.
    pub fn exceeds_rate(&self, address: IpAddr) -> bool {
        let is_refused = self.exceeded(RateProtocol::Ssh, address).is_some();
        if is_refused {
            self.metrics.rate_limited_connection();
        }
        is_refused
    }

    /// As [`exceeds_rate`](Self::exceeds_rate), of a log-in over HTTP: in how many seconds the next one may come at the
    /// latest; None: it is not refused.
    pub fn exceeds_http_rate(&self, address: IpAddr) -> Option<i64> {
        self.exceeded(RateProtocol::Http, address).map(|limit| limit.seconds())
    }

    /// Counts what comes from the address; the answer is a limit that it exceeds.
    fn exceeded(&self, protocol: RateProtocol, address: IpAddr) -> Option<RateLimit> {
        let is_limited = self.settings.rates.iter().any(|limit| limit.is_for(protocol));
        if !is_limited || self.is_exempt(address) {
            return None;
        }
        let limit = self.table().take(address.into(), &self.settings.rates, protocol, self.clock.steady()).err()?;
        tracing::debug!(
            sender = "rate_limiter",
            client_ip = %address,
            protocol = protocol.as_str(),
            event = "refused",
            average = limit.average,
            period = limit.period,
        );
        if limit.scores {
            self.score_over(protocol.as_str(), address, Offence::LimitExceeded);
        }
        Some(limit)
    }

    /// Scores an offence over SSH, and logs it (B14-04).
    pub fn score(&self, address: IpAddr, offence: Offence) {
        self.score_over("SSH", address, offence);
    }

    /// Scores an offence over HTTP, and logs it.
    pub fn score_http(&self, address: IpAddr, offence: Offence) {
        self.score_over("HTTP", address, offence);
    }

    fn score_over(&self, protocol: &'static str, address: IpAddr, offence: Offence) {
        let Points { valid, invalid, limit_exceeded, no_auth } = self.settings.points;
        let points = match offence {
            Offence::LoginFailed => valid,
            Offence::UserNotFound => invalid,
            Offence::LimitExceeded => limit_exceeded,
            Offence::NoLoginTried => no_auth,
        };
        if !self.settings.enabled || points == 0 || self.is_exempt(address) {
            return;
        }
        // The table is not held while lines are written.
        let scoring = self.table().add(address.into(), offence, points, self.clock.steady());
        let score = match scoring {
            Scoring::Scored(score) => score,
            Scoring::Banned(ban) => ban.score,
            Scoring::BannedBefore => return,
        };
        tracing::debug!(
            sender = "defender",
            client_ip = %address,
            protocol,
            event = offence.as_str(),
            increase_score_by = points,
            score,
        );
        if let Scoring::Banned(ban) = scoring {
            self.metrics.address_banned();
            self.log_ban(protocol, address, ban);
            let time = ban.until.saturating_sub(self.clock.steady());
            self.tell(address, Some(protocol), ban.score, ban.offences, time);
        }
    }

    fn log_ban(&self, protocol: &str, address: IpAddr, ban: Ban) {
        let minutes = ban.until.saturating_sub(self.clock.steady()) / 60_000;
        let message = format!("the address {} is refused for {minutes} minutes", Source::from(address));
        tracing::info!(
            sender = "defender",
            client_ip = %address,
            protocol,
            event = "banned",
            score = ban.score,
            message,
        );
    }

    fn tell(&self, address: IpAddr, protocol: Option<&'static str>, score: u32, offences: Offences, time: i64) {
        let Some(observers) = &self.observers else { return };
        let (address, at) = (address.to_canonical(), self.clock.now());
        let network = Source::from(address).to_string();
        let until = at.saturating_add(time);
        observers.notify(AddressBanned { address, network, protocol, score, offences, at, until });
    }

    /// The bans, those that end first at the beginning.
    pub fn bans(&self) -> Vec<(Source, Ban)> {
        let offset_of_wall_clock = self.offset_of_wall_clock();
        let mut bans = self.table().bans(self.clock.steady());
        for (_, ban) in &mut bans {
            ban.until = offset_of_wall_clock.saturating_add(ban.until);
        }
        bans
    }

    /// The milliseconds from the steady clock to that of the host. They are as before until the latter was set: the two are
    /// read one after the other, and in whole milliseconds, and a ban would end at another time whenever it is shown.
    fn offset_of_wall_clock(&self) -> i64 {
        let (known, found) =
            (self.offset_of_wall_clock.load(Ordering::Relaxed), self.clock.now().saturating_sub(self.clock.steady()));
        if found.abs_diff(known) < CLOCKS_DIFFER {
            return known;
        }
        self.offset_of_wall_clock.store(found, Ordering::Relaxed);
        found
    }

    /// Bans an address; None: for as long as a first ban by its score. The answer is the end of the ban, in
    /// milliseconds since 1970.
    ///
    /// # Errors
    /// The address is exempt, or the table is full of bans.
    pub fn ban(&self, address: IpAddr, time: Option<Duration>) -> Result<i64, BanRefusal> {
        if self.is_exempt(address) {
            return Err(BanRefusal::Exempt);
        }
        let steady = self.clock.steady();
        let time = time.map_or(self.settings.rule.ban_time, |time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
        if !self.table().ban(address.into(), steady.saturating_add(time), steady) {
            return Err(BanRefusal::Full);
        }
        self.metrics.address_banned();
        self.tell(address, None, 0, Offences::default(), time);
        Ok(self.offset_of_wall_clock().saturating_add(steady).saturating_add(time))
    }

    /// Ends the ban of an address, and forgets its score. False: it was not banned.
    pub fn forgive(&self, address: IpAddr) -> bool {
        self.table().forget(address.into(), self.clock.steady())
    }

    /// The scores of addresses that are not banned, the highest at the beginning.
    pub fn scores(&self) -> Vec<(Source, u32)> {
        let steady = self.clock.steady();
        self.table().scores(steady)
    }

    /// As [`forgive`](Self::forgive). False: the address was not banned and had no score.
    pub fn forget(&self, address: IpAddr) -> bool {
        let (source, steady) = (Source::from(address), self.clock.steady());
        let mut table = self.table();
        let had_score = table.score_at(source, steady) > 0;
        table.forget(source, steady) || had_score
    }

    fn is_exempt(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let added = self.exemptions.networks();
        self.settings.exempt.iter().chain(added.iter()).any(|network| network.contains(&address))
    }

    fn table(&self) -> MutexGuard<'_, ScoreTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
