//! The accounts of a system whose files OpenSSH's server serves: `passwd`, `group`, `shadow`, `sshd_config`, and
//! each user's authorized keys.

mod accounts;
mod passwd;
mod revoked;
mod rules;
mod sftp_server;
mod sshd;

use std::io::{Error, ErrorKind};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::apart::keep_apart;
use crate::{MigrateError, Moved, NoteKind, files, host_keys};
use passwd::{Groups, Shadow};
use revoked::RevokedLists;
use sshd::Sshd;

/// The uids of people, as `login.defs` has them by default.
pub type UidRange = RangeInclusive<u32>;

/// Host keys of a server whose configuration names none.
const USUAL_KEYS: [&str; 3] = ["ssh_host_ed25519_key", "ssh_host_ecdsa_key", "ssh_host_rsa_key"];

/// The keywords of `sshd_config` that mean something here, or have a sentence of their own.
const READ: [&str; 30] = [
    "allowgroups",
    "allowusers",
    "authenticationmethods",
    "authorizedkeyscommand",
    "authorizedkeysfile",
    "banner",
    "challengeresponseauthentication",
    "chrootdirectory",
    "ciphers",
    "denygroups",
    "denyusers",
    "forcecommand",
    "hostcertificate",
    "hostkey",
    "kbdinteractiveauthentication",
    "kexalgorithms",
    "macs",
    "maxauthtries",
    "passwordauthentication",
    "permitemptypasswords",
    "permitrootlogin",
    "port",
    "pubkeyauthentication",
    "refuseconnection",
    "revokedkeys",
    "strictmodes",
    "subsystem",
    "trustedusercakeys",
    "usepam",
    "x11forwarding",
];

/// The files of a system.
struct System {
    /// What absolute paths are below: `/`, or a mounted system.
    root: PathBuf,
    /// Whether its programs are there as well, and not only files of `etc` that were copied from it.
    has_programs: bool,
    sshd: Sshd,
    groups: Groups,
    shadow: Option<Shadow>,
    revoked: RevokedLists,
    uids: UidRange,
}

impl System {
    fn below_root(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }
}

/// Reads the accounts of a system. `passwd`: the file; the others are beside it, `sshd_config` in `ssh/` as well. If
/// their directory is called `etc`, homes are looked for below the directory that it is in.
///
/// # Errors
/// `passwd` cannot be read, or another file is there and cannot be.
pub fn read(passwd: &Path, uids: UidRange) -> Result<Moved, MigrateError> {
    let passwd_text = files::text(passwd)?;
    let directory = passwd.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.map_or_else(|| PathBuf::from("."), Path::to_owned);
    let whole = directory.canonicalize().unwrap_or_else(|_| directory.clone());
    let (root, is_of_system) = match (whole.file_name(), whole.parent()) {
        (Some(name), Some(parent)) if name == "etc" => (parent.to_owned(), true),
        _ => (PathBuf::from("/"), false),
    };
    // Every system has this one.
    let has_programs = is_of_system && root.join("bin/sh").exists();
    let mut moved = Moved::default();
    let shadow = files::optional_text(&directory.join("shadow"))?.map(|text| Shadow::read(&text));
    if shadow.is_none() {
        let text = format!(
            "there is no {}, so accounts whose password is in it have none",
            directory.join("shadow").display()
        );
        moved.note(NoteKind::Changed, "shadow", text);
    }
    let group = directory.join("group");
    let groups = files::optional_text(&group)?;
    let sshd = ["ssh/sshd_config", "sshd_config"].map(|name| directory.join(name));
    // One that cannot be looked at is one that cannot be read, not none.
    let is_absent = |error: &Error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
    let sshd = sshd.into_iter().find(|path| !path.symlink_metadata().is_err_and(|error| is_absent(&error)));
    let sshd = match &sshd {
        Some(path) => Sshd::read(path, &root, &mut moved)?,
        None => {
            moved.note(
                NoteKind::Changed,
                "sshd_config",
                "there is none, so every account sees its home directory as /",
            );
            Sshd::default()
        }
    };
    if groups.is_none() && sshd.names_groups() {
        let problem = "there is none, and sshd_config has lines for groups (Match Group, AllowGroups or DenyGroups), which \
                       may restrict accounts; copy it from that system";
        return Err(MigrateError::unusable(group, problem));
    }
    let groups = Groups::read(&groups.unwrap_or_default());
    let revoked = RevokedLists::read(&sshd, &root);
    let system = System { root, has_programs, sshd, groups, shadow, revoked, uids };
    let entries = passwd::entries(&passwd_text, &mut moved);
    accounts::read(&system, &entries, &mut moved);
    keep_apart(&mut moved);
    settings(&system, &directory, &mut moved);
    Ok(moved)
}

/// Host keys, and the few settings that mean the same here.
fn settings(system: &System, directory: &Path, moved: &mut Moved) {
    let named = system.sshd.global_all("hostkey");
    let keys: Vec<PathBuf> = match named.is_empty() {
        false => named.iter().map(|path| system.below_root(path)).collect(),
        true => {
            let places = [directory.join("ssh"), directory.to_owned()];
            let usual = places.iter().flat_map(|place| USUAL_KEYS.map(|name| place.join(name)));
            usual.filter(|path| path.exists()).collect()
        }
    };
    for path in keys {
        match host_keys::name_for(&path) {
            Some(name) if !name.contains("dsa_key") || name.contains("ecdsa") => moved.host_key(path, name),
            Some(_) | None => {
                moved.note(NoteKind::NoCounterpart, path.display().to_string(), "keys of this kind are not used");
            }
        }
    }
    if let Some(tries) = system.sshd.global("maxauthtries").and_then(|tries| tries.parse::<u32>().ok()) {
        moved.sftpd.insert("max_auth_tries".to_owned(), json!(tries));
    }
    if let Some(banner) = system.sshd.global("banner").filter(|banner| banner != "none") {
        moved.sftpd.insert("login_banner_file".to_owned(), json!(system.below_root(&banner)));
    }
    if system.sshd.is_there() {
        let text = "OpenSSH's server goes on with its port; this one has 2022, or what sftpd.bind_port says";
        moved.note(NoteKind::Changed, "Port", text);
    }
    if system.sshd.is_globally("usepam", "yes") {
        let text = "what PAM adds to it (access.conf, time.conf, directories of accounts) is not read";
        moved.note(NoteKind::NoCounterpart, "UsePAM", text);
    }
    let others: Vec<&str> = system.sshd.keywords().filter(|keyword| !READ.contains(keyword)).collect();
    if !others.is_empty() {
        let text = format!("these keywords are not read: {}", crate::account::printable_list(&others));
        moved.note(NoteKind::NoCounterpart, "sshd_config", text);
    }
    for (keyword, text) in [
        ("hostcertificate", "certificates of the host are not shown"),
        ("trustedusercakeys", "certificates of users are not accepted"),
        ("authorizedkeyscommand", "no program is asked for keys; a hook of external-auth can be"),
        ("ciphers", "the key sftpd.ciphers takes such a list"),
        ("macs", "the key sftpd.macs takes such a list"),
        ("kexalgorithms", "the key sftpd.kex_algorithms takes such a list"),
    ] {
        if system.sshd.global(keyword).is_some() {
            moved.note(NoteKind::NoCounterpart, keyword, format!("it is not moved: {text}"));
        }
    }
}

#[cfg(test)]
mod tests;
