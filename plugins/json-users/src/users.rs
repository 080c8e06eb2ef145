//! The list.

use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    #[serde(default)]
    pub users: Vec<User>,
    #[serde(default)]
    pub others: Others,
    #[serde(default)]
    home_base: Option<String>,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Others {
    #[default]
    Defer,
    Reject,
}

/// An account document with a name.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct User(Map<String, Value>);

impl Settings {
    pub fn parse(json: &str) -> Result<Self, String> {
        let settings: Self =
            serde_json::from_str(json).map_err(|error| format!("the plugin's config cannot be used: {error}"))?;
        match settings.users.iter().position(|user| user.username().is_empty()) {
            Some(index) => Err(format!("the plugin's config cannot be used: users[{index}] has no username")),
            None => Ok(settings),
        }
    }

    pub fn find(&self, username: &str) -> Option<&User> {
        self.users.iter().find(|user| user.username() == username)
    }

    /// The account as the server takes it: enabled, with a home and all permissions, unless
    /// the list says otherwise.
    pub fn document_of(&self, user: &User) -> String {
        let mut document = user.0.clone();
        document.entry("status").or_insert(json!(1));
        document.entry("permissions").or_insert(json!({"/": ["*"]}));
        if let Some(base) = &self.home_base {
            let home = format!("{}/{}", base.trim_end_matches('/'), user.username());
            document.entry("home_dir").or_insert(json!(home));
        }
        Value::Object(document).to_string()
    }
}

impl User {
    pub fn username(&self) -> &str {
        self.0.get("username").and_then(Value::as_str).unwrap_or_default()
    }

    pub fn password_hash(&self) -> Option<&str> {
        self.0.get("password").and_then(Value::as_str).filter(|hash| !hash.is_empty())
    }

    /// Compares type and blob; comments do not count.
    pub fn has_key(&self, key: &str) -> bool {
        let essence = |line: &str| line.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>();
        let keys = self.0.get("public_keys").and_then(Value::as_array);
        keys.into_iter().flatten().filter_map(Value::as_str).any(|line| essence(line) == essence(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_get_what_the_list_leaves_out() {
        let settings = Settings::parse(
            r#"{"home_base":"/srv/","users":[{"username":"a"},{"username":"b","status":0,"home_dir":"/b"}]}"#,
        )
        .unwrap();
        let document =
            |name| serde_json::from_str::<Value>(&settings.document_of(settings.find(name).unwrap())).unwrap();
        assert_eq!(document("a"), json!({"username":"a","status":1,"permissions":{"/":["*"]},"home_dir":"/srv/a"}));
        assert_eq!(document("b")["status"], 0);
        assert_eq!(document("b")["home_dir"], "/b");
        assert!(settings.find("c").is_none());
        assert_eq!(settings.others, Others::Defer);
    }

    #[test]
    fn keys_are_compared_without_comments() {
        let settings =
            Settings::parse(r#"{"users":[{"username":"a","public_keys":["ssh-ed25519 AAAA me"]}]}"#).unwrap();
        let user = settings.find("a").unwrap();
        assert!(user.has_key("ssh-ed25519 AAAA"));
        assert!(!user.has_key("ssh-ed25519 AAAB"));
    }

    #[test]
    fn mistakes_are_explained() {
        for (json, expected) in [("3", "config"), (r#"{"users":[{}]}"#, "users[0]"), (r#"{"user":[]}"#, "user")] {
            assert!(Settings::parse(json).err().unwrap().contains(expected), "{json}");
        }
    }
}
