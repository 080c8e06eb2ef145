//! Logs what a program prints to standard error, line by line, under the hook's name (B0-06).

use tidegate_core::hook::HookKind;

/// Longest part of a line that is logged.
const MAX_LINE: usize = 2000;

pub fn log(kind: HookKind, hook: &str, stderr: &[u8]) {
    let sender = format!("{}_hook", kind.as_str().replace('-', "_"));
    for line in String::from_utf8_lossy(stderr).lines().filter(|line| !line.trim().is_empty()) {
        let line: String = line.chars().take(MAX_LINE).collect();
        tracing::warn!(sender = sender.as_str(), hook, message = line);
    }
}
