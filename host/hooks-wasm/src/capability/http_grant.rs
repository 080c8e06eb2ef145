//! Where a plugin may send HTTP requests: `scheme://host:port`, as the operator writes it.

use std::fmt;

use reqwest::Url;
use serde::Deserialize;
use url::Host;

/// A destination for HTTP requests: `https://auth.example.com`, `http://*.example.com:8080` or
/// `http://127.0.0.1:*`. Without a port, the scheme's own is meant; `*.` stands for one label or
/// more, `*` for any host or port.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct HttpGrant {
    text: String,
    scheme: String,
    host: HostPattern,
    /// `None`: any port.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum HostPattern {
    Any,
    /// Any host below this domain, which is kept with its leading dot.
    Below(String),
    Exactly(Host<String>),
}

/// A setting that is not a destination for HTTP requests.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{pattern}\" is not a place for HTTP requests: {problem}; write scheme://host or scheme://host:port")]
pub struct HttpGrantError {
    pattern: String,
    problem: &'static str,
}

impl HttpGrant {
    fn parse(pattern: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = pattern.split_once("://").ok_or("it has no scheme")?;
        let default_port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err("the scheme is neither http nor https"),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#', '@']) {
            return Err("it has more than a host and a port");
        }
        let (host, port) = match rest.rsplit_once(':') {
            // The colons of an IPv6 address are in brackets.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (rest, None),
        };
        let port = match port {
            None => Some(default_port),
            Some("*") => None,
            Some(port) => Some(port.parse().map_err(|_| "the port is not a number from 1 to 65535")?),
        };
        let parsed = |host: &str| Host::parse(host).map_err(|_| "the host is neither a name nor an address");
        let host = match host {
            "*" => HostPattern::Any,
            _ => match host.strip_prefix("*.") {
                None => HostPattern::Exactly(parsed(host)?),
                Some(parent) => match parsed(parent)? {
                    Host::Domain(name) => HostPattern::Below(format!(".{name}")),
                    _ => return Err("\"*.\" goes before a name"),
                },
            },
        };
        Ok(Self { text: pattern.to_owned(), scheme: scheme.to_owned(), host, port })
    }

    /// Whether the scheme is `https`.
    pub fn is_secure(&self) -> bool {
        self.scheme == "https"
    }

    /// Whether scheme, host and port of the URL are granted.
    pub fn allows(&self, url: &Url) -> bool {
        let host = match (&self.host, url.host()) {
            (_, None) => false,
            (HostPattern::Any, Some(_)) => true,
            (HostPattern::Below(parent), Some(Host::Domain(name))) => {
                name.strip_suffix(parent.as_str()).is_some_and(|below| !below.is_empty())
            }
            (HostPattern::Below(_), Some(_)) => false,
            (HostPattern::Exactly(host), Some(found)) => *host == found.to_owned(),
        };
        host && url.scheme() == self.scheme && (self.port.is_none() || url.port_or_known_default() == self.port)
    }

    /// Whether the grant names a machine itself, by address or as `localhost`.
    pub fn names_machine(&self) -> bool {
        match &self.host {
            HostPattern::Exactly(Host::Domain(name)) => name == "localhost",
            HostPattern::Exactly(_) => true,
            _ => false,
        }
    }
}

impl HttpGrant {
    /// Whether the grant stands for several hosts, not each of which the operator chose.
    pub fn is_pattern(&self) -> bool {
        !matches!(self.host, HostPattern::Exactly(_))
    }
}

impl TryFrom<String> for HttpGrant {
    type Error = HttpGrantError;

    fn try_from(pattern: String) -> Result<Self, HttpGrantError> {
        Self::parse(&pattern).map_err(|problem| HttpGrantError { pattern, problem })
    }
}

impl fmt::Display for HttpGrant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_match_scheme_host_and_port() {
        // G-05
        for (grant, url, expected) in [
            ("https://a.example", "https://a.example/x?y", true),
            ("https://a.example", "https://A.EXAMPLE:443/", true),
            ("https://a.example", "http://a.example/", false),
            ("https://a.example", "https://a.example:444/", false),
            ("https://a.example", "https://a.example.evil/", false),
            ("https://a.example", "https://xa.example/", false),
            ("https://a.example", "https://user@a.example/", true),
            ("https://a.example", "https://a.example@evil.example/", false),
            ("http://a.example:*", "http://a.example:8080/", true),
            ("http://*.example:8080", "http://b.a.example:8080/", true),
            ("http://*.example", "http://example/", false),
            ("http://*.example", "http://.example/", false),
            ("http://*", "http://anything.at.all/", true),
            ("http://127.0.0.1:80", "http://2130706433/", true),
            ("http://*.0.0.1", "http://127.0.0.1/", false),
            ("http://[::1]:9000", "http://[0:0::1]:9000/", true),
        ] {
            let Ok(grant) = HttpGrant::parse(grant) else {
                assert!(!expected, "{grant}");
                continue;
            };
            assert_eq!(
                grant.allows(&Url::parse(url).unwrap_or_else(|_| Url::parse("x:y").unwrap())),
                expected,
                "{grant} {url}"
            );
        }
    }

    #[test]
    fn what_is_no_grant_says_why() {
        for (pattern, expected) in [
            ("example.com", "no scheme"),
            ("ftp://example.com", "neither http nor https"),
            ("https://example.com/path", "more than a host"),
            ("https://user@example.com", "more than a host"),
            ("https://example.com:99999", "the port"),
            ("https://exa mple.com", "neither a name nor an address"),
            ("https://", "neither a name nor an address"),
        ] {
            let error = HttpGrant::try_from(pattern.to_owned()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
