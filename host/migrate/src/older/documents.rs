//! Documents of the older server, made ready for ours: keys that are none, secrets, and folders that only an account
//! names are set right; what cannot be is noted.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};
use tidegate_core::account::fields::{ACCOUNT, Field, Kind};
use tidegate_core::account::{ObjectKind as Shared, is_of_one_account};

use super::secrets::{self, Outcome};
use crate::account::{about, password, printable, printable_list, public_keys};
use crate::{Moved, NoteKind, ObjectKind};

type Document = Map<String, Value>;

/// The kinds of file systems that this version does not serve, by `provider` (C4).
const UNSERVED: [(i64, &str); 4] = [(2, "GCS"), (3, "Azure Blob"), (4, "local and encrypted"), (6, "HTTP")];
/// What the names of secrets begin with that the database has encrypted.
const SEALED: [&str; 2] = ["filesystem.", "filters.totp_config."];
/// Fields of a folder that its entry in an account has.
const OF_ENTRY: [&str; 5] = ["name", "virtual_path", "quota_size", "quota_files", "exclude_from_quota"];

/// Fields of folders, groups and roles that say nothing that would be missed.
const NOT_MISSED: [&str; 6] = ["users", "groups", "admins", "created_at", "updated_at", "deleted_at"];
/// The field of a group's settings that no account has.
const EXPIRES_IN: &str = "expires_in";

/// Makes documents ready and keeps them.
pub struct Documents {
    pub moved: Moved,
    /// Whether a password that looks like no hash is one in clear.
    pub may_be_clear: bool,
    /// The paths of the folders so far, by name.
    folders: HashMap<String, String>,
    /// The others so far, by kind and name.
    seen: HashSet<(&'static str, String)>,
}

impl Documents {
    pub fn new(may_be_clear: bool) -> Self {
        Self { moved: Moved::default(), may_be_clear, folders: HashMap::new(), seen: HashSet::new() }
    }

    /// Takes in a folder. In the first eras its path is its name.
    pub fn folder(&mut self, mut folder: Document) {
        let text = |field: &str| folder.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
        let Some(name) = text("name").or_else(|| text("mapped_path")).map(str::to_owned) else {
            let about = "a folder without a name";
            return self.moved.leave(ObjectKind::Folder, about, "it has no path either, and stays behind");
        };
        folder.insert("name".to_owned(), json!(name));
        let about = format!("folder \"{}\"", printable(&name));
        self.note_unknown(&folder, Shared::Folder, &about);
        self.set_right(&mut folder, "filesystem", &about);
        self.note_unserved(&folder, &about, "accounts that have it are refused");
        if self.folders.contains_key(&name) {
            return self.moved.leave(ObjectKind::Folder, about, "it is there twice; the first one is used");
        }
        let path = folder.get("mapped_path").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.folders.insert(name, path);
        self.moved.folders.push(folder);
    }

    /// Takes in a group.
    pub fn group(&mut self, mut group: Document) {
        let Some(name) = name_of(&group, "name") else {
            return self.moved.leave(ObjectKind::Group, "a group without a name", "it stays behind");
        };
        let about = format!("group \"{}\"", printable(&name));
        if !self.is_first(ObjectKind::Group, "group", name, &about) {
            return;
        }
        if let Err(problem) = self.entries(&mut group) {
            return self.moved.leave(ObjectKind::Group, about, problem);
        }
        if let Some(Value::Object(settings)) = group.get_mut("user_settings") {
            let mut taken = in_known_case(std::mem::take(settings), ACCOUNT);
            self.set_right(&mut taken, "filesystem", &about);
            self.note_unserved(&taken, &about, "accounts that have it as their primary group are refused");
            let unknown = self.restrictions(&mut taken, &about);
            group.insert("user_settings".to_owned(), Value::Object(taken));
            if !unknown.is_empty() {
                let text =
                    format!("{} is not known, and may restrict its accounts; it stays behind", unknown.join(", "));
                return self.moved.leave(ObjectKind::Group, about, text);
            }
        }
        self.note_settings(&group, &about);
        self.note_unknown(&group, Shared::Group, &about);
        self.moved.groups.push(group);
    }

    /// Takes in a role.
    pub fn role(&mut self, role: Document) {
        let Some(name) = name_of(&role, "name") else {
            return self.moved.leave(ObjectKind::Role, "a role without a name", "it stays behind");
        };
        let about = format!("role \"{}\"", printable(&name));
        if self.is_first(ObjectKind::Role, "role", name, &about) {
            self.note_unknown(&role, Shared::Role, &about);
            self.moved.roles.push(role);
        }
    }

