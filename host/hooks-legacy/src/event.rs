//! What a kind of event looks like to programs and to web servers. One implementation for
//! each event, in [`crate::events`]; the adapters know none of them.

use tidegate_core::hook::{HookError, HookEvent};

use crate::flavour::Flavour;

/// Longest answer read, in bytes (B0-05).
pub const MAX_ANSWER: usize = 1 << 20;
/// Linux refuses longer environment strings with E2BIG (C1-05).
pub const MAX_VARIABLE: usize = 128 << 10;

/// The protocol's name in logins and connections.
pub const PROTOCOL: &str = "SSH";

/// A value that is not to be kept in records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    Shown,
    Redacted,
}

/// What a program is given.
#[derive(Debug, Clone, Default)]
pub struct ProgramInput {
    pub arguments: Vec<String>,
    pub variables: Vec<(&'static str, String, Kept)>,
}

impl ProgramInput {
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into(), Kept::Shown));
        self
    }

    pub fn with_secret(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into(), Kept::Redacted));
        self
    }
}

/// What a program that ended by itself said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramOutput {
    pub success: bool,
    /// In words.
    pub status: String,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl ProgramOutput {
    /// For hooks whose answer is on standard output: a failed program has not answered.
    pub fn answer(&self) -> Result<&[u8], HookError> {
        if self.success { Ok(&self.stdout) } else { Err(HookError::Failed(format!("it ended with {}", self.status))) }
    }

    /// For hooks that say no by their exit status: why, in the program's words.
    pub fn objection(&self) -> Option<String> {
        if self.success {
            return None;
        }
        let said: Vec<_> = [&self.stdout, &self.stderr]
            .into_iter()
            .map(|text| String::from_utf8_lossy(text).trim().to_owned())
            .filter(|text| !text.is_empty())
            .collect();
        let status = &self.status;
        Some(if said.is_empty() {
            format!("it ended with {status}")
        } else {
            format!("{} ({status})", said.join("; "))
        })
    }
}

/// What a web server is sent. Without a body it is a GET.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub query: Vec<(&'static str, String)>,
    /// JSON.
    pub body: Option<Vec<u8>>,
    /// The body without secrets, for records.
    pub shown: String,
}

impl Request {
    pub fn get(query: Vec<(&'static str, String)>) -> Self {
        Self { query, body: None, shown: String::new() }
    }

    pub fn post(query: Vec<(&'static str, String)>, document: &serde_json::Map<String, serde_json::Value>) -> Self {
        let body = tidegate_core::account::compact_json(document);
        let shown = crate::redaction::redacted(document);
        Self { query, body: Some(body.into_bytes()), shown }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Response {
    /// The body of a 200; an error for anything else.
    pub fn answer(&self) -> Result<&[u8], HookError> {
        if self.status == 200 { Ok(&self.body) } else { Err(self.failure()) }
    }

    /// For hooks that say no by the status: 200 allows, a server error is none, the rest is a
    /// denial.
    pub fn objection(&self) -> Result<Option<String>, HookError> {
        match self.status {
            200 => Ok(None),
            500.. => Err(self.failure()),
            status => Ok(Some(format!("the hook answered with status {status}"))),
        }
    }

    pub fn failure(&self) -> HookError {
        HookError::Failed(format!("it answered with status {}", self.status))
    }
}

/// The legacy wire of one kind of event.
pub trait LegacyEvent: HookEvent {
    /// Whether a hook of that flavour hears of this event at all.
    fn is_for(&self, _flavour: Flavour) -> bool {
        true
    }

    /// Whether a hook of that flavour is given the password that a session began with.
    fn needs_password(_flavour: Flavour) -> bool {
        false
    }

    /// What stands for an event that the hook does not hear of.
    fn unheard() -> Option<Self::Verdict> {
        None
    }

    fn input(&self, flavour: Flavour) -> ProgramInput;

    fn read_output(&self, output: &ProgramOutput, flavour: Flavour) -> Result<Self::Verdict, HookError>;

    fn request(&self, flavour: Flavour) -> Request;

    fn read_response(&self, response: &Response, flavour: Flavour) -> Result<Self::Verdict, HookError>;
}
