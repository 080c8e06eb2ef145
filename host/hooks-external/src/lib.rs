//! Hooks that are programs or web servers, with the older server's wire formats: environment
//! variables `SFTPGO_*` and JSON.

mod client_certificates;
mod event;
mod events;
mod flavour;
mod http;
mod http_client;
mod interactive;
mod interpreter;
mod open_files;
mod process;
mod program;
mod redaction;
mod shown_event;
mod stderr_log;

pub use event::{LegacyEvent, ProgramOutput, Response};
pub use flavour::{Compat, Dialect, Flavour};
pub use http::{HttpHook, HttpHookError, check_url};
pub use http_client::{HttpClientError, HttpClients, HttpSettings, UrlHeader};
pub use interactive::is_message as is_conversation_message;
pub use open_files::keep_for_programs;
pub use program::{Environment, ProgramHook, ProgramHookError, ProgramSettings};
pub use redaction::redacted;
pub use reqwest::header::{HeaderName, HeaderValue};
pub use shown_event::ShownEvent;
