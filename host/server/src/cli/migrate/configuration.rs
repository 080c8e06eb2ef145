//! `tidegate.toml` from the older server's configuration: what it sets, with our keys; the era of its hooks; and what
//! cannot be ignored, which keeps the server from starting until the operator has decided.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use serde_json::{Map, Value, json};
use tidegate_migrate::{Moved, NoteKind};

use super::sources::{Sources, is_same_place};
use crate::config::{Config, DataProvider, Loaded, OlderConfig, Settings, check_text, shown_url};

/// The era whose rules hold where `compat` is not set.
const FIRST_ERA: &str = "seed";

/// What became of the configuration.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConfigurationOutcome {
    /// The source has none.
    #[default]
    Nothing,
    /// It is written, or would be.
    Written,
    /// There was one here.
    Kept,
}

/// Where our accounts will be: in the older server's file where we take over its directory.
pub fn data_provider(older: Option<&(PathBuf, OlderConfig)>, directory: &Path) -> DataProvider {
    let ours = DataProvider::default();
    let Some((place, older)) = older else { return ours };
    let theirs = &older.config.data_provider;
    let named = theirs.connection_string.strip_prefix("file:").or(theirs.connectionstring.strip_prefix("file:"));
    let name = named.map_or(theirs.name.as_str(), |named| named.split('?').next().unwrap_or(named));
    let is_in_place = theirs.driver == "sqlite" && is_same_place(&place.join(name), &directory.join(name));
    DataProvider {
        name: if is_in_place { name.to_owned() } else { ours.name.clone() },
        track_quota: theirs.track_quota,
        users_base_dir: theirs.users_base_dir.clone(),
        ..ours
    }
}

/// The settings with which accounts are loaded. The rest of the configuration may have problems.
pub fn settings_for_accounts(provider: &DataProvider, directory: &Path) -> anyhow::Result<Settings> {
    let none = DataProvider::default();
    let data_provider = DataProvider {
        actions: none.actions,
        external_auth_program: none.external_auth_program,
        external_auth_hook: none.external_auth_hook,
        pre_login_program: none.pre_login_program,
        pre_login_hook: none.pre_login_hook,
        post_login_hook: none.post_login_hook,
        check_password_hook: none.check_password_hook,
        ..provider.clone()
    };
    Ok(Loaded::from_config(Config { data_provider, ..Config::default() }).validate(directory, true)?)
}

/// The text of `tidegate.toml`; `None`: the sources say nothing.
pub fn text(
    sources: &Sources,
    provider: &DataProvider,
    keys: &[String],
    moved: &mut Moved,
    directory: &Path,
) -> anyhow::Result<Option<String>> {
    let defaults = serde_json::to_value(Config::default())?;
    let (mut tree, origin) = match &sources.older {
        Some((place, older)) => {
            let mut config = ours(place, older, directory);
            config.data_provider = DataProvider {
                driver: provider.driver.clone(),
                name: provider.name.clone(),
                track_quota: provider.track_quota,
                users_base_dir: provider.users_base_dir.clone(),
                ..hooks_of(&older.config.data_provider)
            };
            config.compat = moved.evidence.compat().to_owned();
            let mut tree = difference(&serde_json::to_value(config)?, &defaults).unwrap_or_else(|| json!({}));
            say(older, &mut tree, moved);
            say_where_accounts_are(&older.config.data_provider, provider, moved);
            (tree, older.path.as_ref().unwrap_or(place).display().to_string())
        }
        None => {
            let mut tree = json!({});
            // The rule for addresses in both lists depends on the era.
            if sources.is_of_older_server() && moved.evidence.compat() != FIRST_ERA {
                insert(&mut tree, "compat", json!(moved.evidence.compat()));
            }
            if !moved.sftpd.is_empty() || !keys.is_empty() {
                insert(&mut tree, "sftpd", json!(moved.sftpd));
            }
            if !moved.common.is_empty() {
                insert(&mut tree, "common", json!(moved.common));
            }
            if tree == json!({}) {
                return Ok(None);
            }
            (tree, "another server".to_owned())
        }
    };
    if !keys.is_empty() {
        let list: Vec<_> = keys.iter().map(|name| json!({"private_key": name})).collect();
        insert(&mut tree, "sftpd.keys", json!(list));
    }
    let body = toml::to_string(&tree).context("the configuration cannot be written as TOML")?;
    let text = format!("# Made by tidegate migrate from {}.\n\n{body}", origin.replace(char::is_control, "?"));
    if let Err(problems) = check_text(&directory.join("tidegate.toml"), &text) {
        for problem in problems.0 {
            let text = format!("the server does not start before this is settled: {problem}");
            moved.note(NoteKind::Changed, "tidegate.toml", text);
        }
    }
    Ok(Some(text))
}

