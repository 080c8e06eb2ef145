//! What the host lends to plugins.

pub mod output;