    /// Takes in an account. `place`: how an account without a name is called.
    pub fn user(&mut self, mut user: Document, place: &str) {
        let Some(name) = name_of(&user, "username") else {
            let text = match user.get("username") {
                None | Some(Value::Null | Value::String(_)) => "it has no username, and stays behind",
                Some(_) => "its username is no text; it stays behind",
            };
            return self.moved.leave(ObjectKind::Account, place, text);
        };
        let about = about(&name);
        if !self.is_first(ObjectKind::Account, "account", name, &about) {
            return;
        }
        self.moved.evidence.see_account(&user);
        // The first databases have one list, which holds everywhere.
        if let Some(permissions) = user.get_mut("permissions").filter(|permissions| permissions.is_array()) {
            *permissions = json!({ "/": permissions.take() });
        }
        if let Some(Value::String(text)) = user.remove("password")
            && let Some(hash) = password(&text, self.may_be_clear, &about, &mut self.moved)
        {
            user.insert("password".to_owned(), json!(hash));
        }
        if let Some(Value::Array(keys)) = user.get("public_keys") {
            let texts: Vec<String> = keys.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            let keys = public_keys(texts.iter().flat_map(|text| text.lines()), &about, &mut self.moved);
            user.insert("public_keys".to_owned(), json!(keys));
        }
        if let Err(problem) = self.entries(&mut user) {
            return self.moved.leave(ObjectKind::Account, about, problem);
        }
        self.set_right(&mut user, "filesystem", &about);
        self.set_right(&mut user, "filters", &about);
        self.note_unserved(&user, &about, "its logins are refused");
        let unknown = self.restrictions(&mut user, &about);
        if !unknown.is_empty() {
            user.insert("status".to_owned(), json!(0));
            let text = format!(
                "{} is not known, and may restrict it: it is disabled until you set status 1",
                unknown.join(", ")
            );
            self.moved.note(NoteKind::Changed, about, text);
        }
        self.moved.users.push(user);
    }

    /// Writes the restrictions of an account or group as they hold here. The answer has those that are not known.
    fn restrictions(&mut self, document: &mut Document, about: &str) -> Vec<String> {
        let Some(Value::Object(filters)) = document.get_mut("filters") else { return Vec::new() };
        let known = filter_fields();
        *filters = in_known_case(std::mem::take(filters), known);
        let is_known = |name: &String| known.iter().any(|field| field.name == name);
        let unknown = filters.iter().filter(|(name, value)| !is_known(name) && !is_empty(value));
        let unknown = unknown.map(|(name, _)| format!("filters.{}", printable(name))).collect();
        if filters.get("data_transfer_limits").is_some_and(|limits| !is_empty(limits)) {
            let text = "its limits of transferred bytes by network (data_transfer_limits) have no effect";
            self.moved.note(NoteKind::NoCounterpart, about, text);
        }
        // Such an account is for other protocols; here it would be one like all others.
        if filters.get("is_anonymous") == Some(&Value::Bool(true)) {
            let denied = filters.entry("denied_protocols").or_insert_with(|| json!([]));
            match denied {
                Value::Array(protocols) if protocols.iter().any(|protocol| protocol == "SSH") => return unknown,
                Value::Array(protocols) => protocols.push(json!("SSH")),
                other => *other = json!(["SSH"]),
            }
            self.moved.note(NoteKind::Changed, about, "it is anonymous, and so may not use SSH (denied_protocols)");
        }
        unknown
    }

    /// Notes fields of a folder, group or role that are not known.
    fn note_unknown(&mut self, document: &Document, kind: Shared, about: &str) {
        let is_known = |name: &str| {
            NOT_MISSED.contains(&name) || kind.fields().iter().any(|field| field.name.eq_ignore_ascii_case(name))
        };
        let unknown = document.iter().filter(|(name, value)| !is_known(name) && !is_empty(value));
        let unknown: Vec<_> = unknown.map(|(name, _)| &**name).collect();
        if !unknown.is_empty() {
            let text = format!("what it has in {} is not known, and does not move", printable_list(&unknown));
            self.moved.note(NoteKind::NoCounterpart, about, text);
        }
    }

    /// Notes settings of a group that no account takes from it.
    fn note_settings(&mut self, group: &Document, about: &str) {
        let Some(Value::Object(settings)) = group.get("user_settings") else { return };
        let has_effect = |name: &str| {
            let is_known = ACCOUNT.iter().any(|field| field.name == name) || name.eq_ignore_ascii_case(EXPIRES_IN);
            is_known && !is_of_one_account(name)
        };
        // A status of 0 is a value, too.
        let is_set = |name: &str, value: &Value| if name == "status" { !value.is_null() } else { !is_empty(value) };
        let outer = settings.iter().filter(|(name, value)| !has_effect(name) && is_set(name, value));
        let mut left: Vec<String> = outer.map(|(name, _)| name.clone()).collect();
        let filters = settings.get("filters").and_then(Value::as_object).into_iter().flatten();
        let filters = filters.filter(|(_, value)| !is_empty(value)).map(|(name, _)| format!("filters.{name}"));
        left.extend(filters.filter(|path| is_of_one_account(path)));
        if !left.is_empty() {
            let left: Vec<_> = left.iter().map(String::as_str).collect();
            let text = format!("{} in its user_settings has no effect on accounts", printable_list(&left));
            self.moved.note(NoteKind::NoCounterpart, about, text);
        }
    }

