use hmac::{Hmac, Mac};
use serde_json::{Map, Value, json};
use sha2::Sha256;
use tidegate_hook::{ActionKind, ActionStatus, Connection, FileAction, LoginAttempt, ObjectChange, Session};

/// What the receiver gets: an event's name and what is known of it.
pub struct Message {
    event: String,
    fields: Value,
}

impl Message {
    pub fn login(connection: &Connection, attempt: Option<&LoginAttempt>, outcome: Result<&Session, String>) -> Self {
        let (event, error) = match &outcome {
            Ok(_) => ("login", None),
            Err(error) => ("login-failed", Some(error.clone())),
        };
        let username = attempt.map(LoginAttempt::username);
        let fields = json!({ "username": username, "ip": connection.remote_ip(), "connection": connection.id(), "error": error });
        Self { event: event.to_owned(), fields }
    }

    pub fn action(action: &FileAction) -> Self {
        let event = match action.kind() {
            ActionKind::Other(_) => "action".to_owned(),
            kind => kind.name().to_owned(),
        };
        let session = action.session();
        let fields = json!({
            "username": session.account().username(),
            "ip": session.connection().remote_ip(),
            "path": action.virtual_path(),
            "target": action.virtual_target(),
            "size": action.size(),
            "ok": matches!(action.status(), Some(ActionStatus::Ok)),
            "error": action.error_message(),
        });
        Self { event, fields }
    }

    pub fn session_end(session: &Session, reason: &str, milliseconds: u64) -> Self {
        let fields = json!({
            "username": session.account().username(),
            "impersonator": session.impersonator(),
            "ip": session.connection().remote_ip(),
            "reason": reason,
            "milliseconds": milliseconds,
            "bytes_received": session.bytes_received(),
            "bytes_sent": session.bytes_sent(),
        });
        Self { event: "session-end".to_owned(), fields }
    }

    pub fn change(change: &ObjectChange) -> Self {
        let fields = json!({ "object": change.kind().name(), "change": change.change().name(), "name": change.name(), "actor": change.actor() });
        Self { event: "object-change".to_owned(), fields }
    }

    pub fn event(&self) -> &str {
        &self.event
    }

    /// `now`: seconds since 1970. Fields without a value are left out.
    pub fn to_json(&self, now: u64) -> String {
        let mut document = Map::new();
        document.insert("event".to_owned(), json!(self.event));
        document.insert("at".to_owned(), json!(now));
        if let Value::Object(fields) = &self.fields {
            let known = fields.iter().filter(|(_, value)| !value.is_null());
            document.extend(known.map(|(name, value)| (name.clone(), value.clone())));
        }
        Value::Object(document).to_string()
    }
}

/// HMAC-SHA-256 in hexadecimal.
pub fn signature(key: &[u8], body: &[u8]) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(body);
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_what_happened() {
        let connection = Connection::from_ip("192.0.2.1");
        let message = Message::login(&connection, None, Err("no such account".to_owned()));
        assert_eq!(
            message.to_json(7),
            r#"{"at":7,"connection":"SSH_test","error":"no such account","event":"login-failed","ip":"192.0.2.1"}"#
        );
        let action = FileAction { status: Some(ActionStatus::Ok), size: Some(3), ..FileAction::default() };
        assert!(Message::action(&action).to_json(7).contains(r#""path":"/file""#));
    }

    #[test]
    fn the_signature_is_that_of_rfc_4231() {
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signature(b"Jefe", b"what do ya want for nothing?"), expected);
    }
}
