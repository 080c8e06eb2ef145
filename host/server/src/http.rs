//! Binds the sockets of HTTP, and reads their certificates again when the operator asks for it.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use tidegate_api::{Binding, Certificates, HttpLimits, Served, Socket, TrustedProxies};
use tidegate_core::guard::Defender;
use tidegate_core::ports::Descriptors;
use tidegate_web::Pages;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::config::settings::{HttpBinding, HttpPlace};

/// The user and the group of the server may connect.
const SOCKET_MODE: u32 = 0o660;

/// What decides whether a connection is taken.
pub struct Doors {
    pub defender: Arc<Defender>,
    pub descriptors: Arc<dyn Descriptors>,
}

impl Doors {
    fn before(&self, socket: Socket) -> Binding {
        let (defender, descriptors) = (Some(self.defender.clone()), Some(self.descriptors.clone()));
        Binding { defender, descriptors, ..Binding::plain(socket) }
    }
}

/// Binds the sockets, and announces them. `handed_over`: a listener that another process has bound, in the place of the
/// first one on a port. With each comes which pages it has. A default port that is in use does not keep the
/// server from starting.
async fn bind(
    bindings: &[HttpBinding],
    handed_over: Option<TcpListener>,
    doors: &Doors,
) -> anyhow::Result<Vec<(Binding, Pages)>> {
    let mut bound = Vec::new();
    let mut handed_over = match handed_over {
        Some(listener) => Some(tokio::net::TcpListener::from_std(listener)?),
        None => None,
    };
    for binding in bindings {
        let certificates = match &binding.certificate {
            Some((certificate, key)) => Some(Arc::new(Certificates::read(certificate.clone(), key.clone())?)),
            None => None,
        };
        let socket = match &binding.place {
            HttpPlace::Unix(path) => Some(Socket::Unix(bind_path(path).await?)),
            HttpPlace::Tcp(address) => match handed_over.take() {
                Some(listener) => Some(Socket::Tcp(listener)),
                None => bind_port(*address, binding.is_chosen).await?.map(Socket::Tcp),
            },
        };
        let Some(socket) = socket else { continue };
        let proxies = TrustedProxies(binding.proxies.clone());
        bound.push((Binding { certificates, proxies, ..doors.before(socket) }, binding.pages));
    }
    let pages = Pages { has_admin: true, has_client: false };
    bound.extend(handed_over.map(|listener| (doors.before(Socket::Tcp(listener)), pages)));
    for (binding, _) in &bound {
        announce(&binding.socket)?;
    }
    Ok(bound)
}

fn announce(socket: &Socket) -> anyhow::Result<()> {
    match socket {
        Socket::Tcp(listener) => {
            let address = listener.local_addr()?;
            tracing::info!(sender = "httpd", message = "listening", service = "httpd", address = %address);
        }
        Socket::Unix(listener) => {
            let address = listener.local_addr()?;
            let path = address.as_pathname().map(|path| path.display().to_string()).unwrap_or_default();
            tracing::info!(sender = "httpd", message = "listening", service = "httpd", address = path);
        }
        Socket::Control(_) => {}
    }
    Ok(())
}

async fn bind_port(address: std::net::SocketAddr, is_chosen: bool) -> anyhow::Result<Option<tokio::net::TcpListener>> {
    match tokio::net::TcpListener::bind(address).await {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if !is_chosen => {
            let message = format!("there will be no HTTP: {address} cannot be bound: {error}");
            tracing::warn!(sender = "httpd", message);
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| {
            format!("{address} cannot be bound; choose another with httpd.bind_address and httpd.bind_port")
        }),
    }
}

