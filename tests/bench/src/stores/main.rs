//! `stores`: how much of each kind of work the stores of accounts do in a second, all in one run on one machine: logins
//! (an account is found, and its login noted), pages of accounts, changes of accounts, and records of hook calls. Four tasks
//! work at once. Rounds alternate, so that what else the machine does meanwhile befalls all of them. Prints one line of JSON:
//! number of accounts → work → store → one rate for each round.

mod work;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use serde_json::{Map, Value, json};
use tidegate_accounts::{DatabaseServerSettings, MysqlDatabase, PostgresqlDatabase, RedbDatabase, SqliteDatabase};
use tidegate_core::memory::MemoryStore;
use tidegate_core::ports::{Change, Stores, USERS, Write};
use tidegate_tests::databases::{Database, Kind};
use work::{Work, name, rate};

/// Accounts that are added together.
const ADDED_TOGETHER: u64 = 1_000;

#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// Numbers of accounts
    #[arg(long, value_delimiter = ',', default_value = "100,100000")]
    accounts: Vec<u64>,
    /// The stores
    #[arg(long, value_delimiter = ',', default_value = "sqlite,memory,redb,postgresql,mariadb")]
    stores: Vec<String>,
    /// The kinds of work
    #[arg(long, value_delimiter = ',', default_value = "login,page,change,runs")]
    work: Vec<Work>,
    /// Seconds of each round
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Rounds of each store
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut results = Map::new();
    for accounts in &arguments.accounts {
        results.insert(accounts.to_string(), measure(*accounts, &arguments).await?);
    }
    println!("{}", Value::Object(results));
    Ok(())
}

async fn measure(accounts: u64, arguments: &Arguments) -> Result<Value> {
    let directory = tempfile::tempdir()?;
    let mut servers = Vec::new();
    let mut stores = Vec::new();
    for store in &arguments.stores {
        let opened = open(store, directory.path(), &mut servers)?;
        fill(&*opened, accounts).await.with_context(|| store.clone())?;
        eprintln!("{store}: {accounts} accounts");
        stores.push((store, opened));
    }
    let mut results = Map::new();
    for work in &arguments.work {
        let mut rates: Map<String, Value> = stores.iter().map(|(name, _)| ((*name).clone(), json!([]))).collect();
        for round in 0..arguments.rounds {
            // None is always first.
            let first = round % stores.len();
            for (name, store) in stores.iter().cycle().skip(first).take(stores.len()) {
                let rate = rate(store, *work, accounts, Duration::from_secs_f64(arguments.seconds)).await;
                let rate = rate.with_context(|| (*name).clone())?;
                if let Some(Value::Array(rates)) = rates.get_mut(*name) {
                    rates.push(json!(rate));
                }
            }
        }
        results.insert(format!("{work:?}").to_lowercase(), Value::Object(rates));
    }
    Ok(Value::Object(results))
}

/// `servers`: those that are running, and the ones that this store needs.
fn open(store: &str, directory: &Path, servers: &mut Vec<Database>) -> Result<Arc<dyn Stores>> {
    let settings = |database: &Database, port: u16, name: &str, user: &str| DatabaseServerSettings {
        hosts: vec![(database.socket().display().to_string(), port)],
        database: name.to_owned(),
        username: user.to_owned(),
        ..DatabaseServerSettings::default()
    };
    Ok(match store {
        "sqlite" => Arc::new(SqliteDatabase::open(&directory.join("tidegate.db"))?),
        "memory" => Arc::new(MemoryStore::default()),
        "redb" => Arc::new(RedbDatabase::open(&directory.join("redb.db"))?),
        "postgresql" => {
            let server = Database::start(Kind::Postgresql);
            let database = PostgresqlDatabase::open(settings(&server, 5432, "postgres", "postgres"))?;
            servers.push(server);
            Arc::new(database)
        }
        "mariadb" => {
            let server = Database::start(Kind::Mariadb);
            let database = MysqlDatabase::open(settings(&server, 3306, "tidegate", "root"))?;
            servers.push(server);
            Arc::new(database)
        }
        other => bail!("there is no store {other}"),
    })
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
