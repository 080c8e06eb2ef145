//! Sessions that are there and do nothing.

use std::io::Read;

use anyhow::Result;
use serde_json::json;

use crate::Target;
use crate::connect::{Client, Dialogue};
use crate::requests::{begin, finish, kind, put_string};

#[derive(clap::Args, Clone)]
pub struct Idle {
    #[arg(long)]
    sessions: usize,
}

/// One request, so that the session has done what sessions do.
struct Once;

impl Dialogue for Once {
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let start = begin(out, kind::STAT, 0);
        put_string(out, b".");
        finish(out, start);
        Ok(())
    }

    fn receive(&mut self, _packet: &[u8], _out: &mut Vec<u8>) -> Result<bool> {
        Ok(true)
    }
}

pub async fn run(target: &Target, idle: &Idle) -> Result<()> {
    let client = Client::new(target)?;
    let mut open = Vec::new();
    for _ in 0..idle.sessions {
        let mut connected = client.connect(Some(Once)).await?;
        connected.finish().await?;
        open.push(connected);
    }
    println!("{}", json!({ "sessions": open.len() }));
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}
