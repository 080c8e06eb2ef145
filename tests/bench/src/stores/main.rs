//! `stores`: how many logins a second the stores of accounts can look up and note, all in one run on one machine. Four
//! tasks at once find an account and record its login. Rates are compared with SQLite's; rounds alternate, so that what
//! else the machine does meanwhile befalls all of them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use serde_json::json;
use tidegate_accounts::{DatabaseServerSettings, MysqlDatabase, PostgresqlDatabase, RedbDatabase, SqliteDatabase};
use tidegate_core::memory::MemoryStore;
use tidegate_core::ports::{AccountKey, Change, Stores, USERS, Write};
use tidegate_tests::databases::{Database, Kind};

const TASKS: u64 = 4;
/// Accounts that are added together.
const ADDED_TOGETHER: u64 = 1_000;

#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// Numbers of accounts
    #[arg(long, value_delimiter = ',', default_value = "100,100000")]
    accounts: Vec<u64>,
    /// Seconds of each round
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Rounds of each store; the median counts
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Whether MariaDB takes part
    #[arg(long)]
    mariadb: bool,
}

/// A store under measurement.
struct Measured {
    name: &'static str,
    store: Arc<dyn Stores>,
    /// Logins a second, one number for each round.
    rates: Vec<f64>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    println!("accounts  store       logins/s   of SQLite's");
    for accounts in &arguments.accounts {
        measure(*accounts, &arguments).await?;
    }
    Ok(())
}

async fn measure(accounts: u64, arguments: &Arguments) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let postgresql = Database::start(Kind::Postgresql);
    let mariadb = arguments.mariadb.then(|| Database::start(Kind::Mariadb));
    let mut stores = opened(directory.path(), &postgresql, mariadb.as_ref())?;
    for measured in &stores {
        fill(&*measured.store, accounts).await.with_context(|| measured.name.to_owned())?;
    }
    for _ in 0..arguments.rounds {
        for measured in &mut stores {
            let rate = rate(&measured.store, accounts, Duration::from_secs(arguments.seconds)).await?;
            measured.rates.push(rate);
        }
    }
    let medians: Vec<f64> = stores.iter_mut().map(|measured| median(&mut measured.rates)).collect();
    let base = medians.first().copied().unwrap_or(1.0);
    for (measured, median) in stores.iter().zip(medians) {
        println!("{accounts:>8}  {:<10}  {median:>8.0}   {:.2}", measured.name, median / base);
    }
    Ok(())
}

/// The stores, SQLite first.
fn opened(directory: &Path, postgresql: &Database, mariadb: Option<&Database>) -> Result<Vec<Measured>> {
    let settings = |database: &Database, port: u16, name: &str, user: &str| DatabaseServerSettings {
        hosts: vec![(database.socket().display().to_string(), port)],
        database: name.to_owned(),
        username: user.to_owned(),
        ..DatabaseServerSettings::default()
    };
    let measured = |name, store| Measured { name, store, rates: Vec::new() };
    let mut stores = vec![
        measured("sqlite", Arc::new(SqliteDatabase::open(&directory.join("tidegate.db"))?) as Arc<dyn Stores>),
        measured("memory", Arc::new(MemoryStore::default())),
        measured("redb", Arc::new(RedbDatabase::open(&directory.join("redb.db"))?)),
        measured("postgresql", Arc::new(PostgresqlDatabase::open(settings(postgresql, 5432, "postgres", "postgres"))?)),
    ];
    if let Some(mariadb) = mariadb {
        let database = MysqlDatabase::open(settings(mariadb, 3306, "tidegate", "root"))?;
        stores.push(measured("mariadb", Arc::new(database)));
    }
    Ok(stores)
}

fn name(number: u64) -> String {
    format!("user{number:08}")
}

async fn fill(store: &dyn Stores, accounts: u64) -> Result<()> {
    let document = json!({
        "status": 1, "home_dir": "/srv/home", "permissions": {"/": ["*"]}, "password": "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/",
        "filters": {"allowed_ip": ["10.0.0.0/8"]}, "quota_size": 1_000_000
    });
    let document = document.as_object().cloned().unwrap_or_default();
    let mut first = 0;
    while first < accounts {
        let end = accounts.min(first + ADDED_TOGETHER);
        let add = |number| Change {
            collection: &USERS,
            name: name(number),
            write: Write::Add(document.clone()),
            announce: false,
            audit: None,
        };
        store.commit((first..end).map(add).collect()).await?;
        first = end;
    }
    Ok(())
}

/// Logins a second for a while.
async fn rate(store: &Arc<dyn Stores>, accounts: u64, time: Duration) -> Result<f64> {
    let (done, began) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (store, done) = (store.clone(), done.clone());
            tokio::spawn(async move {
                // Any order will do that meets all accounts and no two in a row.
                let mut number = task.wrapping_mul(7919);
                while began.elapsed() < time {
                    number = number.wrapping_add(104_729);
                    let name = name(number % accounts);
                    let found = store.find(&USERS, &name).await?.context("an account is missing")?;
                    let key = AccountKey { username: name, id: found.version.id };
                    store.record_login(&key, i64::try_from(number).unwrap_or(1)).await?;
                    done.fetch_add(1, Ordering::Relaxed);
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

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or_default()
}
