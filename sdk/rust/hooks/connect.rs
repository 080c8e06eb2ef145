//! Denies connections from a network of scanners, before the handshake.
//! Hook point: connect. Build: ./build.sh in a project of `tidegate plugin new`.

use tidegate_hook::{Connect, Connection, Failure, Review};

use crate::Plugin;

impl Connect for Plugin {
    fn review(connection: &Connection) -> Result<Review, Failure> {
        let network = connection.remote_ip();
        Ok(if network.starts_with("203.0.113.") { Review::deny("a network of scanners") } else { Review::Allow })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scanners_are_turned_away() {
        assert!(!Plugin::review(&Connection::from_ip("203.0.113.9")).unwrap().is_allowed());
        assert!(Plugin::review(&Connection::from_ip("192.0.2.1")).unwrap().is_allowed());
    }
}
