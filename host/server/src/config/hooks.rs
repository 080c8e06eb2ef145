//! Makes links of the configured hooks: those of the older server's keys, and those of `[hook.KIND]` sections.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};
use tidegate_core::account::AddressRule;
use tidegate_core::hook::events::ActionKind;
use tidegate_core::hook::{HookKind, LinkSettings, OnError};
use tidegate_hooks_external::{Compat, Dialect, Environment, Flavour, ProgramHook, ProgramSettings, check_url};

use super::account_rights::account_rights;
use super::keys::{Config, HookEntry, HookValue, Section};
use super::legacy_hooks::{Named, named};
use super::settings::{HookSettings, HookTarget, LinkConfig};
use super::validate::Check;
use super::{commands, selectors};

pub(super) const MAX_DEADLINE: u64 = 300;
/// Most calls of one link at once.
const MAX_CALLS: usize = 100_000;
/// How much longer a chain waits than the hook's own deadline, so that the hook's error, which says
/// more, comes first.
const CHAIN_DEADLINE_MARGIN: Duration = Duration::from_secs(2);
/// A time above every deadline that a plugin can have.
const PLUGIN_DEADLINE: Duration = Duration::from_secs(302);
/// As many calls as a plugin's own limit may allow, so that this limit applies first.
const PLUGIN_CONCURRENCY: usize = 256;
/// The time for a notification in the first era (A15-06, A15-23).
const SEED_NOTIFICATION: Duration = Duration::from_secs(15);

/// `synchronous`: the actions that wait for their hooks.
pub fn settings(
    config: &Config,
    synchronous: &[ActionKind],
    check: &mut Check<'_>,
) -> BTreeMap<HookKind, HookSettings> {
    let global = compat(config, check);
    check_timeout(config, check);
    let sections = sections(config, check);
    let mut hooks = BTreeMap::new();
    for kind in HookKind::ALL {
        let section = sections.get(&kind).cloned().unwrap_or_default();
        let base = Builder { config, kind, global, synchronous };
        let key = format!("hook.{kind}");
        let (dropped, _) = base.link_settings(&key, &section, true, &Named::bare(kind), check);
        warn_of_unsafe(&key, &section, check);
        hooks.insert(kind, HookSettings { links: Vec::new(), dropped });
    }
    for named in named(config, check) {
        let section = sections.get(&named.kind).cloned().unwrap_or_default();
        let builder = Builder { config, kind: named.kind, global, synchronous };
        if let Some(link) = builder.link(&named, &section, check) {
            hooks.entry(named.kind).or_default().links.push(link);
        }
    }
    for (kind, section) in &sections {
        let builder = Builder { config, kind: *kind, global, synchronous };
        for entry in section.hook.entries() {
            let named = Named { entry, ..Named::bare(*kind) };
            if let Some(link) = builder.link(&named, section, check) {
                hooks.entry(*kind).or_default().links.push(link);
            }
        }
    }
    for (kind, section) in &sections {
        let has_program = point_links(&hooks, *kind).any(|link| matches!(link.target, HookTarget::Program { .. }));
        let others_store = point_links(&hooks, *kind).any(|link| !matches!(link.target, HookTarget::Plugin(_)));
        if section.store_passwords == Some(false) && others_store {
            let text = "holds for the plugins only: programs and web servers store passwords all the same";
            check.warning(&format!("hook.{kind}.store_passwords"), text);
        }
        for name in section.given_for_programs().filter(|_| !has_program) {
            check.warning(&format!("hook.{kind}.{name}"), "only programs have it, and there is none; it has no effect");
        }
    }
    hooks
}

fn point_links(hooks: &BTreeMap<HookKind, HookSettings>, kind: HookKind) -> impl Iterator<Item = &LinkConfig> {
    hooks.get(&kind).into_iter().flat_map(|point| &point.links)
}

