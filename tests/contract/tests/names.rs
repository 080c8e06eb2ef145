//! Names of files that are not UTF-8: hooks get the bytes, or do not decide (A15-04).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use tidegate_contract::events::action;
use tidegate_core::hook::events::{ActionKind, ActionStatus, FileAction};
use tidegate_core::hook::observation::PostAction;
use tidegate_core::hook::review::PreAction;
use tidegate_core::hook::{Call, Chain, Hook, HookEvent, Link, LinkSettings, Observers, OnError};
use tidegate_core::path::VirtualPath;
use tidegate_hooks_external::{Compat, Environment, Flavour, HttpClients, HttpHook, ProgramHook, ProgramSettings};

use crate::eras::{http_settings, web};
use crate::table::adapters;

/// An action with a file of that name, and another one.
fn named(name: &[u8], target: Option<&[u8]>, status: Option<ActionStatus>) -> Arc<FileAction> {
    let mut action = (*action("f", status).unwrap()).clone();
    let virtual_path =
        |name: &[u8]| VirtualPath::resolve(&VirtualPath::root(), &[&b"/in/"[..], name].concat()).unwrap();
    let storage_path = |name: &[u8]| OsString::from_vec([&b"/srv/contract/in/"[..], name].concat());
    (action.path, action.storage_path) = (virtual_path(name), storage_path(name));
    (action.target, action.storage_target) = (target.map(virtual_path), target.map(storage_path));
    if target.is_some() {
        action.kind = ActionKind::Rename;
    }
    Arc::new(action)
}

async fn outcome<E: HookEvent>(hook: &dyn Hook<E>, call: &Call, event: &E) -> &'static str {
    match hook.call(call, event).await {
        Ok(verdict) => E::label(&verdict).0,
        Err(error) => error.kind(),
    }
}

fn link<E: HookEvent>(hook: &Arc<dyn Hook<E>>, on_error: OnError) -> Arc<Link<E>> {
    Arc::new(Link::new(hook.clone(), LinkSettings { on_error, ..LinkSettings::default() }))
}

/// The path, the target, and whether a web server and a component decide.
type Case = (&'static [u8], Option<&'static [u8]>, bool, bool);

/// The paths of an action, and whether a web server and a component decide about it. The component looks at the path
/// only.
const CASES: [Case; 7] = [
    (b"allow", None, true, true),
    (b"caf\xc3\xa9", None, true, true),
    (b"a\xef\xbf\xbd", None, true, true),
    (b"a\xff", None, false, false),
    (b"caf\xe9", None, false, false),
    (b"d\xff/allow", None, false, false),
    (b"allow", Some(b"b\xff"), false, true),
];

#[tokio::test(flavor = "multi_thread")]
async fn no_hook_decides_about_a_name_that_it_was_not_told() {
    // A15-04, B10-03, B17-01
    let adapters = adapters().await;
    for (name, target, web_server, component) in CASES {
        let case =
            format!("{:?} {:?}", name.escape_ascii().to_string(), target.map(|name| name.escape_ascii().to_string()));
        let decides = |adapter: &str| match adapter {
            "http" => web_server,
            "plugin" => component,
            _ => true,
        };
        for (adapter, hook) in adapters.all::<PreAction>().unwrap() {
            let event = PreAction(named(name, target, None));
            let expected = if decides(adapter) { "allow" } else { "not-text" };
            assert_eq!(outcome(&*hook, &Call::default(), &event).await, expected, "{case} {adapter}");
            for on_error in [OnError::Deny, OnError::Skip, OnError::Allow] {
                let chain = Chain::new(Arc::default(), vec![link(&hook, on_error)]);
                let failed = chain.decide(&mut event.clone()).await.err().map(|failure| failure.error.kind());
                assert_eq!(failed, (!decides(adapter)).then_some("not-text"), "{case} {adapter} {on_error:?}");
            }
        }
        for (adapter, hook) in adapters.all::<PostAction>().unwrap() {
            let event = PostAction(named(name, target, Some(ActionStatus::Ok)));
            // Observers on which nothing depends get the event in any case.
            let told = Call::default().that_only_tells();
            assert_eq!(outcome(&*hook, &told, &event).await, "told", "{case} {adapter}");
            for (on_error, may_refuse) in [(OnError::Deny, true), (OnError::Skip, false), (OnError::Allow, false)] {
                let observers = Observers::<PostAction>::new(Arc::default());
                observers.chain().replace(vec![link(&hook, on_error)]);
                let failed = observers.tell(&event).await.err().map(|failure| failure.error.kind());
                let expected = (may_refuse && !decides(adapter)).then_some("not-text");
                assert_eq!(failed, expected, "{case} {adapter} {on_error:?}");
            }
        }
    }
}

