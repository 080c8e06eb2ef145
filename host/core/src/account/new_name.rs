//! What a new object may be called: an account, a folder, a group, a role, an administrator, an API key or a login link.
//! Those that have another name already stay as they are, and can be changed and deleted.

use super::InvalidAccount;
use super::combining::is_mark;
use super::draft::invalid;
use crate::terminal::is_unseen;

/// Checks the name of an object that is to be added. Two names that look the same would be two objects, and one that
/// turns the direction of text, or is drawn onto what stands before it, looks like another.
///
/// # Errors
/// A character of it cannot be seen, is a blank at an end or another one than a space, or is a combining mark without what
/// it is drawn onto; `field` is named.
pub(crate) fn check_new_name(field: &str, name: &str) -> Result<(), InvalidAccount> {
    let is_blank = |character: &char| character.is_whitespace() && *character != ' ';
    let (problem, found) = if let Some(unseen) = name.chars().find(|character| is_unseen(*character)) {
        ("must not contain characters that cannot be seen or that turn the direction of text", unseen)
    } else if let Some(blank) = name.chars().find(is_blank) {
        ("must not contain white space other than spaces", blank)
    } else if name.starts_with(' ') || name.ends_with(' ') {
        ("must not begin or end with white space", ' ')
    } else if let Some(mark) = name.chars().next().filter(|first| is_mark(*first)) {
        ("must not begin with a combining mark", mark)
    } else {
        return Ok(());
    };
    Err(invalid(field, format!("{problem}: U+{:04X}", u32::from(found))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_new_objects_can_be_seen() {
        let check = |name: &str, expected: Option<&str>| {
            let found = check_new_name("name", name).err().map(|error| (error.field, error.problem));
            match expected {
                None => assert_eq!(found, None, "{name:?}"),
                Some(character) => {
                    let (field, problem) = found.unwrap();
                    assert!(field == "name" && problem.ends_with(character), "{name:?}: {problem}");
                }
            }
        };
        for name in ["", "alice", "Jörg Müller", "a:b/c", "用户", "مستخدم", "a\u{300}", "😀", "a  b"] {
            check(name, None);
        }
        for (name, character) in [
            ("a\u{200b}b", "U+200B"),
            ("a\u{202e}b", "U+202E"),
            ("\u{feff}a", "U+FEFF"),
            ("a\u{ad}", "U+00AD"),
            ("a\nb", "U+000A"),
            ("a\u{9b}b", "U+009B"),
            ("a\u{2066}b", "U+2066"),
            ("a\u{2028}b", "U+2028"),
            ("a\u{e0041}", "U+E0041"),
            ("a\u{fff9}", "U+FFF9"),
            ("\u{3164}", "U+3164"),
            (" a", "U+0020"),
            ("a ", "U+0020"),
            (" ", "U+0020"),
            ("\ta", "U+0009"),
            ("a\u{a0}", "U+00A0"),
            ("a\u{a0}b", "U+00A0"),
            ("a\u{3000}b", "U+3000"),
            ("a\u{2009}b", "U+2009"),
            ("\u{300}a", "U+0300"),
            ("\u{e31}", "U+0E31"),
        ] {
            check(name, Some(character));
        }
    }
}
