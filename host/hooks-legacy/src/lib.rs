//! Hooks that are programs or web servers, speaking the older server's language:
//! environment variables `SFTPGO_*` and JSON.

mod http;
mod process;
mod program;
mod stderr_log;
mod wire;

pub use http::{HttpHook, HttpHookError};
pub use program::{Environment, ProgramHook, ProgramHookError};
