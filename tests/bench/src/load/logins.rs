//! Logins in numbers: connect, exchange keys, log in, leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Result;
use russh::Disconnect;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::Target;
use crate::connect::{Client, Dialogue};

#[derive(clap::Args, Clone)]
pub struct Logins {
    #[arg(long, default_value_t = 200)]
    count: usize,
    /// Under way at once.
    #[arg(long, default_value_t = 1)]
    parallel: usize,
}

/// The client opens no channel.
pub struct Silence;

impl Dialogue for Silence {
    fn begin(&mut self, _out: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }

    fn receive(&mut self, _packet: &[u8], _out: &mut Vec<u8>) -> Result<bool> {
        Ok(true)
    }
}

pub async fn run(target: &Target, logins: &Logins) -> Result<Value> {
    let client = Arc::new(Client::new(target)?);
    let left = Arc::new(AtomicUsize::new(logins.count));
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..logins.parallel {
        tasks.spawn(log_in_again_and_again(client.clone(), left.clone()));
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(json!({ "seconds": started.elapsed().as_secs_f64() }))
}

async fn log_in_again_and_again(client: Arc<Client>, left: Arc<AtomicUsize>) -> Result<()> {
    let take = || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
    while take().is_ok() {
        let connected = client.connect::<Silence>(None).await?;
        connected.handle.disconnect(Disconnect::ByApplication, "", "").await?;
    }
    Ok(())
}
