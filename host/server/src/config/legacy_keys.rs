//! Keys of the older server's later versions: those that are understood under another name, and
//! those that this version does not have. Every ignored key is reported, and none is ignored whose
//! lack would make the server less secure.

use serde_json::{Map, Value, json};

/// A section and a key in it.
pub type Key = (&'static str, &'static str);

/// Sections of services and features that this server does not have.
pub const SECTIONS: [&str; 7] = ["ftpd", "webdavd", "telemetry", "kms", "mfa", "smtp", "acme"];

/// Ignored keys, without which the server is no less secure.
pub const IGNORED: [(&str, &[&str]); 4] = [
    (
        "common",
        &[
            "data_retention_hook",
            "temp_path",
            "resume_max_size",
            "server_version",
            "metadata",
            "event_manager",
            "allow_self_connections",
            "secret_min_entropy",
            "symlink_mode",
            "whitelist_file",
        ],
    ),
    (
        "sftpd",
        &[
            "host_certificates",
            "host_key_algorithms",
            "public_key_algorithms",
            "moduli",
            "trusted_user_ca_keys",
            "revoked_user_certs_file",
            "min_dh_group_exchange_key_size",
            "folder_prefix",
            "max_packet_size",
            "opkssh_path",
        ],
    ),
    (
        "data_provider",
        &[
            "disable_sni",
            "prefer_database_credentials",
            "credentials_path",
            "delayed_quota_update",
            "password_hashing",
            "password_validation",
            "password_caching",
            "update_mode",
            "create_default_admin",
            "naming_rules",
            "is_shared",
            "node",
            "skip_natural_keys_validation",
        ],
    ),
    (
        "httpd",
        &[
            "openapi_path",
            "web_root",
            "ca_certificates",
            "ca_revocation_lists",
            "signing_passphrase",
            "signing_passphrase_file",
            "token_validation",
            "cookie_lifetime",
            "share_cookie_lifetime",
            "jwt_lifetime",
            "max_upload_file_size",
            "cors",
            "setup",
            "hide_support_link",
        ],
    ),
];

/// Refused keys, because a configuration that sets them relies on them.
pub const REFUSED: [(&str, &str, &str); 3] = [
    ("common", "allowlist_status", "addresses that are not on the list could connect"),
    (
        "sftpd",
        "password_authentication",
        "passwords would be accepted whatever it says; deny the method to the accounts",
    ),
    ("httpd", "tls_protocols", "other versions of TLS than those would be served"),
];

/// Keys that another era has elsewhere: section and key there, and here.
pub const MOVED: [(Key, Key); 3] = [
    (("data_provider", "backups_path"), ("httpd", "backups_path")),
    (("sftpd", "proxy_protocol"), ("common", "proxy_protocol")),
    (("sftpd", "proxy_allowed"), ("common", "proxy_allowed")),
];

/// Messages about keys, each with its key.
#[derive(Debug, Default)]
pub struct Told {
    pub refused: Vec<(String, String)>,
    pub ignored: Vec<(String, String)>,
}

/// Removes these keys from the tree, or moves them to the right place. Keys in `defaults` are this server's own.
pub fn translate(value: &mut Value, defaults: &Value) -> Told {
    let mut told = Told::default();
    let Value::Object(tree) = value else { return told };
    ssh_bindings(tree, &mut told);
    http_bindings(tree, &mut told);
    host_keys(tree, &mut told);
    for (old, new) in MOVED {
        moved(tree, old, new, &mut told);
    }
    let is_ours = |section: &str, key: &str| defaults.get(section).and_then(|keys| keys.get(key)).is_some();
    for (section, key, lack) in REFUSED {
        let given = if is_ours(section, key) { None } else { take(tree, section, key) };
        let is_set =
            |value: &Value| is_meaningful(value) || (key == "password_authentication" && *value == json!(false));
        if given.is_some_and(|value| is_set(&value) && value != json!(true)) {
            told.refused.push((
                format!("{section}.{key}"),
                format!("this version does not have the key, and {lack}; remove it"),
            ));
        }
    }
    for (section, keys) in IGNORED {
        for key in keys.iter().filter(|key| !is_ours(section, key)) {
            if take(tree, section, key).is_some_and(|value| is_meaningful(&value)) {
                told.ignored
                    .push((format!("{section}.{key}"), "this version does not have the key; it is ignored".to_owned()));
            }
        }
    }
    for section in SECTIONS.into_iter().filter(|section| defaults.get(*section).is_none()) {
        if tree.remove(section).is_some_and(|value| is_meaningful(&value)) {
            told.ignored.push((section.to_owned(), "this version does not have the section; it is ignored".to_owned()));
        }
    }
    if let Some(Value::Array(plugins)) = tree.get("plugins") {
        if !plugins.is_empty() {
            let text = "programs that the older server called plugins cannot be used; make components of them";
            told.refused.push(("plugins".to_owned(), text.to_owned()));
        }
        tree.remove("plugins");
    }
    told
}

