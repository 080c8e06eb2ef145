//! `sshd_config`(5), as far as it says which users may log in how, and where files are: lines after a `Match` that the user
//! meets hold instead of those before all of them, and of several values of a keyword the first one holds.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::account::printable;
use crate::pattern::{list_matches, matches};
use crate::{MigrateError, Moved, NoteKind, files};

const MAX_INCLUDES: usize = 64;
/// Keywords that make a block restrict users, whatever their values are. Lists of users and groups are apart: they
/// restrict those whom they name, or do not.
const RESTRICTING: [&str; 5] =
    ["authenticationmethods", "authorizedkeysfile", "chrootdirectory", "forcecommand", "revokedkeys"];
/// Keywords that can let users open no session at all.
const REFUSING: [&str; 2] = ["refuseconnection", "maxsessions"];
/// Login methods, which a block restricts by switching them off.
const SWITCHES: [&str; 4] = [
    "passwordauthentication",
    "pubkeyauthentication",
    "kbdinteractiveauthentication",
    "challengeresponseauthentication",
];
/// Keywords of which every line counts.
const GATHERED: [&str; 5] = ["allowusers", "denyusers", "allowgroups", "denygroups", "hostkey"];

/// A configuration; by default none.
#[derive(Default)]
pub struct Sshd {
    lines: Vec<Line>,
    is_there: bool,
}

struct Line {
    /// In lower case.
    keyword: String,
    words: Vec<String>,
    /// Those of the `Match` above it. None: the line stands before all of them, and holds where those say nothing.
    conditions: Option<Conditions>,
}

/// What a `Match` wants, all of it: the same one for all lines of its block.
type Conditions = Arc<Vec<Condition>>;

#[derive(Clone)]
enum Condition {
    User(String),
    Group(String),
    /// Depends on the connection: it is taken as not met.
    Undecided,
    /// No user that there is meets it.
    Never,
}

impl Sshd {
    /// Reads a configuration and the files that it includes. `root`: what absolute paths are below.
    pub fn read(path: &Path, root: &Path, moved: &mut Moved) -> Result<Self, MigrateError> {
        let mut sshd = Self { lines: Vec::new(), is_there: true };
        let mut reading = Reading { root, directory: path.parent().unwrap_or(Path::new("/")), included: 0 };
        reading.file(path, None, &mut sshd.lines, moved)?;
        Ok(sshd)
    }

    pub fn is_there(&self) -> bool {
        self.is_there
    }

    /// The value of the first line before all `Match`.
    pub fn global(&self, keyword: &str) -> Option<String> {
        self.global_all(keyword).into_iter().next()
    }

    /// The values of all lines before all `Match`.
    pub fn global_all(&self, keyword: &str) -> Vec<String> {
        let lines = self.lines.iter().filter(|line| line.keyword == keyword && line.conditions.is_none());
        lines.map(|line| line.words.join(" ")).collect()
    }

    /// The values of all lines, whatever they stand behind.
    pub fn everywhere(&self, keyword: &str) -> impl Iterator<Item = String> {
        self.lines.iter().filter(move |line| line.keyword == keyword).map(|line| line.words.join(" "))
    }

    /// Whether some lines hold for the members of some groups only, or refuse those of others.
    pub fn names_groups(&self) -> bool {
        let is_of_group = |condition: &Condition| matches!(condition, Condition::Group(_));
        self.lines.iter().any(|line| {
            ["allowgroups", "denygroups"].contains(&line.keyword.as_str()) || line.all_conditions().any(is_of_group)
        })
    }

    /// Whether the first line before all `Match` says so, in any case.
    pub fn is_globally(&self, keyword: &str, value: &str) -> bool {
        self.global(keyword).is_some_and(|found| found.eq_ignore_ascii_case(value))
    }

    /// The keywords of the file, each once.
    pub fn keywords(&self) -> impl Iterator<Item = &str> {
        let mut seen = std::collections::BTreeSet::new();
        self.lines.iter().map(|line| line.keyword.as_str()).filter(move |keyword| seen.insert(*keyword))
    }

