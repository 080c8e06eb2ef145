//! Patterns for names. `*` and `?` mean the same in accounts, configurations, key lines and commands; ADR 5 says why
//! no library gives that.

use std::fmt::{self, Display, Write};
use std::str::Chars;

/// A pattern for one name, all of it: `*` stands for any text, also for none, and `?` for one character. Braces
/// are characters like any other, and `**` is `*`: nothing stands for several names of a path.
///
/// Matching needs no memory of its own. At worst it takes as many steps as the square of the name's length,
/// however long the pattern is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<Part>,
    /// Whether the parts are in lower case and names are compared so.
    any_case: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// `*`, never two in a row.
    AnyText,
    /// `?`
    AnyCharacter,
    Character(char),
    /// `[…]`: the first and the last character of each range; of one that runs backwards there is none.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

/// Why a text is not a pattern, and what to write instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A class is not closed.
    #[error("its \"[\" has no \"]\"; write \"\\[\" for the character")]
    OpenClass,
    /// The last character is a backslash that nothing follows.
    #[error("nothing follows its last \"\\\"; write \"\\\\\" for the character")]
    OpenEscape,
}

impl Pattern {
    /// With `*` and `?` alone: every other character stands for itself. For names of users, and for addresses as
    /// sshd(8) has them.
    pub fn wildcards(text: &str) -> Self {
        Self::of(text.chars().map(Part::wildcard).collect(), false)
    }

    /// With classes as well, `[a-z0]` and their opposite `[!a-z]` or `[^a-z]`, and `\` before a character that
    /// stands for itself. For names of files.
    ///
    /// # Errors
    /// A class or an escape has no end.
    pub fn shell(text: &str) -> Result<Self, PatternError> {
        Ok(Self::of(shell_parts(text)?, false))
    }

    /// As [`shell`](Self::shell), for names in upper and lower case.
    ///
    /// # Errors
    /// As of [`shell`](Self::shell).
    pub fn shell_in_any_case(text: &str) -> Result<Self, PatternError> {
        Ok(Self::of(shell_parts(text)?.into_iter().map(Part::in_lower_case).collect(), true))
    }

    fn of(mut parts: Vec<Part>, any_case: bool) -> Self {
        parts.dedup_by(|next, last| *next == Part::AnyText && *last == Part::AnyText);
        Self { parts, any_case }
    }

    /// Whether the whole name is as the pattern says. What is not UTF-8 in it counts as U+FFFD.
    pub fn matches(&self, name: &[u8]) -> bool {
        let name = String::from_utf8_lossy(name);
        let (mut parts, mut rest) = (self.parts.as_slice(), name.chars());
        // What follows the last `*`, and the text from which that is tried next.
        let mut last_star: Option<(&[Part], Chars<'_>)> = None;
        loop {
            match parts.split_first() {
                Some((Part::AnyText, after)) => {
                    last_star = Some((after, rest.clone()));
                    parts = after;
                    continue;
                }
                Some((part, after)) => match rest.next() {
                    // A `*` that took more would leave even less.
                    None => return false,
                    Some(character) if part.takes(self.compared(character)) => {
                        parts = after;
                        continue;
                    }
                    Some(_) => {}
                },
                None if rest.as_str().is_empty() => return true,
                None => {}
            }
            // The last `*` takes one character more. What those before it took stays: to take more could only
            // leave less for the rest.
            let Some((after, from)) = last_star.as_mut() else {
                return false;
            };
            if from.next().is_none() || after.is_empty() {
                return after.is_empty();
            }
            (parts, rest) = (*after, from.clone());
        }
    }

    fn compared(&self, character: char) -> char {
        if self.any_case { lower(character) } else { character }
    }
}

/// As it is written; of what stands for itself, not whether it had a backslash.
impl Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::AnyText => f.write_char('*'),
            Part::AnyCharacter => f.write_char('?'),
            Part::Character(character) => f.write_char(*character),
            Part::Class { negated, ranges } => {
                f.write_str(if *negated { "[!" } else { "[" })?;
                for (first, last) in ranges {
                    f.write_char(*first)?;
                    if first != last {
                        write!(f, "-{last}")?;
                    }
                }
                f.write_char(']')
            }
        })
    }
}

