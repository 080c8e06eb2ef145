//! Commands of exec requests. There is no shell: a command line is split into words and the
//! first of them must be a command that exists here and is enabled (A3-25, A7).

mod checksum;
mod command;
mod counting;
pub mod expand;
mod place;
mod process;
mod program;
mod rsync;
mod rsync_options;
mod secluded;
pub mod words;
mod written;

use std::collections::BTreeSet;
use std::sync::Arc;

use tidegate_core::files::FileService;
use tidegate_core::path::VirtualPath;
use tidegate_sftp::Digest;

pub use self::command::Launcher;
use self::program::ProgramRequest;
use crate::channel::{CommandInput, CommandOutput};
use crate::scp::{self, ScpRequest};

/// Every command that the server knows.
pub const SUPPORTED_COMMANDS: [&str; 12] = [
    "md5sum",
    "sha1sum",
    "sha256sum",
    "sha384sum",
    "sha512sum",
    "cd",
    "pwd",
    "scp",
    "rsync",
    "git-receive-pack",
    "git-upload-pack",
    "git-upload-archive",
];

/// The commands that clients may use.
#[derive(Debug, Clone, Default)]
pub struct SshCommands(BTreeSet<&'static str>);

impl SshCommands {
    /// `*` enables all commands. Names of unknown commands are returned, for a warning (A3-25).
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

    /// The command that a line asks for; `None` if the server has no such command, or it is not enabled (A7-08).
    pub fn parse(&self, line: &[u8]) -> Option<Command> {
        let mut words = words::split(line)?.into_iter();
        let name = words.next()?.text;
        // git uses both spellings.
        let name = if name == b"git" { [b"git-".as_slice(), &words.next()?.text].concat() } else { name };
        let name = self.0.iter().find(|enabled| enabled.as_bytes() == name)?;
        match *name {
            "cd" => Some(Command::ChangeDirectory),
            "pwd" => Some(Command::PrintDirectory),
            "scp" => ScpRequest::parse(words.collect()).map(Command::Scp),
            name => match checksum::by_command(name) {
                Some(digest) => Some(match checksum::paths(words.map(|word| word.text)) {
                    Ok(paths) if checksum::means_input(&paths) => Command::ChecksumOfInput(digest),
                    Ok(paths) => Command::ChecksumOfFiles(digest, paths),
                    Err(problem) => Command::Refused(name, problem),
                }),
                None => {
                    let words: Vec<_> = words.collect();
                    Some(match ProgramRequest::parse(name, &words) {
                        Ok(request) => Command::Program(request),
                        Err(problem) => Command::Refused(name, problem),
                    })
                }
            },
        }
    }
}

#[derive(Debug)]
pub enum Command {
    ChangeDirectory,
    PrintDirectory,
    ChecksumOfFiles(Digest, Vec<Vec<u8>>),
    ChecksumOfInput(Digest),
    Scp(ScpRequest),
    Program(ProgramRequest),
    /// A known program with arguments that it must not get.
    Refused(&'static str, String),
}

impl Command {
    /// The protocol's name in logs and lists.
    pub fn protocol(&self) -> &'static str {
        if matches!(self, Self::Scp(_)) { "SCP" } else { "SSH" }
    }

    /// The name of the command and the path that it is about; without a path, the start directory.
    fn described(&self, files: &FileService) -> (String, VirtualPath) {
        let here = files.start_directory();
        match self {
            Self::ChangeDirectory => ("cd".to_owned(), here),
            Self::PrintDirectory => ("pwd".to_owned(), here),
            Self::ChecksumOfInput(digest) => (checksum::name_of(*digest), here),
            Self::ChecksumOfFiles(digest, paths) => {
                let first = paths.first().and_then(|raw| expand::resolve(files, raw).ok());
                (checksum::name_of(*digest), first.unwrap_or(here))
            }
            Self::Scp(_) => ("scp".to_owned(), here),
            Self::Program(request) => (request.name.to_owned(), here),
            Self::Refused(name, _) => ((*name).to_owned(), here),
        }
    }
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

    /// A failed command's line, as clients expect it (A7-07).
    pub fn failed(command: &str, path: &[u8], problem: &str) -> Self {
        let path = String::from_utf8_lossy(path);
        Self { output: format!("{command}: {path} {problem}\n").into_bytes(), status: 1 }
    }

    async fn send(self, output: &dyn CommandOutput) {
        if output.send(self.output).await.is_ok() {
            output.finish(self.status).await;
        }
    }
}

/// Runs a command to its end.
pub async fn run(
    command: Command,
    launcher: Option<Arc<Launcher>>,
    files: Arc<FileService>,
    input: Arc<dyn CommandInput>,
    output: Arc<dyn CommandOutput>,
) {
    let (name, path) = command.described(&files);
    let session = files.session().clone();
    let _running = session.live.command_began();
    let finished = match command {
        Command::Scp(request) => return scp::run(request, files, input, output).await,
        Command::Program(request) => match launcher {
            Some(launcher) => return program::run(request, launcher, files, input, output).await,
            None => Finished::failed(request.name, b"", "is not available here"),
        },
        Command::Refused(name, problem) => {
            files.ssh_command_failed();
            // On standard error, because standard output carries the program's protocol.
            if output.send_error(format!("{name}: {problem}\n").into_bytes()).await.is_ok() {
                output.finish(1).await;
            }
            return;
        }
        command => match files.review_ssh_command(&name, &path, None).await {
            Ok(()) => built_in(command, &files, &*input).await,
            // A hook denied the command (B10-01).
            Err(error) => Finished::failed(&name, path.as_bytes(), &error.to_string()),
        },
    };
    match finished.status {
        // A7-09
        0 => files.record_ssh_command(&name, &path, None).await,
        _ => files.ssh_command_failed(),
    }
    finished.send(&*output).await;
}

/// Commands that are a part of the server.
async fn built_in(command: Command, files: &FileService, input: &dyn CommandInput) -> Finished {
    match command {
        Command::ChangeDirectory => Finished::ok(""),
        Command::PrintDirectory => {
            let mut line = files.start_directory().as_bytes().to_vec();
            line.push(b'\n');
            Finished::ok(line)
        }
        Command::ChecksumOfFiles(digest, paths) => checksum::of_files(digest, &paths, files).await,
        // Only of the input that arrives first (A7-01).
        Command::ChecksumOfInput(digest) => checksum::of_input(digest, &input.next().await),
        Command::Scp(_) | Command::Program(_) | Command::Refused(..) => {
            Finished::failed("", b"", "is not a command of this server")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(enabled: &[&str], line: &str, expected: bool) {
        let names: Vec<String> = enabled.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(SshCommands::from_names(&names).0.parse(line.as_bytes()).is_some(), expected, "{line}");
    }

    #[test]
    fn only_enabled_commands_are_found() {
        // A3-25, A6-02, A7-08
        check(&["md5sum"], "md5sum /a", true);
        check(&["md5sum"], "md5sum", true);
        check(&["md5sum"], "sha1sum /a", false);
        check(&["*"], "sha512sum 'a b'", true);
        check(&["*"], "sh -c id", false);
        check(&["*"], "", false);
        check(&["*"], "pwd; id", false);
        check(&["*"], "md5sum 'unfinished", false);
        check(&[], "pwd", false);
        check(&["scp"], "scp -t /a", true);
        check(&["scp"], "scp /a /b", false);
        check(&["*"], "git upload-pack '/a.git'", true);
        check(&["*"], "git daemon", false);
        assert_eq!(SshCommands::from_names(&["fly".into(), "cd".into()]).1, ["fly"]);
    }

    #[test]
    fn git_gets_one_path_and_no_option() {
        let commands = SshCommands::from_names(&["*".to_owned()]).0;
        let check = |line: &str, runs: bool| {
            let command = commands.parse(line.as_bytes());
            assert_eq!(matches!(command, Some(Command::Program(_))), runs, "{line}");
            assert!(runs || matches!(command, Some(Command::Refused(..))), "{line}");
        };
        check("git-receive-pack '/a b.git'", true);
        check("git-upload-pack --upload-pack=id /a", false);
        check("git-upload-pack --strict", false);
        check("git-upload-pack", false);
        check("git-upload-archive /a /b", false);
    }

    #[test]
    fn a_checksum_of_input_is_that_of_one_read() {
        // A7-01
        let digest = checksum::by_command("md5sum").unwrap();
        let sum = |length: usize| {
            let Finished { output, status } = checksum::of_input(digest, &vec![b'x'; length]);
            (String::from_utf8(output).unwrap(), status)
        };
        assert_eq!(sum(0), ("d41d8cd98f00b204e9800998ecf8427e  -\n".to_owned(), 0));
        for length in [4097, 100_000] {
            assert_eq!(sum(length), sum(4096), "{length}");
        }
        assert_ne!(sum(4095), sum(4096));
    }

    #[test]
    fn checksums_are_of_all_files_that_are_named() {
        // A7-01
        let commands = SshCommands::from_names(&["*".to_owned()]).0;
        let check = |line: &str, expected: Option<&[&str]>| {
            let paths = match commands.parse(line.as_bytes()) {
                Some(Command::ChecksumOfFiles(_, paths)) => Some(paths),
                Some(Command::ChecksumOfInput(_)) => Some(Vec::new()),
                _ => None,
            };
            let expected = expected.map(|paths| paths.iter().map(|path| path.as_bytes().to_vec()).collect());
            assert_eq!(paths, expected, "{line}");
        };
        check("md5sum a 'b c'", Some(&["a", "b c"]));
        check("md5sum -b -- -a", Some(&["-a"]));
        check("md5sum", Some(&[]));
        check("md5sum -", Some(&[]));
        check("md5sum -c sums", None);
    }
}
