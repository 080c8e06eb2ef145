//! The server's order of ciphers. RFC 4253 §7.1 takes the client's, and older clients prefer
//! ciphers that are several times slower than AES-GCM, which they have as well. So the client's
//! offer is looked at before the server makes its own, which is then the one cipher that comes
//! first in the server's order.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// For the client's offer to arrive: about as long as it takes nearby, where the cipher is what
/// limits a transfer. Farther away it does not, and a round trip more for each login would.
const PATIENCE: Duration = Duration::from_millis(20);
const MAX_IDENTIFICATION: usize = 255;
/// RFC 4253 §6.1.
const MAX_PACKET: usize = 35_000;
const KEXINIT: u8 = 20;
const COOKIE: usize = 16;

/// Sends the server's identification, and looks at what the client offers, if that comes soon.
/// What was read is added to `read`, for the library to read again. A connection that fails
/// meanwhile is left to the library as well, so that its end is told of as any other's.
pub async fn look_ahead(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    identification: &[u8],
    read: &mut Vec<u8>,
) -> Option<Offer> {
    stream.write_all(identification).await.ok()?;
    let looking = async {
        loop {
            match parse(read) {
                Look::Offer(offer) => return Some(offer),
                Look::NoOffer => return None,
                Look::Incomplete => {}
            }
            if stream.read_buf(read).await.is_ok_and(|count| count > 0) {
                continue;
            }
            return None;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.ok().flatten()
}

/// The ciphers of a client, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    to_server: Vec<String>,
    to_client: Vec<String>,
}

impl Offer {
    pub fn has(&self, cipher: &str) -> bool {
        self.to_server.iter().any(|name| name == cipher) && self.to_client.iter().any(|name| name == cipher)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Look {
    Incomplete,
    /// Something else; the library will say what is wrong with it.
    NoOffer,
    Offer(Offer),
}

fn parse(read: &[u8]) -> Look {
    let Some(end) = read.iter().take(MAX_IDENTIFICATION).position(|byte| *byte == b'\n') else {
        return if read.len() < MAX_IDENTIFICATION { Look::Incomplete } else { Look::NoOffer };
    };
    let Some((length, rest)) = read.get(end + 1..).unwrap_or_default().split_first_chunk::<4>() else {
        return Look::Incomplete;
    };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if !read.starts_with(b"SSH-") || length > MAX_PACKET {
        return Look::NoOffer;
    }
    let Some(packet) = rest.get(..length) else { return Look::Incomplete };
    offer(packet).map_or(Look::NoOffer, Look::Offer)
}

/// RFC 4253 §7.1, in a packet without its length.
fn offer(packet: &[u8]) -> Option<Offer> {
    let (_padding, payload) = packet.split_first()?;
    let (&kind, rest) = payload.split_first()?;
    let mut lists = rest.get(COOKIE..).filter(|_| kind == KEXINIT)?;
    let mut next = || {
        let (length, rest) = lists.split_first_chunk::<4>()?;
        let (list, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        lists = rest;
        Some(std::str::from_utf8(list).ok()?.split(',').map(str::to_owned).collect())
    };
    let (_key_exchange, _host_keys): (Vec<_>, Vec<_>) = (next()?, next()?);
    Some(Offer { to_server: next()?, to_client: next()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kexinit(lists: [&str; 4]) -> Vec<u8> {
        let mut payload = vec![4, KEXINIT];
        payload.extend([7; COOKIE]);
        for list in lists {
            payload.extend((list.len() as u32).to_be_bytes());
            payload.extend(list.as_bytes());
        }
        payload.extend([0; 4]);
        [(payload.len() as u32).to_be_bytes().to_vec(), payload].concat()
    }

    fn check(identification: &[u8], packet: &[u8], expected: Option<(&[&str], &[&str])>) {
        let whole = [identification, packet].concat();
        let expected = expected.map(|(has, lacks)| (has.to_vec(), lacks.to_vec()));
        match (parse(&whole), expected) {
            (Look::Offer(offer), Some((has, lacks))) => {
                assert!(has.iter().all(|cipher| offer.has(cipher)), "{offer:?}");
                assert!(!lacks.iter().any(|cipher| offer.has(cipher)), "{offer:?}");
                for end in 0..whole.len() {
                    assert_eq!(parse(&whole[..end]), Look::Incomplete, "{end}");
                }
            }
            (Look::NoOffer, None) => {}
            (look, expected) => panic!("{look:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn what_a_client_offers_is_understood() {
        let both = kexinit(["curve25519-sha256", "ssh-ed25519", "chacha20,aes128-ctr,gcm", "gcm,aes128-ctr"]);
        check(b"SSH-2.0-x\r\n", &both, Some((&["gcm", "aes128-ctr"], &["chacha20", "aes"])));
        check(b"SSH-2.0-x\n", &kexinit(["", "", "", ""]), Some((&[], &["gcm"])));
    }

    #[test]
    fn anything_else_is_left_to_the_library() {
        check(b"GET / HTTP/1.1\r\n", b"Host: x\r\n\r\n", None);
        check(b"SSH-2.0-x\r\n", &[0xff; 8], None);
        check(&[b'x'; 300], b"", None);
        let mut other = kexinit(["a", "b", "c", "d"]);
        other[5] = 2;
        check(b"SSH-2.0-x\r\n", &other, None);
        let mut cut = kexinit(["a", "b", "c", "d"]);
        cut[3] -= 12;
        check(b"SSH-2.0-x\r\n", &cut, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_waits_is_not_kept_waiting() {
        let (mut client, mut server) = tokio::io::duplex(1000);
        client.write_all(b"SSH-2.0-patient\r\n").await.unwrap();
        let mut read = Vec::new();
        assert_eq!(look_ahead(&mut server, b"SSH-2.0-t\r\n", &mut read).await, None);
        assert_eq!(read, b"SSH-2.0-patient\r\n");
        let mut greeting = [0; 11];
        client.read_exact(&mut greeting).await.unwrap();
        assert_eq!(&greeting, b"SSH-2.0-t\r\n");
    }
}
