//! The command line.

mod admin;
mod apikey;
#[cfg(test)]
mod arguments_tests;
mod audit;
pub mod backup;
mod ban;
mod completions;
mod config;
mod connection;
mod convert_users;
mod door;
mod hook;
mod hook_runs;
mod hook_test;
mod lines;
mod login_link;
mod migrate;
mod object;
mod output_file;
mod place;
mod plugin;
mod plugin_new;
mod plugin_words;
mod quota;
#[cfg(test)]
mod reference;
mod storage;
mod times;
mod token;
mod typed_password;
mod unknown_fields;
mod user;
mod user_arguments;
mod user_fields;
mod user_totp;

use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use tidegate_api_types::{ObjectKind, ShowStatus};
use tidegate_core::terminal::neutralised;
use tracing_subscriber::filter::LevelFilter;

pub use self::place::Place;
use crate::activation::Activation;
use crate::config::settings::DatabaseSettings;
use crate::confine::{self, ConfinedArguments};
use crate::control::Control;
use crate::log_file::Rotation;
use crate::portable::{self, PortableArguments};
use crate::telemetry::Traces;
use crate::{log, panics, serve, shutdown, state_directory, version, wire};

const AFTER_HELP: &str = "Exit status: 0 done, 1 refused or failed, 2 wrong usage.";

/// Longest time at the end for work on other threads, such as a file that is being synchronised.
const ENDING_TIME: Duration = Duration::from_secs(10);

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
    Portable(Box<PortableArguments>),
    /// Make the database, or bring it up to date
    Initprovider(Place),
    /// Manage accounts
    #[command(subcommand)]
    User(user::UserCommand),
    /// Manage folders: directories that accounts share
    #[command(subcommand)]
    Folder(object::ObjectCommand<object::FolderArguments>),
    /// Manage groups: settings that accounts take
    #[command(subcommand)]
    Group(object::ObjectCommand<object::ObjectArguments>),
    /// Manage roles: accounts that the administrators of a role maintain
    #[command(subcommand)]
    Role(object::ObjectCommand<object::ObjectArguments>),
    /// Look at the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Look at plugins
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    /// Look at hooks
    #[command(subcommand)]
    Hook(hook::HookCommand),
    /// See who is logged in, and close connections
    #[command(subcommand)]
    Connection(connection::ConnectionCommand),
    /// See which addresses are banned, ban some, and end bans
    #[command(subcommand)]
    Ban(ban::BanCommand),
    /// Count what accounts use
    #[command(subcommand)]
    Quota(quota::QuotaCommand),
    /// Look at where the files of accounts are
    #[command(subcommand)]
    Storage(storage::StorageCommand),
    /// Write all accounts, folders, groups and roles into one document
    Dump(backup::DumpArguments),
    /// Load a document of dump: add what is new, and update what is there
    Load(backup::LoadArguments),
    /// Move in: take over the accounts, host keys and settings of another server
    Migrate(migrate::MigrateArguments),
    /// Make a document for load from another server's file of accounts
    ConvertUsers(convert_users::ConvertUsersArguments),
    /// Manage administrators, who use the HTTP interfaces
    #[command(subcommand)]
    Admin(admin::AdminCommand),
    /// Manage API keys, with which programs use the HTTP interfaces
    #[command(subcommand)]
    Apikey(apikey::ApiKeyCommand),
    /// Manage login links, by which users are logged in without a password
    #[command(subcommand)]
    LoginLink(login_link::LoginLinkCommand),
    /// See who changed what
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Ask whether the server is alive
    Ping(Place),
    /// Print the completions of this command line for a shell
    Completions(completions::CompletionsArguments),
    /// Become a program that reaches nothing but some directories
    #[command(hide = true)]
    Confined(ConfinedArguments),
}

#[derive(Debug, clap::Args)]
struct ServeArguments {
    #[command(flatten)]
    place: Place,
    /// The log file, relative to the configuration directory; empty means standard error [env: TIDEGATE_LOG_FILE_PATH] [default: tidegate.log]
    #[arg(short, long)]
    log_file_path: Option<String>,
    /// The least important level that is logged
    #[arg(long, value_parser = ["error", "warn", "info", "debug", "trace"])]
    log_level: Option<String>,
    /// Log everything, or only what is important [default: true]
    #[arg(short = 'v', long, num_args = 0..=1, default_missing_value = "true", value_parser = flag)]
    log_verbose: Option<bool>,
    /// Megabytes after which the log file is turned over [default: 10]
    #[arg(short = 's', long)]
    log_max_size: Option<u64>,
    /// Old log files that are kept; 0 means all [default: 5]
    #[arg(short = 'b', long)]
    log_max_backups: Option<usize>,
    /// Days that old log files are kept; 0 means for ever [default: 28]
    #[arg(short = 'a', long)]
    log_max_age: Option<u64>,
    /// Compress old log files [default: false]
    #[arg(short = 'z', long, num_args = 0..=1, default_missing_value = "true", value_parser = flag)]
    log_compress: Option<bool>,
    /// Times in UTC instead of local time
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_parser = flag)]
    log_utc_time: Option<bool>,
    /// Only warn of unknown keys in the configuration
    #[arg(long)]
    lenient: bool,
    /// Seconds that running transfers get when the server stops
    #[arg(long)]
    grace_time: Option<u64>,
}