/// Notes what the configuration that stays here says differently.
pub fn compare(sources: &Sources, compat: &str, moved: &mut Moved) {
    if sources.older.is_some() {
        let text = "there is a configuration here already; it stays as it is";
        moved.note(NoteKind::Changed, "configuration", text);
    }
    let (theirs, ours) = (moved.evidence.compat(), if compat.is_empty() { FIRST_ERA } else { compat });
    if sources.is_of_older_server() && theirs != ours {
        let text = format!("the older server is of the era \"{theirs}\", and this one uses \"{ours}\"");
        moved.note(NoteKind::Changed, "compat", text);
    }
}

/// The configuration with the paths that were relative to another directory.
fn ours(place: &Path, older: &OlderConfig, directory: &Path) -> Config {
    let mut config = older.config.clone();
    let defaults = Config::default();
    config.sftpd.keys.clear();
    (config.httpd.templates_path, config.httpd.static_files_path) =
        (defaults.httpd.templates_path, defaults.httpd.static_files_path);
    let is_in_place = place.canonicalize().ok().is_some_and(|place| directory.canonicalize().ok() == Some(place));
    if is_in_place {
        return config;
    }
    let place = place.canonicalize().unwrap_or_else(|_| place.to_owned());
    let whole = |path: &mut String| {
        if !path.is_empty() {
            *path = place.join(&*path).display().to_string();
        }
    };
    whole(&mut config.sftpd.login_banner_file);
    if config.httpd.backups_path != defaults.httpd.backups_path {
        whole(&mut config.httpd.backups_path);
    }
    let httpd = &mut config.httpd;
    for path in [&mut httpd.certificate_file, &mut httpd.certificate_key_file, &mut httpd.auth_user_file] {
        whole(path);
    }
    for binding in &mut httpd.bindings {
        whole(&mut binding.certificate_file);
        whole(&mut binding.certificate_key_file);
    }
    let http = &mut config.http;
    let certificates = http.certificates.iter_mut().flat_map(|pair| [&mut pair.cert, &mut pair.key]);
    http.ca_certificates.iter_mut().chain(certificates).for_each(|path| *path = place.join(&*path));
    config
}

/// The hooks of the section, without what it says of the older server's database.
fn hooks_of(theirs: &DataProvider) -> DataProvider {
    let ours = DataProvider::default();
    DataProvider {
        driver: ours.driver,
        name: ours.name,
        host: ours.host,
        port: ours.port,
        username: ours.username,
        password: ours.password,
        password_file: ours.password_file,
        root_cert: ours.root_cert,
        client_cert: ours.client_cert,
        client_key: ours.client_key,
        target_session_attrs: ours.target_session_attrs,
        schema: ours.schema,
        sql_tables_prefix: ours.sql_tables_prefix,
        sslmode: ours.sslmode,
        connection_string: ours.connection_string,
        connectionstring: ours.connectionstring,
        users_table: ours.users_table,
        manage_users: ours.manage_users,
        pool_size: ours.pool_size,
        ..theirs.clone()
    }
}

/// Notes what the keys become.
fn say(older: &OlderConfig, tree: &mut Value, moved: &mut Moved) {
    for (key, text) in &older.ignored {
        moved.note(NoteKind::NoCounterpart, key, text);
    }
    for (key, text) in &older.unknown {
        moved.note(NoteKind::NoCounterpart, key, format!("it is left out: {text}"));
    }
    for (key, text, value) in &older.refused {
        if key.starts_with("httpd.") {
            insert(tree, "httpd.bind_port", json!(0));
            moved.note(NoteKind::Changed, key, format!("HTTP is off (httpd.bind_port = 0): {text}"));
        } else {
            insert(tree, key, without_nulls(value));
            let text = format!("it stays in tidegate.toml, and the server does not start before you remove it: {text}");
            moved.note(NoteKind::Changed, key, text);
        }
    }
    if older.config.httpd.bindings.iter().any(|binding| binding.enable_web_client) {
        let text = "it holds here as well: users have pages at /web/client, where they change their password, keys and \
                    one-time codes, and browse no files; set it to false where they are to have none";
        moved.note(NoteKind::Changed, "httpd.bindings.enable_web_client", text);
    }
    if older.config.data_provider.manage_users == 0 {
        let text = "accounts were not to be changed; here they are this server's own, and can be";
        moved.note(NoteKind::Changed, "data_provider.manage_users", text);
    }
    for (path, value) in hooks(tree) {
        let text = format!("{value} is called from where it is, with the rules of compat");
        moved.note(NoteKind::Moved, path, text);
    }
}

