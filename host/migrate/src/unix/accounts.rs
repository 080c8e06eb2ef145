//! One system account after the other.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::{Map, Value, json};
use tidegate_core::public_key::PublicKey;

use super::System;
use super::passwd::{Entry, ShadowEntry};
use super::rules::methods;
use super::sftp_server::{SftpServer, is_sftp_server, options};
use super::sshd::expanded;
use crate::account::{Line, about, printable, public_keys};
use crate::{Moved, NoteKind, ObjectKind, files};

const DAY_MS: i64 = 86_400_000;
/// From this number of days on, shadow(5) means never.
const FOR_EVER_DAYS: i64 = 99_999;
/// Programs with which an SFTP server that is a program of its own can be started.
const SHELLS: [&str; 15] =
    ["", "ash", "bash", "csh", "dash", "fish", "ksh", "ksh93", "mksh", "rbash", "rssh", "scponly", "sh", "tcsh", "zsh"];
const USUAL_KEYS: [&str; 2] = [".ssh/authorized_keys", ".ssh/authorized_keys2"];

pub fn read(system: &System, entries: &[Entry<'_>], moved: &mut Moved) {
    let mut left = 0;
    for entry in entries {
        let groups = system.groups.of(entry.name, entry.gid);
        let chroot = system.sshd.of("chrootdirectory", entry.name, &groups).map(|words| words.join(" "));
        let chroot = chroot.filter(|chroot| !chroot.eq_ignore_ascii_case("none") && !chroot.is_empty());
        // Accounts of services may be in a chroot as well.
        let is_person = system.uids.contains(&entry.uid);
        if entry.uid == 0 || !(is_person || (chroot.is_some() && has_password(system, entry))) {
            left += 1;
            continue;
        }
        if let Err(problem) = account(system, entry, &groups, chroot.as_deref(), moved) {
            moved.leave(ObjectKind::Account, about(entry.name), problem);
        }
    }
    if left > 0 {
        let text = format!(
            "{left} accounts of the system and of its services stay behind (uids outside {} to {}, without a chroot)",
            system.uids.start(),
            system.uids.end()
        );
        moved.note(NoteKind::NoCounterpart, "passwd", text);
    }
}

fn hash<'a>(system: &'a System, entry: &'a Entry<'_>) -> &'a str {
    match entry.hash {
        "x" => {
            system.shadow.as_ref().and_then(|shadow| shadow.get(entry.name)).map_or("!", |found| found.hash.as_str())
        }
        other => other,
    }
}

fn has_password(system: &System, entry: &Entry<'_>) -> bool {
    hash(system, entry).starts_with('$')
}

