//! Means of the host that guests use through WASI: HTTP requests, standard output and standard error.

mod address;
pub mod egress;
pub mod http_grant;
pub mod output;
