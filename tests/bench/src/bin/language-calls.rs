//! Calls of `external-auth` in one component, whatever language it was written in: the way the server makes them,
//! through a chain. Prints JSON.
//!
//! `language-calls COMPONENT.wasm`

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;
use tidegate_contract::adapters;
use tidegate_contract::events::About;
use tidegate_core::hook::external_auth::ExternalAuth;
use tidegate_core::hook::{Call, Chain, Hook, HookEvent, Link, LinkSettings};
use tidegate_hooks_wasm::PluginHook;

const CALLS: usize = 500;
const WARM_UP: usize = 20;
const DEADLINE: Duration = Duration::from_secs(60);
const LIMITS: &str = "[limits]\ncpu_ms = 10000\ndeadline_ms = 60000\nmemory_mib = 256\n";

#[tokio::main]
async fn main() -> Result<()> {
    let component = std::env::args().nth(1).context("name a component: language-calls COMPONENT.wasm")?;
    let component = Path::new(&component);
    let size = std::fs::metadata(component)?.len();
    let bytes = std::fs::read(component)?;
    let inspection = tidegate_hooks_wasm::inspect(&bytes)?;
    let fresh = measure(component, LIMITS).await?;
    let warm = measure(component, &format!("{LIMITS}instances = \"warm\"\nready = 1\n")).await?;
    println!(
        "{}",
        json!({
            "size": size,
            "compile_ms": inspection.compile_time.as_secs_f64() * 1e3,
            "first_us": fresh.first,
            "fresh_median_us": fresh.median,
            "fresh_p99_us": fresh.p99,
            "warm_median_us": warm.median,
            "warm_p99_us": warm.p99,
            "memory": fresh.memory,
        })
    );
    Ok(())
}

struct Figures {
    first: f64,
    median: f64,
    p99: f64,
    memory: usize,
}

async fn measure(component: &Path, settings: &str) -> Result<Figures> {
    let directory = tempfile::tempdir()?;
    let plugins = adapters::load(component, settings, directory.path()).await?;
    let hook: Arc<PluginHook> = plugins.link("contract");
    let memory = memory(&hook).await?;
    let link = Arc::new(Link::new(hook, LinkSettings { deadline: DEADLINE, ..LinkSettings::default() }));
    let chain = Arc::new(Chain::new(Arc::default(), vec![link]));
    let mut times = Vec::with_capacity(CALLS);
    let mut first = 0.0;
    for number in 0..CALLS + WARM_UP {
        let mut event = ExternalAuth::about("nobody")?;
        let started = Instant::now();
        if let Err(failure) = chain.decide(&mut event).await {
            bail!("{failure}");
        }
        let time = started.elapsed().as_secs_f64() * 1e6;
        if number == 0 {
            first = time;
        }
        if number >= WARM_UP {
            times.push(time);
        }
    }
    times.sort_by(f64::total_cmp);
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    Ok(Figures { first, median: at(50), p99: at(99), memory })
}

/// Bytes of an instance's memories after one call.
async fn memory(hook: &PluginHook) -> Result<usize> {
    let (call, event) = (Call::default(), ExternalAuth::about("nobody")?);
    let verdict: <ExternalAuth as HookEvent>::Verdict = hook.call(&call, &event).await?;
    drop(verdict);
    Ok(call.finish().memory.unwrap_or_default())
}
