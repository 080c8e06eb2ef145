//! A program as it is started: confined to what it is granted, as the account's user, with an
//! environment of its own.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tidegate_core::files::FileError;
use tokio::process::Command;

const SEARCH_PATH: &str = "/usr/local/bin:/usr/bin:/bin";
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

/// What a program may reach.
#[derive(Debug, Default)]
pub struct Grants {
    /// Directories and single files.
    pub read: Vec<PathBuf>,
    /// Directories.
    pub write: Vec<PathBuf>,
    /// The largest file that it may write, in bytes.
    pub largest: Option<u64>,
}

/// The program's own arguments are added to what this gives back.
pub fn confined(
    launcher: &Launcher,
    name: &str,
    grants: &Grants,
    directory: &Path,
    (uid, gid): (u32, u32),
) -> Result<Command, FileError> {
    let [program, arguments @ ..] = launcher.command.as_slice() else {
        return Err(FileError::Unsupported);
    };
    let mut command = Command::new(program);
    command.args(arguments);
    for (option, paths) in [("--read", &grants.read), ("--write", &grants.write)] {
        for path in paths {
            command.arg(option).arg(path);
        }
    }
    // What is sent compressed, or as differences, is larger on disk.
    if let Some(bytes) = grants.largest {
        command.arg(format!("--largest={bytes}"));
    }
    command.arg("--").arg(name);
    command.env_clear().env("PATH", SEARCH_PATH).env("HOME", directory).env("LC_ALL", "C");
    put_git_environment(&mut command);
    command.current_dir(directory).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if rustix::process::geteuid().is_root() {
        let (user, group) = ids(uid, gid);
        if let Some(group) = group {
            command.gid(group);
        }
        if let Some(user) = user {
            command.uid(user);
        }
    }
    command.process_group(0).kill_on_drop(true);
    Ok(command)
}

/// User and group that a program gets, of an account with these; 0 is none (A7-05). With a user
/// there is always a group, or that of root would stay.
fn ids(uid: u32, gid: u32) -> (Option<u32>, Option<u32>) {
    let given = |id: u32| Some(id).filter(|id| *id > 0);
    (given(uid), given(gid).or(given(uid)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accounts_ids_are_the_programs() {
        // A7-05
        assert_eq!(ids(0, 0), (None, None));
        assert_eq!(ids(1000, 0), (Some(1000), Some(1000)));
        assert_eq!(ids(0, 1000), (None, Some(1000)));
        assert_eq!(ids(1000, 33), (Some(1000), Some(33)));
    }
}
