//! The hooks of the older server's keys.

use tidegate_core::hook::HookKind;
use tidegate_core::hook::events::ActionKind;
use tidegate_core::ports::USERS;
use tidegate_hooks_external::Compat;

use super::keys::{Actions, Config, DataProvider, HookEntry, HookValue};
use super::selectors::object_kinds;
use super::validate::Check;

/// One hook of the older server's keys, with what the key sets beside the hook.
pub struct Named {
    pub kind: HookKind,
    /// The key; `None` for a hook in a `[hook.KIND]` section.
    pub key: Option<&'static str>,
    pub entry: HookEntry,
    /// Whether a URL gets events by GET (J-11).
    pub get: bool,
    pub actions: Vec<String>,
    /// The kinds of changed objects; empty: all.
    pub objects: Vec<String>,
    pub login_succeeded: Option<bool>,
}

impl Named {
    fn of(kind: HookKind, key: &'static str, value: &HookValue) -> Vec<Self> {
        let named = |entry| Self { key: Some(key), entry, ..Self::bare(kind) };
        value.entries().into_iter().map(named).collect()
    }

    /// A hook in a `[hook.KIND]` section.
    pub fn bare(kind: HookKind) -> Self {
        let entry = HookEntry::Text(String::new());
        Self { kind, key: None, entry, get: false, actions: Vec::new(), objects: Vec::new(), login_succeeded: None }
    }
}

/// All hooks of the older server's keys (A3, B0 to B11).
pub fn named(config: &Config, check: &mut Check<'_>) -> Vec<Named> {
    let Config { sftpd, common, data_provider: provider, .. } = config;
    let mut all = Vec::new();
    all.extend(Named::of(HookKind::Startup, "common.startup_hook", &common.startup_hook));
    all.extend(Named::of(HookKind::Connect, "common.post_connect_hook", &common.post_connect_hook));
    all.extend(Named::of(HookKind::Disconnect, "common.post_disconnect_hook", &common.post_disconnect_hook));
    let external = either(
        ("data_provider.external_auth_program", &provider.external_auth_program),
        ("data_provider.external_auth_hook", &provider.external_auth_hook),
        check,
    );
    all.extend(Named::of(HookKind::ExternalAuth, external.0, &external.1));
    let pre_login = either(
        ("data_provider.pre_login_program", &provider.pre_login_program),
        ("data_provider.pre_login_hook", &provider.pre_login_hook),
        check,
    );
    all.extend(Named::of(HookKind::PreLogin, pre_login.0, &pre_login.1));
    let interactive = either(
        ("sftpd.keyboard_interactive_auth_program", &sftpd.keyboard_interactive_auth_program),
        ("sftpd.keyboard_interactive_auth_hook", &sftpd.keyboard_interactive_auth_hook),
        check,
    );
    all.extend(Named::of(HookKind::KeyboardInteractive, interactive.0, &interactive.1));
    check_password(provider, &mut all, check);
    let login_succeeded = post_login_scope(config, check);
    let post_login = Named::of(HookKind::PostLogin, "data_provider.post_login_hook", &provider.post_login_hook);
    all.extend(post_login.into_iter().map(|named| Named { login_succeeded, ..named }));
    file_actions("sftpd.actions", &sftpd.actions, &mut all, check);
    file_actions("common.actions", &common.actions, &mut all, check);
    object_actions(config, &mut all, check);
    all
}

/// The key `check_password_scope` (B5-05): 1 is SSH, the other bits are protocols that this server does not have.
fn check_password(provider: &DataProvider, all: &mut Vec<Named>, check: &mut Check<'_>) {
    const KEY: &str = "data_provider.check_password_scope";
    let scope = provider.check_password_scope;
    if !(0..=15).contains(&scope) {
        check.problem(KEY, format!("{scope} is not a sum of 1 (SSH), 2 (FTP), 4 (WebDAV) and 8 (HTTP)"));
    }
    let hook = Named::of(HookKind::CheckPassword, "data_provider.check_password_hook", &provider.check_password_hook);
    if scope == 0 || scope & 1 != 0 {
        all.extend(hook);
    } else if !hook.is_empty() {
        check.warning(KEY, format!("{scope} leaves out SSH (1), so the hook is never asked"));
    }
}

/// A14-02
fn post_login_scope(config: &Config, check: &mut Check<'_>) -> Option<bool> {
    match config.data_provider.post_login_scope {
        0 => None,
        1 => Some(false),
        2 => Some(true),
        other => {
            check.problem("data_provider.post_login_scope", format!("{other} is not 0, 1 or 2"));
            None
        }
    }
}

