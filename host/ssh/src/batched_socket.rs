//! The socket of a connection. The library reads the length of a packet and its rest one after
//! the other, and writes and flushes each packet by itself; here packets that arrive together
//! are read together, and small replies to them leave together.

use std::cell::RefCell;
use std::io::{self, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use crate::guarded_stream::OtherEnd;

/// Bytes that are read beyond what is asked for.
const INPUT: usize = 4 << 10;
/// Data for a buffer at least this large is read straight into it.
const LARGE: usize = 4 << 10;
/// Bytes that the buffers of an idle connection may have room for: a small request, and its answer.
const KEPT: usize = 256;
/// Most bytes that are held back: about twenty acknowledgements of writes. A client that has sent
/// all that it may send gets them at once, because then there is nothing to read.
const HELD: usize = 1 << 10;
/// How many times input is discarded at the end of a connection.
const MAX_DISCARDED: usize = 16;

/// Holds output back until [`poll_flush`](AsyncWrite::poll_flush), or until there is more than
/// `HELD`. The owner of the socket flushes it when there is nothing to read.
pub struct BatchedSocket {
    socket: TcpStream,
    input: Unread,
    held: Vec<u8>,
    /// How many bytes of `held` have been written.
    left: usize,
    /// How many bytes of what is written next were sent before.
    sent: usize,
}

/// Bytes that were read beyond what was asked for.
struct Unread {
    bytes: Vec<u8>,
    start: usize,
}

impl Unread {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    fn is_empty(&self) -> bool {
        self.start >= self.bytes.len()
    }

    fn use_up(&mut self, count: usize) {
        self.start = self.bytes.len().min(self.start + count);
    }

    /// Takes the place of what is used up.
    fn keep(&mut self, bytes: &[u8]) {
        self.start = 0;
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
    }
}

thread_local! {
    /// What sockets are read into; most of it is used at once, so that a connection keeps only the rest.
    static ARRIVING: RefCell<[u8; INPUT]> = const { RefCell::new([0; INPUT]) };
}

/// Frees the room of an empty buffer that an idle connection does not need.
fn shrink(buffer: &mut Vec<u8>) {
    if buffer.capacity() > KEPT {
        *buffer = Vec::new();
    }
}

impl BatchedSocket {
    /// `read`: what was read from the socket before, and will be read again. `sent`: bytes that
    /// were sent before, and will be written again.
    pub fn new(socket: TcpStream, read: Vec<u8>, sent: usize) -> Self {
        Self { socket, input: Unread { bytes: read, start: 0 }, held: Vec::new(), left: 0, sent }
    }

    /// Fills the caller's buffer, and keeps what there is beyond. Nothing is left of what was kept before.
    fn poll_fill(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ARRIVING.with_borrow_mut(|arriving| {
            let mut into = ReadBuf::new(arriving);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut into))?;
            let (wanted, rest) = into.filled().split_at(into.filled().len().min(buffer.remaining()));
            buffer.put_slice(wanted);
            self.input.keep(rest);
            Poll::Ready(Ok(()))
        })
    }

    /// As [`poll_fill`](Self::poll_fill), with a large buffer, which is read into directly.
    fn poll_fill_both(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ARRIVING.with_borrow_mut(|arriving| {
            loop {
                ready!(self.socket.poll_read_ready(cx))?;
                let wanted = buffer.initialize_unfilled();
                let room = wanted.len();
                let parts = &mut [IoSliceMut::new(wanted), IoSliceMut::new(arriving)];
                match self.socket.try_read_vectored(parts) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Poll::Ready(Err(error)),
                    Ok(count) => {
                        buffer.advance(count.min(room));
                        self.input.keep(arriving.get(..count.saturating_sub(room)).unwrap_or_default());
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        })
    }

    /// Holds output back; the room for it grows in one step.
    fn hold(&mut self, data: &[u8]) {
        let length = self.held.len() + data.len();
        if length > self.held.capacity() {
            let room = if length <= KEPT { KEPT } else { HELD };
            self.held.reserve_exact(room.saturating_sub(self.held.len()));
        }
        self.held.extend_from_slice(data);
    }

    fn held(&self) -> &[u8] {
        self.held.get(self.left..).unwrap_or_default()
    }

    /// Writes all that is held, and then as much of `data` as the socket takes.
    fn poll_write_both(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let waiting = self.held.get(self.left..).unwrap_or_default();
            let (held, socket) = (waiting.len(), Pin::new(&mut self.socket));
            let outcome = match (waiting, data) {
                ([], data) => socket.poll_write(cx, data),
                (waiting, []) => socket.poll_write(cx, waiting),
                (waiting, data) => socket.poll_write_vectored(cx, &[IoSlice::new(waiting), IoSlice::new(data)]),
            };
            let count = ready!(outcome)?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.left += count.min(held);
            if count >= held {
                self.held.clear();
                self.left = 0;
            }
            if count > held || data.is_empty() && self.held.is_empty() {
                return Poll::Ready(Ok(count - held));
            }
        }
    }
}

