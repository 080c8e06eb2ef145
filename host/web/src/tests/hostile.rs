//! Names full of markup, on every page that shows them: they are texts there, and nothing else.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tidegate_core::account::ObjectKind;
use tidegate_core::connection::ConnectionId;
use tidegate_core::hook::{Exchange, HookRun};
use tidegate_core::ports::{AuditRecord, Author, Door, HookRunStore};

use super::{HOSTILE, House, map};
use crate::guard::Need;
use crate::route::routes;

/// Whether the page has the text as a text: escaped, and not one character of markup from it.
pub fn is_text(page: &str) -> bool {
    !page.contains("<img src=x") && !page.contains("<script>x") && !page.contains("onerror=alert(1)>\"")
}

impl House {
    /// Puts the name wherever a client or an administrator can put one.
    async fn fill(&self) {
        let owner = tidegate_core::admin::Actor::local("owner", Door::Socket);
        let name = HOSTILE;
        let document = map(json!({
            "username": name, "password": "pw", "status": 1, "home_dir": format!("/srv/{name}"), "description": name,
            "permissions": {"/": ["*"], format!("/{name}"): ["list"]}, "additional_info": "x".repeat(300),
            "filters": {"file_patterns": [{"path": format!("/{name}"), "denied_patterns": ["*.exe"]}]},
        }));
        let of = &self.web.administration;
        let objects = [
            (ObjectKind::Folder, json!({"name": name, "mapped_path": format!("/srv/{name}")})),
            (ObjectKind::Group, json!({"name": name, "description": name})),
            (ObjectKind::Role, json!({"name": name, "description": name})),
        ];
        self.restore(vec![document], objects.map(|(kind, object)| (kind, map(object))).into()).await;
        let visible = name.replace(['\u{202e}', '\u{200f}'], "");
        of.api_keys.add(&owner, &map(json!({"name": visible, "description": name}))).await.unwrap();
        let run = |kind: &'static str, outcome: &'static str| HookRun {
            at: 1_800_000_000_000,
            kind,
            hook: format!("/opt/{name}").as_str().into(),
            adapter: "program",
            connection: Some(ConnectionId::new(name)),
            username: Some(name.to_owned()),
            address: Some("192.0.2.1".parse().unwrap()),
            about: Some(name.to_owned()),
            outcome,
            detail: name.to_owned(),
            is_error: false,
            decided: true,
            duration: Duration::from_millis(5),
            exchange: Exchange {
                sent: name.to_owned(),
                received: format!("{name}\nline"),
                standard_error: name.to_owned(),
                version: Some(name.into()),
                ..Exchange::default()
            },
        };
        self.store.append(vec![run("login-pre", "deny"), run("login", "refused")]).await.unwrap();
        let author = Author::new(name, Door::Web);
        let record = author.did("update", "user", name, 1_800_000_000_000);
        let record = AuditRecord { detail: format!("home_dir: {name} -> x"), ..record };
        tidegate_core::ports::AuditStore::append_audit(&*Arc::clone(&self.store), vec![record]).await.unwrap();
    }
}

#[tokio::test]
async fn names_full_of_markup_are_texts_on_every_page() {
    let house = House::new().await;
    house.fill().await;
    let root = house.log_in("root").await;
    let mut showing = 0;
    for route in routes() {
        if route.method != "GET" || route.path.contains('{') || route.need == Need::Nothing {
            continue;
        }
        let fields = ["name", "who", "username", "from", "search", "hook", "author", "document"];
        let fields: Vec<_> = fields.iter().map(|field| (*field, HOSTILE)).chain([("id", "1")]).collect();
        for path in [crate::request::address(&route.path, &fields), format!("{}?id=1", route.path)] {
            let page = house.get(&path, &root).await;
            assert!(page.status < 500, "{path} {}", page.text);
            if page.header("content-type").starts_with("text/html") {
                assert!(is_text(&page.text), "{path} {}", page.text);
                assert_eq!(crate::visible::visible(page.text.clone()), page.text, "{path}");
                showing += usize::from(page.text.contains("&#60;img src=x onerror=alert(1)&#62;"));
            }
        }
    }
    assert!(showing > 25, "{showing}");
    // What a refusal repeats of what was sent.
    for path in
        ["/web/users/bulk", "/web/users/new", "/web/admins/new", "/web/bans/add", "/web/keys/new", "/web/quota/scan"]
    {
        let fields = [
            ("name", HOSTILE),
            ("username", HOSTILE),
            ("address", HOSTILE),
            ("action", "disable"),
            ("quota_size", HOSTILE),
        ];
        let page = house.post(path, &root, &fields).await;
        // This server has no files that could be counted.
        let is_counted = path == "/web/quota/scan";
        assert!((page.status < 500 || is_counted) && is_text(&page.text), "{path} {}", page.text);
    }
}

