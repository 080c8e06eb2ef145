//! Answers that are given again, and those that are not.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, ETAG};
use http_body_util::BodyExt;
use tokio::time::advance;

use super::super::Entrance;
use super::*;

const TAG: &str = "W/\"1\"";

/// The headers of a browser with a session.
const ANN: [(&str, &str); 3] = [("host", "files.example"), ("cookie", "__Host-tidegate=ann"), ("hx-request", "true")];

struct House(Repeats);

impl House {
    fn new() -> Self {
        Self(Repeats { repeated: Arc::default(), metrics: Arc::default(), site: 0 })
    }

    fn look(&self, method: &str, uri: &str, headers: &[(&str, &str)], client: &Client) -> Look {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.0.look(&request.body(()).unwrap(), client)
    }

    fn learn(&self, afterwards: Afterwards, response: &mut Response) {
        self.0.clone().pending(afterwards).learn(response);
    }

    /// Whether a GET is answered with what was kept.
    fn knows(&self, uri: &str, headers: &[(&str, &str)], client: &Client) -> bool {
        matches!(self.look("GET", uri, headers, client), Look::Known(_))
    }

    /// The router's answer to a GET of ann.
    fn answered(&self, mut response: Response) {
        let Look::New(afterwards) = self.look("GET", "/part", &ANN, &client()) else { panic!("it is known") };
        self.learn(afterwards, &mut response);
        assert!(response.extensions().get::<Repeatable>().is_none());
    }
}

fn peer(port: u16) -> Option<SocketAddr> {
    Some(SocketAddr::from(([192, 0, 2, 1], port)))
}

fn client() -> Client {
    let address = Some(IpAddr::from([192, 0, 2, 1]));
    let entrance = Entrance::Tcp { is_local: false };
    Client { entrance, address, peer: peer(1), uid: None, is_encrypted: true }
}

/// An answer with the part, or, where the browser has that, without it.
fn response(status: StatusCode) -> Response {
    let about_body = vec![(CONTENT_TYPE, HeaderValue::from_static("text/html"))];
    let (tag, until) = (HeaderValue::from_static(TAG), Instant::now() + Duration::from_secs(1));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(ETAG, tag.clone());
    response.headers_mut().insert(NUMBER, HeaderValue::from_static("first"));
    response.headers_mut().insert("content-security-policy", HeaderValue::from_static("strict"));
    response.extensions_mut().insert(Repeatable { until, tag, about_body, body: Bytes::from_static(b"text") });
    response
}

#[tokio::test(start_paused = true)]
async fn the_same_question_has_the_same_answer_for_a_moment() {
    for first in [StatusCode::OK, StatusCode::NOT_MODIFIED] {
        let house = House::new();
        house.answered(response(first));
        let check = async |tag: &str, status: u16, kind: &str, text: &str| {
            let headers = [ANN.as_slice(), &[("if-none-match", tag)]].concat();
            let Look::Known(response) = house.look("GET", "/part", &headers, &client()) else { panic!("{tag}") };
            let header = |name: &str| response.headers().get(name).map_or("", |value| value.to_str().unwrap());
            assert_eq!((response.status().as_u16(), header("content-type")), (status, kind), "{first} {tag}");
            assert_eq!((header("etag"), header("content-security-policy")), (TAG, "strict"), "{first} {tag}");
            assert!(!header("x-request-id").is_empty() && header("x-request-id") != "first", "{first} {tag}");
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), text, "{first} {tag}");
        };
        check("W/\"0\"", 200, "text/html", "text").await;
        check(TAG, 304, "", "").await;
        // Each is counted as any other.
        let counts = house.0.metrics.counts().http;
        assert_eq!((counts.all, counts.ok), (2, 1), "{first}");
        advance(Duration::from_secs(1)).await;
        assert!(!house.knows("/part", &ANN, &client()), "{first}");
    }
}

#[test]
fn answers_to_programs_are_not_kept() {
    let house = House::new();
    let check = |headers: &[(&str, &str)], expected: bool| {
        let look = house.look("GET", "/api/v2/users/ann", headers, &client());
        assert_eq!(matches!(look, Look::New(Afterwards::Keep(_))), expected, "{headers:?}");
    };
    check(&ANN, true);
    check(&[("x-sftpgo-api-key", "key")], false);
    check(&[("authorization", "Bearer token")], false);
}

