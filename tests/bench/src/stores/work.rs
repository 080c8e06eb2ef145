//! What the stores are asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde_json::json;
use tidegate_core::hook::{Exchange, HookRun};
use tidegate_core::ports::{
    AccountKey, AuditRecord, Author, Change, PageRequest, StoreError, StoredDocument, Stores, USERS, Write,
};

const TASKS: u64 = 4;
const PAGE: u32 = 50;
/// Records of hook calls that arrive together.
const RUNS: u32 = 64;

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Work {
    /// An account is found, and its login noted.
    Login,
    /// A page of accounts, from any name on.
    Page,
    /// An account is found and changed, with an audit record.
    Change,
    /// Records of hook calls are appended.
    Runs,
}

pub fn name(number: u64) -> String {
    format!("user{number:08}")
}

/// How often a second the work is done, for a while; records of hook calls are counted one by one.
pub async fn rate(store: &Arc<dyn Stores>, work: Work, accounts: u64, time: Duration) -> Result<f64> {
    let (done, began) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (store, done) = (store.clone(), done.clone());
            tokio::spawn(async move {
                // Any order will do that meets all accounts and no two in a row.
                let mut number = task.wrapping_mul(7919);
                while began.elapsed() < time {
                    number = number.wrapping_add(104_729);
                    let count = once(&*store, work, number, accounts).await?;
                    done.fetch_add(count, Ordering::Relaxed);
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64())
}

async fn once(store: &dyn Stores, work: Work, number: u64, accounts: u64) -> Result<u64> {
    let name = name(number % accounts);
    match work {
        Work::Login => {
            let found = found(store, &name).await?;
            let key = AccountKey { username: name, id: found.version.id };
            store.record_login(&key, i64::try_from(number).unwrap_or(1)).await?;
        }
        Work::Page => {
            store.list(&USERS, PageRequest { after: Some(name), prefix: None, limit: PAGE }).await?;
        }
        Work::Change => change(store, &name, number).await?,
        Work::Runs => {
            let run = HookRun {
                at: 1,
                kind: "connect",
                hook: "plugin:bench".into(),
                adapter: "plugin",
                connection: None,
                username: Some(name),
                address: "192.0.2.1".parse().ok(),
                about: None,
                outcome: "allow",
                detail: String::new(),
                is_error: false,
                decided: true,
                duration: Duration::from_micros(20),
                exchange: Exchange::default(),
            };
            store.append((0..RUNS).map(|_| run.clone()).collect()).await?;
            return Ok(RUNS.into());
        }
    }
    Ok(1)
}

async fn found(store: &dyn Stores, name: &str) -> Result<StoredDocument> {
    store.find(&USERS, name).await?.context("an account is missing")
}

/// As an administrator changes an account; until no other task has changed it meanwhile.
async fn change(store: &dyn Stores, name: &str, number: u64) -> Result<()> {
    loop {
        let StoredDocument { version, mut document, .. } = found(store, name).await?;
        document.insert("max_sessions".to_owned(), json!(number % 1_000));
        let record = Author::system().did("update", USERS.kind, name, 1);
        let change = Change {
            collection: &USERS,
            name: name.to_owned(),
            write: Write::Replace { document, expected: version, reset: Vec::new() },
            announce: true,
            audit: Some(AuditRecord { detail: "max_sessions: 1 -> 2".to_owned(), ..record }),
        };
        match store.commit(vec![change]).await {
            Ok(_) => return Ok(()),
            Err(StoreError::Conflict(_) | StoreError::Busy(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
