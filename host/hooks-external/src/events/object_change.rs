//! Events about changes of accounts and other objects (A15-20, B11).

use std::ffi::OsString;

use serde_json::{Map, Value, json};
use tidegate_core::account::compact_json;
use tidegate_core::hook::HookError;
use tidegate_core::hook::observation::ObjectChange;

use crate::event::{LegacyEvent, ProgramInput, ProgramOutput, Request, Response};
use crate::flavour::{Compat, Flavour};

/// The actor of changes that have no named one.
const SYSTEM: &str = "__system__";
/// The actor of changes of its own account.
const ITSELF: &str = "__self__";

fn actor(change: &ObjectChange) -> &str {
    match &change.actor {
        Some(_) if change.by_itself => ITSELF,
        Some(name) => name,
        None => SYSTEM,
    }
}

fn text(object: &Map<String, Value>, name: &str) -> String {
    match object.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    }
}

/// The variables of the fields, one for each (J-13).
const FIELDS: [(&str, &str); 14] = [
    ("SFTPGO_USER_USERNAME", "username"),
    ("SFTPGO_USER_ID", "id"),
    ("SFTPGO_USER_STATUS", "status"),
    ("SFTPGO_USER_EXPIRATION_DATE", "expiration_date"),
    ("SFTPGO_USER_HOME_DIR", "home_dir"),
    ("SFTPGO_USER_UID", "uid"),
    ("SFTPGO_USER_GID", "gid"),
    ("SFTPGO_USER_QUOTA_FILES", "quota_files"),
    ("SFTPGO_USER_QUOTA_SIZE", "quota_size"),
    ("SFTPGO_USER_UPLOAD_BANDWIDTH", "upload_bandwidth"),
    ("SFTPGO_USER_DOWNLOAD_BANDWIDTH", "download_bandwidth"),
    ("SFTPGO_USER_MAX_SESSIONS", "max_sessions"),
    ("SFTPGO_USER_FS_PROVIDER", "filesystem"),
    ("SFTPGO_USER_PASSWORD", "password"),
];
/// The arguments after the action (A15-21).
const ARGUMENTS: [&str; 7] = ["username", "id", "status", "expiration_date", "home_dir", "uid", "gid"];

fn field(object: &Map<String, Value>, name: &str) -> String {
    match name {
        "filesystem" => {
            let provider = object.get("filesystem").and_then(|filesystem| filesystem.get("provider"));
            provider.map_or_else(|| "0".to_owned(), Value::to_string)
        }
        "password" => String::new(),
        name => text(object, name),
    }
}

impl LegacyEvent for ObjectChange {
    /// The first eras reported only users.
    fn is_for(&self, flavour: Flavour) -> bool {
        flavour.compat >= Compat::V2_4 || self.kind == "user"
    }

    fn unheard() -> Option<()> {
        Some(())
    }

    fn input(&self, flavour: Flavour) -> ProgramInput {
        let action = self.change.as_str();
        match flavour.compat {
            Compat::Seed | Compat::V1_0 => {
                let mut input = ProgramInput::default().with("SFTPGO_USER_ACTION", action);
                for (variable, name) in FIELDS {
                    input = input.with(variable, field(&self.object, name));
                }
                let fields = ARGUMENTS.iter().map(|name| field(&self.object, name));
                input.arguments = std::iter::once(action.to_owned()).chain(fields).map(OsString::from).collect();
                input
            }
            Compat::V2_0 => ProgramInput::default()
                .with("SFTPGO_USER_ACTION", action)
                .with("SFTPGO_USER", compact_json(&self.object)),
            // B11-02. B11-03: the variable is in milliseconds.
            Compat::V2_4 | Compat::Current => ProgramInput::default()
                .with("SFTPGO_PROVIDER_ACTION", action)
                .with("SFTPGO_PROVIDER_OBJECT_TYPE", self.kind)
                .with("SFTPGO_PROVIDER_OBJECT_NAME", &self.name)
                .with("SFTPGO_PROVIDER_USERNAME", actor(self))
                .with("SFTPGO_PROVIDER_IP", self.actor_address.map(|ip| ip.to_string()).unwrap_or_default())
                .with("SFTPGO_PROVIDER_ROLE", self.actor_role.as_deref().unwrap_or_default())
                .with("SFTPGO_PROVIDER_TIMESTAMP", (self.at / 1_000_000).to_string())
                .with("SFTPGO_PROVIDER_OBJECT", compact_json(&self.object)),
        }
    }

    fn read_output(&self, output: &ProgramOutput, _: Flavour) -> Result<(), HookError> {
        output.answer().map(drop)
    }

    /// A15-23, B11-02
    fn request(&self, flavour: Flavour) -> Request {
        let mut query = vec![("action", self.change.as_str().to_owned())];
        if flavour.compat >= Compat::V2_4 {
            query.extend([
                ("username", actor(self).to_owned()),
                ("ip", self.actor_address.map(|ip| ip.to_string()).unwrap_or_default()),
                ("object_type", self.kind.to_owned()),
                ("object_name", self.name.clone()),
            ]);
            query.extend(self.actor_role.clone().map(|role| ("role", role)));
            query.push(("timestamp", json!(self.at).to_string()));
        }
        Request::post(query, &self.object)
    }

    fn read_response(&self, response: &Response, _: Flavour) -> Result<(), HookError> {
        response.answer().map(drop)
    }
}
