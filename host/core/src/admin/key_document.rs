//! The documents of API keys (D-09): their fields, their validation, and what of them is shown.

use ipnet::IpNet;
use serde_json::{Map, Value};

use super::admin_document::{networks_of, texts};
use super::{AdminError, KeyScope, UseCase};
use crate::account::fields::{Field, Kind, field};
use crate::account::{InvalidAccount, check_new_name, invalid};
use crate::ports::{API_KEYS, StoredDocument, Version};

const NATURAL: Kind = Kind::Integer(0, i64::MAX);
const MAX_NAME_BYTES: usize = 255;

/// The fields of an API key's document.
pub const KEY_OBJECT: &[Field] = &[
    field("id", NATURAL, "The key's number, which no other key ever gets").by_server(),
    field("key_id", Kind::Text, "The part of the key's text that is no secret").by_server(),
    field("name", Kind::Text, "A name for people; several keys may have the same"),
    field("description", Kind::Text, "A note for administrators"),
    field("admin", Kind::Text, "The administrator whose permissions, role and networks limit the key"),
    field("allow", Kind::Texts, "Use cases that the key is for, such as \"user.*\"; empty: all"),
    field("deny", Kind::Texts, "Use cases that the key is not for, whatever allow says"),
    field("ips", Kind::Texts, "Networks that the key may be used from; empty: any"),
    field("expires_at", Kind::Time, "When the key expires, in milliseconds since 1970; 0: never"),
    field("max_uses", NATURAL, "How often the key may be used; 0: without limit"),
    field("digest", Kind::Text, "SHA-256 of the key's text").by_server(),
    field("admin_id", NATURAL, "The number of the administrator").by_server(),
    field("created_at", Kind::Time, "When the key was made, in milliseconds since 1970").by_server(),
    field("updated_at", Kind::Time, "When it was changed last or got its text, in milliseconds since 1970").by_server(),
    field("uses", NATURAL, "How often it was used, where max_uses limits that").by_server(),
    field("last_use_at", Kind::Time, "When it was used last, to about a minute; 0: never").by_server(),
];

/// A valid API key.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiKey {
    /// The part of its text that is no secret.
    pub key_id: String,
    /// The state in which it was read.
    pub version: Version,
    /// SHA-256 of its text.
    pub digest: String,
    /// The administrator that limits it, with the id of its document.
    pub admin: Option<(String, i64)>,
    /// The use cases that it is for.
    pub scope: KeyScope,
    /// Networks that it may be used from; empty: any.
    pub networks: Vec<IpNet>,
    /// Milliseconds since 1970; 0: never.
    pub expires_at: i64,
    /// 0: without limit.
    pub max_uses: i64,
    /// Milliseconds since 1970; 0: never.
    pub last_use_at: i64,
}

impl ApiKey {
    /// The key that a stored document says.
    ///
    /// # Errors
    /// The document is not valid.
    pub fn of_stored(stored: &StoredDocument) -> Result<Self, InvalidAccount> {
        if let Some(problem) = &stored.problem {
            return Err(invalid("key_id", problem.clone()));
        }
        let document = &stored.document;
        let text = |field: &str| document.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let number = |field: &str| document.get(field).and_then(Value::as_i64).unwrap_or(0);
        let digest = text("digest");
        if digest.is_empty() {
            return Err(invalid("digest", "is missing"));
        }
        let (scope, networks) = limits_of(document)?;
        Ok(Self {
            key_id: stored.name.clone(),
            version: stored.version,
            digest,
            admin: Some((text("admin"), number("admin_id"))).filter(|(admin, _)| !admin.is_empty()),
            scope,
            networks,
            expires_at: number("expires_at"),
            max_uses: number("max_uses"),
            last_use_at: number("last_use_at"),
        })
    }
}

/// The scope and the networks of a key.
///
/// # Errors
/// A text means no use case, or no network.
pub fn limits_of(document: &Map<String, Value>) -> Result<(KeyScope, Vec<IpNet>), InvalidAccount> {
    let cases = |field: &str| {
        let found = texts(document, field);
        match found.iter().find(|text| !UseCase::ALL.iter().any(|case| case.is_meant_by(text))) {
            Some(text) => {
                Err(invalid(field, format!("\"{text}\" means no use case; write one as \"user.add\" or \"user.*\"")))
            }
            None => Ok(found),
        }
    };
    let scope = KeyScope { allow: cases("allow")?, deny: cases("deny")? };
    Ok((scope, networks_of("ips", &texts(document, "ips"))?))
}

/// Checks the document of a new key. `now`: milliseconds since 1970.
///
/// # Errors
/// A field is not valid.
pub fn check(document: &Map<String, Value>, now: i64) -> Result<(), InvalidAccount> {
    let name = document.get("name").and_then(Value::as_str).unwrap_or_default();
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return Err(invalid("name", "must have 1 to 255 bytes"));
    }
    check_new_name("name", name)?;
    let number = |field: &str| document.get(field).and_then(Value::as_i64).unwrap_or(0);
    if number("max_uses") < 0 {
        return Err(invalid("max_uses", "must not be negative"));
    }
    let expires_at = number("expires_at");
    if expires_at != 0 {
        check_expiry(expires_at, now)?;
    }
    limits_of(document).map(drop)
}

/// The end of the year 9999, in milliseconds since 1970.
const LAST: i64 = 253_402_300_799_999;

/// Checks when something new expires; both are milliseconds since 1970.
///
/// # Errors
/// The time is past, or no calendar has it.
pub(super) fn check_expiry(expires_at: i64, now: i64) -> Result<(), InvalidAccount> {
    if expires_at <= now {
        return Err(invalid("expires_at", "is past; give a time to come in milliseconds since 1970"));
    }
    if expires_at > LAST {
        let problem = format!("is after the year 9999; give milliseconds since 1970, of which {LAST} are the most");
        return Err(invalid("expires_at", problem));
    }
    Ok(())
}

/// What administrators see of a stored key.
pub fn shown(mut document: Map<String, Value>) -> Map<String, Value> {
    for field in ["digest", "admin_id"] {
        document.remove(field);
    }
    document
}

/// The error about a document of a key.
pub fn not_valid(problem: InvalidAccount) -> AdminError {
    AdminError::Object { noun: API_KEYS.noun, problem }
}