fn account(
    system: &System,
    entry: &Entry<'_>,
    groups: &[&str],
    chroot: Option<&str>,
    moved: &mut Moved,
) -> Result<(), String> {
    let sshd = &system.sshd;
    let name = entry.name;
    let (mut is_enabled, mut notes) = (true, Vec::new());
    match sshd.admits(name, groups) {
        Ok(true) => {}
        Ok(false) => {
            let text = "sshd_config does not admit it (AllowUsers, DenyUsers, AllowGroups, DenyGroups, RefuseConnection, or \
                        MaxSessions 0)";
            return Err(text.to_owned());
        }
        Err(()) => {
            is_enabled = false;
            notes.push("sshd_config admits it from some addresses only; set allowed_ip, and enable it".to_owned());
        }
    }
    // OpenSSH's server lets no one in whose shell is not there, but for those in a chroot.
    if sshd.is_there() && chroot.is_none() && lacks_shell(system, entry.shell) {
        return Err(format!("its shell {} is not there, and so that server does not admit it", printable(entry.shell)));
    }
    let Some(server) = sftp_server(system, entry, groups)? else {
        return Err("it could not use SFTP: it has a command or a shell that is no SFTP server".to_owned());
    };
    let home = match chroot {
        Some(chroot) => expanded(chroot, name, entry.home, entry.uid)?,
        None => {
            if sshd.is_there() {
                notes.push("it saw the whole file system; here it sees its home directory as /".to_owned());
            }
            entry.home.to_owned()
        }
    };
    let (uid, gid) = (entry.uid.to_string(), entry.gid.to_string());
    let hash = hash(system, entry);
    let line = Line { name, hash, uid: &uid, gid: &gid, gecos: entry.gecos, home: &home };
    let mut document = line.document(moved)?;
    if hash.starts_with('!') && sshd.is_there() && !sshd.is_globally("usepam", "yes") {
        is_enabled = false;
        notes.push("it is locked, and so it is disabled here".to_owned());
    }
    let mut filters = Map::new();
    if let Some(shadow) = system.shadow.as_ref().and_then(|shadow| shadow.get(name)) {
        ageing(shadow, &mut document, &mut filters);
        if shadow.is_broken {
            is_enabled = false;
            notes.push("its line in shadow has a day that is no number; it is disabled".to_owned());
        }
    }
    if let Some(keyword) = sshd.sometimes_restricting(name, groups) {
        is_enabled = false;
        notes.push(format!(
            "sshd_config has a {} that holds on some connections only; set what it means here (allowed_ip, \
             denied_login_methods), and enable it",
            printable(keyword)
        ));
    }
    if !server.permissions.is_empty() {
        document.insert("permissions".to_owned(), json!({"/": server.permissions}));
    }
    notes.extend(server.left_out.iter().map(|option| format!("an option of its SFTP server is left out: {option}")));
    if let Some(start) = start_directory(system, entry, chroot.map(|_| home.as_str()), &server)? {
        filters.insert("start_directory".to_owned(), json!(start));
    }
    let methods = methods(sshd, name, groups);
    if !methods.unknown.is_empty() {
        notes.push(format!(
            "AuthenticationMethods names methods that this server does not have: {}",
            methods.unknown.join(" ")
        ));
    }
    if methods.none_left {
        is_enabled = false;
        notes.push("sshd_config leaves it no login method that there is here; it is disabled".to_owned());
    } else if !methods.denied.is_empty() {
        filters.insert("denied_login_methods".to_owned(), json!(methods.denied));
    }
    if !filters.is_empty() {
        document.insert("filters".to_owned(), Value::Object(filters));
    }
    let keys = authorized_keys(system, entry, groups, moved)?;
    if !keys.is_empty() {
        document.insert("public_keys".to_owned(), json!(keys));
    }
    document.insert("status".to_owned(), json!(i32::from(is_enabled)));
    for text in notes {
        moved.note(NoteKind::Changed, about(name), text);
    }
    moved.users.push(document);
    Ok(())
}

/// The age of the password, and the end of the account.
fn ageing(shadow: &ShadowEntry, document: &mut Map<String, Value>, filters: &mut Map<String, Value>) {
    if let Some(day) = shadow.expires.filter(|day| *day >= 0) {
        document.insert("expiration_date".to_owned(), json!(day.saturating_mul(DAY_MS).max(1)));
    }
    match (shadow.changed, shadow.lifetime) {
        (Some(0), _) => drop(filters.insert("require_password_change".to_owned(), json!(true))),
        (Some(changed), Some(lifetime)) if changed > 0 && (0..FOR_EVER_DAYS).contains(&lifetime) => {
            filters.insert("password_expiration".to_owned(), json!(lifetime.max(1)));
            document.insert("last_password_change".to_owned(), json!(changed.saturating_mul(DAY_MS)));
        }
        _ => {}
    }
}

/// Whether the shell is not there, though the programs of that system and the shell's directory are.
fn lacks_shell(system: &System, shell: &str) -> bool {
    let path = system.below_root(shell);
    let is_name = shell.starts_with('/') && !shell.ends_with('/');
    system.has_programs && is_name && path.parent().is_some_and(Path::is_dir) && path.symlink_metadata().is_err()
}

