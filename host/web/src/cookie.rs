//! The cookie that holds a browser's token.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

use crate::transport::Way;

/// A browser takes a cookie of this name over TLS only, from the host itself, for all paths (RFC 6265bis).
const SECURE: &str = "__Host-tidegate";
const LOOPBACK: &str = "tidegate";

/// The name of the cookie; None: there is none on that way.
fn name(way: Way) -> Option<&'static str> {
    match way {
        Way::Encrypted => Some(SECURE),
        Way::Loopback => Some(LOOPBACK),
        Way::Plain => None,
    }
}

/// The token of a request. One that has two is refused both.
pub fn token(headers: &HeaderMap, way: Way) -> Option<String> {
    let name = name(way)?;
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut found = pairs.filter(|(found, value)| *found == name && !value.is_empty());
    match (found.next(), found.next()) {
        (Some((_, value)), None) => Some(value.to_owned()),
        (_, _) => None,
    }
}

/// The header that gives a browser its token; an empty text takes it away.
pub fn header(token: &str, way: Way) -> Option<HeaderValue> {
    let (name, secure) = (name(way)?, if way == Way::Encrypted { "; Secure" } else { "" });
    let age = if token.is_empty() { "; Max-Age=0" } else { "" };
    HeaderValue::from_str(&format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict{secure}{age}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_where_it_may_be() {
        let check = |line: &'static str, way: Way, expected: Option<&str>| {
            let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_static(line))]);
            assert_eq!(token(&headers, way).as_deref(), expected, "{line} {way:?}");
        };
        check("a=b; __Host-tidegate=t", Way::Encrypted, Some("t"));
        check("tidegate=t", Way::Encrypted, None);
        check("tidegate=t", Way::Loopback, Some("t"));
        check("tidegate=t; tidegate=u", Way::Loopback, None);
        check("tidegate=", Way::Loopback, None);
        check("tidegate=t; __Host-tidegate=t", Way::Plain, None);
        let line = |token: &str, way| header(token, way).map(|value| value.to_str().unwrap().to_owned());
        let expected = "__Host-tidegate=t; Path=/; HttpOnly; SameSite=Strict; Secure";
        assert_eq!(line("t", Way::Encrypted).as_deref(), Some(expected));
        assert_eq!(line("", Way::Loopback).as_deref(), Some("tidegate=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"));
        assert_eq!(line("t", Way::Plain), None);
    }
}
