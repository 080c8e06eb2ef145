//! Logs how much each session moved.
//! Hook point: session-destroy. Build: ./build.sh in a project of `tidegate plugin new`.

use tidegate_hook::{Failure, Session, SessionDestroy, log};

use crate::Plugin;

impl SessionDestroy for Plugin {
    fn notify(session: &Session, reason: String, duration_milliseconds: u64) -> Result<(), Failure> {
        let bytes = session.bytes_received() + session.bytes_sent();
        let (user, seconds) = (session.username(), duration_milliseconds / 1000);
        log::info(&format!("{user}: {bytes} bytes in {seconds} s ({reason})"));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tidegate_hook::testing::host;

    use super::*;

    #[test]
    fn the_traffic_is_logged() {
        let session = Session { username: "alice".to_owned(), bytes_sent: 10, ..Session::default() };
        Plugin::notify(&session, "logout".to_owned(), 2500).unwrap();
        assert_eq!(host::logged(), ["alice: 10 bytes in 2 s (logout)"]);
    }
}
