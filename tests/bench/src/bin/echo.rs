//! Bytes that come straight back over TCP: no server on this machine answers faster than one
//! that does nothing. `serve` answers one connection after the other; `ask` prints
//! `{"seconds": s, "median_us": µs}`.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use serde_json::json;

/// As long as a small request in its SSH packet.
const MESSAGE: usize = 84;

#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[arg(long)]
    port: u16,
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    Serve,
    Ask {
        #[arg(long, default_value_t = 5000)]
        count: u32,
    },
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.role {
        Role::Serve => serve(arguments.port),
        Role::Ask { count } => ask(arguments.port, count),
    }
}

fn serve(port: u16) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).context("the port is taken")?;
    let mut message = [0; MESSAGE];
    for stream in listener.incoming() {
        let mut stream = stream?;
        stream.set_nodelay(true)?;
        while stream.read_exact(&mut message).is_ok() {
            stream.write_all(&message)?;
        }
    }
    Ok(())
}

fn ask(port: u16, count: u32) -> Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("no server answers")?;
    stream.set_nodelay(true)?;
    let (mut message, mut micros, started) = ([0; MESSAGE], Vec::new(), Instant::now());
    for _ in 0..count {
        let asked = Instant::now();
        stream.write_all(&message)?;
        stream.read_exact(&mut message)?;
        micros.push(asked.elapsed().as_secs_f64() * 1e6);
    }
    let seconds = started.elapsed().as_secs_f64();
    micros.sort_by(f64::total_cmp);
    let median = micros.get(micros.len() / 2).copied().unwrap_or_default();
    println!("{}", json!({ "seconds": seconds, "median_us": median }));
    Ok(())
}
