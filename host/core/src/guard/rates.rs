//! Limits on the rate of connections over SSH and of log-ins over HTTP (B14-05), as token buckets. A bucket is kept as
//! the time at which it is full again, so that it needs no timer. Time is a parameter: nanoseconds of a clock that is
//! never set back.

/// Most limits; more are refused by the configuration.
pub const MAX_RATE_LIMITS: usize = 8;

/// A limit on the rate of connections over SSH, or of log-ins over HTTP, or of both together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// What the limit is for.
    pub protocols: RateProtocols,
    /// Which connections share a bucket.
    pub scope: RateScope,
    /// Connections in a `period`; at least 1.
    pub average: u32,
    /// In milliseconds; at least 1.
    pub period: u32,
    /// The most connections at once, after a pause; at least 1.
    pub burst: u32,
    /// Whether a connection above the limit scores ([`Offence::LimitExceeded`](super::Offence::LimitExceeded)).
    pub scores: bool,
}

/// What a limit is for. One that is for several has one bucket for them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RateProtocols {
    /// Connections over SSH.
    pub ssh: bool,
    /// Log-ins over HTTP.
    pub http: bool,
}

impl RateProtocols {
    /// For connections over SSH alone.
    pub const SSH: Self = Self { ssh: true, http: false };

    fn has(self, protocol: RateProtocol) -> bool {
        match protocol {
            RateProtocol::Ssh => self.ssh,
            RateProtocol::Http => self.http,
        }
    }
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateProtocol {
    /// A connection over SSH.
    Ssh,
    /// A log-in over HTTP.
    Http,
}

impl RateProtocol {
    /// The word in the log.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ssh => "SSH",
            Self::Http => "HTTP",
        }
    }
}

/// Which connections share a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateScope {
    /// All connections.
    All,
    /// Those of one address, or of one IPv6 network of 64 bits.
    Source,
}

impl RateLimit {
    /// Whether the limit is for what is counted.
    pub(super) fn is_for(&self, protocol: RateProtocol) -> bool {
        self.protocols.has(protocol)
    }

    /// The seconds, rounded up, in which a token is added at the latest.
    pub(super) fn seconds(&self) -> i64 {
        self.interval().saturating_add(999_999_999) / 1_000_000_000
    }

    /// The time in which one token is added.
    fn interval(&self) -> i64 {
        (i64::from(self.period) * 1_000_000 / i64::from(self.average.max(1))).max(1)
    }

    /// When the bucket is full again after one more token was taken; None: it is empty. `full_at`: when it is full.
    fn take(&self, full_at: i64, now: i64) -> Option<i64> {
        let interval = self.interval();
        let capacity = interval.saturating_mul(i64::from(self.burst.max(1)));
        let full_at = full_at.max(now).saturating_add(interval);
        (full_at <= now.saturating_add(capacity)).then_some(full_at)
    }
}

/// The buckets of one address, or those that all share: one for each limit. The time at which each is full again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Buckets([i64; MAX_RATE_LIMITS]);

impl Buckets {
    /// Takes a token from the bucket of each limit of this scope that is for the protocol, or from none.
    ///
    /// # Errors
    /// A limit whose bucket is empty; one that scores, if there is one.
    pub fn take(
        &mut self,
        limits: &[RateLimit],
        protocol: RateProtocol,
        scope: RateScope,
        now: i64,
    ) -> Result<(), RateLimit> {
        let mut taken = *self;
        let mut exceeded: Option<RateLimit> = None;
        let of_scope =
            limits.iter().zip(&mut taken.0).filter(|(limit, _)| limit.scope == scope && limit.is_for(protocol));
        for (limit, full_at) in of_scope {
            match limit.take(*full_at, now) {
                Some(later) => *full_at = later,
                None if exceeded.is_none() || limit.scores => exceeded = Some(*limit),
                None => {}
            }
        }
        match exceeded {
            Some(limit) => Err(limit),
            None => {
                *self = taken;
                Ok(())
            }
        }
    }

