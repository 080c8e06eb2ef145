//! `tidegate login-link`, acting as a user, and codes for lost passwords.

use clap::{Args, Subcommand};
use serde_json::json;
use tidegate_api_types::{
    AddLoginLink, DeleteLoginLink, Impersonate, ListLoginLinks, MakeResetCode, NewLoginLink, OneClickLogin,
};

use super::Place;
use super::door::{Door, Purpose};
use super::lines::print_line;
use super::times::{date, milliseconds};
use super::user::{NameArguments, change};

#[derive(Debug, Subcommand)]
pub enum LoginLinkCommand {
    /// Make a link that logs a user in without a password, and show its code once
    Add(AddArguments),
    /// Log a portal's user in by one click: a link that is good once and for a minute
    OneClick(OneClickArguments),
    /// List the links of a user that are still good
    List(NameArguments),
    /// Revoke a link
    #[command(visible_alias = "revoke")]
    Delete(DeleteArguments),
}

#[derive(Debug, Args)]
pub struct AddArguments {
    #[command(flatten)]
    place: Place,
    /// The account
    #[arg(long, short)]
    username: String,
    /// A name for administrators, which hooks get as well; the id of the link if left out
    #[arg(long, short)]
    name: Option<String>,
    /// How often the link may be used; once if left out
    #[arg(long)]
    max_uses: Option<i64>,
    /// When it expires: a time as in RFC 3339, or milliseconds since 1970; in 24 hours if left out
    #[arg(long)]
    expires: Option<String>,
    /// A network that it may be used from (repeatable)
    #[arg(long)]
    ip: Vec<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct OneClickArguments {
    #[command(flatten)]
    place: Place,
    /// The account
    #[arg(long, short)]
    username: String,
    /// What the login is for, such as webmail, as hooks are told; the account if left out
    #[arg(long, short)]
    name: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct DeleteArguments {
    #[command(flatten)]
    place: Place,
    /// The id of the link, as the list shows it
    #[arg(long)]
    id: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct ResetCodeArguments {
    #[command(flatten)]
    place: Place,
    /// The user with the lost password
    #[arg(long, short)]
    username: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(command: LoginLinkCommand) -> anyhow::Result<()> {
    match command {
        LoginLinkCommand::Add(arguments) => add(arguments).await,
        LoginLinkCommand::OneClick(arguments) => one_click(arguments).await,
        LoginLinkCommand::List(arguments) => list(arguments).await,
        LoginLinkCommand::Delete(arguments) => delete(arguments).await,
    }
}

async fn add(arguments: AddArguments) -> anyhow::Result<()> {
    let AddArguments { place, username, name, max_uses, expires, ip, json } = arguments;
    let expires_at = expires.as_deref().map(milliseconds).transpose()?;
    let request = AddLoginLink { username, name: name.unwrap_or_default(), max_uses, expires_at, ips: ip };
    print_link(change(&place, request).await?, json)
}

async fn one_click(arguments: OneClickArguments) -> anyhow::Result<()> {
    let OneClickArguments { place, username, name, json } = arguments;
    // A command ends before a click, and calls no hook of logins.
    let mut control = place.running_server("logins by one click are served by the running server").await?;
    let made = control.call(&OneClickLogin { username, name: name.unwrap_or_default() }).await?;
    print_link(made, json)
}

/// Gives a token with which the one who runs the command acts as the user.
pub async fn impersonate(arguments: NameArguments) -> anyhow::Result<()> {
    let NameArguments { place, username, json } = arguments;
    let mut control = place.running_server("sessions of users are kept by the running server").await?;
    let token = control.call(&Impersonate { username }).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&token)?);
    } else {
        eprintln!(
            "The token is shown only now; it is good as \"Authorization: Bearer\" until {}:",
            date(token.expires_at)
        );
        println!("{}", token.access_token);
    }
    Ok(())
}

fn print_link(made: NewLoginLink, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(&made)?);
    } else {
        eprintln!("The code is shown only now; it is exchanged for a token at /api/v2/user/token:");
        println!("{}", made.code);
        match (made.url, made.path) {
            (Some(url), _) => {
                eprintln!("A browser uses it at:");
                println!("{url}");
            }
            (None, Some(path)) => {
                eprintln!("A browser uses it at this path, below the address of the server:");
                println!("{path}");
            }
            (None, None) => {
                eprintln!("No binding has the pages of users (enable_web_client), so that browsers cannot use it.")
            }
        }
    }
    Ok(())
}

async fn list(arguments: NameArguments) -> anyhow::Result<()> {
    let mut door = Door::open(&arguments.place, Purpose::Look).await?;
    let found = door.call(ListLoginLinks { username: arguments.username }).await;
    door.finish().await;
    let links = found?.links;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&links)?);
        return Ok(());
    }
    for link in links {
        let expires = date(link.expires_at);
        print_line!("{} {:<24} used {} of {} times, until {expires}", link.id, link.name, link.uses, link.max_uses);
    }
    Ok(())
}

async fn delete(arguments: DeleteArguments) -> anyhow::Result<()> {
    let deleted = change(&arguments.place, DeleteLoginLink { id: arguments.id }).await?;
    if arguments.json {
        println!("{}", json!(deleted));
    } else {
        print_line!("The login link {} was revoked.", deleted.deleted);
    }
    Ok(())
}

/// Makes a code with which an administrator or the user of an account sets a new password once.
pub async fn reset_code(arguments: ResetCodeArguments, is_admin: bool) -> anyhow::Result<()> {
    let made = change(&arguments.place, MakeResetCode { username: arguments.username, is_admin }).await?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&made)?);
    } else {
        eprintln!("The code is shown only now; it sets a new password once, within an hour:");
        println!("{}", made.code);
    }
    Ok(())
}
