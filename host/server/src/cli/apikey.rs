//! `tidegate apikey`: keys with which programs use the HTTP interfaces.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use tidegate_api_types::{AddApiKey, DeleteApiKey, ListApiKeys, NewApiKey, RotateApiKey, ShowApiKey, StoredObject};

use super::Place;
use super::admin::{set, text_of, warn_of};
use super::door::{Door, Purpose};
use super::lines::print_line;
use super::times::{date, milliseconds};
use super::user::{PAGE, change};

#[derive(Debug, Subcommand)]
pub enum ApiKeyCommand {
    /// Make a key, and show it once
    Add(AddArguments),
    /// Show one key without its text
    Show(KeyArguments),
    /// List keys
    List {
        #[command(flatten)]
        place: Place,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Give a key a new text, and show it once; the old one is no longer good
    Rotate(KeyArguments),
    /// Revoke a key
    #[command(visible_alias = "revoke")]
    Delete(KeyArguments),
}

#[derive(Debug, Args)]
pub struct KeyArguments {
    #[command(flatten)]
    place: Place,
    /// The id of the key, or its name if no other has the same
    #[arg(long, short, visible_alias = "id")]
    name: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct AddArguments {
    #[command(flatten)]
    place: Place,
    /// A name for people
    #[arg(long, short)]
    name: String,
    /// A note for administrators
    #[arg(long)]
    description: Option<String>,
    /// The administrator whose permissions, role and networks limit the key; without one, only its scope does
    #[arg(long)]
    admin: Option<String>,
    /// What the key is for, such as user.list or "user.*" (repeatable, or with commas); everything if left out
    #[arg(long, value_delimiter = ',')]
    allow: Vec<String>,
    /// Use cases that the key may not use, even if --allow names them (repeatable, or with commas)
    #[arg(long, value_delimiter = ',')]
    deny: Vec<String>,
    /// A network that the key may be used from (repeatable)
    #[arg(long)]
    ip: Vec<String>,
    /// When the key expires: a time as in RFC 3339, or milliseconds since 1970
    #[arg(long)]
    expires: Option<String>,
    /// How often the key may be used
    #[arg(long)]
    max_uses: Option<i64>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(command: ApiKeyCommand) -> anyhow::Result<()> {
    match command {
        ApiKeyCommand::Add(arguments) => {
            let made = change(&arguments.place, AddApiKey { document: arguments.document()? }).await?;
            print(&made, arguments.json)
        }
        ApiKeyCommand::Show(arguments) => show(arguments).await,
        ApiKeyCommand::List { place, json } => list(&place, json).await,
        ApiKeyCommand::Rotate(arguments) => {
            let made = change(&arguments.place, RotateApiKey { key: arguments.name }).await?;
            print(&made, arguments.json)
        }
        ApiKeyCommand::Delete(arguments) => delete(arguments).await,
    }
}

impl AddArguments {
    fn document(&self) -> anyhow::Result<Map<String, Value>> {
        let text = |value: &Option<String>| value.as_ref().map(|value| json!(value));
        let list = |values: &[String]| (!values.is_empty()).then(|| json!(values));
        let expires = self.expires.as_deref().map(milliseconds).transpose()?;
        let fields = [
            ("name", Some(json!(self.name))),
            ("description", text(&self.description)),
            ("admin", text(&self.admin)),
            ("allow", list(&self.allow)),
            ("deny", list(&self.deny)),
            ("ips", list(&self.ip)),
            ("expires_at", expires.map(|at| json!(at))),
            ("max_uses", self.max_uses.map(|uses| json!(uses))),
        ];
        let mut document = Map::new();
        set(&mut document, fields);
        Ok(document)
    }
}

fn print(made: &NewApiKey, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(made)?);
    } else {
        eprintln!("The key is shown only now:");
        println!("{}", made.key);
    }
    Ok(())
}

async fn show(arguments: KeyArguments) -> anyhow::Result<()> {
    let mut door = Door::open(&arguments.place, Purpose::Look).await?;
    let shown = door.call(ShowApiKey { key: arguments.name }).await;
    door.finish().await;
    let shown = shown?;
    warn_of(&shown);
    println!("{}", serde_json::to_string_pretty(&shown.document)?);
    Ok(())
}

async fn list(place: &Place, json: bool) -> anyhow::Result<()> {
    let mut door = Door::open(place, Purpose::Look).await?;
    let keys = all(&mut door).await;
    door.finish().await;
    let keys = keys?;
    keys.iter().for_each(warn_of);
    if json {
        let documents: Vec<_> = keys.into_iter().map(|key| key.document).collect();
        println!("{}", serde_json::to_string_pretty(&documents)?);
        return Ok(());
    }
    for key in &keys {
        let owner = text_of(key, "admin");
        let owner = if owner.is_empty() { "-" } else { owner };
        let number = |field: &str| key.document.get(field).and_then(Value::as_i64).unwrap_or(0);
        let expires = match number("expires_at") {
            0 => "never expires".to_owned(),
            at => format!("until {}", date(at)),
        };
        let uses = match number("max_uses") {
            0 => String::new(),
            most => format!(", used {} of {most} times", number("uses")),
        };
        print_line!("{} {:<24} {owner:<16} {expires}{uses}", text_of(key, "key_id"), text_of(key, "name"));
    }
    Ok(())
}

async fn all(door: &mut Door) -> anyhow::Result<Vec<StoredObject>> {
    let mut request = ListApiKeys { limit: PAGE, ..ListApiKeys::default() };
    let mut keys = Vec::new();
    loop {
        let page = door.call(request.clone()).await?;
        keys.extend(page.keys);
        if page.next.is_none() {
            return Ok(keys);
        }
        request.after = page.next;
    }
}

async fn delete(arguments: KeyArguments) -> anyhow::Result<()> {
    let deleted = change(&arguments.place, DeleteApiKey { key: arguments.name }).await?;
    if arguments.json {
        println!("{}", json!(deleted));
    } else {
        print_line!("The API key {} was revoked.", deleted.deleted);
    }
    Ok(())
}
