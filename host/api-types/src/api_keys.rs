//! API keys.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::StoredObject;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListApiKeys {
    /// Only keys whose id comes after this one.
    #[serde(default)]
    pub after: Option<String>,
    pub limit: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ApiKeys {
    pub keys: Vec<StoredObject>,
    /// The id after which the next page begins; none if this page is the last.
    pub next: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowApiKey {
    /// The id of the key, or its name if no other has the same.
    pub key: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddApiKey {
    /// The key's document: name, description, admin, allow, deny, ips, expires_at and max_uses.
    #[schema(value_type = Object)]
    pub document: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateApiKey {
    /// The id of the key, or its name if no other has the same.
    pub key: String,
    /// The whole document; a field that it lacks gets its default, but for the administrator.
    #[schema(value_type = Object)]
    pub document: Map<String, Value>,
    /// The revision that the change is based on; 0: any.
    #[serde(default)]
    pub revision: i64,
}

/// A key with a text that was just made.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NewApiKey {
    /// The text of the key, which is shown only now.
    pub key: String,
    /// The key's document, without secrets.
    #[schema(value_type = Object)]
    pub document: Map<String, Value>,
}

impl std::fmt::Debug for NewApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateApiKey {
    /// The id of the key, or its name if no other has the same.
    pub key: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteApiKey {
    /// The id of the key, or its name if no other has the same.
    pub key: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeletedApiKey {
    /// The id of the key.
    pub deleted: String,
}
