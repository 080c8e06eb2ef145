//! The objects that accounts refer to by their names: folders, groups and roles. Each is a document with the
//! fields of its kind's table (C5-01, B9-04).

use serde_json::{Map, Value};

use super::DocumentError;
use super::document::merge_fields;
use super::draft::{InvalidAccount, invalid};
use super::fields::{self, ACCOUNT, Field, Maintainer};
use super::folders::{MAX_NAME, check_folder, is_local};
use super::given::{check_file_system, check_filters, check_folders};
use super::group::{Group, as_accounts_take};
use super::inheritance::{self, EXPIRES_IN};
use super::kept_secrets;
use super::object_table::{FOLDER_OBJECT, GROUP_OBJECT, ROLE_OBJECT};
use super::size::check_depth;
use super::stored::folder_name;
use crate::ports::{Collection, FOLDERS, GROUPS, ROLES, StoredDocument, Version};

/// A kind of object that accounts refer to by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// A directory that accounts share (C5).
    Folder,
    /// Settings that accounts take (B9-04).
    Group,
    /// Accounts that the administrators of the role maintain.
    Role,
}

impl ObjectKind {
    /// All kinds; an object refers to objects of earlier kinds only.
    pub const ALL: [Self; 3] = [Self::Folder, Self::Group, Self::Role];

