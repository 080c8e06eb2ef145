//! `tidegate confined`: confines itself with Landlock, then executes another program. The server
//! starts rsync and git through it, so that they reach one directory and nothing else, whatever
//! their options and symbolic links say.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, PathBeneath, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus,
    Scope, path_beneath_rules,
};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, openat2};
use rustix::process::{Resource, Rlimit, setrlimit};

/// The newest rights that this code knows; an older kernel enforces those that it knows.
const LEVEL: ABI = ABI::V6;
/// Where programs and their libraries are: readable, but not executable.
const SYSTEM: [&str; 6] = ["/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin"];
/// All that may be executed: the programs, their parts, and the loader. No shell, because git's
/// configuration, which clients can write, can name commands in many places.
const PROGRAMS: [&str; 21] = [
    "/usr/bin/rsync",
    "/usr/local/bin/rsync",
    "/usr/bin/git",
    "/usr/bin/git-receive-pack",
    "/usr/bin/git-upload-archive",
    "/usr/bin/git-upload-pack",
    "/usr/local/bin/git",
    "/usr/local/bin/git-receive-pack",
    "/usr/local/bin/git-upload-archive",
    "/usr/local/bin/git-upload-pack",
    "/usr/lib/git-core",
    "/usr/libexec/git-core",
    "/usr/local/lib/git-core",
    "/usr/local/libexec/git-core",
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-linux-armhf.so.3",
    "/lib/ld-linux-riscv64-lp64d.so.1",
    "/lib64/ld64.so.2",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
];
/// Not all of `/etc`: it has secrets, and a symbolic link can lead there.
const SYSTEM_FILES: [&str; 4] = ["/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/localtime", "/dev/urandom"];

#[derive(Debug, clap::Args)]
pub struct ConfinedArguments {
    /// A directory, or a file, that the program may read
    #[arg(long)]
    read: Vec<PathBuf>,
    /// A directory that the program may read and change
    #[arg(long)]
    write: Vec<PathBuf>,
    /// The largest file that the program may write, in bytes
    #[arg(long)]
    largest: Option<u64>,
    #[arg(last = true, required = true)]
    program: Vec<OsString>,
}

/// Returns only if it fails.
pub fn run(arguments: &ConfinedArguments) -> anyhow::Result<()> {
    if let Some(bytes) = arguments.largest {
        let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
        setrlimit(Resource::Fsize, limit).context("the size of files cannot be limited")?;
    }
    restrict(&arguments.read, &arguments.write)?;
    let Some((program, arguments)) = arguments.program.split_first() else {
        anyhow::bail!("name a program");
    };
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("{} could not be started", Path::new(program).display()))
}

/// Opens a path that the server has resolved already. A symbolic link in it was put there since, to
/// lead elsewhere, and is refused.
fn open_without_links(path: &Path) -> anyhow::Result<OwnedFd> {
    openat2(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::NO_SYMLINKS)
        .with_context(|| format!("{} cannot be opened", path.display()))
}

/// The rights that can be granted: a file has fewer than a directory.
fn rights_at(granted: &OwnedFd, rights: BitFlags<AccessFs>) -> anyhow::Result<BitFlags<AccessFs>> {
    let kind = FileType::from_raw_mode(rustix::fs::fstat(granted)?.st_mode);
    Ok(if kind == FileType::Directory { rights } else { rights & AccessFs::from_file(LEVEL) })
}

fn restrict(read: &[PathBuf], write: &[PathBuf]) -> anyhow::Result<()> {
    let all = AccessFs::from_all(LEVEL);
    let see = AccessFs::ReadFile | AccessFs::ReadDir;
    // Nothing in an account's files is ever executed.
    let change = all & !(AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev);
    let mut rules = Ruleset::default()
        .handle_access(all)?
        // No network access is allowed.
        .handle_access(AccessNet::from_all(LEVEL))?
        .scope(Scope::from_all(LEVEL))?
        .create()?
        .add_rules(path_beneath_rules(SYSTEM, see))?
        .add_rules(path_beneath_rules(PROGRAMS, see | AccessFs::Execute))?
        .add_rules(path_beneath_rules(SYSTEM_FILES, AccessFs::ReadFile))?
        .add_rules(path_beneath_rules(["/dev/null"], AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate))?;
    for (paths, rights) in [(read, see), (write, change)] {
        for path in paths {
            let granted = open_without_links(path)?;
            let rights = rights_at(&granted, rights)?;
            rules = rules.add_rule(PathBeneath::new(granted, rights))?;
        }
    }
    // Options and settings alone do not confine a program: without the kernel's support, none is started.
    if rules.restrict_self()?.ruleset == RulesetStatus::NotEnforced {
        bail!("this kernel cannot confine programs (it has no Landlock), so none is started");
    }
    Ok(())
}
