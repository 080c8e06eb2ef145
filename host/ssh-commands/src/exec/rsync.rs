//! The command lines with which rsync's client starts the other end. Options that start programs or open the
//! server's own files are not passed on; options that name files of the account are, with the names resolved.

use std::ffi::{OsStr, OsString};

use super::rsync_options::{
    FLAGS, FOLLOWING, FOLLOWING_LETTERS, LETTERS, NAMES, NameUse, OWNERS, VALUES, WITH_SLASHES,
};
use super::words::Word;

/// An option as it is passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RsyncOption {
    Plain(String),
    /// An option, and the name that follows it.
    Named(&'static str, NameUse, Vec<u8>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RsyncLine {
    /// The options, without the paths.
    pub options: Vec<RsyncOption>,
    /// At least one path.
    pub paths: Vec<Word>,
    /// The server sends.
    pub sends: bool,
    /// The server only sends, and removes nothing of what it sent.
    pub reads_only: bool,
    /// The server sends what symbolic links lead to.
    pub follows_links: bool,
    /// Directories above the path are made.
    pub makes_path: bool,
    pub sets_owners: bool,
}

/// What the words after `rsync` are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Words {
    Line(RsyncLine),
    /// Part of a line, whose other words come on standard input (`--secluded-args`).
    Secluded(Vec<Word>),
}

pub fn parse(words: &[Word]) -> Result<Words, String> {
    let (mut open, mut secluded) = (Vec::new(), false);
    let options = words.iter().take_while(|word| word.text != b".").count();
    for (at, word) in words.iter().enumerate() {
        match without_seclusion(&word.text).filter(|_| at < options) {
            Some(text) => {
                secluded = true;
                // A cluster that was only `-s` is dropped.
                open.extend((text != b"-").then_some(Word { text, pattern: None }));
            }
            None => open.push(word.clone()),
        }
    }
    match secluded {
        true if options < words.len() => Err("with --secluded-args no path is expected here".to_owned()),
        true => Ok(Words::Secluded(open)),
        false => line(words).map(Words::Line),
    }
}

/// Reads a complete line, some words of which may have come on standard input.
pub fn line(words: &[Word]) -> Result<RsyncLine, String> {
    let mut words = words.iter();
    if words.next().map(|word| word.text.as_slice()) != Some(b"--server") {
        return Err("only the other end of a client can be started".to_owned());
    }
    let mut options = vec![RsyncOption::Plain("--server".to_owned())];
    while let Some(word) = words.next() {
        if word.text == b"." {
            let mut paths: Vec<Word> = words.cloned().collect();
            if paths.is_empty() {
                paths.push(Word { text: b".".to_vec(), pattern: None });
            }
            return finished(options, paths);
        }
        let option = text(word)?;
        if let Some((option, used)) = NAMES.iter().find(|(name, _)| *name == option) {
            let name = words.next().map(|word| word.text.clone()).unwrap_or_default();
            let parts = || name.split(|byte| *byte == b'/');
            let leads_up =
                *used == NameUse::WriteBeside && !name.starts_with(b"/") && parts().any(|part| part == b"..");
            if name.is_empty() || name.starts_with(b"-") || leads_up {
                return Err(format!("the option {option} must name something inside the account's files"));
            }
            options.push(RsyncOption::Named(option, *used, name));
            continue;
        }
        if !is_allowed(option) {
            return Err(format!("the option {option} is not allowed"));
        }
        options.push(RsyncOption::Plain(option.to_owned()));
    }
    Err("the path is missing".to_owned())
}

fn finished(mut options: Vec<RsyncOption>, paths: Vec<Word>) -> Result<RsyncLine, String> {
    let plain = || {
        options.iter().filter_map(|option| match option {
            RsyncOption::Plain(text) => Some(text.as_str()),
            RsyncOption::Named(..) => None,
        })
    };
    let has = |wanted: &[&str]| plain().any(|option| wanted.contains(&option.split('=').next().unwrap_or(option)));
    let sends = has(&["--sender"]);
    let reads_only = sends && !has(&["--remove-source-files", "--remove-sent-files"]);
    if paths.len() > 1 && !reads_only {
        return Err("only one path can be written to".to_owned());
    }
    let by_letter = plain().any(|option| letters(option).bytes().any(|letter| FOLLOWING_LETTERS.contains(&letter)));
    let follows_links = sends && (by_letter || has(FOLLOWING));
    let (makes_path, sets_owners) = (!sends && has(&["--mkpath"]), has(OWNERS));
    if sends {
        // These options, and the names in them, are for the client's files.
        options.retain(|option| !matches!(option, RsyncOption::Named(_, used, _) if *used != NameUse::List));
    }
    Ok(RsyncLine { options, paths, sends, reads_only, follows_links, makes_path, sets_owners })
}

/// A cluster of short options without its `s`; `None` if it has no `s`.
fn without_seclusion(text: &[u8]) -> Option<Vec<u8>> {
    let cluster = text.strip_prefix(b"-").filter(|cluster| !cluster.starts_with(b"-"))?;
    let end = cluster.iter().position(|byte| *byte == b'e').unwrap_or(cluster.len());
    let (letters, capabilities) = cluster.split_at_checked(end)?;
    if !letters.contains(&b's') {
        return None;
    }
    let kept = letters.iter().copied().filter(|letter| *letter != b's');
    Some(std::iter::once(b'-').chain(kept).chain(capabilities.iter().copied()).collect())
}

/// The options in a cluster: the letters before `e`, after which the client lists its capabilities.
fn letters(option: &str) -> &str {
    match option.strip_prefix('-') {
        Some(cluster) if !cluster.starts_with('-') => cluster.split('e').next().unwrap_or(cluster),
        _ => "",
    }
}

/// The option without those that make a file larger than what is written to it, which a count of
/// written bytes would not see. The content of files stays the same.
pub fn without_holes(option: &OsStr) -> Option<OsString> {
    let Some(text) = option.to_str().filter(|text| text.starts_with('-')) else {
        return Some(option.to_owned());
    };
    match text.split_once('e') {
        _ if text == "--sparse" || text == "--preallocate" => None,
        _ if text.starts_with("--") => Some(text.into()),
        Some((letters, capabilities)) => Some(format!("{}e{capabilities}", letters.replace('S', "")).into()),
        None => Some(text.replace('S', "").into()),
    }
}

fn text(word: &Word) -> Result<&str, String> {
    std::str::from_utf8(&word.text).map_err(|_| "an option is not text".to_owned())
}

fn is_allowed(option: &str) -> bool {
    if FLAGS.contains(&option) {
        return true;
    }
    if let Some((name, value)) = option.split_once('=') {
        return VALUES.contains(&name) && (!value.contains('/') || WITH_SLASHES.contains(&name));
    }
    let Some(cluster) = option.strip_prefix('-').filter(|cluster| !cluster.starts_with('-')) else { return false };
    // The size of blocks, in the option's short form.
    if let Some(size) = cluster.strip_prefix('B') {
        return !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_digit());
    }
    // After `e`, the client lists its capabilities.
    let (letters, capabilities) = match cluster.split_once('e') {
        Some((letters, capabilities)) => (letters, capabilities),
        None => (cluster, ""),
    };
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    !cluster.is_empty()
        && letters.bytes().all(|letter| LETTERS.contains(&letter) || letter.is_ascii_digit())
        // Without capabilities, `e` would take the next word as its value.
        && (!cluster.contains('e') || capabilities.starts_with('.') || capabilities.starts_with(char::is_numeric))
        && is_plain(capabilities)
}

#[cfg(test)]
#[path = "rsync_tests.rs"]
mod tests;
