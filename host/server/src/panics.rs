//! A panic becomes a line of the log instead of text on standard error. If the reader of a pipe has
//! closed it (`tidegate … | head`), a command ends without a message, as other commands do.

use std::io::{ErrorKind, Write as _};

use anyhow::Context as _;

/// The exit status that a shell reports for a command that SIGPIPE ended.
const CLOSED_PIPE: i32 = 128 + 13;
/// How the message of `println!` begins.
const UNWRITTEN: &str = "failed printing to stdout: ";

/// For a server, which has a log.
pub fn install() {
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.payload_as_str().unwrap_or("no message");
        end_if_unread(text);
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(sender = "panic", message = format!("internal error at {place}: {text}"));
    }));
}

/// For a command, before it has a log, if it gets one at all: other panics are shown as usual.
pub fn install_for_command() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        end_if_unread(panic.payload_as_str().unwrap_or_default());
        usual(panic);
    }));
}

/// Writes to standard output at once.
pub fn write_out(text: &[u8]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    written(out.write_all(text).and_then(|()| out.flush()))
}

/// What came of writing to standard output.
pub fn written(outcome: std::io::Result<()>) -> anyhow::Result<()> {
    match outcome {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(CLOSED_PIPE),
        outcome => outcome.context("standard output cannot be written"),
    }
}

/// Ends the process if `println!` could not write, which cannot return the error.
fn end_if_unread(text: &str) {
    if is_closed_pipe(text) {
        std::process::exit(CLOSED_PIPE);
    }
    if let Some(problem) = text.strip_prefix(UNWRITTEN) {
        // Standard error may be a full disk as well.
        let _ = writeln!(std::io::stderr(), "tidegate: standard output cannot be written: {problem}");
        std::process::exit(1);
    }
}

fn is_closed_pipe(text: &str) -> bool {
    text.starts_with("failed printing to std") && text.contains("Broken pipe")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_closed_pipe_ends_without_a_word() {
        assert!(is_closed_pipe("failed printing to stdout: Broken pipe (os error 32)"));
        assert!(!is_closed_pipe("failed printing to stdout: No space left on device (os error 28)"));
        assert!(!is_closed_pipe("Broken pipe (os error 32)"));
    }
}
