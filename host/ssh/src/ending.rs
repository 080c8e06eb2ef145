//! How connections end, and what observers and the log are told.

use std::sync::Arc;
use std::time::Instant;

use russh::server::RunningSession;
use russh::{AlgorithmKind, Disconnect as Reason};
use tidegate_core::connection::Connection;
use tidegate_core::hook::Observers;
use tidegate_core::hook::observation::Disconnect;
use tidegate_core::session::Session;
use tokio_util::sync::CancellationToken;

use crate::handler::SshHandler;
use crate::listener::CLOSE_TIME;
use crate::login_progress::{LoginProgress, repeats_its_service_request};

/// Most characters of a list of algorithms in the log; a client may send 35 KB.
const MAX_LISTED: usize = 1000;

/// Tells the observers that a connection ended, when it is dropped (B7-02).
pub struct Ending {
    observers: Arc<Observers<Disconnect>>,
    connection: Arc<Connection>,
    started: Instant,
    pub session: Option<Arc<Session>>,
    pub protocol: &'static str,
}

impl Ending {
    pub fn new(observers: Arc<Observers<Disconnect>>, connection: Arc<Connection>) -> Self {
        Self { observers, connection, started: Instant::now(), session: None, protocol: "SSH" }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.observers.notify(Disconnect {
            connection: self.connection.clone(),
            session: self.session.take(),
            protocol: self.protocol,
            duration: self.started.elapsed(),
        });
    }
}

/// Waits for a session to end, and ends it if the client waits in vain.
pub async fn to_its_end(
    session: RunningSession<Box<SshHandler>>,
    connection: &Connection,
    progress: &LoginProgress,
    close: &CancellationToken,
) -> Result<(), russh::Error> {
    let client = connection.client.get().map_or("", String::as_str);
    if !repeats_its_service_request(client) {
        return session.await;
    }
    // On the heap, because the connections of all clients have the same room.
    Box::pin(unless_it_waits_in_vain(session, connection, progress, close)).await
}

async fn unless_it_waits_in_vain(
    mut session: RunningSession<Box<SshHandler>>,
    connection: &Connection,
    progress: &LoginProgress,
    close: &CancellationToken,
) -> Result<(), russh::Error> {
    let client = connection.client.get().map_or("", String::as_str);
    tokio::select! {
        outcome = &mut session => return outcome,
        () = progress.is_stuck() => {}
    }
    let advice = "the client asked for the authentication service a second time, which this server answers only once; \
        use one method (allow_agent=False, look_for_keys=False), or paramiko.ServiceRequestingTransport";
    let message = format!(
        "a connection from {} was ended: {advice}; the client is \"{}\"",
        connection.remote.ip(),
        client.escape_debug()
    );
    tracing::info!(sender = "sftpd", message, connection_id = connection.id.as_str());
    let told = session.handle().disconnect(Reason::ServiceNotAvailable, advice.to_owned(), "en".to_owned()).await;
    if told.is_ok()
        && let Ok(outcome) = tokio::time::timeout(CLOSE_TIME, &mut session).await
    {
        return outcome;
    }
    close.cancel();
    session.await
}

pub fn report_end(connection: &Connection, outcome: Result<(), russh::Error>) {
    let connection_id = connection.id.as_str();
    match outcome {
        Ok(()) => tracing::debug!(sender = "sftpd", message = "connection closed", connection_id),
        Err(russh::Error::Join(_)) => {
            let message = "the connection's task panicked; this connection alone was ended";
            tracing::error!(sender = "sftpd", message, connection_id);
        }
        Err(russh::Error::NoCommonAlgo { kind, ours, theirs }) => {
            let message = nothing_in_common(connection, kind, &ours, &theirs);
            tracing::info!(sender = "sftpd", message, connection_id);
        }
        Err(error) => tracing::debug!(sender = "sftpd", message = format!("connection closed: {error}"), connection_id),
    }
}

/// The message for the log. The client's lists are cut, since it may send 35 KB.
fn nothing_in_common(connection: &Connection, kind: AlgorithmKind, ours: &[String], theirs: &[String]) -> String {
    let kind = match kind {
        AlgorithmKind::Kex => "key exchange",
        AlgorithmKind::Key => "host key",
        AlgorithmKind::Cipher => "cipher",
        AlgorithmKind::Compression => "compression",
        AlgorithmKind::Mac => "MAC",
    };
    let list = |names: &[String]| {
        let text = names.join(",").escape_debug().take(MAX_LISTED).collect::<String>();
        if text.is_empty() { "nothing".to_owned() } else { text }
    };
    let software = connection.client.get().map_or("", String::as_str).escape_debug();
    format!(
        "a connection from {} ended without a common {kind} algorithm; the client \"{software}\" offers {}; \
         the server offers {}",
        connection.remote.ip(),
        list(theirs),
        list(ours),
    )
}
