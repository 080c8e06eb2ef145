//! Lost passwords.

use super::*;

/// A client without credentials, and the control socket.
fn houses() -> (House, House) {
    let allowed_hosts = vec!["files.example".to_owned()];
    let (client, owner) = House::twice(RestSettings { allowed_hosts, ..RestSettings::default() });
    let control = Client { entrance: Entrance::Control, address: None, uid: Some(0), ..owner.client.clone() };
    (client, House { client: control, ..owner })
}

#[tokio::test]
async fn a_code_sets_a_password_once() {
    let (mut client, owner) = houses();
    let root = json!({"username": "root", "password": "a-long-password", "permissions": ["*"]});
    assert_eq!(owner.send("POST", "/api/v2/admins", &[], root.to_string()).await.status, 201);
    assert_eq!(owner.send("POST", "/api/v2/users", &[], account("ann").to_string()).await.status, 201);
    let lost = client.send("POST", "/api/v2/admins/root/forgot-password", &[], "").await;
    assert_eq!(lost.status, 200, "{}", lost.text);
    let unknown = client.send("POST", "/api/v2/admins/none/forgot-password", &[], "").await;
    assert_eq!((unknown.status, &unknown.body), (200, &lost.body));
    for (path, login) in [("/api/v2/admins/root", true), ("/api/v2/users/ann", false)] {
        client.client.address = Some(if login { "192.0.2.20" } else { "192.0.2.21" }.parse().unwrap());
        let made = owner.send("POST", &format!("{path}/reset-code"), &[], "").await;
        assert_eq!(made.status, 200, "{}", made.text);
        let code = made.body["code"].as_str().unwrap().to_owned();
        let reset = async |path: &str, code: &str| {
            let body = json!({"code": code, "password": "another-long-password"}).to_string();
            client.send("POST", &format!("{path}/reset-password"), &[], body).await
        };
        // It logs in to nothing.
        let bearer = format!("Bearer {code}");
        assert_eq!(client.send("GET", "/api/v2/version", &[("authorization", &bearer)], "").await.status, 401);
        reset(path, "tgt_wrong").await.refused(403, "code");
        reset("/api/v2/admins/none", &code).await.refused(403, "code");
        assert_eq!(reset(path, &code).await.status, 200);
        reset(path, &code).await.refused(403, "code");
        let name = basic("root", "another-long-password");
        let token = client.send("GET", "/api/v2/token", &[("authorization", &name)], "").await;
        assert_eq!(token.status, 200, "{}", token.text);
    }
    let tokens = owner.send("GET", "/api/tidegate/tokens", &[], "").await;
    // Used codes are gone.
    assert!(tokens.body["tokens"].as_array().unwrap().iter().all(|token| token["admin"] == "root"), "{}", tokens.text);
    owner.send("POST", "/api/v2/users/none/reset-code", &[], "").await.refused(404, "none");
}

#[tokio::test]
async fn clients_without_credentials_ask_a_few_times_a_minute() {
    let (mut client, _) = houses();
    let ask = async |client: &House| client.send("POST", "/api/v2/users/ann/forgot-password", &[], "").await.status;
    // A minute may end meanwhile.
    let mut refused = 0;
    for _ in 0..20 {
        refused += u32::from(ask(&client).await == 429);
    }
    assert!(refused >= 10, "{refused}");
    client.client.address = Some("192.0.2.10".parse().unwrap());
    assert_eq!(ask(&client).await, 200);
}

