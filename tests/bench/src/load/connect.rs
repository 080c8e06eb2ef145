//! One connection, and an SFTP channel on it whose packets a [`Dialogue`] answers.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail, ensure};
use russh::client::{self, Config, Handle, Session};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{ChannelId, Preferred, cipher, compression};
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::Target;

/// As OpenSSH's client.
const WINDOW_SIZE: u32 = 2 << 20;
const MAX_PACKET_SIZE: u32 = 32 << 10;
const READ_BUFFER: usize = 128 << 10;
const VERSION: u8 = 2;

/// What to say to a server over SFTP.
pub trait Dialogue: Send + 'static {
    /// The first packets.
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<()>;
    /// The answer to a packet (without its length field); true: all is done.
    fn receive(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<bool>;
}

/// Secrets and algorithms, read once for any number of connections.
pub struct Client {
    target: Target,
    key: Option<Arc<PrivateKey>>,
    config: Arc<Config>,
    logins: AtomicU64,
}

impl Client {
    pub fn new(target: &Target) -> Result<Self> {
        let key = match &target.key {
            Some(path) => Some(Arc::new(russh::keys::load_secret_key(path, None).context("reading the key")?)),
            None => None,
        };
        let cipher = cipher::Name::try_from(target.cipher.as_str()).ok().context("an unknown cipher")?;
        let preferred = Preferred {
            cipher: Cow::Owned(vec![cipher]),
            compression: Cow::Owned(vec![compression::NONE]),
            // The newest that all servers have.
            kex: Cow::Borrowed(&[russh::kex::CURVE25519]),
            ..Preferred::default()
        };
        let (window_size, maximum_packet_size) = (WINDOW_SIZE, MAX_PACKET_SIZE);
        let config = Arc::new(Config { window_size, maximum_packet_size, preferred, ..Config::default() });
        Ok(Self { target: target.clone(), key, config, logins: AtomicU64::new(0) })
    }

    /// Logs in.
    pub async fn connect<D: Dialogue>(&self, dialogue: Option<D>) -> Result<Connected<D>> {
        let (done, finished) = oneshot::channel();
        let handler = Handler { dialogue, done: Some(done), carry: Vec::new(), initialised: false };
        let address = (self.target.host.as_str(), self.target.port);
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let socket = BufReader::with_capacity(READ_BUFFER, socket);
        let mut handle = client::connect_stream(self.config.clone(), socket, handler).await?;
        // Any order will do that meets all accounts and no two in a row.
        let number = self.logins.fetch_add(104_729, Ordering::Relaxed) % self.target.accounts.max(1);
        let user = self.target.user.replace("{}", &format!("{number:08}"));
        let outcome = match (&self.key, &self.target.password) {
            (Some(key), _) => {
                handle.authenticate_publickey(user, PrivateKeyWithHashAlg::new(key.clone(), None)).await?
            }
            (None, Some(password)) => handle.authenticate_password(user, password).await?,
            (None, None) => bail!("give --key or --password"),
        };
        ensure!(outcome.success(), "the login was refused");
        Ok(Connected { handle, finished })
    }
}

pub struct Connected<D: Dialogue> {
    pub handle: Handle<Handler<D>>,
    finished: oneshot::Receiver<Result<()>>,
}

impl<D: Dialogue> Connected<D> {
    /// Opens the SFTP channel and waits until the dialogue is done.
    pub async fn finish(&mut self) -> Result<()> {
        let channel = self.handle.channel_open_session().await?;
        channel.request_subsystem(true, "sftp").await?;
        drop(channel);
        (&mut self.finished).await.context("the connection ended too early")?
    }
}

/// Answers where the data arrives, without a task or a queue between.
pub struct Handler<D> {
    dialogue: Option<D>,
    done: Option<oneshot::Sender<Result<()>>>,
    carry: Vec<u8>,
    initialised: bool,
}

impl<D: Dialogue> Handler<D> {
    fn receive(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        if self.carry.is_empty() {
            let (rest, done) = self.packets(data, out)?;
            self.carry.extend_from_slice(rest);
            return Ok(done);
        }
        let mut carry = std::mem::take(&mut self.carry);
        carry.extend_from_slice(data);
        let (rest, done) = self.packets(&carry, out)?;
        self.carry = rest.to_vec();
        Ok(done)
    }

    /// Gives back what is not yet a whole packet.
    fn packets<'a>(&mut self, data: &'a [u8], out: &mut Vec<u8>) -> Result<(&'a [u8], bool)> {
        let mut rest = data;
        let Some(dialogue) = &mut self.dialogue else { return Ok((&[], true)) };
        while let Some((length, tail)) = rest.split_first_chunk::<4>() {
            let Some((packet, tail)) = tail.split_at_checked(u32::from_be_bytes(*length) as usize) else { break };
            rest = tail;
            if !self.initialised {
                ensure!(packet.first() == Some(&VERSION), "the server did not send its version");
                self.initialised = true;
                dialogue.begin(out)?;
            } else if dialogue.receive(packet, out)? {
                return Ok((rest, true));
            }
        }
        Ok((rest, false))
    }

    fn finish(&mut self, outcome: Result<()>) {
        if let Some(done) = self.done.take() {
            // No task waits for the answer when the program is ending.
            let _ = done.send(outcome);
        }
    }
}

impl<D: Dialogue> client::Handler for Handler<D> {
    type Error = anyhow::Error;

    async fn check_server_key(&mut self, _key: &PublicKeyOrCertificate) -> Result<bool> {
        Ok(true)
    }

    async fn channel_success(&mut self, channel: ChannelId, session: &mut Session) -> Result<()> {
        Ok(session.data(channel, [0, 0, 0, 5, 1, 0, 0, 0, 3].to_vec())?)
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], session: &mut Session) -> Result<()> {
        let mut out = Vec::new();
        let outcome = self.receive(data, &mut out);
        if !out.is_empty() {
            session.data(channel, out)?;
        }
        match outcome {
            Ok(false) => {}
            Ok(true) => self.finish(Ok(())),
            Err(error) => self.finish(Err(error)),
        }
        Ok(())
    }
}
