//! What the host lends to plugins.

mod address;
pub mod egress;
pub mod http_grant;
pub mod output;
