//! `tidegate plugin`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Subcommand;
use serde_json::json;
use tidegate_api_types::{ForgetPlugin, ListPlugins, Plugin, ReloadPlugins};
use tidegate_core::hook::HookKind;
use tidegate_core::terminal::on_one_line;
use tidegate_hooks_wasm::{Inspection, PluginSettings, TrustedKeys, componentize, inspect, sign, world};

use super::door::{Door, Purpose};
use super::{Place, plugin_new};
use crate::config::{Config, Loaded};
use crate::hook_inventory::as_at_start;
use crate::hook_test::{Bench, Case};

const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    /// List the plugins in the directory, with what they export and what is wrong with them
    List {
        #[command(flatten)]
        place: Place,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Let the running server read the plugin directory again, and list what it has loaded
    Reload {
        #[command(flatten)]
        place: Place,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Let go of the gates that a plugin served, which refuse while its file is gone
    Forget {
        #[command(flatten)]
        place: Place,
        /// The plugin's name: that of its file without .wasm
        name: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Write a project for a new plugin: a hook that builds, with a test that passes
    New(plugin_new::NewArguments),
    /// Say what a component is, wants and costs, and call each of its hooks once
    Check {
        /// The component
        file: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print a component's world
    Inspect {
        /// The component
        file: PathBuf,
        /// As WIT, instead of the names of its imports and exports
        #[arg(long)]
        wit: bool,
    },
    /// Make a component of a core module, such as compilers for C and Go write
    Component {
        /// The core module
        file: PathBuf,
        /// Where the component goes
        #[arg(long)]
        output: PathBuf,
    },
    /// Sign a component for servers that have plugins.trusted_keys
    Sign {
        /// The component; the signature is written beside it, with .sig at the end
        file: PathBuf,
        /// An OpenSSH private key of type ed25519
        #[arg(long)]
        key: PathBuf,
    },
    /// Verify a component's signature
    Verify {
        /// The component, with its signature beside it
        file: PathBuf,
        /// The public key that must have made it: a line, or a file
        #[arg(long)]
        key: String,
    },
}

pub async fn run(command: PluginCommand) -> anyhow::Result<()> {
    match command {
        PluginCommand::List { place, json } => list(&place, json).await,
        PluginCommand::Reload { place, json } => reload(&place, json).await,
        PluginCommand::Forget { place, name, json } => forget(&place, &name, json).await,
        PluginCommand::New(arguments) => plugin_new::write(&arguments),
        PluginCommand::Check { file, json } => check(&file, json).await,
        PluginCommand::Inspect { file, wit } => print_world(&file, wit),
        PluginCommand::Component { file, output } => make_component(&file, &output),
        PluginCommand::Sign { file, key } => write_signature(&file, &key),
        PluginCommand::Verify { file, key } => verify(&file, &key),
    }
}

async fn list(place: &Place, json: bool) -> anyhow::Result<()> {
    let plugins = match place.server().await? {
        Some(mut control) => control.call(&ListPlugins {}).await?.plugins,
        None => {
            let (directory, settings) = place.settings_to_look_at()?;
            as_at_start(&directory, &settings).await?.plugin_states().into_iter().map(tidegate_api::plugin).collect()
        }
    };
    print_plugins(&plugins, json)
}

/// Returns when the server has loaded everything.
async fn reload(place: &Place, json: bool) -> anyhow::Result<()> {
    let mut control = place.running_server("plugins are loaded by the running server").await?;
    print_plugins(&control.call(&ReloadPlugins {}).await?.plugins, json)
}

fn print_plugins(plugins: &[Plugin], json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(plugins)?);
        return Ok(());
    }
    for plugin in plugins {
        let digest = plugin.sha256.as_deref().and_then(|digest| digest.get(..12)).unwrap_or("-");
        let mut state = plugin.error.clone().unwrap_or_else(|| format!("exports {}", plugin.hooks.join(", ")));
        if !plugin.closed_gates.is_empty() {
            state.push_str(&format!("; refused meanwhile: {}", plugin.closed_gates.join(", ")));
        }
        println!("{:<20} {digest:<13} {}", on_one_line(&plugin.name), on_one_line(&state));
    }
    Ok(())
}

/// Asks the running server to let go of gates, or changes the record that the next server reads.
async fn forget(place: &Place, name: &str, json: bool) -> anyhow::Result<()> {
    ensure!(
        name.chars().all(|character| character.is_ascii_alphanumeric() || "-_".contains(character)),
        "\"{name}\" is not the name of a plugin; see: tidegate plugin list"
    );
    let mut door = Door::open(place, Purpose::Look).await?;
    let forgotten = door.call(ForgetPlugin { name: name.to_owned() }).await;
    door.finish().await;
    let forgotten = forgotten?;
    if json {
        println!("{}", json!(forgotten));
    } else {
        println!("No gate waits for the plugin \"{name}\" any longer.");
    }
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("the file {} cannot be read", file.display()))
}

fn inspected(file: &Path) -> anyhow::Result<Inspection> {
    inspect(&read(file)?).map_err(|error| anyhow::anyhow!("{} is no plugin for this server: {error}", file.display()))
}

/// The outcome of one call of a hook with a made-up event.
struct Smoke {
    kind: HookKind,
    outcome: String,
    failed: bool,
    microseconds: u128,
}

