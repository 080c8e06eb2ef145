//! Checks a whole configuration before anything is started, and reports every problem, not only the first.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use tidegate_core::files::SetAttributesPolicy;
use tidegate_core::hook::HookKind;
use tidegate_core::hook::external_auth::Scope;
use tidegate_core::quota::Tracking;
use tidegate_core::terminal::neutralised;
use tidegate_hooks_external::Compat;
use tidegate_hooks_wasm::{PluginSettings, SecretSource, TrustedKeys};
use tidegate_ssh_commands::SshCommands;
use tidegate_storage::OverwriteMode;

use super::keys::{Config, Httpd};
use super::settings::HookSettings;
use super::{
    ConfigErrors, Settings, Source, commands, database, defender, homes, hooks, http, http_bindings, network,
    synchronous, transport,
};
use url::Url;

use crate::clock::ZonedClock;
use crate::named_secrets::NamedSecrets;
use crate::version;

const DEFAULT_AUTH_TRIES: usize = 6;
/// In MiB.
const DEFAULT_UPLOAD_MEMORY: usize = 512;
/// The least has room for parts of the usual size; in MiB.
const UPLOAD_MEMORY: RangeInclusive<usize> = 64..=1 << 20;

/// Collects problems while the settings are built.
pub(super) struct Check<'a> {
    source: &'a Source,
    problems: Vec<String>,
    warnings: Vec<String>,
}

impl Check<'_> {
    pub(super) fn problem(&mut self, key: &str, text: impl std::fmt::Display) {
        add(&mut self.problems, format!("{}: {text}", self.source.place(key)));
    }

    pub(super) fn warning(&mut self, key: &str, text: impl std::fmt::Display) {
        add(&mut self.warnings, format!("{}: {text}", self.source.place(key)));
    }
}

impl Check<'_> {
    /// Whether the file has the older server's name, so that what it does not say is as it was there.
    pub(super) fn is_of_older_server(&self) -> bool {
        let name = self.source.path.as_deref().and_then(Path::file_stem);
        name.is_some_and(|name| name == "sftpgo")
    }
}

/// Adds a text once: a section is checked again for each of its links.
fn add(texts: &mut Vec<String>, text: String) {
    if !texts.contains(&text) {
        texts.push(text);
    }
}

pub fn settings(config: &Config, source: &Source, directory: &Path) -> Result<Settings, ConfigErrors> {
    let mut check = Check { source, problems: Vec::new(), warnings: Vec::new() };
    let synchronous_actions = synchronous::actions(config, &mut check);
    let hooks = hooks::settings(config, &synchronous_actions, &mut check);
    let plugin_directory = directory.join(&config.plugins.directory);
    synchronous::require_hooks(config, &hooks, &plugin_directory, &mut check);
    commands::check(config, &hooks, &mut check);
    let external_auth_scope = scope(config, &mut check);
    methods_in_scope(external_auth_scope, &hooks, &mut check);
    warn_of_pages(config, &mut check);
    let settings = Settings {
        bind_address: bind_address(config, &mut check),
        bind_port: config.sftpd.bind_port,
        identification: identification(config, &mut check),
        login_banner: login_banner(config, directory, &mut check),
        host_keys: transport::host_keys(config, directory, &mut check),
        algorithms: transport::algorithms(config, &mut check),
        prefer_fast_ciphers: config.sftpd.prefer_fast_ciphers,
        commands: commands(config, &mut check),
        max_auth_tries: match config.sftpd.max_auth_tries {
            0 => Some(DEFAULT_AUTH_TRIES),
            tries => usize::try_from(tries).ok(),
        },
        idle_timeout: minutes(config.common.idle_timeout.unwrap_or(config.sftpd.idle_timeout)),
        max_half_open: at_least_one("sftpd.max_half_open", config.sftpd.max_half_open, &mut check),
        max_channels: at_least_one("sftpd.max_channels", config.sftpd.max_channels, &mut check),
        umask: umask(config, &mut check),
        overwrite: upload_mode(config, &mut check),
        set_attributes: setstat_mode(config, &mut check),
        copying_renames: rename_mode(config, &mut check),
        upload_memory: upload_memory(config, &mut check),
        // A16-02: also where no era is named the oldest one's rules hold, but a bucket is no small thing to make.
        makes_buckets: Compat::from_name(&config.compat) == Some(Compat::Seed),
        grace_time: Duration::from_secs(config.common.grace_time),
        database: database::settings(config, directory, &mut check),
        users_base_dir: users_base_dir(config, &mut check),
        homes: homes::rule(config, directory, &mut check),
        external_auth_scope,
        external_auth_denial_time: external_auth_denial_time(config, &mut check),
        synchronous_actions,
        keyboard_interactive: keyboard_interactive(config, &hooks, &mut check),
        hooks,
        address_rule: hooks::address_rule(config),
        proxy: network::proxy(config, &mut check),
        limits: network::limits(config),
        defender: defender::settings(config, &mut check),
        login_delay: defender::login_delay(config, &mut check),
        http_bindings: http_bindings::bindings(config, directory, &mut check),
        http_access: http_bindings::access(config, directory, &mut check),
        tracking: tracking(config, &mut check),
        clock: zone(config, &mut check),
        http: http::settings(config, directory, &mut check),
        backups: directory.join(&config.httpd.backups_path),
        otlp_endpoint: otlp_endpoint(config, &mut check),
        plugin_directory,
        trusted_plugin_keys: trusted_plugin_keys(config, &mut check),
        plugins: plugins(config, &mut check),
        shown: super::with_origins(config, source).unwrap_or_default(),
        secrets: secrets(config, &mut check),
        warnings: Vec::new(),
    };
    synchronous::warn_of_visible_uploads(&settings, &mut check);
    if check.problems.is_empty() {
        Ok(Settings { warnings: check.warnings, ..settings })
    } else {
        Err(ConfigErrors(check.problems))
    }
}

