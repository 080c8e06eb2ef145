//! Words that `filters` may hold (C2). Any other word is refused: it would restrict nothing, and the
//! administrator would not notice.

use serde_json::{Map, Value};

use super::draft::{AccountDraft, InvalidAccount, invalid};
use super::filters::OneTimeCodes;
use crate::secret::Secret;

const PROTOCOLS: [&str; 4] = ["SSH", "FTP", "DAV", "HTTP"];
/// Protocols in which a second factor can be asked for.
pub(super) const FACTOR_PROTOCOLS: [&str; 3] = ["SSH", "FTP", "HTTP"];
const WEB_CLIENT: [&str; 10] = [
    "publickey-change-disabled",
    "tls-cert-change-disabled",
    "write-disabled",
    "mfa-disabled",
    "password-change-disabled",
    "api-key-auth-change-disabled",
    "info-change-disabled",
    "shares-disabled",
    "password-reset-disabled",
    "shares-without-password-disabled",
];
const SECRET_STATES: [&str; 9] =
    ["Plain", "AES-256-GCM", "Secretbox", "GCP", "AWS", "VaultTransit", "AzureKeyVault", "OracleKeyVault", "Redacted"];

impl AccountDraft {
    /// The texts of a list, each of which must be one of `known`.
    pub(super) fn words(
        &self,
        object: &Map<String, Value>,
        prefix: &str,
        field: &str,
        known: &[&str],
    ) -> Result<Vec<String>, InvalidAccount> {
        let words = self.texts(object, prefix, field)?;
        match words.iter().find(|word| !known.contains(&word.as_str())) {
            Some(word) => Err(invalid(format!("{prefix}{field}"), unknown(word, known))),
            None => Ok(words),
        }
    }

    /// `denied_protocols`, which may not hold all protocols (B12-06).
    pub(super) fn denied_protocols(&self, filters: &Map<String, Value>) -> Result<Vec<String>, InvalidAccount> {
        let denied = self.words(filters, "filters.", "denied_protocols", &PROTOCOLS)?;
        if PROTOCOLS.iter().all(|protocol| denied.iter().any(|denied| denied == protocol)) {
            return Err(invalid("filters.denied_protocols", "at least one protocol must stay allowed"));
        }
        Ok(denied)
    }

    /// Checks fields that the server keeps without using them, for protocols that it does not speak.
    pub(super) fn check_words(&self, filters: &Map<String, Value>) -> Result<(), InvalidAccount> {
        self.words(filters, "filters.", "web_client", &WEB_CLIENT)?;
        for (field, known) in [("user_type", ["LDAPUser", "OSUser"]), ("tls_username", ["None", "CommonName"])] {
            match filters.get(field).and_then(Value::as_str) {
                None | Some("") => {}
                Some(word) if known.contains(&word) => {}
                Some(word) => return Err(invalid(format!("filters.{field}"), unknown(word, &known))),
            }
        }
        one_of_numbers(filters, "filters.", "ftp_security", 1)?;
        Ok(())
    }

    /// The part of `totp_config` that SSH logins use; None: codes are not enabled for SSH.
    pub(super) fn one_time_codes(&self, filters: &Map<String, Value>) -> Result<Option<OneTimeCodes>, InvalidAccount> {
        const PREFIX: &str = "filters.totp_config.";
        let config = match filters.get("totp_config") {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Object(config)) => config,
            Some(_) => return Err(invalid("filters.totp_config", "must be an object")),
        };
        let enabled = flag(config, PREFIX, "enabled")?;
        let protocols = self.words(config, PREFIX, "protocols", &FACTOR_PROTOCOLS)?;
        if enabled && protocols.is_empty() {
            return Err(invalid(format!("{PREFIX}protocols"), "must name at least one protocol, such as \"SSH\""));
        }
        let secret = secret(config.get("secret"), &format!("{PREFIX}secret"))?;
        Ok((enabled && protocols.iter().any(|protocol| protocol == "SSH")).then_some(OneTimeCodes { secret }))
    }
}

/// The secret in a text, or in an object with a state and a payload (C4-02); None: there is none, or its
/// state is one that this server cannot read.
fn secret(value: Option<&Value>, field: &str) -> Result<Option<Secret>, InvalidAccount> {
    let object = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => return Ok(Some(Secret::new(text.as_str()))),
        Some(Value::Object(object)) => object,
        Some(_) => return Err(invalid(field, "must be a text, or an object with status and payload")),
    };
    let status = object.get("status").and_then(Value::as_str).unwrap_or_default();
    if !status.is_empty() && !SECRET_STATES.contains(&status) {
        return Err(invalid(format!("{field}.status"), unknown(status, &SECRET_STATES)));
    }
    let payload = object.get("payload").and_then(Value::as_str);
    Ok(payload.filter(|_| status == "Plain").map(Secret::new))
}

pub(super) fn flag(object: &Map<String, Value>, prefix: &str, field: &str) -> Result<bool, InvalidAccount> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(invalid(format!("{prefix}{field}"), "must be true or false")),
    }
}