#[tokio::test(start_paused = true)]
async fn who_asks_in_another_way_is_looked_at() {
    let house = House::new();
    house.answered(response(StatusCode::OK));
    let check = |uri: &str, headers: &[(&str, &str)], client: &Client, expected: bool| {
        assert_eq!(house.knows(uri, headers, client), expected, "{uri} {headers:?} {client:?}");
    };
    check("/part", &ANN, &client(), true);
    // Another connection of the same client.
    check("/part", &ANN, &Client { peer: peer(2), ..client() }, true);
    check("/part?search=b", &ANN, &client(), false);
    // Another session, none, or two: of another administrator, with another role.
    for cookie in ["__Host-tidegate=bob", "__Host-tidegate=", "__Host-tidegate=ann; __Host-tidegate=bob"] {
        let [host, _, part] = ANN;
        check("/part", &[host, ("cookie", cookie), part], &client(), false);
        check("/part", &[host, ("cookie", "__Host-tidegate=ann"), part, ("cookie", cookie)], &client(), false);
    }
    let [host, cookie, part] = ANN;
    check("/part", &[host, part], &client(), false);
    check("/part", &[host, cookie], &client(), false);
    check("/part", &[("host", "evil.example"), cookie, part], &client(), false);
    for (name, value) in
        [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("accept-encoding", "gzip")]
    {
        check("/part", &[host, cookie, part, (name, value)], &client(), false);
    }
    check("/part", &ANN, &Client { address: Some(IpAddr::from([192, 0, 2, 2])), ..client() }, false);
    check("/part", &ANN, &Client { address: None, ..client() }, false);
    check("/part", &ANN, &Client { is_encrypted: false, ..client() }, false);
    check("/part", &ANN, &Client { uid: Some(0), ..client() }, false);
    check("/part", &ANN, &Client { entrance: Entrance::Tcp { is_local: true }, ..client() }, false);
    check("/part", &ANN, &Client { entrance: Entrance::Unix, ..client() }, false);
    // A binding with other pages.
    let other = House(Repeats { site: 1, ..house.0.clone() });
    assert!(!other.knows("/part", &ANN, &client()));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_to_be_given_again_is_not_kept() {
    let check = |change: fn(&mut Response), expected: bool| {
        let (house, mut response) = (House::new(), response(StatusCode::OK));
        change(&mut response);
        house.answered(response);
        assert_eq!(house.knows("/part", &ANN, &client()), expected);
    };
    check(|_| {}, true);
    check(|response| drop(response.extensions_mut().remove::<Repeatable>()), false);
    check(|response| *response.status_mut() = StatusCode::FORBIDDEN, false);
    check(|response| drop(response.headers_mut().insert(SET_COOKIE, HeaderValue::from_static("a=b"))), false);
    let house = House::new();
    let long = "x".repeat(LONGEST);
    let headers = [ANN.as_slice(), &[("x", long.as_str())]].concat();
    assert!(matches!(house.look("GET", "/part", &headers, &client()), Look::New(Afterwards::Nothing)));
}

#[tokio::test(start_paused = true)]
async fn what_may_have_changed_is_looked_at_again() {
    for (method, expected) in
        [("GET", true), ("HEAD", true), ("OPTIONS", true), ("POST", false), ("DELETE", false), ("X", false)]
    {
        let house = House::new();
        house.answered(response(StatusCode::OK));
        // Asked before the change, and answered after it.
        let Look::New(late) = house.look("GET", "/late", &ANN, &client()) else { panic!("{method}") };
        // The change is made on another binding.
        let other = House(Repeats { site: 1, ..house.0.clone() });
        let Look::New(afterwards) = other.look(method, "/other", &ANN, &client()) else { panic!("{method}") };
        other.learn(afterwards, &mut Response::new(Body::empty()));
        house.learn(late, &mut response(StatusCode::OK));
        assert_eq!(house.knows("/part", &ANN, &client()), expected, "{method}");
        assert_eq!(house.knows("/late", &ANN, &client()), expected, "{method}");
    }
}

/// A client that leaves ends its request, and what that has changed is changed all the same; older clients change by GET.
#[tokio::test(start_paused = true)]
async fn what_was_not_answered_or_says_that_it_changed_something_is_a_change() {
    let long = "x".repeat(LONGEST);
    let (short, long): ([_; 0], _) = ([], [("x", long.as_str())]);
    let (short, long) = (short.as_slice(), long.as_slice());
    for (method, headers) in [("GET", short), ("GET", long), ("HEAD", short), ("POST", short), ("DELETE", short)] {
        let begin = || {
            let house = House::new();
            house.answered(response(StatusCode::OK));
            let Look::New(late) = house.look("GET", "/late", &ANN, &client()) else { panic!("{method}") };
            let Look::New(afterwards) = house.look(method, "/other", headers, &client()) else { panic!("{method}") };
            let pending = house.0.clone().pending(afterwards);
            (house, late, pending)
        };
        let check = |house: &House, late: Afterwards, what: &str| {
            house.learn(late, &mut response(StatusCode::OK));
            assert!(!house.knows("/part", &ANN, &client()), "{method} {what}");
            assert!(!house.knows("/late", &ANN, &client()), "{method} {what}");
        };
        let (house, late, pending) = begin();
        drop(pending);
        check(&house, late, "was not answered");
        let (house, late, pending) = begin();
        let mut answer = response(StatusCode::OK);
        answer.extensions_mut().insert(Changed);
        pending.learn(&mut answer);
        check(&house, late, "says so");
        assert!(!house.knows("/other", headers, &client()), "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn large_answers_are_kept_while_there_is_room() {
    let house = House::new();
    let ask = |uri: &str| {
        let Look::New(afterwards) = house.look("GET", uri, &ANN, &client()) else { panic!("{uri}") };
        let mut answer = response(StatusCode::OK);
        let part = answer.extensions_mut().get_mut::<Repeatable>().unwrap();
        part.body = vec![b'x'; MOST / 4].into();
        house.learn(afterwards, &mut answer);
        house.knows(uri, &ANN, &client())
    };
    let kept: Vec<_> = (0..5).map(|number| ask(&format!("/{number}"))).collect();
    assert_eq!(kept, [true, true, true, false, false]);
    advance(Duration::from_secs(1)).await;
    assert!(ask("/new"));
}

#[tokio::test(start_paused = true)]
async fn few_answers_are_kept_and_old_ones_make_room() {
    let house = House::new();
    let ask = |uri: &str| {
        let Look::New(afterwards) = house.look("GET", uri, &ANN, &client()) else { panic!("{uri}") };
        house.learn(afterwards, &mut response(StatusCode::OK));
    };
    for number in 0..KEPT + 10 {
        ask(&format!("/{number}"));
    }
    assert_eq!(house.0.repeated.lock().known.len(), KEPT);
    advance(Duration::from_secs(1)).await;
    ask("/new");
    assert_eq!(house.0.repeated.lock().known.len(), 1);
}