fn compat(config: &Config, check: &mut Check<'_>) -> Compat {
    if config.compat.is_empty() {
        return Compat::default();
    }
    Compat::from_name(&config.compat).unwrap_or_else(|| {
        check.problem("compat", format!("\"{}\" is not one of {}", config.compat, compat_names()));
        Compat::default()
    })
}

fn compat_names() -> String {
    Compat::NAMES.map(|(name, _)| name).join(", ")
}

/// The rule for addresses in both lists, which depends on the era (J-02).
pub fn address_rule(config: &Config) -> AddressRule {
    match Compat::from_name(&config.compat) {
        Some(compat) if compat >= Compat::V2_4 => AddressRule::AllowedWins,
        _ => AddressRule::DeniedWins,
    }
}

fn sections(config: &Config, check: &mut Check<'_>) -> BTreeMap<HookKind, Section> {
    let mut sections = BTreeMap::new();
    for (name, value) in &config.hook {
        let key = format!("hook.{name}");
        let Some(kind) = HookKind::from_name(name) else {
            let known = HookKind::ALL.map(HookKind::as_str).join(", ");
            check.problem(&key, format!("there is no such hook; there are {known}"));
            continue;
        };
        match serde_json::from_value(value.clone()) {
            Ok(section) => {
                if sections.insert(kind, section).is_some() {
                    check.problem(
                        &key,
                        format!("is another spelling of hook.{kind}, which is there too; write one section"),
                    );
                }
            }
            Err(error) => check.problem(&key, error),
        }
    }
    sections
}

fn check_timeout(config: &Config, check: &mut Check<'_>) {
    if config.command.timeout > MAX_DEADLINE {
        check.problem("command.timeout", format!("must be between 1 and {MAX_DEADLINE} seconds"));
    }
}

/// The deadline of a kind of hook, as in the older server (J-09).
fn default_deadline(kind: HookKind) -> Duration {
    Duration::from_secs(match kind {
        HookKind::ExternalAuth | HookKind::KeyboardInteractive => 60,
        HookKind::PostLogin => 20,
        HookKind::ObjectChanges => 15,
        HookKind::SessionDestroy => 5,
        HookKind::Startup
        | HookKind::Connect
        | HookKind::LoginPre
        | HookKind::PreLogin
        | HookKind::CheckPassword
        | HookKind::SessionCreate
        | HookKind::PreAction
        | HookKind::PostAction
        | HookKind::Disconnect
        | HookKind::CredentialChanged
        | HookKind::PasswordResetPre
        | HookKind::OneClickLoginPost
        | HookKind::AddressBanned => 30,
    })
}

struct Builder<'a> {
    config: &'a Config,
    kind: HookKind,
    global: Compat,
    synchronous: &'a [ActionKind],
}

