//! Use cases about hook points and plugins.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::{
    Actor, AdminError, Audit, Identity, InventoryError, LoginExplanation, LoginQuestion, SignedPlugin, UseCase,
};

/// One link of a hook point, as `tidegate hook list` shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct HookLink {
    /// The name of the hook point, such as `login-pre`.
    pub hook: &'static str,
    /// `program`, `http` or `plugin`.
    pub adapter: &'static str,
    /// The path, the URL without credentials, or the plugin's name.
    pub target: String,
    /// How long a call may take.
    pub deadline: Duration,
    /// `deny`, `skip` or `allow` (B17-01).
    pub on_error: &'static str,
    /// The lists that select its events, such as `users: al*`; none: it is for every event.
    pub selectors: Vec<String>,
    /// Limits of the hook in words, such as `memory 64 MiB`; may be empty.
    pub limits: String,
    /// The digest of a component; None: the hook is no component, or not loaded.
    pub version: Option<String>,
    /// What the operator has granted to the hook, in words.
    pub grants: Vec<String>,
    /// `ready`, or why the hook is not.
    pub health: String,
}

/// A plugin in the plugin directory, or one that served gates and is missing there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginState {
    /// The name of the plugin: that of its file, without `.wasm`.
    pub name: String,
    /// SHA-256 of the component in service, in hexadecimal; None: none is.
    pub digest: Option<String>,
    /// The hook points that the plugin exports.
    pub hooks: Vec<String>,
    /// What the operator has granted to the plugin, in words.
    pub grants: Vec<String>,
    /// Gates that refuse because the plugin is missing or cannot be loaded.
    pub closed_gates: Vec<String>,
    /// Why the plugin is not in service, in words; None: it is.
    pub error: Option<String>,
    /// What more is known of the component in service.
    pub details: PluginDetails,
}

/// What more is known of a component in service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PluginDetails {
    /// The version of the contract that the component was made for, where it says one.
    pub contract: Option<String>,
    /// What the component imports, in words, and whether the operator has given it.
    pub wants: Vec<(String, bool)>,
    /// The fingerprint of the key that has signed it; None: no signature is needed.
    pub signer: Option<String>,
    /// Its limits, each with its name and its value.
    pub limits: Vec<(&'static str, String)>,
    /// The settings that it was given, as JSON. They may have what is for the plugin alone.
    pub config: Value,
    /// The settings were checked against the schema of the plugin, but for these keywords of it, which are left to the plugin;
    /// None: there is no schema.
    pub left_of_schema: Option<Vec<String>>,
}

/// A value that a plugin keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptValue {
    /// The key.
    pub key: String,
    /// The size of the value, in bytes.
    pub size: u64,
    /// How long ago it was stored last, in milliseconds; None: by a version that did not note it.
    pub age: Option<i64>,
}

/// The hook points and plugins of the running server; in a command without a server, those that a server
/// would have if it started now. Errors are sentences.
#[async_trait]
pub trait HookInventory: Send + Sync {
    /// The links of every point, in the order in which they are asked.
    ///
    /// # Errors
    /// Plugins cannot be loaded.
    async fn links(&self) -> Result<Vec<HookLink>, String>;

    /// The plugins of the plugin directory, and those that are missing there.
    ///
    /// # Errors
    /// Plugins cannot be loaded.
    async fn plugins(&self) -> Result<Vec<PluginState>, String>;

    /// Reads the plugin directory again, and returns when everything in it is loaded.
    ///
    /// # Errors
    /// No server runs, so that nothing is loaded.
    async fn reload(&self) -> Result<(), String>;

    /// Gives up the gates that a missing plugin served, so that they no longer refuse.
    ///
    /// # Errors
    /// No gate waits for the plugin.
    async fn forget(&self, plugin: &str) -> Result<(), String>;

    /// Which hooks a login would meet, without running any.
    ///
    /// # Errors
    /// Accounts cannot be read.
    async fn explain(&self, login: &LoginQuestion) -> Result<LoginExplanation, String>;

    /// Asks the configured hooks about a made-up event, which has the keys of `tidegate hook test --file`: all hooks of the
    /// point, or the one that `only` names.
    ///
    /// # Errors
    /// The event is not valid, or the hooks cannot be asked.
    async fn test(&self, event: Map<String, Value>) -> Result<Value, InventoryError>;

