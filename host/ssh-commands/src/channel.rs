//! The channel of a command: its ports, which the crate with the connection implements, and a reader on top of one.

use std::sync::Arc;

use async_trait::async_trait;

/// What the client sends to the command.
#[async_trait]
pub trait CommandInput: Send + Sync {
    /// What has arrived; empty when the client has ended its input.
    async fn next(&self) -> Vec<u8>;
}

/// What the client gets from the command, at the pace at which it reads.
#[async_trait]
pub trait CommandOutput: Send + Sync {
    /// Sends to standard output.
    async fn send(&self, data: Vec<u8>) -> Result<(), Gone>;

    /// Sends to standard error (RFC 4254 §5.2).
    async fn send_error(&self, data: Vec<u8>) -> Result<(), Gone>;

    /// Ends the channel with an exit status.
    async fn finish(&self, status: u32);
}

/// The connection has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

/// Reads the input by bytes and lines.
pub struct InputReader {
    input: Arc<dyn CommandInput>,
    bytes: Vec<u8>,
    start: usize,
}

impl InputReader {
    pub fn new(input: Arc<dyn CommandInput>) -> Self {
        Self { input, bytes: Vec::new(), start: 0 }
    }

    /// At least one byte and at most `max`; `None` at the end of the input.
    pub async fn some(&mut self, max: usize) -> Option<&[u8]> {
        if self.start >= self.bytes.len() {
            self.bytes = self.input.next().await;
            self.start = 0;
        }
        let from = self.start;
        self.start = self.bytes.len().min(from.saturating_add(max));
        self.bytes.get(from..self.start).filter(|bytes| !bytes.is_empty())
    }

    /// What has arrived and was not read.
    pub fn into_rest(mut self) -> Vec<u8> {
        self.bytes.split_off(self.start.min(self.bytes.len()))
    }

    pub async fn byte(&mut self) -> Option<u8> {
        self.some(1).await.and_then(|bytes| bytes.first().copied())
    }

    /// A line without its line feed. `None` at the end of the input; an error if there is no line
    /// feed within `max` bytes.
    pub async fn line(&mut self, max: usize) -> Option<Result<Vec<u8>, LineTooLong>> {
        let mut line = Vec::new();
        loop {
            match self.byte().await? {
                b'\n' => return Some(Ok(line)),
                byte => line.push(byte),
            }
            if line.len() > max {
                return Some(Err(LineTooLong));
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineTooLong;
