//! From which page a request comes, and whether it travelled encrypted: pages of other origins change nothing, and
//! passwords do not travel in the clear.

use std::net::IpAddr;

use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, Method, Uri};
use tidegate_api::{Client, Entrance};
use url::Url;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Why a request is refused before it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// A page of another origin makes it.
    Origin,
    /// It is for another host name than those of the configuration.
    Host,
}

/// How a browser's password and cookie travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Encrypted all the way to the server, or to a trusted proxy.
    Encrypted,
    /// In the clear, without leaving this machine.
    Loopback,
    /// In the clear.
    Plain,
}

/// Refuses requests of pages of other origins: by Fetch Metadata, else by `Origin`, which all browsers send with a
/// request that changes something. Links from elsewhere are followed.
pub fn refuse_foreign(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    client: &Client,
    allowed_hosts: &[String],
) -> Result<(), Foreign> {
    let host = host(headers, uri).ok_or(Foreign::Host)?;
    let is_named = |allowed: &String| allowed.eq_ignore_ascii_case(host) || allowed.eq_ignore_ascii_case(name_of(host));
    if !allowed_hosts.is_empty() && !is_local(host) && !allowed_hosts.iter().any(is_named) {
        return Err(Foreign::Host);
    }
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let is_safe = matches!(*method, Method::GET | Method::HEAD);
    let is_own = match (text(&FETCH_SITE), text(&ORIGIN)) {
        (Some("same-origin"), _) => true,
        (Some("none"), _) => is_safe,
        (Some(_), _) => is_safe && text(&FETCH_MODE) == Some("navigate"),
        (None, Some(origin)) => Url::parse(origin).is_ok_and(|origin| is_same(&origin, host, client)),
        (None, None) => is_safe,
    };
    if is_own { Ok(()) } else { Err(Foreign::Origin) }
}

/// The way of a request.
pub fn way(uri: &Uri, headers: &HeaderMap, client: &Client) -> Way {
    if client.is_encrypted {
        return Way::Encrypted;
    }
    // A proxy on this machine may be silent about its client: requests through it name another host than this machine.
    let is_direct = client.address.is_none_or(|address| address.to_canonical().is_loopback());
    let is_asked_locally = host(headers, uri).is_some_and(is_local);
    match client.entrance {
        Entrance::Tcp { is_local: true } | Entrance::Unix if is_direct && is_asked_locally => Way::Loopback,
        Entrance::Tcp { .. } | Entrance::Unix | Entrance::Control => Way::Plain,
    }
}

fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    let mut hosts = headers.get_all(HOST).iter();
    match (uri.authority(), hosts.next(), hosts.next()) {
        // RFC 9112 section 3.2.2: the target of the request holds.
        (Some(authority), _, None) => Some(authority.as_str()),
        (None, Some(host), None) => host.to_str().ok(),
        (_, _, _) => None,
    }
}

/// The name without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}

fn is_local(host: &str) -> bool {
    let name = name_of(host);
    let address = name.trim_matches(['[', ']']).parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

fn is_same(origin: &Url, host: &str, client: &Client) -> bool {
    let Some(name) = origin.host_str() else { return false };
    let default = if client.is_encrypted { 443 } else { 80 };
    let port = host.strip_prefix(name_of(host)).and_then(|port| port.strip_prefix(':'));
    let port = port.map_or(Some(default), |port| port.parse().ok());
    name.eq_ignore_ascii_case(name_of(host)) && origin.port_or_known_default() == port
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&str, &str)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
        };
        lines.iter().map(line).collect()
    }

    fn client(is_local: bool, address: &str, is_encrypted: bool) -> Client {
        let entrance = Entrance::Tcp { is_local };
        Client { entrance, address: address.parse().ok(), peer: None, uid: None, is_encrypted }
    }

    /// `read`, `write`: whether such a request passes.
    fn check(allowed: &[&str], lines: &[(&str, &str)], read: bool, write: bool) {
        let allowed: Vec<_> = allowed.iter().map(ToString::to_string).collect();
        let uri = Uri::from_static("/web/users");
        let (client, headers) = (client(true, "127.0.0.1", false), headers(lines));
        let passes = |method: &Method| refuse_foreign(method, &uri, &headers, &client, &allowed).is_ok();
        assert_eq!((passes(&Method::GET), passes(&Method::POST)), (read, write), "{allowed:?} {lines:?}");
    }

    #[test]
    fn pages_of_other_origins_change_nothing() {
        // A19-04
        let host = ("host", "127.0.0.1:8080");
        check(&[], &[host], true, false);
        check(&[], &[], false, false);
        check(&[], &[host, ("sec-fetch-site", "same-origin")], true, true);
        check(&[], &[host, ("sec-fetch-site", "none")], true, false);
        check(&[], &[host, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")], true, false);
        for site in ["cross-site", "same-site", "x"] {
            check(&[], &[host, ("sec-fetch-site", site), ("origin", "http://127.0.0.1:8080")], false, false);
        }
        check(&[], &[host, ("origin", "http://127.0.0.1:8080")], true, true);
        check(&[], &[host, ("origin", "http://127.0.0.1:8081")], false, false);
        check(&[], &[host, ("origin", "https://127.0.0.1:8081")], false, false);
        check(&[], &[host, ("origin", "null")], false, false);
        check(&["files.example"], &[("host", "evil.example"), ("sec-fetch-site", "same-origin")], false, false);
        check(&["files.example"], &[("host", "FILES.example"), ("sec-fetch-site", "same-origin")], true, true);
        check(&["files.example"], &[("host", "localhost"), ("sec-fetch-site", "same-origin")], true, true);
        check(&[], &[("host", "a"), ("host", "b")], false, false);
    }

    #[test]
    fn passwords_travel_in_the_clear_on_this_machine_only() {
        let check = |client: &Client, host: &str, expected: Way| {
            assert_eq!(
                way(&Uri::from_static("/web"), &headers(&[("host", host)]), client),
                expected,
                "{client:?} {host}"
            );
        };
        check(&client(false, "192.0.2.1", true), "files.example", Way::Encrypted);
        check(&client(true, "127.0.0.1", false), "localhost:8080", Way::Loopback);
        check(&client(true, "::1", false), "[::1]:8080", Way::Loopback);
        check(&client(true, "127.0.0.1", false), "files.example", Way::Plain);
        check(&client(true, "192.0.2.1", false), "localhost", Way::Plain);
        check(&client(false, "192.0.2.1", false), "192.0.2.2", Way::Plain);
        check(&client(false, "127.0.0.1", false), "localhost", Way::Plain);
    }
}