    /// The first values that a plugin keeps, in the order of their keys; at most `limit`.
    ///
    /// # Errors
    /// The store does not answer.
    async fn kept(&self, _plugin: &str, _limit: u32) -> Result<Vec<KeptValue>, String> {
        Ok(Vec::new())
    }

    /// Whether administrators over the network may change plugins.
    ///
    /// # Errors
    /// They may not, as the sentence says.
    fn may_change(&self) -> Result<(), InventoryError> {
        Err(InventoryError::Refused("plugins are not changed over the network".to_owned()))
    }

    /// Puts a plugin into the plugin directory, and returns when it is loaded.
    ///
    /// # Errors
    /// The settings do not allow it, the name or the signature is not valid, or it cannot be written.
    async fn install(&self, name: &str, plugin: SignedPlugin) -> Result<(), InventoryError>;

    /// Takes a plugin out of the plugin directory, and returns when it is gone.
    ///
    /// # Errors
    /// The settings do not allow it, there is no such plugin, or it cannot be removed.
    async fn remove(&self, name: &str) -> Result<(), InventoryError>;
}

/// Use cases about hook points and plugins.
pub struct PluginAdministration {
    /// The hooks and plugins of this server.
    pub inventory: Arc<dyn HookInventory>,
    /// Records given-up plugins.
    pub audit: Audit,
}

impl PluginAdministration {
    /// The links of every hook point, in the order in which they are asked.
    ///
    /// # Errors
    /// The actor lacks `view_status`, or plugins cannot be loaded.
    pub async fn links(&self, actor: &Actor) -> Result<Vec<HookLink>, AdminError> {
        self.audit.allow(actor, UseCase::ListHooks, "").await?;
        self.inventory.links().await.map_err(AdminError::Inventory)
    }

    /// The plugins of the plugin directory, and those that are missing there.
    ///
    /// # Errors
    /// The actor lacks `view_status`, or plugins cannot be loaded.
    pub async fn list(&self, actor: &Actor) -> Result<Vec<PluginState>, AdminError> {
        self.audit.allow(actor, UseCase::ListPlugins, "").await?;
        self.inventory.plugins().await.map_err(AdminError::Inventory)
    }

    /// One plugin.
    ///
    /// # Errors
    /// The actor lacks `view_status`, plugins cannot be loaded, or there is no plugin of that name.
    pub async fn show(&self, actor: &Actor, name: &str) -> Result<PluginState, AdminError> {
        let plugin = self.list(actor).await?.into_iter().find(|plugin| plugin.name == name);
        plugin.ok_or_else(|| AdminError::NoPlugin(format!("there is no plugin \"{name}\"")))
    }

    /// The first values that a plugin keeps, in the order of their keys; at most `limit`.
    ///
    /// # Errors
    /// The actor lacks `view_status`, or the store does not answer.
    pub async fn kept(&self, actor: &Actor, name: &str, limit: u32) -> Result<Vec<KeptValue>, AdminError> {
        self.audit.allow(actor, UseCase::ListPlugins, name).await?;
        self.inventory.kept(name, limit).await.map_err(AdminError::Inventory)
    }

    /// Reads the plugin directory again, and returns when everything in it is loaded.
    ///
    /// # Errors
    /// The actor lacks `manage_system`, or no server runs.
    pub async fn reload(&self, actor: &Actor) -> Result<(), AdminError> {
        self.audit.allow(actor, UseCase::ReloadPlugins, "").await?;
        self.inventory.reload().await.map_err(AdminError::Inventory)?;
        self.audit.done(actor, "reload", "plugin", "", String::new()).await;
        Ok(())
    }

    /// Whether the settings let the actor give up gates.
    ///
    /// # Errors
    /// They do not, as the sentence says.
    pub fn may_forget(&self, actor: &Actor) -> Result<(), InventoryError> {
        if actor.identity == Identity::Owner { Ok(()) } else { self.inventory.may_change() }
    }

