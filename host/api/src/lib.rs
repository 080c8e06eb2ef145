//! HTTP: the REST interfaces and metrics on ports and unix sockets, and the control interface on a socket that only the
//! server's own user and root can use.

mod answer;
mod audit_export;
mod client_pages;
mod control;
mod exposition;
mod health;
mod http;
mod loads;
#[cfg(test)]
mod monitoring_tests;
mod rest;
mod site;
mod snapshot;

pub use audit_export::{AuditShape, audit_as_answer};
pub use client_pages::{ClientPages, CodePage};
pub use control::{
    AdminApi, Handle, Owner, control, error_answer, explained_login, for_owner, hook_link, plugin, user_name,
};
pub use exposition::{Measured, metrics};
pub use health::{Readiness, health};
pub use http::{
    Binding, CertificateError, Certificates, Client, Entrance, HttpLimits, Repeatable, Repeated, RequestId, Socket,
    TrustedProxies, serve, visit,
};
pub use loads::{DumpLoad, LoadFailure, load_dump, load_reported, read_dump};
pub use rest::{
    AuthUsers, Authenticate, BackupDirectory, RestApi, RestSettings, ServerFacts, dump_as_answer, read_body, rest,
};
pub use site::{Served, counted, site};
