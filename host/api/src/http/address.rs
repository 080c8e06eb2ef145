//! The address of a client, behind the proxies that are trusted.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::http::header::{HOST, REFERER, USER_AGENT};
use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use tidegate_core::connection::WebVisit;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// Headers with the address of a client that the server does not read.
const NOT_READ: [HeaderName; 2] = [HeaderName::from_static("forwarded"), HeaderName::from_static("x-real-ip")];
const VIA: HeaderName = HeaderName::from_static("via");

/// The address of a client of which a trusted proxy says nothing that the server understands. It is in no allow list,
/// and it is not this machine.
const UNKNOWN: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Whether a header says that a proxy has passed the request on.
pub fn is_forwarded(headers: &HeaderMap) -> bool {
    let is_mark =
        |name: &HeaderName| name.as_str().starts_with("x-forwarded-") || NOT_READ.contains(name) || *name == VIA;
    headers.keys().any(is_mark)
}

/// The way by which a request has come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance {
    /// A TCP socket; `is_local`: both ends are on this machine.
    Tcp { is_local: bool },
    /// A unix socket of the configuration: its mode says which users and proxies may connect.
    Unix,
    /// The control socket, which the server's own user and root may use.
    Control,
}

/// The client of a request; every request has it among its extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    pub entrance: Entrance,
    /// The client's address, as the nearest trusted proxy tells it; none over a unix socket without one. The
    /// unspecified address: a trusted proxy tells it in a way that is not understood.
    pub address: Option<IpAddr>,
    /// The other end of the connection, for the log.
    pub peer: Option<SocketAddr>,
    /// The user at the other end of a unix socket, as the kernel tells it.
    pub uid: Option<u32>,
    /// Whether the connection is encrypted: the one to this server, or, as a trusted proxy tells, the one to the proxy.
    pub is_encrypted: bool,
}

impl Client {
    /// What the log shows: the other end, or the client that a proxy tells of.
    pub(super) fn remote(&self) -> String {
        match (self.peer, self.address) {
            (Some(peer), Some(address)) if peer.ip().to_canonical() != address => address.to_string(),
            (Some(peer), _) => peer.to_string(),
            (None, Some(address)) => address.to_string(),
            (None, None) => "unix".to_owned(),
        }
    }
}

/// What the client of a request says of itself.
pub fn visit(headers: &HeaderMap) -> WebVisit {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let host = text(HOST);
    // The port is no part of it; an IPv6 address stands in brackets.
    let host = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or_default(),
    };
    WebVisit {
        host: host.to_owned(),
        referer: text(REFERER).to_owned(),
        user_agent: text(USER_AGENT).to_owned(),
        ..WebVisit::default()
    }
}

/// The proxies whose header `X-Forwarded-For` is believed.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(pub Vec<IpNet>);

impl TrustedProxies {
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client of a request, with what trusted proxies tell of it. `direct`: what the socket says of the other end, whose
    /// address is not looked at.
    pub fn told(&self, direct: Client, headers: &HeaderMap) -> Client {
        let peer = direct.peer.map(|peer| peer.ip());
        let is_encrypted = direct.is_encrypted || self.tells_encryption(peer, headers);
        Client { address: self.client(peer, headers), is_encrypted, ..direct }
    }

    /// The address of the client. Each proxy appends the address that it was asked from, so the list is read from
    /// its end, and only for as long as trusted proxies have written it: what a client has sent itself stands
    /// before that. An entry of a trusted proxy that is no address leaves the client unknown: the proxy's own address
    /// would give the client the proxy's rights. `peer`: the other end of the connection; None: a unix socket, whose
    /// other end is trusted.
    fn client(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        let mut nearest = peer.map(|address| address.to_canonical());
        let lines: Vec<_> = headers.get_all(FORWARDED_FOR).iter().collect();
        if lines.is_empty() && NOT_READ.iter().any(|name| headers.contains_key(name)) {
            return if nearest.is_none_or(|address| self.trusts(address)) { Some(UNKNOWN) } else { nearest };
        }
        for line in lines.into_iter().rev() {
            // Proxies append to what the client has sent, which may be no text.
            let line = String::from_utf8_lossy(line.as_bytes());
            for text in line.split(',').rev() {
                if nearest.is_some_and(|address| !self.trusts(address)) {
                    return nearest;
                }
                let Some(address) = address_of(text.trim()) else { return Some(UNKNOWN) };
                nearest = Some(address);
            }
        }
        nearest
    }

