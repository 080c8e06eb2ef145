//! Scores, bans and connection rates by address (B14). Time is a parameter: milliseconds of a clock that is never set back.
//!
//! A score leaks away evenly, a whole threshold in the observation time. So an entry needs only the time at which its
//! score is 0, and the order of scores does not change as time goes by.

use core::cmp::Reverse;

use super::Offence;
use super::addresses::{Addresses, Source};
use super::rates::{Buckets, RateLimit, RateProtocol, RateScope};
use crate::hook::observation::Offences;

/// When an address is banned, and for how long. Times are in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BanRule {
    /// The score that bans; at least 1.
    pub threshold: u32,
    /// The time in which a score of the threshold leaks away; at least 1.
    pub observation_time: i64,
    /// How long the first ban lasts.
    pub ban_time: i64,
    /// How much longer each further ban is, in percent of `ban_time`.
    pub ban_time_increment: u32,
}

/// Longest ban by scores, unless the first one is longer already.
const LONGEST_BAN: i64 = 24 * 3_600_000;

impl BanRule {
    fn time_of(&self, score: u32) -> i64 {
        self.observation_time.saturating_mul(i64::from(score)) / i64::from(self.threshold.max(1))
    }

    /// The score that leaks away in `time`, in whole points. A part of a point counts as one, so that the number of
    /// tries is what the settings say, however short the time between them.
    fn score_of(&self, time: i64) -> u32 {
        let points = i128::from(time.max(0)) * i128::from(self.threshold);
        let whole = points + i128::from(self.observation_time.max(1)) - 1;
        u32::try_from(whole / i128::from(self.observation_time.max(1))).unwrap_or(u32::MAX)
    }

    fn ban_after(&self, earlier: u32) -> i64 {
        let more = self.ban_time.saturating_mul(i64::from(self.ban_time_increment)) / 100;
        let longest = LONGEST_BAN.max(self.ban_time);
        self.ban_time.saturating_add(more.saturating_mul(i64::from(earlier))).min(longest)
    }
}

/// A score that has not leaked away, or bans that are not forgotten.
#[derive(Debug, Clone, Copy, Default)]
struct Scored {
    /// When the score is 0.
    empty_at: i64,
    /// What it scored for since it was 0.
    offences: Offences,
    /// Bans so far.
    bans: u32,
    /// Until when they count.
    bans_count_until: i64,
}

/// A ban.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ban {
    /// When the ban ends: in milliseconds since 1970; in the table, in those of its clock.
    pub until: i64,
    /// The score that led to the ban; 0: an administrator has banned the address.
    pub score: u32,
    /// What led to the ban.
    pub offences: Offences,
    /// Bans so far by scores, this one included.
    bans: u32,
}

/// What an offence led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scoring {
    /// The address has this score now.
    Scored(u32),
    /// The address is banned from now on.
    Banned(Ban),
    /// The address was banned already: its ban stays as it is.
    BannedBefore,
}

/// Nanoseconds in a unit of the table's time.
const NANOSECONDS: i64 = 1_000_000;

/// Scores, bans and rates of a bounded number of addresses.
#[derive(Debug)]
pub struct ScoreTable {
    rule: BanRule,
    capacity: usize,
    scored: Addresses<Scored>,
    banned: Addresses<Ban>,
    /// Addresses that have connected a moment ago, until their buckets are full again (in nanoseconds). They make room
    /// for scores and bans, never the other way round.
    connected: Addresses<Buckets>,
    /// The buckets that all connections share.
    shared: Buckets,
}

impl ScoreTable {
    /// An empty table for `capacity` addresses.
    pub fn new(rule: BanRule, capacity: usize) -> Self {
        Self {
            rule,
            capacity,
            scored: Addresses::default(),
            banned: Addresses::default(),
            connected: Addresses::default(),
            shared: Buckets::default(),
        }
    }

    /// The ban of an address, if there is one.
    pub fn ban_of(&self, source: Source, now: i64) -> Option<Ban> {
        self.banned.get(source).copied().filter(|ban| now < ban.until)
    }

    /// Counts a connection, or a log-in over HTTP. In a table that is full of scores and bans, that of a further address
    /// counts for the limits on all addresses only.
    ///
    /// # Errors
    /// A limit that it exceeds: it does not count.
    pub fn take(
        &mut self,
        source: Source,
        limits: &[RateLimit],
        protocol: RateProtocol,
        now: i64,
    ) -> Result<(), RateLimit> {
        let now = now.saturating_mul(NANOSECONDS);
        // First those of the address, so that one that connects too often uses up nothing of what all share.
        let mut own = self.connected.get(source).copied().unwrap_or_default();
        own.take(limits, protocol, RateScope::Source, now)?;
        self.shared.take(limits, protocol, RateScope::All, now)?;
        if own.full_at() > now {
            while self.connected.pop_up_to(now).is_some() {}
            let is_known = self.connected.remove(source).is_some();
            if is_known || self.len() < self.capacity || self.connected.pop_lowest().is_some() {
                self.connected.set(source, own.full_at(), own);
            }
        }
        Ok(())
    }

