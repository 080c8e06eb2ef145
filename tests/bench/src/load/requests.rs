//! SFTP requests and replies as bytes, and STAT requests in numbers.

use std::collections::HashMap;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::Target;
use crate::connect::{Client, Dialogue};

pub mod kind {
    pub const OPEN: u8 = 3;
    pub const CLOSE: u8 = 4;
    pub const READ: u8 = 5;
    pub const WRITE: u8 = 6;
    pub const STAT: u8 = 17;
    pub const STATUS: u8 = 101;
    pub const HANDLE: u8 = 102;
    pub const DATA: u8 = 103;
    pub const ATTRS: u8 = 105;
}

/// A request; its fields follow, and then [`finish`].
pub fn begin(out: &mut Vec<u8>, kind: u8, id: u32) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.push(kind);
    out.extend_from_slice(&id.to_be_bytes());
    start
}

pub fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}

pub fn finish(out: &mut [u8], start: usize) {
    let length = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX);
    if let Some(field) = out.get_mut(start..start + 4) {
        field.copy_from_slice(&length.to_be_bytes());
    }
}

/// The type, the request's number, and what follows.
pub fn reply(packet: &[u8]) -> Result<(u8, u32, &[u8])> {
    let (kind, rest) = packet.split_first().context("an empty packet")?;
    let (id, body) = rest.split_first_chunk::<4>().context("a packet without a number")?;
    Ok((*kind, u32::from_be_bytes(*id), body))
}

#[derive(clap::Args, Clone)]
pub struct Stats {
    #[arg(long)]
    path: String,
    #[arg(long, default_value_t = 5000)]
    count: u32,
    /// Requests under way at once.
    #[arg(long, default_value_t = 1)]
    depth: u32,
}

struct Asking {
    stats: Stats,
    next: u32,
    sent: HashMap<u32, Instant>,
    micros: Vec<f64>,
    report: Option<tokio::sync::oneshot::Sender<Vec<f64>>>,
}

impl Asking {
    fn ask(&mut self, out: &mut Vec<u8>) {
        if self.next >= self.stats.count {
            return;
        }
        let start = begin(out, kind::STAT, self.next);
        put_string(out, self.stats.path.as_bytes());
        finish(out, start);
        self.sent.insert(self.next, Instant::now());
        self.next += 1;
    }
}

impl Dialogue for Asking {
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<()> {
        for _ in 0..self.stats.depth {
            self.ask(out);
        }
        Ok(())
    }

    fn receive(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        let (kind::ATTRS, id, _) = reply(packet)? else { bail!("no attributes of {}", self.stats.path) };
        let asked = self.sent.remove(&id).context("an answer to nothing")?;
        self.micros.push(asked.elapsed().as_secs_f64() * 1e6);
        self.ask(out);
        let all = self.micros.len() >= self.stats.count as usize;
        if all && let Some(report) = self.report.take() {
            let _ = report.send(std::mem::take(&mut self.micros));
        }
        Ok(all)
    }
}

pub async fn run(target: &Target, stats: &Stats) -> Result<Value> {
    let (report, reported) = tokio::sync::oneshot::channel();
    let asking =
        Asking { stats: stats.clone(), next: 0, sent: HashMap::new(), micros: Vec::new(), report: Some(report) };
    let mut connected = Client::new(target)?.connect(Some(asking)).await?;
    let started = Instant::now();
    connected.finish().await?;
    let seconds = started.elapsed().as_secs_f64();
    let mut micros = reported.await?;
    micros.sort_by(f64::total_cmp);
    let at = |share: f64| micros.get((micros.len() as f64 * share) as usize).copied().unwrap_or_default();
    Ok(json!({ "seconds": seconds, "median_us": at(0.5), "p99_us": at(0.99) }))
}
