//! The way to a session: a connection to a server whose key is pinned, a login, and the subsystem.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use russh::client::{self, AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::keys::{HashAlg, PrivateKeyWithHashAlg, PublicKeyOrCertificate, decode_secret_key};
use russh::{ChannelMsg, MethodKind};
use tidegate_core::metrics::Metrics;
use tidegate_core::ports::storage::{SftpLocation, StorageError, StorageErrorKind};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::errors::Fault;
use crate::session::Session;

/// The port of an endpoint that names none.
const PORT: u16 = 22;
/// The window of the channel, in bytes.
const WINDOW: u32 = 4 << 20;
/// The most questions that a server may ask instead of taking a password.
const ROUNDS: usize = 4;

/// How long connections may take and be silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// The longest time until a session has begun.
    pub connect: Duration,
    /// The longest time of one request.
    pub answer: Duration,
    /// How long a connection is silent before a keep-alive is sent; it ends after three without an answer.
    pub keepalive: Duration,
}

/// The way to a server: what is behind it speaks SFTP.
#[async_trait]
pub trait Dial: Send + Sync {
    /// Opens the way.
    ///
    /// # Errors
    /// The server cannot be reached, shows another key, or does not accept the user.
    async fn dial(&self, place: &SftpLocation) -> Result<Streams, StorageError>;
}

/// A way that is open.
pub struct Streams {
    /// What comes from the server.
    pub reader: Box<dyn AsyncRead + Unpin + Send>,
    /// What goes to it.
    pub writer: Box<dyn AsyncWrite + Unpin + Send>,
    /// Dropped when the way is not needed any more.
    pub guard: Box<dyn Any + Send>,
}

/// The way over SSH.
pub struct OverSsh(pub Times);

#[async_trait]
impl Dial for OverSsh {
    async fn dial(&self, place: &SftpLocation) -> Result<Streams, StorageError> {
        Ok(open(place, self.0).await?)
    }
}

/// Begins a session.
///
/// # Errors
/// There is no way to the server, or it speaks another protocol.
pub async fn connect(
    dial: &dyn Dial,
    place: &SftpLocation,
    times: Times,
    metrics: Arc<Metrics>,
) -> Result<Session, Fault> {
    let begin = async {
        let Streams { reader, writer, guard } = dial.dial(place).await?;
        Session::begin(reader, writer, guard, times.answer, metrics).await
    };
    let late = |_| Fault::Gone(format!("no session began in {} seconds", times.connect.as_secs()));
    tokio::time::timeout(times.connect, begin).await.map_err(late)?
}

async fn open(place: &SftpLocation, times: Times) -> Result<Streams, Fault> {
    let gone = |error: std::io::Error| Fault::Gone(format!("{}: {error}", place.endpoint));
    let socket = TcpStream::connect(with_port(&place.endpoint)).await.map_err(gone)?;
    socket.set_nodelay(true).map_err(gone)?;
    let config = client::Config {
        window_size: WINDOW,
        keepalive_interval: Some(times.keepalive),
        nodelay: true,
        ..client::Config::default()
    };
    let shown = Arc::new(Mutex::new(None));
    let handler = Pinned { fingerprints: place.fingerprints.clone(), shown: shown.clone() };
    let mut handle = match client::connect_stream(Arc::new(config), socket, handler).await {
        Ok(handle) => handle,
        Err(error) => {
            let shown = shown.lock().unwrap_or_else(PoisonError::into_inner).take();
            return Err(match shown {
                Some(shown) => unknown_key(place, &shown).into(),
                None => lost(&error),
            });
        }
    };
    log_in(&mut handle, place).await?;
    let mut channel = handle.channel_open_session().await.map_err(|error| lost(&error))?;
    channel.request_subsystem(true, "sftp").await.map_err(|error| lost(&error))?;
    loop {
        match channel.wait().await {
            Some(ChannelMsg::Success) => break,
            Some(ChannelMsg::WindowAdjusted { .. }) => {}
            Some(_) | None => {
                return Err(refused("the server has no SFTP for this user", StorageErrorKind::Other));
            }
        }
    }
    let (reader, writer) = tokio::io::split(channel.into_stream());
    Ok(Streams { reader: Box::new(reader), writer: Box::new(writer), guard: Box::new(handle) })
}

/// The endpoint as an address with a port.
pub fn with_port(endpoint: &str) -> String {
    let is_bare = endpoint.parse::<std::net::Ipv6Addr>().is_ok();
    let has_port = endpoint.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    match (is_bare, has_port) {
        (true, _) => format!("[{endpoint}]:{PORT}"),
        (false, true) => endpoint.to_owned(),
        (false, false) => format!("{endpoint}:{PORT}"),
    }
}

fn lost(error: &russh::Error) -> Fault {
    Fault::Gone(error.to_string())
}

