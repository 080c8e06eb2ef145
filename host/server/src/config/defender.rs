//! When addresses are banned, how often they may connect, and how long outcomes of logins are held back (B14-01, B14-05).

use std::time::Duration;

use ipnet::IpNet;
use tidegate_core::guard::{BanRule, DefenderSettings, MAX_RATE_LIMITS, Points, RateLimit, RateProtocols, RateScope};
use tidegate_core::network::exemption;
use tidegate_ssh::LoginDelay;

use super::Config;
use super::keys::RateLimiter;
use super::network::networks;
use super::validate::Check;

/// The most connections in a period.
const MAX_AVERAGE: u32 = 1_000_000;
/// The periods of limits, in milliseconds: up to a day.
const PERIODS: std::ops::RangeInclusive<u32> = 100..=86_400_000;
/// Longest delay, in milliseconds: a login has two minutes.
const MAX_DELAY: u64 = 10_000;

pub(super) fn settings(config: &Config, check: &mut Check<'_>) -> DefenderSettings {
    let section = &config.common.defender;
    if section.driver != "memory" {
        let text = format!("\"{}\" is not a driver of this version; use \"memory\"", section.driver);
        check.problem("common.defender.driver", text);
    }
    for (key, limit) in
        [("entries_soft_limit", section.entries_soft_limit), ("entries_hard_limit", section.entries_hard_limit)]
    {
        if limit.is_some() {
            let text = "is ignored: the table has room for 100,000 addresses";
            check.warning(&format!("common.defender.{key}"), text);
        }
    }
    let mut exempt = Vec::new();
    for network in networks("common.defender.exempt", &section.exempt, check) {
        match exemption(network) {
            Ok(network) => exempt.push(network),
            Err(problem) => check.problem("common.defender.exempt", problem),
        }
    }
    if config.common.proxy_protocol != 0 {
        exempt.extend(exempt_proxies(config, check));
    }
    let mut positive = |key: &str, value: u32| {
        if value == 0 {
            check.problem(&format!("common.defender.{key}"), "must be at least 1");
        }
        value.max(1)
    };
    let rule = BanRule {
        threshold: positive("threshold", section.threshold),
        observation_time: minutes(positive("observation_time", section.observation_time)),
        ban_time: minutes(positive("ban_time", section.ban_time)),
        ban_time_increment: section.ban_time_increment,
    };
    DefenderSettings {
        enabled: section.enabled.unwrap_or(!check.is_of_older_server()),
        rule,
        points: Points {
            valid: section.score_valid,
            invalid: section.score_invalid,
            limit_exceeded: section.score_limit_exceeded,
            no_auth: section.score_no_auth,
        },
        exempt,
        rates: rates(&config.common.rate_limiters, check),
    }
}

/// The proxies, which are exempt because their clients are judged in their place. A connection of which no proxy tells the
/// client's address is judged by its own, so that networks as wide as no proxy's are not exempt.
fn exempt_proxies(config: &Config, check: &mut Check<'_>) -> Vec<IpNet> {
    let mut exempt = Vec::new();
    // A problem of this list is reported where the proxies are read as well.
    for network in networks("common.proxy_allowed", &config.common.proxy_allowed, check) {
        match exemption(network) {
            Ok(network) => exempt.push(network),
            Err(problem) => {
                check.warning("common.proxy_allowed", format!("its addresses can be banned, because {problem}"));
            }
        }
    }
    exempt
}

/// The limits that have an effect.
fn rates(limiters: &[RateLimiter], check: &mut Check<'_>) -> Vec<RateLimit> {
    let rates: Vec<_> =
        limiters.iter().enumerate().filter_map(|(index, limiter)| rate(index, limiter, check)).collect();
    if rates.len() > MAX_RATE_LIMITS {
        let text = format!("has {} limits; there may be at most {MAX_RATE_LIMITS}", rates.len());
        check.problem("common.rate_limiters", text);
    }
    rates
}

