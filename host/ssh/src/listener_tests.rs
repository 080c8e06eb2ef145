//! A connection that fails ends alone.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use russh::client;
use russh::keys::PublicKeyOrCertificate;
use tidegate_core::account::{Accounts, AddressRule};
use tidegate_core::files::{FileContext, FileHooks, SetAttributesPolicy};
use tidegate_core::guard::{Defender, DefenderSettings};
use tidegate_core::hook::Observers;
use tidegate_core::login::{ExternalAuthCache, LoginHooks, LoginPorts, LoginService};
use tidegate_core::memory::MemoryStore;
use tidegate_core::metrics::Metrics;
use tidegate_core::password::{PasswordError, PasswordHash};
use tidegate_core::ports::storage::{Storage, StorageError, StorageErrorKind, TreeDescription};
use tidegate_core::ports::{
    AccountKey, Change, ChangeToken, Changes, Collection, DescriptorUse, Descriptors, Directory, MaintainedChange,
    NoFileLog, NodeName, PageRequest, Passwords, StorageFactory, StoreError, StoredDocument, SystemClock,
    UnlimitedDescriptors, Version,
};
use tidegate_core::quota::{QuotaKeeper, Tracking};
use tidegate_core::secret::Secret;
use tidegate_core::session::SessionRegistry;
use tidegate_core::turns::Waiter;
use tidegate_ssh_commands::SshCommands;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::{
    AlgorithmPolicy, Algorithms, BoundListener, ConnectionHooks, ConnectionLimits, LOGIN_GRACE, LoginDelay,
    ProxySettings, SshServer, SshSettings, host_keys,
};

/// A store without accounts that panics when it is asked for the user `panic`.
#[derive(Default)]
struct FragileStore(MemoryStore);

#[async_trait]
impl Directory for FragileStore {
    async fn find(&self, collection: &'static Collection, name: &str) -> Result<Option<StoredDocument>, StoreError> {
        assert_ne!(name, "panic", "this panic is part of the test");
        self.0.find(collection, name).await
    }
    async fn find_all(&self, of: &'static Collection, names: Vec<String>) -> Result<Vec<StoredDocument>, StoreError> {
        self.0.find_all(of, names).await
    }
    async fn list(&self, of: &'static Collection, page: PageRequest) -> Result<Vec<StoredDocument>, StoreError> {
        self.0.list(of, page).await
    }
    async fn texts(&self, of: &'static Collection, field: &'static str) -> Result<Vec<(String, String)>, StoreError> {
        self.0.texts(of, field).await
    }
    async fn commit(&self, changes: Vec<Change>) -> Result<Vec<Version>, StoreError> {
        self.0.commit(changes).await
    }
    async fn changes(&self, since: Option<&ChangeToken>) -> Result<Changes, StoreError> {
        self.0.changes(since).await
    }
    async fn wait_for_changes(&self, since: &ChangeToken) -> Result<Changes, StoreError> {
        self.0.wait_for_changes(since).await
    }
    async fn change_maintained(&self, change: MaintainedChange) -> Result<bool, StoreError> {
        self.0.change_maintained(change).await
    }
    async fn record_login(&self, account: &AccountKey, at: i64) -> Result<(), StoreError> {
        self.0.record_login(account, at).await
    }
    async fn record_first_transfer(&self, account: &AccountKey, upload: bool, at: i64) -> Result<bool, StoreError> {
        self.0.record_first_transfer(account, upload, at).await
    }
    async fn use_code(&self, account: &AccountKey, step: i64) -> Result<bool, StoreError> {
        self.0.use_code(account, step).await
    }
}

struct NoPasswords;

#[async_trait]
impl Passwords for NoPasswords {
    async fn matches(&self, _: Waiter<'_>, _: &PasswordHash, _: &Secret) -> Result<bool, PasswordError> {
        Ok(false)
    }
    async fn hash(&self, _: Waiter<'_>, _: &Secret) -> Result<PasswordHash, PasswordError> {
        Err(PasswordError::PoolClosed)
    }
}