/// A refusal that trying again does not help.
fn refused(reason: &str, kind: StorageErrorKind) -> Fault {
    let text = "the SFTP server that has the files cannot be used as it is configured";
    StorageError::new(kind, text).with_detail(reason).into()
}

fn unknown_key(place: &SftpLocation, shown: &str) -> StorageError {
    let text = "the SFTP server that has the files is not known by its host key; an administrator has to check it";
    let endpoint = &place.endpoint;
    let detail = if place.fingerprints.is_empty() {
        format!(
            "{endpoint} shows the host key {shown}; if that is the server's own, put it into filesystem.sftpconfig.fingerprints"
        )
    } else {
        format!(
            "{endpoint} shows the host key {shown}, which is none of filesystem.sftpconfig.fingerprints; add it only if the server's key was changed"
        )
    };
    let message = format!("{text}: {detail}");
    tracing::warn!(sender = "sftp-storage", message);
    StorageError::new(StorageErrorKind::Other, text).with_detail(detail)
}

/// Accepts a server by its key alone.
struct Pinned {
    fingerprints: Vec<String>,
    /// The fingerprint of a key that was not accepted.
    shown: Arc<Mutex<Option<String>>>,
}

impl client::Handler for Pinned {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        // No certificate is asked for.
        let PublicKeyOrCertificate::PublicKey { key, .. } = key else { return Ok(false) };
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        let is_known = self.fingerprints.iter().any(|known| known.trim_end_matches('=') == fingerprint);
        if !is_known {
            *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(fingerprint);
        }
        Ok(is_known)
    }
}

/// Logs in with the key, the password, or both where the server wants both.
async fn log_in(handle: &mut Handle<Pinned>, place: &SftpLocation) -> Result<(), Fault> {
    let denied = || {
        let detail =
            format!("{} does not accept the user \"{}\" with these credentials", place.endpoint, place.username);
        refused(&detail, StorageErrorKind::Other)
    };
    if !place.private_key.is_empty() && by_key(handle, place).await? {
        return Ok(());
    }
    if place.password.is_empty() {
        return Err(denied());
    }
    let (user, password) = (place.username.as_str(), place.password.expose());
    let remaining = match handle.authenticate_password(user, password).await.map_err(|error| lost(&error))? {
        AuthResult::Success => return Ok(()),
        AuthResult::Failure { remaining_methods, .. } => remaining_methods,
    };
    if !remaining.contains(&MethodKind::KeyboardInteractive) {
        return Err(denied());
    }
    let mut answer = handle.authenticate_keyboard_interactive_start(user, None::<String>).await;
    for _ in 0..ROUNDS {
        match answer.map_err(|error| lost(&error))? {
            KeyboardInteractiveAuthResponse::Success => return Ok(()),
            // One question that hides what is typed is the one for the password.
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. }
                if prompts.is_empty() || matches!(prompts.as_slice(), [one] if !one.echo) =>
            {
                let answers = prompts.iter().map(|_| password.to_owned()).collect();
                answer = handle.authenticate_keyboard_interactive_respond(answers).await;
            }
            KeyboardInteractiveAuthResponse::InfoRequest { .. } | KeyboardInteractiveAuthResponse::Failure { .. } => {
                break;
            }
        }
    }
    Err(denied())
}

/// Tries the private key; whether that is all that the server wants.
async fn by_key(handle: &mut Handle<Pinned>, place: &SftpLocation) -> Result<bool, Fault> {
    let passphrase = Some(place.key_passphrase.expose()).filter(|passphrase| !passphrase.is_empty());
    // What the library says of a key is not told: it could have parts of it.
    let key = decode_secret_key(place.private_key.expose(), passphrase).map_err(|_| {
        let text = "filesystem.sftpconfig.private_key is not a private key, or its passphrase is not the right one";
        refused(text, StorageErrorKind::Other)
    })?;
    let hash = match key.algorithm().is_rsa() {
        true => handle.best_supported_rsa_hash().await.map_err(|error| lost(&error))?.flatten(),
        false => None,
    };
    let hash = hash.or(Some(HashAlg::Sha512));
    let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
    let outcome = handle.authenticate_publickey(place.username.as_str(), key).await;
    Ok(outcome.map_err(|error| lost(&error))?.success())
}

#[cfg(test)]
mod tests {
    use super::with_port;

    #[test]
    fn endpoints_without_a_port_have_that_of_ssh() {
        let check = |endpoint: &str, expected: &str| assert_eq!(with_port(endpoint), expected, "{endpoint}");
        check("h", "h:22");
        check("h:2022", "h:2022");
        check("10.0.0.1", "10.0.0.1:22");
        check("::1", "[::1]:22");
        check("[::1]", "[::1]:22");
        check("[::1]:2022", "[::1]:2022");
    }
}
