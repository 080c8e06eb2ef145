//! The sections `sftpd` and `common`: what is listened on, and what holds for connections and files.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::flag;
use super::{Actions, Defender, HookValue, RateLimiter};

/// The SFTP server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Sftpd {
    /// The port to listen on; 0: any.
    /// Old name: `port` in `sftpd.bindings`
    pub bind_port: u16,
    /// The IP address to listen on; empty: all interfaces, IPv4 and IPv6.
    /// Old name: `address` in `sftpd.bindings`
    pub bind_address: String,
    /// Time without activity after which a connection ends; 0: it never does for that reason.
    /// Unit: minutes
    pub idle_timeout: u32,
    /// Refused attempts to log in after which a connection ends; 0: six; negative: no limit.
    pub max_auth_tries: i32,
    /// The umask of new files and directories, as an octal text.
    #[serde(deserialize_with = "octal_text")]
    pub umask: String,
    /// The server's identification after `SSH-2.0-`; empty: its own name and version.
    pub banner: String,
    /// Where uploads are written. 0: into the file that has the name, visible at once; the old content is gone
    /// as soon as the upload begins. 1: the file gets its name when it is complete; an upload that breaks off
    /// is removed, and the old file stays. 2: as 1, but what arrived of an upload that breaks off gets the
    /// name, so that the client can resume it: the old file is replaced by a part of the new one, also
    /// at the start after the server was killed.
    pub upload_mode: i32,
    pub actions: Actions,
    /// The host keys, as a list of tables. Empty: `id_ed25519`, `id_ecdsa` and `id_rsa` in the
    /// configuration directory, which the server makes where they are missing.
    /// Old name: `sftpd.host_keys`, a list of paths
    pub keys: Vec<HostKey>,
    /// Enables `scp`, as does its name in `enabled_ssh_commands`.
    pub enable_scp: bool,
    /// The algorithms that are offered: `modern`, `compatible` or `legacy`. The three lists below
    /// replace its lists.
    pub algorithms: String,
    /// Key exchange algorithms, the best first; empty: those of `algorithms`.
    pub kex_algorithms: Vec<String>,
    /// Ciphers, the best first; empty: those of `algorithms`.
    pub ciphers: Vec<String>,
    /// Message authentication codes, the best first; empty: those of `algorithms`.
    pub macs: Vec<String>,
    /// Whether a client gets the cipher that the server prefers among those that the client offers.
    pub prefer_fast_ciphers: bool,
    /// A file whose text clients are shown before they log in, relative to the configuration directory.
    pub login_banner_file: String,
    /// What happens to changes of modes, owners and times. 0: they are made. 1: they are ignored,
    /// with success. 2: they are ignored where the storage has no such attributes.
    pub setstat_mode: i32,
    /// SSH commands that clients may run: `md5sum`, `sha1sum`, `sha256sum`, `sha384sum`, `sha512sum`,
    /// `cd`, `pwd`, `scp`, `rsync`, `git-receive-pack`, `git-upload-pack`, `git-upload-archive`; `*` means
    /// all.
    pub enabled_ssh_commands: Vec<String>,
    /// Another name of `keyboard_interactive_auth_hook`.
    pub keyboard_interactive_auth_program: String,
    /// The hook `keyboard-interactive`, which asks users questions.
    /// Old name: `sftpd.keyboard_interactive_auth_program`
    pub keyboard_interactive_auth_hook: HookValue,
    /// Whether the method is offered. Not set: if a program, a web server or a plugin asks the
    /// questions. A second factor that needs the method is always offered.
    #[serde(deserialize_with = "flag::optional")]
    pub keyboard_interactive_authentication: Option<bool>,
    /// Connections that have not logged in; one more ends the oldest. At least 1.
    pub max_half_open: usize,
    /// Channels that one connection may have open. At least 1.
    pub max_channels: usize,
}

