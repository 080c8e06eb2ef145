//! Sessions on files in memory, for the tests of this crate.

use std::sync::{Arc, OnceLock};

use tidegate_core::account::{AccountDraft, CredentialRule, EffectiveAccount, Factors};
use tidegate_core::connection::{Connection, ConnectionId, LoginMethod};
use tidegate_core::files::{FileContext, FileHooks, FileService, SetAttributesPolicy};
use tidegate_core::hook::review::PreAction;
use tidegate_core::hook::{Chain, Observers};
use tidegate_core::memory::MemoryStore;
use tidegate_core::metrics::Metrics;
use tidegate_core::ports::{NoFileLog, NodeName, SystemClock};
use tidegate_core::quota::{QuotaKeeper, Tracking};
use tidegate_core::session::{KeptPassword, LiveSession, Session, Traffic};
use tidegate_storage::{MemoryStorage, MemoryStorageSettings, OverwriteMode};

use crate::engine::{Engine, State};
use crate::packet::{Reader, put_string, put_u32, put_u64};
use crate::protocol::{StatusCode, fxf, fxp};

/// The files of the account `alice`, which has all permissions. `more`: further fields of the account, each
/// with a comma before it.
pub fn files(more: &str) -> Arc<FileService> {
    files_with(more, Arc::default())
}

/// As [`files`], in a storage on another host.
pub fn remote_files() -> Arc<FileService> {
    let settings = MemoryStorageSettings { random_writes: false, ..MemoryStorageSettings::default() };
    files_in(MemoryStorage::new(settings), "", Arc::default())
}

/// As [`files`], where a file has its name when it is closed.
pub fn atomic_files() -> Arc<FileService> {
    let settings = MemoryStorageSettings { overwrite: OverwriteMode::Atomic, ..MemoryStorageSettings::default() };
    files_in(MemoryStorage::new(settings), "", Arc::default())
}

/// As [`files`], with hooks that are asked before each action.
pub fn files_with(more: &str, before: Arc<Chain<PreAction>>) -> Arc<FileService> {
    files_in(MemoryStorage::new(MemoryStorageSettings::default()), more, before)
}

