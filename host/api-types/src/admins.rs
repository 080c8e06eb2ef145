//! Administrators, and the tokens with which they are logged in.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{ClearPassword, DocumentChange, StoredObject};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListAdmins {
    /// Only administrators whose name comes after this one.
    #[serde(default)]
    pub after: Option<String>,
    /// Only administrators whose name begins with this.
    #[serde(default)]
    pub prefix: Option<String>,
    pub limit: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Admins {
    pub admins: Vec<StoredObject>,
    /// The name after which the next page begins; none if this page is the last.
    pub next: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowAdmin {
    pub username: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddAdmin {
    /// The administrator's document. Its password may be a hash in a known format.
    #[schema(value_type = Object)]
    pub document: Map<String, Value>,
    /// A password in clear, which is hashed whatever it looks like. It replaces the document's.
    #[serde(default)]
    pub clear_password: Option<ClearPassword>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateAdmin {
    pub username: String,
    pub change: DocumentChange,
    /// A password in clear, which is hashed whatever it looks like. It replaces the document's.
    #[serde(default)]
    pub clear_password: Option<ClearPassword>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteAdmin {
    pub username: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeletedAdmin {
    pub deleted: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetAdminCodes {
    pub username: String,
    /// Whether the administrator gets new one-time codes, or loses those that it has.
    pub enable: bool,
}

/// One-time codes that were just made; they are shown only now.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AdminCodes {
    /// The secret in Base32; none: the codes were taken away.
    pub secret: Option<String>,
    /// The URL that authenticators read from a QR code.
    pub url: Option<String>,
    /// Codes that take the place of a one-time code, each once.
    pub recovery_codes: Vec<String>,
}

impl std::fmt::Debug for AdminCodes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListTokens {
    /// Only tokens whose id comes after this one.
    #[serde(default)]
    pub after: Option<String>,
    pub limit: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tokens {
    pub tokens: Vec<Token>,
    /// The id after which the next page begins; none if this page is the last.
    pub next: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// Names the token; it cannot be used to log in.
    pub id: String,
    /// The administrator to whom it was issued; `user:NAME`: the user.
    pub admin: String,
    /// The address to which the token was issued; empty: the host itself.
    pub address: String,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Milliseconds since 1970.
    pub expires_at: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeToken {
    pub id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevokedToken {
    pub revoked: String,
}
