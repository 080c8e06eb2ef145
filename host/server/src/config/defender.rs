//! When addresses are banned, and how long outcomes of logins are held back (B14-01).

use std::time::Duration;

use tidegate_core::guard::{BanRule, DefenderSettings, Points};
use tidegate_ssh::LoginDelay;

use super::Config;
use super::network::networks;
use super::validate::Check;

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
    let mut exempt = networks("common.defender.exempt", &section.exempt, check);
    // A problem of this list is reported where the proxies are read.
    if config.common.proxy_protocol != 0 {
        exempt.extend(networks("common.proxy_allowed", &config.common.proxy_allowed, check));
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
    }
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
    fn proxies_are_exempt_and_loopback_is_not() {
        let exempt = |text: &str| {
            let exempt = read("/srv/tidegate.toml", text).defender.exempt;
            exempt.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(exempt(""), "");
        assert_eq!(exempt("[common]\nproxy_protocol = 1\nproxy_allowed = [\"10.0.0.1\"]\n"), "10.0.0.1/32");
        assert_eq!(exempt("[common]\nproxy_allowed = [\"10.0.0.1\"]\n"), "");
        assert_eq!(exempt("[common.defender]\nexempt = [\"127.0.0.0/8\"]\n"), "127.0.0.0/8");
    }

    #[test]
    fn values_out_of_range_are_refused() {
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
        check("login_delay = { success = 10001 }", "common.defender.login_delay.success");
        check("treshold = 1", "threshold");
        check("score_valid = -1", "common.defender.score_valid");
    }
}
