//! `tidegate admin`: administrators.

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use tidegate_api_types::{
    AddAdmin, ClearPassword, DeleteAdmin, DocumentChange, ListAdmins, SetAdminCodes, ShowAdmin, StoredObject,
    UpdateAdmin,
};

use super::door::{Door, Purpose};
use super::lines::{print_line, warn_line};
use super::user::{PAGE, change};
use super::{Place, login_link, read_source, token, typed_password};

#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Add an administrator
    Add(AdminArguments),
    /// Change the given fields of an administrator
    Update(AdminArguments),
    /// Show one administrator
    Show(NameArguments),
    /// List administrators
    List {
        #[command(flatten)]
        place: Place,
        /// Only those whose name begins with this
        #[arg(long)]
        prefix: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Delete an administrator; its tokens and keys are no longer good
    Delete(NameArguments),
    /// Give an administrator one-time codes, or take them away
    Totp(TotpArguments),
    /// Make a code with which the administrator sets a new password once
    ResetCode(login_link::ResetCodeArguments),
    /// List and revoke the tokens of administrators
    Token {
        #[command(subcommand)]
        command: token::TokenCommand,
    },
}

#[derive(Debug, Args)]
pub struct NameArguments {
    #[command(flatten)]
    place: Place,
    /// The administrator
    #[arg(long, short)]
    username: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct AdminArguments {
    #[command(flatten)]
    place: Place,
    /// The administrator; with --from-json the document names it
    #[arg(long, short)]
    username: Option<String>,
    /// The password, or its hash in a known format
    #[arg(long, conflicts_with = "password_stdin")]
    password: Option<String>,
    /// Read the password from standard input; a terminal is asked for it, and does not show it
    #[arg(long)]
    password_stdin: bool,
    /// What the administrator may do, such as view_users; "*" is everything (repeatable, or with commas)
    #[arg(long, value_delimiter = ',')]
    permissions: Vec<String>,
    /// The role whose accounts the administrator is limited to; empty means all accounts
    #[arg(long)]
    role: Option<String>,
    /// A network that logins have to come from (repeatable); replaces those there are
    #[arg(long)]
    allowed_ip: Vec<String>,
    /// 1 enabled, 0 disabled
    #[arg(long)]
    status: Option<i64>,
    /// Whether a login needs a one-time code
    #[arg(long)]
    require_two_factor: Option<bool>,
    /// An address for mail
    #[arg(long)]
    email: Option<String>,
    /// A note for administrators
    #[arg(long)]
    description: Option<String>,
    /// A whole document: a file, or - for standard input
    #[arg(long, conflicts_with = "password_stdin")]
    from_json: Option<String>,
    /// Print the document as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct TotpArguments {
    #[command(flatten)]
    place: Place,
    /// The administrator
    #[arg(long, short)]
    username: String,
    /// Make a new secret and recovery codes, and show them once
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    /// Take the codes away
    #[arg(long)]
    disable: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(command: AdminCommand) -> anyhow::Result<()> {
    match command {
        AdminCommand::Add(arguments) => add(&arguments).await,
        AdminCommand::Update(arguments) => update(&arguments).await,
        AdminCommand::Show(arguments) => show(arguments).await,
        AdminCommand::List { place, prefix, json } => list(&place, prefix, json).await,
        AdminCommand::Delete(arguments) => delete(arguments).await,
        AdminCommand::Totp(arguments) => totp(arguments).await,
        AdminCommand::ResetCode(arguments) => login_link::reset_code(arguments, true).await,
        AdminCommand::Token { command } => token::run(command).await,
    }
}

async fn add(arguments: &AdminArguments) -> anyhow::Result<()> {
    let (document, clear_password) = (arguments.document()?, arguments.clear_password()?);
    let added = change(&arguments.place, AddAdmin { document, clear_password }).await?;
    report("added", &added, arguments.json)
}

async fn update(arguments: &AdminArguments) -> anyhow::Result<()> {
    let (patch, clear_password) = (arguments.document()?, arguments.clear_password()?);
    let named = patch.get("username").and_then(Value::as_str);
    let username = named.context("name the administrator with --username")?.to_owned();
    let fields = DocumentChange::Fields { patches: vec![patch], replaced: Vec::new() };
    let updated = change(&arguments.place, UpdateAdmin { username, change: fields, clear_password }).await?;
    report("updated", &updated, arguments.json)
}

impl AdminArguments {
    /// The document of `--from-json`, and the single fields over it.
    fn document(&self) -> anyhow::Result<Map<String, Value>> {
        let mut document = match &self.from_json {
            None => Map::new(),
            Some(source) => match tidegate_core::json::parse(&read_source(source)?)
                .with_context(|| format!("{source} is no administrator"))?
            {
                Value::Object(document) => document,
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                    return Err(anyhow!("{source} is no administrator: it must be a JSON object"));
                }
            },
        };
        let text = |value: &Option<String>| value.as_ref().map(|value| json!(value));
        let list = |values: &[String]| (!values.is_empty()).then(|| json!(values));
        let fields = [
            ("username", text(&self.username)),
            ("password", text(&self.password)),
            ("permissions", list(&self.permissions)),
            ("role", text(&self.role)),
            ("status", self.status.map(|status| json!(status))),
            ("email", text(&self.email)),
            ("description", text(&self.description)),
        ];
        set(&mut document, fields);
        let networks: Vec<_> = self.allowed_ip.iter().filter(|network| !network.is_empty()).collect();
        let networks = (!self.allowed_ip.is_empty()).then(|| json!(networks));
        let two_factor = self.require_two_factor.map(|needs| json!(needs));
        if networks.is_some() || two_factor.is_some() {
            let filters = document.entry("filters").or_insert_with(|| json!({}));
            let filters = filters.as_object_mut().context("filters must be an object")?;
            set(filters, [("allow_list", networks), ("require_two_factor", two_factor)]);
        }
        Ok(document)
    }

    fn clear_password(&self) -> anyhow::Result<Option<ClearPassword>> {
        if !self.password_stdin {
            return Ok(None);
        }
        let password = typed_password::read()?;
        if password.0.is_empty() {
            bail!("standard input has no password");
        }
        Ok(Some(password))
    }
}

/// Sets fields of a document that are given.
pub fn set<'a>(document: &mut Map<String, Value>, fields: impl IntoIterator<Item = (&'a str, Option<Value>)>) {
    for (field, value) in fields {
        let Some(value) = value else { continue };
        document.retain(|key, _| !key.eq_ignore_ascii_case(field));
        document.insert(field.to_owned(), value);
    }
}

