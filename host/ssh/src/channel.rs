//! The SFTP engine of a channel, run where the channel's data arrives.
//!
//! Replies go straight into the connection's output. Only when a client does not read them
//! fast enough does the engine move to a task of its own, whose replies wait in the
//! library's bounded queue until the client's window opens; the connection itself never
//! waits, so it cannot deadlock with the engine. See `host/adr/0002`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use russh::ChannelId;
use russh::server::{Handle, Session};
use tidegate_sftp::{Progress, ProtocolError, SftpServer};

use crate::task_guard::TaskGuard;

/// Replies made for one portion of input before the rest of it is put off.
const OUTPUT_AT_ONCE: usize = 2 << 20;
/// Replies that may wait for the client's window before the engine steps aside.
const MAX_QUEUED: usize = 2 << 20;
/// Replies sent at once by an engine that stepped aside.
const OUTPUT_ASIDE: usize = 128 << 10;
/// Requests kept for a client that does not read its replies.
const MAX_WAITING_INPUT: usize = 8 << 20;

pub struct SftpChannel {
    engine: Engine,
    /// Bytes given to the connection since it last had nothing waiting.
    queued: usize,
    /// This side has closed the channel.
    closed: bool,
}

enum Engine {
    Here(Box<SftpServer>),
    /// For a moment, between the other two.
    Moving,
    /// The guard ends the task with the channel.
    Aside(Arc<Aside>, TaskGuard),
}

/// Shared with the task of an engine that stepped aside.
#[derive(Default)]
struct Aside {
    state: Mutex<AsideState>,
}

#[derive(Default)]
struct AsideState {
    input: Vec<u8>,
    end_of_input: bool,
    /// The engine, when it has nothing left to do.
    returned: Option<Box<SftpServer>>,
}

#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    #[error("the client broke the SFTP protocol: {0}")]
    Protocol(#[from] ProtocolError),
    #[error("the client sends requests but does not read the replies")]
    NotReading,
    #[error(transparent)]
    Ssh(#[from] russh::Error),
}

impl SftpChannel {
    pub fn new(server: SftpServer) -> Self {
        Self { engine: Engine::Here(Box::new(server)), queued: 0, closed: false }
    }

    pub async fn data(&mut self, id: ChannelId, data: &[u8], session: &mut Session) -> Result<(), ChannelError> {
        self.take_back();
        if !session.has_pending_data(id) {
            self.queued = 0;
        }
        match &mut self.engine {
            Engine::Aside(aside, _) => aside.push(data),
            Engine::Here(server) if self.queued <= MAX_QUEUED => {
                let mut output = Vec::new();
                let progress = server.receive(data, &mut output, OUTPUT_AT_ONCE).await;
                self.send(id, output, session)?;
                match progress? {
                    Progress::NeedsInput => Ok(()),
                    Progress::OutputFull => self.step_aside(id, &[], session),
                }
            }
            Engine::Here(_) | Engine::Moving => self.step_aside(id, data, session),
        }
    }

    /// The client will send no more (A4-14).
    pub fn end_of_input(&mut self, id: ChannelId, session: &mut Session) -> Result<(), ChannelError> {
        self.take_back();
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
            Engine::Aside(aside, task) => task.is_finished() && aside.lock().returned.is_none(),
            Engine::Here(_) | Engine::Moving => self.closed,
        }
    }

    fn send(&mut self, id: ChannelId, output: Vec<u8>, session: &mut Session) -> Result<(), ChannelError> {
        if output.is_empty() {
            return Ok(());
        }
        self.queued += output.len();
        session.data(id, output)?;
        Ok(())
    }

    /// The engine back from its task, if that has nothing to do any more.
    fn take_back(&mut self) {
        let Engine::Aside(aside, _) = &self.engine else { return };
        let returned = aside.lock().returned.take();
        if let Some(server) = returned {
            self.engine = Engine::Here(server);
        }
    }

    fn step_aside(&mut self, id: ChannelId, data: &[u8], session: &Session) -> Result<(), ChannelError> {
        let aside = Arc::new(Aside::default());
        aside.push(data)?;
        if let Engine::Here(server) = std::mem::replace(&mut self.engine, Engine::Moving) {
            let task = TaskGuard::spawn(run_aside(server, aside.clone(), session.handle(), id));
            self.engine = Engine::Aside(aside, task);
        }
        Ok(())
    }
}

impl Aside {
    fn push(&self, data: &[u8]) -> Result<(), ChannelError> {
        let mut state = self.lock();
        if state.input.len() + data.len() > MAX_WAITING_INPUT {
            return Err(ChannelError::NotReading);
        }
        state.input.extend_from_slice(data);
        Ok(())
    }

    /// Tells the task that no input will follow; false if the task is over.
    fn end(&self) -> bool {
        let mut state = self.lock();
        state.end_of_input = true;
        state.returned.is_none()
    }

    /// The input that came meanwhile. With none, the engine is given back and the task ends.
    fn next_input(&self, server: Box<SftpServer>) -> Result<(Box<SftpServer>, Vec<u8>), Finished> {
        let mut state = self.lock();
        if state.input.is_empty() {
            if state.end_of_input {
                return Err(Finished::EndOfInput);
            }
            state.returned = Some(server);
            return Err(Finished::Returned);
        }
        Ok((server, std::mem::take(&mut state.input)))
    }

    fn lock(&self) -> MutexGuard<'_, AsideState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Finished {
    Returned,
    EndOfInput,
}

/// Answers what waits, at the pace at which the client reads.
async fn run_aside(mut server: Box<SftpServer>, aside: Arc<Aside>, handle: Handle, id: ChannelId) {
    let mut input = Vec::new();
    loop {
        let mut output = Vec::new();
        let progress = server.receive(&input, &mut output, OUTPUT_ASIDE).await;
        input.clear();
        // An error means that the connection is over.
        if !output.is_empty() && handle.data(id, output).await.is_err() {
            return;
        }
        match progress {
            Ok(Progress::OutputFull) => {}
            Ok(Progress::NeedsInput) => match aside.next_input(server) {
                Ok((engine, more)) => (server, input) = (engine, more),
                Err(Finished::Returned) => return,
                Err(Finished::EndOfInput) => {
                    let _ = handle.exit_status_request(id, 0).await;
                    let _ = handle.eof(id).await;
                    let _ = handle.close(id).await;
                    return;
                }
            },
            Err(error) => {
                tracing::debug!(sender = "sftpd", message = format!("the client broke the SFTP protocol: {error}"));
                let _ = handle.close(id).await;
                return;
            }
        }
    }
}
