//! What clients may run over SSH: `scp`, `rsync`, git's programs, and small commands that are a part of the server. The
//! crate knows its channel only by the ports [`CommandInput`] and [`CommandOutput`], and files only by
//! [`tidegate_core::files::FileService`].

mod channel;
mod exec;
mod scp;

pub use channel::{CommandInput, CommandOutput, Gone};
pub use exec::{Command, Launcher, SUPPORTED_COMMANDS, SshCommands, run};
pub use scp::is_announcement as is_scp_announcement;
