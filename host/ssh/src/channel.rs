//! The SFTP engine of a channel, run where the channel's data arrives.
//!
//! Replies go straight into the connection's output, as far as the client's window reaches;
//! some may wait for it. Only when a client does not read them fast enough does the engine
//! move to a task of its own, which waits for the window; the connection itself never waits,
//! so it cannot deadlock with the engine. Requests that take long, such as checksums, are
//! answered there as well, and under a bandwidth limit the engine is always there, because it
//! keeps replies until their time. See `host/adr/0002`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use russh::ChannelId;
use russh::server::Session;
use tidegate_core::pace::next_look;
use tidegate_sftp::{Patience, Progress, ProtocolError, SftpServer};
use tokio::time::Instant;

use crate::read_gate::ReadGate;
use crate::stream::{ChannelInput, ChannelOutput, NotReading};
use crate::task_guard::TaskGuard;
use crate::window::{ReplyWindow, Window};

/// Replies made for one portion of input before the rest of it is put off.
const OUTPUT_AT_ONCE: usize = 2 << 20;
/// Replies that may wait for the client's window before the engine steps aside.
const MAX_UNSENT: usize = 2 << 20;
/// Replies sent at once by an engine that stepped aside.
const OUTPUT_ASIDE: usize = 128 << 10;

pub struct SftpChannel {
    engine: Engine,
    /// This side has closed the channel.
    closed: bool,
    window: Arc<ReplyWindow>,
    unsent: Unsent,
    gate: Arc<ReadGate>,
}

/// Replies that the client's window has no room for yet.
#[derive(Default)]
struct Unsent {
    portions: VecDeque<Bytes>,
    length: usize,
}

enum Engine {
    Here(Box<SftpServer>),
    /// For a moment, between the other two.
    Moving,
    /// The guard ends the task with the channel.
    Aside(Arc<Aside>, TaskGuard),
}

/// Shared with the task of an engine that stepped aside.
struct Aside {
    input: Arc<ChannelInput>,
    /// The engine, when it has nothing left to do.
    returned: Mutex<Option<Box<SftpServer>>>,
}

