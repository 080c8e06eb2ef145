//! The page of a plugin in service, and of one whose last file was refused.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_core::admin::{PluginDetails, PluginState};
use tidegate_core::hook::{Exchange, HookRun};
use tidegate_core::ports::HookRunStore;

use super::{HOSTILE, House, fact, texts_of};

const DIGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// One that is in service, and one of which the earlier file is.
pub fn usual() -> Vec<PluginState> {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let plugin = |name: &str, error: Option<&str>, details: PluginDetails| PluginState {
        name: name.to_owned(),
        digest: Some(DIGEST.to_owned()),
        hooks: texts(&["login-pre", "pre-action"]),
        grants: texts(&["HTTP to https://scan.example"]),
        closed_gates: Vec::new(),
        error: error.map(str::to_owned),
        details,
    };
    let details = PluginDetails {
        contract: Some("0.1.2".to_owned()),
        wants: vec![("to ask web servers".to_owned(), true), ("to send datagrams".to_owned(), false)],
        signer: Some("SHA256:signer".to_owned()),
        limits: vec![("Memory", "64 MiB".to_owned()), ("Calls at once", "4".to_owned())],
        config: json!({"max_bytes": 1_000_000}),
        left_of_schema: Some(Vec::new()),
    };
    let bare = PluginDetails { config: Value::Null, ..PluginDetails::default() };
    vec![plugin("guard", None, details), plugin("broken", Some("the new file is no component"), bare)]
}

impl House {
    /// A call of the plugin that took so much.
    async fn used(&self, plugin: &str, mebibytes: usize, milliseconds: u64) {
        let (memory, cpu) = (Some(mebibytes << 20), Some(Duration::from_millis(milliseconds)));
        let run = HookRun {
            at: 0,
            kind: "login-pre",
            hook: plugin.into(),
            adapter: "plugin",
            connection: None,
            username: None,
            address: None,
            about: None,
            outcome: "allow",
            detail: String::new(),
            is_error: false,
            decided: false,
            duration: Duration::from_secs(1),
            exchange: Exchange { memory, cpu, ..Exchange::default() },
        };
        self.store.append(vec![run]).await.unwrap();
    }
}

#[tokio::test]
async fn a_plugin_in_service_shows_what_it_is_and_what_it_may() {
    let house = House::new().await;
    for (plugin, mebibytes, milliseconds) in [("guard", 3, 2), ("guard", 2, 5), ("other", 60, 60)] {
        house.used(plugin, mebibytes, milliseconds).await;
    }
    let root = house.log_in("root").await;
    let page = house.get("/web/plugins/show?name=guard", &root).await.text;
    for (name, value) in [
        ("State", "in service; it lacks a grant"),
        ("SHA-256", DIGEST),
        ("Hooks", "login-pre pre-action"),
        ("Granted", "HTTP to https://scan.example"),
        ("Gates that refuse", "none"),
        ("Version of the contract", "0.1.2"),
        ("Signed by", "SHA256:signer"),
        ("Settings", "checked against the plugin's schema"),
        ("Memory", "64 MiB"),
        ("Calls at once", "4"),
        ("Memory used in its last calls, at most", "3.0 MiB"),
        ("Computed for, at most", "5.0 ms"),
    ] {
        assert_eq!(fact(&page, name).as_deref(), Some(value), "{name} {page}");
    }
    assert!(page.contains("The plugin asks for 1 thing(s) that it was not granted"), "{page}");
    let (_, wants) = page.split_once("id=\"wants\"").unwrap();
    let rows: Vec<_> = wants.split("<tr>").skip(2).take(2).collect();
    assert!(rows[0].contains("to ask web servers") && rows[0].contains("mark good\">granted<"), "{wants}");
    assert!(rows[1].contains("to send datagrams") && rows[1].contains("mark warning\">not granted<"), "{wants}");
    assert!(page.contains("Its settings ([config])") && page.contains("max_bytes"), "{page}");
    assert!(page.contains("action=\"/web/plugins/reload\""), "{page}");
    // Settings may have what is for the plugin alone; calls are for those who may see calls.
    house.admin("watcher", json!({"permissions": ["view_status"]})).await;
    let page = house.get("/web/plugins/show?name=guard", &house.log_in("watcher").await).await.text;
    assert_eq!(fact(&page, "Signed by").as_deref(), Some("SHA256:signer"));
    for text in ["max_bytes", "Computed for", "/web/runs", "/web/plugins/reload"] {
        assert!(!page.contains(text), "{text} {page}");
    }
}

#[tokio::test]
async fn a_file_that_was_refused_says_why_beside_the_one_in_service() {
    let house = House::new().await;
    let root = house.log_in("root").await;
    let list = house.get("/web/plugins", &root).await.text;
    let row = |name: &str| list.split("<tr>").find(|row| row.contains(&format!(">{name}</a>"))).map(texts_of).unwrap();
    let digest = &DIGEST[..12];
    assert!(row("guard").starts_with(&format!("guard in service; it lacks a grant {digest} login-pre")), "{list}");
    assert!(row("broken").starts_with(&format!("broken The new file is no component. {digest} login-pre")), "{list}");
    let page = house.get("/web/plugins/show?name=broken", &root).await.text;
    assert_eq!(fact(&page, "State").as_deref(), Some("The new file is no component."), "{page}");
    assert_eq!(fact(&page, "SHA-256").as_deref(), Some(DIGEST), "the earlier file is in service: {page}");
    let settings = "not checked by the server: there is no broken.schema.json";
    assert_eq!(fact(&page, "Settings").as_deref(), Some(settings), "{page}");
}

/// The settings of this server do not let gates be let go of over the network.
#[tokio::test]
async fn a_missing_plugin_says_how_its_gates_are_let_go_of() {
    let house = House::new().await;
    let root = house.log_in("root").await;
    let path = crate::request::address("/web/plugins/show", &[("name", HOSTILE)]);
    let page = house.get(&path, &root).await.text;
    let said = fact(&page, "Without the plugin").unwrap();
    let expected = "Plugins are not changed over the network. On the server: tidegate plugin forget ";
    assert!(said.starts_with(expected) && !page.contains("/web/plugins/forget"), "{said} {page}");
    assert_eq!(fact(&page, "Gates that refuse").as_deref(), Some("login-pre"), "{page}");
    house.admin("watcher", json!({"permissions": ["view_status"]})).await;
    let page = house.get(&path, &house.log_in("watcher").await).await.text;
    assert_eq!(fact(&page, "Without the plugin"), None, "{page}");
}
