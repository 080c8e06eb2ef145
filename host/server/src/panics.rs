//! A panic becomes a line of the log instead of text on standard error. If the reader of a pipe has
//! closed it (`tidegate … | head`), a command ends without a message, as other commands do.

/// The exit status that a shell reports for a command that SIGPIPE ended.
const CLOSED_PIPE: i32 = 128 + 13;

pub fn install() {
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.payload_as_str().unwrap_or("no message");
        if is_closed_pipe(text) {
            std::process::exit(CLOSED_PIPE);
        }
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(sender = "panic", message = format!("internal error at {place}: {text}"));
    }));
}

/// Whether the message is that of `println!`, which cannot return the error.
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