fn rate(index: usize, limiter: &RateLimiter, check: &mut Check<'_>) -> Option<RateLimit> {
    let key = |name: &str| format!("common.rate_limiters[{index}].{name}");
    for (name, limit) in
        [("entries_soft_limit", limiter.entries_soft_limit), ("entries_hard_limit", limiter.entries_hard_limit)]
    {
        if limit.is_some() {
            check.warning(&key(name), "is ignored: the table has room for 100,000 addresses");
        }
    }
    if limiter.average == 0 {
        return None;
    }
    if limiter.average > MAX_AVERAGE {
        check.problem(&key("average"), format!("{} is more than {MAX_AVERAGE}", limiter.average));
    }
    if !PERIODS.contains(&limiter.period) {
        let text = format!("{} is not from {} to {} milliseconds", limiter.period, PERIODS.start(), PERIODS.end());
        check.problem(&key("period"), text);
    }
    if limiter.burst == 0 {
        check.problem(&key("burst"), "must be at least 1");
    }
    let scope = match limiter.r#type {
        1 => RateScope::All,
        2 => RateScope::Source,
        other => {
            check.problem(&key("type"), format!("{other} is not 1 (all connections) or 2 (those of each address)"));
            return None;
        }
    };
    if scope == RateScope::All && limiter.generate_defender_events {
        check.warning(&key("generate_defender_events"), "has no effect with type 1: no address is to blame");
    }
    let protocols = protocols(limiter, &key("protocols"), check);
    (protocols != RateProtocols::default()).then_some(RateLimit {
        protocols,
        scope,
        average: limiter.average,
        period: limiter.period,
        burst: limiter.burst,
        scores: scope == RateScope::Source && limiter.generate_defender_events,
    })
}

/// What the limit is for. The older server's other protocols are known, but not limited.
fn protocols(limiter: &RateLimiter, key: &str, check: &mut Check<'_>) -> RateProtocols {
    let mut protocols = RateProtocols::default();
    let mut others = Vec::new();
    for protocol in &limiter.protocols {
        match protocol.as_str() {
            "SSH" => protocols.ssh = true,
            "HTTP" => protocols.http = true,
            "FTP" | "DAV" => others.push(protocol.as_str()),
            other => check.problem(key, format!("\"{other}\" is not a protocol; use \"SSH\" or \"HTTP\"")),
        }
    }
    if !others.is_empty() {
        check.warning(key, format!("only SSH and HTTP are limited, not {}", others.join(", ")));
    } else if protocols == RateProtocols::default() {
        check.warning(key, "is empty: the table has no effect");
    }
    protocols
}

pub(super) fn login_delay(config: &Config, check: &mut Check<'_>) -> LoginDelay {
    let section = &config.common.defender.login_delay;
    let mut delay = |key: &str, milliseconds: u64| {
        if milliseconds > MAX_DELAY {
            let text = format!("{milliseconds} is more than {MAX_DELAY} milliseconds");
            check.problem(&format!("common.defender.login_delay.{key}"), text);
        }
        Duration::from_millis(milliseconds.min(MAX_DELAY))
    };
    LoginDelay {
        success: delay("success", section.success),
        password_failed: delay("password_failed", section.password_failed),
    }
}

