//! The command line's description of an account: a document, single fields, or both.

use anyhow::{Context, anyhow};
use clap::Args;
use serde_json::{Map, Value, json};
use tidegate_api_types::{AddUser, ClearPassword, DocumentChange};
use tidegate_core::account::{AccountDraft, check_given};
use tidegate_core::password::PasswordText;
use tidegate_migrate::older::decrypt_file_systems;

use super::unknown_fields::warn_of_account;
use super::user_fields::FieldArguments;
use super::{Place, public_key_lines, read_source, typed_password};

#[derive(Debug, Args)]
pub struct UserArguments {
    #[command(flatten)]
    pub place: Place,
    /// The account; with --from-json the document names it
    #[arg(long, short)]
    pub username: Option<String>,
    /// The password, or its hash in a known format
    #[arg(long, conflicts_with = "password_stdin")]
    password: Option<String>,
    /// Read the password from standard input; a terminal is asked for it, and does not show it
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
    pub json: bool,
}

/// The parsed arguments.
struct Given {
    /// The document of `--from-json`.
    document: Option<Map<String, Value>>,
    fields: Map<String, Value>,
    clear_password: Option<ClearPassword>,
}

impl UserArguments {
    /// The document first, then the single fields. Without a document, and without permissions
    /// among the fields, everything is permitted.
    pub fn addition(&self) -> anyhow::Result<AddUser> {
        let given = self.given()?;
        let mut draft = match &self.username {
            Some(username) => AccountDraft::new(username),
            None => AccountDraft::default(),
        };
        if given.document.is_none() && !given.fields.contains_key("permissions") {
            draft.set_permissions("/", &["*".to_owned()]);
        }
        for part in given.document.into_iter().chain([given.fields]) {
            draft.merge_value(&Value::Object(part))?;
        }
        Ok(AddUser { document: draft.into_parts().0, clear_password: given.clear_password })
    }

    /// The change of an account. An administrator sets all permissions: the earlier ones do not
    /// stay beside them, as they do beside a hook's (B3-02).
    pub fn change(&self) -> anyhow::Result<(DocumentChange, Option<ClearPassword>)> {
        let Given { document, fields, clear_password } = self.given()?;
        let names_permissions = |part: &Map<String, Value>| part.get("permissions").is_some_and(Value::is_object);
        let patches: Vec<_> = document.into_iter().chain([fields]).collect();
        let replaced = patches.iter().any(names_permissions).then(|| "permissions".to_owned());
        Ok((DocumentChange::Fields { patches, replaced: replaced.into_iter().collect() }, clear_password))
    }

    fn given(&self) -> anyhow::Result<Given> {
        let fields = self.fields()?;
        let mut document = self.from_json.as_deref().map(document_of).transpose()?;
        if let Some(document) = document.as_mut().filter(|_| fields.contains_key("permissions")) {
            document.retain(|field, _| !field.eq_ignore_ascii_case("permissions"));
        }
        Ok(Given { document, fields, clear_password: self.clear_password()? })
    }

    fn fields(&self) -> anyhow::Result<Map<String, Value>> {
        let mut draft = AccountDraft::default();
        self.fields.apply(&mut draft);
        let (mut fields, _) = draft.into_parts();
        for (field, value) in [("username", &self.username), ("password", &self.password)] {
            fields.extend(value.as_ref().map(|value| (field.to_owned(), json!(value))));
        }
        if !self.public_key.is_empty() {
            fields.insert("public_keys".to_owned(), json!(public_key_lines(&self.public_key)?));
        }
        if !self.permissions.is_empty() {
            fields.insert("permissions".to_owned(), permissions(&self.permissions)?);
        }
        Ok(fields)
    }

    fn clear_password(&self) -> anyhow::Result<Option<ClearPassword>> {
        if self.password_stdin {
            return typed_password::read().map(Some);
        }
        if self.password.as_deref().is_some_and(|password| PasswordText::of(password) == PasswordText::Locked) {
            eprintln!(
                "The password is the mark of a locked account, which no password matches. Use --password-stdin for any text."
            );
        }
        Ok(None)
    }
}

/// The document as it is written, so that fields that it clears are not lost.
fn document_of(source: &str) -> anyhow::Result<Map<String, Value>> {
    let text = read_source(source)?;
    let unreadable = || format!("{source} is not an account");
    AccountDraft::from_json(&text).with_context(unreadable)?;
    match tidegate_core::json::parse(&text).with_context(unreadable)? {
        Value::Object(mut document) => {
            // A draft leaves out what is not known.
            check_given(&document).with_context(unreadable)?;
            warn_of_account(source, &document);
            decrypt_file_systems(&mut document);
            Ok(document)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(anyhow!("the account must be a JSON object")).with_context(unreadable)
        }
    }
}

/// Reads permissions such as `/dir:list,download`.
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
