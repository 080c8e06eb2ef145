//! `sftpconfig` of an account's or a folder's `filesystem`, as a place for the storage port (C4).

use serde_json::{Map, Value};

use super::draft::{InvalidAccount, invalid};
use super::filter_words::flag;
use super::object_storage::secret;
use crate::ports::storage::SftpLocation;

/// How the fingerprints begin that are compared.
const FINGERPRINT: &str = "SHA256:";

/// The place that a `filesystem` of provider 5 names. `prefix`: what the names of fields begin with in errors.
///
/// # Errors
/// A field is missing or wrong.
pub(super) fn sftp_location(filesystem: &Map<String, Value>, prefix: &str) -> Result<SftpLocation, InvalidAccount> {
    let none = Map::new();
    let config = filesystem.get("sftpconfig").and_then(Value::as_object).unwrap_or(&none);
    let name = |field: &str| format!("{prefix}filesystem.sftpconfig.{field}");
    let text = |field: &str| match config.get(field) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) if !text.chars().any(char::is_control) => Ok(text.clone()),
        Some(_) => Err(invalid(name(field), "must be a text without control characters")),
    };
    let buffer_size = match config.get("buffer_size") {
        None | Some(Value::Null) => 0,
        Some(value) => {
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok()).filter(|number| *number <= 5000);
            number.ok_or_else(|| invalid(name("buffer_size"), "must be a number from 0 to 5000"))?
        }
    };
    let location = SftpLocation {
        endpoint: text("endpoint")?,
        username: text("username")?,
        password: secret(config, "password", name)?,
        private_key: secret(config, "private_key", name)?,
        key_passphrase: secret(config, "key_passphrase", name)?,
        fingerprints: fingerprints(config, name)?,
        prefix: directory(&text("prefix")?).ok_or_else(|| invalid(name("prefix"), "must not contain \"..\""))?,
        one_read_at_a_time: flag(config, &name(""), "disable_concurrent_reads")?,
        buffer_size,
    };
    if location.endpoint.is_empty() || location.endpoint.contains(['/', '@', ' ']) {
        return Err(invalid(name("endpoint"), "must be HOST:PORT of an SFTP server"));
    }
    if location.username.is_empty() {
        return Err(invalid(name("username"), "must be the name of a user of the SFTP server"));
    }
    if location.password.is_empty() && location.private_key.is_empty() {
        let problem = "needs a password or a private_key; null removes a stored secret";
        return Err(invalid(name("password"), problem));
    }
    Ok(location)
}

fn fingerprints(config: &Map<String, Value>, name: impl Fn(&str) -> String) -> Result<Vec<String>, InvalidAccount> {
    let wrong = || {
        invalid(name("fingerprints"), "must be a list of fingerprints of host keys, each with SHA256: at its beginning")
    };
    match config.get("fingerprints") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => {
            let text = |item: &Value| item.as_str().map(str::trim).map(str::to_owned);
            let known = |text: &String| text.strip_prefix(FINGERPRINT).is_some_and(|digest| !digest.is_empty());
            items.iter().map(|item| text(item).filter(known).ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}

/// The prefix as an absolute path, empty for the root; None: it climbs.
fn directory(prefix: &str) -> Option<String> {
    let names: Vec<&str> = prefix.split('/').filter(|name| !name.is_empty() && *name != ".").collect();
    if names.contains(&"..") {
        return None;
    }
    Some(names.into_iter().fold(String::new(), |path, name| path + "/" + name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::secret::Secret;

    fn check(change: &Value, expected: Result<&str, &str>) {
        let mut config = json!({"endpoint": "h:22", "username": "u", "password": "p"});
        config.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let filesystem = json!({"provider": 5, "sftpconfig": config});
        let outcome = sftp_location(filesystem.as_object().unwrap(), "");
        let outcome = outcome.map(|location| location.prefix).map_err(|error| error.field);
        let expected = expected.map(str::to_owned).map_err(|field| format!("filesystem.sftpconfig.{field}"));
        assert_eq!(outcome, expected, "{change}");
    }

    #[test]
    fn what_names_no_server_is_refused() {
        // C4-01, C4-02
        check(&json!({}), Ok(""));
        check(&json!({"password": null, "private_key": {"status": "Plain", "payload": "k"}}), Ok(""));
        check(&json!({"prefix": "/"}), Ok(""));
        check(&json!({"prefix": "a/./b/"}), Ok("/a/b"));
        check(&json!({"prefix": "/a//b"}), Ok("/a/b"));
        check(&json!({"prefix": "/a/../b"}), Err("prefix"));
        check(&json!({"endpoint": ""}), Err("endpoint"));
        check(&json!({"endpoint": "sftp://h"}), Err("endpoint"));
        check(&json!({"endpoint": "h\n:22"}), Err("endpoint"));
        check(&json!({"username": null}), Err("username"));
        check(&json!({"password": ""}), Err("password"));
        check(&json!({"password": "$aes$00$11"}), Err("password"));
        check(&json!({"private_key": {"status": "Secretbox", "payload": "k"}}), Err("private_key"));
        check(&json!({"fingerprints": ["SHA256:abc"]}), Ok(""));
        check(&json!({"fingerprints": "SHA256:abc"}), Err("fingerprints"));
        check(&json!({"fingerprints": ["SHA256:abc", "MD5:00:11"]}), Err("fingerprints"));
        check(&json!({"fingerprints": ["SHA256:"]}), Err("fingerprints"));
        check(&json!({"fingerprints": ["abc"]}), Err("fingerprints"));
        check(&json!({"fingerprints": [7]}), Err("fingerprints"));
        check(&json!({"buffer_size": -1}), Err("buffer_size"));
        check(&json!({"buffer_size": 0}), Ok(""));
        check(&json!({"buffer_size": 5000}), Ok(""));
        check(&json!({"buffer_size": 5001}), Err("buffer_size"));
        check(&json!({"buffer_size": "2"}), Err("buffer_size"));
        check(&json!({"disable_concurrent_reads": 1}), Err("disable_concurrent_reads"));
        for endpoint in ["u@h:22", "h/d", "h 22"] {
            check(&json!({"endpoint": endpoint}), Err("endpoint"));
        }
    }

    #[test]
    fn a_place_has_what_the_document_says() {
        // C4-01
        let secret = |text: &str| json!({"status": "Plain", "payload": text});
        let filesystem = json!({"provider": 5, "sftpconfig": {
            "endpoint": "h:2022", "username": "u", "password": secret("p"), "private_key": secret("k"),
            "key_passphrase": secret("s"), "fingerprints": [" SHA256:one", "SHA256:two"], "prefix": "/d",
            "disable_concurrent_reads": true, "buffer_size": 3, "equality_check_mode": 1,
        }});
        let location = sftp_location(filesystem.as_object().unwrap(), "").unwrap();
        let expected = SftpLocation {
            endpoint: "h:2022".into(),
            username: "u".into(),
            password: Secret::new("p"),
            private_key: Secret::new("k"),
            key_passphrase: Secret::new("s"),
            fingerprints: vec!["SHA256:one".into(), "SHA256:two".into()],
            prefix: "/d".into(),
            one_read_at_a_time: true,
            buffer_size: 3,
        };
        assert_eq!(location, expected);
        let least = json!({"provider": 5, "sftpconfig": {"endpoint": "h", "username": "u", "password": "p"}});
        let location = sftp_location(least.as_object().unwrap(), "").unwrap();
        assert!(!location.one_read_at_a_time && location.buffer_size == 0 && location.fingerprints.is_empty());
    }
}
