//! Runs programs of the system: `rsync` and git's (A7-03). They run for the account, in a process
//! group of their own, and reach nothing but the paths of their command.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use tidegate_core::files::{FileError, FileService, ProgramRoom};
use tidegate_core::path::VirtualPath;
use tidegate_core::permission::Permission;
use tidegate_core::ports::DescriptorUse;
use tokio::process::Command;

use super::command::{Grants, Launcher, confined};
use super::counting::Counting;
use super::expand;
use super::place::{Missing, Place, readable_root};
use super::process;
use super::rsync::{self, RsyncLine, RsyncOption};
use super::rsync_options::NameUse;
use super::secluded;
use super::words::Word;
use crate::channel::{CommandInput, CommandOutput, InputReader};

/// A program that a command line asks for.
#[derive(Debug)]
pub struct ProgramRequest {
    pub name: &'static str,
    line: Line,
}

#[derive(Debug)]
enum Line {
    Git(Word),
    Rsync(RsyncLine),
    /// The words of a line whose rest comes in the input.
    Secluded(Vec<Word>),
}

impl ProgramRequest {
    /// Reads the words after the program's name.
    pub fn parse(name: &'static str, words: &[Word]) -> Result<Self, String> {
        let line = match (name, words) {
            ("rsync", words) => match rsync::parse(words)? {
                rsync::Words::Line(line) => Line::Rsync(line),
                rsync::Words::Secluded(words) => Line::Secluded(words),
            },
            (_, [path]) if !path.starts_with(b"-") && !path.text.is_empty() => {
                Line::Git(Word { pattern: None, ..path.clone() })
            }
            _ => return Err("exactly one path is expected".to_owned()),
        };
        Ok(Self { name, line })
    }

    fn paths(&self) -> &[Word] {
        match &self.line {
            Line::Git(path) => std::slice::from_ref(path),
            Line::Rsync(line) => &line.paths,
            Line::Secluded(_) => &[],
        }
    }

    /// Whether the program sends the content of files.
    fn sends(&self) -> bool {
        match &self.line {
            Line::Git(_) => self.name != "git-receive-pack",
            Line::Rsync(line) => line.sends,
            Line::Secluded(_) => false,
        }
    }

    fn reads_only(&self) -> bool {
        match &self.line {
            Line::Git(_) => self.name != "git-receive-pack",
            Line::Rsync(line) => line.reads_only,
            Line::Secluded(_) => false,
        }
    }

    /// The request with the words that the client sends in the input.
    async fn complete(self, input: &mut InputReader) -> Result<Self, FileError> {
        let Line::Secluded(mut words) = self.line else {
            return Ok(self);
        };
        let line = match secluded::read(input).await {
            Ok(more) => {
                words.extend(more);
                rsync::line(&words)
            }
            Err(problem) => Err(problem),
        };
        Ok(Self { line: Line::Rsync(line.map_err(FileError::Failed)?), ..self })
    }
}

/// Runs a program to its end. A problem is reported on the client's standard error.
pub async fn run(
    request: ProgramRequest,
    launcher: Arc<Launcher>,
    files: Arc<FileService>,
    input: Arc<dyn CommandInput>,
    output: Arc<dyn CommandOutput>,
) {
    let (name, mut raw) = (request.name, request.paths().first().map(|path| path.text.clone()).unwrap_or_default());
    let mut reader = InputReader::new(input.clone());
    let outcome = match request.complete(&mut reader).await {
        Ok(request) => {
            raw = request.paths().first().map(|path| path.text.clone()).unwrap_or_default();
            let input = (reader.into_rest(), input);
            prepare_and_run(&request, &launcher, &files, input, &*output).await
        }
        Err(error) => Err(error),
    };
    match outcome {
        Ok((status, place)) => {
            if status == 0 {
                files.record_ssh_command(name, &place.path, Some(&place.written)).await;
            } else {
                files.ssh_command_failed();
            }
            output.finish(status).await;
        }
        Err(error) => {
            files.ssh_command_failed();
            // A7-07
            let text = format!("{name}: {} {error}\n", String::from_utf8_lossy(&raw));
            if output.send_error(text.into_bytes()).await.is_ok() {
                output.finish(1).await;
            }
        }
    }
}

async fn prepare_and_run(
    request: &ProgramRequest,
    launcher: &Launcher,
    files: &Arc<FileService>,
    input: (Vec<u8>, Arc<dyn CommandInput>),
    output: &dyn CommandOutput,
) -> Result<(u32, Place), FileError> {
    if !launcher.descriptors.has_room(DescriptorUse::Client) {
        let text = "the server has no descriptors left for another program; try again later";
        return Err(FileError::Failed(text.to_owned()));
    }
    let reads_only = request.reads_only();
    let makes_path = matches!(&request.line, Line::Rsync(line) if line.makes_path);
    let mut places = Vec::new();
    for word in request.paths() {
        let paths = expand::expand(files, word).await?;
        // Before each of them is looked at.
        expand::require_few(places.len() + paths.len())?;
        for path in paths {
            let missing = if makes_path { Missing::AnyName } else { Missing::LastName };
            let place = Place::find(files, path, word.text.ends_with(b"/"), missing).await?;
            place.require_everything(files)?;
            if request.sends() {
                place.require_unasked_reads(request.name, files)?;
            }
            places.push(place);
        }
    }
    // With several paths none is written to: `rsync::line` has refused that.
    let Some(place) = places.first() else {
        return Err(FileError::NotFound);
    };
    if !reads_only {
        place.require_unasked_writes(request.name, files)?;
    }
    files.review_ssh_command(request.name, &place.path, Some(&place.written)).await?;
    let mut start = Start::new(files, &places, reads_only).await?;
    start.take_in(request, files, place).await?;
    if reads_only {
        let command = start.command(request, launcher, files)?;
        return Ok((process::run(files, command, input, output, None).await?, place.clone()));
    }
    // The files are counted again however the program ends, even when the client has gone.
    let counting = Counting::new(files.program_room(&place.path).await?);
    // With a limit, the bytes that the program writes have to be those that are stored.
    start.is_limited = counting.room().is_some_and(ProgramRoom::is_limited);
    start.grants.largest = counting.room().and_then(ProgramRoom::bytes);
    let command = start.command(request, launcher, files)?;
    let status = process::run(files, command, input, output, counting.room()).await;
    counting.end().await?;
    Ok((status?, place.clone()))
}