    /// The collection that the objects are stored in.
    pub fn collection(self) -> &'static Collection {
        match self {
            Self::Folder => &FOLDERS,
            Self::Group => &GROUPS,
            Self::Role => &ROLES,
        }
    }

    /// The fields of the documents.
    pub fn fields(self) -> &'static [Field] {
        match self {
            Self::Folder => FOLDER_OBJECT,
            Self::Group => GROUP_OBJECT,
            Self::Role => ROLE_OBJECT,
        }
    }

    /// `document` with the fields that `patch` names changed, as account documents are merged (B15). Fields that
    /// the server maintains stay; unknown fields of `patch` are ignored.
    ///
    /// # Errors
    /// A field of `patch` has another type.
    pub fn merged(
        self,
        mut document: Map<String, Value>,
        patch: &Map<String, Value>,
    ) -> Result<Map<String, Value>, DocumentError> {
        let is_maintained = |name: &str| {
            let field = self.fields().iter().find(|field| field.name.eq_ignore_ascii_case(name));
            field.is_some_and(|field| field.maintainer == Maintainer::Server)
        };
        let patch = patch.iter().filter(|(name, _)| !is_maintained(name));
        let patch = patch.map(|(name, value)| (name.clone(), value.clone())).collect();
        merge_fields(&mut document, &patch, self.fields())?;
        Ok(document)
    }

    /// The document with its fields in the order of their table, and fields that are not known behind them: a store may
    /// give them in an order of its own.
    pub fn in_order(self, mut document: Map<String, Value>) -> Map<String, Value> {
        let mut ordered = Map::with_capacity(document.len());
        for field in self.fields() {
            if let Some(value) = document.shift_remove(field.name) {
                ordered.insert(field.name.to_owned(), value);
            }
        }
        ordered.extend(document);
        ordered
    }

    /// Takes the secrets that the new document does not show from the stored object (A8-15); None: a new object,
    /// where the marks in their places are taken away.
    pub fn keep_secrets(self, stored: Option<&StoredDocument>, document: &mut Map<String, Value>) {
        let none = Map::new();
        kept_secrets::keep(self.fields(), stored.map_or(&none, |stored| &stored.document), document);
    }

    /// The name and the document to store.
    ///
    /// # Errors
    /// The document is not valid; the field is named.
    pub fn validated(self, mut document: Map<String, Value>) -> Result<(String, Map<String, Value>), InvalidAccount> {
        let name = document.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(invalid("name", "must have 1 to 255 characters and no control characters"));
        }
        check_depth(&document)?;
        // Each kind has a column for it.
        document.entry("description").or_insert_with(|| "".into());
        match self {
            Self::Folder => {
                if document.get("filesystem").is_some_and(|value| !value.is_object() && !value.is_null()) {
                    return Err(invalid("filesystem", "must be an object"));
                }
                let mapped_path = check_folder(&document, "")?;
                let is_local = document.get("filesystem").and_then(Value::as_object).is_none_or(is_local);
                if mapped_path.is_empty() && is_local {
                    return Err(invalid("mapped_path", "must be an absolute path"));
                }
                document.insert("mapped_path".to_owned(), mapped_path.into());
            }
            Self::Group => {
                if document.get("virtual_folders").is_some_and(|value| !value.is_array() && !value.is_null()) {
                    return Err(invalid("virtual_folders", "must be an array"));
                }
                if let Some(Value::Object(settings)) = document.get_mut("user_settings") {
                    *settings = under_known_names(std::mem::take(settings));
                }
                let stored = StoredDocument { name, version: Version::default(), document, problem: None };
                Group::of_stored(&stored)?;
                return Ok((stored.name, stored.document));
            }
            Self::Role => {}
        }
        Ok((name, document))
    }

    /// As [`Self::validated`], for what administrators give: a setting that accounts would not take is refused. One that
    /// is stored already, or that moves in, keeps no account out.
    ///
    /// # Errors
    /// The document is not valid, or asks for what a group does not give; the field is named.
    pub fn accepted(self, document: Map<String, Value>) -> Result<(String, Map<String, Value>), InvalidAccount> {
        let (name, document) = self.validated(document)?;
        match (self, document.get("user_settings")) {
            (Self::Folder, _) => check_file_system(document.get("filesystem").unwrap_or(&Value::Null), "")?,
            (Self::Group, Some(Value::Object(settings))) => {
                inheritance::check_given(&as_accounts_take(settings)?)?;
                check_filters(settings.get("filters").unwrap_or(&Value::Null), "user_settings.")?;
                check_file_system(settings.get("filesystem").unwrap_or(&Value::Null), "user_settings.")?;
            }
            (Self::Group | Self::Role, _) => {}
        }
        if self == Self::Group {
            check_folders(document.get("virtual_folders").unwrap_or(&Value::Null))?;
        }
        Ok((name, document))
    }

    /// Why the stored object is not valid, in a sentence; None: it is valid.
    pub fn problem_of(self, stored: &StoredDocument) -> Option<String> {
        let judged = || self.validated(stored.document.clone()).err().map(|error| error.to_string());
        let problem = stored.problem.clone().or_else(judged)?;
        Some(format!("the {} \"{}\" in the database is not valid: {problem}", self.collection().noun, stored.name))
    }

    /// Whether a document, of an account or of a group, refers to the object of that name.
    pub fn is_referred_to(self, document: &Map<String, Value>, name: &str) -> bool {
        let any = |field: &str, is_named: &dyn Fn(&Map<String, Value>) -> bool| {
            let entries = document.get(field).and_then(Value::as_array).into_iter().flatten();
            entries.filter_map(Value::as_object).any(is_named)
        };
        match self {
            Self::Folder => any("virtual_folders", &|entry| folder_name(entry).as_deref() == Some(name)),
            Self::Group => any("groups", &|entry| entry.get("name").and_then(Value::as_str) == Some(name)),
            Self::Role => document.get("role").and_then(Value::as_str) == Some(name),
        }
    }
}

/// The settings of a group under the names of an account's fields: accounts take them in any case (B15), and what looks
/// at the group has to see the same.
fn under_known_names(settings: Map<String, Value>) -> Map<String, Value> {
    let known = |name: String| match fields::find(ACCOUNT, &name) {
        Some(field) => field.name.to_owned(),
        None if name.eq_ignore_ascii_case(EXPIRES_IN) => EXPIRES_IN.to_owned(),
        None => name,
    };
    settings.into_iter().map(|(name, value)| (known(name), value)).collect()
}

