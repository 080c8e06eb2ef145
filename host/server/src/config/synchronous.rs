//! `execute_sync`: operations that wait for the hooks that get them, and fail if those fail
//! (B10-08). Without a hook that could refuse, every operation would pass, so that is an error.

use std::collections::BTreeMap;
use std::path::Path;

use tidegate_core::hook::HookKind;
use tidegate_core::hook::events::ActionKind;
use tidegate_hooks_wasm::PluginDirectory;
use tidegate_storage::OverwriteMode;

use super::keys::{Actions, Config};
use super::legacy_hooks::known_actions;
use super::settings::{HookSettings, Settings};
use super::validate::Check;

fn sections(config: &Config) -> [(&'static str, &Actions); 2] {
    [("sftpd.actions", &config.sftpd.actions), ("common.actions", &config.common.actions)]
}

pub fn actions(config: &Config, check: &mut Check<'_>) -> Vec<ActionKind> {
    let mut kinds = Vec::new();
    for (section, actions) in sections(config) {
        for name in &actions.execute_sync {
            match ActionKind::ALL.into_iter().find(|kind| kind.as_str() == name) {
                // Hooks get these after the file is there and known to be the first.
                Some(ActionKind::FirstUpload | ActionKind::FirstDownload) => check
                    .problem(&format!("{section}.execute_sync"), format!("nothing can wait for \"{name}\"; remove it")),
                Some(ActionKind::Download) => {
                    let text = "\"download\" waits for no hook: the client has the file when it has ended; a hook of \
                                pre-download can refuse it";
                    check.warning(&format!("{section}.execute_sync"), text);
                }
                Some(kind) => kinds.push(kind),
                // The actions with `pre-` always wait.
                None if name.strip_prefix("pre-").is_some_and(|name| HookKind::PreAction.actions().contains(&name)) => {
                }
                None => check.problem(
                    &format!("{section}.execute_sync"),
                    format!("\"{name}\" is not an action; {}", known_actions()),
                ),
            }
        }
    }
    if !config.data_provider.actions.execute_sync.is_empty() {
        check.problem("data_provider.actions.execute_sync", "changes of accounts wait for no hook; remove the key");
    }
    kinds
}

/// Checks that each action has a hook that gets it: in its own section, in
/// `[hook.post-action]`, or a plugin in the directory.
pub fn require_hooks(
    config: &Config,
    hooks: &BTreeMap<HookKind, HookSettings>,
    plugin_directory: &Path,
    check: &mut Check<'_>,
) {
    for (section, actions) in sections(config) {
        let key = format!("{section}.execute_sync");
        for name in actions.execute_sync.iter().filter(|name| is_known(name)) {
            let is_named = actions.execute_on.contains(name);
            if actions.has_hook() && !is_named {
                let text = format!("\"{name}\" is not in execute_on, so the hook is not told of it; add it there");
                check.problem(&key, text);
            } else if !is_told(hooks, name) && !PluginDirectory::may_hold(plugin_directory, HookKind::PostAction) {
                let text =
                    format!("no hook is told of \"{name}\", so there is nothing to wait for; name one, or remove it");
                check.problem(&key, text);
            }
        }
    }
}

/// Warns of uploads in place, which are visible before the hook decides.
pub fn warn_of_visible_uploads(settings: &Settings, check: &mut Check<'_>) {
    let decides = settings.synchronous_actions.contains(&ActionKind::Upload);
    if decides && settings.overwrite == OverwriteMode::Standard {
        check.warning(
            "common.actions.execute_sync",
            "with upload_mode = 0 an upload can be read under its name before the hook decides, and one that it refuses \
             is removed with the file that it overwrote; set upload_mode = 1, in which it gets its name after the verdict",
        );
    }
}

fn is_known(name: &str) -> bool {
    ActionKind::ALL.iter().any(|kind| kind.as_str() == name)
}

fn is_told(hooks: &BTreeMap<HookKind, HookSettings>, name: &str) -> bool {
    let links = hooks.get(&HookKind::PostAction).into_iter().flat_map(|point| &point.links);
    links
        .map(|link| &link.settings.selector.actions)
        .any(|actions| actions.is_empty() || actions.iter().any(|action| action == name))
}