#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    #[error("the client broke the SFTP protocol: {0}")]
    Protocol(#[from] ProtocolError),
    #[error(transparent)]
    NotReading(#[from] NotReading),
    #[error(transparent)]
    Ssh(#[from] russh::Error),
}

impl SftpChannel {
    pub fn new(server: SftpServer, gate: Arc<ReadGate>) -> Self {
        Self {
            engine: Engine::Here(Box::new(server)),
            closed: false,
            window: Arc::default(),
            unsent: Unsent::default(),
            gate,
        }
    }

    pub async fn data(&mut self, id: ChannelId, data: &[u8], session: &mut Session) -> Result<(), ChannelError> {
        self.take_back();
        if let Engine::Aside(aside, _) = &self.engine {
            match aside.push(data)? {
                None => return Ok(()),
                Some(server) => self.engine = Engine::Here(server),
            }
        }
        match &mut self.engine {
            // What a task has left in the queue goes first: it may end within a reply.
            Engine::Here(server)
                if !server.is_throttled() && self.unsent.length <= MAX_UNSENT && !self.window.has_queued() =>
            {
                let mut output = Vec::new();
                let progress = server.receive(data, &mut output, OUTPUT_AT_ONCE).await;
                // A limit may have come into force meanwhile.
                let all_is_due = server.next_due().is_none();
                self.unsent.push(output);
                self.send(id, session)?;
                match progress? {
                    Progress::NeedsInput if all_is_due && (self.unsent.length == 0 || self.window.is_known()) => Ok(()),
                    _ => self.step_aside(id, &[], session),
                }
            }
            Engine::Here(_) | Engine::Moving | Engine::Aside(..) => self.step_aside(id, data, session),
        }
    }

    /// The client takes that many bytes now.
    pub fn window_adjusted(&mut self, id: ChannelId, size: u32, session: &mut Session) -> Result<(), ChannelError> {
        self.window.adjusted(size);
        self.send(id, session)
    }

    /// The client will send no more (A4-14).
    pub fn end_of_input(&mut self, id: ChannelId, session: &mut Session) -> Result<(), ChannelError> {
        self.take_back();
        if self.unsent.length > 0 || self.window.has_queued() {
            self.step_aside(id, &[], session)?;
        }
        if let Engine::Aside(aside, _) = &self.engine
            && aside.end()
        {
            return Ok(());
        }
        self.closed = true;
        session.exit_status_request(id, 0)?;
        session.eof(id)?;
        session.close(id)?;
        Ok(())
    }

    /// Whether this side has closed the channel.
    pub fn is_over(&self) -> bool {
        match &self.engine {
            Engine::Aside(aside, task) => task.is_finished() && aside.lock().is_none(),
            Engine::Here(_) | Engine::Moving => self.closed,
        }
    }

    /// What the client's window has room for.
    fn send(&mut self, id: ChannelId, session: &mut Session) -> Result<(), ChannelError> {
        while let Some(portion) = self.unsent.take(&self.window) {
            session.data(id, portion)?;
        }
        Ok(())
    }

    /// The engine back from its task, if that has nothing to do any more.
    fn take_back(&mut self) {
        let Engine::Aside(aside, _) = &self.engine else { return };
        let returned = aside.lock().take();
        if let Some(server) = returned {
            self.engine = Engine::Here(server);
        }
    }

    /// `data` is input that the engine has not seen.
    fn step_aside(&mut self, id: ChannelId, data: &[u8], session: &Session) -> Result<(), ChannelError> {
        let input = ChannelInput::new(self.gate.clone());
        input.push(data)?;
        if let Engine::Here(server) = std::mem::replace(&mut self.engine, Engine::Moving) {
            let aside = Arc::new(Aside { input: input.clone(), returned: Mutex::default() });
            let window = Window::OfReplies(self.window.clone());
            let output = ChannelOutput::new(session.handle(), id, window, input);
            let unsent = std::mem::take(&mut self.unsent);
            let task = TaskGuard::spawn(run_aside(server, aside.clone(), output, unsent));
            self.engine = Engine::Aside(aside, task);
        }
        Ok(())
    }
}

impl Unsent {
    fn push(&mut self, output: Vec<u8>) {
        if !output.is_empty() {
            self.length += output.len();
            self.portions.push_back(output.into());
        }
    }

    /// The next that there is room for.
    fn take(&mut self, window: &ReplyWindow) -> Option<Bytes> {
        let first = self.portions.front_mut()?;
        let portion = first.split_to(window.take(first.len()));
        if first.is_empty() {
            self.portions.pop_front();
        }
        self.length -= portion.len();
        Some(portion).filter(|portion| !portion.is_empty())
    }
}

impl Aside {
    /// Tells the task that no input will follow; false if the task is over.
    fn end(&self) -> bool {
        // Held, so that the engine is not given back meanwhile.
        let returned = self.lock();
        self.input.end();
        returned.is_none()
    }

    /// The input that came meanwhile. With none, the engine is given back and the task ends.
    fn next_input(&self, mut server: Box<SftpServer>) -> Result<(Box<SftpServer>, Vec<u8>), Finished> {
        let mut returned = self.lock();
        let (bytes, more_may_follow) = self.input.take_now();
        if !bytes.is_empty() {
            return Ok((server, bytes));
        }
        if !more_may_follow {
            return Err(Finished::EndOfInput);
        }
        server.set_patience(Patience::Short);
        *returned = Some(server);
        Err(Finished::Returned)
    }

    /// The engine, if it was given back meanwhile: then the data is not taken.
    fn push(&self, data: &[u8]) -> Result<Option<Box<SftpServer>>, ChannelError> {
        let mut returned = self.lock();
        if let Some(server) = returned.take() {
            return Ok(Some(server));
        }
        self.input.push(data)?;
        Ok(None)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<SftpServer>>> {
        self.returned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Finished {
    Returned,
    EndOfInput,
}

/// Answers what waits, at the pace at which the client reads and its limits allow.
async fn run_aside(mut server: Box<SftpServer>, aside: Arc<Aside>, channel: ChannelOutput, unsent: Unsent) {
    let _input = aside.input.until_dropped();
    server.set_patience(Patience::Long);
    for portion in unsent.portions {
        if channel.send(portion).await.is_err() {
            return;
        }
    }
    let mut input = Vec::new();
    loop {
        let mut output = Vec::new();
        let progress = server.receive(&input, &mut output, OUTPUT_ASIDE).await;
        input.clear();
        if channel.send(output).await.is_err() {
            return;
        }
        match (progress, server.next_due()) {
            (Ok(Progress::OutputFull | Progress::TakesLong), _) => {}
            (Ok(Progress::Throttled), due) => {
                tokio::time::sleep_until(next_look(due.unwrap_or_else(Instant::now))).await;
            }
            (Ok(Progress::NeedsInput), Some(due)) => input = aside.input.until(next_look(due)).await,
            (Ok(Progress::NeedsInput), None) => match aside.next_input(server) {
                Ok((engine, more)) => (server, input) = (engine, more),
                Err(Finished::Returned) => return,
                Err(Finished::EndOfInput) => return channel.finish(0).await,
            },
            (Err(error), _) => {
                tracing::debug!(sender = "sftpd", message = format!("the client broke the SFTP protocol: {error}"));
                return channel.close().await;
            }
        }
    }
}
