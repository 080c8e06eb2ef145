//! The defender on a clock that stands still.

use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;

use super::*;
use crate::hook::observers::ObserverWork as _;
use crate::hook::{Call, Hook, HookDescription, HookError, HookHost, Link, LinkSettings};

struct Noon;

impl Clock for Noon {
    fn now(&self) -> i64 {
        1_000_000
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn defender(settings: DefenderSettings) -> Defender {
    Defender::new(settings, Arc::default(), Arc::new(Noon))
}

fn enabled() -> DefenderSettings {
    DefenderSettings { enabled: true, exempt: vec!["10.0.0.0/8".parse().unwrap()], ..DefenderSettings::default() }
}

/// `expected`: how many offences ban the address; None: a hundred do not.
fn check(settings: DefenderSettings, from: &str, offence: Offence, expected: Option<usize>) {
    let defender = defender(settings);
    let banned = (1..=100).find(|_| {
        defender.score(address(from), offence);
        defender.refuses(address(from))
    });
    assert_eq!(banned, expected, "{from} {offence:?}");
}

#[test]
fn offences_ban_by_their_points() {
    // B14-01, B14-03
    check(enabled(), "192.0.2.1", Offence::LoginFailed, Some(8));
    check(enabled(), "192.0.2.1", Offence::UserNotFound, Some(8));
    check(enabled(), "192.0.2.1", Offence::LimitExceeded, Some(5));
    check(enabled(), "192.0.2.1", Offence::NoLoginTried, None);
    check(enabled(), "127.0.0.1", Offence::LoginFailed, Some(8));
    check(enabled(), "::ffff:192.0.2.1", Offence::LoginFailed, Some(8));
    check(enabled(), "10.1.2.3", Offence::LoginFailed, None);
    check(enabled(), "::ffff:10.1.2.3", Offence::LoginFailed, None);
    check(DefenderSettings::default(), "192.0.2.1", Offence::LoginFailed, None);
}

#[test]
fn a_ban_is_for_its_address_and_is_counted() {
    let metrics = Arc::new(Metrics::default());
    let defender = Defender::new(enabled(), metrics.clone(), Arc::new(Noon));
    (0..20).for_each(|_| defender.score(address("2001:db8::1"), Offence::LoginFailed));
    assert!(defender.refuses(address("2001:db8::ffff:1")), "the network has one ban");
    assert!(!defender.refuses(address("2001:db8:0:1::1")) && !defender.refuses(address("192.0.2.1")));
    let counts = metrics.counts();
    assert_eq!((counts.addresses_banned, counts.banned_connections), (1, 1));
    assert!(defender.forgive(address("2001:db8::2")) && !defender.forgive(address("2001:db8::2")));
    assert!(!defender.refuses(address("2001:db8::1")) && defender.bans().is_empty());
}

#[test]
fn offences_have_the_names_of_the_older_server() {
    // B14-03
    let offences = [Offence::LoginFailed, Offence::UserNotFound, Offence::NoLoginTried, Offence::LimitExceeded];
    assert_eq!(offences.map(Offence::as_str), ["LoginFailed", "UserNotFound", "NoLoginTried", "LimitExceeded"]);
}

#[test]
fn scores_of_a_hundred_thousand_addresses_are_kept() {
    // B14-01
    let defender = defender(enabled());
    let address = |number: u32| IpAddr::from(core::net::Ipv4Addr::from(0xC000_0000 + number));
    (0..100_000).for_each(|number| defender.score(address(number), Offence::LoginFailed));
    assert_eq!(defender.scores().len(), 100_000);
    defender.score(address(100_000), Offence::LoginFailed);
    assert_eq!(defender.scores().len(), 100_000, "another one takes the place of the lowest score");
}

#[test]
fn administrators_ban_what_is_not_exempt() {
    let defender = defender(DefenderSettings { enabled: false, ..enabled() });
    assert_eq!(defender.ban(address("10.1.2.3"), None), Err(BanRefusal::Exempt));
    assert_eq!(defender.ban(address("192.0.2.1"), None), Ok(1_000_000 + 1_800_000));
    assert_eq!(defender.ban(address("192.0.2.1"), Some(Duration::from_secs(1))), Ok(1_001_000));
    assert!(defender.refuses(address("192.0.2.1")));
    assert_eq!(defender.bans().into_iter().map(|(source, _)| source.to_string()).collect::<Vec<_>>(), ["192.0.2.1"]);
}

#[test]
fn only_denials_are_offences() {
    // B14-06, E-05, G-12
    let check = |reason, expected| assert_eq!(Offence::of_refusal(reason), expected, "{reason:?}");
    check(RefusalReason::UnknownUser, Some(Offence::UserNotFound));
    check(RefusalReason::WrongCredential, Some(Offence::LoginFailed));
    check(RefusalReason::Denied, Some(Offence::LoginFailed));
    check(RefusalReason::Session, None);
    check(RefusalReason::GivenUp, None);
    check(RefusalReason::Failure, None);
    check(RefusalReason::Unavailable, None);
}

#[test]
fn offences_at_once_ban_once() {
    let metrics = Arc::new(Metrics::default());
    let defender = Defender::new(enabled(), metrics.clone(), Arc::new(Noon));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..100).for_each(|_| defender.score(address("192.0.2.1"), Offence::LoginFailed)));
        }
    });
    assert_eq!((metrics.counts().addresses_banned, defender.bans().len()), (1, 1));
}