    /// The words that hold for a user in these groups; None: no line says anything.
    pub fn of(&self, keyword: &str, user: &str, groups: &[&str]) -> Option<Vec<String>> {
        let words = |is_in_match: bool| {
            let is_of = |line: &&Line| line.keyword == keyword && line.conditions.is_some() == is_in_match;
            let mut holding = self.lines.iter().filter(is_of).filter(|line| line.holds_for(user, groups));
            if GATHERED.contains(&keyword) {
                let words: Vec<String> = holding.flat_map(|line| line.words.clone()).collect();
                return (!words.is_empty()).then_some(words);
            }
            holding.next().map(|line| line.words.clone())
        };
        words(true).or_else(|| words(false))
    }

    /// The command of a subsystem for a user in these groups; None: no line names that one.
    pub fn subsystem(&self, name: &str, user: &str, groups: &[&str]) -> Option<Vec<String>> {
        let command = |is_in_match: bool| {
            let of_name = self.lines.iter().filter(|line| line.is_of_subsystem(name));
            let mut lines = of_name.filter(|line| line.conditions.is_some() == is_in_match);
            let line = lines.find(|line| line.holds_for(user, groups))?;
            Some(line.words.iter().skip(1).cloned().collect::<Vec<String>>())
        };
        command(true).or_else(|| command(false))
    }

    /// The keyword of a line that restricts the user on some connections only.
    pub fn sometimes_restricting(&self, user: &str, groups: &[&str]) -> Option<&str> {
        let mut lines = self.lines.iter().filter(|line| line.may_hold_for(user, groups));
        lines.find(|line| self.restricts(line, user, groups)).map(|line| line.keyword.as_str())
    }

    /// Whether the line restricts the user where it holds.
    fn restricts(&self, line: &Line, user: &str, groups: &[&str]) -> bool {
        // The lines of a block are one list. Those of other blocks hold on other connections.
        let is_of_list = |other: &&Line| other.keyword == line.keyword && other.is_in_block_of(line);
        let mut list = self.lines.iter().filter(is_of_list);
        match line.keyword.as_str() {
            "denyusers" => !named(&line.words, user).is_empty(),
            "denygroups" => any_group(&line.words, groups),
            "allowusers" => !list.any(|line| named(&line.words, user).contains(&false)),
            "allowgroups" => !list.any(|line| any_group(&line.words, groups)),
            keyword => {
                let is_off = line.words.first().is_some_and(|word| word.eq_ignore_ascii_case("no"));
                RESTRICTING.contains(&keyword)
                    || line.is_of_subsystem("sftp")
                    || (is_off && SWITCHES.contains(&keyword))
                    || refuses(keyword, &line.words)
            }
        }
    }

    /// Whether the user may log in at all; `Err`: only from some addresses.
    pub fn admits(&self, user: &str, groups: &[&str]) -> Result<bool, ()> {
        let list = |keyword: &str| self.of(keyword, user, groups);
        if REFUSING.into_iter().any(|keyword| list(keyword).is_some_and(|words| refuses(keyword, &words))) {
            return Ok(false);
        }
        let mut is_limited = false;
        if let Some(denied) = list("denyusers") {
            let found = named(&denied, user);
            if found.contains(&false) {
                return Ok(false);
            }
            is_limited |= !found.is_empty();
        }
        if let Some(allowed) = list("allowusers") {
            let found = named(&allowed, user);
            if found.is_empty() {
                return Ok(false);
            }
            is_limited |= !found.contains(&false);
        }
        if list("denygroups").is_some_and(|denied| any_group(&denied, groups)) {
            return Ok(false);
        }
        if list("allowgroups").is_some_and(|allowed| !any_group(&allowed, groups)) {
            return Ok(false);
        }
        if is_limited { Err(()) } else { Ok(true) }
    }
}

impl Line {
    fn is_of_subsystem(&self, name: &str) -> bool {
        self.keyword == "subsystem" && self.words.first().is_some_and(|first| first == name)
    }

    fn holds_for(&self, user: &str, groups: &[&str]) -> bool {
        !self.is_undecided() && self.names(user, groups)
    }

