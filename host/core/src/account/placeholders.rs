//! `%username%` and `%role%` in the paths of groups' settings (B9-04). Of these only the directories of
//! `permissions` can be patterns; the patterns of `file_patterns` have no placeholders.

use serde_json::{Map, Value};

use super::draft::{InvalidAccount, invalid};
use crate::permission::is_pattern;

/// What stands for the placeholders of one account.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placeholders<'a> {
    pub username: &'a str,
    pub role: &'a str,
}

/// Settings that are paths, or parts of some; `[]`: of each object in a list.
const PLACES: &[&str] = &[
    "home_dir",
    "filters.start_directory",
    "filters.file_patterns.[].path",
    "filters.file_extensions.[].path",
    "virtual_folders.[].virtual_path",
    "virtual_folders.[].mapped_path",
    "filesystem.s3config.key_prefix",
    "filesystem.gcsconfig.key_prefix",
    "filesystem.azblobconfig.key_prefix",
    "filesystem.sftpconfig.prefix",
    "filesystem.sftpconfig.username",
    "filesystem.httpconfig.username",
];

impl<'a> Placeholders<'a> {
    /// The settings of a group, as this account takes them.
    ///
    /// # Errors
    /// A value that is not one plain name would lead to another directory than the group's
    /// administrator meant, and one that is part of a pattern to several.
    pub fn replaced(self, settings: &Map<String, Value>) -> Result<Map<String, Value>, InvalidAccount> {
        let mut replaced = Value::Object(settings.clone());
        for place in PLACES {
            let names: Vec<&str> = place.split('.').collect();
            self.replace_at(&mut replaced, &names, place)?;
        }
        let Value::Object(mut replaced) = replaced else { return Ok(Map::new()) };
        if let Some(Value::Object(permissions)) = replaced.get_mut("permissions") {
            let mut named = Map::new();
            for (directory, tokens) in std::mem::take(permissions) {
                named.insert(self.in_pattern(&directory, "permissions")?, tokens);
            }
            *permissions = named;
        }
        Ok(replaced)
    }

