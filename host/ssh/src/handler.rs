//! One connection as russh sees it: authentication, then channels.

mod authentication;
mod channel_requests;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use tokio_util::task::AbortOnDropHandle;

use russh::server::{
    Auth, ChannelOpenHandle, Handle, Handler, Msg, PublicKeyOffer, Response, Session, VerifiedPublicKey,
};
use russh::{Channel, ChannelId, ChannelOpenFailure, ChannelWriteHalf};
use tidegate_core::login::{AuthenticatedAccount, Login, Offer, Outcome, Step};
use tidegate_core::secret::Secret;
use tidegate_core::session::EndReason;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::authentication::answers;
use self::channel_requests::Wanted;
use crate::channel::{ChannelError, SftpChannel};
use crate::connections::ConnectionGuard;
use crate::ending::Ending;
use crate::listener::SshServer;
use crate::login_progress::LoginProgress;
use crate::read_gate::ReadGate;
use crate::stream::ChannelInput;
use crate::tries::Tries;

pub struct SshHandler {
    server: Arc<SshServer>,
    login: Login,
    guard: ConnectionGuard,
    progress: Arc<LoginProgress>,
    attempted: bool,
    tries: Tries,
    /// The handle of this connection, set once the session runs.
    handle: Arc<OnceLock<Handle>>,
    /// Declared before `ending`, because the session ends before the connection.
    account: Option<AuthenticatedAccount>,
    channels: HashMap<ChannelId, ChannelState>,
    opened_channels: u32,
    ending: Ending,
    gate: Arc<ReadGate>,
    close: CancellationToken,
}

enum ChannelState {
    /// Open; the client has requested nothing yet.
    Idle(Arc<ChannelWriteHalf<Msg>>),
    Sftp(Box<SftpChannel>),
    /// A command runs on a task of its own, which ends with the channel.
    Running(Arc<ChannelInput>, AbortOnDropHandle<()>),
}

impl ChannelState {
    /// Whether this side has closed the channel.
    fn is_over(&self) -> bool {
        match self {
            Self::Running(_, task) => task.is_finished(),
            Self::Sftp(sftp) => sftp.is_over(),
            Self::Idle(_) => false,
        }
    }
}

impl SshHandler {
    #[allow(clippy::too_many_arguments, reason = "what belongs to one connection")]
    pub fn new(
        server: Arc<SshServer>,
        login: Login,
        guard: ConnectionGuard,
        progress: Arc<LoginProgress>,
        ending: Ending,
        gate: Arc<ReadGate>,
        close: CancellationToken,
        handle: Arc<OnceLock<Handle>>,
    ) -> Box<Self> {
        let tries = Tries::new(server.settings().max_auth_tries);
        Box::new(Self {
            server,
            login,
            guard,
            progress,
            attempted: false,
            tries,
            handle,
            account: None,
            channels: HashMap::new(),
            opened_channels: 0,
            ending,
            gate,
            close,
        })
    }

    /// Marks the session as active.
    fn active(&self) {
        if let Some(account) = &self.account {
            account.session().live.active(self.server.now());
        }
    }

    /// The sender of a channel on which the client has requested nothing yet.
    fn idle(&self, channel: ChannelId) -> Option<Arc<ChannelWriteHalf<Msg>>> {
        match self.channels.get(&channel) {
            Some(ChannelState::Idle(sender)) => Some(sender.clone()),
            _ => None,
        }
    }

    /// Closes a channel that failed; the others go on.
    fn channel_failed(
        &mut self,
        channel: ChannelId,
        error: ChannelError,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let connection_id = self.login.connection().id.as_str();
        tracing::warn!(sender = "sftpd", message = format!("a channel was closed: {error}"), connection_id);
        self.channels.remove(&channel);
        match error {
            // The replies would stay in memory for as long as the connection.
            ChannelError::NotReading(_) => Err(russh::Error::Disconnect),
            ChannelError::Ssh(error) => Err(error),
            ChannelError::Protocol(_) => session.close(channel),
        }
    }
}

impl SshHandler {
    /// Why the session ends, unless this side has closed it for another reason.
    fn end_reason(&self) -> EndReason {
        if self.server.is_stopping() { EndReason::ServerStop } else { EndReason::Logout }
    }
}

impl Drop for SshHandler {
    fn drop(&mut self) {
        match &self.account {
            Some(account) => account.ends_because(self.end_reason()),
            None if self.login.give_up() => {}
            None if !self.attempted => self.login.abandoned("the connection ended before an attempt to log in"),
            None => {}
        }
    }
}

// The library keeps the handler four times over in the future of a session, and room for the largest of these
// futures twice. So the handler is on the heap, and so are futures that are larger than the library's own (232 bytes
// in a login by key, 600 in a channel).
impl Handler for Box<SshHandler> {
    type Error = russh::Error;

    async fn authentication_banner(&mut self) -> Result<Option<String>, Self::Error> {
        Ok(self.server.settings().banner.clone())
    }

