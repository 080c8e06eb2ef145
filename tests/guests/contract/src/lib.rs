//! Every hook in one component. What it does is in the event: the user name, the address or
//! the path says `allow`, `deny`, `fail` and so on.

wit_bindgen::generate!({ path: "../../../wit", world: "every-hook", generate_all });

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

use exports::tidegate::hooks as exported;
use tidegate::hooks::conversations::{Conversation, ConversationError, Prompt};
use tidegate::hooks::types::*;
use tidegate::hooks::{config, kv, secrets};

struct Contract;

/// That this instance has had.
static CALLS: AtomicU32 = AtomicU32::new(0);

fn denial() -> Denial {
    Denial { reason: "the contract says no".to_owned(), client_message: Some("not today".to_owned()) }
}

fn failure() -> Failure {
    Failure { message: "the contract cannot decide".to_owned(), transient: true }
}

/// What all hooks do alike; the rest is for the hook itself.
fn misbehave(what: &str) -> Result<(), Failure> {
    match what {
        "fail" => Err(failure()),
        "trap" => panic!("the contract traps"),
        "loop" => loop {
            black_box(());
        },
        _ => Ok(()),
    }
}

fn home() -> String {
    config::get("home").unwrap_or_else(|| "/srv/contract".to_owned())
}

/// `/upload/deny` says `deny`.
fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

fn by_address(address: &str) -> &'static str {
    match address {
        "192.0.2.2" => "deny",
        "192.0.2.3" => "fail",
        "192.0.2.4" => "trap",
        "192.0.2.5" => "loop",
        _ => "allow",
    }
}

impl exported::connect::Guest for Contract {
    fn review(connection: &Connection) -> Result<exported::connect::ConnectVerdict, Failure> {
        use exported::connect::ConnectVerdict;
        let what = by_address(&connection.remote_ip());
        misbehave(what)?;
        Ok(if what == "deny" { ConnectVerdict::Deny(denial()) } else { ConnectVerdict::Allow })
    }
}

impl exported::login_pre::Guest for Contract {
    fn review(attempt: &LoginAttempt) -> Result<exported::login_pre::LoginPreVerdict, Failure> {
        use exported::login_pre::LoginPreVerdict;
        let what = attempt.username();
        misbehave(&what)?;
        if what == "numbered" {
            let reason = format!("attempt {}", attempt.number());
            return Ok(LoginPreVerdict::Deny(Denial { reason, client_message: None }));
        }
        Ok(if what == "deny" { LoginPreVerdict::Deny(denial()) } else { LoginPreVerdict::Allow })
    }
}

impl exported::external_auth::Guest for Contract {
    fn authenticate(attempt: &LoginAttempt) -> Result<exported::external_auth::AuthVerdict, Failure> {
        use exported::external_auth::AuthVerdict;
        let what = attempt.username();
        misbehave(&what)?;
        match what.as_str() {
            "deny" => Ok(AuthVerdict::Reject(denial())),
            "secret" => Ok(AuthVerdict::VerifyStored(secrets::get("pin").ok())),
            "count" => {
                let count = kv::increment("logins", 1, None).map_err(|_| failure())?;
                Ok(AuthVerdict::Reject(Denial { reason: format!("login {count}"), client_message: None }))
            }
            name => {
                let draft = AccountDraft::new(name);
                draft.set_home_directory(&home()).map_err(|_| failure())?;
                draft.set_permissions("/", &["*".to_owned()]).map_err(|_| failure())?;
                if name == "limited" {
                    draft.set_bandwidth_kb(1000, 1);
                }
                Ok(AuthVerdict::Accept(Some(draft)))
            }
        }
    }
}

impl exported::pre_login::Guest for Contract {
    fn prepare(
        attempt: &LoginAttempt,
        account: Option<&Account>,
    ) -> Result<exported::pre_login::PreLoginVerdict, Failure> {
        use exported::pre_login::PreLoginVerdict;
        let what = attempt.username();
        misbehave(&what)?;
        match what.as_str() {
            "replace" => {
                let draft = account.map_or_else(|| AccountDraft::new(&what), AccountDraft::of);
                draft.set_home_directory(&home()).map_err(|_| failure())?;
                draft.set_permissions("/", &["*".to_owned()]).map_err(|_| failure())?;
                Ok(PreLoginVerdict::Replace(draft))
            }
            "grouped" => {
                let account = account.ok_or_else(failure)?;
                let is_own = !AccountDraft::of(account).to_json().contains(&account.home_directory());
                let reason = format!("{} {} {is_own}", account.home_directory(), account.quota().max_files);
                Ok(PreLoginVerdict::Deny(Denial { reason, client_message: None }))
            }
            _ => Ok(PreLoginVerdict::Unchanged),
        }
    }
}

impl exported::check_password::Guest for Contract {
    fn check(attempt: &LoginAttempt) -> Result<exported::check_password::PasswordVerdict, Failure> {
        use exported::check_password::PasswordVerdict;
        let what = attempt.username();
        misbehave(&what)?;
        Ok(match what.as_str() {
            "deny" => PasswordVerdict::Deny(denial()),
            "verify" => PasswordVerdict::Verify("other".to_owned()),
            _ => PasswordVerdict::Accept,
        })
    }
}

