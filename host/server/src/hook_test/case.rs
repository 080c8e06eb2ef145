//! A made-up event as its author writes it, on the command line or in a table.

use std::net::IpAddr;

use anyhow::{Context, bail};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use tidegate_core::hook::HookKind;

/// A case. Every part has a default, so that a test names only what matters to it.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Case {
    pub name: String,
    /// The hook point, such as `external-auth`.
    pub hook: String,
    /// One hook instead of the configured chain: a program's path, a URL, `plugin:NAME`, or the
    /// path of a component.
    pub link: String,
    /// One of the configured hooks, by its name in `tidegate hook list`, instead of all of them.
    pub only: String,
    #[serde(alias = "username")]
    pub user: String,
    pub password: Option<String>,
    /// The public key, as one line of `authorized_keys`.
    pub public_key: Option<String>,
    /// The answers of the user to each round of questions, for keyboard-interactive.
    pub answers: Vec<Vec<String>>,
    pub ip: IpAddr,
    /// The account as it would be stored; without it, the one in the database.
    #[serde(deserialize_with = "table")]
    pub account: Option<Map<String, Value>>,
    /// The action on a file: `upload`, `download`, `rename` …
    pub action: String,
    pub path: String,
    pub target: String,
    pub size: Option<u64>,
    /// Why the event did not succeed; empty: it did.
    pub failure: String,
    pub expect: Option<String>,
    /// Fields that the account must have afterwards.
    #[serde(deserialize_with = "table")]
    pub expect_account: Option<Map<String, Value>>,
    /// Text that the reason or the error must contain.
    pub expect_detail: String,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            name: String::new(),
            hook: String::new(),
            link: String::new(),
            only: String::new(),
            user: "test_user".to_owned(),
            password: None,
            public_key: None,
            answers: Vec::new(),
            ip: IpAddr::from([127, 0, 0, 1]),
            account: None,
            action: "upload".to_owned(),
            path: "/file".to_owned(),
            target: String::new(),
            size: None,
            failure: String::new(),
            expect: None,
            expect_account: None,
            expect_detail: String::new(),
        }
    }
}

fn table<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Map<String, Value>>, D::Error> {
    Map::deserialize(deserializer).map(Some)
}

impl Case {
    pub fn kind(&self) -> anyhow::Result<HookKind> {
        if self.hook.is_empty() {
            bail!("the event says no hook point (hook = \"external-auth\")");
        }
        let known = || HookKind::ALL.map(HookKind::as_str).join(", ");
        HookKind::from_name(&self.hook)
            .with_context(|| format!("\"{}\" is not a hook point; there are {}", self.hook, known()))
    }

    /// The title of the case in a report.
    pub fn title(&self) -> String {
        if self.name.is_empty() { format!("{} about \"{}\"", self.hook, self.user) } else { self.name.clone() }
    }
}
