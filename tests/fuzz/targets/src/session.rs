//! Whole SFTP sessions, on files in memory.

use std::sync::{Arc, OnceLock};

use tidegate_core::account::{AccountDraft, CredentialRule, EffectiveAccount, Factors};
use tidegate_core::connection::{Connection, ConnectionId, LoginMethod};
use tidegate_core::files::{FileContext, FileHooks, FileService, SetAttributesPolicy};
use tidegate_core::hook::Observers;
use tidegate_core::memory::MemoryStore;
use tidegate_core::metrics::Metrics;
use tidegate_core::ports::{NoFileLog, NodeName, SystemClock};
use tidegate_core::quota::{QuotaKeeper, Tracking};
use tidegate_core::session::{KeptPassword, LiveSession, Session, Traffic};
use tidegate_sftp::{Engine, State};
use tidegate_storage::{MemoryStorage, MemoryStorageSettings, OverwriteMode};
use tokio::time::Instant;

/// Replies that make no sense before they are all taken: no request of a small input has more.
const MAX_STEPS: usize = 10_000;

/// The first byte says the rules of the session. Then come portions: a byte, the length of a packet,
/// and the packet, whose length field is made here; a length of 255 means that all that follows is
/// sent as it is, length fields and all.
///
/// Whatever the client sends, each of its requests gets one reply, the engine comes to rest, and it
/// leaves no handle open behind it.
pub fn sftp_session(bytes: &[u8]) {
    let Some((&rules, portions)) = bytes.split_first() else { return };
    crate::run(async {
        let files = files(rules);
        let session = files.session().clone();
        let mut engine = Engine::new(files);
        converse(&mut engine, portions).await;
        drop(engine);
        assert_eq!(session.live.handles.load(std::sync::atomic::Ordering::Relaxed), 0);
    });
}

async fn converse(engine: &mut Engine, portions: &[u8]) {
    const INIT: &[u8] = &[0, 0, 0, 5, 1, 0, 0, 0, 3];
    let mut replies = Vec::new();
    if exchange(engine, INIT, &mut replies).await.is_none() {
        panic!("INIT was not understood");
    }
    assert_eq!(packets(&replies).len(), 1);
    replies.clear();
    let (mut rest, mut sent) = (portions, 0);
    while let Some((&length, tail)) = rest.split_first() {
        if length == 255 {
            exchange(engine, tail, &mut replies).await;
            packets(&replies);
            return;
        }
        let (packet, after) = tail.split_at(usize::from(length).min(tail.len()));
        rest = after;
        let framed = [&u32::try_from(packet.len()).unwrap().to_be_bytes(), packet].concat();
        // In two parts, as a network may deliver it.
        let (first, second) = framed.split_at(framed.len() / 2);
        if exchange(engine, first, &mut replies).await.is_none()
            || exchange(engine, second, &mut replies).await.is_none()
        {
            assert!(packet.len() < 5, "a packet with a request id ended the channel");
            return;
        }
        sent += 1;
    }
    assert_eq!(packets(&replies).len(), sent, "each request has one reply");
}

/// Gives the engine data until it waits for more. None: the protocol is broken.
async fn exchange(engine: &mut Engine, data: &[u8], replies: &mut Vec<u8>) -> Option<()> {
    let mut state = engine.receive_inline(data).await;
    for _ in 0..MAX_STEPS {
        while let Some(portion) = engine.take() {
            replies.extend_from_slice(&portion);
        }
        match state.ok()? {
            State::Idle => return Some(()),
            State::OutputFull | State::TakesLong => {}
            State::Paced(time) | State::Full(time) => tokio::time::sleep_until(time.max(Instant::now())).await,
        }
        state = engine.receive_aside(&[]).await;
    }
    panic!("the engine does not come to rest");
}

/// The type of each packet of the replies; none is left over in part.
fn packets(mut bytes: &[u8]) -> Vec<u8> {
    const REPLIES: [u8; 7] = [2, 101, 102, 103, 104, 105, 201];
    let mut kinds = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let (packet, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        assert!(REPLIES.contains(&packet[0]), "a reply of type {}", packet[0]);
        kinds.push(packet[0]);
        bytes = rest;
    }
    assert!(bytes.is_empty());
    kinds
}

fn files(rules: u8) -> Arc<FileService> {
    const MODES: [OverwriteMode; 3] = [OverwriteMode::Standard, OverwriteMode::Atomic, OverwriteMode::AtomicWithResume];
    let overwrite = MODES[usize::from(rules & 3) % MODES.len()];
    let settings = MemoryStorageSettings { overwrite, capacity: 8 << 20, ..MemoryStorageSettings::default() };
    let limit = if rules & 4 == 0 { "" } else { r#","upload_bandwidth":1,"download_bandwidth":1"# };
    let permissions = if rules & 8 == 0 { r#"{"/":["*"]}"# } else { r#"{"/":["*"],"/ro":["list","download"]}"# };
    let document =
        format!(r#"{{"status":1,"username":"alice","home_dir":"/home/alice","permissions":{permissions}{limit}}}"#);
    let account = AccountDraft::from_json(&document).unwrap().validate(CredentialRule::Optional).unwrap().account;
    let account = Arc::new(EffectiveAccount::ungrouped(account));
    let address = "192.0.2.1:1022".parse().unwrap();
    let (id, client) = (ConnectionId::new("fuzz"), OnceLock::new());
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
    let hooks = FileHooks {
        before: Arc::default(),
        after: Observers::new(Arc::default()),
        synchronous: Vec::new(),
        first: None,
    };
    let context = FileContext {
        policy: SetAttributesPolicy::Apply,
        rename_limit: 0,
        hooks: Arc::new(hooks),
        quotas: QuotaKeeper::new(
            Arc::new(MemoryStore::default()),
            NodeName(String::new()),
            Arc::new(SystemClock),
            Tracking::Never,
        ),
        metrics: Arc::new(Metrics::default()),
        log: Arc::new(NoFileLog),
        held_names: Arc::default(),
    };
    FileService::for_tests(Arc::new(session), Arc::new(MemoryStorage::new(settings)), Arc::new(context))
}