/// The SFTP server of a user; None: there is none.
fn sftp_server(system: &System, entry: &Entry<'_>, groups: &[&str]) -> Result<Option<SftpServer>, String> {
    let shell = entry.shell.rsplit('/').next().unwrap_or_default();
    let has_shell = SHELLS.contains(&shell) || is_sftp_server(&[entry.shell.to_owned()]);
    let subsystem = system.sshd.subsystem("sftp", entry.name, groups).unwrap_or_default();
    let forced = system.sshd.of("forcecommand", entry.name, groups);
    let forced = forced.filter(|words| !words.join(" ").eq_ignore_ascii_case("none"));
    // A command may be one word, in quotes.
    let forced = forced.map(|words| words.join(" ").split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    let words = match forced {
        Some(forced) if is_sftp_server(&forced) => forced,
        Some(_) => return Ok(None),
        None => subsystem,
    };
    let is_internal = words.first().is_some_and(|first| first == "internal-sftp");
    if !has_shell && !is_internal {
        return Ok(None);
    }
    Ok(Some(if words.is_empty() { SftpServer::default() } else { options(&words)? }))
}

/// Where sessions begin: what `-d` says, or the home directory where the chroot has it.
fn start_directory(
    system: &System,
    entry: &Entry<'_>,
    chroot: Option<&str>,
    server: &SftpServer,
) -> Result<Option<String>, String> {
    if let Some(start) = &server.start {
        let start = expanded(start, entry.name, entry.home, entry.uid)?;
        return Ok(Some(format!("/{}", start.trim_matches('/'))).filter(|start| start != "/"));
    }
    let Some(chroot) = chroot else { return Ok(None) };
    let home = entry.home.trim_matches('/');
    let is_there = system.below_root(chroot).join(home).is_dir();
    Ok((is_there && !home.is_empty()).then(|| format!("/{home}")))
}

fn authorized_keys(
    system: &System,
    entry: &Entry<'_>,
    groups: &[&str],
    moved: &mut Moved,
) -> Result<Vec<String>, String> {
    let named = system.sshd.of("authorizedkeysfile", entry.name, groups);
    let named = named.unwrap_or_else(|| USUAL_KEYS.map(str::to_owned).to_vec());
    let revoked = system.revoked.of(&system.sshd, entry.name, groups);
    if let Some(problem) = revoked.and_then(|revoked| revoked.problem.as_ref()) {
        moved.note(NoteKind::Changed, about(entry.name), format!("its keys are not moved: {problem}"));
        return Ok(Vec::new());
    }
    let is_strict = !system.sshd.is_globally("strictmodes", "no");
    let home = system.below_root(entry.home);
    if !home.exists() && named.iter().any(|pattern| !pattern.eq_ignore_ascii_case("none")) {
        let text = format!(
            "its home was looked for in {}, where there is none, so that no keys are moved; keep the directories of a copied \
             system as they were, with passwd in etc",
            home.display()
        );
        moved.note(NoteKind::Changed, about(entry.name), text);
    }
    let mut texts = String::new();
    for pattern in named.iter().filter(|pattern| !pattern.eq_ignore_ascii_case("none")) {
        let path = expanded(pattern, entry.name, entry.home, entry.uid)?;
        let path = if path.starts_with('/') { path } else { format!("{}/{path}", entry.home) };
        let path = system.below_root(&path);
        match keys_in(&path, &home, entry.uid, is_strict) {
            Ok(Some(text)) => texts.push_str(&(text + "\n")),
            Ok(None) => {}
            Err(problem) => {
                moved.note(
                    NoteKind::Changed,
                    about(entry.name),
                    format!("its keys in {} are not moved: {problem}", path.display()),
                );
            }
        }
    }
    let mut keys = public_keys(texts.lines(), &about(entry.name), moved);
    let count = keys.len();
    let is_revoked = |key: &PublicKey| revoked.is_some_and(|revoked| revoked.keys.contains(key));
    keys.retain(|key| PublicKey::parse(key).is_ok_and(|key| !is_revoked(&key)));
    if keys.len() < count {
        moved.note(NoteKind::Changed, about(entry.name), "of its keys, those that RevokedKeys has are not moved");
    }
    Ok(keys)
}

/// Keys that OpenSSH's server would not believe are not believed here either: only the user and root may own and write
/// the file and the directories from it up to the home directory, or to the root where it is elsewhere.
fn keys_in(path: &Path, home: &Path, uid: u32, is_strict: bool) -> Result<Option<String>, String> {
    let text = files::optional_text(path).map_err(|error| error.to_string())?;
    let Some(text) = text else { return Ok(None) };
    if !is_strict {
        return Ok(Some(text));
    }
    let whole = path.canonicalize().map_err(|error| error.to_string())?;
    let home = home.canonicalize().unwrap_or_else(|_| home.to_owned());
    for place in whole.ancestors() {
        let metadata = place.metadata().map_err(|error| error.to_string())?;
        if metadata.mode() & 0o022 != 0 || ![0, uid].contains(&metadata.uid()) {
            return Err(format!("others can write or own {} (StrictModes)", place.display()));
        }
        if place == home {
            break;
        }
    }
    Ok(Some(text))
}
