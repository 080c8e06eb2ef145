//! Log lines about files: the senders and keys of A21-03 and A21-04, in that order, because filters
//! read the lines as text.

use tidegate_core::ports::{FileEvent, FileEventKind, FileLog, TransferEnd};

/// A time that a line does not have; the log's formatter writes it as an empty text.
pub const NO_TIME: i64 = i64::MIN;

/// Writes file events to the log of the process.
pub struct FileLogLines;

impl FileLog for FileLogLines {
    fn record(&self, event: &FileEvent<'_>) {
        match event.what {
            FileEventKind::Download(end) => transfer("Download", event, end),
            FileEventKind::Upload(end) => transfer("Upload", event, end),
            FileEventKind::CreateDirectory => command("Mkdir", event, Fields::default()),
            FileEventKind::RemoveDirectory => command("Rmdir", event, Fields::default()),
            FileEventKind::Remove => command("Remove", event, Fields::default()),
            FileEventKind::Rename { target } => command("Rename", event, Fields { target, ..Fields::default() }),
            FileEventKind::HardLink { target } => command("Link", event, Fields { target, ..Fields::default() }),
            FileEventKind::Symlink { target } => command("Symlink", event, Fields { target, ..Fields::default() }),
            FileEventKind::Copy { target, size } => {
                command("Copy", event, Fields { target, size: Some(size), ..Fields::default() });
            }
            FileEventKind::SetMode(mode) => {
                command("Chmod", event, Fields { mode: format!("{mode:o}"), ..Fields::default() });
            }
            FileEventKind::SetOwner { uid, gid } => {
                let owner = (uid.map_or(-1, i64::from), gid.map_or(-1, i64::from));
                command("Chown", event, Fields { owner, ..Fields::default() });
            }
            FileEventKind::SetTimes { accessed, modified } => {
                command("Chtimes", event, Fields { times: (accessed, modified), ..Fields::default() });
            }
            FileEventKind::SetSize(size) => {
                command("Truncate", event, Fields { size: Some(size), ..Fields::default() });
            }
            FileEventKind::Command(text) => {
                command("SSHCommand", event, Fields { ssh_command: text, ..Fields::default() });
            }
        }
    }
}

/// The fields of a command's line beside those that every event has.
struct Fields<'a> {
    target: &'a str,
    /// The mode, in octal.
    mode: String,
    owner: (i64, i64),
    /// Access and modification times, in seconds since 1970; the log's formatter writes them as dates.
    times: (i64, i64),
    ssh_command: &'a str,
    size: Option<u64>,
}

impl Default for Fields<'_> {
    fn default() -> Self {
        let (mode, owner, times) = (String::new(), (-1, -1), (NO_TIME, NO_TIME));
        Self { target: "", mode, owner, times, ssh_command: "", size: None }
    }
}

fn command(sender: &'static str, event: &FileEvent<'_>, fields: Fields<'_>) {
    tracing::info!(
        sender,
        username = event.username,
        file_path = event.path,
        target_path = fields.target,
        filemode = fields.mode,
        uid = fields.owner.0,
        gid = fields.owner.1,
        access_time = fields.times.0,
        modification_time = fields.times.1,
        ssh_command = fields.ssh_command,
        connection_id = event.channel.as_str(),
        protocol = event.protocol.as_str(),
        size = fields.size,
    );
}

fn transfer(sender: &'static str, event: &FileEvent<'_>, end: TransferEnd<'_>) {
    let elapsed_ms = u64::try_from(end.elapsed.as_millis()).unwrap_or(u64::MAX);
    match end.failure {
        None => tracing::info!(
            sender,
            elapsed_ms,
            size_bytes = end.bytes,
            username = event.username,
            file_path = event.path,
            connection_id = event.channel.as_str(),
            protocol = event.protocol.as_str(),
        ),
        Some(error) => tracing::warn!(
            sender,
            elapsed_ms,
            size_bytes = end.bytes,
            username = event.username,
            file_path = event.path,
            connection_id = event.channel.as_str(),
            protocol = event.protocol.as_str(),
            error,
        ),
    }
}
