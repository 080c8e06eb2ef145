//! Patterns of OpenSSH's server: `*` and `?`, in lists with commas, where `!` excludes.

/// Whether a pattern stands for the text.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    // Where the last `*` is, and how much of the text it stands for so far.
    let (mut at, mut read, mut star) = (0, 0, None);
    while let Some(character) = text.get(read) {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || wanted == character => {
                at += 1;
                read += 1;
            }
            Some(_) | None => match star {
                Some((place, taken)) => {
                    at = place + 1;
                    read = taken + 1;
                    star = Some((place, taken + 1));
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|character| *character == '*'))
}

/// Whether a list with commas takes one of the texts; a pattern with `!` that stands for one excludes them all.
pub fn list_matches(list: &str, texts: &[&str]) -> bool {
    let mut is_taken = false;
    for pattern in list.split(',').map(str::trim).filter(|pattern| !pattern.is_empty()) {
        match pattern.strip_prefix('!') {
            Some(pattern) if texts.iter().any(|text| matches(pattern, text)) => return false,
            Some(_) => {}
            None => is_taken |= texts.iter().any(|text| matches(pattern, text)),
        }
    }
    is_taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(list: &str, text: &str, expected: bool) {
        assert_eq!(list_matches(list, &[text]), expected, "{list} {text}");
    }

    #[test]
    fn lists_take_and_exclude() {
        check("alice", "alice", true);
        check("alice", "alic", false);
        check("a*e", "alice", true);
        check("a*e", "alicia", false);
        check("*", "", true);
        check("?", "", false);
        check("a?c,b*", "bob", true);
        check("*,!bob", "bob", false);
        check("!bob", "alice", false);
        check("**a**", "xay", true);
        check("", "x", false);
        let long = "a".repeat(5000);
        check(&format!("{}b", "a*".repeat(50)), &long, false);
    }
}
