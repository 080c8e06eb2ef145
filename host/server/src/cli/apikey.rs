//! `tidegate apikey`: keys with which programs use the HTTP interfaces.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use tidegate_api_types::{
    AddApiKey, DeleteApiKey, ListApiKeys, NewApiKey, RotateApiKey, ShowApiKey, StoredObject, UpdateApiKey,
};

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
    /// Change the given fields of a key; its text stays
    Update(UpdateArguments),
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
    #[command(flatten)]
    fields: Fields,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct UpdateArguments {
    #[command(flatten)]
    place: Place,
    /// The id of the key, or its name if no other has the same
    #[arg(long, short, visible_alias = "id")]
    name: String,
    /// Another name for people
    #[arg(long)]
    new_name: Option<String>,
    #[command(flatten)]
    fields: Fields,
    /// Print the document as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct Fields {
    /// A note for administrators
    #[arg(long)]
    description: Option<String>,
    /// The administrator whose permissions, role and networks limit the key; without one, only its scope does
    #[arg(long)]
    admin: Option<String>,
    /// What the key is for, such as user.list or "user.*" (repeatable, or with commas); empty means everything
    #[arg(long, value_delimiter = ',')]
    allow: Vec<String>,
    /// Use cases that the key may not use, even if --allow names them (repeatable, or with commas); empty means none
    #[arg(long, value_delimiter = ',')]
    deny: Vec<String>,
    /// A network that the key may be used from (repeatable); empty means any
    #[arg(long)]
    ip: Vec<String>,
    /// When the key expires: a time as in RFC 3339, or milliseconds since 1970; 0 means never
    #[arg(long)]
    expires: Option<String>,
    /// How often the key may be used; 0 means without limit
    #[arg(long)]
    max_uses: Option<i64>,
}

pub async fn run(command: ApiKeyCommand) -> anyhow::Result<()> {
    match command {
        ApiKeyCommand::Add(arguments) => {
            let mut document = Map::new();
            set(&mut document, [("name", Some(json!(arguments.name)))]);
            set(&mut document, arguments.fields.given()?);
            let made = change(&arguments.place, AddApiKey { document }).await?;
            print(&made, arguments.json)
        }
        ApiKeyCommand::Update(arguments) => update(&arguments).await,
        ApiKeyCommand::Show(arguments) => show(arguments).await,
        ApiKeyCommand::List { place, json } => list(&place, json).await,
        ApiKeyCommand::Rotate(arguments) => {
            let made = change(&arguments.place, RotateApiKey { key: arguments.name }).await?;
            print(&made, arguments.json)
        }
        ApiKeyCommand::Delete(arguments) => delete(arguments).await,
    }
}

impl Fields {
    /// The fields of a document that are given.
    fn given(&self) -> anyhow::Result<[(&'static str, Option<Value>); 7]> {
        let text = |value: &Option<String>| value.as_ref().map(|value| json!(value));
        let list = |values: &[String]| {
            let some: Vec<_> = values.iter().filter(|value| !value.is_empty()).collect();
            (!values.is_empty()).then(|| json!(some))
        };
        let expires = self.expires.as_deref().map(milliseconds).transpose()?;
        Ok([
            ("description", text(&self.description)),
            ("admin", text(&self.admin)),
            ("allow", list(&self.allow)),
            ("deny", list(&self.deny)),
            ("ips", list(&self.ip)),
            ("expires_at", expires.map(|at| json!(at))),
            ("max_uses", self.max_uses.map(|uses| json!(uses))),
        ])
    }
}

async fn update(arguments: &UpdateArguments) -> anyhow::Result<()> {
    let given = arguments.fields.given()?;
    let mut door = Door::open(&arguments.place, Purpose::Change).await?;
    let updated = replaced(&mut door, arguments, given).await;
    door.finish().await;
    let updated = updated?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&updated.document)?);
    } else {
        print_line!("The API key {} was updated.", text_of(&updated, "key_id"));
    }
    Ok(())
}

/// Changes these fields of the key as it is stored. A change that comes in between is a conflict, and stays.
async fn replaced(
    door: &mut Door,
    arguments: &UpdateArguments,
    given: [(&'static str, Option<Value>); 7],
) -> anyhow::Result<StoredObject> {
    let key = arguments.name.clone();
    let StoredObject { revision, mut document, problem: _ } = door.call(ShowApiKey { key: key.clone() }).await?;
    set(&mut document, [("name", arguments.new_name.as_ref().map(|name| json!(name)))]);
    set(&mut document, given);
    door.call(UpdateApiKey { key, document, revision }).await
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
