//! Made for `tidegate:hooks@0.1.0`, as it was released: it has to go on working.

wit_bindgen::generate!({ path: "../../../wit/released/0.1.0", world: "external-auth-hook" });

use exports::tidegate::hooks::external_auth::{AuthVerdict, Denial, Failure, Guest, LoginAttempt};

struct Older;

impl Guest for Older {
    fn authenticate(attempt: &LoginAttempt) -> Result<AuthVerdict, Failure> {
        let reason = format!("{} is not known to the older hook", attempt.username());
        Ok(AuthVerdict::Reject(Denial { reason, client_message: None }))
    }
}

export!(Older);
