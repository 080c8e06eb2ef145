//! What each fuzz target does with its bytes, and what must hold. `tests/fuzz` gives the functions
//! to libFuzzer; the tests of this crate give them the committed corpora.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a target that cannot go on has found something"
)]

mod account;
mod connection_string;
mod hook;
mod object_store;
mod rest;
mod session;
mod web;

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use tidegate_ssh::{ProxyRule, ProxySettings};
use tidegate_ssh_commands::{SUPPORTED_COMMANDS, SshCommands};

pub use account::account_document;
pub use connection_string::connection_string;
pub use hook::hook_answer;
pub use object_store::s3_uploads;
pub use rest::rest_user;
pub use session::sftp_session;
pub use web::web_form;

/// Takes one input.
pub type Target = fn(&[u8]);

/// The names of all targets: of their functions here, and of their corpora.
pub const TARGETS: [(&str, Target); 12] = [
    ("account_document", account_document),
    ("configuration", configuration),
    ("connection_string", connection_string),
    ("exec_words", exec_words),
    ("hook_answer", hook_answer),
    ("proxy_header", proxy_header),
    ("rest_user", rest_user),
    ("s3_uploads", s3_uploads),
    ("scp_line", scp_line),
    ("sftp_packet", sftp_packet),
    ("sftp_session", sftp_session),
    ("web_form", web_form),
];

/// A packet of a client: decoding it ends, whatever its lengths say, and bytes behind it change
/// nothing.
pub fn sftp_packet(packet: &[u8]) {
    if tidegate_sftp::is_request(packet) {
        assert!(tidegate_sftp::is_request(&[packet, b"appended"].concat()));
    }
}

/// A control line of scp. What is accepted has a name that stays where it is told to be.
pub fn scp_line(line: &[u8]) {
    if tidegate_ssh_commands::is_scp_announcement(line) && line[0] != b'T' {
        let name = line.splitn(3, |byte| *byte == b' ').nth(2).unwrap();
        assert!(!name.contains(&b'/') && !name.contains(&0) && !matches!(name, b"" | b"." | b".."));
    }
}

/// A command line of a client, with all commands allowed.
pub fn exec_words(line: &[u8]) {
    let names: Vec<String> = SUPPORTED_COMMANDS.iter().map(|name| (*name).to_owned()).collect();
    let (commands, _unknown) = SshCommands::from_names(&names);
    let understood = commands.parse(line).is_some();
    assert!(!understood || !line.is_empty());
    assert!(SshCommands::default().parse(line).is_none(), "a command that is not allowed was understood");
}

/// The beginning of a connection from a proxy. What is not the header is kept to the last byte.
pub fn proxy_header(bytes: &[u8]) {
    let proxy = IpAddr::from(Ipv4Addr::LOCALHOST);
    for rule in [ProxyRule::Optional, ProxyRule::Required] {
        let settings = ProxySettings { rule, ..ProxySettings::default() };
        let mut stream = bytes;
        let greeting = run(settings.greet(&mut stream, proxy));
        if let Ok(greeting) = greeting {
            let rest = [&greeting.rest[..], stream].concat();
            assert!(bytes.ends_with(&rest));
            assert!(greeting.source.is_none() || rest.len() < bytes.len());
        }
    }
}

/// A configuration in the format that the first byte says.
pub fn configuration(bytes: &[u8]) {
    const FORMATS: [&str; 6] = ["toml", "yaml", "json", "hcl", "env", "properties"];
    let Some((&first, text)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let file = format!("/nonexistent/tidegate.{}", FORMATS[usize::from(first) % FORMATS.len()]);
    if let Err(errors) = tidegate::check_configuration(Path::new(&file), text) {
        assert!(!errors.to_string().is_empty(), "a configuration was refused without a reason");
    }
}

/// On a runtime without other threads.
fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(future)
}
