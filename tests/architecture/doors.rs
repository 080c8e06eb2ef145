//! The use cases of `core::admin` and the doors to them: each is behind every door, or the table says why it is not.

use std::collections::BTreeSet;

use serde_json::Value;
use tidegate_tests::tools;

use Door::{At, Lacks};

enum Door {
    /// Where the use case is: requests of the control socket, a command, a route, a page or form.
    At(&'static str),
    /// Why it is not behind this door.
    Lacks(&'static str),
}

/// The control socket, the command line, REST, and the web admin.
const DOORS: [&str; 4] = ["control socket", "command line", "REST", "web admin"];

const ALIVE: Door =
    Lacks("the socket and `tidegate ping` say that the server is alive; what it does is in REST, and in metrics");
const BY_TASK: Door = Lacks("a task of operators and of programs, which have the command line and REST");
const FOR_PROGRAMS: Door = Lacks("for portals and scripts; a person in a browser makes a login link");
const IN_LIST: Door = Lacks("the list of the web admin shows all of it");
const LINK_INSTEAD: Door = Lacks("the web admin makes login links, and sets passwords");
const OF_FILE: Door = Lacks("the command reads the files themselves, as a server that starts does");
const OWN_FILE: Door = Lacks("a command has the plugin directory at hand: the file is put there, or taken away");
const OWN_PROCESS: Door = Lacks("the command loads the hooks in a process of its own, beside the server");
const WAITS: Door = Lacks("the command waits until its scan is over");

/// The name of each use case, as in scopes of keys, with its doors.
const TABLE: [(&str, [Door; 4]); 70] = [
    ("user.list", [At("list-users"), At("user list"), At("GET /api/v2/users"), At("/web/users")]),
    ("user.show", [At("show-user"), At("user show"), At("GET /api/v2/users/{username}"), At("/web/users/show")]),
    ("user.add", [At("add-user"), At("user add"), At("POST /api/v2/users"), At("/web/users/new")]),
    ("user.update", [At("update-user"), At("user update"), At("PUT /api/v2/users/{username}"), At("/web/users/edit")]),
    (
        "user.delete",
        [At("delete-user"), At("user delete"), At("DELETE /api/v2/users/{username}"), At("/web/users/delete")],
    ),
    ("user.check", [At("check-storage"), At("storage check"), At("POST /api/tidegate/storage/check"), BY_TASK]),
    (
        "user.reset",
        [At("make-reset-code"), At("user reset-code"), At("POST /api/v2/users/{username}/reset-code"), LINK_INSTEAD],
    ),
    (
        "login_link.add",
        [
            At("add-login-link"),
            At("login-link add"),
            At("POST /api/v2/users/{username}/login-links"),
            At("/web/users/link"),
        ],
    ),
    (
        "login_link.list",
        [
            At("list-login-links"),
            At("login-link list"),
            At("GET /api/v2/users/{username}/login-links"),
            At("/web/users/link"),
        ],
    ),
    (
        "login_link.delete",
        [
            At("delete-login-link"),
            At("login-link delete"),
            At("DELETE /api/v2/login-links/{link}"),
            At("/web/users/link/revoke"),
        ],
    ),
    (
        "user.impersonate",
        [At("impersonate"), At("user impersonate"), At("POST /api/v2/users/{username}/impersonate"), FOR_PROGRAMS],
    ),
    (
        "user.one_click",
        [
            At("one-click-login"),
            At("login-link one-click"),
            At("POST /api/v2/users/{username}/one-click-login"),
            FOR_PROGRAMS,
        ],
    ),
    ("folder.list", [At("list-objects"), At("folder list"), At("GET /api/v2/folders"), At("/web/folders")]),
    ("folder.show", [At("show-object"), At("folder show"), At("GET /api/v2/folders/{name}"), At("/web/folders/show")]),
    ("folder.add", [At("add-object"), At("folder add"), At("POST /api/v2/folders"), At("/web/folders/new")]),
    (
        "folder.update",
        [At("update-object"), At("folder update"), At("PUT /api/v2/folders/{name}"), At("/web/folders/edit")],
    ),
    (
        "folder.delete",
        [At("delete-object"), At("folder delete"), At("DELETE /api/v2/folders/{name}"), At("/web/folders/delete")],
    ),
    ("group.list", [At("list-objects"), At("group list"), At("GET /api/v2/groups"), At("/web/groups")]),
    ("group.show", [At("show-object"), At("group show"), At("GET /api/v2/groups/{name}"), At("/web/groups/show")]),
    ("group.add", [At("add-object"), At("group add"), At("POST /api/v2/groups"), At("/web/groups/new")]),
    (
        "group.update",
        [At("update-object"), At("group update"), At("PUT /api/v2/groups/{name}"), At("/web/groups/edit")],
    ),
    (
        "group.delete",
        [At("delete-object"), At("group delete"), At("DELETE /api/v2/groups/{name}"), At("/web/groups/delete")],
    ),
    ("role.list", [At("list-objects"), At("role list"), At("GET /api/v2/roles"), At("/web/roles")]),
    ("role.show", [At("show-object"), At("role show"), At("GET /api/v2/roles/{name}"), At("/web/roles/show")]),
    ("role.add", [At("add-object"), At("role add"), At("POST /api/v2/roles"), At("/web/roles/new")]),
    ("role.update", [At("update-object"), At("role update"), At("PUT /api/v2/roles/{name}"), At("/web/roles/edit")]),
    (
        "role.delete",
        [At("delete-object"), At("role delete"), At("DELETE /api/v2/roles/{name}"), At("/web/roles/delete")],
    ),
    (
        "session.list",
        [At("list-sessions"), At("connection list"), At("GET /api/tidegate/connections"), At("/web/connections")],
    ),
    (
        "session.close",
        [
            At("close-session"),
            At("connection close"),
            At("DELETE /api/v2/connections/{connection_id}"),
            At("/web/connections/close"),
        ],
    ),
    ("scan.list", [At("list-scans"), WAITS, At("GET /api/v2/quotas/users/scans"), At("/web/quota")]),
    (
        "scan.start",
        [At("scan"), At("quota scan"), At("POST /api/v2/quotas/users/{username}/scan"), At("/web/quota/scan")],
    ),
    ("usage.set", [At("set-usage"), At("quota set"), At("PUT /api/v2/quotas/users/{username}/usage"), BY_TASK]),
    ("server.show", [ALIVE, ALIVE, At("GET /api/v2/status"), At("/web")]),
    (
        "configuration.show",
        [OF_FILE, At("config show"), At("GET /api/tidegate/configuration"), At("/web/configuration")],
    ),
    ("hook.list", [At("list-hook-links"), At("hook list"), At("GET /api/tidegate/hooks"), At("/web/hooks")]),
    (
        "hook.explain",
        [At("explain-login"), At("hook explain"), At("GET /api/tidegate/hooks/explain"), At("/web/explain")],
    ),
    ("hook.test", [OWN_PROCESS, At("hook test"), At("POST /api/tidegate/hooks/test"), At("/web/hooks/test")]),
    ("plugin.list", [At("list-plugins"), At("plugin list"), At("GET /api/tidegate/plugins"), At("/web/plugins")]),
    (
        "plugin.reload",
        [At("reload-plugins"), At("plugin reload"), At("POST /api/tidegate/plugins/reload"), At("/web/plugins/reload")],
    ),
    ("plugin.install", [OWN_FILE, OWN_FILE, At("PUT /api/tidegate/plugins/{name}"), BY_TASK]),
    ("plugin.remove", [OWN_FILE, OWN_FILE, At("DELETE /api/tidegate/plugins/{name}"), BY_TASK]),
    (
        "plugin.forget",
        [
            At("forget-plugin"),
            At("plugin forget"),
            At("DELETE /api/tidegate/plugins/{name}/gates"),
            At("/web/plugins/forget"),
        ],
    ),
    ("run.list", [At("list-hook-runs"), At("hook runs"), At("GET /api/tidegate/hooks/runs"), At("/web/runs")]),
    ("run.show", [At("show-hook-run"), At("hook run"), At("GET /api/tidegate/hooks/runs/{id}"), At("/web/runs/show")]),
    (
        "run.count",
        [At("list-hook-counters"), At("hook stats"), At("GET /api/tidegate/hooks/counters"), At("/web/hooks")],
    ),
    (
        "file_event.list",
        [At("list-file-events"), At("connection files"), At("GET /api/tidegate/files/events"), BY_TASK],
    ),
    ("backup.dump", [At("dump-users dump-objects"), At("dump"), At("GET /api/v2/dumpdata"), At("/web/dump/download")]),
    ("backup.load", [At("load-dump"), At("load"), At("POST /api/v2/loaddata"), At("/web/dump/load")]),
    ("storage.sweep", [At("sweep-storage"), At("storage sweep"), At("POST /api/tidegate/storage/sweep"), BY_TASK]),
    (
        "credentials.forget",
        [
            At("forget-credentials"),
            At("hook forget-credentials"),
            At("POST /api/tidegate/hooks/forget-credentials"),
            BY_TASK,
        ],
    ),
    ("audit.list", [At("list-audit"), At("audit list"), At("GET /api/tidegate/audit"), At("/web/audit")]),
    ("ban.list", [At("list-bans list-exempt-networks"), At("ban list"), At("GET /api/tidegate/bans"), At("/web/bans")]),
    ("ban.add", [At("add-ban"), At("ban add"), At("POST /api/tidegate/bans"), At("/web/bans/add")]),
    ("ban.remove", [At("remove-ban"), At("ban remove"), At("DELETE /api/tidegate/bans"), At("/web/bans/remove")]),
    (
        "exemption.add",
        [At("add-exempt-network"), At("ban exempt add"), At("POST /api/tidegate/bans/exempt"), At("/web/bans/exempt")],
    ),
    (
        "exemption.remove",
        [
            At("remove-exempt-network"),
            At("ban exempt remove"),
            At("DELETE /api/tidegate/bans/exempt"),
            At("/web/bans/exempt/remove"),
        ],
    ),
    ("admin.list", [At("list-admins"), At("admin list"), At("GET /api/v2/admins"), At("/web/admins")]),
    ("admin.show", [At("show-admin"), At("admin show"), At("GET /api/v2/admins/{username}"), At("/web/admins/show")]),
    ("admin.add", [At("add-admin"), At("admin add"), At("POST /api/v2/admins"), At("/web/admins/new")]),
    (
        "admin.update",
        [
            At("update-admin set-admin-codes"),
            At("admin update"),
            At("PUT /api/v2/admins/{username}"),
            At("/web/admins/edit"),
        ],
    ),
    (
        "admin.delete",
        [At("delete-admin"), At("admin delete"), At("DELETE /api/v2/admins/{username}"), At("/web/admins/delete")],
    ),
    (
        "admin.reset",
        [At("make-reset-code"), At("admin reset-code"), At("POST /api/v2/admins/{username}/reset-code"), LINK_INSTEAD],
    ),
    ("api_key.list", [At("list-api-keys"), At("apikey list"), At("GET /api/v2/apikeys"), At("/web/keys")]),
    ("api_key.show", [At("show-api-key"), At("apikey show"), At("GET /api/v2/apikeys/{key_id}"), IN_LIST]),
    ("api_key.add", [At("add-api-key"), At("apikey add"), At("POST /api/v2/apikeys"), At("/web/keys/new")]),
    ("api_key.update", [At("update-api-key"), At("apikey update"), At("PUT /api/v2/apikeys/{key_id}"), BY_TASK]),
    (
        "api_key.rotate",
        [At("rotate-api-key"), At("apikey rotate"), At("POST /api/v2/apikeys/{key_id}/rotate"), At("/web/keys/rotate")],
    ),
    (
        "api_key.delete",
        [At("delete-api-key"), At("apikey delete"), At("DELETE /api/v2/apikeys/{key_id}"), At("/web/keys/delete")],
    ),
    ("token.list", [At("list-tokens"), At("admin token list"), At("GET /api/tidegate/tokens"), At("/web/tokens")]),
    (
        "token.delete",
        [
            At("revoke-token"),
            At("admin token revoke"),
            At("DELETE /api/tidegate/tokens/{token_id}"),
            At("/web/tokens/revoke"),
        ],
    ),
];

fn read(path: &str) -> String {
    std::fs::read_to_string(tools::root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names of the use cases, from their table: `Name = "kind"."action", Permission, Reach;`.
fn use_cases(text: &str) -> BTreeSet<String> {
    let named = text.lines().filter_map(|line| line.strip_prefix("    ")?.split_once(" = \""));
    named
        .filter_map(|(_, rest)| {
            let (kind, rest) = rest.split_once("\".\"")?;
            Some(format!("{kind}.{}", rest.split_once('"')?.0))
        })
        .collect()
}

/// The names of the requests, from their table: `"name" Request -> Answer: "…";`.
fn requests(text: &str) -> BTreeSet<String> {
    let rows = text.lines().filter(|line| line.starts_with("    \"") && line.contains(" -> "));
    rows.filter_map(|line| Some(line.trim_start().strip_prefix('"')?.split_once('"')?.0.to_owned())).collect()
}

/// Whether the description of the route names the use case, whose permission it needs.
fn is_route(descriptions: &[Value], route: &str, case: &str) -> bool {
    let (method, path) = route.split_once(' ').unwrap();
    let operations = descriptions.iter().map(|document| &document["paths"][path][method.to_lowercase()]);
    let mut texts = operations.filter_map(|operation| operation["description"].as_str());
    texts.any(|text| text.contains(&format!("names it `{case}`")))
}

/// Whether the page or form is in the table of pages, by itself or among those of all kinds of objects.
fn is_page(table: &str, path: &str) -> bool {
    let of_kinds = ["users", "groups", "folders", "roles", "admins"].iter().filter_map(|kind| {
        let rest = path.strip_prefix("/web/")?.strip_prefix(kind)?;
        Some(format!("`/web/${{kind}}{rest}"))
    });
    let mut beginnings = of_kinds.chain([format!("'{path}")]);
    beginnings.any(|beginning| ["'", "`", "?"].iter().any(|end| table.contains(&format!("{beginning}{end}"))))
}

#[test]
fn each_use_case_is_behind_every_door_or_the_table_says_why_not() {
    // A18-14, D-08, D-11, D-13
    let requests = requests(&read("host/api-types/src/operation.rs"));
    let commands = read("host/docs/commands.md");
    let descriptions = ["v1", "v2", "tidegate"]
        .map(|name| serde_json::from_str::<Value>(&read(&format!("host/api/openapi/{name}.json"))).unwrap());
    let pages = read("tests/web/pages.mjs");

    let mut used = BTreeSet::new();
    for (case, doors) in &TABLE {
        let mut places = 0;
        for (door, place) in DOORS.iter().zip(doors) {
            let at = match place {
                At(at) => at,
                Lacks(why) => {
                    assert!(!why.is_empty(), "{case}, {door}: the reason is missing");
                    continue;
                }
            };
            places += 1;
            let is_there = match *door {
                "control socket" => {
                    used.extend(at.split(' ').map(str::to_owned));
                    at.split(' ').all(|request| requests.contains(request))
                }
                "command line" => commands.contains(&format!("\n## tidegate {at}\n")),
                "REST" => is_route(&descriptions, at, case),
                _ => is_page(&pages, at),
            };
            assert!(is_there, "{case}, {door}: there is no {at}, or it is for something else");
        }
        assert!(places > 0, "no door leads to {case}");
    }

    let listed: BTreeSet<_> = TABLE.iter().map(|(case, _)| (*case).to_owned()).collect();
    let found = use_cases(&read("host/core/src/admin/use_case.rs"));
    assert_eq!(found, listed, "each use case of core::admin has one row in the table of doors");
    // It needs no permission: a command asks whether the server is alive.
    used.insert("show-status".to_owned());
    assert_eq!(requests, used, "each request of the control socket is that of a use case in the table of doors");
}
