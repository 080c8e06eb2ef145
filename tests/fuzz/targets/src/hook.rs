//! Answers of programs and web servers that are hooks.

use std::sync::{Arc, OnceLock};

use tidegate_core::connection::{Connection, ConnectionId, Credential};
use tidegate_core::hook::check_password::CheckPassword;
use tidegate_core::hook::external_auth::ExternalAuth;
use tidegate_core::hook::pre_login::PreLogin;
use tidegate_core::hook::{Comparisons, LastDecision, LoginAttempt};
use tidegate_core::secret::Secret;
use tidegate_hooks_external::{
    Compat, Dialect, Flavour, LegacyEvent, ProgramOutput, Response, is_conversation_message,
};

/// The first byte says which rules the hook is called by and how it ended; the rest is its answer.
pub fn hook_answer(bytes: &[u8]) {
    let Some((&first, answer)) = bytes.split_first() else { return };
    let flavour = Flavour {
        compat: Compat::NAMES[usize::from(first) % Compat::NAMES.len()].1,
        dialect: Dialect::default(),
        get: false,
        second_factors: true,
    };
    let ended = Ended { success: first < 128, status: if first < 192 { 200 } else { 403 }, answer };
    let attempt = attempt();
    read(&ExternalAuth(attempt.clone()), flavour, &ended);
    read(&PreLogin::new(attempt.clone()), flavour, &ended);
    read(&CheckPassword { attempt, password: Secret::new("secret") }, flavour, &ended);
    if let Ok(text) = std::str::from_utf8(answer) {
        is_conversation_message(text);
    }
}

struct Ended<'a> {
    success: bool,
    status: u16,
    answer: &'a [u8],
}

/// Every answer is a verdict or an error.
fn read<E: LegacyEvent>(event: &E, flavour: Flavour, ended: &Ended<'_>) {
    let (success, stdout) = (ended.success, ended.answer.to_vec());
    let output = ProgramOutput { success, status: "exit status".to_owned(), stdout, stderr: Vec::new() };
    let _ = event.read_output(&output, flavour);
    let _ = event.read_response(&Response { status: ended.status, body: ended.answer.to_vec() }, flavour);
}

fn attempt() -> Arc<LoginAttempt> {
    let address = "192.0.2.1:1022".parse().unwrap();
    let (id, client) = (ConnectionId::new("fuzz"), OnceLock::new());
    Arc::new(LoginAttempt {
        connection: Arc::new(Connection { id, remote: address, local: address, client, opened_at: 0, web: None }),
        username: "user".to_owned(),
        credential: Credential::Password(Secret::new("secret")),
        completed_methods: Vec::new(),
        stored: None,
        read_at: std::time::Instant::now(),
        number: 1,
        comparisons: Comparisons::default(),
        decision: LastDecision::default(),
    })
}