/// Compiles the component and calls each of its hooks.
async fn tried(file: &Path) -> anyhow::Result<(Inspection, Vec<Smoke>)> {
    let path = file.to_owned();
    // Apart from the task that shows how long it takes.
    let inspection = tokio::task::spawn_blocking(move || inspected(&path)).await??;
    let link = file.display().to_string();
    let mut calls = Vec::new();
    if let Some(first) = inspection.hooks.first() {
        let bench = Bench::alone(*first, &link, Loaded::from_config(Config::default()), Path::new(".")).await?;
        if let Some(error) = bench.not_loaded() {
            bail!("{} would not be loaded by a server: {error}", file.display());
        }
        for kind in &inspection.hooks {
            calls.push(smoke(&bench, *kind).await?);
        }
    }
    Ok((inspection, calls))
}

/// Does the work; meanwhile a terminal says what it is, and for how many seconds it has gone on.
async fn shown<T>(what: &str, work: impl Future<Output = T>) -> T {
    if !std::io::stderr().is_terminal() {
        return work.await;
    }
    let done = tokio::select! {
        done = work => done,
        never = show_progress(what) => match never {},
    };
    eprint!("\r\x1b[K");
    done
}

async fn show_progress(what: &str) -> std::convert::Infallible {
    let started = Instant::now();
    loop {
        eprint!("\r{what} … {} s", started.elapsed().as_secs());
        tokio::time::sleep(PROGRESS_INTERVAL).await;
    }
}

async fn check(file: &Path, json: bool) -> anyhow::Result<()> {
    let granted = granted(file)?;
    let what = on_one_line(&format!("compiling {}", file.display()));
    let (inspection, calls) = shown(&what, tried(file)).await?;
    if json {
        let document = json!({
            "sha256": inspection.digest,
            "size": inspection.size,
            "compile_ms": u64::try_from(inspection.compile_time.as_millis())?,
            "hooks": inspection.hooks.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(),
            "imports": inspection.imports,
            "needs": inspection.needs,
            "granted": granted,
            "calls": calls.iter().map(|call| json!({
                "hook": call.kind.as_str(),
                "outcome": call.outcome,
                "failed": call.failed,
                "microseconds": u64::try_from(call.microseconds).unwrap_or(u64::MAX),
            })).collect::<Vec<_>>(),
        });
        println!("{}", serde_json::to_string_pretty(&document)?);
        return Ok(());
    }
    println!("size      {} KiB, sha256 {}", inspection.size.div_ceil(1024), inspection.digest);
    println!("compiled  in {:?}", inspection.compile_time);
    println!("exports   {}", inspection.hooks.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", "));
    println!("imports   {}", inspection.imports.join(", "));
    for need in &inspection.needs {
        println!("needs     {need}");
    }
    let granted = if granted.is_empty() { "nothing".to_owned() } else { granted.join(", ") };
    println!("granted   {granted} (by {})", settings_of(file).display());
    for call in &calls {
        let failed = if call.failed { " (that is what its settings are for, or a mistake)" } else { "" };
        println!("called    {}: {} in {} µs{failed}", call.kind, call.outcome, call.microseconds);
    }
    Ok(())
}

fn settings_of(file: &Path) -> PathBuf {
    file.with_extension("toml")
}

/// What the settings beside the component would grant.
fn granted(file: &Path) -> anyhow::Result<Vec<String>> {
    let path = settings_of(file);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let settings = PluginSettings::from_toml(&text).with_context(|| format!("{}", path.display()))?;
    Ok(settings.grant_names())
}

async fn smoke(bench: &Bench, kind: HookKind) -> anyhow::Result<Smoke> {
    let case = Case {
        hook: kind.as_str().to_owned(),
        user: "nobody".to_owned(),
        password: Some("guess".to_owned()),
        ..Case::default()
    };
    let report = bench.run(case).await?;
    Ok(Smoke { kind, outcome: report.outcome(), failed: report.failed(), microseconds: report.took().as_micros() })
}

fn print_world(file: &Path, wit: bool) -> anyhow::Result<()> {
    if wit {
        let text = world(&read(file)?).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
        print!("{text}");
        return Ok(());
    }
    let inspection = inspected(file)?;
    inspection.imports.iter().for_each(|import| println!("import {import}"));
    inspection.hooks.iter().for_each(|hook| println!("export {hook}"));
    Ok(())
}

fn make_component(file: &Path, output: &Path) -> anyhow::Result<()> {
    let component = componentize(&read(file)?).with_context(|| format!("{}", file.display()))?;
    std::fs::write(output, component).with_context(|| format!("{} cannot be written", output.display()))
}

fn signature_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".sig");
    PathBuf::from(name)
}

fn write_signature(file: &Path, key: &Path) -> anyhow::Result<()> {
    // A file that no server would load is not signed.
    inspected(file)?;
    let key_text = std::fs::read_to_string(key).with_context(|| format!("the key {} cannot be read", key.display()))?;
    let signature = sign(&read(file)?, &key_text).with_context(|| format!("{}", key.display()))?;
    let path = signature_of(file);
    std::fs::write(&path, signature).with_context(|| format!("{} cannot be written", path.display()))?;
    println!("{}", path.display());
    Ok(())
}

fn verify(file: &Path, key: &str) -> anyhow::Result<()> {
    let line = if key.starts_with("ssh-") {
        key.to_owned()
    } else {
        std::fs::read_to_string(key).with_context(|| format!("the key {key} cannot be read"))?
    };
    let keys = TrustedKeys::parse(line.lines().filter(|line| !line.trim().is_empty()))?;
    let path = signature_of(file);
    let Ok(signature) = std::fs::read_to_string(&path) else {
        bail!(
            "there is no signature {}; make one with: tidegate plugin sign --key KEY {}",
            path.display(),
            file.display()
        );
    };
    let fingerprint = keys
        .verify(&read(file)?, &signature)
        .with_context(|| format!("the signature {} is not good", path.display()))?;
    println!("good: signed by {fingerprint}");
    Ok(())
}
