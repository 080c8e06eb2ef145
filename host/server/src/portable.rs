//! `tidegate portable`: serves one directory to one user, and keeps nothing (A17).

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use rand::RngExt;
use rand::seq::IndexedRandom;
use serde_json::{Map, Value, json};
use tidegate_core::account::AccountDraft;
use tidegate_core::hook::external_auth::Scope;
use tidegate_core::metrics::Metrics;
use tidegate_core::ports::{Author, NodeName};
use tidegate_core::secret::Secret;
use tidegate_ssh::host_keys;
use tidegate_ssh_commands::Launcher;

use crate::advertisement::Advertisement;
use crate::config::{Config, Loaded};
use crate::descriptors::{self, ProcessDescriptors};
use crate::serve::Serving;
use crate::shutdown::{self, Stop};
use crate::wire::{self, HookPoints, HookTasks, Services, Storages, Stores};

/// Time at the end for work that sessions leave to be done.
const LEAST_ENDING_TIME: Duration = Duration::from_secs(5);
const DEFAULT_USER: &str = "user";
const MAX_AUTH_TRIES: i32 = 12;
const PASSWORD_LENGTH: usize = 12;
/// The ports among which a free one is looked for (A17-02); firewalls may let them through.
const PORTS: RangeInclusive<u16> = 49152..=64151;
const PORT_TRIES: usize = 50;
/// Values of `--fs-provider`.
const S3: u8 = 1;
const SFTP: u8 = 5;
/// Letters and digits for passwords, without those that look alike.
const PASSWORD_ALPHABET: &[u8] = b"abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

#[derive(Debug, clap::Args)]
pub struct PortableArguments {
    /// The directory to serve
    #[arg(short, long, default_value = ".")]
    directory: PathBuf,
    /// The user name
    #[arg(short, long, default_value = DEFAULT_USER)]
    username: String,
    /// The password; generated and shown if neither it nor a key is given
    #[arg(short, long, env = "TIDEGATE_PORTABLE_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// A public key of the user, as a line or a file (repeatable)
    #[arg(short = 'k', long)]
    public_key: Vec<String>,
    /// What the user may do; "*" means everything
    #[arg(short = 'g', long, value_delimiter = ',', default_value = "list,download")]
    permissions: Vec<String>,
    /// The port; 0 means any
    #[arg(short = 's', long, default_value_t = 0)]
    sftpd_port: u16,
    /// The address to listen on; all interfaces by default
    #[arg(long, default_value = "")]
    bind_address: String,
    /// Announce the server in the local network
    #[arg(short = 'S', long, num_args = 0..=1, default_missing_value = "true", default_value = "true", value_parser = super::cli::flag)]
    advertise_service: bool,
    /// Show the user name and the password in the announcement
    #[arg(short = 'C', long, num_args = 0..=1, default_missing_value = "true", default_value = "false", value_parser = super::cli::flag)]
    advertise_credentials: bool,
    /// Where the files are: 0 in the local directory, 1 in S3, 5 on another SFTP server ("sftp")
    #[arg(short, long, default_value_t = 0, value_parser = fs_provider)]
    fs_provider: u8,
    /// The name of the key; without one, the credentials of the environment
    #[arg(long)]
    s3_access_key: Option<String>,
    /// The key's secret
    #[arg(long, env = "TIDEGATE_PORTABLE_S3_ACCESS_SECRET", hide_env_values = true)]
    s3_access_secret: Option<String>,
    /// The bucket to serve
    #[arg(long)]
    s3_bucket: Option<String>,
    /// The URL of a store other than Amazon's
    #[arg(long)]
    s3_endpoint: Option<String>,
    /// What the keys of the files begin with
    #[arg(long)]
    s3_key_prefix: Option<String>,
    /// The bucket's region
    #[arg(long)]
    s3_region: Option<String>,
    /// The storage class of new files
    #[arg(long)]
    s3_storage_class: Option<String>,
    /// The other SFTP server, as HOST:PORT
    #[arg(long)]
    sftp_endpoint: Option<String>,
    /// The user there
    #[arg(long)]
    sftp_username: Option<String>,
    /// The user's password there
    #[arg(long, env = "TIDEGATE_PORTABLE_SFTP_PASSWORD", hide_env_values = true)]
    sftp_password: Option<String>,
    /// The file with the user's private key
    #[arg(long)]
    sftp_key_path: Option<PathBuf>,
    /// A SHA256 fingerprint that the host key there may have (repeatable)
    #[arg(long)]
    sftp_fingerprints: Vec<String>,
    /// The directory there
    #[arg(long)]
    sftp_prefix: Option<String>,
    /// SSH commands to enable; "*" means all
    #[arg(short = 'c', long, value_delimiter = ',', default_value = "md5sum,sha1sum,cd,pwd")]
    ssh_commands: Vec<String>,
    /// The log file; empty means no log
    #[arg(short, long, default_value = "")]
    pub log_file_path: String,
}