fn files_in(storage: MemoryStorage, more: &str, before: Arc<Chain<PreAction>>) -> Arc<FileService> {
    let document = format!(r#"{{"status":1,"username":"alice","home_dir":"/a","permissions":{{"/":["*"]}}{more}}}"#);
    let account = AccountDraft::from_json(&document).unwrap().validate(CredentialRule::Optional).unwrap().account;
    let account = Arc::new(EffectiveAccount::ungrouped(account));
    let address = "192.0.2.1:1022".parse().unwrap();
    let (id, client) = (ConnectionId::new("test"), OnceLock::new());
    let connection =
        Arc::new(Connection { id: id.clone(), remote: address, local: address, client, opened_at: 0, web: None });
    let session = Session {
        id,
        connection,
        username: account.username.clone(),
        method: LoginMethod::Password,
        factors: Factors::default(),
        password: KeptPassword::new(None),
        opened_at: 0,
        traffic: Traffic::of(&account),
        live: LiveSession::new(account.clone(), address.ip(), 0),
        account,
    };
    let after = Observers::new(Arc::default());
    let store = Arc::new(MemoryStore::default());
    let context = FileContext {
        policy: SetAttributesPolicy::Apply,
        rename_limit: 0,
        hooks: Arc::new(FileHooks { before, after, synchronous: Vec::new(), first: None }),
        quotas: QuotaKeeper::new(store, NodeName(String::new()), Arc::new(SystemClock), Tracking::Never),
        held_names: Arc::default(),
        metrics: Arc::new(Metrics::default()),
        log: Arc::new(NoFileLog),
    };
    FileService::for_tests(Arc::new(session), Arc::new(storage), Arc::new(context))
}

pub const INIT: [u8; 9] = [0, 0, 0, 5, fxp::INIT, 0, 0, 0, 3];

/// A request with its length, as it goes over the wire.
pub fn packet(kind: u8, id: u32, fields: &[Field<'_>]) -> Vec<u8> {
    let mut body = vec![kind];
    put_u32(&mut body, id);
    for field in fields {
        match field {
            Field::Text(bytes) => put_string(&mut body, bytes),
            Field::Handle(number) => put_string(&mut body, &number.to_be_bytes()),
            Field::U32(number) => put_u32(&mut body, *number),
            Field::U64(number) => put_u64(&mut body, *number),
        }
    }
    let mut packet = Vec::new();
    put_string(&mut packet, &body);
    packet
}

#[derive(Debug, Clone, Copy)]
pub enum Field<'a> {
    Text(&'a [u8]),
    Handle(u32),
    U32(u32),
    U64(u64),
}

/// A reply: its type, and what follows the request id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub kind: u8,
    pub id: u32,
    pub body: Vec<u8>,
}

impl Reply {
    /// The code of a STATUS; that of any other reply is OK.
    pub fn status(&self) -> u32 {
        let first = Reader::new(&self.body).u32();
        if self.kind == fxp::STATUS { first.unwrap() } else { StatusCode::Ok as u32 }
    }

    /// The string that the body begins with.
    pub fn text(&self) -> &[u8] {
        Reader::new(&self.body).string().unwrap()
    }

    /// The name of a NAME with one.
    pub fn name(&self) -> String {
        assert_eq!(self.kind, fxp::NAME, "{self:?}");
        let mut body = Reader::new(&self.body);
        assert_eq!(body.u32(), Ok(1));
        String::from_utf8(body.string().unwrap().to_vec()).unwrap()
    }

    pub fn handle(&self) -> u32 {
        assert_eq!(self.kind, fxp::HANDLE, "{self:?}");
        u32::from_be_bytes(self.text().try_into().unwrap())
    }
}

/// The replies in bytes that were sent; no part of one is left over.
pub fn replies(mut bytes: &[u8]) -> Vec<Reply> {
    let mut replies = Vec::new();
    while !bytes.is_empty() {
        let mut packet = Reader::new(bytes);
        let packet = packet.string().unwrap();
        bytes = &bytes[4 + packet.len()..];
        replies.push(Reply {
            kind: packet[0],
            id: u32::from_be_bytes(packet[1..5].try_into().unwrap()),
            body: packet[5..].to_vec(),
        });
    }
    replies
}

/// What the engine has to send.
pub fn sent(engine: &mut Engine) -> Vec<u8> {
    std::iter::from_fn(|| engine.take()).flatten().collect()
}

/// A client that waits for each reply.
pub struct Client {
    pub engine: Engine,
    next: u32,
}

impl Client {
    pub async fn new(files: Arc<FileService>) -> Self {
        let mut engine = Engine::new(files);
        assert_eq!(engine.receive_inline(&INIT).await, Ok(State::Idle));
        assert_eq!(sent(&mut engine)[4], fxp::VERSION);
        Self { engine, next: 0 }
    }

    pub async fn ask(&mut self, kind: u8, fields: &[Field<'_>]) -> Reply {
        self.next += 1;
        let mut state = self.engine.receive_inline(&packet(kind, self.next, fields)).await.unwrap();
        while state != State::Idle {
            state = self.engine.receive_aside(&[]).await.unwrap();
        }
        let mut replies = replies(&sent(&mut self.engine));
        assert_eq!(replies.len(), 1, "{replies:?}");
        let reply = replies.remove(0);
        assert_eq!(reply.id, self.next);
        reply
    }

    pub async fn extended(&mut self, name: &str, fields: &[Field<'_>]) -> Reply {
        self.ask(fxp::EXTENDED, &[&[Field::Text(name.as_bytes())], fields].concat()).await
    }

    pub async fn open(&mut self, path: &str, flags: u32) -> Reply {
        self.ask(fxp::OPEN, &[Field::Text(path.as_bytes()), Field::U32(flags), Field::U32(0)]).await
    }

    /// A new file.
    pub async fn put(&mut self, path: &str, content: &[u8]) {
        let handle = self.open(path, fxf::WRITE | fxf::CREAT | fxf::TRUNC).await.handle();
        for (at, portion) in content.chunks(200_000).enumerate() {
            let offset = Field::U64(at as u64 * 200_000);
            let written = self.ask(fxp::WRITE, &[Field::Handle(handle), offset, Field::Text(portion)]).await;
            assert_eq!(written.status(), StatusCode::Ok as u32);
        }
        assert_eq!(self.ask(fxp::CLOSE, &[Field::Handle(handle)]).await.status(), StatusCode::Ok as u32);
    }

    pub async fn get(&mut self, path: &str) -> Vec<u8> {
        let handle = self.open(path, fxf::READ).await.handle();
        let read = self.ask(fxp::READ, &[Field::Handle(handle), Field::U64(0), Field::U32(u32::MAX)]).await;
        self.ask(fxp::CLOSE, &[Field::Handle(handle)]).await;
        if read.kind == fxp::DATA { read.text().to_vec() } else { Vec::new() }
    }
}