/// Translates `[{ "port": 2022, "address": "" }]` into `bind_port` and `bind_address`. Port 0 turns a binding off.
fn ssh_bindings(tree: &mut Map<String, Value>, told: &mut Told) {
    let section = "sftpd";
    let key = format!("{section}.bindings");
    let Some(given) = take(tree, section, "bindings") else { return };
    let Some(list) = given.as_array().filter(|list| list.iter().all(Value::is_object)) else {
        told.refused.push((key, "must be a list of objects with port and address".to_owned()));
        return;
    };
    let is_on = |binding: &&Value| binding.get("port") != Some(&json!(0));
    let on: Vec<&Value> = list.iter().filter(is_on).collect();
    let keys = tree.entry(section).or_insert_with(|| json!({}));
    let Value::Object(keys) = keys else { return };
    let holds =
        |ours: &str, theirs: &str| keys.contains_key(ours) && on.iter().any(|binding| binding.get(theirs).is_some());
    for (ours, theirs) in [("bind_port", "port"), ("bind_address", "address")] {
        if holds(ours, theirs) {
            told.ignored.push((key.clone(), format!("it is used, and {ours} is ignored")));
        }
    }
    match on.as_slice() {
        [] => {
            told.refused.push((key, "no binding has a port, but the server is there for SFTP; give it one".to_owned()))
        }
        [first, others @ ..] => {
            for (from, to) in [("port", "bind_port"), ("address", "bind_address")] {
                first.get(from).map(|value| keys.insert(to.to_owned(), value.clone()));
            }
            if !others.is_empty() {
                let text =
                    "this version listens on one address; the first that has a port is used, the others are ignored";
                told.ignored.push((key.clone(), text.to_owned()));
            }
            let rest: Vec<_> =
                first.as_object().into_iter().flatten().filter(|(name, value)| is_passed_over(name, value)).collect();
            for (name, _) in rest {
                told.ignored
                    .push((format!("{key}.{name}"), "this version does not have the key; it is ignored".to_owned()));
            }
        }
    }
}

/// Keys of a binding for HTTP that this server does not have.
const OF_HTTP_BINDINGS: [&str; 16] = [
    "apply_proxy_config",
    "base_url",
    "branding",
    "client_ip_header_depth",
    "client_ip_proxy_header",
    "disable_www_auth_header",
    "enable_rest_api",
    "enabled_login_methods",
    "hide_login_url",
    "languages",
    "min_tls_version",
    "oidc",
    "render_openapi",
    "security",
    "tls_cipher_suites",
    "web_client_integrations",
];

