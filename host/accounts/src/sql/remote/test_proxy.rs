//! A program between a store and its database that does harm in one step of their conversation.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::DatabaseServerSettings;

/// What happens in the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// The connection ends before the database gets what was sent.
    Unsent,
    /// The connection ends when the database has done what was sent, and its answer is lost.
    Unanswered,
    /// These bytes arrive in the place of the answer.
    Garbage(&'static [u8]),
}

/// All kinds of it, each with a name.
const HARMS: [(&str, Harm); 4] = [
    ("unsent", Harm::Unsent),
    ("unanswered", Harm::Unanswered),
    ("zeros", Harm::Garbage(&[0; 512])),
    ("unknown", Harm::Garbage(&UNKNOWN)),
];
/// The frame of a message in either protocol, whose content is unknown to one and wrong for the other. Nothing of it lets a
/// client wait for more.
const UNKNOWN: [u8; 512] = {
    let mut bytes = [0; 512];
    bytes[0] = 1;
    bytes[3] = 1;
    bytes[4] = 0x7f;
    bytes
};
/// A connection and a statement are more steps than this.
const FEW_STEPS: usize = 2;

/// The harm that is still to be done, and after how many steps. What a store sends at once is one step.
#[derive(Default)]
struct Plan(Mutex<Option<(usize, Harm)>>);

impl Plan {
    /// Counts a step; the harm that is done in it.
    fn step(&self) -> Option<Harm> {
        let mut plan = self.0.lock().unwrap();
        match plan.take() {
            Some((0, harm)) => return Some(harm),
            Some((left, harm)) => *plan = Some((left - 1, harm)),
            None => {}
        }
        None
    }
}

/// A running proxy. Its socket is removed with the value.
pub struct Proxy {
    plan: Arc<Plan>,
    connections: Arc<AtomicUsize>,
    _directory: TempDir,
}

impl Proxy {
    /// Begins to take connections for a server that is reached by a socket; gives how the proxy is reached.
    pub fn start(server: &DatabaseServerSettings) -> (Self, DatabaseServerSettings) {
        let directory = tempfile::tempdir().unwrap();
        let (host, port) = server.hosts[0].clone();
        let behind = socket_in(Path::new(&host));
        let listener = UnixListener::bind(directory.path().join(behind.file_name().unwrap())).unwrap();
        let (plan, connections) = (Arc::new(Plan::default()), Arc::new(AtomicUsize::new(0)));
        std::thread::spawn({
            let (plan, connections) = (plan.clone(), connections.clone());
            move || {
                for client in listener.incoming().map_while(Result::ok) {
                    connections.fetch_add(1, Ordering::Relaxed);
                    if let Ok(server) = UnixStream::connect(&behind) {
                        converse(client, server, plan.clone());
                    }
                }
            }
        });
        let hosts = vec![(directory.path().display().to_string(), port)];
        (Self { plan, connections, _directory: directory }, DatabaseServerSettings { hosts, ..server.clone() })
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Does work again and again, with each kind of harm in its first step, in its second, and so on to its end. `work` gets
    /// a name for each time.
    pub async fn in_every_step(&self, mut work: impl AsyncFnMut(&str)) {
        for (kind, harm) in HARMS {
            for step in 0.. {
                *self.plan.0.lock().unwrap() = Some((step, harm));
                work(&format!("{kind}{step}")).await;
                if self.plan.0.lock().unwrap().take().is_some() {
                    assert!(step > FEW_STEPS, "{kind}: the work ended after {step} steps");
                    break;
                }
            }
        }
    }
}

/// The socket in a directory.
fn socket_in(directory: &Path) -> PathBuf {
    let entries = directory.read_dir().unwrap().map(|entry| entry.unwrap());
    let mut sockets = entries.filter(|entry| entry.file_type().unwrap().is_socket());
    sockets.next().unwrap().path()
}

/// Carries both directions of one connection until one of its ends closes it.
fn converse(client: UnixStream, server: UnixStream, plan: Arc<Plan>) {
    let harm = Arc::new(Mutex::new(None));
    let there = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let answers = harm.clone();
    std::thread::spawn(move || {
        carry(there.0, there.1, || {
            let planned = plan.step();
            if planned == Some(Harm::Unsent) {
                return Carried::End;
            }
            if planned.is_some() {
                *harm.lock().unwrap() = planned;
            }
            Carried::Whole
        });
    });
    std::thread::spawn(move || {
        carry(server, client, || match *answers.lock().unwrap() {
            None => Carried::Whole,
            Some(Harm::Garbage(bytes)) => Carried::Instead(bytes),
            Some(Harm::Unsent | Harm::Unanswered) => Carried::End,
        });
    });
}

/// What becomes of what has arrived.
enum Carried {
    Whole,
    Instead(&'static [u8]),
    /// The connection ends.
    End,
}

fn carry(mut from: UnixStream, mut to: UnixStream, decide: impl Fn() -> Carried) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let arrived = &buffer[..length];
        let carried = match decide() {
            Carried::Whole => arrived,
            Carried::Instead(bytes) => bytes,
            Carried::End => break,
        };
        if to.write_all(carried).is_err() {
            break;
        }
    }
    for stream in [&from, &to] {
        // It may be closed already.
        let _ = stream.shutdown(Shutdown::Both);
    }
}