impl PortableArguments {
    /// The fields of `s3config` that were given; empty ones are not.
    fn s3_config(&self) -> Map<String, Value> {
        let options = [
            ("access_key", &self.s3_access_key),
            ("access_secret", &self.s3_access_secret),
            ("bucket", &self.s3_bucket),
            ("endpoint", &self.s3_endpoint),
            ("key_prefix", &self.s3_key_prefix),
            ("region", &self.s3_region),
            ("storage_class", &self.s3_storage_class),
        ];
        let given = options.into_iter().filter_map(|(field, option)| Some((field, option.as_deref()?)));
        given.filter(|(_, text)| !text.is_empty()).map(|(field, text)| (field.to_owned(), json!(text))).collect()
    }

    /// The fields of `sftpconfig` that were given; empty ones are not.
    fn sftp_config(&self) -> anyhow::Result<Map<String, Value>> {
        let options = [
            ("endpoint", &self.sftp_endpoint),
            ("username", &self.sftp_username),
            ("password", &self.sftp_password),
            ("prefix", &self.sftp_prefix),
        ];
        let given = options.into_iter().filter_map(|(field, option)| Some((field, option.as_deref()?)));
        let given = given.filter(|(_, text)| !text.is_empty()).map(|(field, text)| (field.to_owned(), json!(text)));
        let mut config: Map<String, Value> = given.collect();
        if let Some(path) = &self.sftp_key_path {
            let key = std::fs::read_to_string(path);
            let key = key.with_context(|| format!("the private key {} cannot be read", path.display()))?;
            config.insert("private_key".to_owned(), json!(key));
        }
        if !self.sftp_fingerprints.is_empty() {
            config.insert("fingerprints".to_owned(), json!(self.sftp_fingerprints));
        }
        Ok(config)
    }

    /// The account's `filesystem`; None: the files are local (A17-01).
    fn filesystem(&self) -> anyhow::Result<Option<Value>> {
        let (s3, sftp) = (self.s3_config(), self.sftp_config()?);
        ensure!(self.fs_provider == S3 || s3.is_empty(), "the --s3 options are for files in S3; add --fs-provider 1");
        ensure!(
            self.fs_provider == SFTP || sftp.is_empty(),
            "the --sftp options are for files on another SFTP server; add --fs-provider sftp"
        );
        match self.fs_provider {
            S3 => {
                ensure!(s3.contains_key("bucket"), "files in S3 need a bucket; name one with --s3-bucket");
                Ok(Some(json!({"provider": S3, "s3config": s3})))
            }
            SFTP => {
                let is_named = sftp.contains_key("endpoint") && sftp.contains_key("username");
                ensure!(is_named, "another SFTP server needs --sftp-endpoint HOST:PORT and --sftp-username");
                Ok(Some(json!({"provider": SFTP, "sftpconfig": sftp})))
            }
            _ => Ok(None),
        }
    }

    /// What is served, for people.
    fn served(&self, directory: &Path) -> String {
        match &self.s3_bucket {
            Some(bucket) if self.fs_provider == S3 => {
                format!("s3://{bucket}/{}", self.s3_key_prefix.as_deref().unwrap_or_default())
            }
            Some(_) | None if self.fs_provider == SFTP => {
                let of = |option: &Option<String>| option.clone().unwrap_or_default();
                format!("sftp://{}@{}{}", of(&self.sftp_username), of(&self.sftp_endpoint), of(&self.sftp_prefix))
            }
            Some(_) | None => directory.display().to_string(),
        }
    }
}