    /// When all buckets are full again.
    pub fn full_at(&self) -> i64 {
        self.0.into_iter().max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn limit(scope: RateScope, average: u32, period: u32, burst: u32) -> RateLimit {
        RateLimit { protocols: RateProtocols::SSH, scope, average, period, burst, scores: false }
    }

    /// `times`: when connections come, in milliseconds; `expected`: `+` for each that is let in, `-` for the others.
    fn check(limit: RateLimit, times: &[i64], expected: &str) {
        let mut buckets = Buckets::default();
        let found: String = times
            .iter()
            .map(|at| {
                if buckets.take(&[limit], RateProtocol::Ssh, limit.scope, 9 * SECOND + at * 1_000_000).is_ok() {
                    '+'
                } else {
                    '-'
                }
            })
            .collect();
        assert_eq!(found, expected, "{limit:?}");
    }

    #[test]
    fn buckets_are_filled_at_the_average_rate() {
        // B14-05
        let of_all = |average, period, burst| limit(RateScope::All, average, period, burst);
        check(of_all(10, 1000, 1), &[0, 0, 99, 100, 100, 200], "+--+-+");
        check(of_all(10, 1000, 3), &[0, 0, 0, 0, 100, 100, 1000, 1000, 1000, 1000], "+++-+-+++-");
        check(of_all(1, 60_000, 2), &[0, 0, 0, 59_999, 60_000, 120_000, 120_000], "++--++-");
        // What is refused takes no token, however often it is tried.
        check(of_all(1, 1000, 1), &[0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000], "+---------+");
        // More than one in the shortest time that is told apart.
        check(of_all(u32::MAX, 1, 1), &[0, 1, 2], "+++");
        check(of_all(0, 0, 0), &[0, 1], "++");
    }

    #[test]
    fn a_token_is_taken_from_every_bucket_or_from_none() {
        // B14-05
        let limits = [limit(RateScope::All, 1, 1000, 5), limit(RateScope::All, 1, 1000, 2)];
        let mut buckets = Buckets::default();
        let found: Vec<_> =
            (0..4).map(|_| buckets.take(&limits, RateProtocol::Ssh, RateScope::All, SECOND).err()).collect();
        assert_eq!(found, [None, None, Some(limits[1]), Some(limits[1])]);
        assert_eq!(buckets.full_at(), 3 * SECOND);
        assert_eq!(
            buckets.take(&limits, RateProtocol::Ssh, RateScope::Source, SECOND),
            Ok(()),
            "the other scope has no limit"
        );
        let scoring = RateLimit { scores: true, ..limits[1] };
        let limits = [limits[1], scoring];
        let mut buckets = Buckets::default();
        let found: Vec<_> =
            (0..3).map(|_| buckets.take(&limits, RateProtocol::Ssh, RateScope::All, SECOND).err()).collect();
        assert_eq!(found, [None, None, Some(scoring)]);
    }

    #[test]
    fn a_limit_is_for_its_protocols_which_share_a_bucket() {
        // B14-05
        let check = |ssh: bool, http: bool, expected: [bool; 3]| {
            let limit = RateLimit { protocols: RateProtocols { ssh, http }, ..limit(RateScope::All, 1, 1000, 1) };
            let mut buckets = Buckets::default();
            let found = [RateProtocol::Http, RateProtocol::Ssh, RateProtocol::Http]
                .map(|protocol| buckets.take(&[limit], protocol, RateScope::All, SECOND).is_ok());
            assert_eq!(found, expected, "SSH: {ssh}, HTTP: {http}");
        };
        check(true, false, [true, true, true]);
        check(false, true, [true, true, false]);
        check(true, true, [true, false, false]);
        check(false, false, [true, true, true]);
    }

    #[test]
    fn the_time_until_the_next_token_is_in_whole_seconds() {
        for (average, period, expected) in [(1, 1000, 1), (10, 1000, 1), (2, 3000, 2), (1, 3_600_000, 3600)] {
            assert_eq!(limit(RateScope::All, average, period, 1).seconds(), expected, "{average} in {period}");
        }
    }
}
