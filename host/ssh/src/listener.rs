//! Accepts connections. An error of `accept` never ends the listener.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use russh::keys::PrivateKey;
use russh::server::Config;
use russh::{Limits, MethodKind, MethodSet, SshId, cipher};
use tidegate_core::connection::{Connection, ConnectionId};
use tidegate_core::guard::Offence;
use tidegate_core::hook::observation::Disconnect;
use tidegate_core::hook::review::{Connect, Review};
use tidegate_core::hook::{Chain, Observers};
use tidegate_core::login::{Login, LoginService};
use tidegate_core::ports::{Clock, DescriptorUse, Descriptors};
use tidegate_core::recurring::Recurring;
use tidegate_core::session::EndReason;
use tidegate_ssh_commands::{Launcher, SshCommands};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::algorithms::Algorithms;
use crate::batched_socket::BatchedSocket;
use crate::connections::{ConnectionGuard, ConnectionLimits, Connections, ExceededLimit};
use crate::ending::{Ending, report_end, to_its_end};
use crate::guarded_stream::GuardedStream;
use crate::handler::SshHandler;
use crate::login_progress::LoginProgress;
use crate::negotiation::look_ahead;
use crate::proxy::ProxySettings;
use crate::read_gate::ReadGate;

/// Pause after an accept error, such as no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Least time from the arrival of a request to its rejection.
const REJECTION_TIME: Duration = Duration::from_millis(200);
/// The library needs a bound; idle sessions are ended elsewhere.
const NO_IDLE_TIMEOUT: Duration = Duration::from_secs(30 * 24 * 3600);
/// Large enough for a gigabit a second at a round trip of 50 ms, although half of the window is
/// used up before more is granted.
const WINDOW_SIZE: u32 = 12 << 20;
/// Holds an SFTP write of 32 KiB with its header, so that it need not be reassembled.
const MAX_PACKET_SIZE: u32 = 128 << 10;
/// Messages from tasks that wait for the connection; bounds memory, see `channel`.
const EVENT_QUEUE: usize = 4;
/// When the kernel begins to ask a silent peer whether it is still there, how often it asks, and how many times.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_PROBES: u32 = 3;
/// How often the server looks for sessions that are doing nothing while it stops.
const DRAIN_INTERVAL: Duration = Duration::from_millis(200);
/// A session idle for so many milliseconds may be closed when the server stops.
const QUIET_TIME: i64 = 1000;
/// Time for handshake and login together (A4-01).
pub const LOGIN_GRACE: Duration = Duration::from_secs(120);
/// Time that connections have to close after the server asked them to.
pub const CLOSE_TIME: Duration = Duration::from_secs(2);

pub struct SshSettings {
    pub host_keys: Vec<PrivateKey>,
    pub algorithms: Algorithms,
    /// Whether a client gets the cipher that the server prefers among the client's.
    pub prefer_fast_ciphers: bool,
    /// The text after `SSH-2.0-` in the server's identification.
    pub identification: String,
    /// Text that is shown before authentication.
    pub banner: Option<String>,
    /// `None`: any number.
    pub max_auth_tries: Option<usize>,
    /// How long outcomes of logins are held back.
    pub login_delay: LoginDelay,
    /// Time for handshake and login together (A4-01).
    pub login_grace: Duration,
    pub max_half_open: usize,
    pub max_channels: usize,
    pub commands: SshCommands,
    /// Starts programs of the system; `None` if there are none.
    pub launcher: Option<Arc<Launcher>>,
    pub proxy: ProxySettings,
    pub limits: ConnectionLimits,
    /// Whether the method is offered; `None`: if a hook holds conversations (A3-26).
    pub keyboard_interactive: Option<bool>,
    /// Asked whether there is room for a connection.
    pub descriptors: Arc<dyn Descriptors>,
}

/// How long outcomes of logins are held back (B14-01).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginDelay {
    /// Added to a login that succeeds.
    pub success: Duration,
    /// Least time from the arrival of a wrong password to its refusal, so that the time tells nothing.
    pub password_failed: Duration,
}

impl Default for LoginDelay {
    fn default() -> Self {
        Self { success: Duration::ZERO, password_failed: Duration::from_secs(1) }
    }
}

/// The hooks at the beginning and at the end of a connection.
pub struct ConnectionHooks {
    pub connect: Arc<Chain<Connect>>,
    pub disconnect: Arc<Observers<Disconnect>>,
}