/// A number between 0 and `max`.
pub(super) fn one_of_numbers(
    object: &Map<String, Value>,
    prefix: &str,
    field: &str,
    max: i64,
) -> Result<i64, InvalidAccount> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(0),
        Some(value) => {
            let number = value.as_i64().filter(|number| (0..=max).contains(number));
            number.ok_or_else(|| invalid(format!("{prefix}{field}"), format!("{value} is not between 0 and {max}")))
        }
    }
}

fn unknown(word: &str, known: &[&str]) -> String {
    let is_ssh = ["sftp", "scp"].contains(&word.to_ascii_lowercase().as_str()) && known.contains(&"SSH");
    let meant = known.iter().find(|known| known.eq_ignore_ascii_case(word)).copied();
    match meant.or(is_ssh.then_some("SSH")) {
        Some(meant) => format!("\"{word}\" is not known; write \"{meant}\""),
        None => format!("\"{word}\" is not one of {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::CredentialRule;
    use super::*;

    /// `filters` of an otherwise valid account are refused with an error that contains `expected`; empty:
    /// they are valid.
    fn check(filters: &str, expected: &[&str]) {
        let json = format!(
            r#"{{"status":1,"username":"u","home_dir":"/srv/u","permissions":{{"/":["*"]}},"filters":{filters}}}"#
        );
        match AccountDraft::from_json(&json).unwrap().validate(CredentialRule::Optional) {
            Ok(_) => assert!(expected.is_empty(), "{filters}"),
            Err(error) => {
                let error = error.to_string();
                assert!(!expected.is_empty() && expected.iter().all(|part| error.contains(part)), "{filters}: {error}");
            }
        }
    }

    #[test]
    fn words_that_would_protect_nothing_are_refused() {
        // C2, C3-01, B12-06
        for field in ["denied_protocols", "two_factor_protocols", "2fa_protocols"] {
            let of = |words: &str| format!(r#"{{"{field}":{words}}}"#);
            let place = format!("filters.{field}");
            check(&of(r#"["ssh"]"#), &[&place, "write \"SSH\""]);
            check(&of(r#"["SSH","SFTP"]"#), &[&place, "write \"SSH\""]);
            check(&of(r#"["telnet"]"#), &[&place, "SSH, FTP"]);
            check(&of(r#"[""]"#), &[&place]);
            check(&of(r#"["SSH","HTTP"]"#), &[]);
            check(&of("[]"), &[]);
        }
        check(r#"{"two_factor_protocols":["DAV"]}"#, &["filters.two_factor_protocols"]);
        check(r#"{"denied_protocols":["SSH","FTP","DAV","HTTP"]}"#, &["at least one protocol"]);
        let singles = ["publickey", "password", "keyboard-interactive"];
        let methods = [&singles[..], &["publickey+password", "publickey+keyboard-interactive"]].concat();
        let denied = |methods: &[&str]| serde_json::json!({ "denied_login_methods": methods }).to_string();
        check(&denied(&methods), &["filters.denied_login_methods", "at least one login method"]);
        let by_another_name = [&methods[..1], &methods[2..], &["password-over-SSH"]].concat();
        check(&denied(&by_another_name), &["at least one login method"]);
        for left in 0..methods.len() {
            check(&denied(&[&methods[..left], &methods[left + 1..]].concat()), &[]);
        }
        check(&denied(&["TLSCertificate"]), &[]);
        check(r#"{"web_client":["write_disabled"]}"#, &["filters.web_client", "write-disabled"]);
        check(r#"{"web_client":["write-disabled","mfa-disabled"]}"#, &[]);
        check(r#"{"user_type":"ldapuser"}"#, &["filters.user_type", "write \"LDAPUser\""]);
        check(r#"{"tls_username":"Subject"}"#, &["filters.tls_username"]);
        check(r#"{"user_type":"","tls_username":"None"}"#, &[]);
        check(r#"{"ftp_security":2}"#, &["filters.ftp_security"]);
        check(r#"{"file_patterns":[{"path":"/","deny_policy":2}]}"#, &["filters.file_patterns.0.deny_policy"]);
    }

    #[test]
    fn each_word_of_the_older_server_is_taken() {
        // C2, C3-01: written out, so that none is missed or spelled in another way.
        let of_pages = [
            "publickey-change-disabled",
            "tls-cert-change-disabled",
            "write-disabled",
            "mfa-disabled",
            "password-change-disabled",
            "api-key-auth-change-disabled",
            "info-change-disabled",
            "shares-disabled",
            "password-reset-disabled",
            "shares-without-password-disabled",
        ];
        let elsewhere = ["TLSCertificate", "TLSCertificate+password", "password-over-SSH"];
        for (field, words) in [
            ("denied_protocols", &["SSH", "FTP", "DAV", "HTTP"][..]),
            ("two_factor_protocols", &["SSH", "FTP", "HTTP"]),
            ("web_client", &of_pages),
            ("denied_login_methods", &elsewhere),
        ] {
            for word in words {
                check(&serde_json::json!({field: [word]}).to_string(), &[]);
            }
        }
        for (field, word) in [
            ("user_type", "LDAPUser"),
            ("user_type", "OSUser"),
            ("tls_username", "None"),
            ("tls_username", "CommonName"),
        ] {
            check(&serde_json::json!({field: word}).to_string(), &[]);
        }
    }

    #[test]
    fn patterns_that_are_none_are_refused() {
        // C3-01
        let of = |pattern: &str| format!(r#"{{"file_patterns":[{{"path":"/","denied_patterns":["{pattern}"]}}]}}"#);
        let place = "filters.file_patterns.0.denied_patterns";
        check(&of("Secret[1"), &[place, "\"Secret[1\" is not a pattern", "has no \"]\""]);
        check(&of(r"a\\"), &[place, "nothing follows"]);
        check(&of("a/*"), &[place, "without a slash"]);
        for pattern in ["", "**.exe", "***", "[^a-z]*", "[!a-z]*", r"\\[1\\]", "{a", "a]", "[z-a]"] {
            check(&of(pattern), &[]);
        }
        check(r#"{"file_extensions":[{"path":"/","allowed_extensions":[".[ch"]}]}"#, &["*.[ch"]);
    }

    #[test]
    fn one_time_codes_are_enabled_for_something() {
        // C4-02: secrets are texts or objects.
        let of = |config: &str| format!(r#"{{"totp_config":{config}}}"#);
        check(&of(r#"{"enabled":true,"protocols":["ssh"],"secret":"A"}"#), &["totp_config.protocols", "write \"SSH\""]);
        check(&of(r#"{"enabled":true,"protocols":[],"secret":"A"}"#), &["totp_config.protocols", "at least one"]);
        check(&of(r#"{"enabled":"true","protocols":["SSH"]}"#), &["totp_config.enabled"]);
        check(&of(r#"{"enabled":true,"protocols":"SSH"}"#), &["totp_config.protocols"]);
        check(
            &of(r#"{"enabled":true,"protocols":["SSH"],"secret":{"status":"plain","payload":"A"}}"#),
            &["secret.status"],
        );
        check(&of(r#"{"enabled":true,"protocols":["SSH"],"secret":7}"#), &["totp_config.secret"]);
        check(&of("[]"), &["filters.totp_config"]);
        check(&of(r#"{"enabled":true,"protocols":["SSH"],"secret":{"status":"Plain","payload":"A"}}"#), &[]);
        check(&of(r#"{"enabled":false,"protocols":[]}"#), &[]);
        check(&of("{}"), &[]);
    }

    #[test]
    fn values_that_a_plugin_sets_have_their_types() {
        let check = |field: &str, value: Value, expected: &str| {
            let mut draft = AccountDraft::new("u");
            draft.set("home_dir", Value::from("/srv/u"));
            draft.set_permissions("/", &["*".to_owned()]);
            draft.set_filter(field, value);
            assert_eq!(draft.validate(CredentialRule::Optional).unwrap_err().field, expected);
        };
        check("require_password_change", Value::from("true"), "filters.require_password_change");
        check("hooks", Value::from("none"), "filters.hooks");
        let switches = serde_json::json!({ "external_auth_disabled": 1 });
        check("hooks", switches, "filters.hooks.external_auth_disabled");
        check("external_auth_cache_time", Value::from(-1), "filters.external_auth_cache_time");
        let limits = serde_json::json!([{ "upload_bandwidth": 5 }]);
        check("bandwidth_limits", limits, "filters.bandwidth_limits.0.sources");
    }

    #[test]
    fn a_slash_at_the_end_changes_nothing() {
        check(r#"{"file_patterns":[{"path":"/p/","denied_patterns":["*.exe"]}],"start_directory":"/p/"}"#, &[]);
        let twice = r#"{"file_patterns":[{"path":"/p/"},{"path":"/p"}]}"#;
        check(twice, &["filters.file_patterns", "twice"]);
        // A8-04
        let json = r#"{"status":1,"username":"u","home_dir":"/srv/u","permissions":{"/":["*"],"/p/":["list"]},
            "filters":{"file_patterns":[{"path":"/p/","denied_patterns":["*.exe"]}],"start_directory":"/p/"},
            "virtual_folders":[{"name":"f","virtual_path":"/v/","mapped_path":"/srv/f"}]}"#;
        let account = AccountDraft::from_json(json).unwrap().validate(CredentialRule::Optional).unwrap().account;
        let path = |text: &str| crate::path::VirtualPath::parse_normalised(text).unwrap();
        assert_eq!(account.filters.start_directory, path("/p"));
        let folders: Vec<_> = account.folders.iter().map(|folder| folder.virtual_path.clone()).collect();
        assert_eq!(folders, [path("/v")]);
        assert_eq!(account.permissions.at(&path("/p/x")).tokens(), ["list"]);
        assert_eq!(account.filters.file_patterns.of(&path("/p/a.exe")), super::super::NameVerdict::Denied);
    }
}
