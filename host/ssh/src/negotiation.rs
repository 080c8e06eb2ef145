//! Applies the server's order of ciphers. By RFC 4253 §7.1 the client's order counts, and older clients
//! prefer ciphers that are several times slower than AES-GCM, which they have as well. So the server reads
//! the client's offer first, and then offers the one common cipher that comes first in its own order. A
//! client that has nothing in common with the server gets the whole offer, so that it can report it.

use std::time::Duration;

use russh::cipher;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::algorithms::{Algorithms, is_authenticated};

/// Time for the client's offer to arrive: about a round trip to a near client, for which the cipher limits
/// the transfer. A farther client is not waited for, since that would add a round trip to each login.
const PATIENCE: Duration = Duration::from_millis(20);
const MAX_IDENTIFICATION: usize = 255;
/// RFC 4253 §6.1.
const MAX_PACKET: usize = 35_000;
const KEXINIT: u8 = 20;
const COOKIE: usize = 16;

/// Sends the server's identification, and reads the client's offer if that arrives soon. What was
/// read is added to `read`, from which the library reads it again. A connection that fails
/// meanwhile is left to the library, so that its end is reported as any other.
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

/// A client's offer, in the client's order: lists with commas (RFC 4251 §5), as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    kex: String,
    host_keys: String,
    ciphers: BothWays,
    macs: BothWays,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct BothWays {
    to_server: String,
    to_client: String,
}

impl BothWays {
    fn has(&self, name: &str) -> bool {
        contains(&self.to_server, name) && contains(&self.to_client, name)
    }
}

fn contains(list: &str, name: &str) -> bool {
    list.split(',').any(|known| known == name)
}

impl Offer {
    /// The cipher that the server prefers, among those with which a session is possible.
    pub fn best_cipher(&self, ours: &Algorithms, host_keys: &[String]) -> Option<cipher::Name> {
        let is_possible = ours.kex().iter().any(|kex| contains(&self.kex, kex.as_ref()))
            && host_keys.iter().any(|key| contains(&self.host_keys, key));
        let has_mac = ours.macs().iter().any(|mac| self.macs.has(mac.as_ref()));
        let fits = |cipher: &cipher::Name| self.ciphers.has(cipher.as_ref()) && (has_mac || is_authenticated(*cipher));
        ours.ciphers().iter().copied().find(fits).filter(|_| is_possible)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Look {
    Incomplete,
    /// Not an offer; the library reports what is wrong.
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

/// Reads a packet (RFC 4253 §7.1) without its length field.
fn offer(packet: &[u8]) -> Option<Offer> {
    let (_padding, payload) = packet.split_first()?;
    let (&kind, rest) = payload.split_first()?;
    let mut lists = rest.get(COOKIE..).filter(|_| kind == KEXINIT)?;
    let mut next = || {
        let (length, rest) = lists.split_first_chunk::<4>()?;
        let (list, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        lists = rest;
        Some(std::str::from_utf8(list).ok()?.to_owned())
    };
    let (kex, host_keys) = (next()?, next()?);
    let ciphers = BothWays { to_server: next()?, to_client: next()? };
    let macs = BothWays { to_server: next()?, to_client: next()? };
    Some(Offer { kex, host_keys, ciphers, macs })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithms::AlgorithmPolicy;

    fn kexinit(lists: &[&str]) -> Vec<u8> {
        let mut payload = vec![4, KEXINIT];
        payload.extend([7; COOKIE]);
        for list in lists {
            payload.extend((list.len() as u32).to_be_bytes());
            payload.extend(list.as_bytes());
        }
        payload.extend([0; 4]);
        [(payload.len() as u32).to_be_bytes().to_vec(), payload].concat()
    }

    fn check(identification: &[u8], packet: &[u8], expected: Option<[&str; 6]>) {
        let whole = [identification, packet].concat();
        match (parse(&whole), expected) {
            (Look::Offer(offer), Some(expected)) => {
                let Offer { kex, host_keys, ciphers, macs } = offer;
                let lists = [kex, host_keys, ciphers.to_server, ciphers.to_client, macs.to_server, macs.to_client];
                assert_eq!(lists, expected);
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
        let lists = ["k", "h,i", "chacha20,aes128-ctr,gcm", "gcm,aes128-ctr", "m", "n,m"];
        check(b"SSH-2.0-x\r\n", &kexinit(&lists), Some(lists));
        check(b"SSH-2.0-x\n", &kexinit(&[""; 6]), Some([""; 6]));
    }

    #[test]
    fn a_name_is_one_between_commas() {
        let check =
            |list: &str, name: &str, expected: bool| assert_eq!(contains(list, name), expected, "{list} {name}");
        for list in ["gcm", "gcm,ctr", "ctr,gcm", "ctr,gcm,cbc"] {
            check(list, "gcm", true);
        }
        for list in ["", ",", "ctr", "gcm2", "a-gcm,gcm-b", "gc,m", "gcm ,ctr"] {
            check(list, "gcm", false);
        }
    }

    #[test]
    fn anything_else_is_left_to_the_library() {
        check(b"GET / HTTP/1.1\r\n", b"Host: x\r\n\r\n", None);
        check(b"SSH-2.0-x\r\n", &[0xff; 8], None);
        check(&[b'x'; 300], b"", None);
        let mut other = kexinit(&["a", "b", "c", "d", "e", "f"]);
        other[5] = 2;
        check(b"SSH-2.0-x\r\n", &other, None);
        let mut cut = kexinit(&["a", "b", "c", "d", "e", "f"]);
        cut[3] -= 12;
        check(b"SSH-2.0-x\r\n", &cut, None);
    }

    /// `lists`: the offer of a client that is otherwise like every other.
    fn check_cipher(kex: &str, host_key: &str, ciphers: &str, mac: &str, expected: Option<&str>) {
        let packet = kexinit(&[kex, host_key, ciphers, ciphers, mac, mac]);
        let Look::Offer(offer) = parse(&[b"SSH-2.0-x\r\n".to_vec(), packet].concat()) else { panic!("no offer") };
        let ours = Algorithms::of_policy(AlgorithmPolicy::Compatible);
        let chosen = offer.best_cipher(&ours, &["ssh-ed25519".to_owned()]);
        assert_eq!(chosen.as_ref().map(AsRef::as_ref), expected, "{kex} {host_key} {ciphers} {mac}");
    }

    #[test]
    fn the_best_cipher_is_one_with_which_a_session_comes_about() {
        let (kex, key, mac) = ("x,curve25519-sha256", "ssh-ed25519", "hmac-sha2-256");
        let gcm = "aes256-gcm@openssh.com";
        let all = format!("chacha20-poly1305@openssh.com,aes128-ctr,{gcm}");
        check_cipher(kex, key, &all, mac, Some(gcm));
        check_cipher(kex, key, &all, "hmac-md5", Some(gcm));
        check_cipher(kex, key, "chacha20-poly1305@openssh.com,aes128-ctr", mac, Some("aes128-ctr"));
        let chacha = "chacha20-poly1305@openssh.com";
        check_cipher(kex, key, &format!("{chacha},aes128-ctr"), "umac-64@openssh.com", Some(chacha));
        check_cipher(kex, key, "aes128-ctr", "hmac-md5", None);
        check_cipher(kex, key, "3des-cbc", mac, None);
        check_cipher("diffie-hellman-group1-sha1", key, gcm, mac, None);
        check_cipher(kex, "ssh-dss", gcm, mac, None);
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
