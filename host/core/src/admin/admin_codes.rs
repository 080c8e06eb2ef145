//! One-time codes of administrators (RFC 6238), and recovery codes for the day on which the device is lost.

use serde_json::{Map, Value, json};

use super::credential_text::{digest_of, new_recovery_code, random_bytes};
use super::{Actor, AdminError, Administrators, DocumentChange, Identity, ShownObject, UseCase, UserAdministration};
use crate::ports::Version;
use crate::secret::Secret;
use totp_rs::Secret as Base32;

/// Bytes of a secret (RFC 4226 §4).
pub(super) const SECRET: usize = 20;
const RECOVERY_CODES: usize = 12;

/// One-time codes that were just made; the store has the secret, and digests of the recovery codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCodes {
    /// The secret in Base32 (RFC 4648 §6).
    pub secret: Secret,
    /// The URL that authenticators read from a QR code.
    pub url: Secret,
    /// Codes that take the place of a one-time code, each once.
    pub recovery_codes: Vec<Secret>,
}

impl Administrators {
    /// Gives an administrator new one-time codes and recovery codes; earlier ones are no longer good.
    ///
    /// # Errors
    /// The use case is not for the actor, the administrator has more permissions, there is no such administrator, the
    /// system gives no random numbers, or the store fails.
    pub async fn make_codes(&self, actor: &Actor, username: &str) -> Result<NewCodes, AdminError> {
        Ok(self.make_codes_version(actor, username, None).await?.0)
    }

    /// As [`make_codes`](Self::make_codes), if the administrator is in the state `expected`; None: in any. With the codes comes
    /// the administrator that has them.
    ///
    /// # Errors
    /// As of [`make_codes`](Self::make_codes), and the administrator has another version (`Conflict`).
    pub async fn make_codes_version(
        &self,
        actor: &Actor,
        username: &str,
        expected: Option<Version>,
    ) -> Result<(NewCodes, ShownObject), AdminError> {
        let (codes, filters) = new_codes(username)?;
        let changed = self.set_codes(actor, username, Some(filters), expected).await?;
        Ok((codes, changed))
    }

    /// Whether the actor, an administrator, has one-time codes.
    ///
    /// # Errors
    /// The actor is no administrator, or the store fails.
    pub async fn has_own_codes(&self, actor: &Actor) -> Result<bool, AdminError> {
        let Identity::Administrator { admin: (name, _), .. } = &actor.identity else { return Ok(false) };
        let stored = self.stored(name).await?;
        let config = stored.document.get("filters").and_then(|filters| filters.get("totp_config"));
        Ok(config.and_then(|config| config.get("secret")).is_some())
    }

    /// Gives the actor, an administrator, new one-time codes and recovery codes. `current`: its password.
    ///
    /// # Errors
    /// The actor is no administrator, its current password is another, the system gives no random numbers, or the store
    /// fails.
    pub async fn make_own_codes(&self, actor: &Actor, current: &Secret) -> Result<NewCodes, AdminError> {
        let (stored, _) = self.own(actor, current).await?;
        let (codes, filters) = new_codes(&stored.name)?;
        let document = with_codes(&stored.document, Some(filters));
        self.replace(actor, UseCase::UpdateAdmin, &stored, document).await?;
        Ok(codes)
    }

    /// Takes the actor's own one-time codes and recovery codes away. `current`: its password.
    ///
    /// # Errors
    /// As [`make_own_codes`](Self::make_own_codes), or the administrator has to have codes.
    pub async fn remove_own_codes(&self, actor: &Actor, current: &Secret) -> Result<(), AdminError> {
        let (stored, administrator) = self.own(actor, current).await?;
        if administrator.needs_codes {
            let refused = "this administrator has to have one-time codes; they can be replaced by new ones".to_owned();
            let (case, refused) = (UseCase::UpdateAdmin, AdminError::NotForActor(refused));
            return Err(self.audit.refuse(actor, case, &stored.name, refused).await);
        }
        let document = with_codes(&stored.document, None);
        self.replace(actor, UseCase::UpdateAdmin, &stored, document).await.map(drop)
    }

    /// Takes the one-time codes and recovery codes of an administrator away.
    ///
    /// # Errors
    /// As [`make_codes`](Self::make_codes).
    pub async fn remove_codes(&self, actor: &Actor, username: &str) -> Result<ShownObject, AdminError> {
        self.remove_codes_version(actor, username, None).await
    }