    /// Gives up the gates that a plugin served, which refuse while its file is missing: what they refused is allowed
    /// then, as if the plugin had been changed.
    ///
    /// # Errors
    /// The actor lacks `manage_system` or is an API key, the settings do not allow it over the network, or no gate waits
    /// for the plugin.
    pub async fn forget(&self, actor: &Actor, name: &str) -> Result<(), AdminError> {
        self.audit.allow(actor, UseCase::ForgetPlugin, name).await?;
        self.may_forget(actor)?;
        self.inventory.forget(name).await.map_err(AdminError::NoPlugin)?;
        self.audit.done(actor, "forget", "plugin", name, String::new()).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::audit::tests::{Kept, audit};
    use super::super::{AdminErrorKind, AdminPermission, KeyScope, Permissions};
    use super::*;
    use crate::connection::LoginMethod;
    use crate::ports::Door;

    /// One plugin, `gone`, is missing.
    struct Inventory {
        /// Nothing can be listed.
        is_broken: bool,
        /// Plugins may be changed over the network.
        is_open: bool,
    }

    #[async_trait]
    impl HookInventory for Inventory {
        async fn links(&self) -> Result<Vec<HookLink>, String> {
            if self.is_broken { Err("the plugin directory cannot be read".to_owned()) } else { Ok(Vec::new()) }
        }

        async fn plugins(&self) -> Result<Vec<PluginState>, String> {
            let error = Some("the file is missing".to_owned());
            let gone = PluginState {
                name: "gone".to_owned(),
                digest: None,
                hooks: Vec::new(),
                grants: Vec::new(),
                closed_gates: vec!["login-pre".to_owned()],
                error,
                details: PluginDetails::default(),
            };
            self.links().await.map(|_| vec![gone])
        }

        async fn reload(&self) -> Result<(), String> {
            self.links().await.map(drop)
        }

        async fn forget(&self, plugin: &str) -> Result<(), String> {
            if plugin == "gone" { Ok(()) } else { Err(format!("no gate waits for the plugin \"{plugin}\"")) }
        }

        async fn explain(&self, _: &LoginQuestion) -> Result<LoginExplanation, String> {
            self.links().await.map(|_| LoginExplanation { is_stored: false, points: Vec::new() })
        }

        async fn test(&self, event: Map<String, Value>) -> Result<Value, InventoryError> {
            self.links().await.map_err(InventoryError::Failed)?;
            event.get("hook").cloned().ok_or_else(|| InventoryError::Invalid("the event says no hook point".to_owned()))
        }

        fn may_change(&self) -> Result<(), InventoryError> {
            if self.is_open { Ok(()) } else { Err(InventoryError::Refused("not over the network".to_owned())) }
        }

        async fn install(&self, _: &str, _: SignedPlugin) -> Result<(), InventoryError> {
            Err(InventoryError::Refused("plugins are not changed over the network".to_owned()))
        }

        async fn remove(&self, _: &str) -> Result<(), InventoryError> {
            Err(InventoryError::Missing("there is no such plugin".to_owned()))
        }
    }

    fn house(is_broken: bool) -> (PluginAdministration, Arc<Kept>, Actor) {
        let (kept, audit) = audit();
        let inventory = Arc::new(Inventory { is_broken, is_open: false });
        let administration = PluginAdministration { inventory, audit };
        (administration, kept, Actor::local("root", Door::Socket))
    }

    fn question() -> LoginQuestion {
        let address = "192.0.2.1".parse().unwrap();
        LoginQuestion { username: "ann".to_owned(), method: LoginMethod::Password, address }
    }

    fn event(hook: &str) -> Map<String, Value> {
        Map::from_iter([("hook".to_owned(), hook.into())])
    }

    #[tokio::test]
    async fn tests_of_hooks_are_recorded_where_they_are_made() {
        let (administration, kept, root) = house(false);
        assert_eq!(administration.test(&root, event("login-pre")).await, Ok("login-pre".into()));
        assert_eq!(kept.lines(), ["root test hook login-pre"]);
        let refused = administration.test(&root, Map::new()).await.unwrap_err();
        assert_eq!((refused.kind(), refused.field()), (AdminErrorKind::Invalid, None));
        let (administration, kept, root) = house(true);
        let failed = administration.test(&root, event("login-pre")).await.unwrap_err();
        assert_eq!(failed.kind(), AdminErrorKind::Failed);
        assert_eq!(administration.explain(&root, &question()).await.unwrap_err().kind(), AdminErrorKind::Failed);
        assert!(kept.lines().is_empty());
    }

    #[tokio::test]
    async fn giving_up_a_plugin_is_recorded_once_it_is_done() {
        let (administration, kept, root) = house(false);
        assert_eq!(administration.list(&root).await.unwrap()[0].closed_gates, ["login-pre"]);
        let refused = administration.forget(&root, "other").await.unwrap_err();
        assert_eq!(
            (refused.kind(), &*refused.to_string()),
            (AdminErrorKind::NotFound, "no gate waits for the plugin \"other\"")
        );
        assert!(kept.lines().is_empty());
        administration.forget(&root, "gone").await.unwrap();
        assert_eq!(kept.lines(), ["root forget plugin gone"]);
    }

    #[tokio::test]
    async fn gates_are_let_go_over_the_network_where_plugins_may_be_changed() {
        let owner = Identity::Owner;
        let of = |name: &str| (name.to_owned(), 1);
        let administrator = || Identity::Administrator { admin: of("root"), credential: String::new(), by_token: true };
        let key = || Identity::ApiKey { admin: Some("root".to_owned()), scope: KeyScope::default() };
        for (identity, is_open, expected) in [
            (owner.clone(), false, Ok(())),
            (owner, true, Ok(())),
            (administrator(), false, Err(AdminErrorKind::Refused)),
            (administrator(), true, Ok(())),
            (key(), false, Err(AdminErrorKind::Forbidden)),
            (key(), true, Err(AdminErrorKind::Forbidden)),
        ] {
            let (administration, _, root) = house(false);
            let inventory = Arc::new(Inventory { is_broken: false, is_open });
            let administration = PluginAdministration { inventory, ..administration };
            let actor = Actor { identity: identity.clone(), ..root };
            let is_owner = identity == Identity::Owner;
            assert_eq!(administration.may_forget(&actor).is_ok(), is_open || is_owner, "{identity:?} {is_open}");
            let outcome = administration.forget(&actor, "gone").await.map_err(|error| error.kind());
            assert_eq!(outcome, expected, "{identity:?} {is_open}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_listed_is_a_failure_in_words() {
        let (administration, kept, root) = house(true);
        let check = |error: AdminError| {
            assert_eq!(
                (error.kind(), &*error.to_string()),
                (AdminErrorKind::Failed, "the plugin directory cannot be read")
            );
        };
        check(administration.links(&root).await.unwrap_err());
        check(administration.list(&root).await.unwrap_err());
        assert!(kept.lines().is_empty());
    }

    #[tokio::test]
    async fn each_use_case_needs_its_permission() {
        for permission in AdminPermission::ALL {
            let (administration, kept, root) = house(false);
            let actor = Actor { permissions: Permissions::Only(BTreeSet::from([permission])), ..root };
            let check = |outcome: Result<(), AdminError>, needed: AdminPermission| {
                let expected = if permission == needed { Ok(()) } else { Err(AdminErrorKind::Forbidden) };
                assert_eq!(outcome.map_err(|error| error.kind()), expected, "{permission:?} {needed:?}");
            };
            check(administration.links(&actor).await.map(drop), AdminPermission::ViewStatus);
            check(administration.list(&actor).await.map(drop), AdminPermission::ViewStatus);
            check(administration.forget(&actor, "gone").await, AdminPermission::ManageSystem);
            check(administration.reload(&actor).await, AdminPermission::ManageSystem);
            check(administration.explain(&actor, &question()).await.map(drop), AdminPermission::ViewEvents);
            check(administration.test(&actor, event("login-pre")).await.map(drop), AdminPermission::ManageSystem);
            let manage = AdminPermission::ManageSystem;
            let expected = [
                (AdminPermission::ViewStatus, false, "list hook "),
                (AdminPermission::ViewStatus, false, "list plugin "),
                (manage, true, "forget plugin gone"),
                (manage, true, "reload plugin "),
                (AdminPermission::ViewEvents, false, "explain hook ann"),
                (manage, true, "test hook login-pre"),
            ];
            // What changes nothing is recorded where it was refused.
            let line = |(needed, is_change, line): (_, bool, &str)| match permission == needed {
                true => is_change.then(|| format!("root {line}")),
                false => Some(format!("root {line} refused")),
            };
            let expected: Vec<_> = expected.into_iter().filter_map(line).collect();
            assert_eq!(kept.lines(), expected, "{permission:?}");
        }
    }
}