impl exported::keyboard_interactive::Guest for Contract {
    fn converse(
        attempt: &LoginAttempt,
        conversation: &Conversation,
    ) -> Result<exported::keyboard_interactive::InteractiveVerdict, Failure> {
        use exported::keyboard_interactive::InteractiveVerdict;
        let what = attempt.username();
        misbehave(&what)?;
        if what == "deny" {
            return Ok(InteractiveVerdict::Reject(denial()));
        }
        if what == "never-stops" {
            // The conversation stays closed however often it is asked.
            let prompt = [Prompt { text: "leave".to_owned(), echo: true }];
            let answers: Vec<_> = (0..3).map(|_| conversation.ask("", &prompt)).collect();
            let closed = answers.iter().all(|answer| matches!(answer, Err(ConversationError::Closed)));
            return Ok(if closed { InteractiveVerdict::Reject(denial()) } else { InteractiveVerdict::Accept(None) });
        }
        let ask = |texts: &[&str]| {
            let prompts: Vec<_> = texts.iter().map(|text| Prompt { text: (*text).to_owned(), echo: true }).collect();
            conversation.ask("the contract asks", &prompts).map_err(|_| failure())
        };
        let first = ask(&["one", "two"])?;
        let second = ask(&["three"])?;
        let right = first == ["1", "2"] && second == ["3"];
        Ok(if right { InteractiveVerdict::Accept(None) } else { InteractiveVerdict::Reject(denial()) })
    }
}

impl exported::session_create::Guest for Contract {
    fn review(session: &Session) -> Result<exported::session_create::SessionVerdict, Failure> {
        use exported::session_create::SessionVerdict;
        let what = session.account().username();
        misbehave(&what)?;
        if what == "visited" {
            let reason = format!("{:?} {:?}", session.impersonator(), session.login_link());
            return Ok(SessionVerdict::Deny(Denial { reason, client_message: None }));
        }
        Ok(if what == "deny" { SessionVerdict::Deny(denial()) } else { SessionVerdict::Allow })
    }
}

impl exported::pre_action::Guest for Contract {
    fn review(action: &FileAction) -> Result<exported::pre_action::ActionVerdict, Failure> {
        use exported::pre_action::ActionVerdict;
        let path = action.virtual_path();
        let what = last(&path);
        misbehave(what)?;
        if what == "count" {
            let reason = format!("call {}", CALLS.fetch_add(1, Ordering::Relaxed) + 1);
            return Ok(ActionVerdict::Deny(Denial { reason, client_message: None }));
        }
        if what == "sized" {
            let seen = format!("{} {}", action.size().unwrap_or_default(), action.open_flags().unwrap_or_default());
            return Ok(ActionVerdict::Deny(Denial { reason: seen.clone(), client_message: Some(seen) }));
        }
        Ok(if what == "deny" { ActionVerdict::Deny(denial()) } else { ActionVerdict::Allow })
    }
}

impl exported::password_reset_pre::Guest for Contract {
    fn review(request: &WebRequest) -> Result<exported::password_reset_pre::ResetVerdict, Failure> {
        use exported::password_reset_pre::ResetVerdict;
        let what = request.username();
        misbehave(&what)?;
        Ok(if what == "deny" { ResetVerdict::Deny(denial()) } else { ResetVerdict::Allow })
    }
}

impl exported::startup::Guest for Contract {
    fn notify(_server_version: String) -> Result<(), Failure> {
        Ok(())
    }
}

impl exported::post_login::Guest for Contract {
    fn notify(
        _connection: &Connection,
        attempt: Option<&LoginAttempt>,
        _outcome: Result<&Session, String>,
    ) -> Result<(), Failure> {
        misbehave(&attempt.map(LoginAttempt::username).unwrap_or_default())
    }
}

impl exported::session_destroy::Guest for Contract {
    fn notify(session: &Session, _reason: String, _duration: u64) -> Result<(), Failure> {
        misbehave(&session.account().username())
    }
}

impl exported::disconnect::Guest for Contract {
    fn notify(connection: &Connection, _session: Option<&Session>, _duration: u64) -> Result<(), Failure> {
        misbehave(by_address(&connection.remote_ip()))
    }
}

impl exported::post_action::Guest for Contract {
    fn notify(action: &FileAction) -> Result<(), Failure> {
        misbehave(last(&action.virtual_path()))
    }
}

impl exported::object_changes::Guest for Contract {
    fn notify(change: &ObjectChange) -> Result<(), Failure> {
        misbehave(&change.name())
    }
}

impl exported::credential_changed::Guest for Contract {
    fn notify(change: &CredentialChange) -> Result<(), Failure> {
        misbehave(&change.username())
    }
}

impl exported::one_click_login_post::Guest for Contract {
    fn notify(_token: String, username: String, _name: String) -> Result<(), Failure> {
        misbehave(&username)
    }
}

impl exported::address_banned::Guest for Contract {
    fn notify(ban: &AddressBan) -> Result<(), Failure> {
        let is_whole = ban.network() == ban.remote_ip() && ban.protocol().as_deref() == Some("SSH");
        let counts =
            [ban.score(), ban.login_failed(), ban.user_not_found(), ban.no_login_tried(), ban.limit_exceeded()];
        if !is_whole || counts != [16, 7, 1, 0, 0] || ban.until() - ban.at() != 1800 {
            return Err(failure());
        }
        misbehave(by_address(&ban.remote_ip()))
    }
}

export!(Contract);