    /// Whether the proxy at the other end, a trusted one, was asked over TLS. Where there are several proxies, each has
    /// written what it saw, and all of them have to say so.
    fn tells_encryption(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> bool {
        let is_trusted = peer.is_none_or(|address| self.trusts(address.to_canonical()));
        let mut lines = headers.get_all(FORWARDED_PROTO).iter();
        match (lines.next().and_then(|line| line.to_str().ok()), lines.next()) {
            (Some(line), None) => is_trusted && line.split(',').all(|text| text.trim().eq_ignore_ascii_case("https")),
            (_, _) => false,
        }
    }
}

/// An address with or without brackets and port.
fn address_of(text: &str) -> Option<IpAddr> {
    let parsed = text.parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    parsed.or_else(|_| text.trim_matches(['[', ']']).parse()).ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_trusted_proxies_tell_the_client() {
        let proxies = TrustedProxies(vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]);
        let check_bytes = |peer: Option<&str>, lines: &[&[u8]], expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(FORWARDED_FOR, HeaderValue::from_bytes(line).unwrap());
            }
            let peer = peer.map(|peer| peer.parse().unwrap());
            let expected = expected.map(|expected| expected.parse().unwrap());
            assert_eq!(proxies.client(peer, &headers), expected, "{peer:?} {lines:?}");
        };
        let check = |peer: Option<&str>, lines: &[&str], expected: Option<&str>| {
            check_bytes(peer, &lines.iter().map(|line| line.as_bytes()).collect::<Vec<_>>(), expected);
        };
        check(Some("192.0.2.1"), &[], Some("192.0.2.1"));
        check(Some("192.0.2.1"), &["198.51.100.7"], Some("192.0.2.1"));
        check(Some("10.0.0.1"), &["198.51.100.7"], Some("198.51.100.7"));
        check(Some("10.0.0.1"), &["1.2.3.4, 198.51.100.7"], Some("198.51.100.7"));
        check(Some("10.0.0.1"), &["1.2.3.4", "198.51.100.7, 10.0.0.2"], Some("198.51.100.7"));
        check(Some("10.0.0.1"), &["unknown"], Some("0.0.0.0"));
        check(Some("10.0.0.1"), &[""], Some("0.0.0.0"));
        check(Some("10.0.0.1"), &["1.2.3.4, x, 10.0.0.2"], Some("0.0.0.0"));
        check_bytes(Some("10.0.0.1"), &[b"\xff, 198.51.100.7"], Some("198.51.100.7"));
        check_bytes(Some("10.0.0.1"), &[b"\xff"], Some("0.0.0.0"));
        check_bytes(Some("10.0.0.1"), &[b"198.51.100.7\xff"], Some("0.0.0.0"));
        check_bytes(Some("192.0.2.1"), &[b"\xff"], Some("192.0.2.1"));
        check_bytes(None, &[b"\xff"], Some("0.0.0.0"));
        check(Some("10.0.0.1"), &["[2001:db8::1]:443"], Some("2001:db8::1"));
        check(Some("::ffff:10.0.0.1"), &["::ffff:198.51.100.7"], Some("198.51.100.7"));
        check(None, &[], None);
        check(None, &["1.2.3.4, 198.51.100.7"], Some("198.51.100.7"));
    }

    #[test]
    fn other_headers_of_proxies_leave_the_client_unknown() {
        let proxies = TrustedProxies(vec!["10.0.0.0/8".parse().unwrap()]);
        let check = |peer: Option<&str>, name: &'static str, expected: Option<&str>, is_mark: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static("127.0.0.1"));
            let peer = peer.map(|peer| peer.parse().unwrap());
            let expected = expected.map(|expected| expected.parse().unwrap());
            assert_eq!(proxies.client(peer, &headers), expected, "{peer:?} {name}");
            assert_eq!(is_forwarded(&headers), is_mark, "{name}");
        };
        check(Some("10.0.0.1"), "forwarded", Some("0.0.0.0"), true);
        check(Some("10.0.0.1"), "x-real-ip", Some("0.0.0.0"), true);
        check(None, "x-real-ip", Some("0.0.0.0"), true);
        check(Some("192.0.2.1"), "x-real-ip", Some("192.0.2.1"), true);
        check(Some("10.0.0.1"), "via", Some("10.0.0.1"), true);
        check(Some("10.0.0.1"), "x-forwarded-host", Some("10.0.0.1"), true);
        check(Some("10.0.0.1"), "host", Some("10.0.0.1"), false);
    }

    #[test]
    fn only_trusted_proxies_tell_of_encryption() {
        let proxies = TrustedProxies(vec!["10.0.0.0/8".parse().unwrap()]);
        let check = |peer: Option<&str>, lines: &[&str], expected: bool| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(FORWARDED_PROTO, HeaderValue::from_str(line).unwrap());
            }
            let peer = peer.map(|peer| peer.parse().unwrap());
            assert_eq!(proxies.tells_encryption(peer, &headers), expected, "{peer:?} {lines:?}");
        };
        check(Some("10.0.0.1"), &["https"], true);
        check(Some("10.0.0.1"), &["HTTPS, https"], true);
        check(Some("10.0.0.1"), &["https, http"], false);
        check(Some("10.0.0.1"), &["https", "https"], false);
        check(Some("10.0.0.1"), &[], false);
        check(Some("192.0.2.1"), &["https"], false);
        check(None, &["https"], true);
    }
}
