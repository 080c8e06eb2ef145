//! When scores ban, and what a table holds.

use proptest::prelude::*;

use super::Offence::LoginFailed;
use super::*;
use crate::guard::RateProtocols;

const MINUTE: i64 = 60_000;

fn rule() -> BanRule {
    BanRule { threshold: 15, observation_time: 30 * MINUTE, ban_time: 30 * MINUTE, ban_time_increment: 50 }
}

fn source(number: u32) -> Source {
    Source::V4(number)
}

/// `expected`: the offence, counted from 1, that bans an address which commits one every `pause` milliseconds.
fn check(rule: BanRule, points: u32, pause: i64, expected: Option<usize>) {
    let mut table = ScoreTable::new(rule, 10);
    let bans = (0..1000).position(|number| {
        matches!(table.add(source(1), LoginFailed, points, 1_000_000 + number * pause), Scoring::Banned(_))
    });
    assert_eq!(bans.map(|at| at + 1), expected, "{rule:?} {points} {pause}");
}

#[test]
fn the_threshold_is_met_after_a_known_number_of_offences() {
    // B14-01, B14-02
    check(rule(), 2, 0, Some(8));
    check(rule(), 2, 1000, Some(8));
    check(rule(), 5, 0, Some(3));
    check(rule(), 5, 1000, Some(3));
    check(rule(), 15, 0, Some(1));
    check(rule(), 100, 0, Some(1));
    check(rule(), 0, 0, None);
    // Two points leak away in four minutes.
    check(rule(), 2, 4 * MINUTE, None);
    check(rule(), 2, 3 * MINUTE, Some(26));
    check(BanRule { threshold: 1, ..rule() }, 1, 0, Some(1));
}

#[test]
fn bans_end_and_are_longer_the_next_time() {
    // B14-02, E-20
    let lasts = |increment, pause: i64| {
        let mut table = ScoreTable::new(BanRule { ban_time_increment: increment, ..rule() }, 10);
        let mut now = 0;
        [(); 3].map(|()| {
            let Scoring::Banned(ban) = table.add(source(1), LoginFailed, 15, now) else { panic!("no ban at {now}") };
            // Offences during a ban, and refusals, do not prolong it.
            assert_eq!(table.add(source(1), LoginFailed, 15, ban.until - 1), Scoring::BannedBefore);
            assert_eq!(table.ban_of(source(1), ban.until - 1), Some(ban));
            assert_eq!(table.ban_of(source(1), ban.until), None);
            let lasted = ban.until - now;
            now = ban.until + pause;
            lasted / MINUTE
        })
    };
    assert_eq!(lasts(50, 0), [30, 45, 60]);
    assert_eq!(lasts(0, 0), [30, 30, 30]);
    assert_eq!(lasts(10_000, 0), [30, 24 * 60, 24 * 60]);
    // Half an hour after a ban it is forgotten.
    assert_eq!(lasts(50, 30 * MINUTE), [30, 30, 30]);
    // After a ban the score begins at 0.
    let mut table = ScoreTable::new(rule(), 10);
    assert!(matches!(table.add(source(1), LoginFailed, 15, 0), Scoring::Banned(_)));
    assert_eq!(table.add(source(1), LoginFailed, 2, 30 * MINUTE), Scoring::Scored(2));
}

#[test]
fn administrators_ban_and_forgive() {
    let mut table = ScoreTable::new(rule(), 2);
    assert!(table.ban(source(1), 100, 0));
    assert_eq!(table.bans(0), [(source(1), Ban { until: 100, score: 0, offences: Offences::default(), bans: 0 })]);
    assert!(table.ban(source(1), 200, 0) && table.ban(source(2), 100, 0));
    assert!(!table.ban(source(3), 100, 0), "the table is full of bans");
    assert_eq!(table.bans(150).len(), 1);
    assert!(table.forget(source(1), 0) && !table.forget(source(1), 0) && !table.forget(source(9), 0));
    table.add(source(4), LoginFailed, 14, 0);
    assert!(!table.forget(source(4), 0));
    assert_eq!(table.add(source(4), LoginFailed, 14, 0), Scoring::Scored(14));
}

#[test]
fn the_lowest_score_makes_room() {
    // B14-01
    let mut table = ScoreTable::new(rule(), 3);
    for (number, points) in [(1, 15), (2, 14), (3, 2), (4, 4)] {
        table.add(source(number), LoginFailed, points, 0);
    }
    assert_eq!(table.add(source(2), LoginFailed, 0, 0), Scoring::Scored(14));
    assert_eq!(table.add(source(4), LoginFailed, 0, 0), Scoring::Scored(4));
    assert!(table.ban_of(source(1), 0).is_some());
    // Address 3 was forgotten.
    assert_eq!(table.add(source(3), LoginFailed, 2, 0), Scoring::Scored(2));
}

fn rate() -> RateLimit {
    let protocols = RateProtocols::SSH;
    RateLimit { protocols, scope: RateScope::Source, average: 1, period: 60_000, burst: 2, scores: false }
}