    pub(super) fn is_first(&mut self, kind: ObjectKind, noun: &'static str, name: String, about: &str) -> bool {
        let is_first = self.seen.insert((noun, name));
        if !is_first {
            self.moved.leave(kind, about, "it is there twice; the first one is used");
        }
        is_first
    }

    /// Reduces entries of folders to what they say of the account or group, and keeps folders that are only there.
    /// An error: the folder of that name is another directory, which the account or group must not get.
    fn entries(&mut self, document: &mut Document) -> Result<(), String> {
        let Some(Value::Array(entries)) = document.get_mut("virtual_folders") else { return Ok(()) };
        let (mut only_here, mut here) = (Vec::new(), HashMap::<String, String>::new());
        for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
            let text = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
            let (name, path) = (text("name"), text("mapped_path"));
            let name = if name.is_empty() { path.clone() } else { name };
            let known = self.folders.get(&name).or_else(|| here.get(&name));
            let known = known.filter(|known| !path.is_empty() && !known.is_empty());
            if known.is_some_and(|known| known.trim_end_matches('/') != path.trim_end_matches('/')) {
                let name = printable(&name);
                return Err(format!("its folder \"{name}\" has the name of another one; it stays behind"));
            }
            here.entry(name.clone()).or_insert_with(|| path.clone());
            let has_place = !path.is_empty() || entry.contains_key("filesystem");
            if has_place && !name.is_empty() && !self.folders.contains_key(&name) {
                let is_of_folder = |field: &str| field == "name" || !OF_ENTRY.contains(&field);
                let folder = entry.iter().filter(|(field, _)| is_of_folder(field));
                only_here.push(folder.map(|(field, value)| (field.clone(), value.clone())).collect::<Document>());
            }
            entry.retain(|field, _| OF_ENTRY.contains(&field.as_str()));
            entry.insert("name".to_owned(), json!(name));
        }
        for folder in only_here {
            let is_known = name_of(&folder, "name").or_else(|| name_of(&folder, "mapped_path"));
            // Of two entries with one name, the first has made the folder.
            if is_known.is_some_and(|name| !self.folders.contains_key(&name)) {
                self.folder(folder);
            }
        }
        Ok(())
    }

    fn set_right(&mut self, document: &mut Document, field: &str, about: &str) {
        let Some(value) = document.get_mut(field) else { return };
        let mut outcome = Outcome::default();
        secrets::decrypt(value, field, &mut outcome);
        let is_sealed = |name: &String| SEALED.iter().any(|sealed| name.starts_with(*sealed));
        let (sealed, clear): (Vec<String>, Vec<String>) = outcome.decrypted.into_iter().partition(is_sealed);
        for (names, consequence) in
            [(sealed, "is encrypted anew with this server's own key"), (clear, "is kept in clear in the database")]
        {
            if !names.is_empty() {
                let text = format!("{} was decrypted, and {consequence}", names.join(", "));
                self.moved.note(NoteKind::Changed, about, text);
            }
        }
        for (field, problem) in outcome.unreadable {
            self.moved.note(NoteKind::Changed, about, format!("{field} cannot be used: {problem}; set it anew"));
        }
    }

    fn note_unserved(&mut self, document: &Document, about: &str, consequence: &str) {
        let provider = document.get("filesystem").and_then(|filesystem| filesystem.get("provider")?.as_i64());
        if let Some((_, name)) = UNSERVED.into_iter().find(|(unserved, _)| provider == Some(*unserved)) {
            let text = format!(
                "its files are elsewhere ({name}), which this version does not serve: it moves whole, and \
                                {consequence}"
            );
            self.moved.note(NoteKind::Changed, about, text);
        }
    }
}

fn filter_fields() -> &'static [Field] {
    let filters = ACCOUNT.iter().find(|field| field.name == "filters");
    match filters.map(|field| field.kind) {
        Some(Kind::Object(fields)) => fields,
        Some(_) | None => &[],
    }
}

/// The older server reads names of fields in any case.
pub(super) fn in_known_case(document: Document, fields: &[Field]) -> Document {
    let known = |name: String| {
        let found = fields.iter().find(|field| field.name.eq_ignore_ascii_case(&name));
        found.map_or(name, |field| field.name.to_owned())
    };
    document.into_iter().map(|(name, value)| (known(name), value)).collect()
}

/// Whether a value is what a document without it means.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

fn name_of(document: &Document, field: &str) -> Option<String> {
    document.get(field)?.as_str().filter(|name| !name.is_empty()).map(str::to_owned)
}
