//! The checks of an account document, with a function for each field (A8, C1, C3).

use serde_json::{Map, Value};

use super::draft::{AccountDraft, CredentialRule, InvalidAccount, Validated, invalid};
use super::fields::{ACCOUNT, Field, HAS_PASSWORD, Kind, Member};
use super::filter_validation::objects;
use super::filter_words::one_of_numbers;
use super::object_storage::s3_location;
use super::sftp_storage::sftp_location;
use super::{AccountValues, User};
use crate::password::{PasswordHash, PasswordText, known_prefixes};
use crate::path::VirtualPath;
use crate::permission::{PermissionSet, PermissionTable};
use crate::presented::check_password;
use crate::public_key::{PublicKey, key_lines};

/// Bytes of one unit of volume limits, as in the older server.
const MEGABYTE: u64 = 1 << 20;
const MAX_USERNAME: usize = 255;

impl AccountDraft {
    /// Checks one field alone, as [`validate`](Self::validate) will, so that a component hears of a mistake
    /// when it sets the field. What several fields, or several directories, have to do with each other is checked
    /// only in the end.
    ///
    /// # Errors
    /// The field is not valid.
    pub fn check(&self, field: &str) -> Result<(), InvalidAccount> {
        match ACCOUNT.iter().find(|known| known.name == field) {
            Some(known) => self.read(known, &mut AccountValues::blank()),
            None => Ok(()),
        }
    }

    /// Checks the field as its row in the table says, and stores its value in its member.
    fn read(&self, field: &Field, values: &mut AccountValues) -> Result<(), InvalidAccount> {
        match field.member {
            Member::Held(read, _) | Member::Derived(read) => read(self, field, values),
            Member::Kept => Ok(()),
        }
    }

    /// Makes the account, if every field is valid: the only validation there is (A8, C1).
    ///
    /// # Errors
    /// The first field that is not valid.
    pub fn validate(self, rule: CredentialRule) -> Result<Validated, InvalidAccount> {
        let mut values = AccountValues::blank();
        for field in ACCOUNT {
            self.read(field, &mut values)?;
        }
        // Not with the field: a component sets one directory after the other.
        if !values.permissions.entries().any(|(directory, _)| directory.is_root()) {
            return Err(invalid("permissions", "permissions for \"/\" are needed"));
        }
        values.other = self.other_fields();
        let clear_password = match self.password_text()? {
            PasswordText::Clear(clear) => Some(clear),
            PasswordText::Hash(_) | PasswordText::Absent | PasswordText::Locked | PasswordText::Unknown(_) => None,
        };
        // A locked password says that there is to be none.
        let lacks_password = values.password.is_none() && clear_password.is_none() && !self.has_locked_password();
        if rule == CredentialRule::Required && lacks_password && values.public_keys.is_empty() {
            return Err(invalid("password", "a password or at least one public key is needed"));
        }
        let revision = self.base.as_ref().map_or(0, |base| base.version.revision);
        Ok(Validated { account: User { values, revision }, clear_password })
    }

