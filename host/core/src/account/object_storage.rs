//! `s3config` of an account's or a folder's `filesystem`, as a place for the storage port (C4, A16).

use serde_json::{Map, Value};

use super::draft::{InvalidAccount, invalid};
use super::endpoints;
use super::filter_words::flag;
use super::sealed::SEALED;
use crate::ports::storage::S3Location;
use crate::secret::Secret;

/// The fields that are set, and that this server cannot follow.
const UNSUPPORTED: [&str; 3] = ["sse_customer_key", "role_arn", "skip_tls_verify"];

/// The bucket that a `filesystem` of provider 1 names. `prefix`: what the names of fields begin with in errors.
///
/// # Errors
/// A field is missing or wrong, or is not supported by this version.
pub(super) fn s3_location(filesystem: &Map<String, Value>, prefix: &str) -> Result<S3Location, InvalidAccount> {
    let none = Map::new();
    let config = filesystem.get("s3config").and_then(Value::as_object).unwrap_or(&none);
    let name = |field: &str| format!("{prefix}filesystem.s3config.{field}");
    let text = |field: &str| match config.get(field) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) if !text.chars().any(char::is_control) => Ok(text.clone()),
        Some(_) => Err(invalid(name(field), "must be a text without control characters")),
    };
    let number = |field: &str| match config.get(field) {
        None | Some(Value::Null) => Ok(0),
        Some(value) => {
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok()).filter(|number| *number <= 5000);
            number.ok_or_else(|| invalid(name(field), "must be a number from 0 to 5000"))
        }
    };
    for field in UNSUPPORTED {
        if config.get(field).is_some_and(is_set) {
            return Err(invalid(name(field), "is not supported by this version"));
        }
    }
    let location = S3Location {
        bucket: text("bucket")?,
        region: text("region")?,
        endpoint: text("endpoint")?,
        access_key: text("access_key")?,
        access_secret: secret(config, "access_secret", name)?,
        session_token: secret(config, "session_token", name)?,
        key_prefix: text("key_prefix")?,
        storage_class: text("storage_class")?,
        acl: text("acl")?,
        // A16-05: a store of one's own is rarely known by a name for each bucket.
        path_style: flag(config, &name(""), "force_path_style")? || !text("endpoint")?.is_empty(),
        upload_part_size: number("upload_part_size")?,
        upload_concurrency: number("upload_concurrency")?,
    };
    if location.bucket.is_empty() || location.bucket.contains('/') {
        return Err(invalid(name("bucket"), "must be the name of a bucket"));
    }
    if !location.endpoint.is_empty()
        && !["http://", "https://"].iter().any(|scheme| location.endpoint.starts_with(scheme))
    {
        return Err(invalid(name("endpoint"), "must be a URL that begins with http:// or https://"));
    }
    if endpoints::has_secret(&location.endpoint) {
        let problem =
            "must be a URL without a name, a password and parameters; give the key in access_key and access_secret";
        return Err(invalid(name("endpoint"), problem));
    }
    if location.access_key.is_empty() != location.access_secret.is_empty() {
        let problem = "access_key and access_secret are set together, or neither is; null removes a stored secret";
        return Err(invalid(name("access_secret"), problem));
    }
    // A16-01
    if location.key_prefix.split('/').any(|part| part == "..") || location.key_prefix.starts_with('/') {
        return Err(invalid(name("key_prefix"), "must not begin with \"/\" or contain \"..\""));
    }
    Ok(location)
}

fn is_set(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(secret) => secret.get("payload").is_some_and(is_set),
        Value::Bool(true) | Value::Number(_) | Value::Array(_) => true,
    }
}

/// A secret: a string, or an object with its state and its payload (C4-02). What another server has encrypted
/// cannot be read here.
pub(super) fn secret(
    config: &Map<String, Value>,
    field: &str,
    name: impl Fn(&str) -> String,
) -> Result<Secret, InvalidAccount> {
    let text = match config.get(field) {
        None | Some(Value::Null) => "",
        Some(Value::String(text)) => text,
        Some(Value::Object(secret)) => {
            let of = |member: &str| secret.get(member).and_then(Value::as_str).unwrap_or_default();
            match of("status") {
                "" | "Plain" => of("payload"),
                SEALED => return Err(invalid(name(field), UNREADABLE)),
                _ => return Err(invalid(name(field), ENCRYPTED)),
            }
        }
        Some(_) => return Err(invalid(name(field), "must be a text, or an object with status and payload")),
    };
    if text.starts_with("$aes$") || text.starts_with("$kms$") {
        return Err(invalid(name(field), ENCRYPTED));
    }
    Ok(Secret::new(text))
}

const UNREADABLE: &str =
    "is encrypted, and its key is not that of this server; restore the key file, or set the secret anew";