fn minutes(minutes: u32) -> i64 {
    i64::from(minutes) * 60_000
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::{Settings, Source, check_text, format, validate};
    use super::*;

    fn read(file: &str, text: &str) -> Settings {
        let path = PathBuf::from(file);
        let defaults = serde_json::to_value(Config::default()).unwrap();
        let value = format::parse(&path, text, &defaults).unwrap();
        let config: Config = serde_json::from_value(value).unwrap();
        let source = Source { path: Some(path), text: text.to_owned() };
        validate::settings(&config, &source, &PathBuf::from("/srv")).unwrap()
    }

    #[test]
    fn it_is_on_but_for_files_of_the_older_server() {
        // B14-01
        let check = |file: &str, text: &str, expected: bool| {
            assert_eq!(read(file, text).defender.enabled, expected, "{file} {text}");
        };
        check("/srv/tidegate.toml", "", true);
        check("/srv/tidegate.toml", "[common.defender]\nenabled = false\n", false);
        check("/srv/sftpgo.toml", "", false);
        check("/srv/sftpgo.toml", "[common.defender]\nthreshold = 20\n", false);
        check("/srv/sftpgo.toml", "[common.defender]\nenabled = true\n", true);
        assert_eq!(
            read("/srv/tidegate.toml", "").defender,
            DefenderSettings { enabled: true, ..DefenderSettings::default() }
        );
    }

    #[test]
    fn points_and_times_are_those_of_the_documents_unless_others_are_set() {
        // B14-01, B14-02: times in minutes; no offence needs to count, and no ban to be longer than the one before.
        let check = |text: &str, [threshold, increment]: [u32; 2], [observation, ban]: [i64; 2], points: [u32; 4]| {
            let defender = read("/srv/tidegate.toml", &format!("[common.defender]\n{text}\n")).defender;
            let expected = BanRule {
                threshold,
                observation_time: observation * 60_000,
                ban_time: ban * 60_000,
                ban_time_increment: increment,
            };
            assert_eq!(defender.rule, expected, "{text}");
            let [valid, invalid, limit_exceeded, no_auth] = points;
            assert_eq!(defender.points, Points { valid, invalid, limit_exceeded, no_auth }, "{text}");
        };
        check("", [15, 50], [30, 30], [2, 2, 3, 0]);
        check("threshold = 4\nban_time_increment = 0", [4, 0], [30, 30], [2, 2, 3, 0]);
        check("observation_time = 5\nban_time = 6", [15, 50], [5, 6], [2, 2, 3, 0]);
        let points = "score_valid = 0\nscore_invalid = 8\nscore_limit_exceeded = 9\nscore_no_auth = 1";
        check(points, [15, 50], [30, 30], [0, 8, 9, 1]);
    }

    #[test]
    fn wrong_passwords_are_answered_after_a_second_unless_another_time_is_set() {
        // B14-01
        let check = |text: &str, success: u64, password_failed: u64| {
            let delay = read("/srv/tidegate.toml", text).login_delay;
            let found = (delay.success.as_millis(), delay.password_failed.as_millis());
            assert_eq!(found, (success.into(), password_failed.into()), "{text}");
        };
        check("", 0, 1000);
        check("[common.defender]\nenabled = false\n", 0, 1000);
        check("[common.defender.login_delay]\nsuccess = 7\n", 7, 1000);
        check("[common.defender.login_delay]\npassword_failed = 10000\n", 0, 10_000);
        check("[common.defender.login_delay]\npassword_failed = 0\n", 0, 0);
    }

    #[test]
    fn proxies_are_exempt_and_loopback_is_not() {
        // B14-01
        let exempt = |text: &str| {
            let exempt = read("/srv/tidegate.toml", text).defender.exempt;
            exempt.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(exempt(""), "");
        assert_eq!(exempt("[common]\nproxy_protocol = 1\nproxy_allowed = [\"10.0.0.1\"]\n"), "10.0.0.1/32");
        assert_eq!(exempt("[common]\nproxy_allowed = [\"10.0.0.1\"]\n"), "");
        assert_eq!(exempt("[common.defender]\nexempt = [\"127.0.0.0/8\"]\n"), "127.0.0.0/8");
        assert_eq!(exempt("[common.defender]\nexempt = [\"::ffff:10.0.0.0/104\"]\n"), "10.0.0.0/8");
        // Any client could be a proxy there.
        let wide = "[common]\nproxy_protocol = 1\nproxy_allowed = [\"0.0.0.0/0\", \"10.0.0.1\"]\n";
        assert_eq!(exempt(wide), "10.0.0.1/32");
        let warnings = read("/srv/tidegate.toml", wide).warnings.join("\n");
        assert!(warnings.contains("common.proxy_allowed") && warnings.contains("can be banned"), "{warnings}");
    }

    #[test]
    fn rates_are_limits_on_ssh_and_http() {
        // B14-05
        let check = |table: &str, expected: Option<RateLimit>, warned: &str| {
            let read = read("/srv/tidegate.toml", &format!("[common]\nrate_limiters = [{{ {table} }}]\n"));
            assert_eq!(read.defender.rates, Vec::from_iter(expected), "{table}");
            let warnings = read.warnings.join("\n");
            assert!(warnings.contains(warned) && (warned.is_empty() == warnings.is_empty()), "{table}: {warnings}");
        };
        let protocols = RateProtocols::SSH;
        let limit =
            RateLimit { protocols, scope: RateScope::Source, average: 10, period: 1000, burst: 1, scores: false };
        check("average = 10", Some(limit), "");
        check("average = 0, burst = 0", None, "");
        check(
            "average = 10, type = 1, period = 60000, burst = 5",
            Some(RateLimit { scope: RateScope::All, period: 60_000, burst: 5, ..limit }),
            "",
        );
        let scoring = RateLimit { scores: true, ..limit };
        check("average = 10, generate_defender_events = true", Some(scoring), "");
        let shared = RateLimit { scope: RateScope::All, ..limit };
        let no_effect = "common.rate_limiters[0].generate_defender_events";
        check("average = 10, type = 1, generate_defender_events = true", Some(shared), no_effect);
        check("average = 10, protocols = [\"SSH\", \"FTP\"]", Some(limit), "not FTP");
        check("average = 10, protocols = [\"DAV\"]", None, "not DAV");
        let http = RateLimit { protocols: RateProtocols { ssh: false, http: true }, ..limit };
        check("average = 10, protocols = [\"HTTP\"]", Some(http), "");
        check("average = 10, protocols = [\"DAV\", \"HTTP\"]", Some(http), "not DAV");
        let both = RateLimit { protocols: RateProtocols { ssh: true, http: true }, ..limit };
        check("average = 10, protocols = [\"SSH\", \"HTTP\"]", Some(both), "");
        check("average = 10, protocols = []", None, "common.rate_limiters[0].protocols");
        check("average = 10, entries_hard_limit = 9", Some(limit), "entries_hard_limit");
    }

    #[test]
    fn rates_out_of_range_are_refused() {
        // B14-05
        let check = |tables: &str, expected: &str| {
            let text = format!("[common]\nrate_limiters = [{tables}]\n");
            let problems = check_text(&PathBuf::from("/srv/tidegate.toml"), &text).unwrap_err().to_string();
            assert!(problems.contains(expected), "{tables}: {problems}");
        };
        check("{ average = 1000001 }", "common.rate_limiters[0].average");
        check("{ average = 1, period = 99 }", "common.rate_limiters[0].period");
        check("{}, { average = 1, burst = 0 }", "common.rate_limiters[1].burst");
        check("{ average = 1, type = 3 }", "common.rate_limiters[0].type");
        check("{ average = 1, protocols = [\"SFTP\"] }", "common.rate_limiters[0].protocols");
        check("{ averag = 1 }", "averag");
        check(&["{ average = 1 }"; 9].join(", "), "at most 8");
    }

    #[test]
    fn values_out_of_range_are_refused() {
        // B14-01
        let check = |text: &str, expected: &str| {
            let text = format!("[common.defender]\n{text}\n");
            let problems = check_text(&PathBuf::from("/srv/tidegate.toml"), &text).unwrap_err().to_string();
            assert!(problems.contains(expected), "{text}: {problems}");
        };
        check("threshold = 0", "common.defender.threshold");
        check("ban_time = 0", "common.defender.ban_time");
        check("observation_time = 0", "common.defender.observation_time");
        check("driver = \"provider\"", "common.defender.driver");
        check("exempt = [\"here\"]", "common.defender.exempt");
        check("exempt = [\"0.0.0.0/1\"]", "0.0.0.0/1 is too wide to be exempt");
        check("exempt = [\"10.0.0.0/8\", \"2000::/3\"]", "2000::/3 is too wide to be exempt");
        check("exempt = [\"::ffff:0:0/96\"]", "is every address");
        check("login_delay = { success = 10001 }", "common.defender.login_delay.success");
        check("treshold = 1", "threshold");
        check("score_valid = -1", "common.defender.score_valid");
    }
}
