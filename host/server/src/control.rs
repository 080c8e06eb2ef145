//! The control socket, on which the server takes requests of administrators' commands, and the
//! commands' side of it.

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tidegate_api_types::{ErrorAnswer, LoadDump, LoadReport, Operation, path_of};
use tidegate_core::dump_text::DumpText;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::dump_request::{self, DumpBody, LoadRules};

const NAME: &str = "tidegate.sock";
/// Most bytes of a path in `sun_path`, without its final NUL (unix(7)).
const MAX_NAME: usize = 107;
const MAX_ANSWER: usize = 256 << 20;
/// Longest time for the answer that shows that the server takes requests; how long these take is another matter.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// What is answered at once, without the database.
const SIGN_OF_LIFE: &str = "/healthz";
/// Why an answer is missing.
const LOST: &str = "the server ended the connection before it answered";

pub fn path_in(directory: &Path) -> PathBuf {
    directory.join(NAME)
}

/// A path of the socket that is short enough for the kernel, however long the directory's path is:
/// a long one is reached through a descriptor of the directory.
struct Short {
    path: PathBuf,
    /// Keeps the path valid.
    _directory: Option<File>,
}

impl Short {
    fn of(directory: &Path) -> std::io::Result<Self> {
        let path = path_in(directory);
        if path.as_os_str().len() <= MAX_NAME {
            return Ok(Self { path, _directory: None });
        }
        let directory = File::open(directory)?;
        let path = path_in(Path::new(&format!("/proc/self/fd/{}", directory.as_raw_fd())));
        Ok(Self { path, _directory: Some(directory) })
    }
}

/// Binds the socket so that only this user can connect. The socket of a server that has ended is replaced.
pub fn bind(directory: &Path) -> anyhow::Result<UnixListener> {
    let path = path_in(directory);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("{} could not be removed", path.display()));
        }
        _ => {}
    }
    let short = Short::of(directory).with_context(|| format!("{} cannot be used", directory.display()))?;
    let listener = UnixListener::bind(&short.path).with_context(|| format!("{} could not be made", path.display()))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// A running server, over a connection that stays open.
pub struct Control {
    sender: SendRequest<Either<Full<Bytes>, DumpBody>>,
    /// The connection's task.
    connection: AbortOnDropHandle<()>,
}

impl Control {
    /// `None`: no server runs in that directory.
    ///
    /// # Errors
    /// The server cannot be asked, or does not answer.
    pub async fn connect(directory: &Path) -> anyhow::Result<Option<Self>> {
        Self::connect_within(directory, ANSWER_TIME).await
    }

