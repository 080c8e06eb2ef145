//! What the operations of the REST interfaces are asked with so that they succeed: a server with one object for each of
//! them, and descriptions in which these objects are examples.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};
use tidegate_tests::raw_sftp::RawSftp;
use tidegate_tests::server::{Server, Site};
use tidegate_tests::tools;

/// Operations that are never answered with 2xx here, by interface, and why. Each is asked in a house of its own.
pub const NOT_REACHED: &[(&str, &str, &str)] =
    &[("tidegate", "add_first_administrator", "the others need an administrator, and where there is one it adds none")];

/// A password would cost a hash for each account.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";

/// A server with objects for the operations.
pub struct House {
    pub site: Site,
    pub server: Server,
    /// A key of the server's owner: nothing that the interfaces with it can do ends it.
    pub key: String,
    /// A token of the administrator `root`, for `/api/v2`, where much is for people alone.
    pub token: String,
    /// Operations that are asked with a token of their own, by interface.
    pub own_tokens: Vec<(&'static str, &'static str, String)>,
    examples: Vec<(&'static str, &'static str, Value)>,
    /// Sessions that an operation closes.
    sessions: Vec<RawSftp>,
}

impl House {
    pub fn start() -> Self {
        let site = Site::new().defender("exempt = [\"127.0.0.0/8\"]");
        let signer = site.path("signer");
        tools::run_ok(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&signer));
        let public = std::fs::read_to_string(signer.with_extension("pub")).unwrap();
        let site = site.config(&format!("[plugins]\ntrusted_keys = [{:?}]\n", public.trim()));
        for name in ["alice", "deleted", "scanned", "lost"] {
            site.user(name);
        }
        for (name, password) in [("root", "a-long-password"), ("old", "old-password"), ("older", "older-password")] {
            administrator(&site, name, password);
        }
        for name in ["removed", "gone"] {
            signed_plugin(&site, &signer, name);
        }
        let made = tools::run_ok(&mut site.tidegate(&["apikey", "add", "--name", "all", "--json"]));
        let made: Value = serde_json::from_str(&made).unwrap();
        let key = made["key"].as_str().unwrap().to_owned();
        let server = site.start_with(&[("TIDEGATE_HTTPD__MANAGE_PLUGINS", "true")]);
        let token = token(&server, "root", "a-long-password");
        let mut house =
            Self { site, server, key, token, own_tokens: Vec::new(), examples: Vec::new(), sessions: Vec::new() };
        house.make_v1();
        house.make_objects();
        house.make_users();
        house.make_server(&signer);
        house
    }

    /// The answer to a request with the token of `root`.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let url = format!("http://127.0.0.1:{}{path}", self.server.http_port);
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail-with-body", "--request", method, "--header"]);
        curl.arg(format!("Authorization: Bearer {}", self.token)).arg(&url);
        if !body.is_null() {
            curl.args(["--data", &body.to_string()]);
        }
        let text = tools::run_ok(&mut curl);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
    }

    /// An operation that has neither a body nor a version is refused for a version alone.
    pub fn is_refused_with_a_version(&self, path: &str) {
        let url = format!("http://127.0.0.1:{}{path}", self.server.http_port);
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--request", "POST"]);
        assert_eq!(tools::run_ok(curl.args(["--header", "If-Match: \"1\"", &url])), "412", "{path}");
    }

    /// An operation succeeds with these values: `parameters`, and `body` where there is one.
    fn example(&mut self, interface: &'static str, operation: &'static str, values: Value) {
        self.examples.push((interface, operation, values));
    }

    fn connection(&mut self) -> String {
        self.sessions.push(RawSftp::connect(&self.server, "alice", "pw"));
        let open = self.ask("GET", "/api/v2/connections", &Value::Null);
        let known: Vec<String> = self
            .examples
            .iter()
            .filter_map(|(_, _, values)| values["connection_id"].as_str().map(str::to_owned))
            .collect();
        let ids = open.as_array().unwrap().iter().map(|open| open["connection_id"].as_str().unwrap().to_owned());
        ids.into_iter().find(|id| !known.contains(id)).unwrap()
    }

    fn make_v1(&mut self) {
        self.site.write("backups/kept.json", json!({"users": [account("kept")]}).to_string());
        let id =
            |house: &Self, name: &str| house.ask("GET", &format!("/api/v2/users/{name}"), &Value::Null)["id"].clone();
        let (alice, deleted) = (id(self, "alice"), id(self, "deleted"));
        self.example("v1", "get_user_by_id", json!({"id": alice}));
        self.example("v1", "update_user", json!({"id": alice, "body": account("alice")}));
        self.example("v1", "delete_user", json!({"id": deleted}));
        self.example("v1", "add_user", json!({"body": account("of-v1")}));
        let connection = self.connection();
        self.example("v1", "close_connection", json!({"connection_id": connection}));
        self.example("v1", "start_quota_scan", json!({"body": {"username": "scanned"}}));
        self.example("v1", "dumpdata", json!({"output_file": "v1.json"}));
        self.example("v1", "loaddata", json!({"input_file": "kept.json"}));
    }

    /// Objects of the store, of which each kind is shown, changed, added and deleted in the same way.
    fn make_objects(&mut self) {
        let kinds = [
            ("users", "username", ["get_user_by_username", "update_user", "add_user", "delete_user"]),
            ("folders", "name", ["get_folder_by_name", "update_folder", "add_folder", "delete_folder"]),
            ("groups", "name", ["get_group_by_name", "update_group", "add_group", "delete_group"]),
            ("roles", "name", ["get_role_by_name", "update_role", "add_role", "delete_role"]),
            ("admins", "username", ["get_admin_by_username", "update_admin", "add_admin", "delete_admin"]),
        ];
        for (kind, parameter, [show, update, add, delete]) in kinds {
            let document = |name: &str| match kind {
                "users" => account(name),
                "folders" => json!({"name": name, "mapped_path": format!("/srv/{name}")}),
                "admins" => {
                    json!({"username": name, "password": "a-long-password", "permissions": ["view_users"], "status": 1})
                }
                _ => json!({"name": name}),
            };
            for name in ["kept", "left"] {
                self.ask("POST", &format!("/api/v2/{kind}"), &document(name));
            }
            self.example("v2", show, json!({parameter: "kept"}));
            self.example("v2", update, json!({parameter: "kept", "body": document("kept")}));
            self.example("v2", add, json!({"body": document("made")}));
            self.example("v2", delete, json!({parameter: "left"}));
        }
        self.example("v2", "enable_admin_2fa", json!({"username": "kept"}));
        self.example("v2", "get_users", json!({"role": "kept", "group": "kept", "status": 1, "search": "ke"}));
        let key = |house: &Self, name: &str| {
            house.ask("POST", "/api/v2/apikeys", &json!({"name": name}));
            let keys = house.ask("GET", "/api/v2/apikeys", &Value::Null);
            let found = keys.as_array().unwrap().iter().find(|key| key["name"] == name).unwrap();
            found["key_id"].clone()
        };
        for operation in ["get_api_key_by_id", "rotate_api_key", "delete_api_key"] {
            let id = key(self, operation);
            self.example("v2", operation, json!({"key_id": id}));
        }
        let id = key(self, "update_api_key");
        self.example("v2", "update_api_key", json!({"key_id": id, "body": {"name": "updated"}}));
        self.example("v2", "add_api_key", json!({"body": {"name": "made"}}));
        self.example("v2", "dumpdata", json!({"output-file": "v2.json"}));
        self.example("v2", "loaddata_from_file", json!({"input-file": "kept.json"}));
        self.example("v2", "loaddata_from_request_body", json!({"body": {"roles": [{"name": "loaded"}]}}));
    }

    fn make_users(&mut self) {
        for operation in ["user_forgot_password", "make_user_reset_code", "get_login_links", "impersonate_user"] {
            self.example("v2", operation, json!({"username": "alice"}));
        }
        for operation in ["admin_forgot_password", "make_admin_reset_code", "disable_admin_2fa"] {
            self.example("v2", operation, json!({"username": "kept"}));
        }
        let code = |house: &Self, kind: &str, name: &str| {
            let made = house.ask("POST", &format!("/api/v2/{kind}/{name}/reset-code"), &Value::Null);
            json!({"username": name, "body": {"code": made["code"], "password": "another-password"}})
        };
        let (user, admin) = (code(self, "users", "lost"), code(self, "admins", "older"));
        self.example("v2", "user_reset_password", user);
        self.example("v2", "admin_reset_password", admin);
        for operation in ["add_login_link", "one_click_login"] {
            self.example("v2", operation, json!({"username": "alice", "body": {"name": "door"}}));
        }
        let link = |house: &Self| house.ask("POST", "/api/v2/users/alice/login-links", &json!({"max_uses": 9}));
        let (redeemed, shown, deleted) = (link(self), link(self), link(self));
        self.example("v2", "redeem_login_link", json!({"body": {"code": redeemed["code"]}}));
        self.example("v2", "get_login_link_by_id", json!({"link": shown["link"]["id"]}));
        self.example("v2", "delete_login_link", json!({"link": deleted["link"]["id"]}));
        for operation in ["get_user_profile", "user_logout"] {
            let token = self.ask("POST", "/api/v2/users/alice/impersonate", &Value::Null);
            self.own_tokens.push(("v2", operation, token["access_token"].as_str().unwrap().to_owned()));
        }
        // A new password ends the tokens of the administrator.
        for (operation, name) in [("change_admin_password", "one"), ("change_admin_password_old", "two")] {
            administrator(&self.site, name, "a-long-password");
            self.own_tokens.push(("v2", operation, token(&self.server, name, "a-long-password")));
            let body = json!({"current_password": "a-long-password", "new_password": "another-password"});
            self.example("v2", operation, json!({"body": body}));
        }
        self.own_tokens.push(("v2", "logout", token(&self.server, "old", "old-password")));
    }

    fn make_server(&mut self, signer: &Path) {
        let left = json!({"network": "198.51.100.0/24"});
        self.ask("POST", "/api/tidegate/bans/exempt", &left);
        self.example("tidegate", "remove_exempt_network", left);
        self.example("tidegate", "add_exempt_network", json!({"body": {"network": "192.0.2.0/24"}}));
        let connection = self.connection();
        self.example("v2", "close_connection", json!({"connection_id": connection}));
        let connection = self.connection();
        self.example("tidegate", "show_connection", json!({"connection_id": connection}));
        for (operation, values) in [
            ("start_user_quota_scan", json!({"username": "scanned"})),
            (
                "user_quota_update_usage",
                json!({"username": "kept", "body": {"used_quota_size": 1, "used_quota_files": 1}}),
            ),
            ("start_folder_quota_scan", json!({"name": "kept"})),
            (
                "folder_quota_update_usage",
                json!({"name": "kept", "body": {"used_quota_size": 1, "used_quota_files": 1}}),
            ),
        ] {
            self.example("v2", operation, values);
        }
        for address in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
            self.ask("POST", "/api/tidegate/bans", &json!({"ip": address}));
        }
        let hosts = self.ask("GET", "/api/v2/defender/hosts", &Value::Null);
        let id =
            |address: &str| hosts.as_array().unwrap().iter().find(|host| host["ip"] == address).unwrap()["id"].clone();
        self.example("v2", "get_defender_host_by_id", json!({"host_id": id("192.0.2.1")}));
        self.example("v2", "delete_defender_host_by_id", json!({"host_id": id("192.0.2.2")}));
        self.example("tidegate", "remove_ban", json!({"ip": "192.0.2.3"}));
        self.example("tidegate", "add_ban", json!({"body": {"ip": "192.0.2.4"}}));
        self.example("tidegate", "explain_login", json!({"username": "alice"}));
        self.example("tidegate", "check_storage", json!({"username": "alice"}));
        self.example("tidegate", "test_hooks", json!({"body": {"hook": "login-pre", "user": "alice"}}));
        // A refused login is on record.
        assert!(!tidegate_tests::clients::can_log_in(
            &self.server,
            "nobody",
            tidegate_tests::clients::Proof::Password("pw")
        ));
        let run = tidegate_tests::waiting::eventually("a login is on record", || {
            self.ask("GET", "/api/tidegate/hooks/runs", &Value::Null)["runs"][0]["id"].as_i64()
        });
        self.example("tidegate", "show_hook_run", json!({"id": run}));
        let given = token(&self.server, "old", "old-password");
        let tokens = self.ask("GET", "/api/tidegate/tokens", &Value::Null);
        let known: Vec<_> =
            tokens["tokens"].as_array().unwrap().iter().filter(|token| token["admin"] == "old").collect();
        drop(given);
        self.example("tidegate", "revoke_token", json!({"token_id": known.last().unwrap()["id"]}));
        let kept = tokens["tokens"].as_array().unwrap().iter().find(|token| token["admin"] == "root").unwrap();
        self.example("tidegate", "show_token", json!({"token_id": kept["id"]}));
        // No key may change plugins.
        for operation in ["install_plugin", "remove_plugin", "forget_plugin"] {
            self.own_tokens.push(("tidegate", operation, token(&self.server, "root", "a-long-password")));
        }
        self.example("tidegate", "show_plugin", json!({"name": "removed"}));
        self.example("tidegate", "remove_plugin", json!({"name": "removed"}));
        signed_plugin(&self.site, signer, "source");
        let component = tools::run_ok(Command::new("base64").arg("-w0").arg(self.site.path("plugins/source.wasm")));
        let signature = std::fs::read_to_string(self.site.path("plugins/source.wasm.sig")).unwrap();
        let body = json!({"component": component.trim(), "signature": signature});
        self.example("tidegate", "install_plugin", json!({"name": "installed", "body": body}));
        // From now on its gate refuses.
        std::fs::remove_file(self.site.path("plugins/gone.wasm")).unwrap();
        self.ask("POST", "/api/tidegate/plugins/reload", &Value::Null);
        self.example("tidegate", "forget_plugin", json!({"name": "gone"}));
    }

    /// The description of an interface, with the objects as examples.
    pub fn description(&self, interface: &str) -> Value {
        let mut description = self.ask("GET", &format!("/openapi/{interface}.json"), &Value::Null);
        let of_interface = self.examples.iter().filter(|(found, _, _)| *found == interface);
        for (_, operation, values) in of_interface {
            let found = operations(&mut description).find(|found| found["operationId"] == *operation);
            let found = found.unwrap_or_else(|| panic!("{interface} has no {operation}"));
            let mut values = values.as_object().unwrap().clone();
            if let Some(body) = values.remove("body") {
                found["requestBody"]["content"]["application/json"]["examples"] = json!({"stored": {"value": body}});
            }
            for parameter in found["parameters"].as_array_mut().unwrap() {
                if let Some(value) = values.remove(parameter["name"].as_str().unwrap()) {
                    parameter["examples"] = json!({"stored": {"value": value}});
                }
            }
            assert!(values.is_empty(), "{operation} has no {values:?}");
        }
        for (_, operation, _) in self.own_tokens.iter().filter(|(of, _, _)| *of == interface) {
            let found = operations(&mut description).find(|found| found["operationId"] == *operation).unwrap();
            found["security"] = json!([{*operation: []}]);
            description["components"]["securitySchemes"][operation] = json!({"type": "http", "scheme": "bearer"});
        }
        description
    }

    /// The operations of an interface that the log has never with a status of that class.
    pub fn never_answered(&self, interface: &str, class: u64) -> Vec<String> {
        let mut description = self.ask("GET", &format!("/openapi/{interface}.json"), &Value::Null);
        let log = self.server.log();
        let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let seen = |method: &str, path: &str| {
            lines.iter().any(|line| {
                line["method"] == method
                    && line["resp_status"].as_u64().is_some_and(|status| status / 100 == class)
                    && line["uri"].as_str().is_some_and(|uri| is_of(uri, path))
            })
        };
        let mut never = Vec::new();
        for (path, methods) in description["paths"].as_object_mut().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                if !seen(&method.to_uppercase(), path) {
                    never.push(operation["operationId"].as_str().unwrap().to_owned());
                }
            }
        }
        never
    }
}