/// The state that all connections share.
pub struct SshServer {
    config: Arc<Config>,
    /// The configurations for clients whose offer is known, by cipher.
    by_cipher: Vec<(cipher::Name, Arc<Config>)>,
    /// The names under which the host keys are offered.
    host_keys: Vec<String>,
    /// The server's identification, with its line ending.
    identification: Vec<u8>,
    settings: SshSettings,
    login: Arc<LoginService>,
    hooks: ConnectionHooks,
    clock: Arc<dyn Clock>,
    connections: Arc<Connections>,
    serial: AtomicU64,
    /// Connections are being closed.
    stopping: AtomicBool,
}

/// A listener that is bound but not yet served: the port is known, and no connection is accepted.
pub struct BoundListener {
    listener: TcpListener,
    pub address: SocketAddr,
}

impl BoundListener {
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        Self::from_listener(TcpListener::bind(address).await?)
    }

    /// A listener that another process, such as systemd, has bound.
    pub fn from_listener(listener: TcpListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }
}

impl SshServer {
    pub fn new(
        mut settings: SshSettings,
        login: Arc<LoginService>,
        hooks: ConnectionHooks,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let keys = std::mem::take(&mut settings.host_keys);
        let config = |algorithms: &Algorithms| Arc::new(config(&settings, keys.clone(), algorithms));
        let algorithms = &settings.algorithms;
        let of_cipher = |cipher: &cipher::Name| (*cipher, config(&algorithms.with_cipher(*cipher)));
        let looked_for = if settings.prefer_fast_ciphers { algorithms.ciphers() } else { &[] };
        let by_cipher = looked_for.iter().map(of_cipher).collect();
        Arc::new(Self {
            config: config(algorithms),
            by_cipher,
            host_keys: algorithms.host_key_names(&keys),
            identification: format!("SSH-2.0-{}\r\n", settings.identification).into_bytes(),
            settings,
            login,
            hooks,
            clock,
            connections: Arc::new(Connections::default()),
            serial: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
        })
    }

    pub fn offers_keyboard_interactive(&self) -> bool {
        self.settings.keyboard_interactive.unwrap_or_else(|| self.login.has_conversations())
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    pub fn now(&self) -> i64 {
        self.clock.now()
    }

    pub fn settings(&self) -> &SshSettings {
        &self.settings
    }

    /// Serves until `stop` is cancelled. Then transfers get `grace` to end by themselves before their
    /// connections are closed; sessions without any are closed at once.
    ///
    /// In a box, so that all that a session does is compiled and optimised in this crate; the body of an asynchronous
    /// function is compiled where it is awaited.
    pub fn serve(
        self: Arc<Self>,
        bound: BoundListener,
        stop: CancellationToken,
        grace: Duration,
    ) -> BoxFuture<'static, ()> {
        Box::pin(self.accept_until(bound, stop, grace))
    }