/// When the library gives up, output that it has written is still sent, because it may tell the
/// client why. Input that has arrived is read first: otherwise the kernel answers it with a reset,
/// after which some clients drop what they have received.
impl Drop for BatchedSocket {
    fn drop(&mut self) {
        let held = self.held();
        if held.is_empty() || self.socket.try_write(held).is_err() {
            return;
        }
        let mut arrived = [0; INPUT];
        for _ in 0..MAX_DISCARDED {
            if !self.socket.try_read(&mut arrived).is_ok_and(|count| count > 0) {
                return;
            }
        }
    }
}

impl OtherEnd for BatchedSocket {
    /// The kernel tells it with the input that is there: to wait for urgent data is to wait for the end as well.
    fn has_left(&self) -> bool {
        let ready = self.socket.ready(Interest::PRIORITY).now_or_never();
        ready.and_then(Result::ok).is_some_and(|ready| ready.is_read_closed())
    }
}

impl AsyncRead for BatchedSocket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.input.is_empty() {
            let is_large = buffer.remaining() >= LARGE;
            let filled = if is_large { self.poll_fill_both(cx, buffer) } else { self.poll_fill(cx, buffer) };
            if filled.is_pending() {
                shrink(&mut self.input.bytes);
            }
            return filled;
        }
        let waiting = self.input.rest();
        let count = waiting.len().min(buffer.remaining());
        buffer.put_slice(waiting.get(..count).unwrap_or_default());
        self.input.use_up(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for BatchedSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if self.sent > 0 {
            let count = self.sent.min(data.len());
            self.sent -= count;
            return Poll::Ready(Ok(count));
        }
        if self.held().len() + data.len() > HELD {
            return self.poll_write_both(cx, data);
        }
        self.hold(data);
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.held().is_empty() {
            ready!(self.poll_write_both(cx, &[]))?;
            shrink(&mut self.held);
        }
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair(read: &[u8]) -> (BatchedSocket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        (BatchedSocket::new(socket, read.to_vec(), 0), client)
    }

    /// Checks that the same bytes are read, whatever the size of the portions is.
    async fn check_reading(portions: &[usize]) {
        let sent: Vec<u8> = (0..300_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let (before, after) = sent.split_at(1000);
        let (mut socket, mut client) = pair(before).await;
        let after = after.to_vec();
        let writing = tokio::spawn(async move {
            client.write_all(&after).await.unwrap();
            client.shutdown().await.unwrap();
        });
        let mut got = Vec::new();
        for portion in portions.iter().cycle() {
            let mut buffer = vec![0; *portion];
            let count = socket.read(&mut buffer).await.unwrap();
            if count == 0 {
                break;
            }
            got.extend_from_slice(&buffer[..count]);
        }
        writing.await.unwrap();
        assert!(got == sent, "{portions:?}");
    }

    #[tokio::test]
    async fn bytes_arrive_in_their_order() {
        check_reading(&[4, 32 << 10]).await;
        check_reading(&[1]).await;
        check_reading(&[5000, 3, 100_000]).await;
    }

    /// Checks that replies of these sizes, flushed at the end, arrive as they were written.
    async fn check_writing(sizes: &[usize]) {
        let (mut socket, mut client) = pair(b"").await;
        let reading = tokio::spawn(async move {
            let mut got = Vec::new();
            client.read_to_end(&mut got).await.unwrap();
            got
        });
        let mut sent = Vec::new();
        for (number, size) in sizes.iter().enumerate() {
            let reply = vec![number as u8; *size];
            socket.write_all(&reply).await.unwrap();
            sent.extend_from_slice(&reply);
        }
        socket.shutdown().await.unwrap();
        assert!(reading.await.unwrap() == sent, "{sizes:?}");
    }

    #[tokio::test]
    async fn replies_leave_in_their_order() {
        check_writing(&[10, 20, 30]).await;
        check_writing(&[1000, 24, 1, 2_000_000, 5, 1024, 1025]).await;
        check_writing(&[40; 500]).await;
    }

    #[tokio::test]
    async fn little_is_held_until_it_is_flushed() {
        let (mut socket, mut client) = pair(b"").await;
        socket.write_all(b"held").await.unwrap();
        let mut buffer = [0; 10];
        assert_eq!(client.try_read(&mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        socket.flush().await.unwrap();
        assert_eq!(client.read(&mut buffer).await.unwrap(), 4);
    }

    #[tokio::test]
    async fn the_end_is_known_behind_what_was_not_read() {
        let (mut socket, mut client) = pair(b"").await;
        client.write_all(b"unread").await.unwrap();
        socket.socket.readable().await.unwrap();
        assert!(!socket.has_left());
        drop(client);
        socket.socket.ready(Interest::PRIORITY).await.unwrap();
        assert!(socket.has_left());
        let mut got = Vec::new();
        socket.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"unread");
    }

    #[tokio::test]
    async fn what_is_held_leaves_at_the_end() {
        let (mut socket, mut client) = pair(b"").await;
        client.write_all(&[7; 5000]).await.unwrap();
        socket.socket.readable().await.unwrap();
        socket.write_all(b"last words").await.unwrap();
        drop(socket);
        let mut got = Vec::new();
        client.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"last words");
    }
}