/// Removes the keys of bindings for HTTP that this server does not have, and bindings whose port is 0. If none is left,
/// HTTP is off.
fn http_bindings(tree: &mut Map<String, Value>, told: &mut Told) {
    let key = "httpd.bindings";
    let Some(given) = take(tree, "httpd", "bindings") else { return };
    let Value::Array(list) = given else {
        told.refused.push((key.to_owned(), "must be a list of objects with port and address".to_owned()));
        return;
    };
    if list.is_empty() {
        return;
    }
    let mut on = Vec::new();
    for mut binding in list {
        let Value::Object(fields) = &mut binding else {
            told.refused.push((key.to_owned(), "must be a list of objects with port and address".to_owned()));
            return;
        };
        if fields.remove("client_auth_type").is_some_and(|value| is_meaningful(&value)) {
            let text = "this version asks clients for no certificate, so that any client could connect; remove it";
            told.refused.push((format!("{key}.client_auth_type"), text.to_owned()));
        }
        for name in OF_HTTP_BINDINGS {
            if fields.remove(name).is_some_and(|value| is_passed_over(name, &value)) {
                let text = "this version does not have the key; it is ignored".to_owned();
                told.ignored.push((format!("{key}.{name}"), text));
            }
        }
        let is_path = fields.get("address").and_then(Value::as_str).is_some_and(|address| address.starts_with('/'));
        // The older server's default port of a binding is 8080.
        if !is_path && !fields.contains_key("port") {
            fields.insert("port".to_owned(), json!(8080));
        }
        if is_path || fields.get("port") != Some(&json!(0)) {
            on.push(binding);
        }
    }
    let keys = tree.entry("httpd").or_insert_with(|| json!({}));
    let Value::Object(keys) = keys else { return };
    if on.is_empty() {
        keys.insert("bind_port".to_owned(), json!(0));
        return;
    }
    for ours in ["bind_port", "bind_address"] {
        if keys.remove(ours).is_some() {
            told.ignored.push((key.to_owned(), format!("it is used, and {ours} is ignored")));
        }
    }
    keys.insert("bindings".to_owned(), Value::Array(on));
}

fn is_passed_over(name: &str, value: &Value) -> bool {
    match name {
        "port" | "address" => false,
        // The server reads the headers of proxies on every binding, if they are allowed.
        "apply_proxy_config" => *value == json!(false),
        _ => is_meaningful(value),
    }
}

/// Translates a list of paths into `keys`, a list of objects.
fn host_keys(tree: &mut Map<String, Value>, told: &mut Told) {
    let Some(given) = take(tree, "sftpd", "host_keys") else { return };
    let paths = given.as_array().filter(|paths| paths.iter().all(Value::is_string));
    let Some(paths) = paths else {
        told.refused.push(("sftpd.host_keys".to_owned(), "must be a list of paths".to_owned()));
        return;
    };
    if paths.is_empty() {
        return;
    }
    let Some(Value::Object(keys)) = tree.get_mut("sftpd") else { return };
    let ours = Value::Array(paths.iter().map(|path| json!({ "private_key": path })).collect());
    if keys.get("keys").is_some_and(|given| is_meaningful(given) && *given != ours) {
        let text = "it is used, and sftpd.keys is ignored".to_owned();
        told.ignored.push(("sftpd.host_keys".to_owned(), text));
    }
    keys.insert("keys".to_owned(), ours);
}

fn moved(tree: &mut Map<String, Value>, old: Key, new: Key, told: &mut Told) {
    let Some(given) = take(tree, old.0, old.1).filter(is_meaningful) else { return };
    let Value::Object(keys) = tree.entry(new.0).or_insert_with(|| json!({})) else { return };
    match keys.get(new.1) {
        Some(ours) if *ours != given => {
            let text = format!("is an older name of {}.{}, and the two differ; remove one", new.0, new.1);
            told.refused.push((format!("{}.{}", old.0, old.1), text));
        }
        _ => drop(keys.insert(new.1.to_owned(), given)),
    }
}

fn take(tree: &mut Map<String, Value>, section: &str, key: &str) -> Option<Value> {
    tree.get_mut(section)?.as_object_mut()?.remove(key)
}

/// Whether a value asks for anything.
fn is_meaningful(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => items.iter().any(is_meaningful),
        Value::Object(fields) => {
            let is = |name: &str, off: Value| fields.get(name) == Some(&off);
            let is_off = is("enabled", json!(false))
                || is("host", json!(""))
                || is("bind_port", json!(0))
                || is("port", json!(0));
            let has_no_binding = fields.get("bindings").is_some_and(|bindings| !is_meaningful(bindings));
            !is_off && !has_no_binding && fields.values().any(is_meaningful)
        }
    }
}

