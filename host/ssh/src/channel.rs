//! The SFTP engine of a channel, run where the channel's data arrives.
//!
//! Replies go straight into the connection's output. Only when a client does not read them
//! fast enough does the engine move to a task of its own, whose replies wait in the
//! library's bounded queue until the client's window opens; the connection itself never
//! waits, so it cannot deadlock with the engine. Under a bandwidth limit the engine is always
//! there, because it sleeps. See `host/adr/0002`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use russh::ChannelId;
use russh::server::Session;
use tidegate_sftp::{Progress, ProtocolError, SftpServer};

use crate::read_gate::ReadGate;
use crate::stream::{ChannelInput, ChannelOutput, NotReading};
use crate::task_guard::TaskGuard;

/// Replies made for one portion of input before the rest of it is put off.
const OUTPUT_AT_ONCE: usize = 2 << 20;
/// Replies that may wait for the client's window before the engine steps aside.
const MAX_QUEUED: usize = 2 << 20;
/// Replies sent at once by an engine that stepped aside.
const OUTPUT_ASIDE: usize = 128 << 10;
/// The same under a bandwidth limit: each reply goes when its time has come.
const OUTPUT_THROTTLED: usize = 1;

pub struct SftpChannel {
    engine: Engine,
    /// Bytes given to the connection since it last had nothing waiting.
    queued: usize,
    /// This side has closed the channel.
    closed: bool,
    gate: Arc<ReadGate>,
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
        Self { engine: Engine::Here(Box::new(server)), queued: 0, closed: false, gate }
    }

    pub async fn data(&mut self, id: ChannelId, data: &[u8], session: &mut Session) -> Result<(), ChannelError> {
        self.take_back();
        if !session.has_pending_data(id) {
            self.queued = 0;
        }
        if let Engine::Aside(aside, _) = &self.engine {
            match aside.push(data)? {
                None => return Ok(()),
                Some(server) => self.engine = Engine::Here(server),
            }
        }
        match &mut self.engine {
            Engine::Here(server) if self.queued <= MAX_QUEUED && !server.is_throttled() => {
                let mut output = Vec::new();
                let progress = server.receive(data, &mut output, OUTPUT_AT_ONCE).await;
                self.send(id, output, session)?;
                match progress? {
                    Progress::NeedsInput => Ok(()),
                    Progress::OutputFull => self.step_aside(id, &[], session),
                }
            }
            Engine::Here(_) | Engine::Moving | Engine::Aside(..) => self.step_aside(id, data, session),
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
            Engine::Aside(aside, task) => task.is_finished() && aside.lock().is_none(),
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
        let returned = aside.lock().take();
        if let Some(server) = returned {
            self.engine = Engine::Here(server);
        }
    }

    fn step_aside(&mut self, id: ChannelId, data: &[u8], session: &Session) -> Result<(), ChannelError> {
        let input = ChannelInput::new(self.gate.clone());
        input.push(data)?;
        if let Engine::Here(server) = std::mem::replace(&mut self.engine, Engine::Moving) {
            let aside = Arc::new(Aside { input: input.clone(), returned: Mutex::default() });
            let output = ChannelOutput::new(session.handle(), id, input);
            let task = TaskGuard::spawn(run_aside(server, aside.clone(), output));
            self.engine = Engine::Aside(aside, task);
        }
        Ok(())
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
    fn next_input(&self, server: Box<SftpServer>) -> Result<(Box<SftpServer>, Vec<u8>), Finished> {
        let mut returned = self.lock();
        let (bytes, more_may_follow) = self.input.take_now();
        if !bytes.is_empty() {
            return Ok((server, bytes));
        }
        if !more_may_follow {
            return Err(Finished::EndOfInput);
        }
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
async fn run_aside(mut server: Box<SftpServer>, aside: Arc<Aside>, channel: ChannelOutput) {
    let mut input = Vec::new();
    loop {
        let mut output = Vec::new();
        let budget = if server.is_throttled() { OUTPUT_THROTTLED } else { OUTPUT_ASIDE };
        let progress = server.receive(&input, &mut output, budget).await;
        input.clear();
        if channel.send(output).await.is_err() {
            return;
        }
        match progress {
            Ok(Progress::OutputFull) => {}
            Ok(Progress::NeedsInput) => match aside.next_input(server) {
                Ok((engine, more)) => (server, input) = (engine, more),
                Err(Finished::Returned) => return,
                Err(Finished::EndOfInput) => return channel.finish(0).await,
            },
            Err(error) => {
                tracing::debug!(sender = "sftpd", message = format!("the client broke the SFTP protocol: {error}"));
                return channel.close().await;
            }
        }
    }
}
