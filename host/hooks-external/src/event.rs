//! How a kind of event is passed to programs and web servers. Each event has one implementation in
//! [`crate::events`]; the adapters know none of them.

use std::ffi::OsString;

use tidegate_core::hook::{HookError, HookEvent};
use tidegate_core::path::VirtualPath;

use crate::flavour::{Dialect, Flavour};

/// Longest answer that is read, in bytes (B0-05).
pub const MAX_ANSWER: usize = 1 << 20;
/// Longest variable, in bytes: Linux refuses longer environment strings with E2BIG (C1-05).
pub const MAX_VARIABLE: usize = 128 << 10;

/// The protocol's name in logins and connections.
pub const PROTOCOL: &str = "SSH";
/// The name of the doors over HTTP in the same places.
pub const HTTP: &str = "HTTP";

/// Whether records may keep a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    Shown,
    Redacted,
}

/// The arguments and variables of a program. They need not be UTF-8, because names of files need not.
#[derive(Debug, Clone, Default)]
pub struct ProgramInput {
    pub arguments: Vec<OsString>,
    pub variables: Vec<(&'static str, OsString, Kept)>,
}

impl ProgramInput {
    pub fn with(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.push((name, value.into(), Kept::Shown));
        self
    }

    pub fn with_secret(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.push((name, value.into(), Kept::Redacted));
        self
    }
}

/// The outcome of a program that ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramOutput {
    pub success: bool,
    /// The exit status in words.
    pub status: String,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl ProgramOutput {
    /// The answer of hooks that answer on standard output. A program that failed has given none.
    pub fn answer(&self) -> Result<&[u8], HookError> {
        if self.success { Ok(&self.stdout) } else { Err(HookError::Failed(format!("it ended with {}", self.status))) }
    }

    /// The reason of hooks that deny by their exit status, in the program's words; `None` if the status is 0.
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

/// A request to a web server. Without a body it is a GET.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The fields of the query, which need not be UTF-8.
    pub query: Vec<(&'static str, OsString)>,
    /// The body, as JSON.
    pub body: Option<Vec<u8>>,
    /// The body without secrets, for records.
    pub shown: String,
}

impl Request {
    pub fn get<V: Into<OsString>>(query: Vec<(&'static str, V)>) -> Self {
        Self { query: owned(query), body: None, shown: String::new() }
    }

    pub fn post(query: Vec<(&'static str, String)>, document: &serde_json::Map<String, serde_json::Value>) -> Self {
        let query = owned(query);
        let body = tidegate_core::account::compact_json(document);
        let shown = crate::redaction::redacted(document);
        Self { query, body: Some(body.into_bytes()), shown }
    }

    /// The query as records show it.
    pub fn shown_query(&self) -> String {
        let fields: Vec<_> = self.query.iter().map(|(name, value)| format!("{name}={}", value.display())).collect();
        fields.join("&")
    }

    /// What is sent, without secrets: the query if there is one, and the body if there is one.
    pub fn in_words(self) -> String {
        let parts = [self.shown_query(), self.shown];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join("\n")
    }
}

fn owned<V: Into<OsString>>(query: Vec<(&'static str, V)>) -> Vec<(&'static str, OsString)> {
    query.into_iter().map(|(name, value)| (name, value.into())).collect()
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Response {
    /// The body of a response with status 200; an error for any other status.
    pub fn answer(&self) -> Result<&[u8], HookError> {
        if self.status == 200 { Ok(&self.body) } else { Err(self.failure()) }
    }

    /// The reason of hooks that deny by the status: 200 allows, a server error is a failure, and
    /// every other status denies.
    pub fn objection(&self) -> Result<Option<String>, HookError> {
        match self.status {
            200 => Ok(None),
            500.. => Err(self.failure()),
            _ => Ok(Some(format!("the hook answered with {}", self.shown_status()))),
        }
    }

    pub fn failure(&self) -> HookError {
        let text = format!("it answered with {}", self.shown_status());
        // B0-09
        if matches!(self.status, 429 | 500 | 502..) { HookError::Transient(text) } else { HookError::Failed(text) }
    }

    /// The status in words. Redirects are not followed: they could take credentials to another machine.
    fn shown_status(&self) -> String {
        match self.status {
            status @ 300..400 => {
                format!("status {status}: redirects are not followed; name the URL that it leads to")
            }
            status => format!("status {status}"),
        }
    }
}

/// The older server's wire format of one kind of event.
pub trait LegacyEvent: HookEvent + Clone {
    /// The event as records may keep it for a while: without what holds a file open.
    fn for_records(&self) -> Self {
        self.clone()
    }

    /// Whether a hook of that flavour gets this event at all.
    fn is_for(&self, _flavour: Flavour) -> bool {
        true
    }

    /// The names of users that scripts of the panel get in `username`.
    fn panel_users(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Whether a hook of that flavour gets the password with which a session began.
    fn needs_password(_flavour: Flavour) -> bool {
        false
    }

    /// The verdict for an event that the hook is not asked about.
    fn unheard() -> Option<Self::Verdict> {
        None
    }

    fn input(&self, flavour: Flavour) -> ProgramInput;

    fn read_output(&self, output: &ProgramOutput, flavour: Flavour) -> Result<Self::Verdict, HookError>;

    fn request(&self, flavour: Flavour) -> Request;

    /// The path that the request would tell wrongly, because it is not UTF-8 and the request has it as text.
    fn told_wrongly(&self, _flavour: Flavour) -> Option<&VirtualPath> {
        None
    }

    fn read_response(&self, response: &Response, flavour: Flavour) -> Result<Self::Verdict, HookError>;
}

/// What stands between two names in the panel's `username`, where the first user acts as the second (D-13).
pub const ACTS_AS: char = '|';

/// Refuses to tell scripts of the panel a name that they would take for two, be it typed or stored.
///
/// # Errors
/// A name has the sign between two names: a gate cannot decide, and an observer is not told.
pub fn check_panel_users<E: LegacyEvent>(event: &E, flavour: Flavour) -> Result<(), HookError> {
    if flavour.dialect != Dialect::DirectAdmin {
        return Ok(());
    }
    match event.panel_users().into_iter().find(|name| name.contains(ACTS_AS)) {
        None => Ok(()),
        Some(name) => Err(HookError::Failed(format!(
            "the name \"{name}\" has a \"{ACTS_AS}\", which scripts of the panel would take for two users of whom one acts as \
             the other; give the account another name, or the hook another dialect"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_web_servers_are_judged_by_their_status() {
        // B0-09, B10-03, A11-11: whether it is an answer, whether it denies, and whether another try may succeed.
        for (status, is_answer, denies, may_succeed_later) in [
            (199, false, Some(true), false),
            (200, true, Some(false), false),
            (201, false, Some(true), false),
            (204, false, Some(true), false),
            (302, false, Some(true), false),
            (404, false, Some(true), false),
            (428, false, Some(true), false),
            (429, false, Some(true), true),
            (430, false, Some(true), false),
            (499, false, Some(true), false),
            (500, false, None, true),
            (501, false, None, false),
            (502, false, None, true),
            (599, false, None, true),
        ] {
            let response = Response { status, body: b"said".to_vec() };
            match response.answer() {
                Ok(body) => assert!(is_answer && body == b"said", "{status}"),
                Err(error) => assert!(!is_answer && error == response.failure(), "{status}"),
            }
            match response.objection() {
                Ok(objection) => assert_eq!(Some(objection.is_some()), denies, "{status}"),
                Err(error) => assert!(denies.is_none() && error == response.failure(), "{status}"),
            }
            assert_eq!(matches!(response.failure(), HookError::Transient(_)), may_succeed_later, "{status}");
        }
    }

    #[test]
    fn the_way_out_of_a_redirect_is_said() {
        for (status, is_redirect) in [(299, false), (301, true), (308, true), (404, false), (500, false)] {
            let response = Response { status, body: Vec::new() };
            let failure = response.failure().to_string();
            let objection = response.objection().ok().flatten();
            for said in [Some(failure), objection].into_iter().flatten() {
                assert_eq!(said.contains("name the URL that it leads to"), is_redirect, "{said}");
                assert!(said.contains(&format!("status {status}")), "{said}");
            }
        }
    }

    #[test]
    fn programs_deny_by_their_exit_status_and_say_why() {
        for (success, stdout, stderr, answer, objection) in [
            (true, "yes\n", "warning", Some("yes\n"), None),
            (false, "", " \n", None, Some("it ended with exit status: 3")),
            (false, " no \n", "", None, Some("no (exit status: 3)")),
            (false, "no", "trace", None, Some("no; trace (exit status: 3)")),
        ] {
            let (stdout, stderr) = (stdout.as_bytes().to_vec(), stderr.as_bytes().to_vec());
            let output = ProgramOutput { success, status: "exit status: 3".to_owned(), stdout, stderr };
            assert_eq!(output.answer().ok(), answer.map(str::as_bytes));
            assert_eq!(output.objection().as_deref(), objection);
        }
    }
}
