//! The PROXY protocol, versions 1 and 2, by which a load balancer tells the client's address (A4-16).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use proxy_header::{Error, ParseConfig, Protocol, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Longest header that is read, in bytes; version 2 allows longer ones.
const MAX_HEADER: usize = 4096;
/// Time for the header to arrive. A client that waits for the server to speak first sends none.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which peers may tell the address of another client.
#[derive(Debug, Clone, Default)]
pub struct ProxySettings {
    pub rule: ProxyRule,
    /// Networks of the proxies; empty: every address.
    pub allowed: Vec<IpNet>,
    /// Networks among these whose connections have no header.
    pub skipped: Vec<IpNet>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProxyRule {
    #[default]
    Ignore,
    /// Connections may have a header.
    Optional,
    /// Connections without a header, or not from a proxy, are refused.
    Required,
}

/// The beginning of a connection.
pub struct Greeting {
    /// The client's address; `None`: that of the peer.
    pub source: Option<SocketAddr>,
    /// Bytes that were read after the header.
    pub rest: Vec<u8>,
}

impl ProxySettings {
    fn is_proxy(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        let contains = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&peer));
        (self.allowed.is_empty() || contains(&self.allowed)) && !contains(&self.skipped)
    }

    /// Whether a connection from this address may begin with a header, so that its client is not known before.
    pub fn reads_header_of(&self, peer: IpAddr) -> bool {
        self.rule != ProxyRule::Ignore && self.is_proxy(peer)
    }

    /// Reads the header, if there is to be one. The error is the reason for a refusal.
    pub async fn greet(&self, stream: &mut (impl AsyncRead + Unpin), peer: IpAddr) -> Result<Greeting, &'static str> {
        let none = Greeting { source: None, rest: Vec::new() };
        match (self.rule, self.is_proxy(peer)) {
            (ProxyRule::Ignore, _) => Ok(none),
            (ProxyRule::Optional, false) => Ok(none),
            (ProxyRule::Required, false) if self.skips(peer) => Ok(none),
            (ProxyRule::Required, false) => Err("it does not come from an allowed proxy"),
            (rule, true) => read(stream, rule == ProxyRule::Required).await,
        }
    }

    fn skips(&self, peer: IpAddr) -> bool {
        self.skipped.iter().any(|network| network.contains(&peer.to_canonical()))
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin), required: bool) -> Result<Greeting, &'static str> {
    let mut bytes = Vec::with_capacity(256);
    let outcome = tokio::time::timeout(PATIENCE, read_header(stream, &mut bytes)).await;
    match outcome {
        Ok(Ok((source, used))) => {
            bytes.drain(..used);
            Ok(Greeting { source, rest: bytes })
        }
        // The bytes are no header: the peer is the client.
        Ok(Err(NoHeader)) | Err(_) if !required && !looks_like_header(&bytes) => {
            Ok(Greeting { source: None, rest: bytes })
        }
        Ok(Err(NoHeader)) => Err("its PROXY header is missing or wrong"),
        Err(_) => Err("its PROXY header did not come in time"),
    }
}

struct NoHeader;

async fn read_header(
    stream: &mut (impl AsyncRead + Unpin),
    bytes: &mut Vec<u8>,
) -> Result<(Option<SocketAddr>, usize), NoHeader> {
    let config = ParseConfig { include_tlvs: false, ..ParseConfig::default() };
    loop {
        match ProxyHeader::parse(bytes, config) {
            Ok((header, used)) => {
                let address = header.proxied_address().filter(|address| address.protocol == Protocol::Stream);
                return Ok((address.map(|address| address.source), used));
            }
            Err(Error::BufferTooShort) if bytes.len() < MAX_HEADER => match stream.read_buf(bytes).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Err(NoHeader),
            },
            Err(_) => return Err(NoHeader),
        }
    }
}

fn looks_like_header(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PROXY") || bytes.starts_with(b"\r\n\r\n\0")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "10.0.0.5";

    fn settings(rule: ProxyRule) -> ProxySettings {
        let networks = |text: &str| vec![text.parse().unwrap()];
        ProxySettings { rule, allowed: networks("10.0.0.0/8"), skipped: networks("10.9.0.0/16") }
    }

    /// The source and the rest, or a part of the reason for a refusal.
    async fn check(rule: ProxyRule, peer: &str, sent: &[u8], expected: Result<(Option<&str>, &[u8]), &str>) {
        let greeting = settings(rule).greet(&mut &*sent, peer.parse().unwrap()).await;
        let found = greeting.map(|greeting| (greeting.source.map(|source| source.to_string()), greeting.rest));
        match (found, expected) {
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
            (found, expected) => {
                let expected = expected.map(|(source, rest)| (source.map(str::to_owned), rest.to_vec()));
                assert_eq!(found, expected, "{sent:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn headers_are_believed_from_proxies_alone() {
        // A4-16
        use ProxyRule::{Ignore, Optional, Required};
        let ssh = b"SSH-2.0-x\r\n".as_slice();
        let v1 = b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 22\r\nSSH-2.0-x\r\n".as_slice();
        let v2 =
            [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\x0a\0\0\x01\x12\x67\0\x16".as_slice(), ssh].concat();
        let local = [b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".as_slice(), ssh].concat();
        for rule in [Optional, Required] {
            check(rule, PROXY, v1, Ok((Some("192.0.2.7:4711"), ssh))).await;
            check(rule, PROXY, &v2, Ok((Some("192.0.2.7:4711"), ssh))).await;
            check(rule, PROXY, &local, Ok((None, ssh))).await;
            check(rule, PROXY, b"PROXY UNKNOWN\r\n", Ok((None, b""))).await;
            check(rule, PROXY, b"PROXY TCP4 nonsense\r\n", Err("wrong")).await;
            check(rule, PROXY, b"PROXY TCP4 192.0.2.7", Err("wrong")).await;
            check(rule, "10.9.0.1", ssh, Ok((None, b""))).await;
        }
        check(Optional, PROXY, ssh, Ok((None, ssh))).await;
        check(Required, PROXY, ssh, Err("missing")).await;
        // The peer is not a proxy: its header is not believed.
        check(Optional, "192.0.2.1", v1, Ok((None, b""))).await;
        check(Required, "192.0.2.1", v1, Err("allowed proxy")).await;
        check(Ignore, PROXY, v1, Ok((None, b""))).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_waited_for_a_moment() {
        // A4-16
        let (_peer, mut stream) = tokio::io::duplex(10);
        let greeting = settings(ProxyRule::Optional).greet(&mut stream, PROXY.parse().unwrap()).await;
        assert!(greeting.is_ok_and(|greeting| greeting.source.is_none()));
        let refused = settings(ProxyRule::Required).greet(&mut stream, PROXY.parse().unwrap()).await;
        assert_eq!(refused.err(), Some("its PROXY header did not come in time"));
    }
}
