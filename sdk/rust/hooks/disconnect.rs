//! Logs connections that ended without a login.
//! Hook point: disconnect. Build: ./build.sh in a project of `tidegate plugin new`.

use tidegate_hook::{Connection, Disconnect, Failure, Session, log};

use crate::Plugin;

impl Disconnect for Plugin {
    fn notify(connection: &Connection, session: Option<&Session>, duration_milliseconds: u64) -> Result<(), Failure> {
        if session.is_none() {
            log::warn(&format!("{} left after {duration_milliseconds} ms without a login", connection.remote_ip()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tidegate_hook::testing::host;

    use super::*;

    #[test]
    fn only_strangers_are_logged() {
        Plugin::notify(&Connection::default(), Some(&Session::default()), 5).unwrap();
        Plugin::notify(&Connection::default(), None, 5).unwrap();
        assert_eq!(host::logged(), ["192.0.2.1 left after 5 ms without a login"]);
    }
}
