//! Events about files, before and after the action (A15, B10).

use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tidegate_core::account::EffectiveAccount;
use tidegate_core::hook::events::{ActionStatus, FileAction};
use tidegate_core::hook::observation::PostAction;
use tidegate_core::hook::review::{PreAction, Review};
use tidegate_core::hook::{Denial, HookError};
use tidegate_core::path::VirtualPath;

use super::review::from_response;
use crate::event::{LegacyEvent, ProgramInput, ProgramOutput, Request, Response};
use crate::flavour::{Compat, Flavour};

/// Where a file is, in the older server's terms: a number for the kind of file system, and the bucket and the endpoint of
/// one that has them (B10-02).
#[derive(Debug, PartialEq, Eq)]
struct Provider<'a> {
    number: i64,
    bucket: &'a str,
    endpoint: &'a str,
}

impl<'a> Provider<'a> {
    /// Of the file system that has `path`: the home's, or that of the innermost folder around it.
    fn at(account: &'a EffectiveAccount, path: &VirtualPath) -> Self {
        let file_system = account.folders.at(path).map_or(&account.filesystem, |folder| &folder.filesystem);
        let number = file_system.get("provider").and_then(Value::as_i64).unwrap_or(0);
        let place = match number {
            1 => file_system.get("s3config"),
            5 => file_system.get("sftpconfig"),
            _ => None,
        };
        let text = |name| place.and_then(|place| place.get(name)).and_then(Value::as_str).unwrap_or_default();
        Self { number, bucket: text("bucket"), endpoint: text("endpoint") }
    }
}

struct Fields<'a> {
    action: &'a FileAction,
    name: String,
    path: &'a OsStr,
    target: &'a OsStr,
    virtual_path: &'a OsStr,
    virtual_target: &'a OsStr,
    provider: Provider<'a>,
    status: i32,
}

fn fields(action: &FileAction, flavour: Flavour) -> Fields<'_> {
    let kind = action.kind.as_str();
    Fields {
        name: if action.status.is_none() { format!("pre-{kind}") } else { kind.to_owned() },
        path: &action.storage_path,
        target: action.storage_target.as_deref().unwrap_or_default(),
        virtual_path: action.path.as_os_str(),
        virtual_target: action.target.as_ref().map(VirtualPath::as_os_str).unwrap_or_default(),
        provider: Provider::at(&action.session.account, &action.path),
        status: status(action, flavour.compat),
        action,
    }
}

/// J-05, B10-04
fn status(action: &FileAction, compat: Compat) -> i32 {
    let old = matches!(compat, Compat::V1_0 | Compat::V2_0);
    match (&action.status, old) {
        (None | Some(ActionStatus::Ok), _) => 1,
        (Some(ActionStatus::Failed(_)), true) => 0,
        (Some(ActionStatus::Failed(_)), false) | (Some(ActionStatus::QuotaExceeded), true) => 2,
        (Some(ActionStatus::QuotaExceeded), false) => 3,
    }
}

