//! Tells a web service what happened, signed. See README.md.

mod message;

use serde::Deserialize;
use tidegate_hook::http::Request;
use tidegate_hook::{
    Connection, Failure, FileAction, LoginAttempt, ObjectChange, ObjectChanges, PostAction, PostLogin, Session,
    SessionDestroy, clock, config, log, secrets,
};

use crate::message::{Message, signature};

/// Between tries.
const PAUSES_MS: [u64; 2] = [500, 2000];
const MAX_ANSWER: usize = 64 << 10;

struct Webhook;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    url: String,
    /// Kinds of messages; without any, all.
    #[serde(default)]
    events: Vec<String>,
}

fn tell(message: &Message) -> Result<(), Failure> {
    let settings: Settings =
        serde_json::from_str(&config::to_json()).map_err(|error| Failure::new(format!("config: {error}")))?;
    if !settings.events.is_empty() && !settings.events.iter().any(|event| event == message.event()) {
        return Ok(());
    }
    let body = message.to_json(clock::now());
    let mut request = Request::post(&settings.url, body.clone()).header("content-type", "application/json");
    // Without the secret, the receiver cannot tell who speaks; that is the operator's choice.
    if let Ok(secret) = secrets::get("signing-key") {
        request =
            request.header("x-tidegate-signature", format!("sha256={}", signature(secret.as_bytes(), body.as_bytes())));
    }
    let mut pauses = PAUSES_MS.iter();
    loop {
        let problem = match request.clone().send(MAX_ANSWER) {
            Ok(response) if (200..300).contains(&response.status) => return Ok(()),
            // What is wrong with the message will not be right the next time.
            Ok(response) if (400..500).contains(&response.status) && response.status != 429 => {
                return Err(Failure::new(format!("the receiver answered {}", response.status)));
            }
            Ok(response) => format!("the receiver answered {}", response.status),
            Err(error) => error.to_string(),
        };
        match pauses.next() {
            Some(pause) => {
                log::warn(&format!("{problem}; trying again in {pause} ms"));
                clock::sleep_ms(*pause);
            }
            None => return Err(Failure::transient(problem)),
        }
    }
}

impl PostLogin for Webhook {
    fn notify(
        connection: &Connection,
        attempt: Option<&LoginAttempt>,
        outcome: Result<&Session, String>,
    ) -> Result<(), Failure> {
        tell(&Message::login(connection, attempt, outcome))
    }
}

impl PostAction for Webhook {
    fn notify(action: &FileAction) -> Result<(), Failure> {
        tell(&Message::action(action))
    }
}

impl SessionDestroy for Webhook {
    fn notify(session: &Session, reason: String, duration_milliseconds: u64) -> Result<(), Failure> {
        tell(&Message::session_end(session, &reason, duration_milliseconds))
    }
}

impl ObjectChanges for Webhook {
    fn notify(change: &ObjectChange) -> Result<(), Failure> {
        tell(&Message::change(change))
    }
}

tidegate_hook::export!(Webhook: PostLogin, PostAction, SessionDestroy, ObjectChanges);
