//! `sshd_config`(5), as far as it says who may log in how, and where files are: of several values of a keyword the
//! first one holds, and lines after `Match` hold for the users that it names.

use std::path::{Path, PathBuf};

use crate::account::printable;
use crate::pattern::{list_matches, matches};
use crate::{MigrateError, Moved, NoteKind, files};

const MAX_INCLUDES: usize = 64;
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
    /// All have to hold; empty: the line is for everybody.
    conditions: Vec<Condition>,
}

#[derive(Clone)]
enum Condition {
    User(String),
    Group(String),
    /// Depends on the connection: it is taken as not met.
    Undecided,
}

impl Sshd {
    /// Reads a configuration and the files that it includes. `root`: what absolute paths are below.
    pub fn read(path: &Path, root: &Path, moved: &mut Moved) -> Result<Self, MigrateError> {
        let mut sshd = Self { lines: Vec::new(), is_there: true };
        let mut reading = Reading { root, directory: path.parent().unwrap_or(Path::new("/")), included: 0 };
        reading.file(path, &mut Vec::new(), &mut sshd.lines, moved)?;
        Ok(sshd)
    }

    pub fn is_there(&self) -> bool {
        self.is_there
    }

    /// The value that holds for everybody.
    pub fn global(&self, keyword: &str) -> Option<String> {
        let line = self.lines.iter().find(|line| line.keyword == keyword && line.conditions.is_empty())?;
        Some(line.words.join(" "))
    }

    /// The values of all lines that are for everybody.
    pub fn global_all(&self, keyword: &str) -> Vec<String> {
        let lines = self.lines.iter().filter(|line| line.keyword == keyword && line.conditions.is_empty());
        lines.map(|line| line.words.join(" ")).collect()
    }

    /// The words that hold for a user in these groups; None: no line says anything.
    pub fn of(&self, keyword: &str, user: &str, groups: &[&str]) -> Option<Vec<String>> {
        let mut holding = self.lines.iter().filter(|line| line.keyword == keyword && line.holds_for(user, groups));
        if GATHERED.contains(&keyword) {
            let words: Vec<String> = holding.flat_map(|line| line.words.clone()).collect();
            return (!words.is_empty()).then_some(words);
        }
        holding.next().map(|line| line.words.clone())
    }

    /// Whether the user may log in at all; `Err`: only from some addresses.
    pub fn admits(&self, user: &str, groups: &[&str]) -> Result<bool, ()> {
        let list = |keyword: &str| self.of(keyword, user, groups);
        let any_group = |patterns: &[String]| list_matches(&patterns.join(","), groups);
        let name = |pattern: &str| {
            pattern.rsplit_once('@').map_or((pattern.to_owned(), false), |(name, _)| (name.to_owned(), true))
        };
        let named = |patterns: &[String]| {
            let matching = patterns.iter().map(|pattern| name(pattern)).filter(|(pattern, _)| matches(pattern, user));
            matching.map(|(_, has_address)| has_address).collect::<Vec<bool>>()
        };
        let mut is_limited = false;
        if let Some(denied) = list("denyusers") {
            let found = named(&denied);
            if found.contains(&false) {
                return Ok(false);
            }
            is_limited |= !found.is_empty();
        }
        if let Some(allowed) = list("allowusers") {
            let found = named(&allowed);
            if found.is_empty() {
                return Ok(false);
            }
            is_limited |= !found.contains(&false);
        }
        if list("denygroups").is_some_and(|denied| any_group(&denied)) {
            return Ok(false);
        }
        if list("allowgroups").is_some_and(|allowed| !any_group(&allowed)) {
            return Ok(false);
        }
        if is_limited { Err(()) } else { Ok(true) }
    }
}

impl Line {
    fn holds_for(&self, user: &str, groups: &[&str]) -> bool {
        self.conditions.iter().all(|condition| match condition {
            Condition::User(list) => list_matches(list, &[user]),
            Condition::Group(list) => list_matches(list, groups),
            Condition::Undecided => false,
        })
    }
}

struct Reading<'a> {
    root: &'a Path,
    directory: &'a Path,
    included: usize,
}

impl Reading<'_> {
    fn file(
        &mut self,
        path: &Path,
        conditions: &mut Vec<Condition>,
        lines: &mut Vec<Line>,
        moved: &mut Moved,
    ) -> Result<(), MigrateError> {
        for (number, line) in files::text(path)?.lines().enumerate() {
            let words = words(line);
            let Some((keyword, words)) = words.split_first() else { continue };
            let keyword = keyword.to_ascii_lowercase();
            match keyword.as_str() {
                "match" => {
                    *conditions = self::conditions(words);
                    if conditions.iter().any(|condition| matches!(condition, Condition::Undecided)) {
                        let text =
                            "its lines depend on the connection, and are not moved; limit accounts with allowed_ip";
                        let about = format!("{}, line {}: Match", path.display(), number + 1);
                        moved.note(NoteKind::NoCounterpart, about, text);
                    }
                }
                "include" => {
                    for pattern in words {
                        self.include(pattern, conditions, lines, moved)?;
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
        conditions: &[Condition],
        lines: &mut Vec<Line>,
        moved: &mut Moved,
    ) -> Result<(), MigrateError> {
        let whole = match pattern.strip_prefix('/') {
            Some(below) => self.root.join(below),
            None => self.directory.join(pattern),
        };
        for path in matching_files(&whole) {
            self.included += 1;
            if self.included > MAX_INCLUDES {
                return Err(MigrateError::unusable(path, "sshd_config includes more than 64 files, or itself"));
            }
            self.file(&path, &mut conditions.to_vec(), lines, moved)?;
        }
        Ok(())
    }
}

/// The files that a path means whose last part may be a pattern, in the order of their names.
fn matching_files(path: &Path) -> Vec<PathBuf> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Vec::new() };
    if !name.contains(['*', '?']) {
        return if path.is_file() { vec![path.to_owned()] } else { Vec::new() };
    }
    let entries = path.parent().and_then(|directory| std::fs::read_dir(directory).ok());
    let fits = |entry: &std::fs::DirEntry| {
        entry.file_name().to_str().is_some_and(|found| !found.starts_with('.') && matches(name, found))
    };
    let mut found: Vec<_> = entries.into_iter().flatten().flatten().filter(fits).map(|entry| entry.path()).collect();
    found.retain(|path| path.is_file());
    found.sort();
    found
}

/// The words of a line; quotes hold words together, `#` begins a comment, and `=` may follow the keyword.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), None::<String>, false);
    for character in line.chars() {
        match character {
            '"' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            '#' if !is_quoted && word.is_none() => break,
            ' ' | '\t' | '\r' | '\u{c}' if !is_quoted => words.extend(word.take()),
            '=' if !is_quoted && words.is_empty() => words.extend(word.take()),
            '=' if !is_quoted && words.len() == 1 && word.is_none() => {}
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
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
        if name == "all" {
            continue;
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
