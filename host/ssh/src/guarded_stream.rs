//! A socket that can be cut off from outside. The SSH library does not limit the time for a login,
//! and ignores a disconnect while keys are exchanged; ending the stream always works. While nothing
//! is read, it also ends when the client is gone, which otherwise only a read would show.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tidegate_core::connection::Connection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::CancellationToken;

use crate::login_progress::LoginProgress;
use crate::read_gate::ReadGate;

/// Completes when the connection must end, with the reason.
type Guard = Pin<Box<dyn Future<Output = &'static str> + Send>>;

/// The time between looks for the client while nothing is read. One that has left is given as much again, in which the
/// channels may take what it has sent before.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What a stream knows of its other end.
pub trait OtherEnd {
    /// Whether it will send no more, whatever of it has not been read yet.
    fn has_left(&self) -> bool;
}

/// The looks for the client while nothing is read.
struct Look {
    next: Pin<Box<Sleep>>,
    had_left: bool,
}

pub struct GuardedStream<S> {
    stream: S,
    /// `None` once the guard has completed.
    guard: Option<Guard>,
    reason: &'static str,
    gate: Arc<ReadGate>,
    /// `None` until the gate was shut.
    look: Option<Look>,
    /// `None` once the client has logged in.
    progress: Option<Arc<LoginProgress>>,
    /// The part of the client's first line that has arrived; `None` once the line is complete (RFC 4253 §4.2).
    identification: Option<(Vec<u8>, Arc<Connection>)>,
}

/// Longest identification, in bytes.
const MAX_IDENTIFICATION: usize = 255;

impl<S> GuardedStream<S> {
    /// The stream ends when `close` is called, or when the client has not logged in after `grace`.
    /// The client's identification is stored in `connection`. Nothing is read while `gate` is shut.
    pub fn new(
        stream: S,
        connection: Arc<Connection>,
        close: CancellationToken,
        progress: Arc<LoginProgress>,
        grace: Duration,
        gate: Arc<ReadGate>,
    ) -> Self {
        let (login, closed) = (progress.clone(), close.clone());
        // On the heap, which is free again once the client has logged in.
        let logging_in = Box::pin(async move {
            tokio::select! {
                () = closed.cancelled() => Some("closed by the server"),
                done = tokio::time::timeout(grace, login.is_logged_in()) => {
                    done.is_err().then_some("the login took too long")
                }
            }
        });
        let guard = async move {
            let refusal = logging_in.await;
            if let Some(reason) = refusal {
                return reason;
            }
            close.cancelled().await;
            "closed by the server"
        };
        let identification = Some((Vec::new(), connection));
        let (guard, progress): (Guard, _) = (Box::pin(guard), Some(progress));
        Self { stream, guard: Some(guard), reason: "", gate, look: None, progress, identification }
    }

    fn look_at(&mut self, data: &[u8]) {
        let Some((line, connection)) = &mut self.identification else { return };
        let room = MAX_IDENTIFICATION.saturating_sub(line.len());
        let end = data.iter().position(|byte| *byte == b'\n');
        line.extend(data.iter().take(end.unwrap_or(data.len()).min(room)));
        if end.is_none() && line.len() < MAX_IDENTIFICATION {
            return;
        }
        // A NUL, which RFC 4253 §4.2 forbids, could not be passed to programs.
        let text = String::from_utf8_lossy(line).trim_end().replace('\0', "\u{fffd}");
        // Only this code sets the value, and only once.
        let _ = connection.client.set(text);
        self.identification = None;
    }

    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if let Some(guard) = &mut self.guard {
            match guard.as_mut().poll(cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(reason) => {
                    self.reason = reason;
                    self.guard = None;
                }
            }
        }
        Err(io::Error::new(io::ErrorKind::ConnectionAborted, self.reason))
    }
}

