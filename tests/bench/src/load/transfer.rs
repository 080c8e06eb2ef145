//! One file up or down, with as many requests under way as OpenSSH's client has.

use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::Target;
use crate::connect::{Client, Dialogue};
use crate::requests::{begin, finish, kind, put_string, reply};

const READ: u32 = 1;
const WRITE: u32 = 2;
const CREATE: u32 = 8;
const TRUNCATE: u32 = 16;

#[derive(clap::Args, Clone)]
pub struct Transfer {
    #[arg(long)]
    path: String,
    #[arg(long)]
    bytes: u64,
    /// Bytes of a request.
    #[arg(long, default_value_t = 32 << 10)]
    block: u32,
    /// Requests under way at once.
    #[arg(long, default_value_t = 64)]
    depth: u32,
    /// Connections that do the same at once; `{}` in the path is the number of each.
    #[arg(long, default_value_t = 1)]
    parallel: usize,
}

pub async fn up(target: &Target, transfer: &Transfer) -> Result<Value> {
    run(target, transfer, true).await
}

pub async fn down(target: &Target, transfer: &Transfer) -> Result<Value> {
    run(target, transfer, false).await
}

async fn run(target: &Target, transfer: &Transfer, up: bool) -> Result<Value> {
    let client = Client::new(target)?;
    let mut connections = Vec::new();
    for number in 0..transfer.parallel {
        connections.push(client.connect(Some(Moving::new(transfer, number, up))).await?);
    }
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for mut connected in connections {
        tasks.spawn(async move { connected.finish().await });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(json!({ "seconds": started.elapsed().as_secs_f64() }))
}

struct Moving {
    transfer: Transfer,
    path: String,
    up: bool,
    handle: Vec<u8>,
    /// What is written, again and again.
    content: Vec<u8>,
    asked: u64,
    answered: u64,
    closing: bool,
}

impl Moving {
    fn new(transfer: &Transfer, number: usize, up: bool) -> Self {
        let content = (0..transfer.block).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let path = transfer.path.replace("{}", &number.to_string());
        Self {
            transfer: transfer.clone(),
            path,
            up,
            handle: Vec::new(),
            content,
            asked: 0,
            answered: 0,
            closing: false,
        }
    }

    /// Asks for more when a good part of what was asked for is there, so that requests travel
    /// together.
    fn go_on(&mut self, out: &mut Vec<u8>) {
        let depth = u64::from(self.transfer.depth) * u64::from(self.transfer.block);
        if self.asked - self.answered <= depth - depth / 8 {
            while self.asked - self.answered < depth && self.asked < self.transfer.bytes {
                self.ask(out);
            }
        }
    }

    /// The next block, if there is one.
    fn ask(&mut self, out: &mut Vec<u8>) {
        let length = (self.transfer.bytes - self.asked).min(self.transfer.block.into()) as usize;
        if length == 0 {
            return;
        }
        let start = begin(out, if self.up { kind::WRITE } else { kind::READ }, self.asked as u32);
        put_string(out, &self.handle);
        out.extend_from_slice(&self.asked.to_be_bytes());
        if self.up {
            put_string(out, self.content.get(..length).unwrap_or_default());
        } else {
            out.extend_from_slice(&(length as u32).to_be_bytes());
        }
        finish(out, start);
        self.asked += length as u64;
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        let start = begin(out, kind::CLOSE, 0);
        put_string(out, &self.handle);
        finish(out, start);
        self.closing = true;
    }
}

impl Dialogue for Moving {
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let start = begin(out, kind::OPEN, 0);
        put_string(out, self.path.as_bytes());
        let flags = if self.up { WRITE | CREATE | TRUNCATE } else { READ };
        out.extend_from_slice(&flags.to_be_bytes());
        out.extend_from_slice(&0_u32.to_be_bytes());
        finish(out, start);
        Ok(())
    }

    fn receive(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        let (kind, _, body) = reply(packet)?;
        match kind {
            kind::HANDLE => {
                self.handle = body.get(4..).context("no handle")?.to_vec();
                self.go_on(out);
                return Ok(false);
            }
            kind::STATUS if body.starts_with(&[0; 4]) => {
                if self.closing {
                    return Ok(true);
                }
                self.answered += u64::from(self.transfer.block).min(self.transfer.bytes - self.answered);
            }
            kind::DATA => self.answered += body.len() as u64 - 4,
            other => {
                bail!("a reply of type {other} while {} was on its way: {}", self.path, String::from_utf8_lossy(body))
            }
        }
        ensure!(self.answered <= self.transfer.bytes, "more than was asked for");
        self.go_on(out);
        if self.answered == self.transfer.bytes {
            self.close(out);
        }
        Ok(false)
    }
}
