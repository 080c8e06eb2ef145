//! `tidegate folder`, `tidegate group` and `tidegate role`: the objects that accounts refer to.

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use tidegate_api_types::{
    AddObject, DeleteObject, DocumentChange, ListObjects, ObjectKind, ShowObject, StoredObject, UpdateObject,
};
use tidegate_core::account::ObjectKind as Known;
use tidegate_migrate::older::decrypt_file_systems;

use super::door::{Door, Purpose};
use super::lines::{print_line, warn_line};
use super::unknown_fields::warn_of_object;
use super::user::{PAGE, change};
use super::{Place, read_source};

#[derive(Debug, Subcommand)]
pub enum ObjectCommand<A: Args> {
    /// Add one
    Add(A),
    /// Change the given fields of one
    Update(A),
    /// Show one, and the accounts and groups that refer to it
    Show(NameArguments),
    /// List all
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
    /// Delete one to which no account and no group refers
    Delete(NameArguments),
}

#[derive(Debug, Args)]
pub struct NameArguments {
    #[command(flatten)]
    place: Place,
    /// Its name
    #[arg(long, short)]
    name: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct FolderArguments {
    #[command(flatten)]
    object: ObjectArguments,
    /// The directory: an absolute path of the host
    #[arg(long)]
    mapped_path: Option<String>,
}

/// What groups and roles take, and folders as well.
#[derive(Debug, Args)]
pub struct ObjectArguments {
    #[command(flatten)]
    place: Place,
    /// Its name; with --from-json the document names it
    #[arg(long, short)]
    name: Option<String>,
    /// A note for administrators
    #[arg(long)]
    description: Option<String>,
    /// A whole document: a file, or - for standard input
    #[arg(long)]
    from_json: Option<String>,
    /// Print the document as JSON
    #[arg(long)]
    json: bool,
}

/// The arguments of one kind of object.
pub trait Given {
    fn object(&self) -> &ObjectArguments;
    /// Fields that only this kind has.
    fn own_fields(&self) -> Vec<(&'static str, Option<&String>)>;
}

impl Given for ObjectArguments {
    fn object(&self) -> &ObjectArguments {
        self
    }

    fn own_fields(&self) -> Vec<(&'static str, Option<&String>)> {
        Vec::new()
    }
}

impl Given for FolderArguments {
    fn object(&self) -> &ObjectArguments {
        &self.object
    }

