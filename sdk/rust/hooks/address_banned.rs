//! Logs what is banned, why, and for how long.
//! Hook point: address-banned. Build: ./build.sh in a project of `tidegate plugin new`.

use tidegate_hook::{AddressBan, AddressBanned, Failure, log};

use crate::Plugin;

impl AddressBanned for Plugin {
    fn notify(ban: &AddressBan) -> Result<(), Failure> {
        let minutes = ban.until().saturating_sub(ban.at()) / 60;
        let logins = ban.login_failed() + ban.user_not_found();
        log::warn(&format!("{} is banned for {minutes} minutes after {logins} denied logins", ban.network()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tidegate_hook::testing::host;

    use super::*;

    #[test]
    fn bans_are_logged_with_their_time() {
        Plugin::notify(&AddressBan { user_not_found: 2, ..AddressBan::default() }).unwrap();
        assert_eq!(host::logged(), ["192.0.2.1 is banned for 30 minutes after 10 denied logins"]);
    }
}
