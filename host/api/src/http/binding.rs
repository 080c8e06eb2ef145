//! Listening sockets.

use std::net::SocketAddr;
use std::sync::Arc;

use tidegate_core::guard::Defender;
use tidegate_core::ports::Descriptors;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::{Certificates, Entrance, TrustedProxies};

/// A listening socket with what belongs to it.
pub struct Binding {
    pub socket: Socket,
    /// None: requests are not encrypted.
    pub certificates: Option<Arc<Certificates>>,
    pub proxies: TrustedProxies,
    /// Knows banned addresses, whose connections are refused before any handshake.
    pub defender: Option<Arc<Defender>>,
    /// Asked whether there is room for a connection. None: there always is.
    pub descriptors: Option<Arc<dyn Descriptors>>,
}

/// A listening socket.
pub enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
    /// The control socket.
    Control(UnixListener),
}

/// An accepted connection.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// The other end of an accepted connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Other {
    pub entrance: Entrance,
    pub peer: Option<SocketAddr>,
    pub uid: Option<u32>,
}

impl Binding {
    /// A binding without TLS, proxies and bans, which may take the last descriptor.
    pub fn plain(socket: Socket) -> Self {
        Self { socket, certificates: None, proxies: TrustedProxies::default(), defender: None, descriptors: None }
    }
}

impl Socket {
    pub(super) async fn accept(&self) -> std::io::Result<(Stream, Other)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Answers are written as a whole.
                stream.set_nodelay(true)?;
                let own = stream.local_addr()?;
                let is_local = peer.ip().to_canonical().is_loopback() && own.ip().to_canonical().is_loopback();
                Ok((Stream::Tcp(stream), Other { entrance: Entrance::Tcp { is_local }, peer: Some(peer), uid: None }))
            }
            Self::Unix(listener) => accept_local(listener, Entrance::Unix).await,
            Self::Control(listener) => accept_local(listener, Entrance::Control).await,
        }
    }
}

async fn accept_local(listener: &UnixListener, entrance: Entrance) -> std::io::Result<(Stream, Other)> {
    let (stream, _) = listener.accept().await?;
    let uid = stream.peer_cred().ok().map(|credentials| credentials.uid());
    Ok((Stream::Unix(stream), Other { entrance, peer: None, uid }))
}