    pub(super) fn text(&self, field: &str) -> &str {
        self.document.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// The integer, within the field's bounds; 0 where it is left out.
    pub(super) fn integer(&self, field: &Field) -> Result<i64, InvalidAccount> {
        let (min, max) = match field.kind {
            Kind::Integer(min, max) => (min, max),
            Kind::Time
            | Kind::Text
            | Kind::Flag
            | Kind::Texts
            | Kind::Permissions
            | Kind::Object(_)
            | Kind::Whole(_)
            | Kind::List(_)
            | Kind::SecretText
            | Kind::Anything => (0, i64::MAX),
        };
        let value = match self.document.get(field.name) {
            None | Some(Value::Null) => 0,
            Some(value) => value.as_i64().ok_or_else(|| invalid(field.name, "must be an integer"))?,
        };
        if (min..=max).contains(&value) {
            Ok(value)
        } else {
            Err(invalid(field.name, format!("{value} is not between {min} and {max}")))
        }
    }

    /// A volume limit in bytes.
    pub(super) fn megabytes(&self, field: &Field) -> Result<u64, InvalidAccount> {
        Ok(self.integer(field)?.unsigned_abs().saturating_mul(MEGABYTE))
    }

    pub(super) fn small_integer(&self, field: &Field) -> Result<u32, InvalidAccount> {
        let value = self.integer(field)?;
        u32::try_from(value).map_err(|_| invalid(field.name, format!("{value} is not between 0 and {}", u32::MAX)))
    }

    pub(super) fn texts(
        &self,
        object: &Map<String, Value>,
        prefix: &str,
        field: &str,
    ) -> Result<Vec<String>, InvalidAccount> {
        let items = match object.get(field) {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(_) => {
                return Err(invalid(format!("{prefix}{field}"), "must be a list of strings"));
            }
        };
        items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .ok_or_else(|| invalid(format!("{prefix}{field}"), "must be a list of strings"))
    }

    pub(super) fn validated_username(&self) -> Result<String, InvalidAccount> {
        let username = self.text("username");
        if username.is_empty() {
            return Err(invalid("username", "must not be empty"));
        }
        // As the older server's columns; a character has up to four bytes.
        if username.chars().count() > MAX_USERNAME {
            return Err(invalid("username", format!("is longer than {MAX_USERNAME} characters")));
        }
        if username.chars().any(char::is_control) {
            return Err(invalid("username", "must not contain control characters"));
        }
        Ok(username.to_owned())
    }

    /// A typed password is clear text (A8-18); one in the document is what its prefix says (A8-11).
    fn password_text(&self) -> Result<PasswordText, InvalidAccount> {
        let text = match &self.clear_password {
            Some(clear) => PasswordText::Clear(clear.clone()),
            None => PasswordText::of(self.text("password")),
        };
        match text {
            // No login with it would be let in.
            PasswordText::Clear(clear) => match check_password(&clear) {
                Ok(()) => Ok(PasswordText::Clear(clear)),
                Err(unfit) => Err(invalid("password", unfit.to_string())),
            },
            PasswordText::Unknown(name) => {
                let problem = format!(
                    "looks like a hash of the kind {name}, which cannot be checked here (these can: {}); set the \
                     password anew",
                    known_prefixes()
                );
                Err(invalid("password", problem))
            }
            text => Ok(text),
        }
    }

    fn has_locked_password(&self) -> bool {
        matches!(self.password_text(), Ok(PasswordText::Locked))
    }

    pub(super) fn validated_public_keys(&self) -> Result<(Vec<PublicKey>, Vec<String>), InvalidAccount> {
        let mut keys = Vec::new();
        let mut lines = Vec::new();
        for (index, text) in self.texts(&self.document, "", "public_keys")?.into_iter().enumerate() {
            // A text that was pasted from an authorized_keys file may have several lines, and comments.
            let has_several = text.trim().lines().nth(1).is_some();
            for (number, line) in key_lines(&text) {
                let place = if has_several { format!("line {number}: ") } else { String::new() };
                let key = PublicKey::parse(line)
                    .map_err(|error| invalid(format!("public_keys.{index}"), format!("{place}{error}")))?;
                keys.push(key);
                lines.push(line.to_owned());
            }
        }
        // Each session has its own; most accounts have one key, where a list that grows has room for four.
        keys.shrink_to_fit();
        Ok((keys, lines))
    }

    pub(super) fn validated_home_dir(&self) -> Result<String, InvalidAccount> {
        let home = self.text("home_dir");
        if !home.starts_with('/') {
            return Err(invalid("home_dir", "must be an absolute path"));
        }
        // Hooks may build the path from a user name: `..` in it must not lead out of the directory of homes.
        if home.contains('\0') || home.split('/').any(|component| component == "..") {
            return Err(invalid("home_dir", "must not contain \"..\" or NUL"));
        }
        let trimmed = home.trim_end_matches('/');
        Ok(if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_owned() })
    }

    pub(super) fn validated_permissions(&self) -> Result<PermissionTable, InvalidAccount> {
        let Some(Value::Object(directories)) = self.document.get("permissions") else {
            return Err(invalid("permissions", "permissions for \"/\" are needed, such as {\"/\":[\"*\"]}"));
        };
        let mut entries: Vec<(VirtualPath, PermissionSet)> = Vec::with_capacity(directories.len());
        for directory in directories.keys() {
            let field = format!("permissions.{directory}");
            let path = VirtualPath::parse_directory(directory)
                .ok_or_else(|| invalid(&field, "must be an absolute path without \"..\", \".\" and double slashes"))?;
            if entries.iter().any(|(other, _)| *other == path) {
                return Err(invalid(&field, "is there twice, with and without a slash at its end"));
            }
            let tokens = self.texts(directories, "permissions.", directory)?;
            if tokens.is_empty() {
                return Err(invalid(&field, "must not be empty"));
            }
            let set = PermissionSet::parse(tokens.iter().map(String::as_str))
                .map_err(|token| invalid(&field, format!("\"{token}\" is not a permission")))?;
            entries.push((path, set));
        }
        Ok(PermissionTable::new(entries))
    }

