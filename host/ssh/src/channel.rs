//! The SFTP engine of a channel, run where the channel's data arrives.
//!
//! Replies go into the connection's output as far as the client's window reaches. Only when a
//! client does not read them fast enough does the engine move to a task of its own, which
//! waits for the window; the connection itself never waits, so it cannot deadlock with the
//! engine, and a channel that is not read holds up no other. Under a bandwidth limit the
//! engine is always there, because it sleeps. See `host/adr/0002`.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tidegate_sftp::{Progress, ProtocolError, SftpServer};

use crate::read_gate::ReadGate;
use crate::stream::{ChannelInput, ChannelOutput, ChannelSender, NotReading, finish};
use crate::task_guard::TaskGuard;

/// Replies made for one portion of input before the rest of it is put off.
const OUTPUT_AT_ONCE: usize = 2 << 20;
/// Replies sent at once by an engine that stepped aside.
const OUTPUT_ASIDE: usize = 128 << 10;
/// The same under a bandwidth limit: each reply goes when its time has come.
const OUTPUT_THROTTLED: usize = 1;

pub struct SftpChannel {
    engine: Engine,
    channel: ChannelSender,
    gate: Arc<ReadGate>,
}

/// Replies on their way, of which the connection has not taken all.
type Sending = Pin<Box<dyn Future<Output = Result<(), russh::Error>> + Send>>;

enum Engine {
    Here(Box<SftpServer>),
    /// For a moment, between the other two.
    Moving,
    /// The guard ends the task with the channel.
    Aside(Arc<Aside>, TaskGuard),
    /// The channel is being closed.
    Over(TaskGuard),
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
    pub fn new(server: SftpServer, channel: ChannelSender, gate: Arc<ReadGate>) -> Self {
        Self { engine: Engine::Here(Box::new(server)), channel, gate }
    }

    pub async fn data(&mut self, data: &[u8]) -> Result<(), ChannelError> {
        self.take_back();
        if let Engine::Aside(aside, _) = &self.engine {
            match aside.push(data)? {
                None => return Ok(()),
                Some(server) => self.engine = Engine::Here(server),
            }
        }
        match &mut self.engine {
            Engine::Here(server) if !server.is_throttled() => {
                let mut output = Vec::new();
                let progress = server.receive(data, &mut output, OUTPUT_AT_ONCE).await;
                let unsent = self.send(output)?;
                if matches!(progress?, Progress::NeedsInput) && unsent.is_none() {
                    return Ok(());
                }
                self.step_aside(unsent, &[])
            }
            Engine::Here(_) => self.step_aside(None, data),
            // What comes after the end of the input is no request.
            Engine::Moving | Engine::Aside(..) | Engine::Over(_) => Ok(()),
        }
    }

    /// The client will send no more (A4-14).
    pub fn end_of_input(&mut self) {
        self.take_back();
        if let Engine::Aside(aside, _) = &self.engine
            && aside.end()
        {
            return;
        }
        let channel = self.channel.clone();
        self.engine = Engine::Over(TaskGuard::spawn(async move { finish(&channel, 0).await }));
    }

    /// Whether this side has closed the channel.
    pub fn is_over(&self) -> bool {
        match &self.engine {
            Engine::Aside(aside, task) => task.is_finished() && aside.lock().is_none(),
            Engine::Over(task) => task.is_finished(),
            Engine::Here(_) | Engine::Moving => false,
        }
    }

    /// Gives the connection what the client's window has room for; what there is none for comes
    /// back.
    fn send(&self, output: Vec<u8>) -> Result<Option<Sending>, ChannelError> {
        if output.is_empty() {
            return Ok(None);
        }
        let channel = self.channel.clone();
        // Many packets at once are no reason to step aside.
        let mut sending: Sending =
            Box::pin(tokio::task::unconstrained(async move { channel.data_bytes(output).await }));
        match sending.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(sent) => Ok(sent.map(|()| None)?),
            Poll::Pending => Ok(Some(sending)),
        }
    }

    /// The engine back from its task, if that has nothing to do any more.
    fn take_back(&mut self) {
        let Engine::Aside(aside, _) = &self.engine else { return };
        let returned = aside.lock().take();
        if let Some(server) = returned {
            self.engine = Engine::Here(server);
        }
    }

    /// `unsent` goes to the client first; `data` is input that the engine has not seen.
    fn step_aside(&mut self, unsent: Option<Sending>, data: &[u8]) -> Result<(), ChannelError> {
        let input = ChannelInput::new(self.gate.clone());
        input.push(data)?;
        if let Engine::Here(server) = std::mem::replace(&mut self.engine, Engine::Moving) {
            let aside = Arc::new(Aside { input: input.clone(), returned: Mutex::default() });
            let output = ChannelOutput::new(self.channel.clone(), input);
            let task = TaskGuard::spawn(run_aside(server, aside.clone(), output, unsent));
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
async fn run_aside(mut server: Box<SftpServer>, aside: Arc<Aside>, channel: ChannelOutput, unsent: Option<Sending>) {
    if let Some(sending) = unsent
        && channel.wait_for(sending).await.is_err()
    {
        return;
    }
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
