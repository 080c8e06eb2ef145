//! The command lines with which rsync's client starts its other end. Options that name
//! files, start programs or follow links out of the tree are not passed on.

use super::words::Word;

/// `--server`, and what may follow it without a value.
const FLAGS: &[&str] = &[
    "--append",
    "--append-verify",
    "--checksum",
    "--compress",
    "--delay-updates",
    "--delete",
    "--delete-after",
    "--delete-before",
    "--delete-delay",
    "--delete-during",
    "--delete-excluded",
    "--delete-missing-args",
    "--existing",
    "--fake-super",
    "--force",
    "--from0",
    "--fsync",
    "--fuzzy",
    "--group",
    "--hard-links",
    "--ignore-errors",
    "--ignore-existing",
    "--ignore-missing-args",
    "--ignore-times",
    "--inplace",
    "--list-only",
    "--mkpath",
    "--munge-links",
    "--new-compress",
    "--no-implied-dirs",
    "--no-msgs2stderr",
    "--no-r",
    "--no-W",
    "--no-whole-file",
    "--numeric-ids",
    "--old-compress",
    "--one-file-system",
    "--open-noatime",
    "--owner",
    "--partial",
    "--perms",
    "--preallocate",
    "--recursive",
    "--remove-sent-files",
    "--remove-source-files",
    "--safe-links",
    "--sender",
    "--size-only",
    "--sparse",
    "--stats",
    "--times",
    "--use-qsort",
    "--whole-file",
];

/// With a value after `=`.
const VALUES: &[&str] = &[
    "--block-size",
    "--bwlimit",
    "--checksum-choice",
    "--checksum-seed",
    "--compress-choice",
    "--compress-level",
    "--debug",
    "--iconv",
    "--info",
    "--log-format",
    "--max-alloc",
    "--max-delete",
    "--max-size",
    "--min-size",
    "--modify-window",
    "--out-format",
    "--skip-compress",
    "--stop-after",
    "--stop-at",
    "--suffix",
    "--timeout",
];

/// Letters of the cluster of short options. Not among them: `L`, `K` and `k`, which follow
/// links, and `s`, which hides the path from us.
const LETTERS: &[u8] = b"ACDEFHIJNOPRSUWXbcdghilmnopqrtuvxyz";

/// With a name as the next word, which must be inside the directory.
const NAMES: &[&str] = &["--backup-dir", "--compare-dest", "--copy-dest", "--link-dest", "--partial-dir", "--temp-dir"];

#[derive(Debug, PartialEq, Eq)]
pub struct RsyncLine {
    /// Without the paths.
    pub options: Vec<String>,
    /// At least one.
    pub paths: Vec<Word>,
    /// The server only sends, and removes nothing of what it sent.
    pub reads_only: bool,
}

/// From the words after `rsync`.
pub fn parse(words: &[Word]) -> Result<RsyncLine, String> {
    let mut words = words.iter();
    if words.next().map(|word| word.text.as_slice()) != Some(b"--server") {
        return Err("only the other end of a client can be started".to_owned());
    }
    let mut options = vec!["--server".to_owned()];
    while let Some(word) = words.next() {
        if word.text == b"." {
            let mut paths: Vec<Word> = words.cloned().collect();
            if paths.is_empty() {
                paths.push(Word { text: b".".to_vec(), pattern: None });
            }
            let has = |wanted: &[&str]| options.iter().any(|option| wanted.contains(&option.as_str()));
            let reads_only = has(&["--sender"]) && !has(&["--remove-source-files", "--remove-sent-files"]);
            if paths.len() > 1 && !reads_only {
                return Err("only one path can be written to".to_owned());
            }
            return Ok(RsyncLine { options, paths, reads_only });
        }
        let option = text(word)?;
        if NAMES.contains(&option) {
            let name = words.next().map(text).transpose()?.unwrap_or_default();
            let leads_out = name.is_empty() || name.starts_with(['/', '-']) || name.split('/').any(|part| part == "..");
            if leads_out {
                return Err(format!("the option {option} must name something inside the directory"));
            }
            options.extend([option.to_owned(), name.to_owned()]);
            continue;
        }
        if !is_allowed(option) {
            return Err(format!("the option {option} is not allowed"));
        }
        options.push(option.to_owned());
    }
    Err("the path is missing; do not use --secluded-args".to_owned())
}

