//! What a new object may be called: an account, a folder, a group, a role, an administrator, an API key or a login link.
//! Those that have another name already stay as they are, and can be changed and deleted.

use super::InvalidAccount;
use super::draft::invalid;
use crate::terminal::is_unseen;

/// Checks the name of an object that is to be added. Two names that look the same would be two objects, and one that
/// turns the direction of text looks like another.
///
/// # Errors
/// A character of it cannot be seen; `field` is named.
pub(crate) fn check_new_name(field: &str, name: &str) -> Result<(), InvalidAccount> {
    match name.chars().find(|character| is_unseen(*character)) {
        None => Ok(()),
        Some(unseen) => {
            let problem = format!(
                "must not contain characters that cannot be seen or that turn the direction of text: U+{:04X}",
                u32::from(unseen)
            );
            Err(invalid(field, problem))
        }
    }
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
        for name in ["", "alice", "Jörg Müller", "a:b/c", "用户", "مستخدم", "a\u{300}", "😀"] {
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
        ] {
            check(name, Some(character));
        }
    }
}
