//! Administrators, tokens and keys of the store.

use super::super::route::{Interface, Need};
use super::*;

/// A house whose administrators are those of the store, and the same house over the control socket.
fn houses() -> (House, House) {
    let settings = RestSettings { allowed_hosts: vec!["files.example".to_owned()], ..RestSettings::default() };
    let (remote, owner) = House::twice(settings);
    let client = Client { entrance: Entrance::Control, uid: Some(0), address: None, ..owner.client.clone() };
    (remote, House { client, ..owner })
}

async fn made_key(owner: &House, document: Value) -> String {
    let made = owner.send("POST", "/api/v2/apikeys", &[], document.to_string()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert!(made.header("location").ends_with(made.header("x-object-id")), "{:?}", made.headers);
    let shown = owner.send("GET", made.header("location"), &[], "").await;
    assert_eq!(revision(made.header("etag")), revision(shown.header("etag")), "{}", shown.text);
    made.body["key"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn administrators_log_in_with_tokens() {
    // A18-17
    let (house, owner) = houses();
    let admin = json!({"username": "root", "password": "a-long-password", "permissions": ["view_users"]});
    let added = owner.send("POST", "/api/v2/admins", &[], admin.to_string()).await;
    assert_eq!((added.status, added.body.get("password")), (201, None), "{}", added.text);
    assert!(!added.header("etag").is_empty());
    let token = async |password: &str| {
        let answer = house.send("GET", "/api/v2/token", &[("authorization", &basic("root", password))], "").await;
        (answer.status, answer.body["access_token"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(token("wrong").await.0, 401);
    let bearer = format!("Bearer {}", token("a-long-password").await.1);
    let ask = async |method: &str, path: &str, body: Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        house.send(method, path, &[("authorization", &bearer)], body).await.status
    };
    assert_eq!(ask("GET", "/api/v2/users", Value::Null).await, 200);
    assert_eq!(ask("GET", "/api/v2/admins", Value::Null).await, 403);
    assert_eq!(ask("GET", "/api/v2/logout", Value::Null).await, 200);
    assert_eq!(ask("GET", "/api/v2/users", Value::Null).await, 401, "the token has ended");
    let (_, second) = token("a-long-password").await;
    let bearer = format!("Bearer {second}");
    let same = json!({"current_password": "a-long-password", "new_password": "a-long-password"}).to_string();
    let same = house.send("PUT", "/api/v2/admin/changepwd", &[("authorization", &bearer)], same).await;
    same.refused(400, "choose another");
    let change = json!({"current_password": "a-long-password", "new_password": "another-long-password"});
    let changed = house.send("PUT", "/api/v2/admin/changepwd", &[("authorization", &bearer)], change.to_string()).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(token("a-long-password").await.0, 401);
    assert_eq!(token("another-long-password").await.0, 200);
    let shown = owner.send("GET", "/api/v2/admins/root", &[], "").await;
    let tag = shown.header("etag").to_owned();
    let update = json!({"permissions": ["view_users"], "description": "d"}).to_string();
    let updated = owner.send("PUT", "/api/v2/admins/root", &[("if-match", &tag)], update.clone()).await;
    assert_eq!(updated.status, 200, "{}", updated.text);
    let now = owner.send("GET", "/api/v2/admins/root", &[], "").await;
    assert_eq!(revision(updated.header("etag")), revision(now.header("etag")));
    let codes = owner.send("PUT", "/api/v2/admins/root/2fa/disable", &[], "").await;
    let now = owner.send("GET", "/api/v2/admins/root", &[], "").await;
    assert_eq!(codes.status, 200, "{}", codes.text);
    assert_eq!(revision(codes.header("etag")), revision(now.header("etag")));
    owner.send("PUT", "/api/v2/admins/root", &[("if-match", &tag)], update).await.refused(412, "changed");
    // What the body does not name has its default, but for the password and the status.
    for body in [json!({"permissions": ["*"], "status": 0}), json!({"permissions": ["view_users"]})] {
        let replaced = owner.send("PUT", "/api/v2/admins/root", &[], body.to_string()).await;
        assert_eq!(replaced.status, 200, "{}", replaced.text);
        let shown = owner.send("GET", "/api/v2/admins/root", &[], "").await.body;
        assert_eq!((&shown["permissions"], &shown["status"]), (&body["permissions"], &json!(0)));
        assert!(shown["description"].as_str().unwrap_or_default().is_empty(), "{shown}");
    }
    owner.send("PUT", "/api/v2/admins/root", &[], "{}").await.refused(400, "at least one permission");
    let enabled = json!({"permissions": ["view_users"], "status": 1}).to_string();
    assert_eq!(owner.send("PUT", "/api/v2/admins/root", &[], enabled).await.status, 200);
    assert_eq!(token("another-long-password").await.0, 200);
    assert_eq!(owner.send("DELETE", "/api/v2/admins/root", &[], "").await.status, 200);
    assert_eq!(token("another-long-password").await.0, 401);
}

#[tokio::test]
async fn administrators_get_codes_and_lose_them() {
    // A18-17
    let (house, owner) = houses();
    let admin = json!({"username": "ann", "password": "a-long-password", "permissions": ["view_users"]});
    assert_eq!(owner.send("POST", "/api/v2/admins", &[], admin.to_string()).await.status, 201);
    let token = async |code: &str| {
        let password = basic("ann", "a-long-password");
        let headers = [("authorization", password.as_str()), ("x-sftpgo-otp", code)];
        house.send("GET", "/api/v2/token", &headers[..if code.is_empty() { 1 } else { 2 }], "").await.status
    };
    let path = "/api/v2/admins/ann/2fa/enable";
    let enable = async |headers: &[(&str, &str)]| owner.send("PUT", path, headers, "").await;
    assert_eq!(token("").await, 200);
    let before = owner.send("GET", "/api/v2/admins/ann", &[], "").await.header("etag").to_owned();
    let made = enable(&[("if-match", &before)]).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let now = owner.send("GET", "/api/v2/admins/ann", &[], "").await;
    assert_eq!(revision(made.header("etag")), revision(now.header("etag")));
    assert!(!now.text.contains(made.body["secret"].as_str().unwrap()), "{}", now.text);
    assert!(made.body["url"].as_str().unwrap().starts_with("otpauth://totp/"), "{}", made.text);
    let codes: Vec<_> = made.body["recovery_codes"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!((codes.len(), token("").await), (12, 401));
    assert_eq!((token(codes[0]).await, token(codes[0]).await), (200, 401));
    enable(&[("if-match", &before)]).await.refused(412, "changed");
    let again = enable(&[]).await;
    assert_eq!((again.status, token(codes[1]).await), (200, 401), "earlier codes are no longer good");
    assert_eq!(owner.send("PUT", "/api/v2/admins/ann/2fa/disable", &[], "").await.status, 200);
    assert_eq!(token("").await, 200);
    owner.send("PUT", "/api/v2/admins/none/2fa/enable", &[], "").await.refused(404, "none");
}

#[tokio::test]
async fn keys_are_replaced_and_keep_their_text() {
    // D-09
    let (house, owner) = houses();
    for (name, permissions) in [("ann", json!(["*"])), ("bob", json!(["view_users", "manage_apikeys"]))] {
        let admin = json!({"username": name, "password": "a-long-password", "permissions": permissions});
        assert_eq!(owner.send("POST", "/api/v2/admins", &[], admin.to_string()).await.status, 201);
    }
    let key = made_key(&owner, json!({"name": "k", "admin": "ann", "allow": ["user.*"], "description": "d"})).await;
    let listed = owner.send("GET", "/api/v2/apikeys", &[], "").await.body;
    let path = format!("/api/v2/apikeys/{}", listed[0]["key_id"].as_str().unwrap());
    let may_list = async || house.send("GET", "/api/v2/users", &[("x-sftpgo-api-key", &key)], "").await.status;
    let put = async |headers: &[(&str, &str)], body: Value| owner.send("PUT", &path, headers, body.to_string()).await;
    let show = async || owner.send("GET", &path, &[], "").await;
    assert_eq!(may_list().await, 200);
    let first = show().await.header("etag").to_owned();
    let changed = put(&[("if-match", &first)], json!({"name": "k2", "allow": ["folder.*"]})).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(may_list().await, 403, "the text is as it was, and the scope another");
    let now = show().await;
    assert_eq!(revision(changed.header("etag")), revision(now.header("etag")));
    assert_eq!(
        (&now.body["name"], &now.body["admin"], &now.body["allow"]),
        (&json!("k2"), &json!("ann"), &json!(["folder.*"]))
    );
    assert!(now.body["description"].as_str().unwrap_or_default().is_empty(), "{}", now.text);
    put(&[("if-match", &first)], json!({"name": "k3"})).await.refused(412, "name");
    put(&[], json!({"allow": ["user.*"]})).await.refused(400, "name");
    put(&[], json!({"name": "k", "allow": ["nothing"]})).await.refused(400, "nothing");
    put(&[], json!({"name": "k", "expires_at": 1})).await.refused(400, "expires_at");
    put(&[], json!({"name": "k", "admin": "none"})).await.refused(404, "none");
    put(&[], json!({"name": "k", "admin": ""})).await.refused(400, "admin");
    // What was read can be sent back.
    assert_eq!(put(&[], now.body.clone()).await.status, 200);
    // One with less changes no key of one with more, nor gives it to itself.
    let bob = house.send("GET", "/api/v2/token", &[("authorization", &basic("bob", "a-long-password"))], "").await;
    let bearer = format!("Bearer {}", bob.body["access_token"].as_str().unwrap());
    let root = json!({"username": "root", "password": "a-long-password", "permissions": ["*"]});
    assert_eq!(owner.send("POST", "/api/v2/admins", &[], root.to_string()).await.status, 201);
    let root = house.send("GET", "/api/v2/token", &[("authorization", &basic("root", "a-long-password"))], "").await;
    let root = format!("Bearer {}", root.body["access_token"].as_str().unwrap());
    let without_admin = json!({"name": "k", "admin": ""}).to_string();
    house.send("PUT", &path, &[("authorization", &root)], without_admin).await.refused(400, "admin");
    assert_eq!(show().await.body["admin"], json!("ann"), "a change without a name keeps the administrator");
    let by_bob = json!({"name": "k", "admin": "bob"}).to_string();
    house.send("PUT", &path, &[("authorization", &bearer)], by_bob).await.refused(403, "lacks permissions");
    assert_eq!(put(&[], json!({"name": "k", "admin": "bob"})).await.status, 200);
    let by_bob = json!({"name": "b"}).to_string();
    assert_eq!(house.send("PUT", &path, &[("authorization", &bearer)], by_bob).await.status, 200);
    assert_eq!((may_list().await, &show().await.body["admin"]), (200, &json!("bob")));
}

#[tokio::test]
async fn keys_are_held_to_their_scope_on_every_route() {
    // D-09
    let (house, owner) = houses();
    for interface in Interface::ALL {
        for route in interface.routes() {
            let Need::For(case) = route.need else { continue };
            let denied = made_key(&owner, json!({"name": "d", "deny": [case.name()]})).await;
            let another = if case.name() == "ban.list" { "role.list" } else { "ban.list" };
            let others = made_key(&owner, json!({"name": "o", "allow": [another]})).await;
            let allowed = made_key(&owner, json!({"name": "a", "allow": [case.name()]})).await;
            let path = format!("{}{}", interface.path(), route.path.replace("{id}", "1").replace(['{', '}'], ""));
            let ask = async |key: &str| {
                house.send(route.method.as_str(), &path, &[("x-sftpgo-api-key", key)], "{}").await.status
            };
            assert_eq!(ask(&denied).await, 403, "{path} {}", case.name());
            assert_eq!(ask(&others).await, 403, "{path} {}", case.name());
            let is_for_keys = case.reach() != tidegate_core::admin::Reach::People;
            assert_eq!(!matches!(ask(&allowed).await, 401 | 403), is_for_keys, "{path} {}", case.name());
        }
    }
}

#[tokio::test]
async fn keys_are_shown_rotated_and_revoked() {
    // D-09
    let (house, owner) = houses();
    let key = made_key(&owner, json!({"name": "ci", "allow": ["user.*"]})).await;
    let status = async |key: &str| house.send("GET", "/api/v2/users", &[("x-sftpgo-api-key", key)], "").await.status;
    assert_eq!(status(&key).await, 200);
    let listed = owner.send("GET", "/api/v2/apikeys", &[], "").await;
    let id = listed.body[0]["key_id"].as_str().unwrap().to_owned();
    assert!(!listed.text.contains(&key), "{}", listed.text);
    let shown = owner.send("GET", &format!("/api/v2/apikeys/{id}"), &[], "").await;
    assert_eq!(shown.body["name"], "ci", "{}", shown.text);
    let (path, first) = (format!("/api/v2/apikeys/{id}"), shown.header("etag").to_owned());
    let rotate = async |tag: &str| owner.send("POST", &format!("{path}/rotate"), &[("if-match", tag)], "").await;
    rotate("\"9-9\"").await.refused(412, "changed");
    assert_eq!(status(&key).await, 200);
    let rotated = rotate(&first).await;
    let second = rotated.body["key"].as_str().unwrap().to_owned();
    assert_eq!((status(&key).await, status(&second).await), (401, 200));
    let delete = async |tag: &str| owner.send("DELETE", &path, &[("if-match", tag)], "").await;
    delete(&first).await.refused(412, "changed");
    assert_eq!(status(&second).await, 200);
    assert_eq!(delete(rotated.header("etag")).await.status, 200);
    assert_eq!(status(&second).await, 401);
}

#[tokio::test]
async fn a_version_is_minded_or_refused() {
    // A18-17
    let (house, owner) = houses();
    let admin = json!({"username": "a", "password": "a-long-password", "permissions": ["*"]}).to_string();
    assert_eq!(owner.send("POST", "/api/v2/admins", &[], admin).await.status, 201);
    let codes = owner.send("PUT", "/api/v2/admins/a/2fa/disable", &[("if-match", "\"9-9\"")], "").await;
    codes.refused(412, "changed");
    let added = owner.send("POST", "/api/v2/users", &[], account("u").to_string()).await;
    assert_eq!(added.status, 201, "{}", added.text);
    let admin = basic("a", "a-long-password");
    let bearer = async |method: &str, path: &str, credentials: &str| {
        let answer = house.send(method, path, &[("authorization", credentials)], "").await;
        format!("Bearer {}", answer.body["access_token"].as_str().unwrap())
    };
    let user = bearer("POST", "/api/v2/users/u/impersonate", &bearer("GET", "/api/v2/token", &admin).await).await;
    // The documents of the interfaces say which operations mind it; all others refuse it, also those that only read.
    for (interface, route) in Interface::ALL
        .into_iter()
        .flat_map(|interface| interface.routes().into_iter().map(move |route| (interface, route)))
    {
        let place = if route.path.contains("{id}") { "7" } else { "x" };
        let parts = route.path.split('/').map(|part| if part.starts_with('{') { place } else { part });
        let path = format!("{}{}", interface.path(), parts.collect::<Vec<_>>().join("/"));
        for line in ["\"9-9\"", "nope", "W/\"9-9\"", "*", ""] {
            let what = format!("{} {path} {line:?}", route.method);
            // These would be carried out.
            if !route.takes_version() && line == "*" {
                continue;
            }
            let (door, credentials) = match route.need {
                Need::Nothing => (&house, None),
                Need::Password => (&house, Some(&admin)),
                Need::User => (&house, Some(&user)),
                Need::Administrator | Need::For(_) => (&owner, None),
            };
            let mut headers = vec![("if-match", line)];
            headers.extend(credentials.map(|credentials| ("authorization", credentials.as_str())));
            let answer = door.send(route.method.as_str(), &path, &headers, "{}").await;
            match (route.takes_version(), line) {
                (_, "") => assert_eq!(answer.status, 400, "{what} {}", answer.text),
                (false, _) => assert_eq!(answer.status, 412, "{what} {}", answer.text),
                // There is no such object.
                (true, _) => assert!(matches!(answer.status, 400 | 404), "{what} {}", answer.text),
            }
        }
    }
}

#[tokio::test]
async fn administrators_with_a_role_have_only_its_accounts() {
    let (house, owner) = houses();
    for role in ["sales", "other"] {
        assert_eq!(owner.send("POST", "/api/v2/roles", &[], json!({"name": role}).to_string()).await.status, 201);
    }
    let admin = json!({"username": "a", "password": "a-long-password", "role": "sales", "permissions": ["view_users", "edit_users", "del_users", "add_users"]});
    assert_eq!(owner.send("POST", "/api/v2/admins", &[], admin.to_string()).await.status, 201);
    let mut ids = Vec::new();
    for (name, role) in [("mine", "sales"), ("theirs", "other")] {
        let mut document = account(name);
        document["role"] = json!(role);
        let added = owner.send("POST", "/api/v2/users", &[], document.to_string()).await;
        assert_eq!(added.status, 201, "{}", added.text);
        ids.push(added.body["id"].as_i64().unwrap());
    }
    let login = basic("a", "a-long-password");
    let token = house.send("GET", "/api/v2/token", &[("authorization", &login)], "").await.body["access_token"].clone();
    let bearer = format!("Bearer {}", token.as_str().unwrap());
    let check = async |method: &str, path: &str, body: Value, expected: u16| {
        let credentials = if path.contains("/v1/") { &login } else { &bearer };
        let answer = house.send(method, path, &[("authorization", credentials)], body.to_string()).await;
        assert_eq!(answer.status, expected, "{method} {path} {}", answer.text);
        assert!(expected == 200 || !answer.text.contains("other"), "{}", answer.text);
        answer
    };
    let (mine, theirs) = (format!("/api/v1/user/{}", ids[0]), format!("/api/v1/user/{}", ids[1]));
    check("GET", &mine, json!({}), 200).await;
    let missing = check("GET", &theirs, json!({}), 404).await;
    assert!(!missing.text.contains("theirs"), "{}", missing.text);
    check("PUT", &mine, json!({"uid": 1}), 200).await;
    check("PUT", &theirs, json!({"uid": 1}), 404).await;
    check("DELETE", &theirs, json!({}), 404).await;
    check("GET", "/api/v2/users/theirs", json!({}), 404).await;
    check("PUT", "/api/v2/users/theirs", account("theirs"), 404).await;
    check("DELETE", "/api/v2/users/theirs", json!({}), 404).await;
    // A document without a role keeps that of the administrator.
    check("PUT", "/api/v2/users/mine", account("mine"), 200).await;
    for path in ["/api/v1/user", "/api/v2/users", "/api/v2/users?offset=0&order=DESC"] {
        let listed = check("GET", path, json!({}), 200).await;
        let names: Vec<_> = listed.body.as_array().unwrap().iter().map(|user| user["username"].clone()).collect();
        assert_eq!(names, ["mine"], "{path}");
    }
    assert_eq!(check("GET", &theirs.replace("user/", "user?username=theirs&x="), json!({}), 200).await.body, json!([]));
}
