//! The page for the first administrator.

use super::{Answer, House};

const PAGE: &str = "/web/first";
const DENIED: &str = "The code is wrong, was used, has expired, or there is an administrator already.";

fn empty_house() -> House {
    House::without_administrators("login-pre", true)
}

async fn code(house: &House) -> String {
    let made = house.web.administration.first_administrator.make_code().await.unwrap().unwrap();
    made.text.expose().to_owned()
}

async fn add(house: &House, code: &str, name: &str, password: &str, again: &str) -> Answer {
    let fields = [("code", code), ("username", name), ("password", password), ("again", again)];
    house.post(PAGE, "", &fields).await
}

#[tokio::test]
async fn the_first_administrator_is_added_and_logs_in() {
    let house = empty_house();
    let good = code(&house).await;
    let page = house.get(PAGE, "").await;
    assert!(page.status == 200 && page.text.contains("name=\"again\"") && !page.text.contains(&good), "{page:?}");
    for (name, password, again, status) in [
        ("root", "pw", "other", 400),
        ("root", "", "", 400),
        ("a:b", "pw", "pw", 422),
        ("", "pw", "pw", 422),
        ("a\0b", "pw", "pw", 422),
    ] {
        let refused = add(&house, &good, name, password, again).await;
        assert_eq!((refused.status, refused.header("set-cookie")), (status, ""), "{name} {}", refused.text);
        assert!(!refused.text.contains("value=\"pw\""), "{}", refused.text);
    }
    let added = add(&house, &format!(" {good}\n"), "root", "pw", "pw").await;
    assert_eq!((added.status, added.header("location")), (303, "/web/login?done=added"), "{}", added.text);
    assert!(house.get("/web/login?done=added", "").await.text.contains("was added"));
    let root = house.log_in("root").await;
    assert_eq!(house.get("/web/admins", &root).await.status, 200);
    let audit = house.get("/web/audit", &root).await.text;
    assert!(audit.contains("code:first-administrator") && !audit.contains(&good), "{audit}");
    // No page leads to it.
    for path in ["/web", "/web/login", "/web/admins"] {
        assert!(!house.get(path, &root).await.text.contains(PAGE), "{path}");
    }
}

#[tokio::test]
async fn the_page_says_the_same_whatever_is_wrong() {
    let (empty, full) = (empty_house(), House::new().await);
    let (used, before) = (empty_house(), empty_house());
    let (of_used, of_before) = (code(&used).await, code(&before).await);
    assert_eq!(add(&used, &of_used, "root", "pw", "pw").await.status, 303);
    before.admin("root", serde_json::json!({})).await;
    let shown = empty.get(PAGE, "").await.text;
    for (house, code) in
        [(&empty, ""), (&empty, "x"), (&full, "tgt_x_y"), (&used, of_used.as_str()), (&before, of_before.as_str())]
    {
        assert_eq!(house.get(PAGE, "").await.text, shown);
        for name in ["root", "a:b"] {
            let answer = add(house, code, name, "pw", "pw").await;
            assert!(answer.status == 403 && answer.text.contains(DENIED), "{code} {name} {answer:?}");
        }
    }
}

#[tokio::test]
async fn guesses_come_seldom() {
    let house = empty_house();
    let mut limited = 0;
    // A minute may end meanwhile.
    for _ in 0..14 {
        let answer = add(&house, "tgt_x_y", "ann", "pw", "pw").await;
        limited += u32::from(answer.status == 429);
        assert!(answer.status == 429 || answer.text.contains(DENIED), "{answer:?}");
    }
    assert!(limited >= 4, "{limited}");
}

#[tokio::test]
async fn pages_of_other_origins_and_ways_in_the_clear_are_refused() {
    let mut house = empty_house();
    let good = code(&house).await;
    let body = format!("code={good}&username=ann&password=pw&again=pw");
    for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "http://evil.example"), ("x-none", "")] {
        assert_eq!(house.send("POST", PAGE, &[(name, value)], &body).await.status, 403, "{name}");
    }
    house.client.address = Some("192.0.2.1".parse().unwrap());
    let page = house.get(PAGE, "").await.text;
    assert!(page.contains("not encrypted") && !page.contains("<form"), "{page}");
    assert_eq!(add(&house, &good, "ann", "pw", "pw").await.status, 403);
    house.client.is_encrypted = true;
    assert_eq!(add(&house, &good, "ann", "pw", "pw").await.status, 303);
}

#[tokio::test]
async fn a_store_that_is_away_uses_up_no_code_and_is_not_described() {
    let house = empty_house();
    let good = code(&house).await;
    house.outage.set_away(true);
    let refused = add(&house, &good, "root", "pw", "pw").await;
    assert!(refused.status == 503 && !refused.text.contains("database.internal"), "{refused:?}");
    house.outage.set_away(false);
    assert_eq!(add(&house, &good, "root", "pw", "pw").await.status, 303);
}
