//! A light SSH client, so that the server is what is measured: it does as little as the protocol
//! allows and keeps nothing of what it reads. Prints one line of JSON.

mod connect;
mod idle;
mod logins;
mod requests;
mod transfer;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(flatten)]
    server: Target,
    #[command(subcommand)]
    load: Load,
}

/// Where to log in, and as whom.
#[derive(Args, Clone)]
struct Target {
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    #[arg(long)]
    port: u16,
    /// `{}` in it is a number with eight digits, another one for each login.
    #[arg(long)]
    user: String,
    /// The number of accounts that `{}` goes through.
    #[arg(long, default_value_t = 1)]
    accounts: u64,
    /// A private key in OpenSSH's format.
    #[arg(long)]
    key: Option<PathBuf>,
    /// Used when there is no key.
    #[arg(long)]
    password: Option<String>,
    /// The only one to offer.
    #[arg(long, default_value = "aes128-gcm@openssh.com")]
    cipher: String,
}

#[derive(Subcommand)]
enum Load {
    /// Writes a file: `{"seconds": s}`.
    Up(transfer::Transfer),
    /// Reads a file: `{"seconds": s}`.
    Down(transfer::Transfer),
    /// STAT requests: `{"seconds": s, "median_us": µs, "p99_us": µs}`.
    Stat(requests::Stats),
    /// Connections that log in and leave: `{"seconds": s}`.
    Logins(logins::Logins),
    /// Sessions with an SFTP channel that do nothing: `{"sessions": n}`, until the input ends.
    Idle(idle::Idle),
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let server = &arguments.server;
    let printed = match &arguments.load {
        Load::Up(transfer) => transfer::up(server, transfer).await?,
        Load::Down(transfer) => transfer::down(server, transfer).await?,
        Load::Stat(stats) => requests::run(server, stats).await?,
        Load::Logins(logins) => logins::run(server, logins).await?,
        Load::Idle(idle) => return idle::run(server, idle).await,
    };
    println!("{printed}");
    Ok(())
}