    pub(super) fn validated_filesystem(&self) -> Result<Map<String, Value>, InvalidAccount> {
        let Some(Value::Object(filesystem)) = self.document.get("filesystem") else {
            return Ok(Map::new());
        };
        match filesystem.get("provider").and_then(Value::as_i64).unwrap_or(0) {
            0 => Ok(filesystem.clone()),
            1 => s3_location(filesystem, "").map(|_| filesystem.clone()),
            5 => sftp_location(filesystem, "").map(|_| filesystem.clone()),
            provider @ 2..=6 => Err(invalid(
                "filesystem.provider",
                format!("{provider} is not supported by this version; use 0 (local), 1 (S3) or 5 (SFTP)"),
            )),
            provider => Err(invalid("filesystem.provider", format!("{provider} is not a provider"))),
        }
    }

    /// Each group has a name, and at most one is the primary group (B9-04).
    pub(super) fn check_groups(&self) -> Result<(), InvalidAccount> {
        let mut primary = 0;
        for (prefix, group) in objects(&self.document, "", "groups")? {
            if group.get("name").and_then(Value::as_str).unwrap_or_default().is_empty() {
                return Err(invalid(format!("{prefix}name"), "must name a group"));
            }
            primary += i32::from(one_of_numbers(group, &prefix, "type", 3)? == 1);
        }
        if primary > 1 { Err(invalid("groups", "only one group can be the primary one (type 1)")) } else { Ok(()) }
    }

    /// Known fields that no member of [`AccountValues`] holds.
    fn other_fields(&self) -> Map<String, Value> {
        let is_held = |name: &str| {
            ACCOUNT.iter().any(|field| {
                field.name == name && (matches!(field.member, Member::Held(..)) || field.name == HAS_PASSWORD)
            })
        };
        let others = self.document.iter().filter(|(name, _)| !is_held(name));
        others.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    pub(super) fn password_hash(&self) -> Result<Option<PasswordHash>, InvalidAccount> {
        Ok(match self.password_text()? {
            PasswordText::Hash(hash) => Some(hash),
            PasswordText::Clear(_) | PasswordText::Absent | PasswordText::Locked | PasswordText::Unknown(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_is_checked_when_it_is_set() {
        let check = |field: &str, value: Value, problem: Option<&str>| {
            let mut draft = AccountDraft::new("u");
            draft.set(field, value.clone());
            assert_eq!(draft.check(field).err().map(|error| error.field).as_deref(), problem, "{field}: {value}");
        };
        check("username", json!(""), Some("username"));
        check("username", json!("ö".repeat(255)), None);
        check("username", json!("ö".repeat(256)), Some("username"));
        check("home_dir", json!("/srv/u"), None);
        check("home_dir", json!("srv"), Some("home_dir"));
        // The permissions for "/" may come later.
        check("permissions", json!({"/in": ["list"]}), None);
        check("permissions", json!({"/in": ["fly"]}), Some("permissions./in"));
        check("public_keys", json!(["ssh-ed25519 AAAA"]), Some("public_keys.0"));
        check("filters", json!({"allowed_ip": ["nowhere"]}), Some("filters.allowed_ip"));
        check("filesystem", json!({"provider": 7}), Some("filesystem.provider"));
        check("virtual_folders", json!([{"name": "f", "virtual_path": "/"}]), Some("virtual_folders.0.virtual_path"));
        check("groups", json!([{"name": ""}]), Some("groups.0.name"));
        check("quota_size", json!(-1), Some("quota_size"));
        check("no_such_field", json!(7), None);
    }

    #[test]
    fn a_field_of_a_valid_account_is_valid_alone() {
        let document = r#"{"status":1,"username":"u","home_dir":"/srv/u","permissions":{"/":["*"]}}"#;
        let draft = AccountDraft::from_json(document).unwrap();
        for field in ACCOUNT {
            assert_eq!(draft.check(field.name), Ok(()), "{}", field.name);
        }
    }
}