#[tokio::test]
async fn a_refused_login_is_explained_step_by_step() {
    let house = House::new().await;
    house.fill().await;
    let root = house.log_in("root").await;
    for who in [HOSTILE, "192.0.2.1"] {
        let page = house.get(&crate::request::address("/web/refused", &[("who", who)]), &root).await.text;
        assert!(page.contains("It was refused") && page.contains("class=\"steps\""), "{page}");
        for text in
            ["Standard error", "Sent", "Received", "Open this call", "Ask again, without effects", "Show this user"]
        {
            assert!(page.contains(text), "{text} {page}");
        }
        assert!(page.find("login-pre") < page.find("Outcome of the attempt"), "{page}");
        for fact in ["<dt>Version</dt>", "<dt>Took</dt><dd><span class=\"number\">5.0 ms</span>", "<dt>Reason</dt>"] {
            assert!(page.contains(fact), "{fact} {page}");
        }
    }
    house.post("/web/bans/add", &root, &[("address", "2001:db8::9")]).await;
    let banned = house.get("/web/refused?who=2001:db8::7", &root).await.text;
    assert!(banned.contains("The address is banned until") && !banned.contains("No hook was asked"), "{banned}");
    let none = house.get("/web/refused?who=nobody", &root).await.text;
    assert!(none.contains("No hook was asked about"), "{none}");
}

#[tokio::test]
async fn keys_and_bans_are_made_and_ended() {
    let house = House::new().await;
    let root = house.log_in("root").await;
    let made = house.post("/web/keys/new", &root, &[("name", "nightly"), ("allow", "user.list")]).await;
    assert!(made.status == 200 && made.text.contains("shown this once"), "{}", made.text);
    let list = house.get("/web/keys", &root).await.text;
    assert!(list.contains("nightly") && list.contains("user.list"), "{list}");
    let id = list.split("id=\"delete-").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let rotated = house.post("/web/keys/rotate", &root, &[("id", &id)]).await;
    assert!(rotated.text.contains("shown this once"), "{}", rotated.text);
    assert_eq!(house.post("/web/keys/delete", &root, &[("id", &id)]).await.status, 303);
    assert!(!house.get("/web/keys", &root).await.text.contains("nightly"));
    let banned = house.post("/web/bans/add", &root, &[("address", "192.0.2.9"), ("minutes", "10")]).await;
    assert_eq!(banned.header("location"), "/web/bans?done=added", "{}", banned.text);
    let page = house.get("/web/bans", &root).await.text;
    assert!(page.contains("End the ban of 192.0.2.9") && page.contains("by an administrator"), "{page}");
    assert_eq!(house.post("/web/bans/remove", &root, &[("address", "192.0.2.9")]).await.status, 303);
    assert!(!house.get("/web/bans", &root).await.text.contains("192.0.2.9"));
    assert_eq!(house.post("/web/bans/add", &root, &[("address", "here")]).await.status, 422);
    let none = house.post("/web/bans/add", &root, &[("address", "192.0.2.9"), ("minutes", "0")]).await;
    assert!(none.status == 422 && none.text.contains("A ban lasts a second at least"), "{}", none.text);
    let exempt = async |path: &str, network: &str| {
        house.post(&format!("/web/bans/exempt{path}"), &root, &[("network", network)]).await
    };
    house.post("/web/bans/add", &root, &[("address", "192.0.2.9")]).await;
    assert_eq!(exempt("", "192.0.2.0/24").await.header("location"), "/web/bans?done=exempted");
    let page = house.get("/web/bans", &root).await.text;
    assert!(page.contains("End the exemption of 192.0.2.0/24") && page.contains("No address is banned"), "{page}");
    let refused = house.post("/web/bans/add", &root, &[("address", "192.0.2.9")]).await;
    assert!(refused.status == 422 && refused.text.contains("exempt"), "{}", refused.text);
    assert_eq!(exempt("", "here").await.status, 422);
    assert_eq!(exempt("/remove", "192.0.2.0/24").await.header("location"), "/web/bans?done=not-exempted");
    assert_eq!(exempt("/remove", "192.0.2.0/24").await.status, 404);
    let audit = house.get("/web/audit?kind=exemption", &root).await.text;
    assert!(audit.contains("add exemption 192.0.2.0/24") && audit.contains("remove exemption"), "{audit}");
    let audit = house.get("/web/audit?kind=ban", &root).await.text;
    assert!(audit.contains("add ban 192.0.2.9") && audit.contains(">web<") || audit.contains("web"), "{audit}");
    let exported = house.get("/web/audit/export?kind=ban", &root).await;
    assert_eq!(exported.text.lines().count(), 3, "{}", exported.text);
}
