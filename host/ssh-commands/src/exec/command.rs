//! Starts a program: confined to what it is granted, as the account's user, with an environment of its own.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use tidegate_core::files::FileError;
use tidegate_core::ports::Descriptors;
use tokio::process::Command;

const SEARCH_PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// git settings that a repository must not choose for the server, because they start programs.
const GIT_SETTINGS: [(&str, &str); 9] = [
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    // A part of git that prints nothing here, so that no other program can be started.
    ("core.alternateRefsCommand", "git-for-each-ref"),
    ("core.pager", "cat"),
    ("receive.denyCurrentBranch", "refuse"),
    ("receive.autogc", "false"),
    ("maintenance.auto", "false"),
    ("gc.auto", "0"),
    ("safe.directory", "*"),
];

/// How programs are started: the server's own binary confines itself, then executes the program.
#[derive(Debug, Clone)]
pub struct Launcher {
    /// The path of the binary, and the arguments that make it do so.
    pub command: Vec<String>,
    /// Asked before a program is started, which takes several.
    pub descriptors: Arc<dyn Descriptors>,
}

/// What a program may reach.
#[derive(Debug, Default)]
pub struct Grants {
    /// Directories and single files that the program may read.
    pub read: Vec<PathBuf>,
    /// Directories in which the program may write.
    pub write: Vec<PathBuf>,
    /// The largest file that the program may write, in bytes.
    pub largest: Option<u64>,
}

/// The command that starts a confined program; the caller adds the program's own arguments.
pub fn confined(
    launcher: &Launcher,
    name: &str,
    grants: &Grants,
    directory: &Path,
    (uid, gid): (u32, u32),
) -> Result<Command, FileError> {
    let [program, arguments @ ..] = launcher.command.as_slice() else {
        return Err(FileError::Unsupported("this server starts no programs".into()));
    };
    let mut command = Command::new(program);
    command.args(arguments);
    for (option, paths) in [("--read", &grants.read), ("--write", &grants.write)] {
        for path in paths {
            command.arg(option).arg(path);
        }
    }
    // A file can be larger on disk than what was sent for it, compressed or as differences.
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

/// The user and group for a program of an account with these numbers; 0 means none (A7-05). With a
/// user there is always a group, or the program would keep that of root.
fn ids(uid: u32, gid: u32) -> (Option<u32>, Option<u32>) {
    let given = |id: u32| Some(id).filter(|id| *id > 0);
    (given(uid), given(gid).or(given(uid)))
}

fn put_git_environment(command: &mut Command) {
    // git must not fetch for a repository, neither because an object is missing nor because of an address.
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
    use rustix::process::{getegid, geteuid};
    use tidegate_core::ports::UnlimitedDescriptors;

    use super::*;

    #[tokio::test]
    async fn a_program_runs_as_the_accounts_user() {
        // A7-05
        let launcher = Launcher {
            command: ["/bin/sh", "-c", "id -u; id -g"].map(str::to_owned).into(),
            descriptors: Arc::new(UnlimitedDescriptors),
        };
        let who = async |ids: (u32, u32)| {
            let mut command = confined(&launcher, "rsync", &Grants::default(), Path::new("/"), ids).unwrap();
            String::from_utf8(command.output().await.unwrap().stdout).unwrap()
        };
        assert_eq!(who((0, 0)).await, format!("{}\n{}\n", geteuid().as_raw(), getegid().as_raw()));
        // Others cannot become another user.
        if geteuid().is_root() {
            assert_eq!(who((1234, 1235)).await, "1234\n1235\n");
            assert_eq!(who((1234, 0)).await, "1234\n1234\n");
            assert_eq!(who((0, 1235)).await, format!("{}\n1235\n", geteuid().as_raw()));
        }
    }

    #[test]
    fn the_accounts_ids_are_the_programs() {
        // A7-05
        assert_eq!(ids(0, 0), (None, None));
        assert_eq!(ids(1000, 0), (Some(1000), Some(1000)));
        assert_eq!(ids(0, 1000), (None, Some(1000)));
        assert_eq!(ids(1000, 33), (Some(1000), Some(33)));
    }
}
