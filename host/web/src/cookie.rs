//! The cookies that hold a browser's token: that of an administrator, and that of a user.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

use crate::transport::Way;

/// A kind of cookie.
pub struct Cookie {
    /// A browser takes a cookie of such a name over TLS only, from the host itself, for all paths (RFC 6265bis).
    secure: &'static str,
    loopback: &'static str,
    /// The path of the latter.
    path: &'static str,
}

pub const ADMIN: Cookie = Cookie { secure: "__Host-tidegate", loopback: "tidegate", path: "/" };
pub const PERSON: Cookie =
    Cookie { secure: "__Host-tidegate-client", loopback: "tidegate-client", path: "/web/client" };

impl Cookie {
    /// The name of the cookie, and its path; None: there is none on that way.
    fn name(&self, way: Way) -> Option<(&'static str, &'static str)> {
        match way {
            Way::Encrypted => Some((self.secure, "/")),
            Way::Loopback => Some((self.loopback, self.path)),
            Way::Plain => None,
        }
    }

    /// The token of a request. One that has two is refused both.
    pub fn token(&self, headers: &HeaderMap, way: Way) -> Option<String> {
        let (name, _) = self.name(way)?;
        let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut found = pairs.filter(|(found, value)| *found == name && !value.is_empty());
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Some(value.to_owned()),
            (_, _) => None,
        }
    }

    /// The header that gives a browser its token; an empty text takes it away.
    pub fn header(&self, token: &str, way: Way) -> Option<HeaderValue> {
        let ((name, path), secure) = (self.name(way)?, if way == Way::Encrypted { "; Secure" } else { "" });
        let age = if token.is_empty() { "; Max-Age=0" } else { "" };
        HeaderValue::from_str(&format!("{name}={token}; Path={path}; HttpOnly; SameSite=Strict{secure}{age}")).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_where_it_may_be() {
        let check = |line: &'static str, way: Way, expected: Option<&str>| {
            let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_static(line))]);
            assert_eq!(ADMIN.token(&headers, way).as_deref(), expected, "{line} {way:?}");
        };
        check("a=b; __Host-tidegate=t", Way::Encrypted, Some("t"));
        check("tidegate=t", Way::Encrypted, None);
        check("tidegate=t", Way::Loopback, Some("t"));
        check("tidegate=t; tidegate=u", Way::Loopback, None);
        check("tidegate=", Way::Loopback, None);
        check("tidegate=t; __Host-tidegate=t", Way::Plain, None);
        let line = |token: &str, way| ADMIN.header(token, way).map(|value| value.to_str().unwrap().to_owned());
        let expected = "__Host-tidegate=t; Path=/; HttpOnly; SameSite=Strict; Secure";
        assert_eq!(line("t", Way::Encrypted).as_deref(), Some(expected));
        assert_eq!(line("", Way::Loopback).as_deref(), Some("tidegate=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"));
        assert_eq!(line("t", Way::Plain), None);
        let line = |way| PERSON.header("t", way).map(|value| value.to_str().unwrap().to_owned());
        let expected = "__Host-tidegate-client=t; Path=/; HttpOnly; SameSite=Strict; Secure";
        assert_eq!(line(Way::Encrypted).as_deref(), Some(expected));
        let expected = "tidegate-client=t; Path=/web/client; HttpOnly; SameSite=Strict";
        assert_eq!(line(Way::Loopback).as_deref(), Some(expected));
    }
}