pub fn run() -> ExitCode {
    panics::install_for_command();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => return told(&answer),
    };
    // Both run before there are threads.
    if let Command::Confined(arguments) = &cli.command {
        return confine::run(arguments).map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS);
    }
    let activation = match &cli.command {
        Command::Serve(_) => Activation::take().context("the sockets that systemd hands over cannot be used"),
        _ => Ok(Activation::default()),
    };
    let activation = match activation {
        Ok(activation) => activation,
        Err(error) => return failed(&error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return failed(&anyhow::Error::new(error).context("the runtime could not be started"));
        }
    };
    let outcome = runtime.block_on(dispatch(cli.command, activation));
    // What waits for a disk or another machine that does not answer would keep the process for ever.
    runtime.shutdown_timeout(ENDING_TIME);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// Prints help, the version, or what is wrong with the arguments.
fn told(answer: &clap::Error) -> ExitCode {
    let printed = answer.print().and_then(|()| std::io::stdout().flush());
    if !answer.use_stderr()
        && let Err(error) = panics::written(printed)
    {
        return failed(&error);
    }
    u8::try_from(answer.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn failed(error: &anyhow::Error) -> ExitCode {
    // It may repeat what others have named.
    eprintln!("tidegate: {}", neutralised(&format!("{error:#}")));
    ExitCode::FAILURE
}

async fn dispatch(command: Command, activation: Activation) -> anyhow::Result<()> {
    match command {
        Command::Serve(arguments) => run_serve(arguments, activation).await,
        Command::Portable(arguments) => run_portable(*arguments).await,
        Command::Initprovider(place) => initprovider(&place).await,
        Command::User(command) => user::run(command).await,
        Command::Folder(command) => object::run(ObjectKind::Folder, command).await,
        Command::Group(command) => object::run(ObjectKind::Group, command).await,
        Command::Role(command) => object::run(ObjectKind::Role, command).await,
        Command::Config(command) => config::run(command).await,
        Command::Plugin(command) => plugin::run(command).await,
        Command::Hook(command) => hook::run(command).await,
        Command::Connection(command) => connection::run(command).await,
        Command::Ban(command) => ban::run(command).await,
        Command::Quota(command) => quota::run(command).await,
        Command::Storage(command) => storage::run(command).await,
        Command::Dump(arguments) => backup::dump(arguments).await,
        Command::Load(arguments) => backup::load(arguments).await,
        Command::Migrate(arguments) => migrate::run(arguments).await,
        Command::ConvertUsers(arguments) => convert_users::run(arguments),
        Command::Admin(command) => admin::run(command).await,
        Command::Apikey(command) => apikey::run(command).await,
        Command::LoginLink(command) => login_link::run(command).await,
        Command::Audit(command) => audit::run(command).await,
        Command::Ping(place) => ping(&place).await,
        Command::Completions(arguments) => completions::print(&arguments),
        Command::Confined(arguments) => confine::run(&arguments),
    }
}

async fn run_serve(arguments: ServeArguments, activation: Activation) -> anyhow::Result<()> {
    let directory = state_directory::prepare(&arguments.place.directory())?;
    let style = arguments.log_style()?;
    let rotation = arguments.rotation()?;
    let log_path = arguments.log_file_path.clone().or_else(|| from_environment("LOG_FILE_PATH"));
    let log_path = log_path.unwrap_or_else(|| "tidegate.log".to_owned());
    let loaded = arguments.place.load(&directory)?;
    let mut settings = loaded.validate(&directory, arguments.lenient)?;
    settings.warnings.extend(loaded.notes.into_iter().chain(loaded.unknown));
    state_directory::make(&settings.backups)?;
    if arguments.grace_time.is_some() || filled_in_environment("GRACE_TIME").is_some() {
        let seconds = ServeArguments::number(arguments.grace_time, "GRACE_TIME", 0)?;
        settings.grace_time = std::time::Duration::from_secs(seconds);
    }
    let file = directory.join(&log_path);
    if !log_path.is_empty() {
        println!("Logging to {}", file.display());
        // The warnings are in the log as well.
        settings.warnings.iter().for_each(|warning| eprintln!("tidegate: warning: {warning}"));
        settings.homes.own.extend(file.parent().and_then(Path::to_str).map(str::to_owned));
    }
    let target = if log_path.is_empty() { log::Target::StandardError } else { log::Target::File(&file, rotation) };
    let traces = settings.otlp_endpoint.as_ref().map(Traces::start).transpose()?;
    let log = log::install(target, style, traces.as_ref())?;
    let grace = settings.grace_time;
    panics::install();
    shutdown::on_user_signals(move |signal| log.reopen(signal)).context("signals cannot be handled")?;
    let outcome = serve::serve(settings, &directory, activation, confined()).await;
    if let Err(error) = &outcome {
        tracing::error!(sender = "main", message = format!("{error:#}"));
    }
    if let Some(traces) = traces {
        traces.finish(grace).await;
    }
    outcome
}

async fn run_portable(arguments: PortableArguments) -> anyhow::Result<()> {
    let path = PathBuf::from(&arguments.log_file_path);
    let target = match arguments.log_file_path.is_empty() {
        true => log::Target::Nowhere,
        false => log::Target::File(&path, DEFAULT_ROTATION),
    };
    let log = log::install(target, log::Style { level: LevelFilter::DEBUG, utc: false }, None)?;
    panics::install();
    shutdown::on_user_signals(move |signal| log.reopen(signal)).context("signals cannot be handled")?;
    portable::run(arguments, confined()).await
}

/// The command that starts confined programs: this very binary, even if the file on disk has been replaced since.
fn confined() -> Vec<String> {
    vec!["/proc/self/exe".to_owned(), "confined".to_owned()]
}

/// `true`, `false`, `1` or `0` (A2-08).
pub fn flag(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("use true or false".to_owned()),
    }
}

const DEFAULT_ROTATION: Rotation =
    Rotation { max_size: 10 << 20, max_backups: 5, max_age: Some(Duration::from_secs(28 * DAY)), compress: false };
const DAY: u64 = 24 * 3600;

impl ServeArguments {
    /// The value of an option, which wins over the environment (A2-10).
    fn number<T: std::str::FromStr>(value: Option<T>, name: &str, default: T) -> anyhow::Result<T> {
        match (value, filled_in_environment(name)) {
            (Some(value), _) => Ok(value),
            (None, Some(text)) => {
                text.trim().parse().map_err(|_| anyhow::anyhow!("TIDEGATE_{name}: \"{text}\" is not a number"))
            }
            (None, None) => Ok(default),
        }
    }

    fn choice(value: Option<bool>, name: &str, default: bool) -> anyhow::Result<bool> {
        match (value, filled_in_environment(name)) {
            (Some(value), _) => Ok(value),
            (None, Some(text)) => flag(text.trim()).map_err(|problem| anyhow::anyhow!("TIDEGATE_{name}: {problem}")),
            (None, None) => Ok(default),
        }
    }

    fn log_style(&self) -> anyhow::Result<log::Style> {
        let verbose = Self::choice(self.log_verbose, "LOG_VERBOSE", true)?;
        let level = self.log_level.clone().or_else(|| filled_in_environment("LOG_LEVEL"));
        let level = level.unwrap_or_else(|| if verbose { "debug" } else { "info" }.to_owned());
        let level = level.parse().context("the log level is not known")?;
        Ok(log::Style { level, utc: Self::choice(self.log_utc_time, "LOG_UTC_TIME", false)? })
    }

    fn rotation(&self) -> anyhow::Result<Rotation> {
        let max_size = Self::number(self.log_max_size, "LOG_MAX_SIZE", 10)?;
        let days = Self::number(self.log_max_age, "LOG_MAX_AGE", 28)?;
        Ok(Rotation {
            // 0 means the default, as in the library that the older server used.
            max_size: if max_size == 0 { DEFAULT_ROTATION.max_size } else { max_size.saturating_mul(1 << 20) },
            max_backups: Self::number(self.log_max_backups, "LOG_MAX_BACKUPS", 5)?,
            max_age: (days > 0).then(|| Duration::from_secs(days.saturating_mul(DAY))),
            compress: Self::choice(self.log_compress, "LOG_COMPRESS", false)?,
        })
    }
}

async fn ping(place: &Place) -> anyhow::Result<()> {
    let mut control =
        place.server().await?.with_context(|| format!("no server runs in {}", place.directory().display()))?;
    control.call(&ShowStatus {}).await?;
    println!("The server is alive.");
    Ok(())
}

async fn initprovider(place: &Place) -> anyhow::Result<()> {
    let (directory, settings) = place.settings()?;
    // A server that runs has such a file for itself, and has brought it up to date.
    let is_served =
        matches!(settings.database, DatabaseSettings::Bolt(_)) && Control::connect(&directory).await?.is_some();
    if !is_served {
        wire::open_database(&settings.database)?;
    }
    println!("The database is up to date.");
    Ok(())
}

/// The value of a variable; one with this server's prefix wins over one with the older server's.
fn from_environment(name: &str) -> Option<String> {
    ["TIDEGATE_", "SFTPGO_"].iter().find_map(|prefix| std::env::var(format!("{prefix}{name}")).ok())
}

/// As [`from_environment`], for a value that an empty text cannot be: such a variable counts as not set.
fn filled_in_environment(name: &str) -> Option<String> {
    let mut values = ["TIDEGATE_", "SFTPGO_"].iter().filter_map(|prefix| std::env::var(format!("{prefix}{name}")).ok());
    values.find(|value| !value.trim().is_empty())
}

/// Reads a file; `-` is standard input.
pub fn read_source(source: &str) -> anyhow::Result<String> {
    if source == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("standard input could not be read")?;
        return Ok(text);
    }
    std::fs::read_to_string(source).with_context(|| format!("{source} could not be read"))
}

/// Public keys that are given as lines, or as files of lines.
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
