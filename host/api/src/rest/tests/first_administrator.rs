//! The first administrator.

use super::*;

const PATH: &str = "/api/tidegate/first-administrator";

/// A house without administrators, with its use cases.
fn empty_house() -> (House, Arc<Administration>) {
    let api = api(RestSettings::default());
    let administration = api.administration.clone();
    (House::of(api), administration)
}

async fn code(of: &Administration) -> String {
    of.first_administrator.make_code().await.unwrap().unwrap().text.expose().to_owned()
}

async fn add(house: &House, code: &str, name: &str, password: &str) -> Answer {
    let body = json!({"code": code, "username": name, "password": password}).to_string();
    house.send("POST", PATH, &[], body).await
}

#[tokio::test]
async fn a_code_adds_the_first_administrator_who_gets_a_token() {
    let (mut house, of) = empty_house();
    let good = code(&of).await;
    let foreign = json!({"code": good, "username": "root", "password": "pw"}).to_string();
    house.send("POST", PATH, &[("origin", "https://evil.example")], foreign).await.refused(403, "another origin");
    add(&house, &good, "root", "").await.refused(400, "password");
    let long = "x".repeat(5000);
    for (number, (name, password, field)) in
        [("a:b", "pw", "username"), ("a\0b", "pw", "username"), (&*long, "pw", "username"), ("ann", "p\0w", "password")]
            .into_iter()
            .enumerate()
    {
        // Five requests a minute are taken of each.
        house.client.address = Some(format!("192.0.2.{}", 20 + number).parse().unwrap());
        let refused = add(&house, &good, name, password).await;
        refused.refused(400, field);
        assert_eq!(refused.body["field"], field, "{}", refused.text);
        add(&house, "tgt_x_y", name, password).await.refused(403, "there is an administrator already");
    }
    house.client.address = Some("192.0.2.9".parse().unwrap());
    // A code logs in to nothing.
    let bearer = format!("Bearer {good}");
    assert_eq!(house.send("GET", "/api/v2/version", &[("authorization", &bearer)], "").await.status, 401);
    let added = add(&house, &good, "root", "pw").await;
    assert_eq!(added.status, 201, "{}", added.text);
    let token = house.send("GET", "/api/v2/token", &[("authorization", &basic("root", "pw"))], "").await;
    let bearer = format!("Bearer {}", token.body["access_token"].as_str().unwrap());
    let ask = async |path: &str| house.send("GET", path, &[("authorization", &bearer)], "").await;
    assert_eq!(ask("/api/v2/admins/root").await.body["permissions"], json!(["*"]));
    let audit = ask("/api/tidegate/audit?action=add&kind=admin").await;
    assert_eq!(audit.body["entries"][0]["name"], "root", "{}", audit.text);
    assert!(audit.text.contains("code:first-administrator") && !audit.text.contains(&good), "{}", audit.text);
}

#[tokio::test]
async fn the_answer_is_the_same_whatever_is_wrong() {
    let (empty, _) = empty_house();
    let (used, of_used) = empty_house();
    let (full, of_full) = empty_house();
    let (used_code, void) = (code(&of_used).await, code(&of_full).await);
    assert_eq!(add(&used, &used_code, "root", "pw").await.status, 201);
    let root = json!({"username": "root", "password": "pw", "permissions": ["*"]});
    let owner = Actor::local("owner", Door::Socket);
    of_full.admins.add(&owner, root.as_object().unwrap(), None).await.unwrap();
    let mut said = Vec::new();
    for (house, code) in
        [(&empty, ""), (&empty, "x"), (&full, "tgt_x_y"), (&used, used_code.as_str()), (&full, void.as_str())]
    {
        for name in ["root", "a:b"] {
            let answer = add(house, code, name, "pw").await;
            answer.refused(403, "there is an administrator already");
            said.push((answer.body["error"].clone(), answer.body["message"].clone(), answer.body["code"].clone()));
        }
    }
    said.dedup();
    assert_eq!(said.len(), 1, "{said:?}");
}

#[tokio::test]
async fn guesses_come_seldom_and_get_their_address_banned() {
    let (mut house, of) = empty_house();
    let good = code(&of).await;
    let mut limited = 0;
    // A minute may end meanwhile.
    for _ in 0..14 {
        limited += u32::from(add(&house, "tgt_x_y", "root", "pw").await.status == 429);
    }
    assert!(limited >= 4, "{limited}");
    // With wrong passwords, which score as well, it is refused.
    for _ in 0..8 {
        house.send("GET", "/api/v2/token", &[("authorization", &basic("root", "wrong"))], "").await;
    }
    add(&house, &good, "root", "pw").await.refused(403, "for a while");
    house.client.address = Some("192.0.2.10".parse().unwrap());
    assert_eq!(add(&house, &good, "root", "pw").await.status, 201);
}