impl Part {
    fn wildcard(character: char) -> Self {
        match character {
            '*' => Self::AnyText,
            '?' => Self::AnyCharacter,
            other => Self::Character(other),
        }
    }

    fn in_lower_case(self) -> Self {
        match self {
            Self::AnyText | Self::AnyCharacter => self,
            Self::Character(character) => Self::Character(lower(character)),
            Self::Class { negated, ranges } => {
                let ranges = ranges.into_iter().map(|(first, last)| (lower(first), lower(last))).collect();
                Self::Class { negated, ranges }
            }
        }
    }

    fn takes(&self, character: char) -> bool {
        match self {
            Self::AnyText | Self::AnyCharacter => true,
            Self::Character(wanted) => *wanted == character,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&character)) != *negated
            }
        }
    }
}

/// One character for each, whatever stands beside it: the lower case of a whole text has another sigma at the end
/// of words, and two characters for `İ`.
fn lower(character: char) -> char {
    character.to_lowercase().next().unwrap_or(character)
}

fn shell_parts(text: &str) -> Result<Vec<Part>, PatternError> {
    let mut parts = Vec::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        let part = match character {
            '[' => class(&mut rest)?,
            '\\' => Part::Character(rest.next().ok_or(PatternError::OpenEscape)?),
            other => Part::wildcard(other),
        };
        parts.push(part);
    }
    Ok(parts)
}

/// The class whose `[` has been read. A `]` that comes first is one of its characters, and so is a `-` that comes
/// first or last.
fn class(rest: &mut Chars<'_>) -> Result<Part, PatternError> {
    let negated = rest.as_str().starts_with(['!', '^']);
    if negated {
        rest.next();
    }
    let mut ranges: Vec<(char, char)> = Vec::new();
    loop {
        let first = match rest.next() {
            Some(']') if !ranges.is_empty() => return Ok(Part::Class { negated, ranges }),
            found => member(found, rest)?,
        };
        let mut ahead = rest.clone();
        let last = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(end)) if end != ']' => {
                *rest = ahead;
                member(Some(end), rest)?
            }
            _ => first,
        };
        ranges.push((first, last));
    }
}

