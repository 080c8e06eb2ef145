//! A panic becomes a line of the log instead of text on standard error.

pub fn install() {
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(sender = "panic", message = format!("internal error at {place}: {text}"));
    }));
}