    /// Whether it depends on the connection if the line holds for the user.
    fn may_hold_for(&self, user: &str, groups: &[&str]) -> bool {
        self.is_undecided() && self.names(user, groups)
    }

    fn all_conditions(&self) -> impl Iterator<Item = &Condition> {
        self.conditions.iter().flat_map(|conditions| conditions.iter())
    }

    /// Whether the same `Match` is above both.
    fn is_in_block_of(&self, other: &Self) -> bool {
        match (&self.conditions, &other.conditions) {
            (Some(own), Some(of_other)) => Arc::ptr_eq(own, of_other),
            (own, of_other) => own.is_none() && of_other.is_none(),
        }
    }

    fn is_undecided(&self) -> bool {
        self.all_conditions().any(|condition| matches!(condition, Condition::Undecided))
    }

    /// Whether all conditions hold, apart from those on the connection.
    fn names(&self, user: &str, groups: &[&str]) -> bool {
        self.all_conditions().all(|condition| match condition {
            Condition::User(list) => list_matches(list, &[user]),
            Condition::Group(list) => list_matches(list, groups),
            Condition::Undecided => true,
            Condition::Never => false,
        })
    }
}

struct Reading<'a> {
    root: &'a Path,
    directory: &'a Path,
    included: usize,
}

impl Reading<'_> {
    /// `above`: those of the `Match` behind which the file is included. They have to be met beside those of each `Match` in
    /// the file.
    fn file(
        &mut self,
        path: &Path,
        above: Option<&Conditions>,
        lines: &mut Vec<Line>,
        moved: &mut Moved,
    ) -> Result<(), MigrateError> {
        let mut conditions = above.cloned();
        for (number, line) in files::text(path)?.lines().enumerate() {
            let words = words(line);
            let Some((keyword, words)) = words.split_first() else { continue };
            let keyword = keyword.to_ascii_lowercase();
            match keyword.as_str() {
                "match" => {
                    let wanted = self::conditions(words);
                    let is_undecided = wanted.iter().any(|condition| matches!(condition, Condition::Undecided));
                    let above = above.into_iter().flat_map(|above| above.iter().cloned());
                    conditions = Some(Arc::new(above.chain(wanted).collect()));
                    if is_undecided {
                        let text = "its lines depend on the connection, and are not moved; accounts that they may restrict are \
                             disabled";
                        let about = format!("{}, line {}: Match", path.display(), number + 1);
                        moved.note(NoteKind::NoCounterpart, about, text);
                    }
                }
                "include" => {
                    for pattern in words {
                        self.include(pattern, conditions.as_ref(), lines, moved)?;
                    }
                }
                _ => lines.push(Line { keyword, words: words.to_vec(), conditions: conditions.clone() }),
            }
        }
        Ok(())
    }

    /// What an included file opens with `Match` ends with it.
    fn include(
        &mut self,
        pattern: &str,
        conditions: Option<&Conditions>,
        lines: &mut Vec<Line>,
        moved: &mut Moved,
    ) -> Result<(), MigrateError> {
        let whole = match pattern.strip_prefix('/') {
            Some(below) => self.root.join(below),
            None => self.directory.join(pattern),
        };
        for path in matching_files(&whole)? {
            self.included += 1;
            if self.included > MAX_INCLUDES {
                return Err(MigrateError::unusable(path, "sshd_config includes more than 64 files, or itself"));
            }
            self.file(&path, conditions, lines, moved)?;
        }
        Ok(())
    }
}