const ENCRYPTED: &str = "is encrypted by another server and cannot be read here; give it in plain text";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(config: Value, expected: Result<&str, &str>) {
        let filesystem = json!({"provider": 1, "s3config": config});
        let outcome = s3_location(filesystem.as_object().unwrap(), "");
        let outcome = outcome.map(|location| location.bucket).map_err(|error| error.field);
        let expected = expected.map(str::to_owned).map_err(|field| format!("filesystem.s3config.{field}"));
        assert_eq!(outcome, expected, "{config}");
    }

    #[test]
    fn what_names_no_bucket_is_refused() {
        // A16-01, A16-06
        check(json!({"bucket": "b"}), Ok("b"));
        check(json!({"bucket": "b", "access_key": "k", "access_secret": "s", "endpoint": "http://h:1"}), Ok("b"));
        check(json!({}), Err("bucket"));
        check(json!({"bucket": 7}), Err("bucket"));
        check(json!({"bucket": "b/c"}), Err("bucket"));
        check(json!({"bucket": "b", "access_key": "k"}), Err("access_secret"));
        check(json!({"bucket": "b", "endpoint": "h:1"}), Err("endpoint"));
        check(json!({"bucket": "b", "endpoint": "https://u:p@h"}), Err("endpoint"));
        check(json!({"bucket": "b", "endpoint": "https://h/?sig=s"}), Err("endpoint"));
        check(json!({"bucket": "b", "key_prefix": "/a"}), Err("key_prefix"));
        check(json!({"bucket": "b", "key_prefix": "a/../b"}), Err("key_prefix"));
        check(json!({"bucket": "b", "upload_part_size": -1}), Err("upload_part_size"));
        check(json!({"bucket": "b", "region": "a\nb"}), Err("region"));
        check(json!({"bucket": "b", "force_path_style": "true"}), Err("force_path_style"));
        for (field, set, unset) in [
            ("role_arn", json!("r"), json!("")),
            ("skip_tls_verify", json!(true), json!(false)),
            ("sse_customer_key", json!({"payload": "k"}), json!({})),
        ] {
            check(json!({"bucket": "b", field: set}), Err(field));
            check(json!({"bucket": "b", field: unset}), Ok("b"));
        }
    }

    #[test]
    fn a_bucket_has_what_the_document_says() {
        // C4-01, A16-01, A16-05, A16-06
        let filesystem = json!({"provider": 1, "s3config": {
            "bucket": "b", "region": "eu-west-1", "endpoint": "http://h:9000", "access_key": "k",
            "access_secret": {"status": "Plain", "payload": "s"}, "session_token": "t", "key_prefix": "p/",
            "storage_class": "STANDARD_IA", "acl": "private", "upload_part_size": 16, "upload_concurrency": 3,
        }});
        let expected = S3Location {
            bucket: "b".into(),
            region: "eu-west-1".into(),
            endpoint: "http://h:9000".into(),
            access_key: "k".into(),
            access_secret: Secret::new("s"),
            session_token: Secret::new("t"),
            key_prefix: "p/".into(),
            storage_class: "STANDARD_IA".into(),
            acl: "private".into(),
            path_style: true,
            upload_part_size: 16,
            upload_concurrency: 3,
        };
        assert_eq!(s3_location(filesystem.as_object().unwrap(), "").unwrap(), expected);
        // The bucket's name is in the host at Amazon's store, unless that is not wanted.
        for (config, expected) in [
            (json!({"bucket": "b"}), S3Location { bucket: "b".into(), ..S3Location::default() }),
            (
                json!({"bucket": "b", "force_path_style": true}),
                S3Location { bucket: "b".into(), path_style: true, ..S3Location::default() },
            ),
        ] {
            let filesystem = json!({"provider": 1, "s3config": config});
            assert_eq!(s3_location(filesystem.as_object().unwrap(), "").unwrap(), expected);
        }
    }

    #[test]
    fn secrets_are_texts_or_objects() {
        // C4-02
        let check = |secret: Value, expected: Option<&str>| {
            let filesystem = json!({"s3config": {"bucket": "b", "access_key": "k", "access_secret": secret}});
            let location = s3_location(filesystem.as_object().unwrap(), "").ok();
            assert_eq!(location.as_ref().map(|location| location.access_secret.expose()), expected, "{secret}");
        };
        check(json!("s"), Some("s"));
        check(json!({"status": "Plain", "payload": "s"}), Some("s"));
        check(json!({"status": "Secretbox", "payload": "s", "key": "k"}), None);
        check(json!({"status": "Sealed", "payload": "s"}), None);
        check(json!("$aes$00$11"), None);
        check(json!(["s"]), None);
    }
}