    fn replace_at(self, value: &mut Value, names: &[&str], place: &str) -> Result<(), InvalidAccount> {
        match (names, value) {
            ([], Value::String(text)) => *text = self.in_text(text, place)?,
            (["[]", rest @ ..], Value::Array(items)) => {
                for item in items {
                    // A folder that is another directory for each account cannot have a common quota.
                    count_for_the_account(item);
                    self.replace_at(item, rest, place)?;
                }
            }
            ([name, rest @ ..], Value::Object(object)) => {
                if let Some(inner) = object.get_mut(*name) {
                    self.replace_at(inner, rest, place)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// As [`in_text`](Self::in_text), where a name must stand for itself alone.
    fn in_pattern(self, text: &str, place: &str) -> Result<String, InvalidAccount> {
        let replaced = self.in_text(text, place)?;
        for (placeholder, value) in self.values().into_iter().filter(|(placeholder, _)| text.contains(*placeholder)) {
            if let Some(special) = value.chars().find(|character| "*?[\\".contains(*character))
                && is_pattern(replaced.as_bytes())
            {
                let problem = format!(
                    "\"{value}\" cannot stand for {placeholder} in \"{text}\": its \"{special}\" would be part of a \
                     pattern; take a name without it, or a directory without the placeholder"
                );
                return Err(invalid(place, problem));
            }
        }
        Ok(replaced)
    }

    fn values(self) -> [(&'static str, &'a str); 2] {
        [("%username%", self.username), ("%role%", self.role)]
    }

    /// Whether a path has placeholders.
    pub fn are_in(text: &str) -> bool {
        text.contains("%username%") || text.contains("%role%")
    }

    /// The path with the names of the account. `place`: the field of it, for the error.
    pub fn in_text(self, text: &str, place: &str) -> Result<String, InvalidAccount> {
        let mut replaced = text.to_owned();
        for (placeholder, value) in self.values() {
            if !replaced.contains(placeholder) {
                continue;
            }
            if value.is_empty() || value == "." || value == ".." || value.contains(['/', '\0', '%']) {
                let problem = format!("\"{value}\" cannot stand for {placeholder}: it is not a plain name");
                return Err(invalid(place, problem));
            }
            replaced = replaced.replace(placeholder, value);
        }
        Ok(replaced)
    }
}

fn count_for_the_account(folder: &mut Value) {
    if let Value::Object(folder) = folder
        && folder.get("mapped_path").and_then(Value::as_str).is_some_and(Placeholders::are_in)
    {
        folder.insert("quota_size".to_owned(), (-1).into());
        folder.insert("quota_files".to_owned(), (-1).into());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn replaced(settings: Value, username: &str, role: &str) -> Result<Value, String> {
        let Value::Object(settings) = settings else { panic!() };
        let placeholders = Placeholders { username, role };
        placeholders.replaced(&settings).map(Value::Object).map_err(|error| error.problem)
    }

    #[test]
    fn paths_get_the_names_of_the_account() {
        // B9-04
        let check = |settings: Value, expected: Value| {
            assert_eq!(replaced(settings, "alice", "staff"), Ok(expected));
        };
        check(json!({"home_dir": "/srv/%role%/%username%"}), json!({"home_dir": "/srv/staff/alice"}));
        check(json!({"home_dir": "/srv/u-%username%.d"}), json!({"home_dir": "/srv/u-alice.d"}));
        check(json!({"permissions": {"/%username%": ["list"]}}), json!({"permissions": {"/alice": ["list"]}}));
        check(
            json!({"filters": {"file_patterns": [{"path": "/%username%", "allowed_patterns": ["%username%"]}]}}),
            json!({"filters": {"file_patterns": [{"path": "/alice", "allowed_patterns": ["%username%"]}]}}),
        );
        check(
            json!({"virtual_folders": [{"name": "f", "virtual_path": "/f", "mapped_path": "/srv/f/%username%"}]}),
            json!({"virtual_folders": [{"name": "f", "virtual_path": "/f", "mapped_path": "/srv/f/alice",
                "quota_size": -1, "quota_files": -1}]}),
        );
        check(
            json!({"virtual_folders": [{"name": "f", "virtual_path": "/%username%", "mapped_path": "/srv/f"}]}),
            json!({"virtual_folders": [{"name": "f", "virtual_path": "/alice", "mapped_path": "/srv/f"}]}),
        );
        check(json!({"description": "%username%"}), json!({"description": "%username%"}));
        check(json!({"home_dir": 7}), json!({"home_dir": 7}));
    }

    #[test]
    fn no_name_leads_out_of_the_intended_directory() {
        // B9-04
        for name in ["", ".", "..", "a/b", "/", "../x", "x/..", "a\0", "%role%", "%username%"] {
            for home in ["/srv/%username%", "/srv/%username%/data", "/srv/x%username%"] {
                assert!(replaced(json!({"home_dir": home}), name, "staff").is_err(), "{name} in {home}");
            }
            let by_role = replaced(json!({"home_dir": "/srv/%role%/%username%"}), "alice", name);
            assert!(by_role.is_err(), "{name}");
            // Where it is not asked for, it does no harm.
            assert!(replaced(json!({"home_dir": "/srv/all"}), name, name).is_ok(), "{name}");
        }
    }

    #[test]
    fn no_name_becomes_a_pattern() {
        // B9-04
        let check = |directory: &str, username: &str, role: &str, problem: Option<&str>| {
            let outcome = replaced(json!({"permissions": {directory: ["list"]}}), username, role);
            match (outcome, problem) {
                (Ok(_), None) => {}
                (Err(error), Some(problem)) => assert!(error.contains(problem), "{directory}: {error}"),
                (outcome, _) => panic!("{directory} for {username} and {role}: {outcome:?}"),
            }
        };
        for name in ["*", "a*", "?", "a[b", "[a-z]", r"\*"] {
            check("/%username%", name, "staff", Some("cannot stand for %username%"));
            check("/x/%role%-all", "alice", name, Some("cannot stand for %role%"));
            check("/all", name, name, None);
        }
        check("/%username%", "a*", "staff", Some("its \"*\" would be part of a pattern"));
        // A backslash is part of a pattern only where there is one.
        check("/%username%", r"office\alice", "staff", None);
        check("/%username%/*", r"office\alice", "staff", Some(r#"its "\" would be part of a pattern"#));
        check("/%username%/*", "alice", "staff", None);
        // Other places have no patterns.
        assert!(replaced(json!({"home_dir": "/srv/%username%"}), "a*", "staff").is_ok());
        let patterns = json!({"filters": {"file_patterns": [{"path": "/%username%"}]}});
        assert!(replaced(patterns, "a*", "staff").is_ok());
    }
}