    async fn connect_within(directory: &Path, patience: Duration) -> anyhow::Result<Option<Self>> {
        let path = path_in(directory);
        let short = match Short::of(directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            short => short.with_context(|| format!("{} cannot be used", directory.display()))?,
        };
        let stream = match UnixStream::connect(&short.path).await {
            Ok(stream) => stream,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
                return Ok(None);
            }
            // As many as can wait for it do so already.
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(silent(&path)),
            Err(error) => {
                return Err(error).with_context(|| format!("the server's socket {} cannot be used", path.display()));
            }
        };
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // A failure of the connection shows when an answer is missing.
        let connection = AbortOnDropHandle::new(tokio::spawn(async move { drop(connection.await) }));
        let mut control = Self { sender, connection };
        // The system connects to a server that accepts nothing as well.
        match timeout(patience, control.see_life()).await {
            Ok(seen) => seen?,
            Err(_) => return Err(silent(&path)),
        }
        Ok(Some(control))
    }

    /// Waits until the server takes requests of this connection.
    async fn see_life(&mut self) -> anyhow::Result<()> {
        let request = Request::get(SIGN_OF_LIFE).header("host", "localhost").body(Either::Left(Full::default()))?;
        let response = self.sender.send_request(request).await.context(LOST)?;
        // Whatever it is, it is an answer; its end frees the connection for the next request.
        Limited::new(response.into_body(), MAX_ANSWER).collect().await.map_err(|_| anyhow!(LOST))?;
        Ok(())
    }

    /// Sends a request, and waits for the answer.
    ///
    /// # Errors
    /// An [`ErrorAnswer`] if the server refused; any other error if the server could not be asked.
    pub async fn call<O: Operation>(&mut self, operation: &O) -> anyhow::Result<O::Answer> {
        self.send::<O>(Either::Left(Full::new(Bytes::from(serde_json::to_vec(operation)?)))).await
    }

    /// Loads a dump. After an error the connection is of no more use.
    ///
    /// # Errors
    /// As [`call`](Self::call); or the dump cannot be read.
    pub async fn load(&mut self, dump: Arc<DumpText>, rules: LoadRules) -> anyhow::Result<LoadReport> {
        let (body, making) = dump_request::begin(dump, rules);
        let answer = self.send::<LoadDump>(Either::Right(body)).await;
        if answer.is_err() {
            // A request that broke off is told by what broke it off. With the connection its body is gone.
            self.connection.abort();
            making.await??;
        }
        answer
    }

    async fn send<O: Operation>(&mut self, body: Either<Full<Bytes>, DumpBody>) -> anyhow::Result<O::Answer> {
        let request = Request::post(path_of(O::NAME))
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(body)?;
        self.sender.ready().await.context(LOST)?;
        let response = self.sender.send_request(request).await.context(LOST)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
        let body = body.map_err(|error| anyhow!("the server's answer could not be read: {error}"))?.to_bytes();
        if status == StatusCode::OK {
            return serde_json::from_slice(&body)
                .context("the server's answer cannot be read; is it of another release?");
        }
        match serde_json::from_slice::<ErrorAnswer>(&body) {
            Ok(error) => Err(error.into()),
            Err(_) => bail!(
                "the server that runs does not know the request \"{}\" ({status}); restart it after an update",
                O::NAME
            ),
        }
    }
}

fn silent(path: &Path) -> anyhow::Error {
    anyhow!(
        "the server does not answer on {}; it may have no descriptors left (see its log), or be stopped: try again \
         later, or start it anew",
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Takes a connection, and answers one request.
    async fn answer(listener: &UnixListener) {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let length = stream.read(&mut request).await.unwrap();
        assert!(request[..length].starts_with(b"GET /healthz HTTP/1.1\r\n"), "{request:?}");
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    }

    #[tokio::test]
    async fn directories_of_any_length_have_a_socket() {
        let root = tempfile::tempdir().unwrap();
        for length in [1, 60, 107, 200, 255] {
            let directory = root.path().join("d".repeat(length)).join("e".repeat(length));
            assert!(Control::connect(&directory).await.unwrap().is_none(), "{length}");
            std::fs::create_dir_all(&directory).unwrap();
            assert!(Control::connect(&directory).await.unwrap().is_none(), "{length}");
            let listener = bind(&directory).unwrap();
            let (control, ()) = tokio::join!(Control::connect(&directory), answer(&listener));
            assert!(control.unwrap().is_some(), "{length}");
            let mode = path_in(&directory).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{length}");
            drop(listener);
            assert!(Control::connect(&directory).await.unwrap().is_none(), "{length}");
            bind(&directory).unwrap();
        }
    }

    #[tokio::test]
    async fn a_server_that_does_not_answer_is_not_waited_for_without_end() {
        // A4-17
        assert_eq!(ANSWER_TIME, Duration::from_secs(30));
        let directory = tempfile::tempdir().unwrap();
        let listener = bind(directory.path()).unwrap();
        let check = |outcome: anyhow::Result<Option<Control>>, expected: &str| {
            let error = outcome.err().map(|error| format!("{error:#}")).unwrap_or_default();
            assert!(error.contains(expected), "{error}");
        };
        // No process accepts the connection.
        let waited = Control::connect_within(directory.path(), Duration::from_millis(50)).await;
        check(waited, "it may have no descriptors left");
        let silent = async {
            // That of before comes first.
            drop(listener.accept().await.unwrap());
            drop(listener.accept().await.unwrap());
        };
        let (ended, ()) = tokio::join!(Control::connect(directory.path()), silent);
        check(ended, LOST);
        // No more can wait than do.
        rustix::net::listen(&listener, 0).unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) = UnixStream::connect(path_in(directory.path())).await {
            waiting.push(stream);
        }
        check(Control::connect(directory.path()).await, "it may have no descriptors left");
    }
}
