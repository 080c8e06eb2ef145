//! HTTP: metrics on a port, and the server's own control on a socket that only its user can
//! reach.

mod answer;
mod control;
mod exposition;
mod requests;
mod serving;

pub use control::{AdminApi, Handle, Owner, control, error_answer, hook_link, plugin, user_name};
pub use exposition::{Measured, metrics};
pub use serving::{serve_socket, serve_tcp};