/// The number of a provider, or its name.
fn fs_provider(text: &str) -> Result<u8, String> {
    match text {
        "0" | "local" => Ok(0),
        "1" | "s3" => Ok(S3),
        "5" | "sftp" => Ok(SFTP),
        _ => Err("use 0 (local), 1 (s3) or 5 (sftp)".to_owned()),
    }
}

/// Serves until a signal asks it to stop. `confined`: the command that starts confined programs.
pub async fn run(arguments: PortableArguments, confined: Vec<String>) -> anyhow::Result<()> {
    descriptors::raise_limit();
    let descriptors = Arc::new(ProcessDescriptors::default());
    let filesystem = arguments.filesystem()?;
    let directory = arguments.directory.canonicalize().with_context(|| {
        format!(
            "the directory {} cannot be served; name one that exists with --directory",
            arguments.directory.display()
        )
    })?;
    ensure!(directory.is_dir(), "{} is not a directory; name one with --directory", directory.display());
    let served = arguments.served(&directory);
    let mut config = Config::default();
    config.sftpd.bind_port = free_port(&arguments);
    config.sftpd.bind_address = arguments.bind_address;
    config.sftpd.max_auth_tries = MAX_AUTH_TRIES;
    config.sftpd.enabled_ssh_commands = arguments.ssh_commands;
    let settings = Loaded::from_config(config).validate(&directory, false)?;
    settings.warnings.iter().for_each(|warning| eprintln!("tidegate: warning: {warning}"));
    let stores = Stores::in_memory()?;

    // Empty means generated, or the default (A17-01).
    let given = arguments.password.as_deref().filter(|password| !password.is_empty());
    let generated = (given.is_none() && arguments.public_key.is_empty()).then(generate_password);
    let password = given.or(generated.as_deref());
    let username = if arguments.username.is_empty() { DEFAULT_USER } else { &arguments.username };
    let mut draft = AccountDraft::new(username);
    draft.set("home_dir", json!(directory));
    if let Some(filesystem) = filesystem {
        draft.set("filesystem", filesystem);
    }
    draft.set_permissions("/", &arguments.permissions);
    draft.set("public_keys", json!(crate::cli::public_key_lines(&arguments.public_key)?));
    if let Some(password) = password {
        draft.set_clear_password(Secret::new(password));
    }
    stores.accounts(None).add(draft, &Author::system()).await?;

    let host = Arc::new(wire::silent_host());
    let points = HookPoints::new(&BTreeMap::new(), &settings.http, Scope::default(), &[], None, host)?;
    let metrics = Arc::new(Metrics::default());
    let storage = Storages::open(&settings, None, None, metrics.clone(), descriptors.clone())?.factory;
    let services = Services::new(&stores, &points, &settings, NodeName(String::new()), storage, metrics)?;
    let (mut tasks, _) = HookTasks::start_journal(&stores);
    tasks.start_keeper(services.scans.keeper.clone());
    let watch = services.watch.clone();
    let begin = watch.begin().await?;
    let watch = tokio::spawn(async move { watch.run(begin).await });
    let Stop { drain, at_once } = shutdown::on_signals().context("signals cannot be handled")?;
    println!("Serving {served} to user \"{username}\"");
    if let Some(password) = &generated {
        println!("Password: {password}");
    }
    let credentials = arguments.advertise_credentials.then_some((username, password.unwrap_or_default()));
    let mut advertisement = None;
    let host_keys = host_keys::ephemeral()?;
    let launcher = Some(Arc::new(Launcher { command: confined, descriptors: descriptors.clone() }));
    let serving = Serving { settings, host_keys, launcher, bound: None, descriptors };
    let listening = serving.listen(&services, &points, drain, |address| {
        println!("Listening on {address}; stop with Ctrl-C");
        if arguments.advertise_service {
            advertisement = advertise(address.port(), credentials);
        }
    });
    let outcome = tokio::select! {
        outcome = listening => outcome,
        // Connections end with their tasks.
        () = at_once.cancelled() => Ok(()),
    };
    drop(advertisement);
    watch.abort();
    tasks.finish(LEAST_ENDING_TIME, &at_once).await;
    outcome
}

/// Announces the server in the network. A failure is only a warning.
fn advertise(port: u16, credentials: Option<(&str, &str)>) -> Option<Advertisement> {
    Advertisement::announce(port, credentials)
        .inspect_err(|error| eprintln!("tidegate: warning: the server is not announced in the network: {error:#}"))
        .ok()
}

