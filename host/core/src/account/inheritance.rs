//! What accounts take from their groups, setting by setting: the one table of it (B9-04).

use serde_json::{Map, Value, json};

use super::draft::{InvalidAccount, invalid};

/// The group that settings come from, as the account belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Primary,
    Secondary,
}

/// How a setting of a group meets the account's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Of the primary group: takes the place of the account's own, where the group has one.
    Replaces,
    /// Of the primary group: only where the account has 0, an empty text or false.
    Fills,
    /// Of all groups: added to the account's list, each value once.
    Adds,
    /// Of all groups: objects of a list, added where the account has none with the same value of that
    /// field.
    AddsBy(&'static str),
}

use Rule::{Adds, AddsBy, Fills, Replaces};

/// A setting that is not here is not taken from groups.
const INHERITED: &[(&str, Rule)] = &[
    ("home_dir", Replaces),
    ("max_sessions", Fills),
    ("quota_size", Fills),
    ("quota_files", Fills),
    ("upload_bandwidth", Fills),
    ("download_bandwidth", Fills),
    ("upload_data_transfer", Fills),
    ("download_data_transfer", Fills),
    ("total_data_transfer", Fills),
    ("virtual_folders", AddsBy("virtual_path")),
    ("filters.max_upload_file_size", Fills),
    ("filters.start_directory", Fills),
    ("filters.tls_username", Fills),
    ("filters.external_auth_cache_time", Fills),
    ("filters.password_expiration", Fills),
    ("filters.password_strength", Fills),
    ("filters.default_shares_expiration", Fills),
    ("filters.max_shares_expiration", Fills),
    ("filters.ftp_security", Fills),
    ("filters.disable_fs_checks", Fills),
    ("filters.allow_api_key_auth", Fills),
    ("filters.is_anonymous", Fills),
    ("filters.hooks.external_auth_disabled", Fills),
    ("filters.hooks.pre_login_disabled", Fills),
    ("filters.hooks.check_password_disabled", Fills),
    ("filters.allowed_ip", Adds),
    ("filters.denied_ip", Adds),
    ("filters.denied_login_methods", Adds),
    ("filters.denied_protocols", Adds),
    ("filters.two_factor_protocols", Adds),
    ("filters.2fa_protocols", Adds),
    ("filters.web_client", Adds),
    ("filters.access_time", Adds),
    ("filters.bandwidth_limits", Adds),
];

/// Restrictions that a group cannot give: accepted and without effect, they would leave accounts more open than they
/// look.
const NOT_GIVEN: &[(&str, &str)] = &[(
    "filters.require_password_change",
    "has no effect in a group, since each account's password is changed by itself; set it in the accounts",
)];

/// `settings`: of a group, as an administrator gives them.
pub(super) fn check_given(settings: &Map<String, Value>) -> Result<(), InvalidAccount> {
    for (path, problem) in NOT_GIVEN {
        let names: Vec<&str> = path.split('.').collect();
        if at(settings, &names).is_some_and(|given| !is_unset(given)) {
            return Err(invalid(format!("user_settings.{path}"), *problem));
        }
    }
    Ok(())
}

/// The two forms of rules on the names in a directory.
const NAME_RULES: [&str; 2] = ["file_patterns", "file_extensions"];

const MILLISECONDS_PER_DAY: i64 = 24 * 3_600_000;

/// `settings`: of the group, decoded as an account's.
pub(super) fn take(account: &mut Map<String, Value>, source: Source, settings: &Map<String, Value>) {
    for (path, rule) in INHERITED {
        let names: Vec<&str> = path.split('.').collect();
        if let Some(given) = at(settings, &names).filter(|given| !is_unset(given)) {
            let own = at(account, &names);
            if let Some(value) = rule.outcome(source, own, given) {
                put(account, &names, value);
            }
        }
    }
    take_name_rules(account, settings);
    take_permissions(account, source, settings);
    if source == Source::Primary {
        take_file_system(account, settings);
        take_expiry(account, settings);
    }
}

impl Rule {
    /// None: the account keeps its own.
    fn outcome(self, source: Source, own: Option<&Value>, given: &Value) -> Option<Value> {
        let is_own_unset = own.is_none_or(is_unset);
        match self {
            Replaces | Fills if source != Source::Primary => None,
            Replaces => Some(given.clone()),
            Fills => is_own_unset.then(|| given.clone()),
            Adds => added(own, given, |own, given| own == given),
            AddsBy(field) => added(own, given, |own, given| same_path(own.get(field), given.get(field))),
        }
    }
}

