//! `tidegate hook`.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::Subcommand;
use serde_json::{Value, json};
use tidegate_api::hook_link as answer;
use tidegate_api_types::{HookLink, ListHookLinks};
use tidegate_core::account::json_schema;
use tidegate_core::connection::LoginMethod;
use tidegate_core::hook::{HookKind, Subject};
use tidegate_hooks_wasm::ServedGates;

use super::backup::stores_to_look_at;
use super::{Place, hook_runs, hook_test};
use crate::config::Settings;
use crate::control::Control;
use crate::hook_inventory::{as_at_start, hook_link};
use crate::wire::{self, Hooks, Stores};

#[derive(Debug, Subcommand)]
pub enum HookCommand {
    /// List the links of every hook point, in the order in which they are asked
    List {
        #[command(flatten)]
        place: Place,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Say which hooks a login would meet and why, without running any
    Explain {
        #[command(flatten)]
        place: Place,
        /// The user name, as a client would send it
        #[arg(long, visible_alias = "username")]
        user: String,
        /// password, publickey, keyboard-interactive, or a combination such as publickey+password
        #[arg(long, default_value = "password")]
        method: String,
        /// The client's address
        #[arg(long, default_value = "127.0.0.1")]
        ip: IpAddr,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the account document that hooks read and write, as a JSON Schema
    Schema,
    /// Ask a hook about a made-up login or file, and show all of what happens
    Test(Box<hook_test::TestArguments>),
    /// List the last calls of hooks
    Runs(hook_runs::RunsArguments),
    /// Show one call: what was sent, what came back, and the timing
    Run(hook_runs::RunArguments),
    /// Count all calls, by hook, version and outcome
    Stats {
        #[command(flatten)]
        place: Place,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(command: HookCommand) -> anyhow::Result<()> {
    match command {
        HookCommand::List { place, json } => list(&place, json).await,
        HookCommand::Explain { place, user, method, ip, json } => explain(&place, &user, &method, ip, json).await,
        HookCommand::Schema => {
            println!("{}", serde_json::to_string_pretty(&json_schema())?);
            Ok(())
        }
        HookCommand::Test(arguments) => hook_test::test(*arguments).await,
        HookCommand::Runs(arguments) => hook_runs::runs(arguments).await,
        HookCommand::Run(arguments) => hook_runs::run(arguments).await,
        HookCommand::Stats { place, json } => hook_runs::stats(&place, json).await,
    }
}

async fn open(place: &Place) -> anyhow::Result<(Settings, Stores, Hooks)> {
    let (directory, settings) = place.settings()?;
    let stores = stores_to_look_at(&settings, &directory).await?;
    let served = ServedGates::look(&directory)?;
    let hooks = Hooks::open(&settings, &stores, wire::silent_host(), served).await?;
    Ok((settings, stores, hooks))
}

async fn list(place: &Place, json: bool) -> anyhow::Result<()> {
    let links = match Control::connect(&place.directory()).await? {
        Some(mut control) => control.call(&ListHookLinks {}).await?.links,
        None => {
            let (directory, settings) = place.settings()?;
            as_at_start(&directory, &settings).await?.links().into_iter().map(answer).collect()
        }
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&links)?);
        return Ok(());
    }
    for kind in HookKind::ALL {
        let links: Vec<_> = links.iter().filter(|link| link.hook == kind.as_str()).collect();
        list_point(kind, &links);
    }
    Ok(())
}

fn list_point(kind: HookKind, links: &[&HookLink]) {
    if links.is_empty() {
        println!("{kind}: no links");
        return;
    }
    println!("{kind}: {}", kind.composition());
    for (index, link) in links.iter().enumerate() {
        println!("  {}. {}", index + 1, in_words(link));
    }
}

fn in_words(link: &HookLink) -> String {
    let deadline = Duration::try_from_secs_f64(link.deadline_seconds).unwrap_or_default();
    let mut words = format!(
        "{:<8} {}  (deadline {deadline:?}, on error {}, {}",
        link.adapter, link.target, link.on_error, link.limits
    );
    if let Some(version) = link.version.as_deref().and_then(|version| version.get(..12)) {
        words.push_str(&format!(", version {version}"));
    }
    if !link.grants.is_empty() {
        words.push_str(&format!(", granted {}", link.grants.join(" ")));
    }
    format!("{words}; {})", link.health)
}

/// The hook points of a login, in their order (B1).
const LOGIN: [HookKind; 8] = [
    HookKind::Connect,
    HookKind::LoginPre,
    HookKind::ExternalAuth,
    HookKind::PreLogin,
    HookKind::KeyboardInteractive,
    HookKind::CheckPassword,
    HookKind::SessionCreate,
    HookKind::PostLogin,
];

async fn explain(place: &Place, user: &str, method: &str, ip: IpAddr, json: bool) -> anyhow::Result<()> {
    let (settings, stores, hooks) = open(place).await?;
    let Some(method) = LoginMethod::ALL.into_iter().find(|known| known.as_str() == method) else {
        let known = LoginMethod::ALL.map(LoginMethod::as_str).join(", ");
        bail!("\"{method}\" is not a login method; there are {known}");
    };
    let accounts = stores.accounts(settings.users_base_dir.clone());
    let account = match accounts.find(user).await? {
        Some(user) => Some(accounts.in_force(user).await?),
        None => None,
    };
    let subject = Subject {
        username: Some(user),
        account: account.as_ref(),
        method: Some(method),
        address: Some(ip),
        ..Subject::default()
    };
    let reasons = Reasons { subject: &subject, settings: &settings, hooks: &hooks };
    let mut printed = Vec::new();
    if !json {
        let stored = if account.is_some() { "is stored" } else { "is not stored" };
        println!("The account \"{user}\" {stored}.");
    }
    for kind in LOGIN {
        let point = hooks.points.points().iter().find(|point| point.kind() == kind);
        let point = point.ok_or_else(|| anyhow!("the hook point {kind} is missing"))?;
        let whole = reasons.whole_point(kind);
        let links: Vec<_> = point.explain(&subject);
        if json {
            printed.extend(links.iter().map(|(link, mismatch)| {
                let skipped = whole.clone().or_else(|| mismatch.map(not_selected));
                let mut value = serde_json::to_value(answer(hook_link(kind, link))).unwrap_or_default();
                if let Value::Object(fields) = &mut value {
                    fields.insert("runs".to_owned(), json!(skipped.is_none()));
                    fields.insert("reason".to_owned(), json!(skipped));
                }
                value
            }));
            continue;
        }
        match (&whole, links.is_empty()) {
            (_, true) => println!("{kind}: no links"),
            (Some(reason), false) => println!("{kind}: not asked: {reason}"),
            (None, false) => println!("{kind}: {}", kind.composition()),
        }
        for (link, mismatch) in links.iter().filter(|_| whole.is_none()) {
            match mismatch {
                Some(list) => {
                    println!("  skips {:<8} {}: {}", link.adapter, link.description.target, not_selected(list))
                }
                None => println!("  asks  {}", in_words(&answer(hook_link(kind, link)))),
            }
        }
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&printed)?);
    }
    Ok(())
}