fn input(action: &FileAction, flavour: Flavour) -> ProgramInput {
    let fields = fields(action, flavour);
    let ssh_command = action.ssh_command.as_deref().unwrap_or_default();
    let size = match (action.size.unwrap_or(0), flavour.compat) {
        // A15-03
        (0, Compat::Seed) => String::new(),
        (size, _) => size.to_string(),
    };
    let mut input = ProgramInput::default()
        .with("SFTPGO_ACTION", &fields.name)
        .with("SFTPGO_ACTION_USERNAME", &action.session.account.username)
        .with("SFTPGO_ACTION_PATH", fields.path)
        .with("SFTPGO_ACTION_TARGET", fields.target)
        .with("SFTPGO_ACTION_VIRTUAL_PATH", fields.virtual_path)
        .with("SFTPGO_ACTION_VIRTUAL_TARGET", fields.virtual_target)
        .with("SFTPGO_ACTION_SSH_CMD", ssh_command)
        .with("SFTPGO_ACTION_FILE_SIZE", size)
        .with("SFTPGO_ACTION_ELAPSED", action.elapsed_ms.unwrap_or(0).to_string())
        .with("SFTPGO_ACTION_FS_PROVIDER", fields.provider.number.to_string())
        .with("SFTPGO_ACTION_BUCKET", fields.provider.bucket)
        .with("SFTPGO_ACTION_ENDPOINT", fields.provider.endpoint)
        .with("SFTPGO_ACTION_STATUS", fields.status.to_string())
        .with("SFTPGO_ACTION_PROTOCOL", action.protocol.as_str())
        .with("SFTPGO_ACTION_IP", action.session.connection.remote.ip().to_string())
        .with("SFTPGO_ACTION_SESSION_ID", &action.channel)
        .with("SFTPGO_ACTION_OPEN_FLAGS", action.open_flags.unwrap_or(0).to_string())
        .with("SFTPGO_ACTION_TIMESTAMP", action.at.to_string())
        .with("SFTPGO_ACTION_ROLE", action.session.account.role().unwrap_or_default());
    // J-12
    if flavour.compat == Compat::Seed {
        input = input.with("SFTPGO_ACTION_LOCAL_FILE", (action.storage_kind == "local").to_string());
    }
    // J-06, A15-02
    if flavour.compat < Compat::V2_4 {
        let (name, username) = (OsStr::new(&fields.name), OsStr::new(&action.session.account.username));
        let arguments = [name, username, fields.path, fields.target, OsStr::new(ssh_command)];
        input.arguments = arguments.map(OsStr::to_owned).into();
    }
    input
}

fn request(action: &FileAction, flavour: Flavour) -> Request {
    let fields = fields(action, flavour);
    if flavour.get {
        return Request::get(query(&fields));
    }
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| {
        let empty = matches!(&value, Value::String(text) if text.is_empty()) || value == json!(0);
        // Empty fields are left out, except these three (B10-03).
        if !empty || ["action", "username", "status"].contains(&name) {
            body.insert(name.to_owned(), value);
        }
    };
    put("action", json!(fields.name));
    put("username", json!(action.session.account.username));
    put("path", json!(fields.path.to_string_lossy()));
    put("target_path", json!(fields.target.to_string_lossy()));
    put("virtual_path", json!(fields.virtual_path.to_string_lossy()));
    put("virtual_target_path", json!(fields.virtual_target.to_string_lossy()));
    put("ssh_cmd", json!(action.ssh_command.as_deref().unwrap_or_default()));
    put("file_size", json!(action.size.unwrap_or(0)));
    put("elapsed", json!(action.elapsed_ms.unwrap_or(0)));
    put("fs_provider", json!(fields.provider.number));
    put("bucket", json!(fields.provider.bucket));
    put("endpoint", json!(fields.provider.endpoint));
    put("status", json!(fields.status));
    put("protocol", json!(action.protocol.as_str()));
    put("ip", json!(action.session.connection.remote.ip().to_string()));
    put("session_id", json!(action.channel));
    put("open_flags", json!(action.open_flags.unwrap_or(0)));
    put("role", json!(action.session.account.role().unwrap_or_default()));
    put("timestamp", json!(action.at));
    Request::post(Vec::new(), &body)
}

/// A15-06
fn query(fields: &Fields<'_>) -> Vec<(&'static str, OsString)> {
    let action = fields.action;
    let mut query = vec![
        ("action", OsString::from(&fields.name)),
        ("username", OsString::from(&action.session.account.username)),
        ("path", fields.path.to_owned()),
        ("local_file", (action.storage_kind == "local").to_string().into()),
    ];
    if !fields.target.is_empty() {
        query.push(("target_path", fields.target.to_owned()));
    }
    if let Some(command) = &action.ssh_command {
        query.push(("ssh_cmd", command.into()));
    }
    if let Some(size) = action.size.filter(|size| *size > 0) {
        query.push(("file_size", size.to_string().into()));
    }
    query
}

/// Without the file, which would stay open, and on the disk, until the record is stored.
fn for_records(action: &FileAction) -> Arc<FileAction> {
    Arc::new(FileAction { contents: None, ..action.clone() })
}

