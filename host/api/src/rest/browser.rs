//! Refuses requests that a page in a browser makes, with the credentials of the browser or from the browser's place.
//! The interface answers to no origin but its own (no CORS); what a browser says of a request decides, in the order of
//! Fetch Metadata (`Sec-Fetch-Site`), `Origin`, `Referer`.

use axum::http::header::{HOST, ORIGIN, REFERER, USER_AGENT};
use axum::http::{HeaderMap, HeaderName, Uri};
use tidegate_api_types::ErrorCode;
use url::Url;

use super::RestSettings;
use crate::answer::Refusal;
use crate::http::Client;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses requests for a host name that is not the server's, if the names are known, and requests of pages of another
/// origin.
///
/// # Errors
/// `Forbidden`
pub fn refuse_pages(settings: &RestSettings, client: &Client, headers: &HeaderMap, uri: &Uri) -> Result<(), Refusal> {
    let host = host(headers, uri)?;
    if !settings.allowed_hosts.is_empty() && !is_local(host) && !is_allowed(settings, host) {
        return Err(wrong_host(host));
    }
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    match (text(&FETCH_SITE), text(&ORIGIN), text(&REFERER)) {
        (Some("same-origin" | "none"), _, _) => Ok(()),
        (Some(_), _, _) => Err(cross_origin()),
        (None, Some(origin), _) | (None, None, Some(origin)) => {
            let is_own = Url::parse(origin).is_ok_and(|origin| is_same(&origin, host, client));
            if is_own { Ok(()) } else { Err(cross_origin()) }
        }
        (None, None, None) => Ok(()),
    }
}

/// For requests without credentials, whose place alone is trusted: refuses names that are not those of this machine
/// and not in the settings (DNS rebinding), and browsers that say nothing of the page.
///
/// # Errors
/// `Forbidden`
pub fn refuse_browsers(settings: &RestSettings, _: &Client, headers: &HeaderMap, uri: &Uri) -> Result<(), Refusal> {
    let host = host(headers, uri)?;
    if !is_local(host) && !is_allowed(settings, host) {
        return Err(wrong_host(host));
    }
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    // All browsers begin so; those of today say more than that.
    if agent.starts_with("Mozilla/") && !headers.contains_key(FETCH_SITE) {
        return Err(cross_origin());
    }
    Ok(())
}

/// The host of the request, with its port.
fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Result<&'a str, Refusal> {
    let mut hosts = headers.get_all(HOST).iter();
    let unclear = || Refusal::new(ErrorCode::Malformed, "the request has to name its host once, in the header Host");
    match (uri.authority(), hosts.next(), hosts.next()) {
        // RFC 9112 section 3.2.2: the target of the request holds.
        (Some(authority), _, None) => Ok(authority.as_str()),
        (None, Some(host), None) => host.to_str().map_err(|_| unclear()),
        (_, _, _) => Err(unclear()),
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
    let address = name.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

fn is_allowed(settings: &RestSettings, host: &str) -> bool {
    let is = |allowed: &String| allowed.eq_ignore_ascii_case(host) || allowed.eq_ignore_ascii_case(name_of(host));
    settings.allowed_hosts.iter().any(is)
}

fn is_same(origin: &Url, host: &str, client: &Client) -> bool {
    let Some(name) = origin.host_str() else { return false };
    let default = if client.is_encrypted { 443 } else { 80 };
    let port = host.strip_prefix(name_of(host)).and_then(|port| port.strip_prefix(':'));
    let port = port.map_or(Some(default), |port| port.parse().ok());
    // A proxy may serve with TLS what it asks for without: the port that it names in `Host` decides.
    let is_port = origin.port_or_known_default() == port || (!client.is_encrypted && origin.port().is_none());
    name.eq_ignore_ascii_case(name_of(host)) && is_port
}

fn wrong_host(host: &str) -> Refusal {
    let shown: String = host.chars().filter(|character| !character.is_control()).take(100).collect();
    let error = format!("the server is not named \"{shown}\" here; add the name to httpd.allowed_hosts");
    Refusal::new(ErrorCode::Forbidden, error)
}

fn cross_origin() -> Refusal {
    Refusal::new(ErrorCode::Forbidden, "pages of another origin may not use the server")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::http::Entrance;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&str, &str)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
        };
        lines.iter().map(line).collect()
    }

    /// `with_place`: whether the request passes, and whether it does where no credentials are asked for.
    fn check(allowed: &[&str], lines: &[(&str, &str)], expected: bool, with_place: bool) {
        let settings = RestSettings {
            allowed_hosts: allowed.iter().map(ToString::to_string).collect(),
            ..RestSettings::default()
        };
        let entrance = Entrance::Tcp { is_local: true };
        let client = Client { entrance, address: None, peer: None, uid: None, is_encrypted: false };
        let (headers, uri) = (headers(lines), Uri::from_static("/api/v1/user"));
        let passes = refuse_pages(&settings, &client, &headers, &uri).is_ok();
        let place = passes && refuse_browsers(&settings, &client, &headers, &uri).is_ok();
        assert_eq!((passes, place), (expected, with_place), "{allowed:?} {lines:?}");
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        // A18-01
        let host = ("host", "127.0.0.1:8080");
        check(&[], &[host], true, true);
        check(&[], &[], false, false);
        check(&[], &[("host", "localhost:8080"), ("user-agent", "python-requests/2")], true, true);
        check(&[], &[("host", "[::1]:8080")], true, true);
        check(&[], &[host, ("user-agent", "Mozilla/5.0")], true, false);
        check(&[], &[host, ("user-agent", "Mozilla/5.0"), ("sec-fetch-site", "same-origin")], true, true);
        check(&[], &[host, ("user-agent", "Mozilla/5.0"), ("sec-fetch-site", "none")], true, true);
        for site in ["cross-site", "same-site", "x"] {
            check(&[], &[host, ("sec-fetch-site", site)], false, false);
        }
        check(&[], &[host, ("origin", "http://127.0.0.1:8080")], true, true);
        check(&[], &[host, ("origin", "http://127.0.0.1:8081")], false, false);
        check(&[], &[host, ("origin", "http://evil.example")], false, false);
        check(&[], &[host, ("origin", "null")], false, false);
        check(&[], &[host, ("referer", "http://evil.example/page")], false, false);
        check(&[], &[host, ("referer", "http://127.0.0.1:8080/web")], true, true);
        check(&[], &[("host", "admin.example"), ("origin", "https://admin.example")], true, false);
    }

    #[test]
    fn names_that_are_not_the_servers_are_refused() {
        // A18-01
        // DNS rebinding: the browser has looked up a name of the page's owner, and found 127.0.0.1.
        check(&[], &[("host", "evil.example:8080")], true, false);
        check(&["files.example"], &[("host", "evil.example")], false, false);
        check(&["files.example"], &[("host", "FILES.example:8443")], true, true);
        check(&["files.example"], &[("host", "127.0.0.1")], true, true);
        check(&["files.example"], &[("host", "127.0.0.1.evil.example")], false, false);
        check(&[], &[("host", "a"), ("host", "b")], false, false);
    }
}
