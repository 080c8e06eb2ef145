//! Explanations and tests of hooks.

use super::*;

#[tokio::test]
async fn a_login_is_explained() {
    let house = House::new();
    let ask = async |query: &str| house.ask("GET", &format!("/api/tidegate/hooks/explain{query}"), Value::Null).await;
    let answer = ask("?username=ann&method=publickey&address=2001:db8::1").await;
    assert_eq!((answer.status, &answer.body["is_stored"]), (200, &json!(false)), "{}", answer.text);
    let links = answer.body["points"][0]["links"].as_array().unwrap();
    assert_eq!((&links[0]["target"], &links[0]["runs"]), (&json!("/ann/publickey/2001:db8::1"), &json!(true)));
    assert_eq!((&links[1]["runs"], &links[1]["reason"]), (&json!(false), &json!("its \"users\" do not match")));
    assert_eq!(ask("?username=ann").await.body["points"][0]["links"][0]["target"], "/ann/password/127.0.0.1");
    for (query, field) in
        [("", "username"), ("?username=a&method=telepathy", "method"), ("?username=a&address=here", "address")]
    {
        let refused = ask(query).await;
        refused.refused(400, field);
        assert_eq!(refused.body["field"], field);
    }
}

#[tokio::test]
async fn hooks_are_asked_about_made_up_events() {
    let house = House::new();
    let ask = async |event: Value| house.ask("POST", "/api/tidegate/hooks/test", event).await;
    let answer = ask(json!({"hook": "login-pre"})).await;
    assert_eq!((answer.status, &answer.body["verdict"]), (200, &json!("allow")), "{}", answer.text);
    ask(json!({})).await.refused(400, "no hook point");
    ask(json!([])).await.refused(400, "body");
}

#[tokio::test]
async fn plugins_are_changed_where_the_settings_allow_it() {
    let house = House::new();
    let put = async |body: Value| house.ask("PUT", "/api/tidegate/plugins/guard", body).await;
    put(json!({"component": "AGFzbQ==", "signature": "x"})).await.refused(403, "not changed over the network");
    put(json!({"component": "!", "signature": "x"})).await.refused(400, "Base64");
    put(json!({"component": "AGFzbQ=="})).await.refused(400, "signature");
    put(json!({"component": "AGFzbQ==", "signature": "x", "grants": ["*"]})).await.refused(400, "grants");
    house.ask("DELETE", "/api/tidegate/plugins/guard", Value::Null).await.refused(404, "no such plugin");
    // No version is that of a plugin that is not there (RFC 9110 section 13.1.1).
    for line in ["*", "\"x\""] {
        let body = json!({"component": "AGFzbQ==", "signature": "x"});
        let refused = house.based("PUT", "/api/tidegate/plugins/guard", &[("if-match", line)], body).await;
        refused.refused(412, "there is no object");
    }
}