async fn show(arguments: NameArguments) -> anyhow::Result<()> {
    let mut door = Door::open(&arguments.place, Purpose::Look).await?;
    let shown = door.call(ShowAdmin { username: arguments.username }).await;
    door.finish().await;
    let shown = shown?;
    warn_of(&shown);
    println!("{}", serde_json::to_string_pretty(&shown.document)?);
    Ok(())
}

async fn list(place: &Place, prefix: Option<String>, json: bool) -> anyhow::Result<()> {
    let mut door = Door::open(place, Purpose::Look).await?;
    let admins = all(&mut door, prefix).await;
    door.finish().await;
    let admins = admins?;
    admins.iter().for_each(warn_of);
    if json {
        let documents: Vec<_> = admins.into_iter().map(|admin| admin.document).collect();
        println!("{}", serde_json::to_string_pretty(&documents)?);
        return Ok(());
    }
    for admin in &admins {
        let is_enabled = admin.document.get("status").and_then(Value::as_i64) == Some(1);
        let status = if is_enabled { "enabled" } else { "disabled" };
        let permissions = admin.document.get("permissions").and_then(Value::as_array).into_iter().flatten();
        let permissions: Vec<_> = permissions.filter_map(Value::as_str).collect();
        print_line!("{:<24} {status:<9} {}", text_of(admin, "username"), permissions.join(","));
    }
    Ok(())
}

async fn all(door: &mut Door, prefix: Option<String>) -> anyhow::Result<Vec<StoredObject>> {
    let mut request = ListAdmins { prefix, limit: PAGE, ..ListAdmins::default() };
    let mut admins = Vec::new();
    loop {
        let page = door.call(request.clone()).await?;
        admins.extend(page.admins);
        if page.next.is_none() {
            return Ok(admins);
        }
        request.after = page.next;
    }
}

async fn delete(arguments: NameArguments) -> anyhow::Result<()> {
    let deleted = change(&arguments.place, DeleteAdmin { username: arguments.username }).await?;
    if arguments.json {
        println!("{}", json!(deleted));
    } else {
        print_line!("The administrator \"{}\" was deleted.", deleted.deleted);
    }
    Ok(())
}

async fn totp(arguments: TotpArguments) -> anyhow::Result<()> {
    if !arguments.enable && !arguments.disable {
        bail!("say --enable or --disable");
    }
    let username = arguments.username.clone();
    let codes = change(&arguments.place, SetAdminCodes { username, enable: arguments.enable }).await?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&codes)?);
        return Ok(());
    }
    let (Some(secret), Some(url)) = (&codes.secret, &codes.url) else {
        print_line!("\"{}\" has no one-time codes any more.", arguments.username);
        return Ok(());
    };
    println!("Give this to \"{}\"; it is shown only now:\n{secret}\n{url}", arguments.username);
    println!("Each of these codes takes the place of a one-time code, once:");
    codes.recovery_codes.iter().for_each(|code| println!("{code}"));
    Ok(())
}

fn report(done: &str, admin: &StoredObject, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(&admin.document)?);
    } else {
        print_line!("The administrator \"{}\" was {done}.", text_of(admin, "username"));
    }
    Ok(())
}

/// A text of a document; empty if there is none.
pub fn text_of<'a>(object: &'a StoredObject, field: &str) -> &'a str {
    object.document.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// Warns where the stored object is not valid.
pub fn warn_of(object: &StoredObject) {
    if let Some(problem) = &object.problem {
        warn_line!("tidegate: warning: {problem}");
    }
}
