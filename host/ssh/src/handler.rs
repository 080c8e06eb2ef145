//! One connection as russh sees it: authentication, then channels.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::{Algorithm, ssh_key};
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Response, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, ChannelWriteHalf, MethodKind, MethodSet};
use tidegate_core::connection::LoginMethod;
use tidegate_core::login::{AuthenticatedAccount, Login, Outcome, Step};
use tidegate_core::public_key::PublicKey;
use tidegate_core::secret::Secret;
use tidegate_core::session::{CloseSignal, EndReason};
use tidegate_sftp::SftpServer;
use tokio::time::Instant;

use crate::channel::{ChannelError, SftpChannel};
use crate::connections::ConnectionGuard;
use crate::ending::Ending;
use crate::exec;
use crate::listener::{SshServer, offered_methods};
use crate::login_progress::LoginProgress;
use crate::read_gate::ReadGate;
use crate::stream::{ChannelInput, ChannelOutput};
use crate::task_guard::TaskGuard;
use crate::window::Window;

/// From the arrival of a wrong password to its refusal, so that the time tells nothing.
const PASSWORD_REFUSAL_TIME: Duration = Duration::from_secs(1);
const MIN_RSA_BITS: u32 = 2048;

pub struct SshHandler {
    server: Arc<SshServer>,
    login: Login,
    guard: ConnectionGuard,
    progress: Arc<LoginProgress>,
    attempted: bool,
    /// Before what tells of the connection's end: a session ends first.
    account: Option<AuthenticatedAccount>,
    channels: HashMap<ChannelId, ChannelState>,
    opened_channels: u32,
    ending: Ending,
    gate: Arc<ReadGate>,
    close: Arc<CloseSignal>,
}

enum ChannelState {
    /// Open, with nothing requested yet.
    Idle(Arc<ChannelWriteHalf<Msg>>),
    Sftp(Box<SftpChannel>),
    /// A command runs on a task of its own, which ends with the channel.
    Running(Arc<ChannelInput>, TaskGuard),
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
    pub fn new(
        server: Arc<SshServer>,
        login: Login,
        guard: ConnectionGuard,
        progress: Arc<LoginProgress>,
        ending: Ending,
        gate: Arc<ReadGate>,
        close: Arc<CloseSignal>,
    ) -> Self {
        let (channels, attempted, account) = (HashMap::new(), false, None);
        let opened_channels = 0;
        Self { server, login, guard, progress, attempted, account, channels, opened_channels, ending, gate, close }
    }

    /// The session is in use.
    fn active(&self) {
        if let Some(account) = &self.account {
            account.session().live.active(self.server.now());
        }
    }

    fn refuse(&self) -> Auth {
        self.progress.refused();
        let methods = offered_methods(self.server.settings().keyboard_interactive);
        Auth::Reject { proceed_with_methods: Some(methods), partial_success: false }
    }

    fn conclude(&mut self, outcome: Outcome) -> Auth {
        match outcome {
            Outcome::Accepted(account) => {
                self.ending.session = Some(account.session().clone());
                self.account = Some(account);
                Auth::Accept
            }
            Outcome::NextStep(methods) => {
                self.progress.refused();
                let methods: Vec<MethodKind> = methods.into_iter().filter_map(ssh_method).collect();
                Auth::Reject { proceed_with_methods: Some(MethodSet::from(&methods[..])), partial_success: true }
            }
            Outcome::Refused => self.refuse(),
        }
    }

    fn acceptable_key(&self, key: &ssh_key::PublicKey, algorithm: &Algorithm) -> Option<PublicKey> {
        acceptable_key(key, algorithm, self.server.settings().algorithms.takes_sha1_signatures())
    }

    /// The outcome of a password; a refusal comes no sooner than a second after the request.
    async fn conclude_password(&mut self, started: Instant, outcome: Outcome) -> Auth {
        if matches!(outcome, Outcome::Refused) {
            tokio::time::sleep_until(started + PASSWORD_REFUSAL_TIME).await;
        }
        self.conclude(outcome)
    }

    /// For a channel on which nothing was requested yet.
    fn idle(&self, channel: ChannelId) -> Option<Arc<ChannelWriteHalf<Msg>>> {
        match self.channels.get(&channel) {
            Some(ChannelState::Idle(sender)) => Some(sender.clone()),
            _ => None,
        }
    }

    fn open_files(&mut self, protocol: &'static str, command: &str) -> Option<tidegate_core::files::FileService> {
        self.opened_channels += 1;
        match self.account.as_ref()?.open_files(self.opened_channels) {
            Ok(files) => {
                files.session().live.channel_opened(protocol, command);
                Some(files)
            }
            Err(error) => {
                let connection_id = self.login.connection().id.as_str();
                tracing::error!(
                    sender = "sftpd",
                    message = format!("the files could not be opened: {error}"),
                    connection_id
                );
                None
            }
        }
    }

    /// A channel that failed is closed; the others go on.
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
            // Its replies would stay in memory for as long as the connection.
            ChannelError::NotReading(_) => Err(russh::Error::Disconnect),
            ChannelError::Ssh(error) => Err(error),
            ChannelError::Protocol(_) => session.close(channel),
        }
    }
}

impl SshHandler {
    /// Unless this side has closed it for a reason of its own.
    fn end_reason(&self) -> EndReason {
        if self.server.is_stopping() { EndReason::ServerStop } else { EndReason::Logout }
    }
}

impl Drop for SshHandler {
    fn drop(&mut self) {
        match &self.account {
            Some(account) => account.ends_because(self.end_reason()),
            None if !self.attempted => self.login.abandoned("the connection ended before an attempt to log in"),
            None => {}
        }
    }
}

