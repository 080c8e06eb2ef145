//! Made for `tidegate:hooks@0.1.1`, as it was released: it has to go on working, with the values that it had.

wit_bindgen::generate!({ path: "../../../wit/released/0.1.1", world: "external-auth-hook" });

use exports::tidegate::hooks::external_auth::{AccountDraft, AuthVerdict, Failure, Guest, LoginAttempt};

struct Former;

impl Guest for Former {
    fn authenticate(attempt: &LoginAttempt) -> Result<AuthVerdict, Failure> {
        let draft = AccountDraft::new(&attempt.username());
        draft.set_bandwidth(1000, 1);
        Ok(AuthVerdict::Accept(Some(draft)))
    }
}

export!(Former);
