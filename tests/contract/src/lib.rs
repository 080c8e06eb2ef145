//! One event for each hook point, and one hook of each kind (a component, a program, a web
//! server) that answers them alike: the user name, the address or the path says what.

pub mod adapters;
pub mod events;
pub mod web_server;
