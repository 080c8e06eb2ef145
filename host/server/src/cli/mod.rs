//! The command line.

mod hook;
mod hook_runs;
mod hook_test;
mod plugin;
mod plugin_new;
mod user;
mod user_totp;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use serde_json::Value;
use tracing_subscriber::filter::LevelFilter;

use crate::config::{Loaded, Settings};
use crate::portable::{self, PortableArguments};
use crate::{log, panics, serve, state_directory, version, wire};

const AFTER_HELP: &str = "Exit status: 0 done, 1 refused or failed, 2 wrong usage.";

/// An SFTP server that is a host of plugins
#[derive(Debug, Parser)]
#[command(name = "tidegate", version = version::VERSION, disable_version_flag = true, after_help = AFTER_HELP)]
struct Cli {
    /// Print the version
    #[arg(short = 'v', long, action = clap::ArgAction::Version)]
    version: (),
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server
    Serve(ServeArguments),
    /// Share one directory, without any configuration
    Portable(PortableArguments),
    /// Make the database, or bring it up to date
    Initprovider(Place),
    /// Manage accounts
    #[command(subcommand)]
    User(user::UserCommand),
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Look at plugins
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    /// Look at hooks
    #[command(subcommand)]
    Hook(hook::HookCommand),
}

/// Where the configuration and the state are.
#[derive(Debug, Clone, clap::Args)]
pub struct Place {
    /// The directory of the configuration and the state [env: TIDEGATE_CONFIG_DIR]
    #[arg(short, long)]
    config_dir: Option<PathBuf>,
    /// The configuration file: a name without extension, or a path with one [env: TIDEGATE_CONFIG_FILE]
    #[arg(short = 'f', long)]
    config_file: Option<String>,
}

#[derive(Debug, clap::Args)]
struct ServeArguments {
    #[command(flatten)]
    place: Place,
    /// The log file, relative to the configuration directory; empty means standard error [env: TIDEGATE_LOG_FILE_PATH] [default: tidegate.log]
    #[arg(short, long)]
    log_file_path: Option<String>,
    /// The least important level that is logged
    #[arg(long, default_value = "debug", value_parser = ["error", "warn", "info", "debug", "trace"])]
    log_level: String,
    /// Only warn of unknown keys in the configuration
    #[arg(long)]
    lenient: bool,
    /// Seconds that running transfers get when the server stops
    #[arg(long)]
    grace_time: Option<u64>,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Check the configuration without starting
    Check(Place),
    /// Print the configuration in force, without secrets
    Show {
        #[command(flatten)]
        place: Place,
        /// As JSON instead of TOML
        #[arg(long)]
        json: bool,
    },
}

pub fn run() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| error.exit());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return failed(&anyhow::Error::new(error).context("the runtime could not be started"));
        }
    };
    match runtime.block_on(dispatch(cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("tidegate: {error:#}");
    ExitCode::FAILURE
}

async fn dispatch(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(arguments) => run_serve(arguments).await,
        Command::Portable(arguments) => run_portable(arguments).await,
        Command::Initprovider(place) => initprovider(&place),
        Command::User(command) => user::run(command).await,
        Command::Config(ConfigCommand::Check(place)) => check_config(&place),
        Command::Config(ConfigCommand::Show { place, json }) => show_config(&place, json),
        Command::Plugin(command) => plugin::run(command).await,
        Command::Hook(command) => hook::run(command).await,
    }
}

async fn run_serve(arguments: ServeArguments) -> anyhow::Result<()> {
    let directory = state_directory::prepare(&arguments.place.directory())?;
    let level: LevelFilter = arguments.log_level.parse().context("the log level is not known")?;
    let log_path = arguments.log_file_path.clone().or_else(|| from_environment("LOG_FILE_PATH"));
    let log_path = log_path.unwrap_or_else(|| "tidegate.log".to_owned());
    let loaded = arguments.place.load(&directory)?;
    let mut settings = loaded.validate(&directory, arguments.lenient)?;
    settings.warnings.extend(loaded.unknown);
    if let Some(seconds) = arguments.grace_time {
        settings.grace_time = std::time::Duration::from_secs(seconds);
    }
    let file = directory.join(&log_path);
    if !log_path.is_empty() {
        println!("Logging to {}", file.display());
    }
    log::install(if log_path.is_empty() { log::Target::StandardError } else { log::Target::File(&file) }, level)?;
    panics::install();
    let outcome = serve::serve(settings).await;
    if let Err(error) = &outcome {
        tracing::error!(sender = "main", message = format!("{error:#}"));
    }
    outcome
}

