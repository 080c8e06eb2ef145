//! Where code goes by kinds, it names all of them: the compiler then asks for what a new one needs.

use super::{is_below, sources};

/// Enumerations that grow with what the server can do.
const KINDS: [&str; 13] = [
    "HookKind::",
    "Family::",
    "ActionKind::",
    "Review::",
    "ExternalAuthVerdict::",
    "PreLoginVerdict::",
    "CheckPasswordVerdict::",
    "LoginMethod::",
    "ObjectKind::",
    "UseCase::",
    "AdminPermission::",
    "AccountRule::",
    "Location::",
];

/// The patterns of a `match` whose arms begin `text`.
fn patterns(text: &str) -> Vec<&str> {
    let (mut found, mut depth, mut begin, mut at) = (Vec::new(), 1, 0, 0);
    for character in text.chars() {
        match character {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth -= 1,
            _ => {}
        }
        at += character.len_utf8();
        let ends_arm = depth == 1 && matches!(character, ',' | '}');
        if depth == 0 {
            break;
        } else if depth == 1 && text[begin..at].ends_with("=>") {
            found.push(text[begin..at - 2].trim());
            begin = at;
        } else if ends_arm {
            begin = at;
        }
    }
    found
}

/// The kind that a `match` of the text names in some patterns while another one takes all that are left.
fn kind_left_out(text: &str) -> Option<&'static str> {
    text.match_indices("match ").find_map(|(at, _)| {
        let (head, arms) = text[at..].split_once(" {\n")?;
        let patterns = if head.contains([';', '"']) { Vec::new() } else { patterns(arms) };
        let takes_all = patterns.iter().any(|pattern| *pattern == "_" || pattern.starts_with("_ if "));
        KINDS.into_iter().find(|kind| takes_all && patterns.iter().any(|pattern| pattern.contains(kind)))
    })
}

#[test]
fn each_kind_is_named() {
    for (path, text) in sources(&[".rs"]).iter().filter(|(path, _)| is_below(path, "host")) {
        let is_test = path.to_string_lossy().contains("tests");
        let product = text.split("\nmod tests {").next().unwrap();
        let left_out = kind_left_out(product).filter(|_| !is_test);
        assert_eq!(left_out, None, "{}: name the others in place of `_`, so that the compiler asks", path.display());
    }
}

#[test]
fn patterns_that_take_all_are_found() {
    let check = |arms: &str, expected: Option<&str>| {
        let text = format!("fn a() {{\n    match kind {{\n{arms}\n    }}\n}}\n");
        assert_eq!(kind_left_out(&text), expected, "{text}");
    };
    check("HookKind::Connect => 1,\n_ => 2,", Some("HookKind::"));
    check("HookKind::Connect => { 1 }\nSome(_) => 2,", None);
    check("Some(UseCase::AddUser) | None => a(),\n_ => { b(); }", Some("UseCase::"));
    check("1 => match other {\nHookKind::Connect => 1,\n_ => 2,\n},\n2 => 3,", Some("HookKind::"));
    // What an arm gives is no pattern.
    check("\"connect\" => HookKind::Connect,\n_ => HookKind::Startup,", None);
}