/// Binds a unix socket; one that a server has left is replaced.
async fn bind_path(path: &Path) -> anyhow::Result<UnixListener> {
    if let Ok(metadata) = path.symlink_metadata() {
        if !metadata.file_type().is_socket() {
            bail!("{} is there and is no socket; choose another path in httpd.bindings", path.display());
        }
        match tokio::net::UnixStream::connect(path).await {
            // No process listens any more, or the socket was removed meanwhile.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => {}
            Err(error) if error.kind() != ErrorKind::WouldBlock => bail!(
                "whether a server listens on {} cannot be found out: {error}; remove it if none does, or choose another \
                 path in httpd.bindings",
                path.display()
            ),
            // Also one that has no time for a connection.
            Ok(_) | Err(_) => {
                bail!("another server listens on {}; choose another path in httpd.bindings", path.display())
            }
        }
        std::fs::remove_file(path).with_context(|| format!("{} could not be removed", path.display()))?;
    }
    let listener = UnixListener::bind(path).with_context(|| format!("{} could not be made", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(SOCKET_MODE))?;
    Ok(listener)
}

/// HTTP on its sockets, for as long as there are connections: while the server drains, it says so.
pub struct Http {
    end: CancellationToken,
    serving: JoinSet<()>,
    over_tcp: Vec<Pages>,
    /// Reads the certificates again. Without certificates, SIGHUP reads nothing again here.
    _renewal: Option<AbortOnDropHandle<()>>,
}

impl Http {
    /// Binds the sockets, and serves the site with the pages of each on them.
    pub async fn start(
        bindings: &[HttpBinding],
        handed_over: Option<TcpListener>,
        site: impl Fn(Pages) -> Served,
        doors: &Doors,
    ) -> anyhow::Result<Self> {
        let (end, mut serving) = (CancellationToken::new(), JoinSet::new());
        let bound = bind(bindings, handed_over, doors).await?;
        let over_tcp = bound.iter().filter(|(binding, _)| matches!(binding.socket, Socket::Tcp(_)));
        let over_tcp = over_tcp.map(|(_, pages)| *pages).collect();
        let certificates: Vec<_> = bound.iter().filter_map(|(binding, _)| binding.certificates.clone()).collect();
        for (binding, pages) in bound {
            serving.spawn(tidegate_api::serve(binding, site(pages), HttpLimits::default(), end.clone()));
        }
        let has_certificates = !certificates.is_empty();
        let renewal = has_certificates.then(|| AbortOnDropHandle::new(tokio::spawn(follow_hangups(certificates))));
        Ok(Self { end, serving, over_tcp, _renewal: renewal })
    }

    /// The pages of each binding that listens on a port.
    pub fn over_tcp(&self) -> &[Pages] {
        &self.over_tcp
    }

    /// Lets requests under way end, for a moment.
    pub async fn finish(mut self) {
        self.end.cancel();
        // A panic in one of them has been logged.
        while self.serving.join_next().await.is_some() {}
    }
}

/// Reads the certificates again at each SIGHUP; never returns. One that cannot be used leaves the former in use.
async fn follow_hangups(certificates: Vec<Arc<Certificates>>) {
    let mut hangups = match signal(SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(error) => {
            let message = format!("certificates will not be read again: SIGHUP cannot be handled: {error}");
            return tracing::error!(sender = "httpd", message);
        }
    };
    while hangups.recv().await.is_some() {
        for certificates in &certificates {
            let certificates = certificates.clone();
            // The files may lie on a disk that does not answer.
            let Ok(reloaded) = tokio::task::spawn_blocking(move || certificates.reload()).await else { continue };
            match reloaded {
                Ok(()) => tracing::info!(sender = "httpd", message = "the certificate was read again"),
                Err(error) => {
                    tracing::error!(sender = "httpd", message = format!("the former certificate stays: {error}"))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_a_server_has_left_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let check = async |expected: Result<(), &str>| match (bind_path(&path).await, expected) {
            (Ok(listener), Ok(())) => {
                assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, SOCKET_MODE);
                Some(listener)
            }
            (Err(error), Err(part)) => {
                assert!(format!("{error:#}").contains(part), "{error:#}");
                None
            }
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        };
        let listener = check(Ok(())).await;
        check(Err("another server listens")).await;
        // As many wait as may: a connection is refused for now.
        rustix::net::listen(listener.as_ref().unwrap(), 0).unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) = tokio::net::UnixStream::connect(&path).await {
            waiting.push(stream);
        }
        check(Err("another server listens")).await;
        drop(listener);
        check(Ok(())).await;
        std::fs::remove_file(&path).unwrap();
        // One of another type, to which no stream connects.
        let datagrams = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        check(Err("cannot be found out")).await;
        drop(datagrams);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "a file").unwrap();
        check(Err("is no socket")).await;
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a file");
    }
}
