//! The objects that accounts refer to: folders, groups and roles.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::DocumentChange;

/// A kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectKind {
    /// A directory that accounts share.
    Folder,
    /// Settings that accounts take.
    Group,
    /// Accounts that the administrators of the role maintain.
    Role,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListObjects {
    pub kind: ObjectKind,
    /// Only objects whose name comes after this one.
    #[serde(default)]
    pub after: Option<String>,
    /// Only objects whose name begins with this.
    #[serde(default)]
    pub prefix: Option<String>,
    pub limit: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Objects {
    pub objects: Vec<StoredObject>,
    /// The name after which the next page begins; none if this page is the last.
    pub next: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StoredObject {
    /// The object's revision, which is another one after each change.
    pub revision: i64,
    /// The object's document, without secrets.
    #[schema(value_type = Object)]
    pub document: Map<String, Value>,
    /// What makes the stored object invalid; none if it can be used.
    #[serde(default)]
    pub problem: Option<String>,
}

impl StoredObject {
    pub fn name(&self) -> &str {
        self.document.get("name").and_then(Value::as_str).unwrap_or_default()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowObject {
    pub kind: ObjectKind,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ShownObject {
    pub object: StoredObject,
    /// The accounts that refer to the object.
    pub users: Vec<String>,
    /// The groups that refer to the object.
    pub groups: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddObject {
    pub kind: ObjectKind,
    #[schema(value_type = Object)]
    pub document: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateObject {
    pub kind: ObjectKind,
    pub name: String,
    pub change: DocumentChange,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteObject {
    pub kind: ObjectKind,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeletedObject {
    pub deleted: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DumpObjects {
    pub kind: ObjectKind,
    /// Only objects whose name comes after this one.
    #[serde(default)]
    pub after: Option<String>,
    pub limit: u32,
}

#[derive(Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DumpedObjects {
    /// The objects' documents with their secrets, whether valid or not.
    #[schema(value_type = Vec<Object>)]
    pub objects: Vec<Map<String, Value>>,
    /// Those among them that are not valid, in a sentence each.
    #[serde(default)]
    pub invalid: Vec<String>,
    /// The name after which the next page begins; none if this page is the last.
    pub next: Option<String>,
}

impl std::fmt::Debug for DumpedObjects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DumpedObjects({} objects)", self.objects.len())
    }
}