/// The configured port, or one that was free a moment ago; 0 (any port) if none was found.
fn free_port(arguments: &PortableArguments) -> u16 {
    if arguments.sftpd_port != 0 {
        return arguments.sftpd_port;
    }
    let address = if arguments.bind_address.is_empty() { "::" } else { &arguments.bind_address };
    let mut random = rand::rng();
    let ports = std::iter::repeat_with(|| random.random_range(PORTS)).take(PORT_TRIES);
    let mut free = ports.filter(|port| std::net::TcpListener::bind((address, *port)).is_ok());
    free.next().unwrap_or(0)
}

fn generate_password() -> String {
    let mut random = rand::rng();
    (0..PASSWORD_LENGTH).filter_map(|_| PASSWORD_ALPHABET.choose(&mut random)).copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        portable: PortableArguments,
    }

    fn parsed(arguments: &[&str]) -> PortableArguments {
        Line::try_parse_from([&["portable"][..], arguments].concat()).unwrap().portable
    }

    fn listed(texts: &[String]) -> String {
        texts.join(",")
    }

    #[test]
    fn without_options_a_directory_is_read_by_one_user() {
        // A17-01, A17-02
        let least = parsed(&[]);
        assert_eq!((least.directory.as_path(), least.username.as_str()), (Path::new("."), "user"));
        assert_eq!(listed(&least.permissions), "list,download");
        assert_eq!(listed(&least.ssh_commands), "md5sum,sha1sum,cd,pwd");
        assert_eq!((least.fs_provider, least.sftpd_port, least.log_file_path.as_str()), (0, 0, ""));
        assert_eq!((least.advertise_service, least.advertise_credentials), (true, false));
        assert!(least.password.is_none() && least.public_key.is_empty());
    }

    #[test]
    fn options_have_the_older_names_and_letters() {
        // A17-01
        let letters = "-d /srv -u bob -p pw -k one -k two -g list,upload -s 2022 -S false -C -f 1 -c cd,pwd -l p.log";
        let names = "--directory /srv --username bob --password pw --public-key one --public-key two \
            --permissions list,upload --sftpd-port 2022 --advertise-service false --advertise-credentials \
            --fs-provider 1 --ssh-commands cd,pwd --log-file-path p.log";
        for line in [letters, names] {
            let given = parsed(&line.split_whitespace().collect::<Vec<_>>());
            assert_eq!((given.directory.as_path(), given.username.as_str()), (Path::new("/srv"), "bob"));
            assert_eq!((given.password.as_deref(), listed(&given.public_key).as_str()), (Some("pw"), "one,two"));
            assert_eq!(
                (listed(&given.permissions), listed(&given.ssh_commands)),
                ("list,upload".into(), "cd,pwd".into())
            );
            assert_eq!((given.fs_provider, given.sftpd_port, given.log_file_path.as_str()), (1, 2022, "p.log"));
            assert_eq!((given.advertise_service, given.advertise_credentials), (false, true));
        }
    }

    #[test]
    fn places_elsewhere_have_an_option_for_each_field() {
        // A17-01
        let s3 = "-f 1 --s3-access-key a --s3-access-secret b --s3-bucket c --s3-endpoint d --s3-key-prefix e \
            --s3-region f --s3-storage-class g";
        let expected = json!({"access_key": "a", "access_secret": "b", "bucket": "c", "endpoint": "d",
            "key_prefix": "e", "region": "f", "storage_class": "g"});
        let given = parsed(&s3.split_whitespace().collect::<Vec<_>>());
        assert_eq!((given.fs_provider, Value::Object(given.s3_config())), (1, expected));
        let sftp = "-f 5 --sftp-endpoint a --sftp-username b --sftp-password c --sftp-prefix d \
            --sftp-fingerprints e --sftp-fingerprints f";
        let expected =
            json!({"endpoint": "a", "username": "b", "password": "c", "prefix": "d", "fingerprints": ["e", "f"]});
        let given = parsed(&sftp.split_whitespace().collect::<Vec<_>>());
        assert_eq!((given.fs_provider, Value::Object(given.sftp_config().unwrap())), (5, expected));
    }
}
