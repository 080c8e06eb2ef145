//! The limit on open files with which programs run. The server raises its own, which they would inherit: older ones close
//! every number below it, of which there may be a million, before they start another program, and select(2) takes none above
//! 1024.

use std::sync::OnceLock;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

/// As the process had it at first. A limit is the process's, and so is this.
static FIRST: OnceLock<Rlimit> = OnceLock::new();

/// Notes the limit that programs get. Call this before it is raised.
pub fn keep_for_programs() {
    FIRST.get_or_init(|| getrlimit(Resource::Nofile));
}

/// Gives a program that has just begun its limit: by then its interpreter has not come to its first line.
pub fn give_to(program: u32) {
    let pid = i32::try_from(program).ok().and_then(Pid::from_raw);
    if let (Some(limit), Some(pid)) = (FIRST.get(), pid) {
        // A program that has ended needs none, and one with the rights of another user keeps what it has.
        let _ = prlimit(Some(pid), Resource::Nofile, *limit);
    }
}