/// Whether links may be made. As over SFTP, the rules of both ends apply when a link is followed later.
fn may_link(files: &FileService, place: &Place) -> bool {
    files.allows_at(&place.directory, Permission::CreateSymlinks)
}

/// The arguments and grants with which a program is started.
struct Start {
    grants: Grants,
    /// The directory in which the program works.
    directory: PathBuf,
    options: Vec<OsString>,
    paths: Vec<PathBuf>,
    is_limited: bool,
}

impl Start {
    async fn new(files: &FileService, places: &[Place], reads_only: bool) -> Result<Self, FileError> {
        let (mut grants, mut paths, mut directory) = (Grants::default(), Vec::new(), None);
        for place in places {
            let (granted, path) = place.host_paths(files).await?;
            directory.get_or_insert_with(|| granted.clone());
            if reads_only { &mut grants.read } else { &mut grants.write }.push(granted);
            paths.push(path);
        }
        let directory = directory.ok_or(FileError::NotFound)?;
        Ok(Self { grants, directory, options: Vec::new(), paths, is_limited: false })
    }

    /// Takes in the options of rsync, and grants what they name.
    async fn take_in(&mut self, request: &ProgramRequest, files: &FileService, place: &Place) -> Result<(), FileError> {
        let Line::Rsync(line) = &request.line else {
            return Ok(());
        };
        if line.sets_owners && !files.allows_at(&place.directory, Permission::Chown) {
            return Err(FileError::Denied);
        }
        if line.follows_links
            && let Some(root) = readable_root(request.name, files)
        {
            self.grants.read.push(files.confined_host_path(&root).await?);
        }
        for option in &line.options {
            match option {
                RsyncOption::Plain(text) => self.options.push(text.into()),
                RsyncOption::Named(option, used, name) => {
                    let name = self.resolve(request.name, *used, name, files, place).await?;
                    self.options.extend([(*option).into(), name]);
                }
            }
        }
        // A7-04
        let rule = if may_link(files, place) { "--safe-links" } else { "--munge-links" };
        if !self.options.iter().any(|option| option == rule) {
            // After `--server`, which has to be the first option.
            self.options.insert(self.options.len().min(1), rule.into());
        }
        // As over SFTP (A5-16), no file may become a program that runs as the server's user.
        if !line.reads_only && files.account().uid == 0 {
            self.options.insert(self.options.len().min(1), "--chmod=Fu-s,Fg-s".into());
        }
        Ok(())
    }

    /// The path on the host of another name in the account, granted as far as the option uses it.
    async fn resolve(
        &mut self,
        program: &str,
        used: NameUse,
        name: &[u8],
        files: &FileService,
        place: &Place,
    ) -> Result<OsString, FileError> {
        let is_inside = !name.starts_with(b"/") && !name.split(|byte| *byte == b'/').any(|part| part == b"..");
        // The client gets to know, or has copied, what is in such files. Those of a name inside are the place's.
        let is_read = matches!(used, NameUse::List | NameUse::Read | NameUse::Link);
        if is_inside && used != NameUse::List {
            if is_read {
                place.require_unasked_reads(program, files)?;
            }
            return Ok(OsStr::from_bytes(name).to_owned());
        }
        let path = match used {
            NameUse::List => expand::resolve(files, name)?,
            _ => VirtualPath::resolve(&place.base(), name)?,
        };
        let named = Place::find(files, path, false, Missing::AnyName).await?;
        if is_read {
            named.require_unasked_reads(program, files)?;
        }
        let (directory, path) = named.host_paths(files).await?;
        match used {
            NameUse::List if named.is_file() => {
                named.require_file(files)?;
                self.grants.read.push(path.clone());
            }
            NameUse::List => return Err(FileError::NotFound),
            // rsync reports a missing name itself.
            NameUse::Read | NameUse::Link if !named.is_there() => {}
            NameUse::Read => {
                named.require_reading(files)?;
                self.grants.read.push(directory);
            }
            NameUse::Link | NameUse::Write | NameUse::WriteBeside => {
                named.require_everything(files)?;
                named.require_unasked_writes(program, files)?;
                if !named.is_counted_with(place, files) {
                    let text = String::from_utf8_lossy(name);
                    return Err(FileError::Failed(format!(
                        "and {text} are in different folders; name one in the same"
                    )));
                }
                self.grants.write.push(directory);
            }
        }
        Ok(path.into_os_string())
    }

    fn command(
        &self,
        request: &ProgramRequest,
        launcher: &Launcher,
        files: &FileService,
    ) -> Result<Command, FileError> {
        let account = files.account();
        let ids = (account.uid, account.gid);
        let mut command = confined(launcher, request.name, &self.grants, &self.directory, ids)?;
        if matches!(request.line, Line::Rsync(_)) {
            for option in &self.options {
                let kept = if self.is_limited { rsync::without_holes(option) } else { Some(option.clone()) };
                command.args(kept);
            }
            command.arg(".");
        }
        command.args(&self.paths);
        Ok(command)
    }
}