// The library keeps room in every session for the largest of these futures, several times over;
// logins are therefore on the heap.
impl Handler for SshHandler {
    type Error = russh::Error;

    async fn authentication_banner(&mut self) -> Result<Option<String>, Self::Error> {
        Ok(self.server.settings().banner.clone())
    }

    async fn auth_none(&mut self, _user: &str) -> Result<Auth, Self::Error> {
        Ok(self.refuse())
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        self.progress.request();
        self.attempted = true;
        let started = Instant::now();
        let outcome = Box::pin(self.login.password(user, Secret::new(password))).await;
        Ok(self.conclude_password(started, outcome).await)
    }

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Self::Error> {
        self.progress.request();
        self.attempted = true;
        let Some(key) = self.acceptable_key(offer.public_key, offer.algorithm) else {
            if let Ok(weak) = PublicKey::try_from(offer.public_key.clone()) {
                self.login.public_key_unacceptable(user, &weak);
            }
            return Ok(self.refuse());
        };
        let is_wanted = Box::pin(self.login.public_key_offered(user, &key)).await;
        Ok(if is_wanted { Auth::Accept } else { self.refuse() })
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        self.progress.request();
        let Some(key) = self.acceptable_key(key.public_key, key.algorithm) else {
            return Ok(self.refuse());
        };
        let outcome = Box::pin(self.login.public_key_verified(user, &key)).await;
        Ok(self.conclude(outcome))
    }

    /// RFC 4256: rounds of questions, as many as the login wants.
    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        self.progress.request();
        self.attempted = true;
        if !self.server.settings().keyboard_interactive {
            return Ok(self.refuse());
        }
        let started = Instant::now();
        let step = match response {
            None => Box::pin(self.login.keyboard_interactive(user)).await,
            Some(response) => match answers(response) {
                Some(answers) => Box::pin(self.login.answers(answers)).await,
                // No answer that anybody could want is not text.
                None => Step::Done(Outcome::Refused),
            },
        };
        Ok(match step {
            Step::Ask(round) => Auth::Partial {
                name: "".into(),
                instructions: round.instruction.into(),
                prompts: round.prompts.into_iter().map(|prompt| (prompt.text.into(), prompt.echo)).collect(),
            },
            Step::Done(outcome) => self.conclude_password(started, outcome).await,
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
        // The library does not tell when a channel that this side closed is gone.
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

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        if name != "sftp" || self.idle(channel).is_none() {
            return session.channel_failure(channel);
        }
        let Some(files) = self.open_files("SFTP", "") else {
            return session.channel_failure(channel);
        };
        self.ending.protocol = "SFTP";
        files.prepare_start_directory().await;
        let sftp = SftpChannel::new(SftpServer::new(files), self.gate.clone());
        self.channels.insert(channel, ChannelState::Sftp(Box::new(sftp)));
        session.channel_success(channel)
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        line: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let command = self.server.settings().commands.parse(line);
        let Some((command, sender)) = command.zip(self.idle(channel)) else {
            let connection_id = self.login.connection().id.as_str();
            let message = format!("the command \"{}\" was refused", String::from_utf8_lossy(line).escape_debug());
            tracing::info!(sender = "ssh_command", message, connection_id);
            return session.channel_failure(channel);
        };
        let Some(files) = self.open_files(command.protocol(), &String::from_utf8_lossy(line)) else {
            return session.channel_failure(channel);
        };
        session.channel_success(channel)?;
        self.ending.protocol = command.protocol();
        files.prepare_start_directory().await;
        let input = ChannelInput::new(self.gate.clone());
        let output = ChannelOutput::new(session.handle(), channel, Window::OfSender(sender), input.clone());
        let launcher = self.server.settings().launcher.clone();
        let (files, wanted) = (Arc::new(files), input.until_dropped());
        let running = exec::run(command, launcher, files, input.clone(), output);
        let task = TaskGuard::spawn(async move {
            let _wanted = wanted;
            running.await;
        });
        self.channels.insert(channel, ChannelState::Running(input, task));
        Ok(())
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        self.active();
        let outcome = match self.channels.get_mut(&channel) {
            Some(ChannelState::Sftp(sftp)) => tokio::select! {
                biased;
                outcome = sftp.data(channel, data, session) => outcome,
                // A request may wait, for a hook for instance: nobody looks at the socket then.
                () = self.close.closed() => return Err(russh::Error::Disconnect),
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
        session.channel_failure(channel)
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

fn answers(response: Response<'_>) -> Option<Vec<Secret>> {
    response.map(|answer| String::from_utf8(answer.to_vec()).ok().map(Secret::new)).collect()
}

fn ssh_method(method: LoginMethod) -> Option<MethodKind> {
    match method {
        LoginMethod::Password => Some(MethodKind::Password),
        LoginMethod::KeyboardInteractive => Some(MethodKind::KeyboardInteractive),
        LoginMethod::PublicKey => Some(MethodKind::PublicKey),
        LoginMethod::PublicKeyThenPassword | LoginMethod::PublicKeyThenKeyboardInteractive => None,
    }
}

/// Not DSA, not short RSA keys, and signatures with SHA-1 only where they were asked for: the
/// library would verify them.
fn acceptable_key(key: &ssh_key::PublicKey, algorithm: &Algorithm, takes_sha1: bool) -> Option<PublicKey> {
    let weak = match algorithm {
        Algorithm::Dsa => true,
        Algorithm::Rsa { hash: None } if !takes_sha1 => true,
        Algorithm::Rsa { .. } => key.key_data().rsa().is_none_or(|rsa| rsa.key_size() < MIN_RSA_BITS),
        _ => false,
    };
    if weak { None } else { PublicKey::try_from(key.clone()).ok() }
}
