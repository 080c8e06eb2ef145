//! The checks of `filters` and `virtual_folders` (C3, C5).

use core::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Map, Value};

use super::draft::{AccountDraft, InvalidAccount, invalid};
use super::filter_words::{FACTOR_PROTOCOLS, flag, one_of_numbers};
use super::filters::{AccessWindow, BandwidthLimit, FilePatterns, Filters, PatternRule};
use crate::connection::LoginMethod;
use crate::network::canonical;
use crate::path::VirtualPath;
use crate::pattern::Pattern;
use crate::quota::Limit;

impl AccountDraft {
    pub(super) fn validated_filters(&self) -> Result<Filters, InvalidAccount> {
        let Some(Value::Object(document)) = self.document.get("filters") else {
            return Ok(Filters::default());
        };
        let denied_protocols = self.denied_protocols(document)?;
        self.check_words(document)?;
        let no_switches = Map::new();
        let switches = match document.get("hooks") {
            None | Some(Value::Null) => &no_switches,
            Some(Value::Object(switches)) => switches,
            Some(_) => return Err(invalid("filters.hooks", "must be an object")),
        };
        let hook_switch = |name: &str| flag(switches, "filters.hooks.", name);
        Ok(Filters {
            allowed_ip: self.networks(document, "filters.", "allowed_ip")?,
            denied_ip: self.networks(document, "filters.", "denied_ip")?,
            denied_login_methods: self.denied_login_methods(document)?,
            external_auth_disabled: hook_switch("external_auth_disabled")?,
            pre_login_disabled: hook_switch("pre_login_disabled")?,
            check_password_disabled: hook_switch("check_password_disabled")?,
            external_auth_cache_seconds: natural(document, "filters.", "external_auth_cache_time")?,
            one_time_codes: self.one_time_codes(document)?,
            needs_second_factor: self.second_factor_protocols(document)?.iter().any(|protocol| protocol == "SSH"),
            needs_password_change: flag(document, "filters.", "require_password_change")?,
            password_expiration: natural(document, "filters.", "password_expiration")?,
            denies_ssh: denied_protocols.iter().any(|protocol| protocol == "SSH"),
            file_patterns: self.file_patterns(document)?,
            max_upload_file_size: Limit::stored(natural(document, "filters.", "max_upload_file_size")?),
            start_directory: start_directory(document)?,
            access_time: access_time(document)?,
            bandwidth_limits: self.bandwidth_limits(document)?,
            no_home_check: flag(document, "filters.", "disable_fs_checks")?,
            document: document.clone(),
        })
    }

    fn denied_login_methods(&self, filters: &Map<String, Value>) -> Result<Vec<LoginMethod>, InvalidAccount> {
        // Methods of protocols that this server does not speak, which are kept without effect; and the older
        // server's name for the password method over SSH.
        const ELSEWHERE: [&str; 3] = ["TLSCertificate", "TLSCertificate+password", "password-over-SSH"];
        let mut denied = Vec::new();
        for name in self.texts(filters, "filters.", "denied_login_methods")? {
            match LoginMethod::ALL.iter().find(|method| method.as_str() == name) {
                Some(method) => denied.push(*method),
                None if ELSEWHERE.contains(&name.as_str()) => {
                    if name == "password-over-SSH" {
                        denied.push(LoginMethod::Password);
                    }
                }
                None => {
                    return Err(invalid("filters.denied_login_methods", format!("\"{name}\" is not a login method")));
                }
            }
        }
        // B12-06
        if LoginMethod::ALL.iter().all(|method| denied.contains(method)) {
            return Err(invalid("filters.denied_login_methods", "at least one login method must stay allowed"));
        }
        Ok(denied)
    }

    /// The protocols that demand a second factor, under both names of the field.
    fn second_factor_protocols(&self, filters: &Map<String, Value>) -> Result<Vec<String>, InvalidAccount> {
        let mut protocols = self.words(filters, "filters.", "two_factor_protocols", &FACTOR_PROTOCOLS)?;
        protocols.extend(self.words(filters, "filters.", "2fa_protocols", &FACTOR_PROTOCOLS)?);
        Ok(protocols)
    }

    fn networks(&self, object: &Map<String, Value>, prefix: &str, field: &str) -> Result<Vec<IpNet>, InvalidAccount> {
        self.texts(object, prefix, field)?
            .into_iter()
            .map(|text| {
                text.parse::<IpNet>().map(canonical).map_err(|_| {
                    let hint =
                        if text.parse::<IpAddr>().is_ok() { format!(", such as \"{text}/32\"") } else { String::new() };
                    // A8-08
                    invalid(format!("{prefix}{field}"), format!("\"{text}\" is not a network in CIDR notation{hint}"))
                })
            })
            .collect()
    }