    fn own_fields(&self) -> Vec<(&'static str, Option<&String>)> {
        vec![("mapped_path", self.mapped_path.as_ref())]
    }
}

pub async fn run<A: Args + Given>(kind: ObjectKind, command: ObjectCommand<A>) -> anyhow::Result<()> {
    match command {
        ObjectCommand::Add(arguments) => add(kind, &arguments).await,
        ObjectCommand::Update(arguments) => update(kind, &arguments).await,
        ObjectCommand::Show(arguments) => show(kind, arguments).await,
        ObjectCommand::List { place, prefix, json } => list(kind, &place, prefix, json).await,
        ObjectCommand::Delete(arguments) => delete(kind, arguments).await,
    }
}

/// The kind in messages.
pub fn noun(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Folder => "folder",
        ObjectKind::Group => "group",
        ObjectKind::Role => "role",
    }
}

async fn add(kind: ObjectKind, arguments: &impl Given) -> anyhow::Result<()> {
    let document = document(kind, arguments)?;
    let added = change(&arguments.object().place, AddObject { kind, document }).await?;
    report(kind, "added", &added, arguments.object().json)
}

async fn update(kind: ObjectKind, arguments: &impl Given) -> anyhow::Result<()> {
    let patch = document(kind, arguments)?;
    let name = patch.get("name").and_then(Value::as_str).context("name the object with --name")?.to_owned();
    let update = DocumentChange::Fields { patches: vec![patch], replaced: Vec::new() };
    let updated = change(&arguments.object().place, UpdateObject { kind, name, change: update }).await?;
    report(kind, "updated", &updated, arguments.object().json)
}

/// The document of `--from-json`, and the single fields over it.
fn document(kind: ObjectKind, arguments: &impl Given) -> anyhow::Result<Map<String, Value>> {
    let object = arguments.object();
    let mut document = match &object.from_json {
        None => Map::new(),
        Some(source) => {
            let unreadable = || format!("{source} is not a {}", noun(kind));
            let document = tidegate_core::json::parse(&read_source(source)?).with_context(unreadable)?;
            let Value::Object(mut document) = document else {
                return Err(anyhow::anyhow!("it must be a JSON object")).with_context(unreadable);
            };
            let known = match kind {
                ObjectKind::Folder => Known::Folder,
                ObjectKind::Group => Known::Group,
                ObjectKind::Role => Known::Role,
            };
            warn_of_object(source, known.fields(), &document);
            decrypt_file_systems(&mut document);
            document
        }
    };
    let mut fields = vec![("name", object.name.as_ref()), ("description", object.description.as_ref())];
    fields.extend(arguments.own_fields());
    for (field, value) in fields {
        let Some(value) = value else { continue };
        document.retain(|key, _| !key.eq_ignore_ascii_case(field));
        document.insert(field.to_owned(), json!(value));
    }
    Ok(document)
}

async fn show(kind: ObjectKind, arguments: NameArguments) -> anyhow::Result<()> {
    let mut door = Door::open(&arguments.place, Purpose::Look).await?;
    let shown = door.call(ShowObject { kind, name: arguments.name }).await;
    door.finish().await;
    let shown = shown?;
    if let Some(problem) = &shown.object.problem {
        warn_line!("tidegate: warning: {problem}");
    }
    let mut document = shown.object.document;
    document.insert("users".to_owned(), json!(shown.users));
    if kind == ObjectKind::Folder {
        document.insert("groups".to_owned(), json!(shown.groups));
    }
    println!("{}", serde_json::to_string_pretty(&document)?);
    Ok(())
}

async fn list(kind: ObjectKind, place: &Place, prefix: Option<String>, json: bool) -> anyhow::Result<()> {
    let mut door = Door::open(place, Purpose::Look).await?;
    let objects = objects_with(&mut door, kind, prefix).await;
    door.finish().await;
    let objects = objects?;
    for problem in objects.iter().filter_map(|object| object.problem.as_ref()) {
        warn_line!("tidegate: warning: {problem}");
    }
    if json {
        let documents: Vec<_> = objects.into_iter().map(|object| object.document).collect();
        println!("{}", serde_json::to_string_pretty(&documents)?);
        return Ok(());
    }
    for object in &objects {
        let text = |field: &str| object.document.get(field).and_then(Value::as_str).unwrap_or_default();
        let about = if kind == ObjectKind::Folder { text("mapped_path") } else { text("description") };
        print_line!("{:<24} {about}", object.name());
    }
    Ok(())
}

/// Reads all objects of a kind, a page at a time.
pub async fn all_objects(door: &mut Door, kind: ObjectKind) -> anyhow::Result<Vec<StoredObject>> {
    objects_with(door, kind, None).await
}

async fn objects_with(door: &mut Door, kind: ObjectKind, prefix: Option<String>) -> anyhow::Result<Vec<StoredObject>> {
    let mut objects = Vec::new();
    let mut request = ListObjects { kind, after: None, prefix, limit: PAGE };
    loop {
        let page = door.call(request.clone()).await?;
        objects.extend(page.objects);
        if page.next.is_none() {
            return Ok(objects);
        }
        request.after = page.next;
    }
}

async fn delete(kind: ObjectKind, arguments: NameArguments) -> anyhow::Result<()> {
    let deleted = change(&arguments.place, DeleteObject { kind, name: arguments.name }).await?;
    if arguments.json {
        println!("{}", json!(deleted));
    } else {
        print_line!("The {} \"{}\" was deleted.", noun(kind), deleted.deleted);
    }
    Ok(())
}

fn report(kind: ObjectKind, done: &str, object: &StoredObject, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(&object.document)?);
    } else {
        print_line!("The {} \"{}\" was {done}.", noun(kind), object.name());
    }
    Ok(())
}
