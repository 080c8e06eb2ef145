//! `tidegate user`.

use std::io::Read;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tidegate_api_types::{InvalidUser, ListUsers, ShowUser, Users};
use tidegate_core::account::{AccountDraft, Accounts, Audience, OnConflict, User};
use tidegate_core::hook::HookKind;
use tidegate_core::key_options::KeyOptions;
use tidegate_core::password::PasswordText;
use tidegate_core::ports::{self, Author, StoredDocument};
use tidegate_core::secret::Secret;

use super::door::{Door, Purpose};
use super::user_fields::FieldArguments;
use super::{Place, user_totp};
use crate::wire::{HookTasks, Hooks, Stores};

/// For the hooks that are told of a change.
const TELLING_TIME: Duration = Duration::from_secs(60);
/// Accounts read at once.
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
    List {
        #[command(flatten)]
        place: Place,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Delete an account; its files stay
    Delete(NameArguments),
    /// Give an account one-time codes, or take them away
    Totp(user_totp::TotpArguments),
}

#[derive(Debug, Args)]
pub struct NameArguments {
    #[command(flatten)]
    place: Place,
    /// The account
    #[arg(long, short)]
    username: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct UserArguments {
    #[command(flatten)]
    place: Place,
    /// The account; with --from-json the document names it
    #[arg(long, short)]
    username: Option<String>,
    /// The password, or its hash in a known format
    #[arg(long, conflicts_with = "password_stdin")]
    password: Option<String>,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    fields: FieldArguments,
    /// A line or a file (repeatable); replaces the keys there are
    #[arg(long)]
    public_key: Vec<String>,
    /// DIRECTORY:PERMISSION,… such as "/:*" (repeatable); replaces the permissions there are
    #[arg(long)]
    permissions: Vec<String>,
    /// A whole account document: a file, or - for standard input
    #[arg(long, conflicts_with = "password_stdin")]
    from_json: Option<String>,
    /// Print the account as JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(command: UserCommand) -> anyhow::Result<()> {
    match command {
        UserCommand::Add(arguments) => add(arguments).await,
        UserCommand::Update(arguments) => update(arguments).await,
        UserCommand::Show(arguments) => show(arguments).await,
        UserCommand::List { place, json } => list(&place, json).await,
        UserCommand::Delete(arguments) => delete(arguments).await,
        UserCommand::Totp(arguments) => user_totp::run(arguments).await,
    }
}

async fn add(arguments: Box<UserArguments>) -> anyhow::Result<()> {
    let mut draft = match &arguments.username {
        Some(username) => AccountDraft::new(username),
        None => AccountDraft::default(),
    };
    if arguments.permissions.is_empty() && arguments.from_json.is_none() {
        draft.set_permissions("/", &["*".to_owned()]);
    }
    arguments.apply(&mut draft)?;
    let open = Open::for_changes(&arguments.place).await?;
    let added = open.accounts.add(draft, &author()).await;
    open.finish().await;
    report("added", &added?, arguments.json)
}

async fn update(arguments: Box<UserArguments>) -> anyhow::Result<()> {
    let username = match (&arguments.username, &arguments.from_json) {
        (Some(username), _) => username.clone(),
        (None, Some(source)) => AccountDraft::from_json(&read_source(source)?)?.username().to_owned(),
        (None, None) => bail!("name the account with --username"),
    };
    let open = Open::for_changes(&arguments.place).await?;
    let mut draft = AccountDraft::of_stored(open.stored(&username).await?);
    arguments.apply(&mut draft)?;
    if draft.username() != username {
        bail!("an account cannot be renamed; add \"{}\" and delete \"{username}\"", draft.username());
    }
    let updated = open.accounts.update(draft, OnConflict::Merge, &author()).await;
    open.finish().await;
    report("updated", &updated?, arguments.json)
}

async fn show(arguments: NameArguments) -> anyhow::Result<()> {
    let mut door = Door::open(&arguments.place, Purpose::Look).await?;
    let shown = door.call(ShowUser { username: arguments.username }).await;
    door.finish().await;
    let shown = shown?;
    // To see what has to be changed.
    if let Some(problem) = &shown.problem {
        eprintln!("tidegate: warning: {problem}");
    }
    println!("{}", serde_json::to_string_pretty(&shown.document)?);
    Ok(())
}

async fn list(place: &Place, json: bool) -> anyhow::Result<()> {
    let mut door = Door::open(place, Purpose::Look).await?;
    let mut all = Users::default();
    let outcome = for_each_page(&mut door, |page| {
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
        println!("{:<24} {status:<9} {home_dir}", user.username());
    }
    for invalid in &invalid {
        println!("{:<24} invalid", invalid.username);
    }
    Ok(())
}

/// All accounts, a page at a time.
pub async fn for_each_page(door: &mut Door, mut take: impl FnMut(Users) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut request = ListUsers { limit: PAGE, ..ListUsers::default() };
    loop {
        let page = door.call(request.clone()).await?;
        request.after = page.next.clone();
        take(page)?;
        if request.after.is_none() {
            return Ok(());
        }
    }
}

/// They are not listed with the others; this says that they are there.
pub fn warn_of_invalid(invalid: &[InvalidUser]) {
    for InvalidUser { problem, .. } in invalid {
        eprintln!("tidegate: warning: {problem}");
    }
}

async fn delete(arguments: NameArguments) -> anyhow::Result<()> {
    let open = Open::for_changes(&arguments.place).await?;
    let deleted = open.accounts.delete(&arguments.username, &author()).await;
    open.finish().await;
    deleted?;
    if arguments.json {
        println!("{}", json!({ "deleted": arguments.username }));
    } else {
        println!("The account \"{}\" was deleted.", arguments.username);
    }
    Ok(())
}

/// Of changes from the command line.
pub fn author() -> Author {
    Author::new("", ports::Door::Cli)
}

/// The accounts of a place.
pub struct Open {
    pub accounts: Accounts,
    /// Who is told of changes.
    tasks: Option<HookTasks>,
}

impl Open {
    pub async fn for_changes(place: &Place) -> anyhow::Result<Self> {
        let (_, settings) = place.settings()?;
        let stores = Stores::open(&settings.database)?;
        let (mut tasks, host) = HookTasks::start_journal(&stores);
        let points = Hooks::open_for(HookKind::ObjectChanges, &settings, &stores, host).await?;
        tasks.start_observers(&points);
        let accounts = stores.accounts(settings.users_base_dir).with_observers(points.object_changes.clone());
        Ok(Self { accounts, tasks: Some(tasks) })
    }

    /// What is stored, valid or not.
    pub async fn stored(&self, username: &str) -> anyhow::Result<StoredDocument> {
        let found = self.accounts.stored(username).await?;
        found.ok_or_else(|| anyhow!("there is no account named \"{username}\""))
    }

    /// Waits until all are told.
    pub async fn finish(self) {
        if let Some(tasks) = self.tasks {
            tasks.finish(TELLING_TIME).await;
        }
    }
}

fn report(done: &str, account: &User, json: bool) -> anyhow::Result<()> {
    for key in account.public_keys.iter().filter(|key| key.needs_presence()) {
        eprintln!(
            "The security key {} will be refused, because it cannot be seen whether it was touched; begin its line with \
             \"no-touch-required\" if it need not be.",
            key.fingerprint()
        );
    }
    for key in &account.public_keys {
        if let Some(problem) = key.options().and_then(KeyOptions::unusable) {
            eprintln!("The key {} admits no login: {problem}.", key.fingerprint());
        }
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&account.to_document(Audience::Redacted))?);
    } else {
        println!("The account \"{}\" was {done}.", account.username);
    }
    Ok(())
}

