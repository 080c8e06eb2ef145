//! The section `command`: what holds for all programs that are hooks, and in `commands` what differs for
//! one. An entry that applies to nothing is a mistake.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tidegate_core::hook::HookKind;

use super::hooks::MAX_DEADLINE;
use super::keys::Config;
use super::known::nearest;
use super::legacy_hooks::legacy_name;
use super::settings::{HookSettings, HookTarget};
use super::validate::Check;

/// A hook of the older server that this server does not have.
const ELSEWHERE: &str = "data_retention";

/// All programs that are hooks.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Command {
    /// Whether programs see the server's environment. Not set: they do in the eras before 2.4, and not in
    /// later ones.
    // J-03
    #[serde(deserialize_with = "super::flag::optional")]
    pub inherit_env: Option<bool>,
    /// Time for every program, at most 300; 0: each hook point has its own.
    /// Unit: seconds
    pub timeout: u64,
    /// Variables of the environment for every program, as `NAME=value`.
    pub env: Vec<String>,
    /// What differs for single programs, as a list of tables.
    pub commands: Vec<CommandOverride>,
}

/// What differs for one program, in one hook or in all.
// B0-03
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CommandOverride {
    /// The absolute path of the program.
    pub path: String,
    /// Time for the program, at most 300; 0: as for all.
    /// Unit: seconds
    pub timeout: u64,
    /// Variables of the environment beside those of all programs, as `NAME=value`.
    pub env: Vec<String>,
    /// Arguments.
    pub args: Vec<String>,
    /// The hook that it holds for; empty: all in which the program runs.
    pub hook: String,
}

/// The first entry that applies (B0-03).
pub fn special<'a>(command: &'a Command, kind: HookKind, path: &str) -> Option<&'a CommandOverride> {
    command.commands.iter().find(|special| special.path == path && is_for(special, kind))
}

fn is_for(special: &CommandOverride, kind: HookKind) -> bool {
    let hook = special.hook.as_str();
    hook.is_empty() || hook == legacy_name(kind) || HookKind::from_name(hook) == Some(kind)
}

pub fn check(config: &Config, hooks: &BTreeMap<HookKind, HookSettings>, check: &mut Check<'_>) {
    for pair in config.command.env.iter().chain(config.command.commands.iter().flat_map(|special| &special.env)) {
        if !pair.contains('=') {
            check.problem("command.env", format!("\"{pair}\" is not NAME=value"));
        }
    }
    for special in &config.command.commands {
        check_one(special, hooks, check);
    }
}

fn check_one(special: &CommandOverride, hooks: &BTreeMap<HookKind, HookSettings>, check: &mut Check<'_>) {
    if !Path::new(&special.path).is_absolute() {
        check.problem("command.commands.path", format!("\"{}\" is not an absolute path", special.path));
    }
    if special.timeout > MAX_DEADLINE {
        let text = format!("{} is not between 1 and {MAX_DEADLINE} seconds", special.timeout);
        check.problem("command.commands.timeout", text);
    }
    let hook = special.hook.as_str();
    if hook == ELSEWHERE {
        check.warning("command.commands.hook", format!("this version has no hook \"{hook}\"; the entry is ignored"));
        return;
    }
    if !hook.is_empty() && !HookKind::ALL.into_iter().any(|kind| is_for(special, kind)) {
        let known: Vec<_> = HookKind::ALL.into_iter().map(legacy_name).collect();
        let advice = match nearest(hook, known.iter().copied()) {
            Some(name) => format!("did you mean \"{name}\"?"),
            None => format!("there are {}", known.join(", ")),
        };
        check.problem("command.commands.hook", format!("there is no hook \"{hook}\"; {advice}"));
        return;
    }
    let runs = |(kind, point): (&HookKind, &HookSettings)| {
        let is_program =
            |target: &HookTarget| matches!(target, HookTarget::Program { path, .. } if *path == special.path);
        is_for(special, *kind) && point.links.iter().any(|link| is_program(&link.target))
    };
    if !hooks.iter().any(runs) {
        let of = if hook.is_empty() { "no hook".to_owned() } else { format!("no hook \"{hook}\"") };
        check.warning("command.commands.path", format!("{of} runs \"{}\", so the entry has no effect", special.path));
    }
}
