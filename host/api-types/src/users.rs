//! Accounts. Their documents are those of spec C, with the keys in the order to which scripts are used.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A password in clear, as an administrator typed it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct ClearPassword(pub String);

impl std::fmt::Debug for ClearPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListUsers {
    /// Only accounts whose name comes after this one.
    #[serde(default)]
    pub after: Option<String>,
    /// Only accounts whose name begins with this.
    #[serde(default)]
    pub prefix: Option<String>,
    /// Only accounts with this role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Only accounts in this group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Only enabled accounts, or only disabled ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Only accounts whose name has this text anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    pub limit: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Users {
    pub users: Vec<User>,
    /// Accounts whose stored document is not valid.
    pub invalid: Vec<InvalidUser>,
    /// The name after which the next page begins; none if this page is the last.
    pub next: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// The account's revision, which is another one after each change.
    pub revision: i64,
    /// The account's document, without secrets.
    #[schema(value_type = Object)]
    pub document: Map<String, Value>,
    /// What makes the stored document invalid; none if the account can be used.
    #[serde(default)]
    pub problem: Option<String>,
    /// Remarks for the administrator, in sentences.
    #[serde(default)]
    pub notes: Vec<String>,
}

impl User {
    pub fn username(&self) -> &str {
        self.document.get("username").and_then(Value::as_str).unwrap_or_default()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InvalidUser {
    pub username: String,
    pub problem: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowUser {
    pub username: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddUser {
    /// The account's document. Its password may be a hash in a known format.
    #[schema(value_type = Object)]
    pub document: Map<String, Value>,
    /// A password in clear, which is hashed whatever it looks like. It replaces the document's.
    #[serde(default)]
    pub clear_password: Option<ClearPassword>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateUser {
    pub username: String,
    pub change: DocumentChange,
    /// A password in clear, which is hashed whatever it looks like. It replaces the document's.
    #[serde(default)]
    pub clear_password: Option<ClearPassword>,
}

/// A change of an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentChange {
    /// Sets the fields that the patches name, one patch after the other, in the account as it is
    /// now, even if it was changed meanwhile. Maps such as `permissions` are merged key by key;
    /// those named in `replaced` are emptied first.
    Fields {
        #[schema(value_type = Vec<Object>)]
        patches: Vec<Map<String, Value>>,
        #[serde(default)]
        replaced: Vec<String>,
    },
    /// Replaces the whole document, which was made from that revision: refused as a conflict if the
    /// account has another.
    Document {
        #[schema(value_type = Object)]
        document: Map<String, Value>,
        revision: i64,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteUser {
    pub username: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeletedUser {
    pub deleted: String,
}
