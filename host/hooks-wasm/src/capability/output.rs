//! Standard output and error of a plugin: logged line by line under its name, bounded. The lines of standard error are
//! in the record of the call as well.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

const MAX_LINE: usize = 4096;
/// Bytes of printed lines that are kept for the record of a call, which is shorter.
const MAX_PRINTED: usize = 16 << 10;

/// Counts the log lines of one call, whether the plugin printed or logged them.
pub struct LineBudget {
    plugin: String,
    left: usize,
    told: bool,
}

impl LineBudget {
    /// `lines`: how many lines the first call may log (`limits.log_lines`).
    pub fn new(plugin: &str, lines: usize) -> Self {
        Self { plugin: plugin.to_owned(), left: lines, told: false }
    }

    /// Allows the next call its lines.
    pub fn renew(&mut self, lines: usize) {
        (self.left, self.told) = (lines, false);
    }

    /// Counts a line, and tells whether it may be logged.
    pub fn take(&mut self) -> bool {
        if self.left > 0 {
            self.left -= 1;
            return true;
        }
        if !self.told {
            self.told = true;
            let message =
                "the plugin logged more lines than it may in one call (limits.log_lines); the rest is dropped";
            tracing::warn!(sender = "plugin", plugin = self.plugin, message);
        }
        false
    }
}

/// Standard output or standard error of an instance.
#[derive(Clone)]
pub struct LineStream(Arc<Mutex<Lines>>);

struct Lines {
    plugin: String,
    is_error: bool,
    line: Vec<u8>,
    /// Lines of standard error that were logged.
    printed: String,
    budget: Arc<Mutex<LineBudget>>,
}

impl LineStream {
    /// `is_error`: for standard error, whose lines are logged as warnings.
    pub fn new(plugin: &str, is_error: bool, budget: Arc<Mutex<LineBudget>>) -> Self {
        let (plugin, line, printed) = (plugin.to_owned(), Vec::new(), String::new());
        Self(Arc::new(Mutex::new(Lines { plugin, is_error, line, printed, budget })))
    }

    fn push(&self, bytes: &[u8]) {
        let mut lines = self.lock();
        for byte in bytes {
            if *byte == b'\n' {
                lines.emit();
            } else if lines.line.len() < MAX_LINE {
                lines.line.push(*byte);
            }
        }
    }

    /// Logs a last line that has no newline.
    pub fn finish(&self) {
        self.lock().emit();
    }

    /// Takes the lines of standard error that were logged since they were taken last.
    pub fn take_printed(&self) -> String {
        std::mem::take(&mut self.lock().printed)
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn emit(&mut self) {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() || !self.budget.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return;
        }
        let message = String::from_utf8_lossy(&line).into_owned();
        let plugin = self.plugin.as_str();
        if self.is_error {
            if self.printed.len() < MAX_PRINTED {
                self.printed.extend([message.as_str(), "\n"]);
            }
            tracing::warn!(sender = "plugin", plugin, message);
        } else {
            tracing::info!(sender = "plugin", plugin, message);
        }
    }
}

impl IsTerminal for LineStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LineStream {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for LineStream {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for LineStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

impl AsyncWrite for LineStream {
    fn poll_write(self: Pin<&mut Self>, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_standard_error_are_kept_for_the_record_of_the_call() {
        let budget = Arc::new(Mutex::new(LineBudget::new("guard", 3)));
        let stream = |is_error: bool| LineStream::new("guard", is_error, budget.clone());
        let (output, errors) = (stream(false), stream(true));
        output.push(b"said\n");
        errors.push(b"one\ntw");
        errors.push(b"o");
        errors.finish();
        assert_eq!((output.take_printed(), errors.take_printed()), (String::new(), "one\ntwo\n".to_owned()));
        assert_eq!(errors.take_printed(), "", "it is of one call");
        errors.push(b"more than may be logged\n");
        assert_eq!(errors.take_printed(), "");
        budget.lock().unwrap().renew(1000);
        let line = [[b'x'; MAX_LINE].as_slice(), b"\n"].concat();
        (0..100).for_each(|_| errors.push(&line));
        let printed = errors.take_printed().len();
        assert!((MAX_PRINTED..=MAX_PRINTED + MAX_LINE + 1).contains(&printed), "{printed}");
    }
}
