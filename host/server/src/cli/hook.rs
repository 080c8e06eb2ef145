//! `tidegate hook`.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::bail;
use clap::Subcommand;
use serde_json::{Value, json};
use tidegate_api::{explained_login, hook_link as answer};
use tidegate_api_types::{ExplainLogin, ExplainedLink, ExplainedLogin, ForgetCredentials, HookLink, ListHookLinks};
use tidegate_core::account::json_schema;
use tidegate_core::admin::LoginQuestion;
use tidegate_core::connection::LoginMethod;
use tidegate_core::hook::HookKind;
use tidegate_hooks_wasm::ServedGates;

use super::lines::print_line;
use super::{Place, hook_runs, hook_test};
use crate::hook_explanation;
use crate::hook_inventory::as_at_start;
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
    /// Let the running server ask external authentication again about credentials that it has decided about
    ForgetCredentials {
        #[command(flatten)]
        place: Place,
        /// Only those of this user
        #[arg(long, visible_alias = "username")]
        user: Option<String>,
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
        HookCommand::ForgetCredentials { place, user, json } => forget_credentials(&place, user, json).await,
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

async fn forget_credentials(place: &Place, username: Option<String>, json: bool) -> anyhow::Result<()> {
    let mut control = place.running_server("credentials are remembered by the running server").await?;
    let answer = control.call(&ForgetCredentials { username }).await?;
    if json {
        println!("{}", json!(answer));
    } else {
        println!("External authentication is asked again; credentials that were remembered: {}.", answer.forgotten);
    }
    Ok(())
}

async fn list(place: &Place, json: bool) -> anyhow::Result<()> {
    let links = match place.server().await? {
        Some(mut control) => control.call(&ListHookLinks {}).await?.links,
        None => {
            let (directory, settings) = place.settings_to_look_at()?;
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
        print_line!("  {}. {}", index + 1, in_words(link));
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

async fn explain(place: &Place, user: &str, method: &str, ip: IpAddr, json: bool) -> anyhow::Result<()> {
    let Some(method) = LoginMethod::ALL.into_iter().find(|known| known.as_str() == method) else {
        let known = LoginMethod::ALL.map(LoginMethod::as_str).join(", ");
        bail!("\"{method}\" is not a login method; there are {known}");
    };
    let login = LoginQuestion { username: user.to_owned(), method, address: ip };
    let explanation = match place.server().await? {
        Some(mut control) => {
            let LoginQuestion { username, method, address } = login;
            let (method, address) = (method.as_str().to_owned(), address.to_string());
            control.call(&ExplainLogin { username, method, address }).await?
        }
        None => at_start(place, &login).await?,
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&as_json(explanation))?);
        return Ok(());
    }
    let stored = if explanation.is_stored { "is stored" } else { "is not stored" };
    print_line!("The account \"{user}\" {stored}.");
    for point in explanation.points {
        let hook = point.hook;
        match (&point.not_asked, point.links.is_empty()) {
            (_, true) => println!("{hook}: no links"),
            (Some(reason), false) => print_line!("{hook}: not asked: {reason}"),
            (None, false) => println!("{hook}: {}", point.composition),
        }
        let is_asked = point.not_asked.is_none();
        for ExplainedLink { link, skipped } in point.links.into_iter().filter(|_| is_asked) {
            match skipped {
                Some(reason) => print_line!("  skips {:<8} {}: {reason}", link.adapter, link.target),
                None => print_line!("  asks  {}", in_words(&link)),
            }
        }
    }
    Ok(())
}

/// What a login would meet if a server started now.
async fn at_start(place: &Place, login: &LoginQuestion) -> anyhow::Result<ExplainedLogin> {
    let (directory, settings) = place.settings_to_look_at()?;
    let stores = Stores::open(&settings.database, &directory)?;
    let served = ServedGates::look(&directory)?;
    let hooks = Hooks::open(&settings, &stores, wire::silent_host(), served).await?;
    Ok(explained_login(hook_explanation::explain(login, &settings, &stores, &hooks).await?))
}

/// Each link, with whether it would run and the reason for which not.
fn as_json(explanation: ExplainedLogin) -> Vec<Value> {
    let points = explanation.points.into_iter().flat_map(|point| {
        let whole = point.not_asked;
        point.links.into_iter().map(move |ExplainedLink { link, skipped }| {
            let reason = whole.clone().or(skipped);
            let mut value = serde_json::to_value(link).unwrap_or_default();
            if let Value::Object(fields) = &mut value {
                fields.insert("runs".to_owned(), json!(reason.is_none()));
                fields.insert("reason".to_owned(), json!(reason));
            }
            value
        })
    });
    points.collect()
}
