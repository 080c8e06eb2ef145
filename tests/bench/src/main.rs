//! Calls of hooks through each adapter, the way the server makes them: through a chain, with
//! its limits and records. Prints JSON: hook point → adapter → median and 99th percentile in
//! microseconds, alone and with 64 calls at once, and calls a second.
//!
//! `hook-calls COMPONENT.wasm`

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use tidegate_contract::adapters::Adapters;
use tidegate_contract::events::About;
use tidegate_core::hook::check_password::CheckPassword;
use tidegate_core::hook::external_auth::ExternalAuth;
use tidegate_core::hook::pre_login::PreLogin;
use tidegate_core::hook::review::{Connect, LoginPre, PreAction, SessionCreate};
use tidegate_core::hook::{Chain, GateEvent, Hook, Link, LinkSettings};
use tidegate_hooks_legacy::{HttpHook, ProgramHook};
use tidegate_hooks_wasm::PluginHook;

const CALLS: usize = 2000;
const WARM_UP: usize = 100;
const PARALLEL: usize = 64;
const DEADLINE: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<()> {
    let component = std::env::args().nth(1).context("name a component: hook-calls COMPONENT.wasm")?;
    let component = PathBuf::from(component);
    let mut results = Map::new();
    results.insert("connect".into(), point::<Connect>(&component, "allow").await?);
    results.insert("login-pre".into(), point::<LoginPre>(&component, "allow").await?);
    results.insert("external-auth".into(), point::<ExternalAuth>(&component, "accept").await?);
    results.insert("pre-login".into(), point::<PreLogin>(&component, "unchanged").await?);
    results.insert("check-password".into(), point::<CheckPassword>(&component, "accept").await?);
    results.insert("session-create".into(), point::<SessionCreate>(&component, "allow").await?);
    results.insert("pre-action".into(), point::<PreAction>(&component, "allow").await?);
    println!("{}", Value::Object(results));
    Ok(())
}

async fn point<E: GateEvent + About>(component: &Path, what: &str) -> Result<Value>
where
    ProgramHook: Hook<E>,
    HttpHook: Hook<E>,
    PluginHook: Hook<E>,
{
    let mut results = Map::new();
    let fresh = Adapters::new(component, "", DEADLINE).await?;
    let prepared = "[limits]\ninstances = \"prepared\"\nready = 64\n";
    let prepared = Adapters::new(component, prepared, DEADLINE).await?;
    let program: Arc<dyn Hook<E>> = Arc::new(fresh.program(E::KIND)?);
    results.insert("program (/bin/sh)".into(), measure(program, what, CALLS / 8).await?);
    results.insert("http (loopback)".into(), measure(Arc::new(fresh.http(E::KIND)?), what, CALLS).await?);
    results.insert("wasm (fresh)".into(), measure(fresh.plugin(), what, CALLS).await?);
    results.insert("wasm (prepared)".into(), measure(prepared.plugin(), what, CALLS).await?);
    Ok(Value::Object(results))
}

async fn measure<E: GateEvent + About>(hook: Arc<dyn Hook<E>>, what: &str, calls: usize) -> Result<Value> {
    let link = Arc::new(Link::new(hook, LinkSettings { deadline: DEADLINE, ..LinkSettings::default() }));
    let chain = Arc::new(Chain::new(Arc::default(), vec![link]));
    let mut alone = Vec::with_capacity(calls);
    for call in 0..calls + WARM_UP {
        let time = one(&chain, what).await?;
        if call >= WARM_UP {
            alone.push(time);
        }
    }
    let started = Instant::now();
    let tasks: Vec<_> = (0..PARALLEL)
        .map(|_| {
            let (chain, what) = (chain.clone(), what.to_owned());
            tokio::spawn(async move {
                let mut times = Vec::new();
                for _ in 0..calls.div_ceil(PARALLEL) {
                    times.push(one(&chain, &what).await?);
                }
                Ok::<_, anyhow::Error>(times)
            })
        })
        .collect();
    let mut together = Vec::new();
    for task in tasks {
        together.extend(task.await??);
    }
    let rate = together.len() as f64 / started.elapsed().as_secs_f64();
    let (median, p99) = percentiles(alone);
    let (parallel_median, parallel_p99) = percentiles(together);
    Ok(json!({
        "median_us": median,
        "p99_us": p99,
        "parallel_median_us": parallel_median,
        "parallel_p99_us": parallel_p99,
        "parallel_per_second": rate,
    }))
}

async fn one<E: GateEvent + About>(chain: &Chain<E>, what: &str) -> Result<Duration> {
    let mut event = E::about(what)?;
    let started = Instant::now();
    if let Err(failure) = chain.decide(&mut event).await {
        bail!("{failure}");
    }
    Ok(started.elapsed())
}

fn percentiles(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort();
    let at = |share: usize| times.get(times.len() * share / 100).map_or(0.0, |time| time.as_secs_f64() * 1e6);
    (at(50), at(99))
}