    /// The rules of `file_patterns` and of `file_extensions`, which older documents have instead.
    fn file_patterns(&self, filters: &Map<String, Value>) -> Result<FilePatterns, InvalidAccount> {
        let mut rules = Vec::new();
        for (prefix, rule) in objects(filters, "filters.", "file_patterns")? {
            let patterns = |field: &str| {
                let texts = self.texts(rule, &prefix, field)?;
                texts.iter().map(|text| pattern(text, &format!("{prefix}{field}"))).collect::<Result<Vec<_>, _>>()
            };
            let (allowed, denied) = (patterns("allowed_patterns")?, patterns("denied_patterns")?);
            let hides = one_of_numbers(rule, &prefix, "deny_policy", 1)? == 1;
            rules.push(PatternRule { directory: directory(rule, &prefix, "path")?, allowed, denied, hides });
        }
        for (prefix, rule) in objects(filters, "filters.", "file_extensions")? {
            let patterns = |field: &str| {
                let texts = self.texts(rule, &prefix, field)?;
                texts
                    .iter()
                    .map(|text| pattern(&format!("*{text}"), &format!("{prefix}{field}")))
                    .collect::<Result<Vec<_>, _>>()
            };
            let (allowed, denied) = (patterns("allowed_extensions")?, patterns("denied_extensions")?);
            rules.push(PatternRule { directory: directory(rule, &prefix, "path")?, allowed, denied, hides: false });
        }
        for rule in &rules {
            if rules.iter().filter(|other| other.directory == rule.directory).count() > 1 {
                let problem = format!("\"{}\" has patterns twice", rule.directory.display());
                return Err(invalid("filters.file_patterns", problem));
            }
        }
        Ok(FilePatterns::new(rules))
    }

    fn bandwidth_limits(&self, filters: &Map<String, Value>) -> Result<Vec<BandwidthLimit>, InvalidAccount> {
        let limits = objects(filters, "filters.", "bandwidth_limits")?;
        limits
            .into_iter()
            .map(|(prefix, limit)| {
                let sources = self.networks(limit, &prefix, "sources")?;
                if sources.is_empty() {
                    return Err(invalid(
                        format!("{prefix}sources"),
                        "must name at least one network, or the limit never applies",
                    ));
                }
                Ok(BandwidthLimit {
                    sources,
                    upload: natural(limit, &prefix, "upload_bandwidth")?,
                    download: natural(limit, &prefix, "download_bandwidth")?,
                })
            })
            .collect()
    }
}

fn pattern(text: &str, field: &str) -> Result<Pattern, InvalidAccount> {
    if text.contains('/') {
        return Err(invalid(field, format!("\"{text}\" must be a name, without a slash")));
    }
    Pattern::shell_in_any_case(text).map_err(|error| invalid(field, format!("\"{text}\" is not a pattern: {error}")))
}

/// The path of an object in the document, with a dot at its end, and the object.
type Placed<'a> = (String, &'a Map<String, Value>);

/// The objects of a list, each with its path in the document.
pub(super) fn objects<'a>(
    parent: &'a Map<String, Value>,
    prefix: &str,
    field: &str,
) -> Result<Vec<Placed<'a>>, InvalidAccount> {
    let items = match parent.get(field) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(invalid(format!("{prefix}{field}"), "must be a list of objects")),
    };
    let named = |(index, item): (usize, &'a Value)| {
        let place = format!("{prefix}{field}.{index}");
        match item {
            Value::Object(object) => Ok((format!("{place}."), object)),
            _ => Err(invalid(place, "must be an object")),
        }
    };
    items.iter().enumerate().map(named).collect()
}

pub(super) fn natural(object: &Map<String, Value>, prefix: &str, field: &str) -> Result<i64, InvalidAccount> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(0),
        Some(value) => value
            .as_i64()
            .filter(|value| *value >= 0)
            .ok_or_else(|| invalid(format!("{prefix}{field}"), "must be an integer that is not negative")),
    }
}

pub(super) fn directory(object: &Map<String, Value>, prefix: &str, field: &str) -> Result<VirtualPath, InvalidAccount> {
    let text = object.get(field).and_then(Value::as_str).unwrap_or_default();
    VirtualPath::parse_directory(text).ok_or_else(|| {
        let problem = format!("\"{text}\" must be an absolute path without \"..\", \".\" and double slashes");
        invalid(format!("{prefix}{field}"), problem)
    })
}

fn start_directory(filters: &Map<String, Value>) -> Result<VirtualPath, InvalidAccount> {
    match filters.get("start_directory").and_then(Value::as_str) {
        None | Some("") => Ok(VirtualPath::root()),
        Some(_) => directory(filters, "filters.", "start_directory"),
    }
}

fn access_time(filters: &Map<String, Value>) -> Result<Vec<AccessWindow>, InvalidAccount> {
    let mut windows = Vec::new();
    for (prefix, window) in objects(filters, "filters.", "access_time")? {
        let day = natural(window, &prefix, "day_of_week")?;
        let day_of_week = u8::try_from(day)
            .ok()
            .filter(|day| *day <= 6)
            .ok_or_else(|| invalid(format!("{prefix}day_of_week"), "must be between 0 (Sunday) and 6 (Saturday)"))?;
        let (from, to) = (minute_of_day(window, &prefix, "from")?, minute_of_day(window, &prefix, "to")?);
        if from > to {
            return Err(invalid(format!("{prefix}to"), "must not be before \"from\"; use two windows over midnight"));
        }
        windows.push(AccessWindow { day_of_week, from, to });
    }
    Ok(windows)
}

fn minute_of_day(window: &Map<String, Value>, prefix: &str, field: &str) -> Result<u16, InvalidAccount> {
    let text = window.get(field).and_then(Value::as_str).unwrap_or_default();
    let parsed = text.split_once(':').and_then(|(hour, minute)| {
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        (hour < 24 && minute < 60).then(|| hour * 60 + minute)
    });
    parsed.ok_or_else(|| invalid(format!("{prefix}{field}"), format!("\"{text}\" is not a time such as \"08:30\"")))
}
