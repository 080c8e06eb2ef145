//! Logs which user was logged in by one click, without the token.
//! Hook point: one-click-login-post. Build: ./build.sh in a project of `tidegate plugin new`.

use tidegate_hook::{Failure, OneClickLoginPost, log};

use crate::Plugin;

impl OneClickLoginPost for Plugin {
    fn notify(_token: String, username: String, name: String) -> Result<(), Failure> {
        log::info(&format!("{username} was logged in at {name}"));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tidegate_hook::testing::host;

    use super::*;

    #[test]
    fn the_token_stays_secret() {
        Plugin::notify("token".to_owned(), "alice".to_owned(), "mail".to_owned()).unwrap();
        assert_eq!(host::logged(), ["alice was logged in at mail"]);
    }
}
