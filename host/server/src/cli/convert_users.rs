//! `tidegate convert-users`: accounts of files of other servers as a document that `tidegate load` takes (A18-16).

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;
use tidegate_migrate::{NoteKind, Selection, UserFormat, convert};
use tidegate_passwords::can_check;

use super::lines::warn_line;
use super::output_file::write_document;

#[derive(Debug, Args)]
pub struct ConvertUsersArguments {
    /// The file of accounts
    input: PathBuf,
    /// What the file is
    format: Format,
    /// Where to write the document, for its owner alone to read; "-" means standard output
    output: String,
    /// The least uid [default: 1000 for unix-passwd, 0 otherwise]
    #[arg(long)]
    min_uid: Option<u32>,
    /// The greatest uid [default: 60000 for unix-passwd, none otherwise]
    #[arg(long)]
    max_uid: Option<u32>,
    /// Only these accounts (repeatable, or with commas)
    #[arg(long, value_delimiter = ',')]
    usernames: Vec<String>,
    /// The uid of the new files of all accounts
    #[arg(long)]
    force_uid: Option<u32>,
    /// The gid of the new files of all accounts
    #[arg(long)]
    force_gid: Option<u32>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// passwd(5), with shadow and sshd_config beside it
    UnixPasswd,
    /// Pure-FTPd's pureftpd.passwd
    PureFtpd,
    /// ProFTPD's AuthUserFile
    Proftpd,
}

pub fn run(arguments: ConvertUsersArguments) -> anyhow::Result<()> {
    let ConvertUsersArguments { input, format, output, min_uid, max_uid, usernames, force_uid, force_gid } = arguments;
    let format = match format {
        Format::UnixPasswd => UserFormat::UnixPasswd,
        Format::PureFtpd => UserFormat::PureFtpd,
        Format::Proftpd => UserFormat::ProFtpd,
    };
    let selection = Selection { min_uid, max_uid, usernames, force_uid, force_gid };
    let moved = convert(&input, format, &selection, can_check)?;
    for kind in NoteKind::ALL {
        for note in moved.notes.iter().filter(|note| note.kind == kind) {
            warn_line!("{}: {}", note.about, note.text);
        }
    }
    let text = serde_json::to_string_pretty(&json!({ "users": moved.users }))? + "\n";
    write_document(&output, &text, moved.users.len())
}