    async fn accept_until(self: Arc<Self>, bound: BoundListener, stop: CancellationToken, grace: Duration) {
        if let Err(error) = set_options(&bound.listener) {
            tracing::debug!(sender = "sftpd", message = format!("the sockets' options could not be set: {error}"));
        }
        let mut tasks = JoinSet::new();
        let mut failures = Recurring::default();
        loop {
            tokio::select! {
                accepted = bound.listener.accept() => match accepted {
                    // Before anything else, so that what is refused takes no connection's place (B14).
                    Ok((_, remote)) if self.turns_away(remote, !self.settings.proxy.reads_header_of(remote.ip())) => {}
                    Ok((_, remote)) if self.lacks_descriptors(remote) => {}
                    Ok((socket, remote)) => {
                        // Done here, because tasks do not begin in the order in which they are made.
                        let (serial, close) = (self.serial.fetch_add(1, Ordering::Relaxed), CancellationToken::new());
                        let guard = self.connections.enter(serial, close.clone(), self.settings.max_half_open);
                        // As it is: in a block of its own, the task would have room for these values twice.
                        tasks.spawn(self.clone().connection(socket, remote, serial, close, guard));
                    }
                    Err(error) => {
                        if let Some(due) = failures.happened(Instant::now()) {
                            let message = format!("a connection could not be accepted: {error}{due}");
                            tracing::warn!(sender = "sftpd", message);
                        }
                        self.connections.evict_oldest();
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(ended) = tasks.join_next() => report_panic(ended),
                () = stop.cancelled() => break,
            }
        }
        drop(bound);
        self.drain(tasks, grace).await;
    }

    async fn drain(&self, mut tasks: JoinSet<()>, grace: Duration) {
        let all_ended = async |tasks: &mut JoinSet<()>| {
            let mut look = tokio::time::interval(DRAIN_INTERVAL);
            loop {
                tokio::select! {
                    ended = tasks.join_next() => match ended {
                        Some(ended) => report_panic(ended),
                        None => return,
                    },
                    _ = look.tick() => self.close_quiet_sessions(),
                }
            }
        };
        if tokio::time::timeout(grace, all_ended(&mut tasks)).await.is_err() {
            self.stopping.store(true, Ordering::Relaxed);
            self.connections.close_all();
            // Connections that do not end now are cut off when the process ends.
            let _ = tokio::time::timeout(CLOSE_TIME, all_ended(&mut tasks)).await;
        }
    }

    fn close_quiet_sessions(&self) {
        self.connections.close_half_open();
        let now = self.now();
        for session in self.login.sessions().sessions() {
            if !session.live.has_work() && now - session.live.last_activity() >= QUIET_TIME {
                self.login.sessions().close(&session.id, EndReason::ServerStop);
            }
        }
    }

    /// Whether a connection is closed before a byte is exchanged: because its address is banned, or because there are too
    /// many in a short time. `counts`: whether it counts for the limits on rates (B14-05), which is once.
    fn turns_away(&self, remote: SocketAddr, counts: bool) -> bool {
        let defender = self.login.defender();
        let reason = if defender.refuses(remote.ip()) {
            log_banned(remote);
            "the address is banned"
        } else if counts && defender.exceeds_rate(remote.ip()) {
            "too many connections in a short time, of the address or of all together"
        } else {
            return false;
        };
        self.login.turned_away(remote.ip(), reason);
        true
    }

    /// Whether a connection is closed because it would take what is left for administration. The oldest of those that have
    /// not logged in makes room for the next one.
    fn lacks_descriptors(&self, remote: SocketAddr) -> bool {
        if self.settings.descriptors.has_room(DescriptorUse::Client) {
            return false;
        }
        self.connections.evict_oldest();
        self.login.turned_away(remote.ip(), "the server has too many connections and files open");
        true
    }

    /// Logs, and puts on record, why a connection is closed before its handshake.
    fn refuse(&self, remote: SocketAddr, problem: &str) {
        let message = format!("a connection from {} was refused: {problem}", remote.ip());
        tracing::info!(sender = "sftpd", message);
        self.login.turned_away(remote.ip(), problem);
    }

    /// Runs one connection to its end.
    async fn connection(
        self: Arc<Self>,
        mut socket: TcpStream,
        remote: SocketAddr,
        serial: u64,
        close: CancellationToken,
        guard: ConnectionGuard,
    ) {
        let Ok(local) = socket.local_addr() else {
            return;
        };
        let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
        let may_be_proxied = self.settings.proxy.reads_header_of(remote.ip());
        let greeting = tokio::select! {
            greeting = Box::pin(self.settings.proxy.greet(&mut socket, remote.ip())) => greeting,
            () = close.cancelled() => return,
        };
        let greeting = match greeting {
            Ok(greeting) => greeting,
            Err(problem) => return self.refuse(remote, problem),
        };
        let remote =
            greeting.source.map_or(remote, |source| SocketAddr::new(source.ip().to_canonical(), source.port()));
        // The proxy was let in at first; here it is about the client.
        if may_be_proxied && self.turns_away(remote, true) {
            return;
        }
        if let Err(exceeded) = guard.belongs_to(remote.ip(), self.settings.limits) {
            if exceeded == ExceededLimit::PerHost {
                self.login.defender().score(remote.ip(), Offence::LimitExceeded);
            }
            return self.refuse(remote, &exceeded.to_string());
        }
        let now = self.clock.now();
        let connection = Arc::new(Connection {
            id: ConnectionId::new(format!("SSH_{now:x}{serial:04x}")),
            remote,
            local,
            client: OnceLock::new(),
            opened_at: now,
            web: None,
        });
        // Futures whose room would be the task's for as long as the session lasts are on the heap.
        if !self.hooks.connect.is_empty() && !Box::pin(self.is_let_in(&connection, &close)).await {
            return;
        }
        let ended = Ending::new(self.hooks.disconnect.clone(), connection.clone());
        let progress = Arc::new(LoginProgress::default());
        let mut read = greeting.rest;
        let (config, sent) = Box::pin(self.choose_config(&mut socket, &mut read)).await;
        let socket = BatchedSocket::new(socket, read, sent);
        let (grace, gate) = (self.settings.login_grace, Arc::new(ReadGate::default()));
        // The library keeps the stream several times over in the future of a session.
        let stream = Box::new(GuardedStream::new(
            socket,
            connection.clone(),
            close.clone(),
            progress.clone(),
            grace,
            gate.clone(),
        ));
        let login = Login::new(self.login.clone(), connection.clone(), close.clone());
        let handle = Arc::new(OnceLock::new());
        let (told, closed) = (progress.clone(), close.clone());
        let handler = SshHandler::new(self.clone(), login, guard, told, ended, gate, closed, handle.clone());
        // On the heap, which is free again while the session runs.
        let outcome = match Box::pin(russh::server::run_stream(config, stream, handler)).await {
            Ok(session) => {
                // Set before the client can have sent anything.
                let _ = handle.set(session.handle());
                to_its_end(session, &connection, &progress, &close).await
            }
            Err(error) => Err(error),
        };
        report_end(&connection, outcome);
    }

    /// The offer for a client, and how many bytes were sent to the client already in order to read its own offer.
    async fn choose_config(&self, socket: &mut TcpStream, read: &mut Vec<u8>) -> (Arc<Config>, usize) {
        if self.by_cipher.is_empty() {
            return (self.config.clone(), 0);
        }
        let offer = look_ahead(socket, &self.identification, read).await;
        let best = offer.and_then(|offer| offer.best_cipher(&self.settings.algorithms, &self.host_keys));
        let config = best.and_then(|best| self.by_cipher.iter().find(|(cipher, _)| *cipher == best));
        (config.map_or(&self.config, |(_, config)| config).clone(), self.identification.len())
    }

    /// Asks the hooks of `connect`, before the first byte of the handshake (B7-01).
    async fn is_let_in(&self, connection: &Arc<Connection>, close: &CancellationToken) -> bool {
        let mut event = Connect(connection.clone());
        let decision = tokio::select! {
            decision = self.hooks.connect.decide(&mut event) => decision,
            () = close.cancelled() => return false,
        };
        let reason = match decision.map(|decision| decision.verdict) {
            Ok(Review::Deny(denial)) => denial.reason,
            Ok(Review::Allow | Review::Done) => return true,
            Err(failure) => failure.to_string(),
        };
        let connection_id = connection.id.as_str();
        let message = format!("a connection from {} was refused: {reason}", connection.remote.ip());
        tracing::info!(sender = "post_connect_hook", message, connection_id);
        false
    }
}

fn config(settings: &SshSettings, keys: Vec<PrivateKey>, algorithms: &Algorithms) -> Config {
    Config {
        server_id: SshId::Standard(format!("SSH-2.0-{}", settings.identification).into()),
        methods: offered_methods(settings.keyboard_interactive.unwrap_or_default()),
        auth_rejection_time: REJECTION_TIME,
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys,
        limits: Limits::default(),
        window_size: WINDOW_SIZE,
        maximum_packet_size: MAX_PACKET_SIZE,
        event_buffer_size: EVENT_QUEUE,
        preferred: algorithms.preferred(),
        // The library counts the question which methods there are as a try; the handler does not.
        max_auth_attempts: settings.max_auth_tries.map_or(0, |tries| tries.saturating_add(1)),
        inactivity_timeout: Some(NO_IDLE_TIMEOUT),
        ..Config::default()
    }
}

pub fn offered_methods(keyboard_interactive: bool) -> MethodSet {
    let methods = [MethodKind::PublicKey, MethodKind::Password, MethodKind::KeyboardInteractive];
    MethodSet::from(if keyboard_interactive { &methods[..] } else { &methods[..2] })
}

/// The options of the connections, which inherit them from their listener (tcp(7)). The kernel finds peers that
/// vanished, since their connection would go on taking one of the account's sessions.
fn set_options(listener: &TcpListener) -> io::Result<()> {
    use rustix::net::sockopt;
    sockopt::set_tcp_nodelay(listener, true)?;
    sockopt::set_socket_keepalive(listener, true)?;
    sockopt::set_tcp_keepidle(listener, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(listener, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(listener, KEEPALIVE_PROBES)?;
    Ok(())
}

fn log_banned(remote: SocketAddr) {
    tracing::debug!(sender = "defender", client_ip = %remote.ip(), protocol = "SSH", event = "refused");
}

fn report_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(sender = "sftpd", message = "a connection's task panicked; this connection alone was ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connections_have_the_options_of_their_listener() {
        use rustix::net::sockopt;
        let bound = BoundListener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        set_options(&bound.listener).unwrap();
        let _client = TcpStream::connect(bound.address).await.unwrap();
        let (socket, _) = bound.listener.accept().await.unwrap();
        assert!(sockopt::tcp_nodelay(&socket).unwrap() && sockopt::socket_keepalive(&socket).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&socket).unwrap(), KEEPALIVE_IDLE);
        assert_eq!(sockopt::tcp_keepintvl(&socket).unwrap(), KEEPALIVE_INTERVAL);
        assert_eq!(sockopt::tcp_keepcnt(&socket).unwrap(), KEEPALIVE_PROBES);
    }
}