    /// As [`remove_codes`](Self::remove_codes), if the administrator is in the state `expected`; None: in any.
    ///
    /// # Errors
    /// As of [`remove_codes`](Self::remove_codes), and the administrator has another version (`Conflict`).
    pub async fn remove_codes_version(
        &self,
        actor: &Actor,
        username: &str,
        expected: Option<Version>,
    ) -> Result<ShownObject, AdminError> {
        self.set_codes(actor, username, None, expected).await
    }

    async fn set_codes(
        &self,
        actor: &Actor,
        username: &str,
        codes: Option<Filters>,
        expected: Option<Version>,
    ) -> Result<ShownObject, AdminError> {
        let case = UseCase::UpdateAdmin;
        self.audit.allow(actor, case, username).await?;
        let stored = self.expected(username, expected).await?;
        self.refuse_own(actor, case, username).await?;
        self.check_grants(actor, case, username, &stored.document).await?;
        let document = with_codes(&stored.document, codes);
        self.replace(actor, case, &stored, document).await
    }
}

impl UserAdministration {
    /// Gives an account new one-time codes for logins by SSH; earlier ones are no longer good. There are no recovery
    /// codes: an administrator makes new ones.
    ///
    /// # Errors
    /// As of [`update`](Self::update), or the system gives no random numbers.
    pub async fn make_codes(&self, actor: &Actor, username: &str) -> Result<NewCodes, AdminError> {
        self.audit.allow(actor, UseCase::UpdateUser, username).await?;
        let (secret, url) = new_secret(username)?;
        let payload = json!({ "status": "Plain", "payload": secret });
        let config = json!({ "enabled": true, "config_name": "Default", "secret": payload, "protocols": ["SSH"] });
        self.set_codes(actor, username, config).await?;
        Ok(NewCodes { secret: Secret::new(secret), url: Secret::new(url), recovery_codes: Vec::new() })
    }

    /// Takes the one-time codes of an account away.
    ///
    /// # Errors
    /// As of [`update`](Self::update).
    pub async fn remove_codes(&self, actor: &Actor, username: &str) -> Result<(), AdminError> {
        self.set_codes(actor, username, json!({ "enabled": false })).await
    }

    async fn set_codes(&self, actor: &Actor, username: &str, config: Value) -> Result<(), AdminError> {
        let patch = Map::from_iter([("filters".to_owned(), json!({ "totp_config": config }))]);
        let change = DocumentChange::Fields { patches: vec![patch], replaced: Vec::new() };
        self.update(actor, username, change, None).await.map(drop)
    }
}

/// What the filters of an administrator have of codes.
type Filters = [(&'static str, Value); 2];

/// A secret in Base32, and the URL with it.
pub(super) fn new_secret(username: &str) -> Result<(String, String), AdminError> {
    let secret = Base32::Raw(random_bytes(SECRET)?).to_encoded().to_string();
    let url = format!("otpauth://totp/Tidegate:{}?secret={secret}&issuer=Tidegate", percent_encoded(username));
    Ok((secret, url))
}

/// New recovery codes.
pub(super) fn new_recovery_codes() -> Result<Vec<String>, AdminError> {
    Ok((0..RECOVERY_CODES).map(|_| new_recovery_code()).collect::<Result<Vec<_>, _>>()?)
}

/// Codes of an administrator, and what is stored of them.
fn new_codes(username: &str) -> Result<(NewCodes, Filters), AdminError> {
    let (secret, url) = new_secret(username)?;
    let recovery_codes = new_recovery_codes()?;
    let digests: Vec<_> = recovery_codes.iter().map(|code| digest_of(code)).collect();
    let filters = [("totp_config", json!({ "secret": secret })), ("recovery_codes", json!(digests))];
    let recovery_codes = recovery_codes.into_iter().map(Secret::new).collect();
    Ok((NewCodes { secret: Secret::new(secret), url: Secret::new(url), recovery_codes }, filters))
}

fn with_codes(document: &Map<String, Value>, codes: Option<Filters>) -> Map<String, Value> {
    let mut document = document.clone();
    let filters = document.entry("filters").or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(filters) = filters {
        filters.retain(|field, _| field != "totp_config" && field != "recovery_codes");
        filters.extend(codes.into_iter().flatten().map(|(field, value)| (field.to_owned(), value)));
    }
    document
}

/// RFC 3986 §2.1
fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_urls_are_encoded() {
        for (name, expected) in [("root", "root"), ("a&b c", "a%26b%20c"), ("é", "%C3%A9")] {
            assert_eq!(percent_encoded(name), expected);
        }
    }
}