/// The character of a class that begins with `found`: after a backslash, the next one.
fn member(found: Option<char>, rest: &mut Chars<'_>) -> Result<char, PatternError> {
    let meant = if found == Some('\\') { rest.next() } else { found };
    meant.ok_or(PatternError::OpenClass)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Names that match, and names that do not.
    fn check(pattern: &Pattern, matching: &[&str], others: &[&str]) {
        for (names, expected) in [(matching, true), (others, false)] {
            for name in names {
                assert_eq!(pattern.matches(name.as_bytes()), expected, "{name} by {pattern:?}");
            }
        }
    }

    fn shell(text: &str, matching: &[&str], others: &[&str]) {
        check(&Pattern::shell(text).unwrap(), matching, others);
    }

    fn wildcards(text: &str, matching: &[&str], others: &[&str]) {
        check(&Pattern::wildcards(text), matching, others);
    }

    fn any_case(text: &str, matching: &[&str], others: &[&str]) {
        check(&Pattern::shell_in_any_case(text).unwrap(), matching, others);
    }

    #[test]
    fn stars_and_question_marks_mean_the_same_everywhere() {
        for check in [shell, wildcards, any_case] {
            check("", &[""], &["a"]);
            check("a", &["a"], &["", "b", "aa", "ba"]);
            check("*", &["", "a", ".a", "ü", "a\nb"], &[]);
            check("?", &["a", ".", "ü", "\n"], &["", "ab"]);
            check("a*", &["a", "ab", "abc"], &["", "ba"]);
            check("*.txt", &[".txt", "a.txt", "a.txt.txt"], &["txt", "a.txt2"]);
            check("a*b*c", &["abc", "abbcc", "axbxc"], &["abcd", "acb"]);
            check("*ab*ab*", &["abab", "xabxabx"], &["ab", "aba"]);
            check("?*", &["a", "ab"], &[""]);
            check("n?e", &["née", "nie"], &["ne", "niie"]);
            // `**` is no more than `*`, at every place and in any number.
            check("a**", &["a", "ab"], &["b"]);
            check("**", &["", "a"], &[]);
            check("***b", &["b", "ab"], &["bc"]);
        }
    }

    #[test]
    fn a_pattern_is_shown_as_it_is_written() {
        for text in ["", "al*", "b?b", "[x", "ü**"] {
            assert_eq!(Pattern::wildcards(text).to_string(), text.replace("**", "*"));
        }
        for text in ["[a-cx]*", "[!a-c]", "a]"] {
            assert_eq!(Pattern::shell(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_other_libraries_give_a_meaning_stands_for_itself() {
        for check in [shell, wildcards, any_case] {
            check("{a,b}", &["{a,b}"], &["a", "b"]);
            check("a{", &["a{"], &["a"]);
            check("}", &["}"], &[""]);
            check("!a", &["!a"], &["b"]);
            check("@(a|b)", &["@(a|b)"], &["a"]);
            check("a.c+$", &["a.c+$"], &["abc", "a.cc"]);
            check("~", &["~"], &[]);
        }
    }

    #[test]
    fn only_shell_patterns_have_classes() {
        wildcards("[ab]", &["[ab]"], &["a", "b"]);
        wildcards("[", &["["], &[]);
        wildcards("\\*", &["\\", "\\a"], &["*"]);
        wildcards("Alice", &["Alice"], &["alice"]);
        shell("[ab]", &["a", "b"], &["", "c", "ab", "[ab]", "A"]);
        shell("[a-cx]", &["a", "b", "c", "x"], &["d", "-"]);
        shell("[!a-c]", &["d", "!", "ü"], &["", "a", "c"]);
        shell("[^a-c]", &["d", "^", "ü"], &["", "a", "c"]);
        shell("[a^]", &["a", "^"], &["b"]);
        shell("[a!]", &["a", "!"], &["b"]);
        shell("[[^]", &["[", "^"], &["!", "a"]);
        shell("[]]", &["]"], &["["]);
        shell("[]-a]", &["]", "^", "a"], &["-", "b"]);
        shell("[!]]", &["a", "["], &["]"]);
        shell("[-a]", &["-", "a"], &["b"]);
        shell("[a-]", &["-", "a"], &["b"]);
        shell("[a-]]", &["a]", "-]"], &["a", "b]"]);
        shell("[a-c-e]", &["a", "b", "-", "e"], &["d"]);
        shell("[c-a]", &[], &["a", "b", "c"]);
        shell("[ä-ü]", &["ö"], &["a", "Ã"]);
        shell("[*]", &["*"], &["", "a"]);
        shell("[[]1]*", &["[1]", "[1]a"], &["1", "[1"]);
        shell("[{a,b}]", &["{", ",", "}", "a"], &["{a,b}"]);
        // Classes have no names, as in the older server.
        shell("[[:digit:]]", &["d]", ":]", "[]"], &["1"]);
        shell("]", &["]"], &[]);
    }

    #[test]
    fn a_backslash_makes_the_next_character_stand_for_itself() {
        shell("\\*", &["*"], &["", "a", "\\"]);
        shell("\\[1\\]*", &["[1]", "[1]a"], &["1"]);
        shell("a\\b", &["ab"], &["a\\b"]);
        shell("\\\\*", &["\\", "\\a"], &["a"]);
        shell("[\\]]", &["]"], &["\\", "\\]"]);
        shell("[\\\\]", &["\\"], &["a"]);
        shell("[a\\-c]", &["a", "-", "c"], &["b"]);
        shell("[a-\\c]", &["b"], &["\\"]);
        shell("[\\!a]", &["!", "a"], &["b"]);
    }

    #[test]
    fn case_counts_unless_it_does_not() {
        shell("*.Txt", &["a.Txt"], &["a.txt", "a.TXT"]);
        any_case("*.Txt", &["a.txt", "A.TXT"], &["a.tx"]);
        any_case("[A-C]1", &["a1", "B1"], &["d1"]);
        any_case("[!a-c]", &["d", "D"], &["a", "B"]);
        any_case("Ü*", &["ü", "Üa"], &["u"]);
        // Whatever follows it, a sigma has one lower case; `İ` is one character.
        any_case("*Σ", &["ΑΣ", "ασ"], &["α"]);
        any_case("?.txt", &["İ.TXT"], &[]);
    }

    #[test]
    fn what_has_no_end_is_no_pattern() {
        let check = |text: &str, expected: PatternError| {
            assert_eq!(Pattern::shell(text), Err(expected), "{text}");
            assert_eq!(Pattern::shell_in_any_case(text), Err(expected), "{text}");
        };
        for text in ["[", "a[", "[]", "[!", "[^", "[!]", "[a", "[a-", "[a-z", "*[[", "[\\]", "[\\", "[a-\\", "[]a[b"] {
            check(text, PatternError::OpenClass);
        }
        for text in ["\\", "a*\\", "\\\\\\"] {
            check(text, PatternError::OpenEscape);
        }
        assert!(PatternError::OpenClass.to_string().contains("write \"\\[\""));
        assert!(PatternError::OpenEscape.to_string().contains("write \"\\\\\""));
    }

    #[test]
    fn what_is_not_text_matches_wildcards() {
        let pattern = Pattern::shell("a?*").unwrap();
        assert!(pattern.matches(b"a\xff") && pattern.matches(b"a\xffb\xfe") && !pattern.matches(b"\xffa"));
        assert!(Pattern::shell("[!a]").unwrap().matches(b"\xe9"));
        assert!(!Pattern::shell("\u{e9}").unwrap().matches(b"\xe9"));
    }

    #[test]
    fn hostile_patterns_end_soon() {
        let long = "a".repeat(4096);
        let long = long.as_str();
        // Each would have a matcher that tries every way count for longer than the world lasts.
        for pattern in ["*a".repeat(5000), "*a".repeat(2000) + "*b", "a*".repeat(2000) + "b", "?*".repeat(4097)] {
            shell(&pattern, &[], &[long]);
            wildcards(&pattern, &[], &[long]);
        }
        shell(&("*".to_owned() + &"a".repeat(2000) + "b"), &[], &[long]);
        shell(&"*".repeat(1 << 20), &["", "a", long], &[]);
        shell(&"*a".repeat(4096), &[long], &["a"]);
        shell(&"[a]".repeat(4096), &[long], &["a"]);
        // Longer than any name, and deeper than any stack.
        let (endless, braces) = ("x".repeat(1 << 20), "{a,".repeat(100_000));
        shell(&endless, &[endless.as_str()], &["x", ""]);
        shell(&braces, &[braces.as_str()], &["a"]);
        shell(&format!("[{endless}]"), &["x"], &["y"]);
        for text in ["[".repeat(1 << 20), "[!".repeat(1 << 20), "[a-".repeat(1 << 20)] {
            assert_eq!(Pattern::shell(&text), Err(PatternError::OpenClass));
        }
    }

    /// What `*` and `?` mean, in so many words.
    fn by_definition(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], _) => text.is_empty(),
            (['*', after @ ..], _) => (0..=text.len()).any(|taken| by_definition(after, &text[taken..])),
            (_, []) => false,
            ([wanted, after @ ..], [found, rest @ ..]) => {
                (*wanted == '?' || wanted == found) && by_definition(after, rest)
            }
        }
    }

    proptest! {
        #[test]
        fn matching_is_as_defined(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            let characters = |text: &str| text.chars().collect::<Vec<_>>();
            let expected = by_definition(&characters(&pattern), &characters(&text));
            for found in [Pattern::wildcards(&pattern), Pattern::shell(&pattern).unwrap()] {
                prop_assert_eq!(found.matches(text.as_bytes()), expected);
            }
        }

        #[test]
        fn every_text_is_taken(pattern in any::<String>(), name in any::<Vec<u8>>()) {
            prop_assert!(Pattern::wildcards(&pattern).matches(pattern.as_bytes()));
            if let Ok(pattern) = Pattern::shell(&pattern) {
                pattern.matches(&name);
            }
            let escaped: String = pattern.chars().flat_map(|character| ['\\', character]).collect();
            prop_assert!(Pattern::shell(&escaped).unwrap().matches(pattern.as_bytes()));
            prop_assert!(Pattern::shell_in_any_case(&escaped).unwrap().matches(pattern.as_bytes()));
        }
    }
}