fn otlp_endpoint(config: &Config, check: &mut Check<'_>) -> Option<Url> {
    let text = config.tracing.otlp_endpoint.trim();
    if text.is_empty() {
        return None;
    }
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if url.is_none() {
        check.problem("tracing.otlp_endpoint", "is no URL of a collector; write one such as http://127.0.0.1:4318");
    }
    url
}

fn trusted_plugin_keys(config: &Config, check: &mut Check<'_>) -> TrustedKeys {
    TrustedKeys::parse(config.plugins.trusted_keys.iter().map(String::as_str)).unwrap_or_else(|error| {
        check.problem("plugins.trusted_keys", error.to_string());
        TrustedKeys::default()
    })
}

/// Warns of paths of the older server's web pages (A3-52).
fn warn_of_pages(config: &Config, check: &mut Check<'_>) {
    let defaults = Httpd::default();
    let paths = [
        ("httpd.templates_path", &config.httpd.templates_path, &defaults.templates_path),
        ("httpd.static_files_path", &config.httpd.static_files_path, &defaults.static_files_path),
    ];
    for (key, path, default) in paths {
        if path != default && !path.is_empty() {
            check.warning(key, "the server has its pages in itself; the key is ignored");
        }
    }
}

fn bind_address(config: &Config, check: &mut Check<'_>) -> IpAddr {
    match config.sftpd.bind_address.as_str() {
        // All interfaces; a dual-stack socket serves IPv4 as well.
        "" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        text => text.trim_matches(['[', ']']).parse().unwrap_or_else(|_| {
            check.problem(
                "sftpd.bind_address",
                format!("\"{text}\" is not an IP address; leave it empty for all interfaces"),
            );
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        }),
    }
}

fn identification(config: &Config, check: &mut Check<'_>) -> String {
    let text = config.sftpd.banner.trim();
    if text.is_empty() {
        return version::IDENTIFICATION.to_owned();
    }
    // RFC 4253 §4.2: printable US-ASCII, 255 characters in all.
    if text.len() > 200 || !text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        check.problem("sftpd.banner", "must be at most 200 printable ASCII characters");
    }
    text.to_owned()
}

/// The text before logins. A file that cannot be read is only a warning (A3-23).
fn login_banner(config: &Config, directory: &Path, check: &mut Check<'_>) -> Option<String> {
    let file = config.sftpd.login_banner_file.as_str();
    if file.is_empty() {
        return None;
    }
    match std::fs::read_to_string(directory.join(file)) {
        Ok(text) => Some(neutralised(&text)),
        Err(error) => {
            check.warning("sftpd.login_banner_file", format!("there will be no banner: {error}"));
            None
        }
    }
}

/// The enabled commands. Names of unknown commands are only a warning (A3-25).
fn commands(config: &Config, check: &mut Check<'_>) -> SshCommands {
    let mut names = config.sftpd.enabled_ssh_commands.clone();
    // A3-21
    if config.sftpd.enable_scp {
        names.push("scp".to_owned());
    }
    let (commands, unknown) = SshCommands::from_names(&names);
    for name in unknown {
        check.warning(
            "sftpd.enabled_ssh_commands",
            format!("\"{name}\" is not a command of this version; it is ignored"),
        );
    }
    commands
}

