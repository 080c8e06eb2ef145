//! Programs of the system: `rsync` and git's (A7-03). They run for the account, in a process
//! group of their own, and can reach nothing but the path that they are for.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use tidegate_core::files::storage::FileKind;
use tidegate_core::files::{FileError, FileService, ProgramRoom};
use tidegate_core::path::VirtualPath;
use tidegate_core::permission::Permission;
use tokio::process::Command;

use super::counting::Counting;
use super::expand;
use super::process;
use super::rsync::{self, RsyncLine};
use super::words::Word;
use crate::stream::{ChannelInput, ChannelOutput};

const SEARCH_PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// A7-05
const NEEDED: [Permission; 6] = [
    Permission::Download,
    Permission::Upload,
    Permission::CreateDirs,
    Permission::List,
    Permission::Overwrite,
    Permission::Delete,
];
/// Settings that a repository must not make for the server: they start programs.
const GIT_SETTINGS: [(&str, &str); 9] = [
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    // Says nothing, and is a part of git: nothing else can be started.
    ("core.alternateRefsCommand", "git-for-each-ref"),
    ("core.pager", "cat"),
    ("receive.denyCurrentBranch", "refuse"),
    ("receive.autogc", "false"),
    ("maintenance.auto", "false"),
    ("gc.auto", "0"),
    ("safe.directory", "*"),
];

/// How programs are started: this server's own binary confines itself, then becomes them.
#[derive(Debug, Clone)]
pub struct Launcher {
    /// With the arguments that make it do so.
    pub command: Vec<String>,
}

/// What a command line asks for.
#[derive(Debug)]
pub struct ProgramRequest {
    pub name: &'static str,
    arguments: Vec<String>,
    paths: Vec<Word>,
    reads_only: bool,
}

impl ProgramRequest {
    /// From the words after the name.
    pub fn parse(name: &'static str, words: &[Word]) -> Result<Self, String> {
        if name == "rsync" {
            let RsyncLine { options, paths, reads_only } = rsync::parse(words)?;
            return Ok(Self { name, arguments: options, paths, reads_only });
        }
        match words {
            [path] if !path.starts_with(b"-") && !path.text.is_empty() => {
                let reads_only = name != "git-receive-pack";
                let path = Word { pattern: None, ..path.clone() };
                Ok(Self { name, arguments: Vec::new(), paths: vec![path], reads_only })
            }
            _ => Err("exactly one path is expected".to_owned()),
        }
    }

    /// With a limit, what is written must be what is stored.
    fn with_limit(mut self, is_limited: bool) -> Self {
        if self.name == "rsync" && is_limited {
            self.arguments = rsync::without_holes(self.arguments);
        }
        self
    }

    /// A7-04
    fn with_link_rules(mut self, may_link: bool) -> Self {
        if self.name == "rsync" {
            let rule = if may_link { "--safe-links" } else { "--munge-links" };
            if !self.arguments.iter().any(|argument| argument == rule) {
                // Right behind `--server`, which has to be first.
                self.arguments.insert(1, rule.to_owned());
            }
        }
        self
    }
}

/// Where a program may work.
struct Place {
    path: VirtualPath,
    /// The client wrote a slash behind it: the content of the directory is meant.
    has_slash: bool,
    /// What it may reach: the path itself, or the directory in which it will make it.
    directory: VirtualPath,
}