fn not_selected(list: &'static str) -> String {
    format!("its \"{list}\" do not match")
}

/// Finds reasons for which a whole point would not be asked.
struct Reasons<'a> {
    subject: &'a Subject<'a>,
    settings: &'a Settings,
    hooks: &'a Hooks,
}

impl Reasons<'_> {
    fn whole_point(&self, kind: HookKind) -> Option<String> {
        let filters = self.subject.account.map(|account| &account.filters);
        let method = self.subject.method.unwrap_or(LoginMethod::Password);
        let is = |methods: &[LoginMethod]| methods.contains(&method);
        let password = is(&[LoginMethod::Password, LoginMethod::PublicKeyThenPassword]);
        let interactive = is(&[LoginMethod::KeyboardInteractive, LoginMethod::PublicKeyThenKeyboardInteractive]);
        match kind {
            HookKind::ExternalAuth if filters.is_some_and(|filters| filters.external_auth_disabled) => {
                Some("the account has filters.hooks.external_auth_disabled".to_owned())
            }
            HookKind::ExternalAuth if !self.in_scope(method) => {
                Some("the method is not in data_provider.external_auth_scope".to_owned())
            }
            HookKind::PreLogin if filters.is_some_and(|filters| filters.pre_login_disabled) => {
                Some("the account has filters.hooks.pre_login_disabled".to_owned())
            }
            HookKind::PreLogin if self.asks_external_auth(method) => {
                Some("external authentication comes first; asked only if all of that defers".to_owned())
            }
            HookKind::KeyboardInteractive if !interactive => Some("only for keyboard-interactive logins".to_owned()),
            HookKind::KeyboardInteractive if filters.is_some_and(|filters| filters.external_auth_disabled) => {
                Some("the account has filters.hooks.external_auth_disabled".to_owned())
            }
            HookKind::CheckPassword if filters.is_some_and(|filters| filters.check_password_disabled) => {
                Some("the account has filters.hooks.check_password_disabled".to_owned())
            }
            HookKind::CheckPassword if !password && !interactive => Some("only for passwords".to_owned()),
            HookKind::ExternalAuth
            | HookKind::PreLogin
            | HookKind::KeyboardInteractive
            | HookKind::CheckPassword
            | HookKind::Startup
            | HookKind::Connect
            | HookKind::LoginPre
            | HookKind::SessionCreate
            | HookKind::PostLogin
            | HookKind::PreAction
            | HookKind::PostAction
            | HookKind::SessionDestroy
            | HookKind::Disconnect
            | HookKind::ObjectChanges
            | HookKind::CredentialChanged
            | HookKind::PasswordResetPre
            | HookKind::OneClickLoginPost => None,
        }
    }

    fn in_scope(&self, method: LoginMethod) -> bool {
        self.settings.external_auth_scope.covers_method(method)
    }

    fn asks_external_auth(&self, method: LoginMethod) -> bool {
        let disabled = self.subject.account.is_some_and(|account| account.filters.external_auth_disabled);
        !disabled && self.in_scope(method) && self.hooks.points.login.external_auth.concerns(self.subject)
    }
}