/// What a program of that era is given: its arguments, and its variables.
async fn given(compat: Compat, event: &PostAction) -> (Vec<Vec<u8>>, BTreeMap<Vec<u8>, Vec<u8>>) {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let text = format!(
        "#!/bin/sh\nprintf '%s\\0' \"$@\" > {}\n/usr/bin/env -0 > {}\n",
        at("arguments").display(),
        at("variables").display()
    );
    std::fs::write(at("hook.sh"), text).unwrap();
    std::fs::set_permissions(at("hook.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let settings = ProgramSettings {
        args: Vec::new(),
        environment: Environment::default(),
        deadline: Duration::from_secs(10),
        flavour: Flavour { compat, ..Flavour::default() },
    };
    let hook = ProgramHook::new(&at("hook.sh").display().to_string(), settings).unwrap();
    hook.call(&Call::default(), event).await.unwrap();
    let parts = |name: &str| {
        let bytes = std::fs::read(at(name)).unwrap();
        let ended = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
        ended.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    let variable = |line: Vec<u8>| {
        let at = line.iter().position(|byte| *byte == b'=').unwrap_or(line.len());
        (line[..at].to_vec(), line.get(at + 1..).unwrap_or_default().to_vec())
    };
    (parts("arguments"), parts("variables").into_iter().map(variable).collect())
}

#[tokio::test]
async fn programs_are_given_the_bytes_of_names() {
    // A15-02, A15-04, B10-02
    let (name, target) = (&b"d\xff/caf\xe9"[..], &b"a\xff\xef\xbf\xbd"[..]);
    let event = PostAction(named(name, Some(target), Some(ActionStatus::Ok)));
    let below = |directory: &[u8], name: &[u8]| [directory, name].concat();
    let (path, target_path) = (below(b"/srv/contract/in/", name), below(b"/srv/contract/in/", target));
    for (_, compat) in Compat::NAMES {
        let (arguments, variables) = given(compat, &event).await;
        for (variable, expected) in [
            ("SFTPGO_ACTION_PATH", &path),
            ("SFTPGO_ACTION_TARGET", &target_path),
            ("SFTPGO_ACTION_VIRTUAL_PATH", &below(b"/in/", name)),
            ("SFTPGO_ACTION_VIRTUAL_TARGET", &below(b"/in/", target)),
        ] {
            assert_eq!(variables.get(variable.as_bytes()), Some(expected), "{compat} {variable}");
        }
        let expected = [b"rename".to_vec(), b"alice".to_vec(), path.clone(), target_path.clone(), Vec::new()];
        let has_arguments = compat < Compat::V2_4;
        assert_eq!(arguments == expected, has_arguments, "{compat} {arguments:?}");
    }
}

#[tokio::test]
async fn web_servers_are_given_bytes_by_a_query_and_text_by_a_body() {
    // A15-06, B10-03
    let event = PostAction(named(b"a\xff", Some(b"caf\xe9"), Some(ActionStatus::Ok)));
    let told = Call::default().that_only_tells();
    let flavour = Flavour { compat: Compat::Current, ..Flavour::default() };
    for (get, call, is_asked, expected) in [
        (
            true,
            &Call::default(),
            true,
            "&path=%2Fsrv%2Fcontract%2Fin%2Fa%FF&local_file=true&target_path=%2Fsrv%2Fcontract%2Fin%2Fcaf%E9&",
        ),
        (false, &told, true, "\"virtual_path\":\"/in/a\u{fffd}\""),
        (false, &Call::default(), false, ""),
    ] {
        let (url, asked) = web(&["200 OK"]);
        let clients = HttpClients::new(http_settings(), false).unwrap();
        let hook = HttpHook::new(&url, clients, Flavour { get, ..flavour }).unwrap();
        let found = outcome::<PostAction>(&hook, call, &event).await;
        assert_eq!(found, if is_asked { "told" } else { "not-text" }, "{get}");
        let asked = asked.lock().unwrap();
        assert_eq!(asked.len(), usize::from(is_asked), "{get}");
        assert!(asked.iter().all(|request| request.contains(expected)), "{get} {asked:?}");
    }
}