impl Builder<'_> {
    fn link(&self, named: &Named, section: &Section, check: &mut Check<'_>) -> Option<LinkConfig> {
        let key = named.key.map_or_else(|| format!("hook.{}", self.kind), str::to_owned);
        let own = match &named.entry {
            HookEntry::Text(text) => Section { hook: HookValue::One(text.clone()), ..Section::default() },
            HookEntry::Table(table) => own_section(table, &key, check)?,
        };
        let HookValue::One(target) = own.hook.clone() else {
            check.problem(&key, "each table of a chain needs one \"hook\": a path, a URL or plugin:NAME");
            return None;
        };
        warn_of_unsafe(&key, &own, check);
        let target = target.trim();
        let is_program = !target.starts_with("plugin:") && !target.starts_with("http");
        refuse_unused(&own, is_program, &key, check);
        let (says_rights, says_dialect) = (own.says_rights(), own.dialect.is_some());
        if own.store_passwords == Some(false) && !target.starts_with("plugin:") {
            let problem = "can be false for plugins only; remove the key";
            check.problem(&format!("{key}.store_passwords"), problem);
        }
        let section = own.over(section);
        if self.kind == HookKind::KeyboardInteractive && Path::new(target).is_dir() {
            // Several programs cannot hold one conversation.
            check.problem(&key, format!("\"{target}\" is a directory; name one program that asks the questions"));
            return None;
        }
        let is_plugin = target.starts_with("plugin:");
        if is_plugin && says_rights {
            let place = "the plugin's own settings, NAME.toml or [plugin.NAME]";
            check.problem(&key, format!("restrict, accounts, homes and grants of a plugin belong into {place}"));
        }
        if !is_plugin {
            let place = if says_dialect { key.clone() } else { format!("hook.{}", self.kind) };
            warn_of_clear_secrets(self.kind, &place, &section, check);
        }
        let (settings, flavour) = self.link_settings(&key, &section, is_plugin, named, check);
        let mut skipped = Vec::new();
        let target = self.target(target, &section, flavour, &mut skipped);
        for file in skipped {
            check.warning(
                &key,
                format!("{} is not run: of a directory, only names that end in .sh are", file.display()),
            );
        }
        match target {
            Ok(target) => {
                let deadline = self.link_deadline(&target, settings.deadline);
                Some(LinkConfig { target, settings: LinkSettings { deadline, ..settings } })
            }
            // The hook decides nothing, or only whether a method is offered (A3-46, A15-08).
            Err(problem) if named.key.is_some() && self.is_optional(named) => {
                check.warning(&key, format!("{problem}; the hook is not used"));
                None
            }
            Err(problem) => {
                check.problem(&key, problem);
                None
            }
        }
    }

    /// Whether the hook may be left out. A hook for which an operation waits may not, since it can refuse (B10-08).
    fn is_optional(&self, named: &Named) -> bool {
        let waits = |action: &String| self.synchronous.iter().any(|kind| kind.as_str() == action);
        match self.kind {
            HookKind::PostAction => !named.actions.iter().any(waits),
            HookKind::ObjectChanges | HookKind::KeyboardInteractive => true,
            HookKind::Startup
            | HookKind::Connect
            | HookKind::LoginPre
            | HookKind::ExternalAuth
            | HookKind::PreLogin
            | HookKind::CheckPassword
            | HookKind::SessionCreate
            | HookKind::PostLogin
            | HookKind::PreAction
            | HookKind::SessionDestroy
            | HookKind::Disconnect
            | HookKind::CredentialChanged
            | HookKind::PasswordResetPre
            | HookKind::OneClickLoginPost
            | HookKind::AddressBanned => false,
        }
    }

    /// The hook's own time, and a little more.
    fn link_deadline(&self, target: &HookTarget, of_plugin: Duration) -> Duration {
        let own = match target {
            HookTarget::Plugin(_) => return of_plugin,
            HookTarget::Program { settings, .. } => settings.deadline,
            HookTarget::Http { timeout, .. } => *timeout,
        };
        // A conversation has several rounds.
        let has_rounds = self.kind == HookKind::KeyboardInteractive;
        let least = if has_rounds { default_deadline(self.kind) } else { Duration::ZERO };
        own.max(least) + CHAIN_DEADLINE_MARGIN
    }

    /// Time for one request: that of the link, or else that of its hook point, or else that of all
    /// web servers (B0-08).
    fn http_timeout(&self, section: &Section, flavour: Flavour) -> Duration {
        match section.timeout {
            Some(seconds) => Duration::from_secs(seconds.min(MAX_DEADLINE)),
            None if self.kind == HookKind::SessionDestroy => default_deadline(self.kind),
            None if matches!(self.kind, HookKind::PostAction | HookKind::ObjectChanges)
                && !flavour.retries(self.kind) =>
            {
                SEED_NOTIFICATION
            }
            None => {
                let timeout = Duration::try_from_secs_f64(self.config.http.timeout).unwrap_or_default();
                timeout.min(Duration::from_secs(MAX_DEADLINE))
            }
        }
    }

    /// B0-01, A3-46
    fn target(
        &self,
        target: &str,
        section: &Section,
        flavour: Flavour,
        skipped: &mut Vec<PathBuf>,
    ) -> Result<HookTarget, String> {
        if let Some(name) = target.strip_prefix("plugin:") {
            let valid = |character: char| character.is_ascii_alphanumeric() || character == '-' || character == '_';
            return if name.is_empty() || !name.chars().all(valid) {
                Err("\"plugin:\" needs the name of a plugin after it".to_owned())
            } else {
                Ok(HookTarget::Plugin(name.to_owned()))
            };
        }
        if target.starts_with("http") {
            check_url(target).map_err(|error| error.to_string())?;
            let timeout = self.http_timeout(section, flavour);
            return Ok(HookTarget::Http { url: target.to_owned(), flavour, timeout });
        }
        let settings = self.program(target, section, flavour)?;
        let hook = ProgramHook::new(target, settings.clone()).map_err(|error| error.to_string())?;
        *skipped = hook.skipped_files();
        Ok(HookTarget::Program { path: target.to_owned(), settings })
    }

    fn program(&self, path: &str, section: &Section, flavour: Flavour) -> Result<ProgramSettings, String> {
        let command = &self.config.command;
        let special = commands::special(command, self.kind, path).cloned().unwrap_or_default();
        let mut variables = Vec::new();
        for pair in command.env.iter().chain(&special.env).chain(&section.env) {
            let (name, value) = pair.split_once('=').ok_or_else(|| format!("\"{pair}\" is not NAME=value"))?;
            // Names of the server's own variables (B0-02).
            if name.is_empty() || name.starts_with("SFTPGO_") {
                return Err(format!("the variable \"{name}\" is reserved for the server"));
            }
            variables.push((name.to_owned(), value.to_owned()));
        }
        // As in the hook's era, unless the operator says otherwise (J-03).
        let inherited = command.inherit_env.unwrap_or(flavour.compat.inherits_environment());
        let given = |seconds: u64| Some(seconds).filter(|seconds| *seconds > 0);
        let seconds = section.timeout.or(given(special.timeout)).or(given(command.timeout));
        let deadline = seconds.map(|seconds| Duration::from_secs(seconds.min(MAX_DEADLINE)));
        let deadline = deadline.unwrap_or_else(|| default_deadline(self.kind));
        Ok(ProgramSettings {
            args: if section.args.is_empty() { special.args } else { section.args.clone() },
            environment: Environment { inherited: section.inherit_env.unwrap_or(inherited), variables },
            deadline,
            flavour,
        })
    }

    fn link_settings(
        &self,
        key: &str,
        section: &Section,
        is_plugin: bool,
        named: &Named,
        check: &mut Check<'_>,
    ) -> (LinkSettings, Flavour) {
        let mut field = |name: &str, problem: String| check.problem(&format!("{key}.{name}"), problem);
        let on_error = on_error(self.kind, section, &mut field);
        let compat = match section.compat.as_deref().map(|name| (name, Compat::from_name(name))) {
            None => self.global,
            Some((_, Some(compat))) => compat,
            Some((name, None)) => {
                field("compat", format!("\"{name}\" is not one of {}", compat_names()));
                self.global
            }
        };
        let dialect = match section.dialect.as_deref().map(|name| (name, Dialect::from_name(name))) {
            None => Dialect::default(),
            Some((_, Some(dialect))) => dialect,
            Some((name, None)) => {
                field("dialect", format!("\"{name}\" is not \"sftpgo\" or \"directadmin\""));
                Dialect::default()
            }
        };
        if section.timeout.is_some_and(|seconds| !(1..=MAX_DEADLINE).contains(&seconds)) {
            field("timeout", format!("must be between 1 and {MAX_DEADLINE} seconds"));
        }
        if section.concurrency.is_some_and(|calls| !(1..=MAX_CALLS).contains(&calls)) {
            field("concurrency", format!("must be between 1 and {MAX_CALLS}"));
        }
        let programs_go_unasked = programs(self.kind, section, &mut field);
        let defaults = LinkSettings::default();
        let concurrency = if is_plugin { PLUGIN_CONCURRENCY } else { defaults.concurrency };
        let settings = LinkSettings {
            deadline: section.timeout.map_or(PLUGIN_DEADLINE, Duration::from_secs),
            on_error,
            concurrency: section.concurrency.unwrap_or(concurrency),
            queue: section.queue.unwrap_or(defaults.queue),
            selector: selectors::selector(self.kind, section, named, &mut field),
            programs_go_unasked,
            stores_passwords: stores_passwords(self.kind, section, is_plugin, &mut field),
            account_rights: account_rights(section, self.kind, &mut field),
        };
        let second_factors = settings.account_rights.second_factors;
        (settings, Flavour { compat, dialect, get: named.get, second_factors })
    }
}