/// Whether a variable of the environment may name the key.
pub fn is_known(path: &[&str]) -> bool {
    match path {
        [section, ..] if SECTIONS.contains(section) => true,
        [section, key, ..] => {
            let is = |(of, name): (&str, &str)| of == *section && name == *key;
            element_of(&[*section, *key]).is_some()
                || is(("sftpd", "host_keys"))
                || MOVED.iter().any(|(old, _)| is(*old))
                || REFUSED.iter().any(|(of, name, _)| is((of, name)))
                || IGNORED.iter().any(|(of, keys)| of == section && keys.contains(key))
        }
        _ => false,
    }
}

/// The default value of a key, which gives the type of a variable's text.
pub fn default_at(path: &[&str]) -> Option<Value> {
    match path {
        ["sftpd" | "httpd", "bindings"] | ["sftpd", "host_keys" | "proxy_allowed"] => Some(json!([])),
        ["sftpd", "proxy_protocol"] => Some(json!(0)),
        ["data_provider", "backups_path"] => Some(json!("")),
        _ => None,
    }
}

/// The fields of a list's elements.
pub fn element_of(list: &[&str]) -> Option<Value> {
    match list {
        ["sftpd" | "httpd", "bindings"] => Some(json!({ "port": 0, "address": "", "apply_proxy_config": true })),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// `expected`: the tree afterwards, and the keys that are refused and ignored.
    fn check(given: Value, expected: Value, refused: &[&str], ignored: &[&str]) {
        let defaults = serde_json::to_value(Config::default()).unwrap();
        let mut tree = given.clone();
        let told = translate(&mut tree, &defaults);
        let keys = |told: &[(String, String)]| told.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
        assert_eq!(tree, expected, "{given}");
        assert_eq!(
            (keys(&told.refused), keys(&told.ignored)),
            (refused.iter().map(ToString::to_string).collect(), ignored.iter().map(ToString::to_string).collect()),
            "{given}"
        );
    }

    #[test]
    fn later_names_are_understood() {
        // A3-09, A3-52
        let one =
            json!({ "sftpd": { "bindings": [{ "port": 22, "address": "127.0.0.1", "apply_proxy_config": true }] } });
        check(one, json!({ "sftpd": { "bind_port": 22, "bind_address": "127.0.0.1" } }), &[], &[]);
        let off_first = json!({ "sftpd": { "bindings": [{ "port": 0 }, { "port": 23 }] } });
        check(off_first, json!({ "sftpd": { "bind_port": 23 } }), &[], &[]);
        let two = json!({ "sftpd": { "bindings": [{ "port": 22 }, { "port": 23 }] } });
        check(two, json!({ "sftpd": { "bind_port": 22 } }), &[], &["sftpd.bindings"]);
        let both = json!({ "sftpd": { "bind_port": 1, "bind_address": "::1", "bindings": [{ "port": 22 }] } });
        check(both, json!({ "sftpd": { "bind_port": 22, "bind_address": "::1" } }), &[], &["sftpd.bindings"]);
        let address = json!({ "sftpd": { "bindings": [{ "address": "::1" }] } });
        check(address, json!({ "sftpd": { "bind_address": "::1" } }), &[], &[]);
        check(json!({ "sftpd": { "bindings": [] } }), json!({ "sftpd": {} }), &["sftpd.bindings"], &[]);
        check(json!({ "sftpd": { "bindings": 22 } }), json!({ "sftpd": {} }), &["sftpd.bindings"], &[]);
        check(json!({ "httpd": { "bindings": [{ "port": 0 }] } }), json!({ "httpd": { "bind_port": 0 } }), &[], &[]);
        let web =
            json!({ "httpd": { "bindings": [{ "port": 80, "enable_https": true, "apply_proxy_config": false }] } });
        let kept = json!({ "httpd": { "bindings": [{ "port": 80, "enable_https": true }] } });
        check(web, kept, &[], &["httpd.bindings.apply_proxy_config"]);
        let several = json!({ "httpd": { "bindings": [{ "port": 0 }, { "port": 81 }, { "address": "/run/http" }] } });
        let kept = json!({ "httpd": { "bindings": [{ "port": 81 }, { "address": "/run/http" }] } });
        check(several, kept, &[], &[]);
        let asks = json!({ "httpd": { "bindings": [{ "port": 80, "client_auth_type": 1 }] } });
        let kept = json!({ "httpd": { "bindings": [{ "port": 80 }] } });
        check(asks, kept, &["httpd.bindings.client_auth_type"], &[]);
        check(json!({ "httpd": { "bindings": [] } }), json!({ "httpd": {} }), &[], &[]);
        let keys = json!({ "sftpd": { "host_keys": ["a", "b"] } });
        check(keys, json!({ "sftpd": { "keys": [{ "private_key": "a" }, { "private_key": "b" }] } }), &[], &[]);
        check(json!({ "sftpd": { "host_keys": [], "keys": [] } }), json!({ "sftpd": { "keys": [] } }), &[], &[]);
        let backups = json!({ "data_provider": { "backups_path": "/b" } });
        check(backups, json!({ "data_provider": {}, "httpd": { "backups_path": "/b" } }), &[], &[]);
        let proxy = json!({ "sftpd": { "proxy_protocol": 1 } });
        check(proxy, json!({ "sftpd": {}, "common": { "proxy_protocol": 1 } }), &[], &[]);
        let differ = json!({ "data_provider": { "backups_path": "/b" }, "httpd": { "backups_path": "c" } });
        let left = json!({ "data_provider": {}, "httpd": { "backups_path": "c" } });
        check(differ, left, &["data_provider.backups_path"], &[]);
    }

    #[test]
    fn what_there_is_not_is_said() {
        // A3-09
        let ignored = |given: Value, key: &str| {
            let section = key.split('.').next().unwrap();
            let left = if key.contains('.') { json!({ section: {} }) } else { json!({}) };
            check(given, left, &[], &[key]);
        };
        ignored(json!({ "common": { "data_retention_hook": "/retain" } }), "common.data_retention_hook");
        ignored(json!({ "sftpd": { "trusted_user_ca_keys": ["/ca"] } }), "sftpd.trusted_user_ca_keys");
        ignored(json!({ "data_provider": { "naming_rules": 5 } }), "data_provider.naming_rules");
        ignored(json!({ "ftpd": { "bindings": [{ "port": 21 }] } }), "ftpd");
        ignored(json!({ "smtp": { "host": "mail", "port": 25 } }), "smtp");
        let silent = |given: Value| {
            let section = given.as_object().unwrap().keys().next().unwrap().clone();
            let left = if SECTIONS.contains(&section.as_str()) { json!({}) } else { json!({ section: {} }) };
            check(given, left, &[], &[]);
        };
        silent(json!({ "common": { "event_manager": { "enabled": false, "enabled_commands": ["x"] } } }));
        silent(json!({ "ftpd": { "bindings": [{ "port": 0, "address": "x" }], "banner": "x" } }));
        silent(json!({ "telemetry": { "bind_port": 0, "bind_address": "127.0.0.1" } }));
        silent(json!({ "smtp": { "host": "", "port": 587 } }));
        silent(json!({ "sftpd": { "password_authentication": true } }));
        silent(json!({ "httpd": { "tls_protocols": [] } }));
        let refused = |given: Value, key: &str| {
            let section = key.split('.').next().unwrap();
            check(given, json!({ section: {} }), &[key], &[]);
        };
        refused(json!({ "sftpd": { "password_authentication": false } }), "sftpd.password_authentication");
        refused(json!({ "common": { "allowlist_status": 1 } }), "common.allowlist_status");
        refused(json!({ "httpd": { "tls_protocols": [13] } }), "httpd.tls_protocols");
        check(json!({ "plugins": [] }), json!({}), &[], &[]);
        check(json!({ "plugins": [{ "type": "auth" }] }), json!({}), &["plugins"], &[]);
        check(json!({ "plugins": { "directory": "p" } }), json!({ "plugins": { "directory": "p" } }), &[], &[]);
    }
}