/// Takes the paths and file systems out of the folders of a group's document, since the stored folders have them. The
/// answer has each folder's name and the path that the document gave it; empty: none.
pub(super) fn take_folder_paths(document: &mut Map<String, Value>) -> Vec<(String, String)> {
    let folders = document.get_mut("virtual_folders").and_then(Value::as_array_mut).into_iter().flatten();
    let mut taken = Vec::new();
    for folder in folders.filter_map(Value::as_object_mut) {
        let Some(name) = folder_name(folder) else { continue };
        let path = folder.remove("mapped_path");
        // It may have secrets, which are in one place alone.
        folder.remove("filesystem");
        let path = path.as_ref().and_then(Value::as_str).unwrap_or_default().trim_end_matches('/').to_owned();
        folder.insert("name".to_owned(), name.clone().into());
        taken.push((name, path));
    }
    taken
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(kind: ObjectKind, document: Value, expected: Result<Value, &str>) {
        let patch = document.as_object().cloned().unwrap();
        let found = kind.merged(Map::new(), &patch).map_err(|error| error.to_string());
        let found = found.and_then(|document| kind.validated(document).map_err(|error| error.field));
        match expected {
            Ok(expected) => assert_eq!(Value::Object(found.unwrap().1), expected, "{document}"),
            Err(field) => assert!(found.unwrap_err().contains(field), "{document}"),
        }
    }

    #[test]
    fn documents_of_each_kind_are_checked() {
        // C5-01
        use ObjectKind::{Folder, Group, Role};
        check(
            Folder,
            json!({"name": "f", "mapped_path": "/srv/f/", "used_quota_size": 7, "id": 3, "users": ["u"]}),
            Ok(json!({"name": "f", "mapped_path": "/srv/f", "description": ""})),
        );
        let bucket = json!({"provider": 1, "s3config": {"bucket": "b"}});
        check(
            Folder,
            json!({"name": "f", "filesystem": bucket}),
            Ok(json!({"name": "f", "filesystem": bucket, "description": "", "mapped_path": ""})),
        );
        check(Folder, json!({"name": "f", "filesystem": {"provider": 1}}), Err("filesystem.s3config.bucket"));
        check(Folder, json!({"name": "f", "mapped_path": "/srv/f", "filesystem": 7}), Err("filesystem"));
        let deep = (0..100).fold(json!(0), |value, _| json!([value]));
        check(Folder, json!({"name": "f", "filesystem": {"provider": 1, "more": deep}}), Err("filesystem"));
        check(Group, json!({"name": "g", "virtual_folders": {}}), Err("virtual_folders"));
        check(Folder, json!({"name": "f"}), Err("mapped_path"));
        check(Folder, json!({"name": "", "mapped_path": "/srv/f"}), Err("name"));
        check(Folder, json!({"name": "a\nb", "mapped_path": "/srv/f"}), Err("name"));
        check(Folder, json!({"name": "x".repeat(256), "mapped_path": "/srv/f"}), Err("name"));
        check(Folder, json!({"name": "f", "mapped_path": "/srv/../etc"}), Err("mapped_path"));
        check(Folder, json!({"name": "f", "mapped_path": "srv"}), Err("mapped_path"));
        check(Folder, json!({"name": "f", "mapped_path": 7}), Err("mapped_path"));
        // B9-04
        let settings = json!({"max_sessions": 3, "home_dir": "/srv/%username%"});
        check(
            Group,
            json!({"name": "g", "user_settings": settings}),
            Ok(json!({"name": "g", "user_settings": settings, "description": ""})),
        );
        for wrong in [json!("3"), json!(-3), json!(1.5), json!(true)] {
            check(Group, json!({"name": "g", "user_settings": {"expires_in": wrong}}), Err("user_settings.expires_in"));
        }
        check(
            Group,
            json!({"name": "g", "user_settings": {"HOME_DIR": "/srv/g", "Expires_In": 3}}),
            Ok(json!({"name": "g", "user_settings": {"home_dir": "/srv/g", "expires_in": 3}, "description": ""})),
        );
        check(Group, json!({"name": "g", "user_settings": {"max_sessions": "3"}}), Err("user_settings"));
        check(
            Group,
            json!({"name": "g", "user_settings": {"filters": {"allowed_ip": ["x"]}}}),
            Err("filters.allowed_ip"),
        );
        check(Group, json!({"name": ""}), Err("name"));
        check(Role, json!({"NAME": "r", "description": "d"}), Ok(json!({"name": "r", "description": "d"})));
        check(Role, json!({"description": "d"}), Err("name"));
    }

    #[test]
    fn settings_that_accounts_do_not_take_are_refused_to_administrators() {
        // B9-04
        let check = |settings: Value, is_accepted: bool| {
            let document = json!({"name": "g", "user_settings": settings}).as_object().cloned().unwrap();
            assert!(ObjectKind::Group.validated(document.clone()).is_ok(), "{settings}");
            assert_eq!(ObjectKind::Group.accepted(document).is_ok(), is_accepted, "{settings}");
        };
        for (settings, is_accepted) in [
            (json!({"filters": {"require_password_change": true}}), false),
            (json!({"filters": {"Require_Password_Change": true}}), false),
            (json!({"Filters": {"require_password_CHANGE": true}}), false),
            (json!({"filters": {"require_password_change": false}}), true),
            (json!({"filters": {"require_password_change": null, "is_anonymous": true}}), true),
            (json!({"status": 0}), false),
            (json!({"status": 1}), false),
            (json!({"STATUS": 0}), false),
            (json!({"status": null}), true),
            (json!({"expiration_date": 7}), false),
            (json!({"expiration_date": 0, "email": "", "public_keys": [], "role": null, "uid": 0}), true),
            (json!({"expires_in": 7}), true),
            (
                json!({"public_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio"]}),
                false,
            ),
            (json!({"password": "x"}), false),
            (json!({"virtual_folders": [{"name": "f", "virtual_path": "/f"}]}), false),
            (json!({"role": "r"}), false),
            (json!({"gid": 5}), false),
            (json!({"filters": {"totp_config": {"enabled": true, "protocols": ["SSH"]}}}), false),
            (json!({"filters": {"totp_config": {"enabled": false, "protocols": []}}}), true),
            (json!({"filters": {"recovery_codes": [{"secret": "x"}]}}), false),
            (json!({"filters": {"user_type": "OSUser", "tls_certs": ["x"], "data_transfer_limits": [{}]}}), true),
            // C3-01: not known
            (json!({"filters": {"allowed_ips": ["10.0.0.0/8"]}}), false),
            (json!({"filters": {"allowed_ips": []}}), true),
            (json!({"filesystem": {"provider": 1, "s3config": {"bucket": "b", "key_prefx": "p/"}}}), false),
            (json!({"filesystem": {"provider": 1, "s3config": {"bucket": "b", "Key_Prefix": "p/"}}}), true),
        ] {
            check(settings, is_accepted);
        }
    }

    #[test]
    fn references_are_found() {
        let account = json!({
            "role": "r", "groups": [{"name": "g", "type": 1}],
            "virtual_folders": [{"name": "f"}, {"mapped_path": "/srv/old"}, {"name": "", "mapped_path": "/srv/older"}],
        });
        let account = account.as_object().unwrap();
        let check = |kind: ObjectKind, name: &str, expected: bool| {
            assert_eq!(kind.is_referred_to(account, name), expected, "{kind:?} {name}");
        };
        check(ObjectKind::Folder, "f", true);
        check(ObjectKind::Folder, "/srv/old", true);
        check(ObjectKind::Folder, "/srv/older", true);
        check(ObjectKind::Folder, "F", false);
        check(ObjectKind::Group, "g", true);
        check(ObjectKind::Group, "f", false);
        check(ObjectKind::Role, "r", true);
        check(ObjectKind::Role, "", false);
    }
}