/// Notes that the accounts are in a database of another kind than before.
fn say_where_accounts_are(theirs: &DataProvider, ours: &DataProvider, moved: &mut Moved) {
    if theirs.driver == ours.driver {
        return;
    }
    let text = format!(
        "it was \"{}\", and is \"{}\" here: from now on the accounts are in the file {}, and the older server's database \
         is not used; to have them on a database server, name another database in data_provider of tidegate.toml, and run \
         the command again",
        theirs.driver, ours.driver, ours.name
    );
    moved.note(NoteKind::Changed, "data_provider.driver", text);
}

/// The keys whose values are programs or web servers.
fn hooks(tree: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for section in ["common", "sftpd", "data_provider"] {
        let keys = tree.get(section).and_then(Value::as_object).into_iter().flatten();
        for (key, value) in keys {
            let path = format!("{section}.{key}");
            match value {
                Value::String(text) if key.ends_with("_hook") || key.ends_with("_program") => {
                    found.push((path, text.clone()))
                }
                Value::Object(actions) if key == "actions" => {
                    for name in ["command", "http_notification_url", "hook"] {
                        let hook = actions.get(name).and_then(Value::as_str);
                        found.extend(hook.map(|hook| (format!("{path}.{name}"), hook.to_owned())));
                    }
                }
                _ => {}
            }
        }
    }
    for (_, hook) in &mut found {
        *hook = shown_url(hook);
    }
    found
}

/// The parts of a tree that differ from the defaults; `None`: nothing does.
fn difference(value: &Value, default: &Value) -> Option<Value> {
    match (value, default) {
        (Value::Null, _) => None,
        (Value::Object(fields), Value::Object(defaults)) => {
            let inner = |(key, value): (&String, &Value)| {
                let default = defaults.get(key).unwrap_or(&Value::Null);
                difference(value, default).map(|value| (key.clone(), value))
            };
            let differing: Map<String, Value> = fields.iter().filter_map(inner).collect();
            (!differing.is_empty()).then_some(Value::Object(differing))
        }
        (value, default) => (value != default).then(|| value.clone()),
    }
}

/// What TOML can express.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let set = fields.iter().filter(|(_, value)| !value.is_null());
            Value::Object(set.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        Value::Array(items) => items.iter().filter(|item| !item.is_null()).map(without_nulls).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// Sets a dotted key. A value that TOML has not, null, sets nothing.
fn insert(tree: &mut Value, key: &str, value: Value) {
    if value.is_null() {
        return;
    }
    let (section, rest) = key.split_once('.').map_or((key, None), |(section, rest)| (section, Some(rest)));
    let Value::Object(fields) = tree else { return };
    match rest {
        None => drop(fields.insert(section.to_owned(), value)),
        Some(rest) => insert(fields.entry(section).or_insert_with(|| json!({})), rest, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_of_a_hook_is_in_the_report() {
        // A3-06, G-14
        let check = |hook: &str, expected: &str| {
            let tree = json!({"data_provider": {"pre_login_hook": hook, "actions": {"hook": hook}}});
            let shown: Vec<String> = hooks(&tree).into_iter().map(|(_, shown)| shown).collect();
            assert_eq!(shown, [expected, expected], "{hook}");
        };
        check("/usr/local/bin/check", "/usr/local/bin/check");
        check("https://hooks.example/login", "https://hooks.example/login");
        check("https://me:hush@hooks.example/login", "[redacted]");
        check("https://hooks.example/login?token=hush", "https://hooks.example/login?[redacted]");
        check("https://hooks.example/login#hush", "https://hooks.example/login?[redacted]");
    }
}