/// Whether the path of a request is that of an operation, and not one that is more exact.
fn is_of(uri: &str, path: &str) -> bool {
    let asked: Vec<&str> = uri.split('?').next().unwrap_or_default().split('/').collect();
    let wanted: Vec<&str> = path.split('/').collect();
    asked.len() == wanted.len()
        && asked
            .iter()
            .zip(wanted)
            .all(|(asked, wanted)| wanted.starts_with('{') && !asked.is_empty() || *asked == wanted)
}

fn operations(description: &mut Value) -> impl Iterator<Item = &mut Value> {
    let paths = description["paths"].as_object_mut().unwrap();
    paths.values_mut().flat_map(|methods| methods.as_object_mut().unwrap().values_mut())
}

fn account(name: &str) -> Value {
    let permissions: Map<String, Value> = [("/".to_owned(), json!(["*"]))].into_iter().collect();
    let keys = [KEY];
    let home = format!("/srv/{name}");
    json!({"username": name, "status": 1, "home_dir": home, "permissions": permissions, "public_keys": keys})
}

/// An administrator with all permissions.
pub fn administrator(site: &Site, name: &str, password: &str) {
    let mut add = site.tidegate(&["admin", "add", "--username", name, "--password-stdin", "--permissions", "*"]);
    let mut child = add.stdin(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), format!("{password}\n").as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

fn token(server: &Server, name: &str, password: &str) -> String {
    let url = format!("http://127.0.0.1:{}/api/v2/token", server.http_port);
    let mut curl = Command::new("curl");
    let answer = tools::run_ok(curl.args(["--silent", "--user", &format!("{name}:{password}"), &url]));
    let answer: Value = serde_json::from_str(&answer).unwrap();
    answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

fn signed_plugin(site: &Site, signer: &Path, name: &str) {
    // Its gate is about uploads, and so in the way of no login.
    site.plugin(name, &tools::guest("upload-policy"), "[config]\nmax_bytes = 1000000000\n");
    let plugin = site.path(&format!("plugins/{name}.wasm"));
    let mut sign = Command::new(tools::tidegate());
    tools::run_ok(sign.args(["plugin", "sign", "--key"]).arg(signer).arg(plugin));
}
