//! One-time codes of administrators (RFC 6238), and recovery codes for the day on which the device is lost.

use serde_json::{Map, Value, json};

use super::credential_text::{digest_of, new_recovery_code, random_bytes};
use super::{Actor, AdminError, Administrators, ShownObject, UseCase};
use crate::secret::Secret;
use totp_rs::Secret as Base32;

/// Bytes of a secret (RFC 4226 §4).
const SECRET: usize = 20;
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
        let secret = Base32::Raw(random_bytes(SECRET)?).to_encoded().to_string();
        let recovery_codes = (0..RECOVERY_CODES).map(|_| new_recovery_code()).collect::<Result<Vec<_>, _>>()?;
        let digests: Vec<_> = recovery_codes.iter().map(|code| digest_of(code)).collect();
        let filters = [("totp_config", json!({ "secret": secret })), ("recovery_codes", json!(digests))];
        self.set_codes(actor, username, Some(filters)).await?;
        let url = format!("otpauth://totp/Tidegate:{}?secret={secret}&issuer=Tidegate", percent_encoded(username));
        Ok(NewCodes {
            secret: Secret::new(secret),
            url: Secret::new(url),
            recovery_codes: recovery_codes.into_iter().map(Secret::new).collect(),
        })
    }

    /// Takes the one-time codes and recovery codes of an administrator away.
    ///
    /// # Errors
    /// As [`make_codes`](Self::make_codes).
    pub async fn remove_codes(&self, actor: &Actor, username: &str) -> Result<ShownObject, AdminError> {
        self.set_codes(actor, username, None).await
    }

    async fn set_codes(
        &self,
        actor: &Actor,
        username: &str,
        codes: Option<[(&str, Value); 2]>,
    ) -> Result<ShownObject, AdminError> {
        let case = UseCase::UpdateAdmin;
        self.audit.allow(actor, case, username).await?;
        let stored = self.stored(username).await?;
        self.check_grants(actor, case, username, &stored.document).await?;
        let mut document = stored.document.clone();
        let filters = document.entry("filters").or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(filters) = filters {
            filters.retain(|field, _| field != "totp_config" && field != "recovery_codes");
            filters.extend(codes.into_iter().flatten().map(|(field, value)| (field.to_owned(), value)));
        }
        self.replace(actor, case, &stored, document).await
    }
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
