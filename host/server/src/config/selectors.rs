//! The events that a link is for, from its table or its section. A list that could never match is
//! refused: the hook would not be asked, and a gate would stand open.

use std::fmt::Display;

use tidegate_core::account::ObjectKind;
use tidegate_core::connection::LoginMethod;
use tidegate_core::hook::{HookKind, Selector};
use tidegate_core::network::canonical;
use tidegate_core::path::VirtualPath;
use tidegate_core::pattern::Pattern;
use tidegate_core::ports::{ADMINS, API_KEYS, USERS};

use super::keys::Section;
use super::known::nearest;
use super::legacy_hooks::Named;

pub fn selector(kind: HookKind, section: &Section, named: &Named, field: &mut impl FnMut(&str, String)) -> Selector {
    refuse_unmatched(kind, section, field);
    Selector {
        methods: methods(kind, &section.methods, field),
        users: names("users", &section.users, field).iter().map(|text| Pattern::wildcards(text)).collect(),
        groups: names("groups", &section.groups, field),
        networks: parsed("networks", &section.networks, "a network such as 192.0.2.0/24", field, |text| {
            text.parse().ok().map(canonical)
        }),
        objects: objects(&section.objects, &named.objects, field),
        actions: actions(kind, &section.actions, &named.actions, field),
        paths: parsed("paths", &section.paths, PATH, field, path),
        login_succeeded: named.login_succeeded,
    }
}

/// Refuses lists that events of this kind have no value for.
fn refuse_unmatched(kind: HookKind, section: &Section, field: &mut impl FnMut(&str, String)) {
    let has = kind.selectable();
    let lists = [
        ("methods", &section.methods, has.has_methods()),
        ("users", &section.users, has.users),
        ("groups", &section.groups, has.groups),
        ("networks", &section.networks, has.networks),
        ("objects", &section.objects, has.objects),
        ("actions", &section.actions, !kind.actions().is_empty()),
        ("paths", &section.paths, has.paths),
    ];
    for (name, list, is_known) in lists {
        if !list.is_empty() && !is_known {
            field(name, format!("a {kind} event has no {name}, so the hook would never be called; remove the list"));
        }
    }
}

fn methods(kind: HookKind, texts: &[String], field: &mut impl FnMut(&str, String)) -> Vec<LoginMethod> {
    let known = LoginMethod::ALL.map(LoginMethod::as_str);
    let mut methods = Vec::new();
    for text in texts {
        match LoginMethod::ALL.into_iter().find(|method| method.as_str() == text) {
            None => field("methods", format!("\"{text}\" is not one of {}", known.join(", "))),
            Some(method) if kind.selectable().has_methods() && !kind.selectable().has_method(method) => {
                field("methods", format!("a {kind} event is never about \"{text}\"; remove it"));
            }
            Some(method) => methods.push(method),
        }
    }
    methods
}

fn names(list: &str, patterns: &[String], field: &mut impl FnMut(&str, String)) -> Vec<String> {
    for pattern in patterns {
        if pattern.trim().is_empty() {
            field(list, "an empty text matches no name; remove it".to_owned());
        } else if pattern.trim() != pattern {
            field(
                list,
                format!("\"{pattern}\" begins or ends with a blank, and would match no name; remove the blank"),
            );
        }
    }
    patterns.to_vec()
}

fn parsed<T>(
    list: &str,
    texts: &[String],
    expected: impl Display,
    field: &mut impl FnMut(&str, String),
    parse: impl Fn(&str) -> Option<T>,
) -> Vec<T> {
    let mut values = Vec::new();
    for text in texts {
        match parse(text) {
            Some(value) => values.push(value),
            None => field(list, format!("\"{text}\" is not {expected}")),
        }
    }
    values
}

const PATH: &str =
    "the absolute path of a directory or a file: it means all that is below it, and has no patterns and no \"..\"";

/// A path in the form in which clients' paths are compared; `None` for a path that could match nothing.
fn path(text: &str) -> Option<VirtualPath> {
    let is_plain =
        text.starts_with('/') && !text.contains(['*', '?', '[']) && !text.split('/').any(|name| name == "..");
    VirtualPath::resolve(&VirtualPath::root(), text.as_bytes()).ok().filter(|_| is_plain)
}

/// The kinds of objects whose changes hooks get.
pub fn object_kinds() -> Vec<&'static str> {
    let others = ObjectKind::ALL.map(|kind| kind.collection().kind);
    [USERS.kind].into_iter().chain(others).chain([ADMINS.kind, API_KEYS.kind]).collect()
}

/// `of_key`: the kinds that `execute_for` names. The section can only narrow them.
fn objects(texts: &[String], of_key: &[String], field: &mut impl FnMut(&str, String)) -> Vec<String> {
    let known = object_kinds();
    for text in texts.iter().filter(|text| !known.contains(&text.as_str())) {
        field("objects", format!("\"{text}\" is not one of {}", known.join(", ")));
    }
    match (texts.is_empty(), of_key.is_empty()) {
        (true, _) => return of_key.to_vec(),
        (false, true) => return texts.to_vec(),
        (false, false) => {}
    }
    let both: Vec<String> = texts.iter().filter(|text| of_key.contains(text)).cloned().collect();
    if both.is_empty() {
        let text = format!("none of them is in execute_for ({}), so the hook would never be called", of_key.join(", "));
        field("objects", text);
    }
    both
}

/// `of_key`: the actions that the older server's key beside the hook names. The section can only narrow them.
fn actions(kind: HookKind, texts: &[String], of_key: &[String], field: &mut impl FnMut(&str, String)) -> Vec<String> {
    let known = kind.actions();
    for text in texts.iter().filter(|text| !known.is_empty() && !known.contains(&text.as_str())) {
        let advice = match text.strip_prefix("pre-").filter(|name| known.contains(name)) {
            Some(name) => format!("write \"{name}\""),
            None => match nearest(text, known.iter().copied()) {
                Some(name) => format!("did you mean \"{name}\"?"),
                None => format!("there are {}", known.join(", ")),
            },
        };
        field("actions", format!("\"{text}\" is not an action that a {kind} hook is called for; {advice}"));
    }
    if texts.is_empty() {
        return of_key.to_vec();
    }
    if of_key.is_empty() {
        return texts.to_vec();
    }
    let both: Vec<String> = texts.iter().filter(|text| of_key.contains(text)).cloned().collect();
    if both.is_empty() {
        let text = format!("none of them is in execute_on ({}), so the hook would never be called", of_key.join(", "));
        field("actions", text);
    }
    both
}
