//! Counts failed logins by address, for an hour.
//! Hook point: post-login. Build: ./build.sh in a project of `tidegate plugin new`.

use tidegate_hook::{Connection, Failure, LoginAttempt, PostLogin, Session, kv};

use crate::Plugin;

impl PostLogin for Plugin {
    fn notify(
        connection: &Connection,
        _attempt: Option<&LoginAttempt>,
        outcome: Result<&Session, String>,
    ) -> Result<(), Failure> {
        if outcome.is_err() {
            let key = format!("failed/{}", connection.remote_ip());
            kv::increment(&key, 1, Some(3600)).map_err(|error| Failure::transient(format!("{error:?}")))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted() {
        let connection = Connection::default();
        Plugin::notify(&connection, None, Err("no such account".to_owned())).unwrap();
        Plugin::notify(&connection, None, Ok(&Session::default())).unwrap();
        assert_eq!(kv::get("failed/192.0.2.1").unwrap().unwrap(), b"1");
    }
}
