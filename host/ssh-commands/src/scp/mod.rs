//! The protocol of `scp` before SFTP: `scp -t` receives, `scp -f` sends (A6). Control lines and
//! data alternate with one-byte acknowledgements.

mod receive;
mod send;

use std::sync::Arc;

use tidegate_core::files::{FileError, FileService};
use tidegate_core::path::VirtualPath;

pub use self::receive::is_announcement;
use crate::channel::{CommandInput, CommandOutput, Gone, InputReader};
use crate::exec::words::Word;

/// Longest control line: a name, and the numbers before it.
const MAX_LINE: usize = 8192;
const OK: u8 = 0;
const WARNING: u8 = 1;
const FATAL: u8 = 2;

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScpRequest {
    direction: Direction,
    recursive: bool,
    /// Whether modes and times are kept.
    preserve: bool,
    /// Whether the target must be a directory.
    into_directory: bool,
    paths: Vec<Word>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    /// `-t`: files from the client.
    ToServer,
    /// `-f`: files to the client.
    FromServer,
}

impl ScpRequest {
    /// Reads the words after `scp`; `None` if they are not those of a remote end (A6-02).
    pub fn parse(words: Vec<Word>) -> Option<Self> {
        let (mut recursive, mut preserve, mut into_directory, mut direction) = (false, false, false, None);
        let mut words = words.into_iter().peekable();
        while let Some(options) = words.next_if(|word| word.text.len() > 1 && word.starts_with(b"-")) {
            if options.text == b"--" {
                break;
            }
            for option in options.text.iter().skip(1) {
                match option {
                    b't' => direction = Some(Direction::ToServer),
                    b'f' => direction = Some(Direction::FromServer),
                    b'r' => recursive = true,
                    b'p' => preserve = true,
                    b'd' => into_directory = true,
                    b'v' | b'q' => {}
                    _ => return None,
                }
            }
        }
        let paths: Vec<_> = words.collect();
        let direction = direction?;
        let enough = if direction == Direction::ToServer { paths.len() == 1 } else { !paths.is_empty() };
        enough.then_some(Self { direction, recursive, preserve, into_directory, paths })
    }
}

/// Runs the protocol to its end.
pub async fn run(
    request: ScpRequest,
    files: Arc<FileService>,
    input: Arc<dyn CommandInput>,
    output: Arc<dyn CommandOutput>,
) {
    let several = request.recursive || request.into_directory || request.paths.len() > 1;
    let mut scp = Scp { request, files, input: InputReader::new(input), output: output.clone(), problems: 0, several };
    let outcome = match scp.request.direction {
        Direction::ToServer => scp.receive().await,
        Direction::FromServer => scp.send_all().await,
    };
    match outcome {
        Ok(()) => output.finish(u32::from(scp.problems > 0)).await,
        // Also when the client has only ended its input: the connection may still be open.
        Err(Ended::ByError | Ended::Gone) => output.finish(1).await,
    }
}

struct Scp {
    request: ScpRequest,
    files: Arc<FileService>,
    input: InputReader,
    output: Arc<dyn CommandOutput>,
    problems: u32,
    /// Whether more than one file may be transferred.
    several: bool,
}

/// Why a run cannot go on.
enum Ended {
    /// One side has reported an error to the other.
    ByError,
    /// The channel is closed.
    Gone,
}

impl From<Gone> for Ended {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

/// What the other side answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reply {
    Ok,
    /// The other side skips the entry.
    Warning,
}

impl Scp {
    async fn acknowledge(&self) -> Result<(), Ended> {
        Ok(self.output.send(vec![OK]).await?)
    }

    /// Reports a problem with one file. A single file ends the run (A6-03); among several, the others go on.
    async fn report(&mut self, path: &VirtualPath, error: &FileError) -> Result<(), Ended> {
        self.problems += 1;
        let text = format!("scp: {}: {}", path.display(), words_of(error));
        if self.several {
            self.tell(WARNING, &text).await
        } else {
            self.tell(FATAL, &text).await?;
            Err(Ended::ByError)
        }
    }

    /// Reports that the other side broke the protocol.
    async fn protest(&mut self, problem: &str) -> Ended {
        match self.tell(FATAL, &format!("scp: protocol error: {problem}")).await {
            Ok(()) => Ended::ByError,
            Err(ended) => ended,
        }
    }

    /// Sends a message as one line, whatever characters are in the names.
    async fn tell(&self, kind: u8, text: &str) -> Result<(), Ended> {
        let mut message = vec![kind];
        message.extend(text.bytes().map(|byte| if byte.is_ascii_control() { b'?' } else { byte }));
        message.push(b'\n');
        Ok(self.output.send(message).await?)
    }

    /// Waits for the other side's acknowledgement.
    async fn reply(&mut self) -> Result<Reply, Ended> {
        match self.input.byte().await {
            Some(OK) => Ok(Reply::Ok),
            Some(WARNING) => {
                self.problems += 1;
                self.read_message().await?;
                Ok(Reply::Warning)
            }
            Some(FATAL) => {
                self.read_message().await?;
                Err(Ended::ByError)
            }
            Some(_) => Err(self.protest("an acknowledgement was expected").await),
            None => Err(Ended::Gone),
        }
    }

    async fn read_message(&mut self) -> Result<(), Ended> {
        match self.input.line(MAX_LINE).await {
            Some(Ok(text)) => {
                let message = format!("scp's other end says: {}", String::from_utf8_lossy(&text));
                tracing::debug!(sender = "scp", message);
                Ok(())
            }
            Some(Err(_)) => Err(self.protest("the message is too long").await),
            None => Err(Ended::Gone),
        }
    }
}

/// The text of an error, as other servers send it.
fn words_of(error: &FileError) -> String {
    match error {
        FileError::NotFound => "No such file or directory".to_owned(),
        FileError::Denied => "Permission denied".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Option<(Direction, bool, bool, &[&str])>) {
        let words = line
            .split(' ')
            .filter(|word| !word.is_empty())
            .map(|word| Word { text: word.as_bytes().to_vec(), pattern: None })
            .collect();
        let parsed = ScpRequest::parse(words);
        let found = parsed.map(|request| {
            let paths =
                request.paths.iter().map(|path| String::from_utf8(path.text.clone()).unwrap()).collect::<Vec<_>>();
            (request.direction, request.recursive, request.preserve, paths)
        });
        let expected = expected.map(|(direction, recursive, preserve, paths)| {
            (direction, recursive, preserve, paths.iter().map(|&path| path.to_owned()).collect::<Vec<_>>())
        });
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn only_the_remote_ends_of_scp_are_understood() {
        // A6-02
        check("-t /a", Some((Direction::ToServer, false, false, &["/a"])));
        check("-r -p -t /a", Some((Direction::ToServer, true, true, &["/a"])));
        check("-vrpdt -- -a", Some((Direction::ToServer, true, true, &["-a"])));
        check("-f a b", Some((Direction::FromServer, false, false, &["a", "b"])));
        check("-t", None);
        check("-t a b", None);
        check("-f", None);
        check("a b", None);
        check("-t -S prog a", None);
        check("-t -oProxyCommand=x a", None);
        check("-3 a", None);
    }
}
