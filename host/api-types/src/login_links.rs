//! Login links, and codes for lost passwords.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddLoginLink {
    /// The user whom the link logs in.
    pub username: String,
    /// A name for people; empty: the id of the link.
    #[serde(default)]
    pub name: String,
    /// How often it may be used; none: once.
    #[serde(default)]
    pub max_uses: Option<i64>,
    /// When it expires, in milliseconds since 1970; none: in 24 hours.
    #[serde(default)]
    pub expires_at: Option<i64>,
    /// Networks that it may be used from; empty: any.
    #[serde(default)]
    pub ips: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoginLink {
    pub id: String,
    pub name: String,
    pub username: String,
    pub max_uses: i64,
    pub uses: i64,
    /// Milliseconds since 1970.
    pub expires_at: i64,
    pub ips: Vec<String>,
    /// Milliseconds since 1970.
    pub created_at: i64,
    pub created_by: String,
}

/// A link that was just made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewLoginLink {
    /// The code, which is shown only now; `POST /api/v2/user/token` takes it.
    pub code: String,
    /// The page at which a browser uses it, below the address of the server; none: no binding has the pages of users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The whole address of that page, where `httpd.allowed_hosts` names the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    pub link: LoginLink,
}

impl std::fmt::Debug for NewLoginLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The login of a portal's user by one click: a link that is good once and for a minute.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OneClickLogin {
    /// The user whom the link logs in.
    pub username: String,
    /// What the login is for, as hooks are told; empty: the account.
    #[serde(default)]
    pub name: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Impersonate {
    /// The user as whom the administrator acts.
    pub username: String,
}

/// A token of a user, for `Authorization: Bearer`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserToken {
    /// The token, which is shown only now.
    pub access_token: String,
    /// Milliseconds since 1970.
    pub expires_at: i64,
}

impl std::fmt::Debug for UserToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListLoginLinks {
    pub username: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoginLinks {
    pub links: Vec<LoginLink>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteLoginLink {
    /// The id of the link.
    pub id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeletedLoginLink {
    /// The id of the link.
    pub deleted: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MakeResetCode {
    pub username: String,
    /// Whether it is for an administrator, and not for the user of an account.
    #[serde(default)]
    pub is_admin: bool,
}

/// A code that was just made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResetCode {
    /// The code, which is shown only now.
    pub code: String,
    /// Milliseconds since 1970.
    pub expires_at: i64,
}

impl std::fmt::Debug for ResetCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}
