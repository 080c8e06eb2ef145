//! `[hook.KIND]`, and the tables of links.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::HookValue;

/// The settings of a link, or of its section for all of them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Section {
    /// The link or links: a program's path, a URL, `plugin:NAME`, or a list of these and of tables.
    pub hook: HookValue,
    /// Time for a call, 1 to 300. Not set: of plugins that of their limits, of web servers
    /// `http.timeout`, of programs `command.timeout`, and else 30; 60 for `external-auth` and
    /// `keyboard-interactive`, 20 for `post-login`, 15 for `object-changes`, 5 for `session-destroy`.
    /// Unit: seconds
    pub timeout: Option<u64>,
    /// What a call that fails means: `deny` (the default), `skip`, or `allow`; of hooks that prove who a
    /// user is, `unsafe_allow` instead of `allow`.
    pub on_error: Option<String>,
    /// Calls under way at once. Not set: 64, of plugins 256.
    pub concurrency: Option<usize>,
    /// Calls that may wait for one of those to end, where a client or an operation waits for them: calls of
    /// observers wait without this bound. Not set: 1024.
    pub queue: Option<usize>,
    /// The era whose rules hold, as the key `compat` of the whole configuration.
    pub compat: Option<String>,
    /// The variables that a program gets: `sftpgo` (the default), or `directadmin` for scripts of that
    /// hosting panel.
    pub dialect: Option<String>,
    /// Whether the program sees the server's environment. Not set: as `command.inherit_env`.
    pub inherit_env: Option<bool>,
    /// What rsync and git may do where a hook of file actions cannot be asked: `refuse` (the default:
    /// they write nothing, or read nothing, as the hook is asked about) or `allow`.
    pub programs: Option<String>,
    /// Whether the password of a login that the hook vouched for is stored, as a hash, with the account.
    /// `false` is for plugins of `external-auth` alone. Not set: true.
    pub store_passwords: Option<bool>,
    /// Arguments of the program.
    pub args: Vec<String>,
    /// Variables of the program's environment, as `NAME=value`.
    pub env: Vec<String>,
    /// Only logins by these methods.
    pub methods: Vec<String>,
    /// Only these users; patterns such as `guest*`.
    pub users: Vec<String>,
    /// Only users in one of these groups.
    pub groups: Vec<String>,
    /// Only clients in these networks.
    pub networks: Vec<String>,
    /// Only changes of objects of these kinds: `user`, `folder`, `group`, `role`, `admin`, `api_key`.
    pub objects: Vec<String>,
    /// Only these actions.
    pub actions: Vec<String>,
    /// Only files at or below these paths, as the client writes them or where their links lead; of a
    /// rename, a copy or a link either end.
    pub paths: Vec<String>,
    /// Whether the rules for what plugins may make of accounts apply to this program or web server.
    pub restrict: Option<bool>,
    /// With `restrict`, the accounts that it may make and change: `own` (the default) or `any`.
    pub accounts: Option<String>,
    /// With `restrict`, roots below which it may place homes, beside `data_provider.homes`.
    pub homes: Vec<String>,
    /// Further grants: `second-factors`, and with `restrict` also `system-users`, `folders`,
    /// `groups` and `filesystems`.
    pub grants: Vec<String>,
}

impl Section {
    /// The keys of this section that only programs have.
    pub fn given_for_programs(&self) -> impl Iterator<Item = &'static str> + use<> {
        let given = [
            ("args", !self.args.is_empty()),
            ("env", !self.env.is_empty()),
            ("inherit_env", self.inherit_env.is_some()),
        ];
        given.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name)
    }

    /// The link's own settings, with those of its section where it has none.
    pub fn over(self, section: &Self) -> Self {
        let list = |own: Vec<String>, theirs: &[String]| if own.is_empty() { theirs.to_vec() } else { own };
        Self {
            hook: self.hook,
            timeout: self.timeout.or(section.timeout),
            on_error: self.on_error.or_else(|| section.on_error.clone()),
            concurrency: self.concurrency.or(section.concurrency),
            queue: self.queue.or(section.queue),
            compat: self.compat.or_else(|| section.compat.clone()),
            dialect: self.dialect.or_else(|| section.dialect.clone()),
            inherit_env: self.inherit_env.or(section.inherit_env),
            programs: self.programs.or_else(|| section.programs.clone()),
            store_passwords: self.store_passwords.or(section.store_passwords),
            args: list(self.args, &section.args),
            env: list(self.env, &section.env),
            methods: list(self.methods, &section.methods),
            users: list(self.users, &section.users),
            groups: list(self.groups, &section.groups),
            networks: list(self.networks, &section.networks),
            objects: list(self.objects, &section.objects),
            actions: list(self.actions, &section.actions),
            paths: list(self.paths, &section.paths),
            restrict: self.restrict.or(section.restrict),
            accounts: self.accounts.or_else(|| section.accounts.clone()),
            homes: list(self.homes, &section.homes),
            grants: list(self.grants, &section.grants),
        }
    }
}

/// The keys of a section, with their values when they are not set.
pub fn section_defaults() -> Value {
    serde_json::to_value(Section::default()).unwrap_or_default()
}