/// `/a` and `/a/` are one directory.
fn same_path(own: Option<&Value>, given: Option<&Value>) -> bool {
    let path = |value: Option<&Value>| value.and_then(Value::as_str).map(|text| text.trim_end_matches('/').to_owned());
    path(own) == path(given)
}

fn added(own: Option<&Value>, given: &Value, is_same: impl Fn(&Value, &Value) -> bool) -> Option<Value> {
    let mut all = own.and_then(Value::as_array).cloned().unwrap_or_default();
    for value in given.as_array()? {
        if !all.iter().any(|own| is_same(own, value)) {
            all.push(value.clone());
        }
    }
    Some(Value::Array(all))
}

fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

fn at<'a>(document: &'a Map<String, Value>, names: &[&str]) -> Option<&'a Value> {
    let (first, rest) = names.split_first()?;
    rest.iter().try_fold(document.get(*first)?, |value, name| value.get(name))
}

fn put(document: &mut Map<String, Value>, names: &[&str], value: Value) {
    match names {
        [] => {}
        [name] => {
            document.insert((*name).to_owned(), value);
        }
        [name, rest @ ..] => {
            let inner = document.entry(*name).or_insert_with(|| json!({}));
            if !inner.is_object() {
                *inner = json!({});
            }
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// Of all groups: rules of directories for which the account has none, in whichever form.
fn take_name_rules(account: &mut Map<String, Value>, settings: &Map<String, Value>) {
    fn rules(document: &Map<String, Value>, form: &str) -> Vec<Value> {
        at(document, &["filters", form]).and_then(Value::as_array).cloned().unwrap_or_default()
    }
    let own: Vec<Value> = NAME_RULES.iter().flat_map(|form| rules(account, form)).collect();
    for form in NAME_RULES {
        let mut taken = rules(settings, form);
        taken.retain(|given| !own.iter().any(|own| same_path(own.get("path"), given.get("path"))));
        if !taken.is_empty() {
            let all = [rules(account, form), taken].concat();
            put(account, &["filters", form], Value::Array(all));
        }
    }
}

/// Of directories that the account has none for; those of `/`, which every account has, are the primary
/// group's where it has some.
fn take_permissions(account: &mut Map<String, Value>, source: Source, settings: &Map<String, Value>) {
    let Some(Value::Object(given)) = settings.get("permissions") else { return };
    let own = account.entry("permissions").or_insert_with(|| json!({}));
    let Value::Object(own) = own else { return };
    for (directory, tokens) in given {
        match (directory.as_str(), source) {
            ("/", Source::Primary) => {
                own.insert(directory.clone(), tokens.clone());
            }
            ("/", Source::Secondary) => {}
            _ if own.keys().any(|known| known.trim_end_matches('/') == directory.trim_end_matches('/')) => {}
            _ => {
                own.insert(directory.clone(), tokens.clone());
            }
        }
    }
}

/// Where the group's is not the local disk.
fn take_file_system(account: &mut Map<String, Value>, settings: &Map<String, Value>) {
    if let Some(given) = settings.get("filesystem")
        && given.get("provider").and_then(Value::as_i64).unwrap_or(0) != 0
    {
        account.insert("filesystem".to_owned(), given.clone());
    }
}

/// `expires_in`: days after the account was made, for accounts without a date.
fn take_expiry(account: &mut Map<String, Value>, settings: &Map<String, Value>) {
    let number = |document: &Map<String, Value>, field: &str| document.get(field).and_then(Value::as_i64).unwrap_or(0);
    let (days, made) = (number(settings, "expires_in"), number(account, "created_at"));
    if days > 0 && made > 0 && number(account, "expiration_date") == 0 {
        let expiry = made.saturating_add(days.saturating_mul(MILLISECONDS_PER_DAY));
        account.insert("expiration_date".to_owned(), json!(expiry));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::filter_table::FILTERS;

    /// Fields of `filters` that accounts do not take: they are of one person, or have no effect in an account either.
    const OWN: [&str; 6] =
        ["tls_certs", "user_type", "totp_config", "recovery_codes", "data_transfer_limits", "additional_emails"];

    #[test]
    fn each_filter_is_taken_from_groups_or_is_known_not_to_be() {
        for field in FILTERS {
            let path = format!("filters.{}", field.name);
            let is_taken = NAME_RULES.contains(&field.name)
                || INHERITED.iter().any(|(taken, _)| *taken == path || taken.starts_with(&format!("{path}.")));
            let is_refused = NOT_GIVEN.iter().any(|(refused, _)| *refused == path);
            let ways = [is_taken, is_refused, OWN.contains(&field.name)];
            assert_eq!(ways.iter().filter(|way| **way).count(), 1, "{path}: {ways:?}");
        }
    }
}
