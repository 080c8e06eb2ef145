//! Banned addresses, in the two interfaces that have them.

use super::*;

#[tokio::test]
async fn a_banned_address_is_refused_whatever_it_asks() {
    // B14-03
    // The control socket needs no credentials, but its requests have to be for a name of the server.
    let allowed_hosts = vec!["files.example".to_owned()];
    let (mut banned, house) = House::twice(RestSettings { allowed_hosts, ..RestSettings::default() });
    let control = Client { entrance: Entrance::Control, address: None, uid: Some(0), ..house.client.clone() };
    let house = House { client: control, ..house };
    let ban = async |method: &str, path: &str, body: Value| {
        let answer = house.send(method, path, &[], body.to_string()).await;
        assert!(answer.status < 300, "{}", answer.text);
    };
    ban("POST", "/api/tidegate/bans", json!({"ip": "192.0.2.9"})).await;
    for (path, password) in [("/api/v2/token", "pw"), ("/api/v1/version", "pw"), ("/api/v2/users", "")] {
        let answer = banned.send("GET", path, &[("authorization", &basic("all", password))], "").await;
        answer.refused(403, "this address");
    }
    banned.client.address = Some("192.0.2.10".parse().unwrap());
    assert_eq!(banned.send("GET", "/api/v2/token", &[], "").await.status, 401);
    banned.client.address = Some("192.0.2.9".parse().unwrap());
    ban("DELETE", "/api/tidegate/bans?ip=192.0.2.9", Value::Null).await;
    assert_eq!(banned.send("GET", "/api/v2/token", &[], "").await.status, 401);
}

#[tokio::test]
async fn guesses_ban_the_address_that_makes_them() {
    // B14-03, B14-06
    let (mut guesser, house) = House::twice(RestSettings::default());
    let mut tries = 0;
    let guess = basic("root", "guess");
    while guesser.send("GET", "/api/v2/token", &[("authorization", &guess)], "").await.status == 401 {
        tries += 1;
    }
    assert_eq!(tries, 8);
    guesser.client.address = Some("192.0.2.10".parse().unwrap());
    assert_eq!(guesser.send("GET", "/api/v2/token", &[("authorization", &guess)], "").await.status, 401);
    assert_eq!(house.send("GET", "/api/v1/version", &[("authorization", &guess)], "").await.status, 403);
}