fn refuse_unused(own: &Section, is_program: bool, key: &str, check: &mut Check<'_>) {
    for name in own.given_for_programs().filter(|_| !is_program) {
        check.problem(&format!("{key}.{name}"), "only a program has it; remove the key");
    }
}

/// What a failure means. The failure of a hook that proves who a user is can count as an approval
/// only under the name `unsafe_allow` (B17-01, B17-02).
fn on_error(kind: HookKind, section: &Section, field: &mut impl FnMut(&str, String)) -> OnError {
    let allow = if kind.proves_users() { "unsafe_allow" } else { "allow" };
    match section.on_error.as_deref() {
        None | Some("deny") => OnError::Deny,
        Some("skip" | "next") => OnError::Skip,
        Some(text) if text == allow => OnError::Allow,
        Some(other) => {
            field("on_error", format!("\"{other}\" is not \"deny\", \"skip\" or \"{allow}\""));
            OnError::Deny
        }
    }
}

/// B17-02
fn warn_of_unsafe(key: &str, section: &Section, check: &mut Check<'_>) {
    if section.on_error.as_deref() == Some("unsafe_allow") {
        check.warning(&format!("{key}.on_error"), "lets users in without this hook whenever it fails");
    }
}

/// D-15: the dialect is the operator's grant for what scripts of the panel have always got.
fn warn_of_clear_secrets(kind: HookKind, key: &str, section: &Section, check: &mut Check<'_>) {
    const GIVEN: [(HookKind, &str); 5] = [
        (HookKind::LoginPre, "password"),
        (HookKind::SessionCreate, "password"),
        (HookKind::SessionDestroy, "passwd"),
        (HookKind::CredentialChanged, "key"),
        (HookKind::OneClickLoginPost, "passwd"),
    ];
    let given = GIVEN.iter().find(|(given, _)| *given == kind).map(|(_, variable)| variable);
    if let (Some("directadmin"), Some(variable)) = (section.dialect.as_deref(), given) {
        let text = format!("is the grant to give the hook \"{variable}\" in clear, as the panel does");
        check.warning(&format!("{key}.dialect"), text);
    }
}

