//! `tidegate user`.

use anyhow::{Context, bail};
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use tidegate_api::{AdminApi, Handle};
use tidegate_api_types::{
    DeleteUser, DocumentChange, InvalidUser, ListUsers, Operation, ShowUser, UpdateUser, User, Users,
};
use tidegate_core::terminal::on_one_line;

use super::door::{Door, Purpose};
use super::lines::{print_line, warn_line};
use super::user_arguments::UserArguments;
use super::{Place, login_link, user_totp};

/// How many accounts are read at once.
pub const PAGE: u32 = 500;

#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Add an account
    Add(Box<UserArguments>),
    /// Change the given fields of an account
    Update(Box<UserArguments>),
    /// Show one account
    Show(NameArguments),
    /// List accounts
    List(ListArguments),
    /// Delete an account; its files stay
    Delete(NameArguments),
    /// Give an account one-time codes, or take them away
    Totp(user_totp::TotpArguments),
    /// Make a code with which the user sets a new password once
    ResetCode(login_link::ResetCodeArguments),
    /// Act as the user: print a token for the REST interface
    #[command(visible_alias = "login-as")]
    Impersonate(NameArguments),
}

#[derive(Debug, Args)]
pub struct NameArguments {
    #[command(flatten)]
    pub(super) place: Place,
    /// The account
    #[arg(long, short)]
    pub(super) username: String,
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub struct ListArguments {
    #[command(flatten)]
    place: Place,
    // An empty value may be a variable of a script that was not set.
    /// Only accounts with this role
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    role: Option<String>,
    /// Only accounts in this group
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    group: Option<String>,
    /// Only accounts in this state
    #[arg(long, value_enum)]
    status: Option<Status>,
    /// Only accounts whose name begins with this
    #[arg(long)]
    prefix: Option<String>,
    /// Only accounts whose name has this text anywhere
    #[arg(long)]
    search: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Status {
    Enabled,
    Disabled,
}

pub async fn run(command: UserCommand) -> anyhow::Result<()> {
    match command {
        UserCommand::Add(arguments) => add(arguments).await,
        UserCommand::Update(arguments) => update(arguments).await,
        UserCommand::Show(arguments) => show(arguments).await,
        UserCommand::List(arguments) => list(arguments).await,
        UserCommand::Delete(arguments) => delete(arguments).await,
        UserCommand::Totp(arguments) => user_totp::run(arguments).await,
        UserCommand::ResetCode(arguments) => login_link::reset_code(arguments, false).await,
        UserCommand::Impersonate(arguments) => login_link::impersonate(arguments).await,
    }
}

async fn add(arguments: Box<UserArguments>) -> anyhow::Result<()> {
    let addition = arguments.addition()?;
    let added = change(&arguments.place, addition).await?;
    report("added", &added, arguments.json)
}

async fn update(arguments: Box<UserArguments>) -> anyhow::Result<()> {
    let (change_of_user, clear_password) = arguments.change()?;
    let DocumentChange::Fields { patches, .. } = &change_of_user else { bail!("only fields are changed") };
    let is_name = |field: &str| field.eq_ignore_ascii_case("username");
    let named = patches.iter().rev().find_map(|patch| patch.iter().find(|(field, _)| is_name(field))?.1.as_str());
    let username = named.context("name the account with --username")?.to_owned();
    let request = UpdateUser { username, change: change_of_user, clear_password };
    let updated = change(&arguments.place, request).await?;
    report("updated", &updated, arguments.json)
}

/// Carries out a change. When this returns, the change is made and, without a server, hooks have
/// got it; a running server reports it to them by itself.
pub async fn change<O: Operation>(place: &Place, operation: O) -> anyhow::Result<O::Answer>
where
    AdminApi: Handle<O>,
{
    let mut door = Door::open(place, Purpose::Change).await?;
    let outcome = door.call(operation).await;
    door.finish().await;
    outcome
}

async fn show(arguments: NameArguments) -> anyhow::Result<()> {
    let mut door = Door::open(&arguments.place, Purpose::Look).await?;
    let shown = door.call(ShowUser { username: arguments.username }).await;
    door.finish().await;
    let shown = shown?;
    // The document is shown as well, so that the administrator sees what has to be changed.
    if let Some(problem) = &shown.problem {
        warn_line!("tidegate: warning: {problem}");
    }
    println!("{}", serde_json::to_string_pretty(&shown.document)?);
    Ok(())
}

async fn list(arguments: ListArguments) -> anyhow::Result<()> {
    let ListArguments { place, role, group, status, prefix, search, json } = arguments;
    let enabled = status.map(|status| status == Status::Enabled);
    let request = ListUsers { after: None, prefix, role, group, enabled, contains: search, limit: PAGE };
    let mut door = Door::open(&place, Purpose::Look).await?;
    let mut all = Users::default();
    let outcome = for_each_page_of(&mut door, request, |page| {
        all.users.extend(page.users);
        all.invalid.extend(page.invalid);
        Ok(())
    });
    let outcome = outcome.await;
    door.finish().await;
    outcome?;
    let Users { users, invalid, .. } = all;
    warn_of_invalid(&invalid);
    if json {
        let documents: Vec<_> = users.into_iter().map(|user| user.document).collect();
        println!("{}", serde_json::to_string_pretty(&documents)?);
        return Ok(());
    }
    for user in &users {
        let is_enabled = user.document.get("status").and_then(Value::as_i64) == Some(1);
        let status = if is_enabled { "enabled" } else { "disabled" };
        let home_dir = user.document.get("home_dir").and_then(Value::as_str).unwrap_or_default();
        print_line!("{:<24} {status:<9} {home_dir}", user.username());
    }
    for invalid in &invalid {
        print_line!("{:<24} invalid", invalid.username);
    }
    Ok(())
}

/// Reads all accounts, a page at a time.
pub async fn for_each_page(door: &mut Door, take: impl FnMut(Users) -> anyhow::Result<()>) -> anyhow::Result<()> {
    for_each_page_of(door, ListUsers { limit: PAGE, ..ListUsers::default() }, take).await
}

/// Reads the accounts that the request asks for, a page at a time.
async fn for_each_page_of(
    door: &mut Door,
    mut request: ListUsers,
    mut take: impl FnMut(Users) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    loop {
        let page = door.call(request.clone()).await?;
        request.after = page.next.clone();
        take(page)?;
        if request.after.is_none() {
            return Ok(());
        }
    }
}

/// Reports accounts that are not valid, since they are not listed with the others.
pub fn warn_of_invalid(invalid: &[InvalidUser]) {
    for InvalidUser { problem, .. } in invalid {
        warn_line!("tidegate: warning: {problem}");
    }
}

async fn delete(arguments: NameArguments) -> anyhow::Result<()> {
    let deleted = change(&arguments.place, DeleteUser { username: arguments.username }).await?;
    if arguments.json {
        println!("{}", json!(deleted));
    } else {
        print_line!("The account \"{}\" was deleted.", deleted.deleted);
    }
    Ok(())
}

fn report(done: &str, user: &User, json: bool) -> anyhow::Result<()> {
    user.notes.iter().for_each(|note| eprintln!("{}", on_one_line(note)));
    if json {
        println!("{}", serde_json::to_string_pretty(&user.document)?);
    } else {
        print_line!("The account \"{}\" was {done}.", user.username());
    }
    Ok(())
}