/// JSON has text only; the query of a GET has bytes.
fn told_wrongly(action: &FileAction, flavour: Flavour) -> Option<&VirtualPath> {
    if flavour.get { None } else { action.not_text() }
}

impl LegacyEvent for PreAction {
    fn for_records(&self) -> Self {
        Self(for_records(&self.0))
    }

    fn input(&self, flavour: Flavour) -> ProgramInput {
        input(&self.0, flavour)
    }

    fn read_output(&self, output: &ProgramOutput, flavour: Flavour) -> Result<Review, HookError> {
        let deletes = self.0.kind.as_str() == "delete";
        let old_delete = deletes && matches!(flavour.compat, Compat::V1_0 | Compat::V2_0 | Compat::V2_4);
        Ok(match (output.objection(), old_delete) {
            // In these eras (J-04), success means that the hook has deleted the file itself, and
            // failure that it leaves the deletion to the server.
            (None, true) => Review::Done,
            (Some(_), true) | (None, false) => Review::Allow,
            (Some(reason), false) => Review::Deny(Denial::new(reason)),
        })
    }

    fn request(&self, flavour: Flavour) -> Request {
        request(&self.0, flavour)
    }

    fn told_wrongly(&self, flavour: Flavour) -> Option<&VirtualPath> {
        told_wrongly(&self.0, flavour)
    }

    fn read_response(&self, response: &Response, flavour: Flavour) -> Result<Review, HookError> {
        let deletes = self.0.kind.as_str() == "delete";
        if deletes && matches!(flavour.compat, Compat::V1_0 | Compat::V2_0 | Compat::V2_4) {
            return Ok(if response.status == 200 { Review::Done } else { Review::Allow });
        }
        from_response(response)
    }
}

impl LegacyEvent for PostAction {
    fn for_records(&self) -> Self {
        Self(for_records(&self.0))
    }

    /// The first era reported only actions that succeeded (A15-01).
    fn is_for(&self, flavour: Flavour) -> bool {
        flavour.compat > Compat::Seed || self.0.status == Some(ActionStatus::Ok)
    }

    fn unheard() -> Option<()> {
        Some(())
    }

    fn input(&self, flavour: Flavour) -> ProgramInput {
        input(&self.0, flavour)
    }

    fn read_output(&self, output: &ProgramOutput, _: Flavour) -> Result<(), HookError> {
        output.answer().map(drop)
    }

    fn request(&self, flavour: Flavour) -> Request {
        request(&self.0, flavour)
    }

    fn told_wrongly(&self, flavour: Flavour) -> Option<&VirtualPath> {
        told_wrongly(&self.0, flavour)
    }

    fn read_response(&self, response: &Response, _: Flavour) -> Result<(), HookError> {
        response.answer().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use tidegate_core::account::{AccountDraft, CredentialRule};

    use super::*;

    #[test]
    fn hooks_are_told_of_the_file_system_that_has_the_file() {
        // B10-02, B10-03
        let account = AccountDraft::from_json(
            r#"{"status":1,"username":"u","home_dir":"/srv/u","permissions":{"/":["*"]},
            "filesystem":{"provider":1,"s3config":{"bucket":"b","endpoint":"http://h","access_key":"k","access_secret":"s"}},
            "virtual_folders":[{"name":"l","virtual_path":"/local","mapped_path":"/srv/l"},
            {"name":"o","virtual_path":"/local/old","filesystem":{"provider":5,"sftpconfig":
            {"endpoint":"h:22","username":"u","password":"p","prefix":"/d"}}}]}"#,
        );
        let account = account.unwrap().validate(CredentialRule::Optional).unwrap().account;
        let account = EffectiveAccount::ungrouped(account);
        let check = |path: &str, number, bucket, endpoint| {
            let path = VirtualPath::parse_normalised(path).unwrap();
            assert_eq!(Provider::at(&account, &path), Provider { number, bucket, endpoint });
        };
        check("/f", 1, "b", "http://h");
        check("/local", 0, "", "");
        check("/local/f", 0, "", "");
        check("/local/old/f", 5, "", "h:22");
    }
}
