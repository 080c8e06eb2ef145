//! HTTP: metrics on a port, and the control interface on a socket that only the server's own user and root can use.

mod answer;
mod control;
mod exposition;
mod requests;
mod serving;
mod snapshot;

pub use control::{AdminApi, Handle, Owner, control, error_answer, hook_link, plugin, user_name};
pub use exposition::{Measured, metrics};
pub use serving::{serve_socket, serve_tcp};