impl Default for Sftpd {
    fn default() -> Self {
        Self {
            bind_port: 2022,
            bind_address: String::new(),
            idle_timeout: 15,
            max_auth_tries: 0,
            umask: "0022".to_owned(),
            banner: String::new(),
            upload_mode: 0,
            actions: Actions::default(),
            keys: Vec::new(),
            enable_scp: false,
            algorithms: "compatible".to_owned(),
            kex_algorithms: Vec::new(),
            ciphers: Vec::new(),
            macs: Vec::new(),
            prefer_fast_ciphers: true,
            login_banner_file: String::new(),
            setstat_mode: 0,
            enabled_ssh_commands: ["md5sum", "sha1sum", "cd", "pwd"].map(str::to_owned).to_vec(),
            keyboard_interactive_auth_program: String::new(),
            keyboard_interactive_auth_hook: HookValue::default(),
            keyboard_interactive_authentication: None,
            max_half_open: 512,
            max_channels: 64,
        }
    }
}

/// One host key.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HostKey {
    /// The file of a private key, relative to the configuration directory.
    pub private_key: PathBuf,
}

/// What holds for all connections.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Common {
    /// Time that running transfers get when the server stops; `serve --grace-time` wins over it.
    /// Unit: seconds
    pub grace_time: u64,
    /// The time zone of access times: empty for UTC, or `local`.
    pub tz: String,
    /// The PROXY protocol. 0: headers are not read. 1: they are read where there are any. 2: a connection
    /// without one is refused.
    /// Old name: `sftpd.proxy_protocol`
    pub proxy_protocol: i32,
    /// Networks or addresses of the proxies; empty: any, with a warning.
    /// Old name: `sftpd.proxy_allowed`
    pub proxy_allowed: Vec<String>,
    /// Networks or addresses among them that send no header.
    pub proxy_skipped: Vec<String>,
    /// Connections at once; 0: no limit.
    pub max_total_connections: usize,
    /// Connections at once from one IPv4 address or IPv6 /64; 0: no limit.
    pub max_per_host_connections: usize,
    pub defender: Defender,
    /// Limits on the rate of connections, as a list of tables.
    pub rate_limiters: Vec<RateLimiter>,
    /// Wins over `sftpd.idle_timeout`.
    /// Unit: minutes
    /// Old name: `sftpd.idle_timeout`
    pub idle_timeout: Option<u32>,
    /// Wins over `sftpd.upload_mode`. Only with 1 does an old file outlast an upload that breaks off.
    /// Old name: `sftpd.upload_mode`
    pub upload_mode: Option<i32>,
    /// Wins over `sftpd.setstat_mode`.
    /// Old name: `sftpd.setstat_mode`
    pub setstat_mode: Option<i32>,
    /// Renames of directories with files that have to be copied: in object storage, and between file systems, as from a home
    /// to a folder in a bucket or on another disk. 0: they are refused. 1: directories of at most 10000 files are renamed; a
    /// rename that breaks off leaves the old directory, or both.
    pub rename_mode: i32,
    /// Memory that all uploads to object storage share: 64 to 1048576; 0 means 512. A part of an upload has at most an eighth
    /// of it, and an upload at most 10000 parts, so that 512 are enough for files of some 550 GiB, and 6144 for 5 TiB.
    /// Unit: MiB
    pub upload_memory: usize,
    /// Wins over `sftpd.umask`.
    /// Old name: `sftpd.umask`
    #[serde(deserialize_with = "text_or_number")]
    pub umask: Option<String>,
    pub actions: Actions,
    /// The hook `connect`: before the handshake; may refuse.
    pub post_connect_hook: HookValue,
    /// The hook `disconnect`: a connection has ended.
    pub post_disconnect_hook: HookValue,
    /// The hook `startup`: the server starts.
    pub startup_hook: HookValue,
}

/// Some formats read digits as a number, and YAML reads `0022` as one with a decimal point.
fn text_or_number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    use serde::de::Error;
    let whole = |number: &serde_json::Number| number.as_f64().filter(|number| number.fract() == 0.0);
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Number(number) => {
            Ok(Some(whole(&number).map_or_else(|| number.to_string(), |number| number.to_string())))
        }
        _ => Err(D::Error::custom("expected an octal number as a text")),
    }
}

fn octal_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text_or_number(deserializer).map(Option::unwrap_or_default)
}
