//! Commands of exec requests. There is no shell: a command line is split into words and the
//! first of them must be a command that exists here and is enabled (A3-25, A7).

mod checksum;
mod words;

use std::collections::BTreeSet;
use std::sync::Arc;

use russh::ChannelId;
use russh::server::Handle;
use tidegate_core::files::FileService;

use self::checksum::Digest;

/// Every command that there is.
pub const SUPPORTED_COMMANDS: [&str; 7] = ["md5sum", "sha1sum", "sha256sum", "sha384sum", "sha512sum", "cd", "pwd"];

/// The commands that clients may use.
#[derive(Debug, Clone, Default)]
pub struct SshCommands(BTreeSet<&'static str>);

impl SshCommands {
    /// `*` enables all. Names that there are not are given back, for a warning (A3-25).
    pub fn from_names(names: &[String]) -> (Self, Vec<String>) {
        if names.iter().any(|name| name == "*") {
            return (Self(SUPPORTED_COMMANDS.into_iter().collect()), Vec::new());
        }
        let mut enabled = BTreeSet::new();
        let mut unknown = Vec::new();
        for name in names {
            match SUPPORTED_COMMANDS.iter().find(|supported| *supported == name) {
                Some(supported) => drop(enabled.insert(*supported)),
                None => unknown.push(name.clone()),
            }
        }
        (Self(enabled), unknown)
    }

    /// The command that the line asks for; none if there is no such command, or it is not
    /// enabled (A7-08).
    pub fn parse(&self, line: &[u8]) -> Option<Command> {
        let mut words = words::split(line)?.into_iter();
        let name = words.next()?;
        let name = self.0.iter().find(|enabled| enabled.as_bytes() == name)?;
        let path = words.next_back();
        match *name {
            "cd" => Some(Command::ChangeDirectory),
            "pwd" => Some(Command::PrintDirectory),
            name => {
                let digest = Digest::by_command(name)?;
                Some(match path {
                    Some(path) => Command::ChecksumOfFile(digest, path),
                    None => Command::ChecksumOfInput(digest),
                })
            }
        }
    }
}

pub enum Command {
    ChangeDirectory,
    PrintDirectory,
    ChecksumOfFile(Digest, Vec<u8>),
    ChecksumOfInput(Digest),
}

/// How a command ended: what it printed, and its exit status.
pub struct Finished {
    pub output: Vec<u8>,
    pub status: u32,
}

impl Finished {
    pub fn ok(output: impl Into<Vec<u8>>) -> Self {
        Self { output: output.into(), status: 0 }
    }

    /// A7-07
    pub fn failed(command: &str, path: &[u8], problem: &str) -> Self {
        let path = String::from_utf8_lossy(path);
        Self { output: format!("{command}: {path} {problem}\n").into_bytes(), status: 1 }
    }

    pub async fn send(self, handle: &Handle, channel: ChannelId) {
        // Errors mean that the connection is over: nobody is left to be told.
        if !self.output.is_empty() {
            let _ = handle.data(channel, self.output).await;
        }
        let _ = handle.exit_status_request(channel, self.status).await;
        let _ = handle.eof(channel).await;
        let _ = handle.close(channel).await;
    }
}

/// Runs a command that needs no input, on a task of its own.
pub async fn run(command: Command, files: Arc<FileService>, handle: Handle, channel: ChannelId) {
    let finished = match command {
        Command::ChangeDirectory => Finished::ok(""),
        Command::PrintDirectory => Finished::ok("/\n"),
        Command::ChecksumOfFile(digest, path) => checksum::of_file(digest, &path, &files).await,
        Command::ChecksumOfInput(digest) => checksum::of_input(digest, b""),
    };
    finished.send(&handle, channel).await;
}

pub use checksum::of_input;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(enabled: &[&str], line: &str, expected: bool) {
        let names: Vec<String> = enabled.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(SshCommands::from_names(&names).0.parse(line.as_bytes()).is_some(), expected, "{line}");
    }

    #[test]
    fn only_enabled_commands_are_found() {
        check(&["md5sum"], "md5sum /a", true);
        check(&["md5sum"], "md5sum", true);
        check(&["md5sum"], "sha1sum /a", false);
        check(&["*"], "sha512sum 'a b'", true);
        check(&["*"], "sh -c id", false);
        check(&["*"], "", false);
        check(&["*"], "pwd; id", false);
        check(&["*"], "md5sum 'unfinished", false);
        check(&[], "pwd", false);
        assert_eq!(SshCommands::from_names(&["fly".into(), "cd".into()]).1, ["fly"]);
    }
}
