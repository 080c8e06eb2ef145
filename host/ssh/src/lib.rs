//! SSH: the listener, authentication, and the channels that carry SFTP and commands. What
//! russh does not bound (login time, half-open connections, input of a client that does not
//! read) is bounded here.

mod algorithm_names;
mod algorithms;
mod batched_socket;
mod channel;
mod connections;
mod ending;
mod guarded_stream;
mod handler;
pub mod host_keys;
mod listener;
#[cfg(test)]
mod listener_tests;
mod login_progress;
mod negotiation;
mod proxy;
mod read_gate;
mod stream;
mod tries;
mod window;

pub use algorithms::{AlgorithmChoice, AlgorithmPolicy, Algorithms, Remark};
pub use connections::ConnectionLimits;
pub use listener::{BoundListener, ConnectionHooks, LOGIN_GRACE, LoginDelay, SshServer, SshSettings};
pub use proxy::{ProxyRule, ProxySettings};
