//! Logs login URLs that never expire.
//! Hook point: credential-changed. Build: ./build.sh in a project of `tidegate plugin new`.

use tidegate_hook::{CredentialChange, CredentialChanged, Failure, log};

use crate::Plugin;

impl CredentialChanged for Plugin {
    fn notify(change: &CredentialChange) -> Result<(), Failure> {
        if change.is_login_url() && change.expires_at().is_none() {
            log::warn(&format!("the login URL {} of {} never expires", change.name(), change.username()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tidegate_hook::testing::host;

    use super::*;

    #[test]
    fn eternal_urls_are_logged() {
        Plugin::notify(&CredentialChange { is_login_url: true, ..CredentialChange::default() }).unwrap();
        assert_eq!(host::logged().len(), 1);
    }
}