async fn run_portable(arguments: PortableArguments) -> anyhow::Result<()> {
    let path = PathBuf::from(&arguments.log_file_path);
    let target = if arguments.log_file_path.is_empty() { log::Target::Nowhere } else { log::Target::File(&path) };
    log::install(target, LevelFilter::DEBUG)?;
    panics::install();
    portable::run(arguments).await
}

fn initprovider(place: &Place) -> anyhow::Result<()> {
    let (_, settings) = place.settings()?;
    wire::open_database(&settings.database)?;
    println!("The database is up to date.");
    Ok(())
}

fn check_config(place: &Place) -> anyhow::Result<()> {
    let directory = place.directory();
    let loaded = place.load(&directory)?;
    let settings = loaded.validate(&directory, false)?;
    for warning in &settings.warnings {
        eprintln!("tidegate: warning: {warning}");
    }
    match &loaded.source.path {
        Some(path) => println!("{} is valid.", path.display()),
        None => println!("There is no configuration file in {}; the defaults are valid.", directory.display()),
    }
    Ok(())
}

fn show_config(place: &Place, json: bool) -> anyhow::Result<()> {
    let mut config = serde_json::to_value(place.load(&place.directory())?.config)?;
    // A3-06
    redact(&mut config, "");
    let text = if json { serde_json::to_string_pretty(&config)? } else { toml::to_string(&config)? };
    println!("{text}");
    Ok(())
}

/// Hides passwords, the values of headers, plugins' secrets, and credentials in URLs.
/// `section`: the dotted name of what holds `value`.
fn redact(value: &mut Value, section: &str) {
    const SECRET: [&str; 4] = ["password", "connection_string", "connectionstring", "http.headers.value"];
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                let path = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
                redact(inner, &path);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| redact(item, section)),
        Value::String(text) if !text.is_empty() => {
            let is_secret = SECRET.iter().any(|secret| section.ends_with(secret));
            let of_plugin = section.starts_with("plugin.") && section.contains(".secrets.");
            let in_url = text.starts_with("http") && text.contains('@');
            if is_secret || of_plugin || in_url {
                *text = "[redacted]".to_owned();
            }
        }
        _ => {}
    }
}

impl Place {
    pub fn directory(&self) -> PathBuf {
        let directory = self.config_dir.clone().or_else(|| from_environment("CONFIG_DIR").map(PathBuf::from));
        directory.unwrap_or_else(|| PathBuf::from("."))
    }

    fn file(&self) -> Option<String> {
        self.config_file.clone().or_else(|| from_environment("CONFIG_FILE"))
    }

    pub fn load(&self, directory: &Path) -> anyhow::Result<Loaded> {
        let environment: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Ok(Loaded::read(directory, self.file().as_deref(), &environment)?)
    }

    /// The directory, made if it is missing, and the checked configuration.
    pub fn settings(&self) -> anyhow::Result<(PathBuf, Settings)> {
        let directory = state_directory::prepare(&self.directory())?;
        let settings = self.load(&directory)?.validate(&directory, false)?;
        Ok((directory, settings))
    }
}

/// Ours wins over the older server's.
fn from_environment(name: &str) -> Option<String> {
    ["TIDEGATE_", "SFTPGO_"].iter().find_map(|prefix| std::env::var(format!("{prefix}{name}")).ok())
}

/// Keys given as lines, or as files of lines.
pub fn public_key_lines(arguments: &[String]) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    for argument in arguments {
        if argument.trim().contains(char::is_whitespace) {
            lines.push(argument.trim().to_owned());
            continue;
        }
        let text = std::fs::read_to_string(argument)
            .with_context(|| format!("\"{argument}\" is neither a public key nor a file that can be read"))?;
        lines.extend(
            text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned),
        );
    }
    Ok(lines)
}
