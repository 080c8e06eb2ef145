//! What the defender's look at the address of a connection costs, with a full table: prints nanoseconds a look, by whether the
//! address is banned, has a score, or is not known.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Parser;
use serde_json::{Map, json};
use tidegate_core::guard::{CAPACITY, Defender, DefenderSettings, Offence};
use tidegate_core::ports::SystemClock;

/// Addresses of the table that are banned; the others have a score.
const BANNED: usize = CAPACITY / 2;
/// The looks of a round.
const LOOKS: u32 = 1_000_000;

#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// Addresses that lie apart, as those of clients do. Each number has its own: the factor is odd.
fn address(number: usize) -> IpAddr {
    let number = u32::try_from(number).unwrap_or_default();
    Ipv4Addr::from_bits(number.wrapping_mul(2_654_435_761)).into()
}

fn main() -> Result<()> {
    let Arguments { rounds } = Arguments::parse();
    let settings = DefenderSettings { enabled: true, ..DefenderSettings::default() };
    let defender = Defender::new(settings, Arc::default(), Arc::new(SystemClock));
    for number in 0..CAPACITY {
        if number < BANNED {
            let banned = defender.ban(address(number), Some(Duration::from_secs(24 * 60 * 60)));
            ensure!(banned.is_ok(), "{} cannot be banned", address(number));
        } else {
            defender.score(address(number), Offence::LoginFailed);
        }
    }
    ensure!((defender.bans().len(), defender.scores().len()) == (BANNED, CAPACITY - BANNED), "the table is not full");
    let mut cost = Map::new();
    for (name, first, is_banned) in [("banned", 0, true), ("scored", BANNED, false), ("unknown", CAPACITY, false)] {
        let mut taken = Vec::new();
        for _ in 0..rounds.max(1) {
            let (started, mut refused) = (Instant::now(), 0);
            for number in (first..first + BANNED).cycle().take(LOOKS as usize) {
                refused += u32::from(defender.refuses(address(number)));
            }
            taken.push(started.elapsed().as_secs_f64() * 1e9 / f64::from(LOOKS));
            ensure!(refused == if is_banned { LOOKS } else { 0 }, "{refused} addresses were refused: {name}");
        }
        taken.sort_by(f64::total_cmp);
        cost.insert(name.to_owned(), json!(taken.get(taken.len() / 2)));
    }
    println!("{}", json!(cost));
    Ok(())
}