#[test]
fn connections_of_an_address_are_limited_beside_those_of_all() {
    // B14-05
    let shared = RateLimit { scope: RateScope::All, burst: 5, ..rate() };
    let mut table = ScoreTable::new(rule(), 10);
    let mut take = |number: u32, now: i64| table.take(source(number), &[shared, rate()], RateProtocol::Ssh, now).err();
    assert_eq!([(); 4].map(|()| take(1, 0)), [None, None, Some(rate()), Some(rate())]);
    // What address 1 was refused has taken nothing from the others.
    assert_eq!([(); 2].map(|()| take(2, 0)), [None, None]);
    assert_eq!([take(3, 0), take(3, 0), take(4, 0)], [None, Some(shared), Some(shared)]);
    // Nor has what all together were refused taken anything from address 3.
    assert_eq!([take(3, MINUTE), take(1, MINUTE)], [None, Some(shared)]);
}

#[test]
fn connections_make_room_for_scores_and_not_the_other_way_round() {
    // B14-05
    let mut table = ScoreTable::new(rule(), 2);
    let take = |table: &mut ScoreTable, number: u32, now: i64| {
        table.take(source(number), &[rate()], RateProtocol::Ssh, now).is_ok()
    };
    assert!(take(&mut table, 1, 0) && take(&mut table, 1, 0) && !take(&mut table, 1, 0));
    assert!(take(&mut table, 2, 1) && take(&mut table, 3, 2), "the one that is full again first makes room");
    assert_eq!((table.len(), table.connected.get(source(2)).is_some()), (2, false));
    table.add(source(4), LoginFailed, 2, 2);
    table.add(source(5), LoginFailed, 2, 2);
    assert_eq!((table.connected.len(), table.scored.len()), (0, 2));
    // No room: such an address is limited with all others only.
    assert!((0..9).all(|_| take(&mut table, 6, 2)));
    assert_eq!((table.connected.len(), table.scored.len()), (0, 2));
    assert_eq!(table.add(source(4), LoginFailed, 0, 2), Scoring::Scored(2));
}

#[test]
fn full_buckets_are_forgotten() {
    let mut table = ScoreTable::new(rule(), 10);
    assert!((1..=5).all(|number| table.take(source(number), &[rate()], RateProtocol::Ssh, 0).is_ok()));
    assert!(table.take(source(6), &[rate()], RateProtocol::Ssh, MINUTE).is_ok());
    assert_eq!(table.connected.len(), 1);
}

proptest! {
    /// Whatever a flood does, the table keeps its size, and no ban ends before its time.
    #[test]
    fn a_flood_neither_grows_the_table_nor_frees_an_address(
        offences in prop::collection::vec((0..40_u32, 0..16_u32, 0..3 * MINUTE), 1..400)
    ) {
        let (mut table, mut now, mut bans) = (ScoreTable::new(rule(), 8), 0, Vec::new());
        for (number, points, pause) in offences {
            now += pause;
            if let Scoring::Banned(ban) = table.add(source(number), LoginFailed, points, now) {
                bans.push((source(number), ban));
            }
            // A connection of another address each time.
            let _ = table.take(source(1000 + u32::try_from(now % 1000).unwrap_or_default()), &[rate()], RateProtocol::Ssh, now);
            prop_assert!(table.len() <= 8);
            bans.retain(|(_, ban)| now < ban.until);
            for (source, ban) in &bans {
                prop_assert_eq!(table.ban_of(*source, now), Some(*ban));
            }
        }
    }
}

#[test]
fn a_ban_knows_what_led_to_it() {
    // B14-03
    let mut table = ScoreTable::new(rule(), 3);
    for offence in [Offence::NoLoginTried, LoginFailed, Offence::LimitExceeded] {
        table.add(source(1), offence, 2, 0);
    }
    // The score has leaked away, and with it what it was for.
    table.add(source(1), Offence::UserNotFound, 7, 30 * MINUTE);
    let Scoring::Banned(ban) = table.add(source(1), LoginFailed, 9, 30 * MINUTE) else { panic!("no ban") };
    assert_eq!(ban.offences, Offences { user_not_found: 1, login_failed: 1, ..Offences::default() });
    table.forget(source(1), 30 * MINUTE);
    table.add(source(1), Offence::LimitExceeded, 2, 30 * MINUTE);
    table.add(source(1), Offence::LimitExceeded, 2, 31 * MINUTE);
    let Scoring::Banned(ban) = table.add(source(1), LoginFailed, 14, 31 * MINUTE) else { panic!("no ban") };
    assert_eq!(ban.offences, Offences { limit_exceeded: 2, login_failed: 1, ..Offences::default() });
}

#[test]
fn scores_are_listed_until_they_have_leaked_away() {
    // B14-04
    let mut table = ScoreTable::new(rule(), 10);
    for (number, points) in [(1, 2), (2, 5), (3, 15)] {
        table.add(source(number), LoginFailed, points, 0);
    }
    assert_eq!(table.scores(0), [(source(2), 5), (source(1), 2)], "the third is banned");
    assert_eq!((table.score_at(source(1), 0), table.score_at(source(3), 0), table.score_at(source(4), 0)), (2, 0, 0));
    assert_eq!(table.scores(5 * MINUTE), [(source(2), 3)]);
    assert!(table.scores(11 * MINUTE).is_empty());
}