/// Runs a program to its end; what is wrong goes to the client's standard error.
pub async fn run(
    request: ProgramRequest,
    launcher: Arc<Launcher>,
    files: Arc<FileService>,
    input: Arc<ChannelInput>,
    output: ChannelOutput,
) {
    let (name, raw) = (request.name, request.paths.first().map(|path| path.text.clone()).unwrap_or_default());
    match prepare_and_run(request, &launcher, &files, input, &output).await {
        Ok((status, path)) => {
            if status == 0 {
                files.record_ssh_command(name, &path).await;
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
    request: ProgramRequest,
    launcher: &Launcher,
    files: &Arc<FileService>,
    input: Arc<ChannelInput>,
    output: &ChannelOutput,
) -> Result<(u32, VirtualPath), FileError> {
    let mut places = Vec::new();
    for word in &request.paths {
        for path in expand::expand(files, word).await? {
            let place = find_place(files, path, word.text.ends_with(b"/")).await?;
            require_everything(files, &place)?;
            places.push(place);
        }
    }
    // Of several only one can be written to, which the options have seen to.
    let Some(place) = places.first() else {
        return Err(FileError::NotFound);
    };
    let may_link = may_link(files, place);
    let request = request.with_link_rules(may_link);
    if request.reads_only {
        let command = command(&request, launcher, files, &places, None)?;
        return Ok((process::run(files, command, input, output, None).await?, place.path.clone()));
    }
    // Counted again whatever becomes of the program, even when the client is gone.
    let counting = Counting::new(files.program_room(&place.path).await?);
    let request = request.with_limit(counting.room().is_some_and(ProgramRoom::is_limited));
    let command = command(&request, launcher, files, &places, counting.room().and_then(ProgramRoom::bytes))?;
    let status = process::run(files, command, input, output, counting.room()).await;
    counting.end().await?;
    Ok((status?, place.path.clone()))
}

/// As over SFTP: with rules for several places, links would lead around them.
fn may_link(files: &FileService, place: &Place) -> bool {
    let account = files.account();
    files.allows_at(&place.directory, Permission::CreateSymlinks)
        && !account.permissions.has_several_directories()
        && account.filters.file_patterns.is_empty()
}

/// Without links: the rules of where it is hold, and programs are confined to it.
async fn find_place(files: &FileService, path: VirtualPath, has_slash: bool) -> Result<Place, FileError> {
    let path = match files.without_links(&path).await {
        Ok(path) => path,
        Err(FileError::NotFound) => path,
        Err(error) => return Err(error),
    };
    let is_directory = match files.metadata(&path).await {
        Ok(metadata) => metadata.kind == FileKind::Directory,
        Err(FileError::NotFound) => false,
        Err(error) => return Err(error),
    };
    let directory = if is_directory { path.clone() } else { path.parent() };
    Ok(Place { path, has_slash: has_slash && is_directory, directory })
}

/// Programs do not ask for permissions, so all must be there, and no rule may hold below.
fn require_everything(files: &FileService, place: &Place) -> Result<(), FileError> {
    for path in [&place.path, &place.directory] {
        let renames = [Permission::Rename, Permission::RenameFiles];
        let all = NEEDED.iter().all(|permission| files.allows_at(path, *permission));
        if !all || !renames.iter().any(|permission| files.allows_at(path, *permission)) {
            return Err(FileError::Denied);
        }
    }
    let account = files.account();
    let other_rules = account.permissions.differ_within(&place.directory);
    let limited = account.filters.max_upload_file_size > 0 || account.filters.file_patterns.concern(&place.directory);
    let other_storage = account.folders.any_below(&place.directory) && account.folders.at(&place.directory).is_none();
    if other_rules || limited || other_storage {
        return Err(FileError::Denied);
    }
    Ok(())
}

fn command(
    request: &ProgramRequest,
    launcher: &Launcher,
    files: &FileService,
    places: &[Place],
    room: Option<u64>,
) -> Result<Command, FileError> {
    let (mut directories, mut paths) = (Vec::new(), Vec::new());
    for place in places {
        let directory = files.confined_host_path(&place.directory)?;
        let path = match place.path == place.directory {
            true => directory.clone(),
            false => directory.join(os_text(place.path.file_name().unwrap_or_default())),
        };
        paths.push(if place.has_slash { with_slash(path) } else { path });
        directories.push(directory);
    }
    let Some(directory) = directories.first() else {
        return Err(FileError::NotFound);
    };
    let [program, arguments @ ..] = launcher.command.as_slice() else {
        return Err(FileError::Unsupported);
    };
    let mut command = Command::new(program);
    command.args(arguments);
    for directory in &directories {
        command.arg(if request.reads_only { "--read" } else { "--write" }).arg(directory);
    }
    // What is sent compressed, or as differences, is larger on disk.
    if let Some(room) = room {
        command.arg(format!("--largest={room}"));
    }
    command.arg("--").arg(request.name).args(&request.arguments);
    if request.name == "rsync" {
        command.arg(".");
    }
    command.args(&paths);
    command.env_clear().env("PATH", SEARCH_PATH).env("HOME", directory).env("LC_ALL", "C");
    put_git_environment(&mut command);
    command.current_dir(directory).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let account = files.account();
    // Only root can be somebody else; both ids, or the groups of root would stay.
    if rustix::process::geteuid().is_root() && account.uid > 0 {
        command.uid(account.uid).gid(if account.gid > 0 { account.gid } else { account.uid });
    }
    command.process_group(0).kill_on_drop(true);
    Ok(command)
}

fn put_git_environment(command: &mut Command) {
    // Neither by a missing object nor by an address may a repository make git fetch.
    command.env("GIT_ALLOW_PROTOCOL", "").env("GIT_NO_LAZY_FETCH", "1");
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.env("GIT_CONFIG_COUNT", GIT_SETTINGS.len().to_string());
    for (index, (key, value)) in GIT_SETTINGS.iter().enumerate() {
        command.env(format!("GIT_CONFIG_KEY_{index}"), key).env(format!("GIT_CONFIG_VALUE_{index}"), value);
    }
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "tidegate").env(format!("GIT_{role}_EMAIL"), "tidegate@localhost");
    }
}

fn os_text(bytes: &[u8]) -> &std::ffi::OsStr {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(bytes)
}

fn with_slash(path: PathBuf) -> PathBuf {
    let mut text = path.into_os_string();
    text.push("/");
    text.into()
}
