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

/// Days after an account was made. No account has the field.
pub(super) const EXPIRES_IN: &str = "expires_in";

const OF_ONE: &str = "is of one account alone, and no account takes it from a group; set it in the accounts";

/// Fields of accounts that a group does not give: accepted and without effect, they would leave accounts more open than
/// they look. What only the server maintains is in no document from outside, a group's or another one.
const NOT_GIVEN: &[(&str, &str)] = &[
    ("status", "has no effect in a group; disable the accounts, or deny them something in the group's filters"),
    ("username", OF_ONE),
    (
        "expiration_date",
        "has no effect in a group; set expires_in, the days after an account was made, or the accounts' dates",
    ),
    ("password", OF_ONE),
    ("public_keys", OF_ONE),
    ("uid", OF_ONE),
    ("gid", OF_ONE),
    ("email", OF_ONE),
    ("virtual_folders", "has no effect here; the group's folders are in virtual_folders beside user_settings"),
    ("description", "has no effect here; the group's note is in description beside user_settings"),
    ("additional_info", OF_ONE),
    ("groups", "has no effect in a group, which is in no other group"),
    ("role", OF_ONE),
    ("filters.totp_config", OF_ONE),
    ("filters.recovery_codes", OF_ONE),
    (
        "filters.require_password_change",
        "has no effect in a group, since each account's password is changed by itself; set it in the accounts",
    ),
    ("filters.additional_emails", OF_ONE),
];

/// Whether no account takes the field of that path, such as `filters.totp_config`, from a group.
pub fn is_of_one_account(path: &str) -> bool {
    NOT_GIVEN.iter().any(|(refused, _)| *refused == path)
}

/// `settings`: of a group, as an administrator gives them.
pub(super) fn check_given(settings: &Map<String, Value>) -> Result<(), InvalidAccount> {
    for (path, problem) in NOT_GIVEN {
        let names: Vec<&str> = path.split('.').collect();
        // A status of 0 asks for most.
        let asks = |given: &Value| if *path == "status" { !given.is_null() } else { !asks_for_nothing(given) };
        if at(settings, &names).is_some_and(asks) {
            return Err(invalid(format!("user_settings.{path}"), *problem));
        }
    }
    Ok(())
}

/// Whether a value is unset, or an object of nothing else.
pub(super) fn asks_for_nothing(given: &Value) -> bool {
    match given {
        Value::Object(fields) => fields.values().all(asks_for_nothing),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => is_unset(given),
    }
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

/// For accounts without a date.
fn take_expiry(account: &mut Map<String, Value>, settings: &Map<String, Value>) {
    let number = |document: &Map<String, Value>, field: &str| document.get(field).and_then(Value::as_i64).unwrap_or(0);
    let (days, made) = (number(settings, EXPIRES_IN), number(account, "created_at"));
    if days > 0 && made > 0 && number(account, "expiration_date") == 0 {
        let expiry = made.saturating_add(days.saturating_mul(MILLISECONDS_PER_DAY));
        account.insert("expiration_date".to_owned(), json!(expiry));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::fields::{ACCOUNT, Kind, Maintainer};

    /// Fields that accounts do not take, and which have no effect in an account either.
    const KEPT: [&str; 3] = ["filters.tls_certs", "filters.user_type", "filters.data_transfer_limits"];
    /// Fields that accounts take by rules of their own.
    const TAKEN: [&str; 4] = ["permissions", "filesystem", "filters.file_patterns", "filters.file_extensions"];

    #[test]
    fn each_field_is_taken_from_groups_or_is_refused_in_them() {
        // B9-04
        let mut paths = Vec::new();
        for field in ACCOUNT.iter().filter(|field| field.maintainer == Maintainer::Administrator) {
            match field.kind {
                Kind::Object(inner) if field.name == "filters" => {
                    paths.extend(inner.iter().map(|inner| format!("filters.{}", inner.name)));
                }
                _ => paths.push(field.name.to_owned()),
            }
        }
        for path in &paths {
            // Folders are taken from beside the settings, where `Group::of_stored` puts them.
            let is_of_group = path == "virtual_folders";
            let is_taken = TAKEN.contains(&path.as_str())
                || INHERITED.iter().any(|(taken, _)| taken == path || taken.starts_with(&format!("{path}.")));
            let ways = [is_taken && !is_of_group, is_of_one_account(path), KEPT.contains(&path.as_str())];
            assert_eq!(ways.iter().filter(|way| **way).count(), 1, "{path}: {ways:?}");
        }
        for (path, _) in NOT_GIVEN {
            assert!(paths.iter().any(|known| known == path), "{path}");
        }
    }
}
