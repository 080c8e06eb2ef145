//! The specification in `host/spec`: what is cited exists, and what must be has a test or is named as a gap.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::sources;

const GAPS: &str = "host/spec/GAPS.md";

/// The numbers of items in a text, such as `A5-03` or `D-07`.
fn citations(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !character.is_ascii_alphanumeric() && character != '-').filter(|word| is_number(word))
}

fn is_number(word: &str) -> bool {
    let Some((area, item)) = word.split_once('-') else {
        return false;
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mut letters = area.chars();
    let is_area = letters.next().is_some_and(|letter| ('A'..='J').contains(&letter)) && area.len() <= 3;
    // `A10-05a` was put between two others.
    let item = item.strip_suffix(|letter: char| letter.is_ascii_lowercase()).unwrap_or(item);
    is_area && digits(letters.as_str()) && item.len() == 2 && digits(item)
}

/// Each item of the specification → whether it must be.
fn items() -> BTreeMap<String, bool> {
    let mut items = BTreeMap::new();
    for (_, text) in sources(&[".md"]).iter().filter(|(path, _)| path.starts_with("host/spec") && !path.ends_with(GAPS))
    {
        for line in text.lines() {
            // `- **A5-03** M text`, or a row of a table: `| E-01 | text |`.
            let Some(rest) = line.strip_prefix("- **").or_else(|| line.strip_prefix("| ")) else {
                continue;
            };
            let rest = rest.trim_start_matches('*');
            let number = rest.split(['*', ' ']).next().unwrap();
            if is_number(number) {
                let must = rest.split_once("** ").is_some_and(|(_, tagged)| tagged.starts_with("M "));
                assert!(items.insert(number.to_owned(), must).is_none(), "{number} stands twice in host/spec");
            }
        }
    }
    items
}

/// The numbers that a list of [`GAPS`] names, one a line.
fn gaps() -> BTreeSet<String> {
    let listed = sources(&[GAPS]);
    let (_, text) = listed.first().expect("host/spec/GAPS.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("- **"));
    rows.filter_map(|row| row.split_once("**")).map(|(number, _)| number.to_owned()).collect()
}

/// The tests in a file. What the code beside them says of an item is no test of it, nor are the examples here.
fn tests_of<'a>(path: &Path, text: &'a str) -> &'a str {
    // A suite's properties become tests where it names the adapters.
    let is_suite = path.components().any(|part| part.as_os_str() == "conformance");
    if path.ends_with("tests/architecture/specification.rs") {
        return "";
    }
    if path.starts_with("tests") || is_suite {
        return text;
    }
    if !text.contains("#[test]") && !text.contains("#[tokio::test") {
        return "";
    }
    // A file of tests alone has the attribute where it is named.
    text.rfind("#[cfg(test)]").map_or(text, |at| &text[at..])
}

#[test]
fn what_is_cited_is_specified() {
    let items = items();
    for (path, text) in sources(&[".rs", ".md", ".wit", ".sql", ".py", ".sh"]) {
        for number in citations(&text) {
            assert!(items.contains_key(number), "{} cites {number}, which host/spec does not have", path.display());
        }
    }
}

#[test]
fn what_must_be_has_a_test_or_is_a_gap() {
    let files = sources(&[".rs"]);
    let tested: BTreeSet<&str> = files.iter().flat_map(|(path, text)| citations(tests_of(path, text))).collect();
    let (items, gaps) = (items(), gaps());
    for (number, _) in items.iter().filter(|(_, must)| **must) {
        let is_tested = tested.contains(number.as_str());
        assert!(is_tested || gaps.contains(number), "{number}: no test cites it, and {GAPS} does not name it");
    }
    for number in &gaps {
        assert!(items.contains_key(number), "{GAPS} names {number}, which host/spec does not have");
        assert!(!tested.contains(number.as_str()), "{GAPS} names {number}, which a test cites");
    }
}
