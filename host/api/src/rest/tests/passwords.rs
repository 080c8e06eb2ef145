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
