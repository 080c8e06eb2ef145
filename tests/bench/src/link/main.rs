//! A long fat link: two network devices, with a delay and a rate between them. Packets that
//! would wait too long for their turn are lost, as in a router. It stands in for the kernel's
//! own emulation, which many kernels are built without.
//!
//! Prints a line when the devices are there; they go with the program, which ends with its
//! input.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tun_rs::{AsyncDevice, DeviceBuilder};

/// As Ethernet's.
const MTU: u16 = 1500;
/// Longest wait for the line to be free.
const QUEUE: Duration = Duration::from_millis(25);

#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// The names of the two devices.
    near: String,
    far: String,
    /// In each direction.
    #[arg(long, default_value_t = 25)]
    delay_ms: u64,
    /// A second, in each direction.
    #[arg(long, default_value_t = 1000)]
    megabits: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let device = |name: &str| -> Result<Arc<AsyncDevice>> {
        let built = DeviceBuilder::new().name(name).mtu(MTU).build_async();
        Ok(Arc::new(built.with_context(|| format!("the device {name} could not be made"))?))
    };
    let (near, far) = (device(&arguments.near)?, device(&arguments.far)?);
    let line =
        Line { delay: Duration::from_millis(arguments.delay_ms), bits_per_second: arguments.megabits * 1_000_000 };
    tokio::spawn(carry(near.clone(), far.clone(), line));
    tokio::spawn(carry(far, near, line));
    println!("ready");
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    Ok(())
}

#[derive(Clone, Copy)]
struct Line {
    delay: Duration,
    bits_per_second: u64,
}

impl Line {
    fn time_of(self, bytes: usize) -> Duration {
        Duration::from_nanos(bytes as u64 * 8 * 1_000_000_000 / self.bits_per_second)
    }
}

/// One direction, until the device is gone.
async fn carry(from: Arc<AsyncDevice>, to: Arc<AsyncDevice>, line: Line) -> Result<()> {
    let (sender, packets) = mpsc::unbounded_channel();
    tokio::spawn(deliver(packets, to));
    let mut free_at = Instant::now();
    let mut buffer = vec![0; usize::from(MTU) + 100];
    loop {
        let size = from.recv(&mut buffer).await?;
        let now = Instant::now();
        let starts = free_at.max(now);
        if starts - now > QUEUE {
            continue;
        }
        free_at = starts + line.time_of(size);
        sender.send((free_at + line.delay, buffer.get(..size).unwrap_or_default().to_vec()))?;
    }
}

async fn deliver(mut packets: mpsc::UnboundedReceiver<(Instant, Vec<u8>)>, to: Arc<AsyncDevice>) {
    while let Some((due, packet)) = packets.recv().await {
        if due > Instant::now() {
            tokio::time::sleep_until(due).await;
        }
        // A device that is down loses packets, as a line would.
        let _ = to.send(&packet).await;
    }
}
