//! Denies sessions to partners' accounts while "maintenance" is set in the settings.
//! Hook point: session-create. Build: ./build.sh in a project of `tidegate plugin new`.

use tidegate_hook::{Failure, Review, Session, SessionCreate, config};

use crate::Plugin;

impl SessionCreate for Plugin {
    fn review(session: &Session) -> Result<Review, Failure> {
        let partner = session.account().groups().iter().any(|group| group == "partners");
        let maintenance = config::get("maintenance").as_deref() == Some("true");
        Ok(if partner && maintenance { Review::deny("maintenance") } else { Review::Allow })
    }
}

#[cfg(test)]
mod tests {
    use tidegate_hook::Account;
    use tidegate_hook::testing::host;

    use super::*;

    #[test]
    fn partners_wait() {
        host::set_config(r#"{"maintenance": true}"#);
        let partner = Account::from_json(r#"{"username": "p", "groups": [{"name": "partners", "type": 1}]}"#);
        assert!(!Plugin::review(&Session { account: partner, ..Session::default() }).unwrap().is_allowed());
        assert!(Plugin::review(&Session::default()).unwrap().is_allowed());
    }
}