fn minutes(minutes: u32) -> Option<Duration> {
    (minutes > 0).then(|| Duration::from_secs(60 * u64::from(minutes)))
}

fn at_least_one(key: &str, value: usize, check: &mut Check<'_>) -> usize {
    if value == 0 {
        check.problem(key, "must be at least 1");
    }
    value
}

/// The umask. A bad value is only a warning, and the process keeps its own (A3-14).
fn umask(config: &Config, check: &mut Check<'_>) -> u32 {
    let (key, text) = match &config.common.umask {
        Some(umask) => ("common.umask", umask),
        None => ("sftpd.umask", &config.sftpd.umask),
    };
    let octal = u32::from_str_radix(text.trim(), 8).ok().filter(|umask| *umask <= 0o777);
    match octal.filter(|_| !check.source.is_octal_number(key)) {
        Some(umask) => umask,
        None => {
            let own = own_umask();
            let text =
                format!("\"{text}\" is not an octal text such as \"0022\"; the process's own, {own:04o}, is kept");
            check.warning(key, text);
            own
        }
    }
}

/// The umask with which the process was started, if the kernel tells it.
fn own_umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let own = status.lines().find_map(|line| u32::from_str_radix(line.strip_prefix("Umask:")?.trim(), 8).ok());
    own.unwrap_or(0o077)
}

/// Whether the method is offered (A3-26, B4-01). The built-in question does not replace a hook that
/// was named and cannot be used.
fn keyboard_interactive(
    config: &Config,
    hooks: &BTreeMap<HookKind, HookSettings>,
    check: &mut Check<'_>,
) -> Option<bool> {
    let wanted = config.sftpd.keyboard_interactive_authentication;
    let has_links = hooks.get(&HookKind::KeyboardInteractive).is_some_and(|point| !point.links.is_empty());
    if wanted == Some(false) && has_links {
        let text = "is false: the keyboard-interactive hooks are never asked; remove one or the other";
        check.warning("sftpd.keyboard_interactive_authentication", text);
    }
    if lacks_its_hook(config, hooks) { Some(false) } else { wanted }
}

/// Whether the hook that is to ask the questions is missing, so that the method is not offered (A3-46).
fn lacks_its_hook(config: &Config, hooks: &BTreeMap<HookKind, HookSettings>) -> bool {
    let sftpd = &config.sftpd;
    let is_named = !sftpd.keyboard_interactive_auth_program.is_empty()
        || !sftpd.keyboard_interactive_auth_hook.entries().is_empty();
    is_named && hooks.get(&HookKind::KeyboardInteractive).is_none_or(|point| point.links.is_empty())
}

/// The upload mode. A value out of range is only a warning (A3-07).
fn upload_mode(config: &Config, check: &mut Check<'_>) -> OverwriteMode {
    match config.common.upload_mode.unwrap_or(config.sftpd.upload_mode) {
        0 => OverwriteMode::Standard,
        1 => OverwriteMode::Atomic,
        2 => OverwriteMode::AtomicWithResume,
        other => {
            check.warning("sftpd.upload_mode", format!("{other} is not 0, 1 or 2; 0 is used"));
            OverwriteMode::Standard
        }
    }
}

fn setstat_mode(config: &Config, check: &mut Check<'_>) -> SetAttributesPolicy {
    match config.common.setstat_mode.unwrap_or(config.sftpd.setstat_mode) {
        0 => SetAttributesPolicy::Apply,
        2 => SetAttributesPolicy::IgnoreUnsupported,
        1 => SetAttributesPolicy::Ignore,
        other => {
            check.problem("sftpd.setstat_mode", format!("{other} is not 0, 1 or 2"));
            SetAttributesPolicy::Apply
        }
    }
}

/// A16-04
fn rename_mode(config: &Config, check: &mut Check<'_>) -> bool {
    match config.common.rename_mode {
        0 => false,
        1 => true,
        other => {
            check.problem("common.rename_mode", format!("{other} is not 0 or 1"));
            false
        }
    }
}

/// In bytes.
fn upload_memory(config: &Config, check: &mut Check<'_>) -> usize {
    let mib = match config.common.upload_memory {
        0 => DEFAULT_UPLOAD_MEMORY,
        mib => mib,
    };
    if !UPLOAD_MEMORY.contains(&mib) {
        let (least, most) = (UPLOAD_MEMORY.start(), UPLOAD_MEMORY.end());
        check.problem("common.upload_memory", format!("{mib} is neither 0 nor from {least} to {most} MiB"));
    }
    mib.saturating_mul(1 << 20)
}