/// The value of a key that has two names (J-10).
fn either(
    (old_key, old): (&'static str, &str),
    (key, new): (&'static str, &HookValue),
    check: &mut Check<'_>,
) -> (&'static str, HookValue) {
    let old = old.trim();
    if old.is_empty() {
        return (key, new.clone());
    }
    let same = new.entries() == [HookEntry::Text(old.to_owned())];
    if !new.entries().is_empty() && !same {
        let name = key.split('.').next_back().unwrap_or(key);
        check.problem(old_key, format!("is an older name of {name}, and the two differ; remove one"));
    }
    (old_key, HookValue::One(old.to_owned()))
}

/// Hooks of file actions (A15, B10). A URL under the old key gets them by GET (J-11).
fn file_actions(section: &'static str, actions: &Actions, all: &mut Vec<Named>, check: &mut Check<'_>) {
    let key = |name: &str| -> &'static str {
        match (section, name) {
            ("sftpd.actions", "command") => "sftpd.actions.command",
            ("sftpd.actions", "url") => "sftpd.actions.http_notification_url",
            ("sftpd.actions", _) => "sftpd.actions.hook",
            (_, "command") => "common.actions.command",
            (_, "url") => "common.actions.http_notification_url",
            _ => "common.actions.hook",
        }
    };
    check_names(section, actions, check);
    if !actions.execute_for.is_empty() {
        check.problem(&format!("{section}.execute_for"), "belongs to data_provider.actions; remove it here");
    }
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for name in &actions.execute_on {
        let known = known_action(name.trim_start_matches("pre-")) && !name.starts_with("pre-first-");
        match (name.strip_prefix("pre-"), known) {
            (Some(kind), true) => before.push(kind.to_owned()),
            (None, true) => after.push(name.clone()),
            (_, false) => {
                let text = format!("\"{name}\" is not an action; {}", known_actions());
                check.problem(&format!("{section}.execute_on"), text);
            }
        }
    }
    warn_of_no_hook(section, actions, check);
    let values = [
        ("command", older(actions, &actions.command), false),
        ("url", older(actions, &actions.http_notification_url), true),
        ("hook", actions.hook.clone(), false),
    ];
    for (name, value, get) in values {
        for (kind, actions) in [(HookKind::PreAction, &before), (HookKind::PostAction, &after)] {
            if !actions.is_empty() {
                let links = Named::of(kind, key(name), &value);
                all.extend(links.into_iter().map(|named| Named { get, actions: actions.clone(), ..named }));
            }
        }
    }
}

/// Refuses a section with hooks under both the old and the new key, as in a file that is half
/// migrated: they would get everything twice (J-10).
fn check_names(section: &str, actions: &Actions, check: &mut Check<'_>) {
    for (name, old) in [("command", &actions.command), ("http_notification_url", &actions.http_notification_url)] {
        let differs = |entry: &HookEntry| !matches!(entry, HookEntry::Text(text) if text == old);
        if !old.is_empty() && actions.hook.entries().iter().any(differs) {
            let problem = format!("is an older name of {section}.hook, and the two differ; remove one");
            check.problem(&format!("{section}.{name}"), problem);
        }
    }
}

/// The hook under an older key; none if the section has the same under `hook`, which would get everything twice (J-10).
fn older(actions: &Actions, value: &str) -> HookValue {
    let is_repeated = actions.hook.entries().contains(&HookEntry::Text(value.to_owned()));
    HookValue::One(if is_repeated { String::new() } else { value.to_owned() })
}

/// Warns of a section that names actions, but no hook that gets them.
fn warn_of_no_hook(section: &str, actions: &Actions, check: &mut Check<'_>) {
    if !actions.execute_on.is_empty() && !actions.has_hook() {
        check.warning(&format!("{section}.execute_on"), "has no effect, because the section names no hook");
    }
}

fn known_action(name: &str) -> bool {
    ActionKind::ALL.iter().any(|kind| kind.as_str() == name)
}

pub fn known_actions() -> String {
    let names = ActionKind::ALL.map(ActionKind::as_str).join(", ");
    format!("there are {names}, and pre- before each of them")
}

/// A15-20, B11
fn object_actions(config: &Config, all: &mut Vec<Named>, check: &mut Check<'_>) {
    let actions = &config.data_provider.actions;
    check_names("data_provider.actions", actions, check);
    for name in &actions.execute_on {
        if !["add", "update", "delete"].contains(&name.as_str()) {
            check.problem("data_provider.actions.execute_on", format!("\"{name}\" is not add, update or delete"));
        }
    }
    let known = object_kinds();
    for name in actions.execute_for.iter().filter(|name| !known.contains(&name.as_str())) {
        let text = format!("this version tells of no changes of \"{name}\"; there are {}", known.join(", "));
        check.problem("data_provider.actions.execute_for", text);
    }
    if actions.execute_on.is_empty() {
        return;
    }
    warn_of_no_hook("data_provider.actions", actions, check);
    // The first eras had only accounts, and no such list (B11-04).
    let has_no_list = Compat::from_name(&config.compat).unwrap_or_default() < Compat::V2_4;
    if actions.execute_for.is_empty() && !has_no_list {
        check.warning("data_provider.actions.execute_for", "is empty, so the hook is told of no change; name \"user\"");
        return;
    }
    let objects = match actions.execute_for.is_empty() {
        true => vec![USERS.kind.to_owned()],
        false => actions.execute_for.clone(),
    };
    let values = [
        ("data_provider.actions.command", older(actions, &actions.command)),
        ("data_provider.actions.http_notification_url", older(actions, &actions.http_notification_url)),
        ("data_provider.actions.hook", actions.hook.clone()),
    ];
    for (key, value) in values {
        let links = Named::of(HookKind::ObjectChanges, key, &value);
        let of_section = |named| Named { actions: actions.execute_on.clone(), objects: objects.clone(), ..named };
        all.extend(links.into_iter().map(of_section));
    }
}

/// The name of the hook point in `command.commands` (B0-03).
pub fn legacy_name(kind: HookKind) -> &'static str {
    match kind {
        HookKind::Startup => "startup",
        HookKind::Connect => "post_connect",
        HookKind::Disconnect => "post_disconnect",
        HookKind::CheckPassword => "check_password",
        HookKind::PreLogin => "pre_login",
        HookKind::PostLogin => "post_login",
        HookKind::ExternalAuth => "external_auth",
        HookKind::KeyboardInteractive => "keyboard_interactive",
        HookKind::PreAction | HookKind::PostAction => "fs_actions",
        HookKind::ObjectChanges => "provider_actions",
        // The older server had none of these.
        HookKind::LoginPre
        | HookKind::SessionCreate
        | HookKind::SessionDestroy
        | HookKind::CredentialChanged
        | HookKind::PasswordResetPre
        | HookKind::OneClickLoginPost
        | HookKind::AddressBanned => kind.as_str(),
    }
}