#[tokio::test]
async fn addresses_with_a_score_are_listed_shown_and_forgotten() {
    // B14-04
    let allowed_hosts = vec!["files.example".to_owned()];
    let (guesser, house) = House::twice(RestSettings { allowed_hosts, ..RestSettings::default() });
    let control = Client { entrance: Entrance::Control, address: None, uid: Some(0), ..house.client.clone() };
    let house = House { client: control, ..house };
    let ask = async |method: &str, path: &str, body: &str| {
        let answer = house.send(method, path, &[], body.to_owned()).await;
        assert!(answer.status < 300, "{method} {path}: {}", answer.text);
        answer.body
    };
    assert_eq!(
        guesser.send("GET", "/api/v2/token", &[("authorization", &basic("root", "guess"))], "").await.status,
        401
    );
    ask("POST", "/api/tidegate/bans", "{\"ip\": \"192.0.2.1\"}").await;
    let hosts = ask("GET", "/api/v2/defender/hosts", "").await;
    assert_eq!((&hosts[0]["ip"], hosts[0]["ban_time"].is_string()), (&json!("192.0.2.1"), true));
    assert_eq!((&hosts[1]["ip"], &hosts[1]["score"], hosts[1].get("ban_time")), (&json!("192.0.2.9"), &json!(2), None));
    assert_eq!(hosts.as_array().unwrap().len(), 2);
    let path = format!("/api/v2/defender/hosts/{}", hosts[1]["id"].as_str().unwrap());
    assert_eq!(ask("GET", &path, "").await["ip"], "192.0.2.9");
    ask("DELETE", &path, "").await;
    house.send("GET", &path, &[], "").await.refused(404, "none with a score");
    house.send("DELETE", &path, &[], "").await.refused(404, "not banned");
    assert_eq!(ask("GET", "/api/v2/defender/hosts", "").await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn bans_are_added_listed_shown_and_ended() {
    // B14-04
    let house = House::new();
    let add = async |body: Value| house.ask("POST", "/api/tidegate/bans", body).await;
    let added = add(json!({"ip": "192.0.2.1", "seconds": 60})).await;
    assert_eq!((added.status, &added.body["ip"], &added.body["score"]), (201, &json!("192.0.2.1"), &json!(0)));
    assert_eq!(added.body["reason"], "by an administrator");
    assert_eq!(add(json!({"ip": "2001:db8::7", "seconds": 120})).await.body["ip"], "2001:db8::/64");
    let refused = add(json!({"ip": "192.0.2.0/24"})).await;
    refused.refused(400, "no address");
    assert_eq!(refused.body["field"], "ip");
    let refused = add(json!({"ip": "192.0.2.3", "seconds": 0})).await;
    refused.refused(400, "a ban lasts a second at least");
    assert_eq!(refused.body["field"], "seconds");
    let ips = async |path: &str, list: &str| {
        let body = house.ask("GET", path, Value::Null).await.body;
        let hosts = if list.is_empty() { body } else { body[list].clone() };
        let hosts = hosts.as_array().unwrap().clone();
        hosts.iter().map(|host| host["ip"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ips("/api/tidegate/bans", "bans").await, ["192.0.2.1", "2001:db8::/64"]);
    assert_eq!(ips("/api/v2/defender/hosts", "").await, ["192.0.2.1", "2001:db8::/64"]);
    let host = house.ask("GET", "/api/v2/defender/hosts", Value::Null).await.body[1].clone();
    let path = format!("/api/v2/defender/hosts/{}", host["id"].as_str().unwrap());
    assert_eq!(house.ask("GET", &path, Value::Null).await.body, host);
    assert_eq!(house.ask("DELETE", &path, Value::Null).await.status, 200);
    house.ask("GET", &path, Value::Null).await.refused(404, "no banned address");
    house.ask("DELETE", &path, Value::Null).await.refused(404, "not banned");
    house.ask("GET", "/api/v2/defender/hosts/zz", Value::Null).await.refused(404, "zz");
    house.ask("DELETE", "/api/tidegate/bans?ip=192.0.2.9", Value::Null).await.refused(404, "not banned");
    assert_eq!(house.ask("DELETE", "/api/tidegate/bans?ip=192.0.2.1", Value::Null).await.status, 200);
    assert!(ips("/api/tidegate/bans", "bans").await.is_empty());
}

#[tokio::test]
async fn networks_are_exempted_listed_and_removed() {
    let house = House::new();
    let ask = async |method: &str, query: &str, body: Value| {
        house.ask(method, &format!("/api/tidegate/bans/exempt{query}"), body).await
    };
    house.ask("POST", "/api/tidegate/bans", json!({"ip": "192.0.2.1"})).await;
    let added = ask("POST", "", json!({"network": "192.0.2.9/24"})).await;
    assert_eq!((added.status, &added.body["network"]), (201, &json!("192.0.2.0/24")));
    let refused = ask("POST", "", json!({"network": "here"})).await;
    refused.refused(400, "no network");
    for (network, problem) in
        [("0.0.0.0/1", "0.0.0.0/1 is too wide"), ("::ffff:0:0/96", "is every address"), ("2000::/3", "16 of IPv6")]
    {
        let wide = ask("POST", "", json!({"network": network})).await;
        assert!((400..500).contains(&wide.status), "{}", wide.text);
        wide.refused(wide.status, problem);
    }
    assert_eq!(refused.body["field"], "network");
    assert_eq!(ask("GET", "", Value::Null).await.body["added"], json!(["192.0.2.0/24"]));
    let bans = house.ask("GET", "/api/tidegate/bans", Value::Null).await.body;
    assert_eq!(bans["bans"], json!([]), "the ban of its address has ended");
    assert_eq!(ask("DELETE", "?network=192.0.2.0/24", Value::Null).await.status, 200);
    ask("DELETE", "?network=192.0.2.0/24", Value::Null).await.refused(404, "no administrator has exempted");
    assert_eq!(ask("GET", "", Value::Null).await.body["added"], json!([]));
}