    async fn auth_none(&mut self, user: &str) -> Result<Auth, Self::Error> {
        self.tries.asked();
        Ok(match Box::pin(self.login.nothing_proved(user)).await {
            Offer::Unavailable => self.unavailable(user).await,
            Offer::Acceptable | Offer::Refused => self.rejection(user).await,
        })
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        self.begin_try()?;
        let started = Instant::now();
        let outcome = Box::pin(self.login.password(user, Secret::new(password))).await;
        Ok(self.conclude_password(user, started, outcome).await)
    }

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Self::Error> {
        Box::pin(self.try_offer(user, offer)).await
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        Box::pin(self.try_key(user, key)).await
    }

    /// Conversations (RFC 4256), with as many rounds as the login needs.
    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        self.progress.request();
        if response.is_none() {
            self.begin_try()?;
            if !self.may_converse(user) {
                return Ok(self.refuse(user).await);
            }
        }
        let started = Instant::now();
        let step = match response {
            None => Box::pin(self.login.keyboard_interactive(user)).await,
            Some(response) => match answers(response) {
                Some(answers) => Box::pin(self.login.answers(answers)).await,
                // Answers that are not UTF-8 are refused.
                None => {
                    self.login.give_up();
                    Step::Done(Outcome::Refused)
                }
            },
        };
        Ok(match step {
            Step::Ask(round) => Auth::Partial {
                name: "".into(),
                instructions: round.instruction.into(),
                prompts: round.prompts.into_iter().map(|prompt| (prompt.text.into(), prompt.echo)).collect(),
            },
            Step::Done(outcome) => self.conclude_password(user, started, outcome).await,
        })
    }

    async fn auth_succeeded(&mut self, _session: &mut Session) -> Result<(), Self::Error> {
        self.active();
        self.progress.logged_in();
        self.guard.authenticated();
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        // The library does not report when a channel that this side closed is gone.
        self.channels.retain(|_, state| !state.is_over());
        if self.channels.len() >= self.server.settings().max_channels {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        // Data comes through the callbacks below, not through the object.
        let (_, sender) = channel.split();
        self.channels.insert(sender.id(), ChannelState::Idle(Arc::new(sender)));
        reply.accept().await;
        Ok(())
    }

    async fn channel_open_x11(
        &mut self,
        _channel: Channel<Msg>,
        _originator_address: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        refuse_channel(reply).await
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        _channel: Channel<Msg>,
        _host: &str,
        _port: u32,
        _originator_address: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        refuse_channel(reply).await
    }

    async fn channel_open_forwarded_tcpip(
        &mut self,
        _channel: Channel<Msg>,
        _host: &str,
        _port: u32,
        _originator_address: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        refuse_channel(reply).await
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        _channel: Channel<Msg>,
        _socket_path: &str,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        refuse_channel(reply).await
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.begin(channel, Wanted::subsystem(name), session).await
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        line: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.begin(channel, Wanted::Command(line), session).await
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        self.active();
        let outcome = match self.channels.get_mut(&channel) {
            Some(ChannelState::Sftp(sftp)) => tokio::select! {
                biased;
                outcome = sftp.data(channel, data, session) => outcome,
                // A request may wait, for instance for a hook; the socket is not read meanwhile.
                () = self.close.cancelled() => return Err(russh::Error::Disconnect),
            },
            Some(ChannelState::Running(input, task)) if !task.is_finished() => {
                input.push(data).map_err(ChannelError::from)
            }
            _ => Ok(()),
        };
        outcome.or_else(|error| self.channel_failed(channel, error, session))
    }

    async fn window_adjusted(
        &mut self,
        channel: ChannelId,
        new_size: u32,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let outcome = match self.channels.get_mut(&channel) {
            Some(ChannelState::Sftp(sftp)) => sftp.window_adjusted(channel, new_size, session),
            _ => Ok(()),
        };
        outcome.or_else(|error| self.channel_failed(channel, error, session))
    }

    async fn channel_eof(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        let outcome = match self.channels.get_mut(&channel) {
            Some(ChannelState::Sftp(sftp)) => sftp.end_of_input(channel, session),
            Some(ChannelState::Running(input, _)) => {
                input.end();
                Ok(())
            }
            None => Ok(()),
            Some(ChannelState::Idle(_)) => session.close(channel).map_err(ChannelError::from),
        };
        if matches!(self.channels.get(&channel), Some(ChannelState::Sftp(sftp)) if sftp.is_over())
            || matches!(self.channels.get(&channel), Some(ChannelState::Idle(_)))
        {
            self.channels.remove(&channel);
        }
        outcome.or_else(|error| self.channel_failed(channel, error, session))
    }

    async fn channel_close(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), Self::Error> {
        self.channels.remove(&channel);
        Ok(())
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        self.begin(channel, Wanted::Nothing, session).await
    }

    #[allow(clippy::too_many_arguments, reason = "the trait's signature")]
    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(russh::Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        _value: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _single_connection: bool,
        _protocol: &str,
        _cookie: &str,
        _screen: u32,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }
}

/// Refuses every channel type but `session` (A4-04).
async fn refuse_channel(reply: ChannelOpenHandle) -> Result<(), russh::Error> {
    reply.reject(ChannelOpenFailure::UnknownChannelType).await;
    Ok(())
}