#[test]
fn connections_above_a_rate_are_refused_and_may_score() {
    // B14-05
    let per_source = |scores| {
        let protocols = RateProtocols::SSH;
        RateLimit { protocols, scope: RateScope::Source, average: 1, period: 1000, burst: 3, scores }
    };
    let check = |enabled: bool, scores: bool, from: &str, refused: usize, banned: bool| {
        let metrics = Arc::new(Metrics::default());
        let settings = DefenderSettings { enabled, rates: vec![per_source(scores)], ..self::enabled() };
        let defender = Defender::new(settings, metrics.clone(), Arc::new(Noon));
        assert_eq!((0..8).filter(|_| defender.exceeds_rate(address(from))).count(), refused, "{from}");
        assert_eq!(metrics.counts().rate_limited_connections, refused as u64, "{from}");
        assert_eq!(defender.refuses(address(from)), banned, "{from}");
        assert!(!defender.exceeds_rate(address("198.51.100.1")), "another address has its own bucket");
    };
    check(true, false, "192.0.2.1", 5, false);
    check(true, true, "192.0.2.1", 5, true);
    check(false, true, "192.0.2.1", 5, false);
    check(true, true, "::ffff:192.0.2.1", 5, true);
    check(true, true, "10.1.2.3", 0, false);
    assert!(!defender(enabled()).exceeds_rate(address("192.0.2.1")));
}

#[test]
fn log_ins_over_http_above_a_rate_have_to_wait_and_may_score() {
    // B14-05
    let check = |ssh: bool, http: bool, from: &str, refused: usize, banned: bool| {
        let protocols = RateProtocols { ssh, http };
        let rate =
            RateLimit { protocols, scope: RateScope::Source, average: 1, period: 30_000, burst: 3, scores: true };
        let defender = defender(DefenderSettings { rates: vec![rate], ..enabled() });
        let waits: Vec<_> = (0..8).filter_map(|_| defender.exceeds_http_rate(address(from))).collect();
        assert_eq!(waits, vec![30; refused], "{from}");
        assert_eq!(defender.refuses(address(from)), banned, "{from}");
        // What both protocols share is used up for both.
        assert_eq!(defender.exceeds_rate(address(from)), ssh && refused > 0, "{from}");
    };
    check(false, true, "192.0.2.1", 5, true);
    check(true, true, "192.0.2.1", 5, true);
    check(true, false, "192.0.2.1", 0, false);
    check(false, true, "10.1.2.3", 0, false);
    assert_eq!(defender(enabled()).exceeds_http_rate(address("192.0.2.1")), None);
}

/// The clock on the wall, and a steady one.
struct Clocks([AtomicI64; 2]);

impl Clock for Clocks {
    fn now(&self) -> i64 {
        self.0[0].load(Ordering::Relaxed)
    }
    fn steady(&self) -> i64 {
        self.0[1].load(Ordering::Relaxed)
    }
}