impl<S: OtherEnd> GuardedStream<S> {
    /// Whether the client has left while nothing was read. An upload that waits for memory of the object store keeps the gate
    /// shut for minutes, and would hold its place among those that wait.
    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let interval = || Box::pin(sleep(LOOK_INTERVAL));
        let look = self.look.get_or_insert_with(|| Look { next: interval(), had_left: false });
        while look.next.as_mut().poll(cx).is_ready() {
            let has_left = self.stream.has_left();
            if has_left && look.had_left {
                return Poll::Ready(());
            }
            look.had_left = has_left;
            look.next.as_mut().reset(Instant::now() + LOOK_INTERVAL);
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + AsyncWrite + OtherEnd + Unpin> AsyncRead for GuardedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        let before = buffer.filled().len();
        let outcome = match self.gate.poll_open(cx) {
            Poll::Ready(()) => {
                // Its timer is kept: the gate of an upload shuts and opens often.
                if let Some(look) = &mut self.look {
                    look.had_left = false;
                }
                Pin::new(&mut self.stream).poll_read(cx, buffer)
            }
            Poll::Pending if self.poll_left(cx).is_ready() => {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the client is gone")));
            }
            Poll::Pending => Poll::Pending,
        };
        if outcome.is_pending() {
            // A pending flush goes on at the next read.
            if let Poll::Ready(Err(error)) = Pin::new(&mut self.stream).poll_flush(cx) {
                return Poll::Ready(Err(error));
            }
            return Poll::Pending;
        }
        if self.progress.as_ref().is_some_and(|progress| !progress.arrived()) {
            self.progress = None;
        }
        if self.identification.is_some() {
            self.look_at(buffer.filled().get(before..).unwrap_or_default());
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for GuardedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    /// Does nothing: output is flushed when there is nothing to read, so that replies to requests
    /// that arrived together leave together.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use std::sync::OnceLock;

    use tidegate_core::connection::ConnectionId;

    use super::*;
    use crate::listener::LOGIN_GRACE;
    use crate::read_gate::GateShare;

    /// The stream, and whether its other end has left.
    struct Known(DuplexStream, bool);

    impl OtherEnd for Known {
        fn has_left(&self) -> bool {
            self.1
        }
    }

    impl AsyncRead for Known {
        fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(cx, buffer)
        }
    }

    impl AsyncWrite for Known {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(cx, data)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }

    fn connection() -> Arc<Connection> {
        let address = "127.0.0.1:1".parse().unwrap();
        let (id, client) = (ConnectionId::new("c"), OnceLock::new());
        Arc::new(Connection { id, remote: address, local: address, client, opened_at: 0, web: None })
    }

    async fn check(authenticate: bool, close: bool, expected: Option<&str>) {
        let (_peer, stream) = tokio::io::duplex(10);
        let stream = Known(stream, false);
        let progress = Arc::new(LoginProgress::default());
        let signal = CancellationToken::new();
        let mut guarded =
            GuardedStream::new(stream, connection(), signal.clone(), progress.clone(), LOGIN_GRACE, Arc::default());
        if authenticate {
            progress.logged_in();
        }
        if close {
            signal.cancel();
        }
        let read = tokio::time::timeout(Duration::from_secs(600), guarded.read_u8()).await;
        assert_eq!(read.ok().map(|error| error.unwrap_err().to_string()).as_deref(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn the_stream_ends_in_time() {
        // A4-01
        assert_eq!(LOGIN_GRACE, Duration::from_secs(120));
        check(false, false, Some("the login took too long")).await;
        check(true, false, None).await;
        check(true, true, Some("closed by the server")).await;
        check(false, true, Some("closed by the server")).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_gone_is_not_waited_for_while_nothing_is_read() {
        // `shut`: whether the gate is, and `has_left`: whether the client has.
        let check = async |shut: bool, has_left: bool, expected: Result<u8, &str>| {
            let (mut peer, stream) = tokio::io::duplex(10);
            peer.write_all(b"x").await.unwrap();
            let progress = Arc::new(LoginProgress::default());
            progress.logged_in();
            let (close, gate) = (CancellationToken::new(), Arc::new(ReadGate::default()));
            let mut share = GateShare::new(gate.clone());
            share.set_shut(shut);
            let stream = Known(stream, has_left);
            let mut guarded = GuardedStream::new(stream, connection(), close, progress, LOGIN_GRACE, gate);
            let read = tokio::time::timeout(Duration::from_secs(5), guarded.read_u8()).await;
            let read = read.map_or_else(|_| Err("nothing".to_owned()), |read| read.map_err(|error| error.to_string()));
            assert_eq!(read, expected.map_err(str::to_owned), "{shut} {has_left}");
            if shut && !has_left {
                share.set_shut(false);
                assert_eq!(guarded.read_u8().await.unwrap(), b'x');
            }
        };
        check(true, true, Err("the client is gone")).await;
        check(true, false, Err("nothing")).await;
        // What it has sent is read before its end.
        check(false, true, Ok(b'x')).await;
        check(false, false, Ok(b'x')).await;
    }
}
