//! Calls of hooks through each adapter, the way the server makes them: through a chain, with
//! its limits and records. Prints JSON: hook point → adapter → median and 99th percentile in
//! microseconds, alone and with 64 calls at once, and calls a second.
//!
//! `hook-calls COMPONENT.wasm`

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tidegate_contract::adapters::Adapters;
use tidegate_contract::events::About;
use tidegate_core::hook::check_password::CheckPassword;
use tidegate_core::hook::external_auth::ExternalAuth;
use tidegate_core::hook::pre_login::PreLogin;
use tidegate_core::hook::review::{Connect, LoginPre, PreAction, SessionCreate};
use tidegate_core::hook::{Chain, GateEvent, Hook, HookKind, Link, LinkSettings};
use tidegate_hooks_external::{Environment, Flavour, HttpHook, ProgramHook, ProgramSettings};
use tidegate_hooks_wasm::PluginHook;

const CALLS: usize = 2000;
const WARM_UP: usize = 100;
const PARALLEL: usize = 64;
const DEADLINE: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<()> {
    let component = std::env::args().nth(1).context("name a component: hook-calls COMPONENT.wasm")?;
    // Programs first: starting one takes longer in a process that holds the engine of the
    // components, and would make the others look better.
    let shell = Shell::new()?;
    let mut programs = Points::default();
    programs.all(&Kind::Program(&shell)).await?;
    let fresh = "[limits]\ninstances = \"fresh\"\n";
    let fresh = Adapters::new(Path::new(&component), fresh, DEADLINE).await?;
    let prepared = "[limits]\ninstances = \"prepared\"\nready = 64\n";
    let prepared = Adapters::new(Path::new(&component), prepared, DEADLINE).await?;
    let mut all = programs;
    all.all(&Kind::Http(&fresh)).await?;
    all.all(&Kind::Fresh(&fresh)).await?;
    all.all(&Kind::Prepared(&prepared)).await?;
    println!("{}", Value::Object(all.0));
    Ok(())
}

/// Which adapter is measured.
enum Kind<'a> {
    Program(&'a Shell),
    Http(&'a Adapters),
    Fresh(&'a Adapters),
    Prepared(&'a Adapters),
}

/// A script that does as little as a hook can.
struct Shell {
    _directory: TempDir,
    path: String,
}

const SCRIPT: &str = r#"#!/bin/sh
case $1 in
external-auth) echo '{"username":"u","status":1,"home_dir":"/srv/u","permissions":{"/":["*"]}}' ;;
check-password) echo '{"status":1}' ;;
esac
"#;

impl Shell {
    fn new() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let script = directory.path().join("hook.sh");
        std::fs::write(&script, SCRIPT)?;
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
        Ok(Self { path: script.display().to_string(), _directory: directory })
    }

    fn hook(&self, kind: HookKind) -> Result<ProgramHook> {
        let settings = ProgramSettings {
            args: vec![kind.as_str().to_owned()],
            environment: Environment::default(),
            deadline: DEADLINE,
            flavour: Flavour::default(),
        };
        Ok(ProgramHook::new(&self.path, settings)?)
    }
}

/// Hook point → adapter → figures.
#[derive(Default)]
struct Points(Map<String, Value>);

impl Points {
    async fn all(&mut self, kind: &Kind<'_>) -> Result<()> {
        self.point::<Connect>(kind, "allow").await?;
        self.point::<LoginPre>(kind, "allow").await?;
        self.point::<ExternalAuth>(kind, "accept").await?;
        self.point::<PreLogin>(kind, "unchanged").await?;
        self.point::<CheckPassword>(kind, "accept").await?;
        self.point::<SessionCreate>(kind, "allow").await?;
        self.point::<PreAction>(kind, "allow").await
    }

    async fn point<E: GateEvent + About>(&mut self, kind: &Kind<'_>, what: &str) -> Result<()>
    where
        ProgramHook: Hook<E>,
        HttpHook: Hook<E>,
        PluginHook: Hook<E>,
    {
        let (name, hook, calls): (_, Arc<dyn Hook<E>>, _) = match kind {
            Kind::Program(shell) => ("program (/bin/sh)", Arc::new(shell.hook(E::KIND)?), CALLS / 4),
            Kind::Http(adapters) => ("http (loopback)", Arc::new(adapters.http(E::KIND)?), CALLS),
            Kind::Fresh(adapters) => ("wasm (fresh)", adapters.plugin(), CALLS),
            Kind::Prepared(adapters) => ("wasm (prepared)", adapters.plugin(), CALLS),
        };
        let figures = measure(hook, what, calls).await?;
        let point = self.0.entry(E::KIND.as_str()).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(adapters) = point {
            adapters.insert(name.to_owned(), figures);
        }
        Ok(())
    }
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