/// `-` is standard input.
pub fn read_source(source: &str) -> anyhow::Result<String> {
    if source == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("standard input could not be read")?;
        return Ok(text);
    }
    std::fs::read_to_string(source).with_context(|| format!("{source} could not be read"))
}

/// A hook's answer adds to the permissions there are (B3-02); an administrator says which hold.
fn names_permissions(document: &str) -> bool {
    let document: serde_json::Value = serde_json::from_str(document).unwrap_or_default();
    document.get("permissions").is_some_and(serde_json::Value::is_object)
}

impl UserArguments {
    /// A document first, then the single fields.
    fn apply(&self, draft: &mut AccountDraft) -> anyhow::Result<()> {
        if let Some(source) = &self.from_json {
            let text = read_source(source)?;
            if names_permissions(&text) {
                draft.set("permissions", json!({}));
            }
            draft.merge_json(&text).with_context(|| format!("{source} is not an account"))?;
        }
        self.fields.apply(draft);
        if let (Some(username), Some(_)) = (&self.username, &self.from_json) {
            draft.set("username", json!(username));
        }
        if !self.public_key.is_empty() {
            draft.set("public_keys", json!(super::public_key_lines(&self.public_key)?));
        }
        if !self.permissions.is_empty() {
            draft.set("permissions", permissions(&self.permissions)?);
        }
        self.apply_password(draft)
    }

    fn apply_password(&self, draft: &mut AccountDraft) -> anyhow::Result<()> {
        if self.password_stdin {
            let text = read_source("-")?;
            draft.set_clear_password(Secret::new(text.trim_end_matches(['\r', '\n'])));
        } else if let Some(password) = &self.password {
            if PasswordText::of(password) == PasswordText::Locked {
                eprintln!(
                    "The password is the mark of a locked one: no password will do. Use --password-stdin for any text."
                );
            }
            draft.set("password", json!(password));
        }
        Ok(())
    }
}

/// `/dir:list,download`
fn permissions(arguments: &[String]) -> anyhow::Result<Value> {
    let mut table = serde_json::Map::new();
    for argument in arguments {
        let (directory, tokens) = argument
            .rsplit_once(':')
            .ok_or_else(|| anyhow!("\"{argument}\" is not of the form DIRECTORY:PERMISSION,…, such as \"/:*\""))?;
        let tokens: Vec<&str> = tokens.split(',').map(str::trim).filter(|token| !token.is_empty()).collect();
        table.insert(directory.to_owned(), json!(tokens));
    }
    Ok(Value::Object(table))
}