    /// Adds to the score of an address. In a full table, the lowest score makes room; if all are banned, a further
    /// address has no score.
    pub fn add(&mut self, source: Source, offence: Offence, points: u32, now: i64) -> Scoring {
        self.end_bans(now);
        if self.banned.get(source).is_some() {
            return Scoring::BannedBefore;
        }
        let known = self.scored.remove(source).filter(|known| now < known.forgotten_at());
        let known = known.unwrap_or_default();
        let empty_at = known.empty_at.max(now).saturating_add(self.rule.time_of(points));
        let score = self.rule.score_of(empty_at - now);
        let before = if now < known.empty_at { known.offences } else { Offences::default() };
        let offences = offence.counted(before);
        let bans = if now < known.bans_count_until { known.bans } else { 0 };
        if score < self.rule.threshold {
            if self.make_room(now) {
                let entry = Scored { empty_at, offences, bans, bans_count_until: known.bans_count_until };
                self.scored.set(source, entry.forgotten_at(), entry);
            }
            return Scoring::Scored(score);
        }
        let until = now.saturating_add(self.rule.ban_after(bans));
        let ban = Ban { until, score, offences, bans: bans.saturating_add(1) };
        if self.make_room(now) {
            self.banned.set(source, ban.until, ban);
            Scoring::Banned(ban)
        } else {
            Scoring::Scored(score)
        }
    }

    /// Bans an address until that time. False: the table is full of bans.
    pub fn ban(&mut self, source: Source, until: i64, now: i64) -> bool {
        self.end_bans(now);
        let scored = self.scored.remove(source);
        let known = self.banned.remove(source);
        let bans = known.map(|ban| ban.bans).or(scored.map(|scored| scored.bans)).unwrap_or_default();
        let has_room = self.make_room(now);
        if has_room {
            self.banned.set(source, until, Ban { until, score: 0, offences: Offences::default(), bans });
        }
        has_room
    }

    /// Forgets an address, with its score and its ban. False: it was not banned.
    pub fn forget(&mut self, source: Source, now: i64) -> bool {
        self.scored.remove(source);
        self.banned.remove(source).is_some_and(|ban| now < ban.until)
    }

    /// The bans, those that end first at the beginning.
    pub fn bans(&self, now: i64) -> Vec<(Source, Ban)> {
        self.banned.iter().filter(|(_, ban)| now < ban.until).map(|(source, ban)| (source, *ban)).collect()
    }

    /// The score of an address that is not banned; 0: it has none.
    pub fn score_at(&self, source: Source, now: i64) -> u32 {
        self.scored.get(source).map_or(0, |scored| self.score_of(scored, now))
    }

    /// The scores of addresses that are not banned, the highest at the beginning.
    pub fn scores(&self, now: i64) -> Vec<(Source, u32)> {
        let scores = self.scored.iter().map(|(source, scored)| (source, self.score_of(scored, now)));
        let mut found: Vec<_> = scores.filter(|(_, score)| *score > 0).collect();
        found.sort_by_key(|(_, score)| Reverse(*score));
        found
    }

    fn score_of(&self, scored: &Scored, now: i64) -> u32 {
        self.rule.score_of(scored.empty_at.saturating_sub(now))
    }

    /// Remembers for the observation time that the bans which have ended were.
    fn end_bans(&mut self, now: i64) {
        while let Some((source, ban)) = self.banned.pop_up_to(now) {
            let bans_count_until = ban.until.saturating_add(self.rule.observation_time);
            let entry = Scored { empty_at: ban.until, offences: Offences::default(), bans: ban.bans, bans_count_until };
            if now < entry.forgotten_at() {
                self.scored.set(source, entry.forgotten_at(), entry);
            }
        }
    }

    fn make_room(&mut self, now: i64) -> bool {
        while self.scored.pop_up_to(now).is_some() {}
        self.len() < self.capacity || self.connected.pop_lowest().is_some() || self.scored.pop_lowest().is_some()
    }

    fn len(&self) -> usize {
        self.scored.len() + self.banned.len() + self.connected.len()
    }
}

impl Scored {
    fn forgotten_at(&self) -> i64 {
        self.empty_at.max(self.bans_count_until)
    }
}

#[cfg(test)]
#[path = "scores_tests.rs"]
mod tests;