struct NoStorage;

#[async_trait]
impl StorageFactory for NoStorage {
    async fn open(&self, _: &TreeDescription) -> Result<Arc<dyn Storage>, StorageError> {
        Err(StorageError::new(StorageErrorKind::Unsupported, "there is none"))
    }
}

struct TrustingClient;

impl client::Handler for TrustingClient {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

async fn start() -> SocketAddr {
    start_with(Arc::new(UnlimitedDescriptors)).await
}

async fn start_with(descriptors: Arc<dyn Descriptors>) -> SocketAddr {
    let passwords = Arc::new(NoPasswords);
    let metrics = Arc::new(Metrics::default());
    let cache = ExternalAuthCache::new(Duration::ZERO, metrics.clone(), Arc::new(SystemClock));
    let login = LoginService::new(LoginPorts {
        accounts: Arc::new(Accounts::new(Arc::new(FragileStore::default()), passwords.clone(), None)),
        passwords,
        hooks: LoginHooks::new(Arc::default()),
        files: Arc::new(FileContext {
            policy: SetAttributesPolicy::Apply,
            rename_limit: 0,
            held_names: Arc::default(),
            metrics: metrics.clone(),
            log: Arc::new(NoFileLog),
            quotas: QuotaKeeper::new(
                Arc::new(MemoryStore::default()),
                NodeName(String::new()),
                Arc::new(SystemClock),
                Tracking::Never,
            ),
            hooks: Arc::new(FileHooks {
                before: Arc::default(),
                after: Observers::new(Arc::default()),
                synchronous: Vec::new(),
                first: None,
            }),
        }),
        address_rule: AddressRule::default(),
        sessions: Arc::new(SessionRegistry::default()),
        defender: Arc::new(Defender::new(DefenderSettings::default(), metrics.clone(), Arc::new(SystemClock))),
        external_auth_cache: Arc::new(cache.unwrap()),
        storage: Arc::new(NoStorage),
        metrics,
        clock: Arc::new(SystemClock),
    });
    let settings = SshSettings {
        host_keys: host_keys::ephemeral().unwrap(),
        algorithms: Algorithms::of_policy(AlgorithmPolicy::Compatible),
        prefer_fast_ciphers: true,
        identification: "test".into(),
        banner: None,
        max_auth_tries: Some(6),
        login_delay: LoginDelay::default(),
        login_grace: LOGIN_GRACE,
        launcher: None,
        proxy: ProxySettings::default(),
        limits: ConnectionLimits::default(),
        max_half_open: 10,
        max_channels: 10,
        commands: SshCommands::default(),
        keyboard_interactive: None,
        descriptors,
    };
    let hooks = ConnectionHooks { connect: Arc::default(), disconnect: Observers::new(Arc::default()) };
    let bound = BoundListener::bind((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
    let address = bound.address;
    let server = SshServer::new(settings, Arc::new(login), hooks, Arc::new(SystemClock));
    tokio::spawn(async move { server.serve(bound, CancellationToken::new(), Duration::ZERO).await });
    address
}

async fn connect(address: SocketAddr) -> client::Handle<TrustingClient> {
    client::connect(Arc::new(client::Config::default()), address, TrustingClient).await.unwrap()
}

#[tokio::test]
async fn a_panic_ends_its_connection_alone() {
    let address = start().await;
    let mut honest = connect(address).await;
    let mut fatal = connect(address).await;
    let outcome = fatal.authenticate_password("panic", "x").await;
    assert!(!outcome.is_ok_and(|result| result.success()));
    let closed = tokio::time::timeout(Duration::from_secs(60), &mut fatal).await;
    assert!(closed.is_ok(), "the connection stayed open");
    assert!(!honest.authenticate_password("nobody", "x").await.unwrap().success());
    let mut later = connect(address).await;
    assert!(!later.authenticate_password("nobody", "x").await.unwrap().success());
}

/// Room for so many connections.
#[derive(Debug)]
struct Room(AtomicUsize);

impl Descriptors for Room {
    fn has_room(&self, wanted: DescriptorUse) -> bool {
        assert_eq!(wanted, DescriptorUse::Client);
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }
}

#[tokio::test]
async fn connections_for_which_there_is_no_room_are_closed_at_once() {
    // A4-17
    let room = Arc::new(Room(AtomicUsize::new(1)));
    let address = start_with(room.clone()).await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut refused = TcpStream::connect(address).await.unwrap();
    assert_eq!(refused.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    // The one that has not logged in makes room for the next one.
    let mut rest = Vec::new();
    let ended = silent.read_to_end(&mut rest);
    assert!(tokio::time::timeout(Duration::from_secs(60), ended).await.is_ok(), "the silent connection stayed open");
    room.0.store(1, Ordering::SeqCst);
    let mut later = connect(address).await;
    assert!(!later.authenticate_password("nobody", "x").await.unwrap().success());
}

/// Message numbers (RFC 4253 §12, RFC 5656 §7.1).
const MSG_KEXINIT: u8 = 20;
const MSG_KEX_ECDH_INIT: u8 = 30;

/// A packet without encryption, padding and length.
fn kexinit(kex: &str, host_key: &str, follows: bool) -> Vec<u8> {
    let mut payload = vec![MSG_KEXINIT];
    payload.extend([7; 16]);
    for list in [kex, host_key, "aes128-ctr", "aes128-ctr", "hmac-sha2-256", "hmac-sha2-256", "none", "none", "", ""] {
        payload.extend((list.len() as u32).to_be_bytes());
        payload.extend(list.as_bytes());
    }
    payload.push(follows.into());
    payload.extend([0; 4]);
    packet(&payload)
}

fn packet(payload: &[u8]) -> Vec<u8> {
    let padding = 4 + (8 - (5 + payload.len() + 4) % 8) % 8;
    let mut packet = ((1 + payload.len() + padding) as u32).to_be_bytes().to_vec();
    packet.push(padding as u8);
    packet.extend_from_slice(payload);
    packet.resize(packet.len() + padding, 0);
    packet
}

/// Checks what a client reads that sends these parts.
async fn reads_the_offer(address: SocketAddr, parts: &[&[u8]]) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let mut got = Vec::new();
    for part in parts {
        // The server may have closed the connection already.
        let _ = socket.write_all(part).await;
    }
    let _ = socket.read_to_end(&mut got).await;
    let text = String::from_utf8_lossy(&got);
    assert!(text.starts_with("SSH-2.0-test\r\n"), "{text:?}");
    for name in ["curve25519-sha256", "ssh-ed25519", "aes256-gcm@openssh.com", "aes128-ctr", "hmac-sha2-256"] {
        assert!(text.contains(name), "{name} is not in {text:?}");
    }
}

#[tokio::test]
async fn a_client_without_a_common_algorithm_gets_the_offer() {
    let address = start().await;
    let identification = b"SSH-2.0-inventory\r\n";
    for (kex, host_key) in [("diffie-hellman-group1-sha1", "ssh-ed25519"), ("curve25519-sha256", "ssh-dss"), ("", "")] {
        let together = [&identification[..], &kexinit(kex, host_key, false)].concat();
        reads_the_offer(address, &[&together]).await;
        // A guess that the server does not read.
        let guess = [&together[..], &packet(&[MSG_KEX_ECDH_INIT; 200])].concat();
        reads_the_offer(address, &[&guess]).await;
        reads_the_offer(address, &[identification, &kexinit(kex, host_key, true), &packet(&[MSG_KEX_ECDH_INIT; 20])])
            .await;
    }
}