fn tracking(config: &Config, check: &mut Check<'_>) -> Tracking {
    match config.data_provider.track_quota {
        0 => Tracking::Never,
        1 => Tracking::Always,
        2 => Tracking::WhereLimited,
        other => {
            check.problem("data_provider.track_quota", format!("{other} is not 0, 1 or 2"));
            Tracking::default()
        }
    }
}

fn zone(config: &Config, check: &mut Check<'_>) -> ZonedClock {
    match config.common.tz.as_str() {
        "" | "utc" | "UTC" => ZonedClock::utc(),
        "local" => ZonedClock::local(),
        other => {
            check.problem("common.tz", format!("\"{other}\" is not \"local\"; leave it empty for UTC"));
            ZonedClock::utc()
        }
    }
}

fn users_base_dir(config: &Config, check: &mut Check<'_>) -> Option<String> {
    let base = config.data_provider.users_base_dir.as_str();
    if base.is_empty() {
        return None;
    }
    if !base.starts_with('/') {
        check.problem("data_provider.users_base_dir", "must be an absolute path");
    }
    Some(base.to_owned())
}

/// A bit of the scope for a method that SSH does not have.
const TLS_CERTIFICATE: u8 = 8;

/// The methods that hooks are asked about. A value out of range is only a warning (A3-07).
fn scope(config: &Config, check: &mut Check<'_>) -> Scope {
    match u8::try_from(config.data_provider.external_auth_scope) {
        Ok(bits @ 0..=15) => {
            if bits == TLS_CERTIFICATE {
                check
                    .warning("data_provider.external_auth_scope", "8 leaves out all that SSH has, so no hook is asked");
            }
            Scope::from_bits(bits)
        }
        _ => {
            let text = format!(
                "{} is not between 0 and 15; 0 (all methods) is used",
                config.data_provider.external_auth_scope
            );
            check.warning("data_provider.external_auth_scope", text);
            Scope::default()
        }
    }
}

/// A denial must not be remembered for longer, because the user may have a new password by then; in seconds.
const MAX_DENIAL_TIME: u32 = 3600;

fn external_auth_denial_time(config: &Config, check: &mut Check<'_>) -> Duration {
    let seconds = config.data_provider.external_auth_negative_cache_time;
    if seconds > MAX_DENIAL_TIME {
        let text = format!("{seconds} is more than {MAX_DENIAL_TIME} seconds");
        check.problem("data_provider.external_auth_negative_cache_time", text);
    }
    Duration::from_secs(seconds.into())
}

/// Warns of methods that the mask leaves out: it applies to all hooks, whatever their own lists say.
fn methods_in_scope(scope: Scope, hooks: &BTreeMap<HookKind, HookSettings>, check: &mut Check<'_>) {
    let Some(HookSettings { links, dropped }) = hooks.get(&HookKind::ExternalAuth) else { return };
    for settings in links.iter().map(|link| &link.settings).chain([dropped]) {
        let methods = &settings.selector.methods;
        if !methods.is_empty() && !methods.iter().any(|method| scope.covers_method(*method)) {
            let text = "leaves out every method that a hook names, so the hook would never be called";
            check.problem("data_provider.external_auth_scope", text);
        }
    }
}

/// The secrets that accounts name. They are read when they are used.
fn secrets(config: &Config, check: &mut Check<'_>) -> NamedSecrets {
    let mut secrets = NamedSecrets::default();
    for (name, value) in &config.secrets {
        let key = format!("secrets.{name}");
        if name.is_empty() || name.contains('}') {
            check.problem(&key, "accounts cannot name it; give it a name without \"}\"");
        }
        match serde_json::from_value::<SecretSource>(value.clone()) {
            Ok(SecretSource::File { file }) if !file.is_absolute() => {
                check.problem(&key, format!("the path {} must be absolute", file.display()));
            }
            Ok(source) => drop(secrets.0.insert(name.clone(), source)),
            Err(_) => check.problem(&key, "must be a text, { file = \"PATH\" } or { env = \"NAME\" }"),
        }
    }
    secrets
}

fn plugins(config: &Config, check: &mut Check<'_>) -> BTreeMap<String, PluginSettings> {
    let mut plugins = BTreeMap::new();
    for (name, value) in &config.plugin {
        match PluginSettings::from_value(value.clone()) {
            Ok(settings) => drop(plugins.insert(name.clone(), settings)),
            Err(error) => check.problem(&format!("plugin.{name}"), error),
        }
    }
    plugins
}