#[test]
fn a_clock_that_is_set_changes_no_ban() {
    // B14-02
    const HOUR: i64 = 3_600_000;
    for set_to in [0, 1_000 * HOUR] {
        let clocks = Arc::new(Clocks([500 * HOUR, 0].map(AtomicI64::new)));
        let defender = Defender::new(enabled(), Arc::default(), clocks.clone());
        (0..8).for_each(|_| defender.score(address("192.0.2.1"), Offence::LoginFailed));
        assert_eq!(defender.ban(address("192.0.2.2"), None), Ok(500 * HOUR + HOUR / 2));
        clocks.0[0].store(set_to, Ordering::Relaxed);
        clocks.0[1].store(HOUR / 2 - 1, Ordering::Relaxed);
        assert!(defender.refuses(address("192.0.2.1")) && defender.refuses(address("192.0.2.2")), "{set_to}");
        assert!(defender.bans().iter().all(|(_, ban)| ban.until == set_to + 1), "{:?}", defender.bans());
        clocks.0[1].store(HOUR / 2, Ordering::Relaxed);
        assert!(!defender.refuses(address("192.0.2.1")) && !defender.refuses(address("192.0.2.2")), "{set_to}");
        assert!(defender.bans().is_empty());
    }
}

/// The clock of the host is kept right in small steps, and read a moment before or after the steady one: the end of a ban
/// stays what it was, as does what lists and tags say of it.
#[test]
fn the_end_of_a_ban_is_the_same_each_time_it_is_shown() {
    const START: i64 = 1_800_000_000_000;
    let clocks = Arc::new(Clocks([START, 7].map(AtomicI64::new)));
    let defender = Defender::new(enabled(), Arc::default(), clocks.clone());
    let until = defender.ban(address("192.0.2.1"), Some(Duration::from_secs(60))).unwrap();
    assert_eq!(until, START + 60_000);
    for (passed, ahead, expected) in [
        (0, 0, until),
        (0, 1, until),
        (0, -1, until),
        (30_000, 999, until),
        (30_000, -999, until),
        // It was set.
        (30_000, 5_000, until + 5_000),
        (30_001, 5_001, until + 5_000),
        (30_001, 0, until),
    ] {
        clocks.0[0].store(START + passed + ahead, Ordering::Relaxed);
        clocks.0[1].store(7 + passed, Ordering::Relaxed);
        let shown: Vec<_> = defender.bans().into_iter().map(|(_, ban)| ban.until).collect();
        assert_eq!(shown, [expected], "{passed} {ahead}");
    }
}

/// Remembers the bans that it is told of.
#[derive(Default)]
struct Told(Mutex<Vec<AddressBanned>>);

#[async_trait]
impl Hook<AddressBanned> for Told {
    fn name(&self) -> &str {
        "told"
    }
    fn adapter(&self) -> &'static str {
        "test"
    }
    fn description(&self) -> HookDescription {
        HookDescription::new("", Duration::ZERO, "ready")
    }
    async fn call(&self, _: &Call, event: &AddressBanned) -> Result<(), HookError> {
        self.0.lock().unwrap().push(event.clone());
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn observers_are_told_of_each_ban_once() {
    // B14-07
    let (told, observers) = (Arc::new(Told::default()), Observers::new(Arc::new(HookHost::default())));
    observers.chain().replace(vec![Arc::new(Link::new(told.clone(), LinkSettings::default()))]);
    let defender = defender(enabled()).with_observers(observers.clone());
    defender.score_http(address("2001:db8::1"), Offence::UserNotFound);
    (0..20).for_each(|_| defender.score(address("2001:db8::2"), Offence::LoginFailed));
    (0..20).for_each(|_| defender.score(address("10.1.2.3"), Offence::LoginFailed));
    defender.ban(address("::ffff:192.0.2.1"), Some(Duration::from_secs(1))).unwrap();
    observers.close();
    observers.work().await;
    let told = told.0.lock().unwrap();
    let [by_score, by_hand] = told.as_slice() else { panic!("{told:?}") };
    let expected = Offences { login_failed: 7, user_not_found: 1, ..Offences::default() };
    assert_eq!((&*by_score.network, by_score.address), ("2001:db8::/64", address("2001:db8::2")));
    assert_eq!((by_score.protocol, by_score.score, by_score.offences), (Some("SSH"), 16, expected));
    assert_eq!((by_score.at, by_score.until), (1_000_000, 1_000_000 + 1_800_000));
    assert_eq!((&*by_hand.network, by_hand.protocol, by_hand.until), ("192.0.2.1", None, 1_001_000));
}
