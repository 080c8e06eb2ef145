//! Asks a web service who may log in, and makes an account of what it says. See README.md.

mod claims;
mod settings;

use tidegate_hook::http::{Request, Response};
use tidegate_hook::{
    AccessError, AccountDraft, AuthVerdict, ExternalAuth, Failure, LoginAttempt, LoginMethod, secrets,
};

use crate::claims::Claims;
use crate::settings::{Existing, Settings, Style};

const MAX_ANSWER: usize = 1 << 20;

struct HttpAuth;

impl ExternalAuth for HttpAuth {
    fn authenticate(attempt: &LoginAttempt) -> Result<AuthVerdict, Failure> {
        let settings = Settings::read()?;
        let stored = attempt.stored_account();
        if stored.as_ref().is_some_and(|account| !account.enabled()) {
            return Ok(AuthVerdict::reject("the stored account is disabled"));
        }
        let Some(request) = request(&settings, attempt)? else { return Ok(AuthVerdict::Defer) };
        let response = request
            .timeout_ms(settings.timeout_ms)
            .send(MAX_ANSWER)
            .map_err(|error| Failure::transient(format!("{}: {error}", settings.url)))?;
        let verdict = decide(&settings, &attempt.username(), &response)?;
        Ok(match (verdict, settings.existing) {
            // What an administrator changed since, and its one-time codes, hold.
            (AuthVerdict::Accept(_), Existing::Keep) if stored.is_some() => AuthVerdict::Accept(None),
            (verdict, _) => verdict,
        })
    }
}

/// None for methods that the service is not asked about.
fn request(settings: &Settings, attempt: &LoginAttempt) -> Result<Option<Request>, Failure> {
    let refused = |error: AccessError| Failure::new(format!("the credential cannot be read: {error:?}"));
    let password = match (attempt.method(), attempt.password()) {
        (LoginMethod::PublicKey | LoginMethod::Certificate, _) => None,
        (_, Ok(password)) => Some(password),
        // A conversation has no password before its first question.
        (_, Err(AccessError::Absent)) => return Ok(None),
        (_, Err(error)) => return Err(refused(error)),
    };
    match (settings.style, password) {
        (Style::Json, password) => {
            let mut body = serde_json::json!({
                "username": attempt.username(),
                "ip": attempt.connection().remote_ip(),
            });
            match password {
                Some(password) => body["password"] = password.into(),
                None => body["public_key"] = attempt.public_key().map_err(refused)?.into(),
            }
            Ok(Some(Request::post(&settings.url, body.to_string()).header("content-type", "application/json")))
        }
        // RFC 7662: the password is an access token.
        (Style::Introspection, Some(token)) => {
            let body = format!("token={}&token_type_hint=access_token", settings::form_encoded(&token));
            let id = settings::form_encoded(&settings.client_id);
            let secret =
                secrets::get("client-secret").map_err(|_| Failure::new("the secret \"client-secret\" is needed"))?;
            let request = Request::post(&settings.url, body)
                .header("content-type", "application/x-www-form-urlencoded")
                .header("authorization", settings::basic(&id, &settings::form_encoded(&secret)));
            Ok(Some(request))
        }
        (Style::Introspection, None) => Ok(None),
    }
}

fn decide(settings: &Settings, username: &str, response: &Response) -> Result<AuthVerdict, Failure> {
    match response.status {
        200 => {}
        401 | 403 => return Ok(AuthVerdict::reject(format!("the service answered {}", response.status))),
        404 => return Ok(AuthVerdict::Defer),
        status => return Err(Failure::transient(format!("{} answered {status}", settings.url))),
    }
    let claims = Claims::parse(username, &response.body)?;
    if settings.style == Style::Introspection && !claims.is_active_for(username) {
        return Ok(AuthVerdict::reject("the token is not active, or not this user's"));
    }
    let document = claims.account(&settings.account)?;
    let draft =
        AccountDraft::from_json(&document).map_err(|problem| Failure::new(format!("config.account: {problem}")))?;
    Ok(AuthVerdict::Accept(Some(draft)))
}

tidegate_hook::export!(HttpAuth: ExternalAuth);

#[cfg(test)]
mod tests {
    use tidegate_hook::testing::host;

    use super::*;

    const SETTINGS: &str = r#"{"url": "https://idp.example/check", "account": {
        "home_dir": "/srv/{tenant}/{username}", "permissions": {"/": ["*"]}, "quota_size": "{limits.bytes}"}}"#;

    fn answered(settings: &str, status: u16, body: &str) -> Result<AuthVerdict, Failure> {
        host::set_config(settings);
        let response = Response { status, headers: Vec::new(), body: body.as_bytes().to_vec() };
        decide(&Settings::read().unwrap(), "alice", &response)
    }

    #[test]
    fn claims_become_an_account() {
        let body = r#"{"tenant": "acme", "limits": {"bytes": 1000}}"#;
        let Ok(AuthVerdict::Accept(Some(draft))) = answered(SETTINGS, 200, body) else { panic!("refused") };
        assert_eq!((draft.field("home_dir"), draft.field("status")), ("/srv/acme/alice".into(), 1.into()));
        assert_eq!((draft.field("quota_size"), draft.field("username")), (1000.into(), "alice".into()));
    }

    #[test]
    fn claims_cannot_leave_their_place() {
        for tenant in ["../../etc", "a/b", "..", "", "."] {
            let body = format!(r#"{{"tenant": "{tenant}", "limits": {{"bytes": 1}}}}"#);
            assert!(answered(SETTINGS, 200, &body).is_err(), "{tenant}");
        }
        assert!(answered(SETTINGS, 200, "{}").is_err(), "a claim that is not there");
    }

    #[test]
    fn statuses_decide() {
        assert!(matches!(answered(SETTINGS, 403, ""), Ok(AuthVerdict::Reject(_))));
        assert!(matches!(answered(SETTINGS, 404, ""), Ok(AuthVerdict::Defer)));
        assert!(answered(SETTINGS, 500, "").is_err() && answered(SETTINGS, 200, "no JSON").is_err());
    }

    #[test]
    fn tokens_are_of_the_user_who_shows_them() {
        let settings = r#"{"url": "https://idp.example/introspect", "style": "introspection", "client_id": "sftp",
            "account": {"home_dir": "/srv/{sub}", "permissions": {"/": ["*"]}}}"#;
        let accepted = |body: &str| matches!(answered(settings, 200, body), Ok(AuthVerdict::Accept(_)));
        assert!(accepted(r#"{"active": true, "username": "alice", "sub": "7"}"#));
        assert!(!accepted(r#"{"active": false, "username": "alice", "sub": "7"}"#));
        assert!(!accepted(r#"{"active": true, "username": "bob", "sub": "7"}"#));
        assert!(!accepted(r#"{"active": true, "sub": "7"}"#));
    }
}