/// Without options that make files larger than what is written to them, which no count of
/// written bytes would see. The files have the same content.
pub fn without_holes(options: Vec<String>) -> Vec<String> {
    let options = options.into_iter().filter(|option| option != "--sparse" && option != "--preallocate");
    options
        .map(|option| match option.split_once('e') {
            _ if option.starts_with("--") || !option.starts_with('-') => option,
            Some((letters, capabilities)) => format!("{}e{capabilities}", letters.replace('S', "")),
            None => option.replace('S', ""),
        })
        .collect()
}

fn text(word: &Word) -> Result<&str, String> {
    std::str::from_utf8(&word.text).map_err(|_| "an option is not text".to_owned())
}

fn is_allowed(option: &str) -> bool {
    if let Some((name, value)) = option.split_once('=') {
        return VALUES.contains(&name) && !value.contains('/');
    }
    if option.starts_with("--") {
        return FLAGS.contains(&option);
    }
    let Some(cluster) = option.strip_prefix('-') else { return false };
    // What follows `e` says what the client can do.
    let (letters, capabilities) = match cluster.split_once('e') {
        Some((letters, capabilities)) => (letters, capabilities),
        None => (cluster, ""),
    };
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    letters.bytes().all(|letter| LETTERS.contains(&letter) || letter.is_ascii_digit())
        // Without capabilities, the next word would be the value of this one.
        && (!cluster.contains('e') || capabilities.starts_with('.') || capabilities.starts_with(char::is_numeric))
        && is_plain(capabilities)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_for_holes_are_left_out() {
        let check = |line: &str, expected: &str| {
            let options = line.split(' ').map(str::to_owned).collect();
            assert_eq!(without_holes(options).join(" "), expected, "{line}");
        };
        check("--server -lSogDtpre.iLsfxCIvuS --sparse --delete", "--server -logDtpre.iLsfxCIvuS --delete");
        check("--server -rSS --preallocate --partial-dir Se.S", "--server -r --partial-dir Se.S");
    }

    fn check(line: &str, expected: Result<(&str, bool), &str>) {
        let words = super::super::words::split(line.as_bytes()).unwrap();
        let found = parse(&words);
        let found = found
            .as_ref()
            .map(|line| (std::str::from_utf8(&line.paths[0].text).unwrap(), line.reads_only))
            .map_err(String::as_str);
        match (found, expected) {
            (Err(error), Err(part)) => assert!(error.contains(part), "{line}: {error}"),
            (found, expected) => assert_eq!(found, expected, "{line}"),
        }
    }

    #[test]
    fn only_harmless_lines_are_passed_on() {
        check("--server -logDtpre.iLsfxCIvu . /dir", Ok(("/dir", false)));
        check("--server --sender -vlogDtpre.iLsfxCIvu --numeric-ids . dir", Ok(("dir", true)));
        check("--server -vvnlogDtprze.iLsfxCIvu --delete-during --partial --bwlimit=100 . .", Ok((".", false)));
        check("--server -re.iLsfxCIvu .", Ok((".", false)));
        check("--daemon", Err("only the other end"));
        check("--server --daemon .", Err("--daemon is not allowed"));
        check("--server --config=/etc/x -r . /", Err("--config=/etc/x is not allowed"));
        check("--server -r --log-file=/etc/x . /", Err("not allowed"));
        check("--server -r --rsh=/bin/sh . /", Err("not allowed"));
        check("--server -r --temp-dir=/tmp . /", Err("not allowed"));
        check("--server -r --temp-dir /tmp . /", Err("inside"));
        check("--server -r --files-from=/etc/passwd . /", Err("not allowed"));
        check("--server -r --link-dest=/etc . /", Err("not allowed"));
        check("--server -r --copy-unsafe-links . /", Err("not allowed"));
        check("--server -r --log-format=/x . /", Err("not allowed"));
        check("--server -Lre.iLsfxCIvu . /", Err("not allowed"));
        check("--server -slogDtpre.iLsfxCIvu", Err("not allowed"));
        check("--server '-re.i;id' . /", Err("not allowed"));
        check("--server -r . /a /b", Err("one path"));
        check("--server --sender -r . /a /b", Ok(("/a", true)));
        check("--server -r --partial-dir .rsync-partial --delay-updates . /a", Ok(("/a", false)));
        check("--server -r --backup-dir b\\ k --suffix=.old . /a", Ok(("/a", false)));
        check("--server -r --backup-dir ../x . /a", Err("inside"));
        check("--server -r --partial-dir /x . /a", Err("inside"));
        check("--server --partial-dir --munge-links -lre.iLsfxCIvu . /a", Err("inside"));
        check("--server -re --munge-links . /a", Err("not allowed"));
        check("--server -r", Err("path is missing"));
        check("-a /etc /tmp", Err("only the other end"));
    }
}
