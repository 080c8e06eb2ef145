//! What refused attempts score (B14-03).

use super::{Login, RefusalReason};
use crate::connection::Credential;
use crate::guard::Offence;
use crate::hook::LoginAttempt;

impl Login {
    /// Scores a refused attempt. Agents offer one key after the other, so that refused keys score once, at the end of
    /// a connection that has not logged in (B14-03).
    pub(super) fn score(&mut self, attempt: &LoginAttempt, reason: RefusalReason) {
        let Some(offence) = Offence::of_refusal(reason) else { return };
        if matches!(attempt.credential, Credential::PublicKey(_)) {
            self.key_offence = Some(offence);
        } else {
            self.key_offence = None;
            self.service.ports.defender.score(self.connection.remote.ip(), offence);
        }
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        if let Some(offence) = self.key_offence {
            self.service.ports.defender.score(self.connection.remote.ip(), offence);
        }
    }
}
