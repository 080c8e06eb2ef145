//! The SFTP engine of a channel, run where the channel's data arrives.
//!
//! Replies go straight into the connection's output, as far as the client's window reaches;
//! some may wait for it. When the engine cannot stay inline it moves to a task of its own, which
//! waits; the connection itself never waits, so it cannot deadlock with the engine. The engine says
//! when that is: its states are drawn in the module `engine` of the crate `tidegate-sftp`, and
//! `host/adr/0002` has the reasons.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::task::AbortOnDropHandle;

use russh::ChannelId;
use russh::server::Session;
use tidegate_sftp::{Engine, ProtocolError, State, Window as _};

use crate::read_gate::ReadGate;
use crate::stream::{ChannelInput, ChannelOutput, NotReading};
use crate::window::{ReplyWindow, Window};

pub struct SftpChannel {
    place: Place,
    /// This side has closed the channel.
    closed: bool,
    window: Arc<ReplyWindow>,
    gate: Arc<ReadGate>,
}

/// Where the engine runs.
enum Place {
    Inline(Box<Engine>),
    /// The engine is being moved from one place to the other.
    Moving,
    /// The engine runs on a task, which the guard ends with the channel.
    Aside(Arc<Aside>, AbortOnDropHandle<()>),
}

/// What the connection shares with the task of its engine.
struct Aside {
    input: Arc<ChannelInput>,
    /// The engine that the task gave back, because nothing was left to do.
    returned: Mutex<Option<Box<Engine>>>,
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
    pub fn new(engine: Engine, gate: Arc<ReadGate>) -> Self {
        Self { place: Place::Inline(Box::new(engine)), closed: false, window: Arc::default(), gate }
    }

    pub async fn data(&mut self, id: ChannelId, data: &[u8], session: &mut Session) -> Result<(), ChannelError> {
        self.take_back();
        if let Place::Aside(aside, _) = &self.place {
            match aside.push(data)? {
                None => return Ok(()),
                Some(engine) => self.place = Place::Inline(engine),
            }
        }
        match &mut self.place {
            Place::Inline(engine) if engine.takes_data_inline(&*self.window) => {
                // On the heap, because a session keeps room for the largest future that is not.
                let state = Box::pin(engine.receive_inline(data)).await;
                send(engine, &self.window, id, session)?;
                if engine.stays_inline(state?, &*self.window) { Ok(()) } else { self.step_aside(id, &[], session) }
            }
            Place::Inline(_) | Place::Moving | Place::Aside(..) => self.step_aside(id, data, session),
        }
    }

    /// The client's window has this size now, in bytes.
    pub fn window_adjusted(&mut self, id: ChannelId, size: u32, session: &mut Session) -> Result<(), ChannelError> {
        self.window.adjusted(size);
        match &mut self.place {
            // A task can wait for more room; here nothing can.
            Place::Inline(engine) if !self.window.takes_a_portion(engine.unsent()) => self.step_aside(id, &[], session),
            Place::Inline(engine) => send(engine, &self.window, id, session),
            Place::Moving | Place::Aside(..) => Ok(()),
        }
    }

    /// The client will send no more (A4-14).
    pub fn end_of_input(&mut self, id: ChannelId, session: &mut Session) -> Result<(), ChannelError> {
        self.take_back();
        let has_unsent = match &self.place {
            Place::Inline(engine) => engine.has_unsent(),
            Place::Moving | Place::Aside(..) => false,
        };
        if has_unsent || self.window.has_queued() {
            self.step_aside(id, &[], session)?;
        }
        if let Place::Aside(aside, _) = &self.place
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
        match &self.place {
            Place::Aside(aside, task) => task.is_finished() && aside.lock().is_none(),
            Place::Inline(_) | Place::Moving => self.closed,
        }
    }

    /// Takes the engine back from its task, if the task has nothing left to do.
    fn take_back(&mut self) {
        let Place::Aside(aside, _) = &self.place else { return };
        let returned = aside.lock().take();
        if let Some(engine) = returned {
            self.place = Place::Inline(engine);
        }
    }

    /// Moves the engine to a task of its own. `data`: input that the engine has not seen.
    fn step_aside(&mut self, id: ChannelId, data: &[u8], session: &Session) -> Result<(), ChannelError> {
        let input = ChannelInput::new(self.gate.clone());
        input.push(data)?;
        if let Place::Inline(engine) = std::mem::replace(&mut self.place, Place::Moving) {
            let aside = Arc::new(Aside { input: input.clone(), returned: Mutex::default() });
            let window = Window::OfReplies(self.window.clone());
            let output = ChannelOutput::new(session.handle(), id, window, input);
            let task = AbortOnDropHandle::new(tokio::spawn(run_aside(engine, aside.clone(), output)));
            self.place = Place::Aside(aside, task);
        }
        Ok(())
    }
}

/// Sends as much output as the client's window has room for.
fn send(engine: &mut Engine, window: &ReplyWindow, id: ChannelId, session: &mut Session) -> Result<(), ChannelError> {
    while let Some(portion) = engine.take_within(window) {
        session.data(id, portion)?;
    }
    Ok(())
}

impl Aside {
    /// Tells the task that no input will follow; false if the task is over.
    fn end(&self) -> bool {
        // The lock keeps the engine from being given back meanwhile.
        let returned = self.lock();
        self.input.end();
        returned.is_none()
    }

    /// The input that arrived meanwhile. If there is none, the engine is given back and the task ends.
    fn next_input(&self, engine: Box<Engine>) -> Result<(Box<Engine>, Vec<u8>), Finished> {
        let mut returned = self.lock();
        let (bytes, more_may_follow) = self.input.take_now();
        if !bytes.is_empty() {
            return Ok((engine, bytes));
        }
        if !more_may_follow {
            return Err(Finished::EndOfInput);
        }
        *returned = Some(engine);
        Err(Finished::Returned)
    }

    /// Hands input to the task. If the engine was given back meanwhile, returns the engine and takes no data.
    fn push(&self, data: &[u8]) -> Result<Option<Box<Engine>>, ChannelError> {
        let mut returned = self.lock();
        if let Some(engine) = returned.take() {
            return Ok(Some(engine));
        }
        self.input.push(data)?;
        Ok(None)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<Engine>>> {
        self.returned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Finished {
    Returned,
    EndOfInput,
}

/// The task of an engine: answers waiting requests, at the pace at which the client reads and as the limits allow.
async fn run_aside(mut engine: Box<Engine>, aside: Arc<Aside>, channel: ChannelOutput) {
    let _input = aside.input.until_dropped();
    let mut input = Vec::new();
    let mut state = Ok(State::OutputFull);
    loop {
        while let Some(portion) = engine.take() {
            if channel.send(portion).await.is_err() {
                return;
            }
        }
        match state {
            Ok(State::OutputFull | State::TakesLong) => {}
            Ok(State::Full(time)) => tokio::time::sleep_until(time).await,
            Ok(State::Paced(time)) => input = aside.input.until(time).await,
            Ok(State::Idle) => match aside.next_input(engine) {
                Ok((same, more)) => (engine, input) = (same, more),
                Err(Finished::Returned) => return,
                Err(Finished::EndOfInput) => return channel.finish(0).await,
            },
            Err(error) => {
                tracing::debug!(sender = "sftpd", message = format!("the client broke the SFTP protocol: {error}"));
                return channel.close().await;
            }
        }
        state = engine.receive_aside(&input).await;
        input.clear();
    }
}
