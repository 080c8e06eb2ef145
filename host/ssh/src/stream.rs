//! A channel as a stream of bytes, for work on a task of its own: commands, and SFTP engines that
//! were moved to a task.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use russh::ChannelId;
use russh::server::Handle;
use tidegate_ssh_commands::{CommandInput, CommandOutput, Gone};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::read_gate::{GateShare, ReadGate};
use crate::window::{ReplyWindow, Window};

/// Bytes that wait: above the first, the connection is not read; below the second, it is again.
const HIGH_WATER: usize = 1 << 20;
const LOW_WATER: usize = 256 << 10;
/// Most bytes that wait while the client does not read its output. Its input has to go on, since it
/// may be what lets the output go on. More than a window, which is what a client may send.
const MAX_WAITING: usize = 16 << 20;
/// The kind of extended data that is standard error (RFC 4254 §5.2).
const STANDARD_ERROR: u32 = 1;

/// Data on its way to a task.
pub struct ChannelInput {
    state: Mutex<State>,
    arrived: Notify,
}

struct State {
    bytes: Vec<u8>,
    /// The client will send no more.
    ended: bool,
    /// No task takes the input any more: data that arrives is dropped.
    unwanted: bool,
    /// How many sends of the task wait for the client to read.
    output_waits: u32,
    gate: GateShare,
}

/// The client sends, but does not read what it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client sends but does not read the replies")]
pub struct NotReading;

impl ChannelInput {
    pub fn new(gate: Arc<ReadGate>) -> Arc<Self> {
        let gate = GateShare::new(gate);
        let state = State { bytes: Vec::new(), ended: false, unwanted: false, output_waits: 0, gate };
        Arc::new(Self { state: Mutex::new(state), arrived: Notify::new() })
    }

    pub fn push(&self, data: &[u8]) -> Result<(), NotReading> {
        let mut state = self.lock();
        if state.unwanted {
            return Ok(());
        }
        if state.bytes.len() + data.len() > MAX_WAITING {
            return Err(NotReading);
        }
        state.bytes.extend_from_slice(data);
        state.update_gate();
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    pub fn end(&self) {
        self.lock().ended = true;
        self.arrived.notify_one();
    }

    /// What has arrived; empty when the client has ended its input.
    pub async fn next(&self) -> Vec<u8> {
        loop {
            let arrived = self.arrived.notified();
            if let Some(bytes) = self.take() {
                return bytes;
            }
            arrived.await;
        }
    }

    /// What arrives before `due`. Returns nothing if the input has ended, but not before `due` either.
    pub async fn until(&self, due: Instant) -> Vec<u8> {
        let arriving = async {
            match self.next().await {
                bytes if bytes.is_empty() => std::future::pending().await,
                bytes => bytes,
            }
        };
        tokio::time::timeout_at(due, arriving).await.unwrap_or_default()
    }

    /// What has arrived; `None`: nothing yet.
    fn take(&self) -> Option<Vec<u8>> {
        let mut state = self.lock();
        if state.bytes.is_empty() && !state.ended {
            return None;
        }
        let bytes = std::mem::take(&mut state.bytes);
        state.update_gate();
        Some(bytes)
    }

    /// What has arrived, and whether more may follow.
    pub fn take_now(&self) -> (Vec<u8>, bool) {
        let mut state = self.lock();
        let bytes = std::mem::take(&mut state.bytes);
        state.update_gate();
        (bytes, !state.ended)
    }

    /// For the task that reads the input: when the task ends, for whatever reason, unread input
    /// must not keep the connection from being read.
    pub fn until_dropped(self: &Arc<Self>) -> Wanted {
        Wanted(self.clone())
    }

    fn set_output_waits(&self, waits: bool) {
        let mut state = self.lock();
        state.output_waits = if waits { state.output_waits + 1 } else { state.output_waits.saturating_sub(1) };
        state.update_gate();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl CommandInput for ChannelInput {
    async fn next(&self) -> Vec<u8> {
        ChannelInput::next(self).await
    }
}

/// Input that a task takes; when this is dropped, the input is discarded.
pub struct Wanted(Arc<ChannelInput>);

impl Drop for Wanted {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.unwanted = true;
        state.bytes = Vec::new();
        state.update_gate();
    }
}

impl State {
    fn update_gate(&mut self) {
        let waiting = self.bytes.len();
        if self.output_waits > 0 || waiting < LOW_WATER {
            self.gate.set_shut(false);
        } else if waiting > HIGH_WATER {
            self.gate.set_shut(true);
        }
    }
}

/// Sends data to the client, at the pace at which it reads.
pub struct ChannelOutput {
    handle: Handle,
    id: ChannelId,
    window: Window,
    /// The input of the same channel.
    input: Arc<ChannelInput>,
}

impl ChannelOutput {
    pub fn new(handle: Handle, id: ChannelId, window: Window, input: Arc<ChannelInput>) -> Self {
        Self { handle, id, window, input }
    }

    pub async fn send(&self, data: impl Into<Bytes>) -> Result<(), Gone> {
        self.send_to(None, data.into()).await
    }

    async fn send_to(&self, extended: Option<u32>, data: Bytes) -> Result<(), Gone> {
        if data.is_empty() {
            return Ok(());
        }
        // While this waits, the client's input has to go on.
        self.input.set_output_waits(true);
        let sent = match &self.window {
            Window::OfSender(sender) => match extended {
                None => sender.data_bytes(data).await.map_err(|_| Gone),
                Some(kind) => sender.extended_data_bytes(kind, data).await.map_err(|_| Gone),
            },
            Window::OfReplies(window) => self.queue(window, extended, data).await,
        };
        self.input.set_output_waits(false);
        sent
    }

    async fn queue(&self, window: &Arc<ReplyWindow>, extended: Option<u32>, mut data: Bytes) -> Result<(), Gone> {
        while !data.is_empty() {
            let part = window.queue(&mut data).await;
            let sent = match extended {
                None => self.handle.data(self.id, part).await,
                Some(kind) => self.handle.extended_data(self.id, kind, part).await,
            };
            sent.map_err(|_| Gone)?;
        }
        Ok(())
    }

    /// Ends the channel with an exit status.
    pub async fn finish(&self, status: u32) {
        // An error means that the connection has ended.
        let _ = self.handle.exit_status_request(self.id, status).await;
        let _ = self.handle.eof(self.id).await;
        let _ = self.handle.close(self.id).await;
    }

    pub async fn close(&self) {
        let _ = self.handle.close(self.id).await;
    }
}

#[async_trait]
impl CommandOutput for ChannelOutput {
    async fn send(&self, data: Vec<u8>) -> Result<(), Gone> {
        self.send_to(None, data.into()).await
    }

    async fn send_error(&self, data: Vec<u8>) -> Result<(), Gone> {
        self.send_to(Some(STANDARD_ERROR), data.into()).await
    }

    async fn finish(&self, status: u32) {
        ChannelOutput::finish(self, status).await;
    }
}