/// Whether rsync and git may run where the hook cannot be asked about each file.
fn programs(kind: HookKind, section: &Section, field: &mut impl FnMut(&str, String)) -> bool {
    let of_files = kind.selectable().paths;
    match section.programs.as_deref() {
        None => false,
        Some(_) if !of_files => {
            field("programs", "is for hooks of file actions only; remove it".to_owned());
            false
        }
        Some("allow") => true,
        Some("refuse") => false,
        Some(other) => {
            field("programs", format!("\"{other}\" is not \"allow\" or \"refuse\""));
            false
        }
    }
}

/// Of what a program or a web server vouches for, the password is always stored (A11-22).
fn stores_passwords(kind: HookKind, section: &Section, is_plugin: bool, field: &mut impl FnMut(&str, String)) -> bool {
    if section.store_passwords.is_some() && kind != HookKind::ExternalAuth {
        field("store_passwords", "is for external-auth only; remove it".to_owned());
    }
    section.store_passwords.unwrap_or(true) || !is_plugin
}

fn own_section(table: &Map<String, Value>, key: &str, check: &mut Check<'_>) -> Option<Section> {
    match serde_json::from_value(Value::Object(table.clone())) {
        Ok(section) => Some(section),
        Err(error) => {
            check.problem(key, error);
            None
        }
    }
}
