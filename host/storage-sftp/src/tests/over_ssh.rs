//! The way over SSH: keys with passphrases, passwords, and host keys that were changed.

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;

use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, HashAlg, PrivateKey, PublicKey};
use russh::server::{Auth, ChannelOpenHandle, Config, Handler, Msg, Session, VerifiedPublicKey, run_stream};
use russh::{Channel, ChannelId};
use tidegate_core::secret::Secret;
use tokio::net::TcpListener;

use super::*;

fn new_key() -> PrivateKey {
    PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap()
}

fn fingerprint(key: &PrivateKey) -> String {
    key.public_key().fingerprint(HashAlg::Sha256).to_string()
}

/// One connection of a server that takes a key and a password.
struct Connection {
    fake: Fake,
    user: PublicKey,
    channel: Option<Channel<Msg>>,
    was_asked: Arc<AtomicBool>,
}

impl Connection {
    fn verdict(&self, is_right: bool) -> Auth {
        self.was_asked.store(true, Ordering::Relaxed);
        if is_right { Auth::Accept } else { Auth::reject() }
    }
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        Ok(self.verdict(user == "u" && password == "sesame"))
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        Ok(self.verdict(user == "u" && key.public_key.key_data() == self.user.key_data()))
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.channel = Some(channel);
        reply.accept().await;
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        _name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(id)?;
        tokio::spawn(self.fake.clone().serve(self.channel.take().unwrap().into_stream()));
        Ok(())
    }
}

struct Ssh {
    address: SocketAddr,
    user: PrivateKey,
    /// Whether a client has tried to log in.
    was_asked: Arc<AtomicBool>,
}

async fn ssh(host: &PrivateKey) -> Ssh {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let keys = vec![host.clone()];
    let config = Arc::new(Config { keys, auth_rejection_time: Duration::ZERO, ..Config::default() });
    let (user, was_asked) = (new_key(), Arc::<AtomicBool>::default());
    let (known, asked) = (user.public_key().clone(), was_asked.clone());
    let fake = Fake::new(ALL);
    fake.file("/f", b"content", 0);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (fake, user, was_asked) = (fake.clone(), known.clone(), asked.clone());
            let connection = Connection { fake, user, channel: None, was_asked };
            let config = config.clone();
            tokio::spawn(async move {
                if let Ok(session) = run_stream(config, socket, connection).await {
                    let _ = session.await;
                }
            });
        }
    });
    Ssh { address, user, was_asked }
}

/// Looks at a file of the server.
async fn look(ssh: &Ssh, known: &[&PrivateKey], change: impl FnOnce(&mut SftpLocation)) -> Result<u64, StorageError> {
    let mut place = SftpLocation {
        endpoint: ssh.address.to_string(),
        username: "u".into(),
        fingerprints: known.iter().map(|key| fingerprint(key)).collect(),
        ..SftpLocation::default()
    };
    change(&mut place);
    let location = Location::Sftp(Box::new(place));
    let file_system = FileSystem { location, account: "u".into(), owner: (0, 0), make_missing: true };
    let storage = SftpFileSystems::new(settings(), Arc::default()).open(&file_system).unwrap();
    storage.metadata(&path("/f")).await.map(|found| found.size)
}

#[tokio::test]
async fn keys_are_opened_with_their_passphrase() {
    let host = new_key();
    let ssh = ssh(&host).await;
    let plain = ssh.user.to_openssh(LineEnding::LF).unwrap();
    let closed = ssh.user.encrypt(&mut russh::keys::key::safe_rng(), "open sesame").unwrap();
    let closed = closed.to_openssh(LineEnding::LF).unwrap();
    for (key, passphrase, expected) in [
        (plain.as_str(), "", None),
        (closed.as_str(), "open sesame", None),
        (closed.as_str(), "wrong", Some("its passphrase is not the right one")),
        (closed.as_str(), "", Some("its passphrase is not the right one")),
        ("no key", "", Some("is not a private key")),
        (new_key().to_openssh(LineEnding::LF).unwrap().as_str(), "", Some("does not accept the user \"u\"")),
    ] {
        let found = look(&ssh, &[&host], |place| {
            place.private_key = Secret::new(key);
            place.key_passphrase = Secret::new(passphrase);
        })
        .await;
        match expected {
            None => assert_eq!(found.unwrap(), 7),
            Some(expected) => {
                let detail = found.unwrap_err().detail.unwrap();
                assert!(detail.contains(expected) && !detail.contains("sesame"), "{detail}");
            }
        }
    }
}

#[tokio::test]
async fn passwords_are_taken_alone_or_after_a_key() {
    let host = new_key();
    let ssh = ssh(&host).await;
    let other = new_key().to_openssh(LineEnding::LF).unwrap();
    let found = look(&ssh, &[&host], |place| {
        place.private_key = Secret::new(other.as_str());
        place.password = Secret::new("sesame");
    })
    .await;
    assert_eq!(found.unwrap(), 7);
    let refused = look(&ssh, &[&host], |place| place.password = Secret::new("wrong")).await.unwrap_err();
    assert!(refused.message.contains("as it is configured"), "{refused}");
}

#[tokio::test]
async fn a_server_with_another_host_key_gets_nothing() {
    // C4-01
    let (before, now) = (new_key(), new_key());
    let ssh = ssh(&now).await;
    let with_password = |place: &mut SftpLocation| place.password = Secret::new("sesame");
    for (known, expected) in [(vec![&before], "is none of filesystem.sftpconfig.fingerprints"), (vec![], "put it into")]
    {
        let refused = look(&ssh, &known, with_password).await.unwrap_err();
        assert!(refused.message.contains("is not known by its host key"), "{refused}");
        let detail = refused.detail.unwrap();
        assert!(detail.contains(expected) && detail.contains(&fingerprint(&now)), "{detail}");
        assert!(!ssh.was_asked.load(Ordering::Relaxed));
    }
    // While a key is changed, both are known.
    assert_eq!(look(&ssh, &[&before, &now], with_password).await.unwrap(), 7);
}