#[tokio::test]
async fn the_answer_to_a_code_is_the_same_whatever_is_wrong() {
    // D-10
    let (mut client, owner) = houses();
    for (number, (name, more)) in [
        ("off", json!({"status": 0})),
        ("late", json!({"expiration_date": 1})),
        ("inside", json!({"filters": {"allowed_ip": ["192.0.2.0/24"]}})),
        ("by-key", json!({"filters": {"denied_login_methods": ["password"]}})),
        ("by-ssh", json!({"filters": {"denied_protocols": ["HTTP"]}})),
    ]
    .into_iter()
    .enumerate()
    {
        let mut document = account(name);
        assert_eq!(owner.send("POST", "/api/v2/users", &[], document.to_string()).await.status, 201);
        let code = owner.send("POST", &format!("/api/v2/users/{name}/reset-code"), &[], "").await;
        let code = code.body["code"].as_str().unwrap().to_owned();
        document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        document.as_object_mut().unwrap().remove("password");
        assert_eq!(owner.send("PUT", &format!("/api/v2/users/{name}"), &[], document.to_string()).await.status, 200);
        let mut said = Vec::new();
        for code in [code.as_str(), "tgt_wrong"] {
            client.client.address = Some(format!("198.51.100.{number}").parse().unwrap());
            let body = json!({"code": code, "password": "another-long-password"}).to_string();
            let answer = client.send("POST", &format!("/api/v2/users/{name}/reset-password"), &[], body).await;
            said.push((answer.status, answer.body["error"].clone(), answer.body["message"].clone()));
            client.client.address = Some(format!("203.0.113.{number}").parse().unwrap());
            let lost = client.send("POST", &format!("/api/v2/users/{name}/forgot-password"), &[], "").await;
            let unknown = client.send("POST", "/api/v2/users/none/forgot-password", &[], "").await;
            assert_eq!((lost.status, lost.body), (unknown.status, unknown.body), "{name}");
        }
        assert_eq!(said[0], said[1], "{name}");
        assert_eq!(said[0].0, 403, "{name}");
    }
}

#[tokio::test]
async fn a_link_needs_the_second_factor_of_the_account() {
    // D-08, C3-01
    let (client, owner) = houses();
    let secret = json!({"status": "Plain", "payload": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"});
    let recovery = json!([{"secret": {"status": "Plain", "payload": "recovery-code-1"}, "used": false}]);
    let codes = json!({"enabled": true, "protocols": ["SSH"], "secret": secret});
    for (name, filters) in [
        ("ann", json!({"totp_config": codes, "recovery_codes": recovery, "two_factor_protocols": ["HTTP"]})),
        ("bob", json!({"two_factor_protocols": ["HTTP"]})),
    ] {
        let mut document = account(name);
        document.as_object_mut().unwrap().insert("filters".to_owned(), filters);
        assert_eq!(owner.send("POST", "/api/v2/users", &[], document.to_string()).await.status, 201);
    }
    let link = async |name: &str| {
        let made = owner.send("POST", &format!("/api/v2/users/{name}/login-links"), &[], "{}").await;
        made.body["code"].as_str().unwrap().to_owned()
    };
    let redeem = async |code: &str, one_time_code: &str| {
        let body = json!({"code": code}).to_string();
        client.send("POST", "/api/v2/user/token", &[("x-sftpgo-otp", one_time_code)], body).await
    };
    let profile = async |token: &Answer| {
        let bearer = format!("Bearer {}", token.body["access_token"].as_str().unwrap());
        client.send("GET", "/api/v2/user/profile", &[("authorization", &bearer)], "").await
    };
    let of_ann = link("ann").await;
    redeem(&of_ann, "").await.refused(401, "one-time code");
    redeem(&of_ann, "wrong").await.refused(401, "");
    let token = redeem(&of_ann, "recovery-code-1").await;
    assert_eq!(token.status, 200, "{}", token.text);
    assert_eq!(profile(&token).await.status, 200);
    // A second factor that is demanded and missing: the server only lets the session end.
    let token = redeem(&link("bob").await, "").await;
    assert_eq!(token.status, 200, "{}", token.text);
    profile(&token).await.refused(403, "second factor");
    let bearer = format!("Bearer {}", token.body["access_token"].as_str().unwrap());
    assert_eq!(client.send("GET", "/api/v2/user/logout", &[("authorization", &bearer)], "").await.status, 200);
}