/// The files that a path means whose last part may be a pattern, in the order of their names. A file that is left out
/// may be the one that restricts users, so what cannot be read is an error.
fn matching_files(path: &Path) -> Result<Vec<PathBuf>, MigrateError> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let has_pattern = |text: &str, special: &[char]| text.contains(special);
    if name.is_empty()
        || has_pattern(name, &['[', '{'])
        || has_pattern(&directory.to_string_lossy(), &['*', '?', '[', '{'])
    {
        let problem = "sshd_config includes it by a pattern that is not read here; name the files instead";
        return Err(MigrateError::unusable(path, problem));
    }
    let is_absent = |error: &std::io::Error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
    let unreadable = |error| MigrateError::Unreadable { path: path.to_owned(), error };
    if !name.contains(['*', '?']) {
        return match path.metadata() {
            Ok(_) => Ok(vec![path.to_owned()]),
            Err(error) if is_absent(&error) => Ok(Vec::new()),
            Err(error) => Err(unreadable(error)),
        };
    }
    let mut found = Vec::new();
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(found),
        Err(error) => return Err(unreadable(error)),
    };
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        let fits = |name: &str, found: &str| !found.starts_with('.') && matches(name, found);
        if entry.file_name().to_str().is_some_and(|found| fits(name, found)) && entry.path().is_file() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// The words of a line; quotes of both kinds hold words together, a backslash takes what follows as it is, `#` begins a
/// comment, and `=` may follow the keyword.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None::<char>);
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.peek().is_some_and(|next| ['"', '\'', '\\', ' '].contains(next)) => {
                word.get_or_insert_default().extend(characters.next());
            }
            '"' | '\'' if quote.is_none() => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            closing if quote == Some(closing) => quote = None,
            '#' if quote.is_none() && word.is_none() => break,
            ' ' | '\t' | '\r' | '\u{c}' if quote.is_none() => words.extend(word.take()),
            '=' if quote.is_none() && words.is_empty() => words.extend(word.take()),
            '=' if quote.is_none() && words.len() == 1 && word.is_none() => {}
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

/// Whether a list has the name of one of the groups. Unlike the lists of `Match`, it knows no exclusion.
fn any_group(patterns: &[String], groups: &[&str]) -> bool {
    patterns.iter().any(|pattern| groups.iter().any(|group| matches(pattern, group)))
}

/// For each pattern of a list that stands for the user: whether it does from some addresses only.
fn named(patterns: &[String], user: &str) -> Vec<bool> {
    let parts = patterns.iter().map(|pattern| match pattern.rsplit_once('@') {
        Some((name, _)) => (name, true),
        None => (pattern.as_str(), false),
    });
    parts.filter(|(name, _)| matches(name, user)).map(|(_, has_address)| has_address).collect()
}

/// Whether the words after the keyword let users open no session.
fn refuses(keyword: &str, words: &[String]) -> bool {
    let word = words.first().map(String::as_str).unwrap_or_default();
    match keyword {
        "refuseconnection" => word.eq_ignore_ascii_case("yes"),
        "maxsessions" => word.parse::<u32>() == Ok(0),
        _ => false,
    }
}

fn conditions(words: &[String]) -> Vec<Condition> {
    let mut words = words.iter();
    let mut conditions = Vec::new();
    while let Some(word) = words.next() {
        // Later versions also write `User=alice`.
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name.to_ascii_lowercase(), Some(value.to_owned())),
            None => (word.to_ascii_lowercase(), None),
        };
        match name.as_str() {
            "all" => continue,
            "invalid-user" => {
                conditions.push(Condition::Never);
                continue;
            }
            _ => {}
        }
        let value = value.or_else(|| words.next().cloned()).unwrap_or_default();
        conditions.push(match name.as_str() {
            "user" => Condition::User(value),
            "group" => Condition::Group(value),
            _ => Condition::Undecided,
        });
    }
    conditions
}

/// `%h`, `%u`, `%U` and `%%` of a path; another one is an error.
pub fn expanded(text: &str, user: &str, home: &str, uid: u32) -> Result<String, String> {
    let (mut path, mut characters) = (String::new(), text.chars());
    while let Some(character) = characters.next() {
        if character != '%' {
            path.push(character);
            continue;
        }
        match characters.next() {
            Some('h') => path.push_str(home),
            Some('u') => path.push_str(user),
            Some('U') => path.push_str(&uid.to_string()),
            Some('%') => path.push('%'),
            _ => return Err(format!("\"{}\" has a token that is not known", printable(text))),
        }
    }
    Ok(path)
}
