//! Transfers that are ahead of their bandwidth limit (A5-17): what the client may not hear of
//! yet, and the requests for the same file behind it. Requests for others go on meanwhile.

use std::collections::{HashMap, VecDeque};

use tokio::time::Instant;

use crate::packet::Reader;
use crate::protocol::kind;

/// Bytes that may wait; then the client is read no further. Most send less at once. OpenSSH's sends up
/// to 16 MiB, of one file at a time.
const MAX_WAITING: usize = 3 << 20;

#[derive(Default)]
pub struct Throttle {
    /// By the handle, as it goes over the wire.
    transfers: HashMap<[u8; 4], Early>,
    waiting: usize,
}

/// One transfer that is ahead of its limit.
struct Early {
    due: Instant,
    reply: Vec<u8>,
    requests: Requests,
}

/// What waits behind a reply, in order.
#[derive(Default)]
pub struct Requests {
    packets: VecDeque<Vec<u8>>,
    length: usize,
}

impl Requests {
    pub fn next(&mut self) -> Option<Vec<u8>> {
        let packet = self.packets.pop_front()?;
        self.length -= packet.len();
        Some(packet)
    }
}

/// What may go on.
pub struct Due {
    pub handle: [u8; 4],
    pub reply: Vec<u8>,
    pub requests: Requests,
}

impl Throttle {
    /// Whether requests have to wait until something is due.
    pub fn is_full(&self) -> bool {
        self.waiting >= MAX_WAITING
    }

    pub fn next_due(&self) -> Option<Instant> {
        self.transfers.values().map(|early| early.due).min()
    }

    /// Keeps the reply to a request for `handle`.
    pub fn hold(&mut self, handle: [u8; 4], due: Instant, reply: Vec<u8>) {
        self.waiting += reply.len();
        self.transfers.insert(handle, Early { due, reply, requests: Requests::default() });
    }

    /// Lets what comes next for `handle` wait, without a reply that is to be kept.
    pub fn pause(&mut self, handle: [u8; 4], due: Instant) {
        let nothing = || Early { due, reply: Vec::new(), requests: Requests::default() };
        self.transfers.entry(handle).or_insert_with(nothing);
    }

    /// Keeps a request, without its length, behind a reply that is held for one of its handles;
    /// false if there is none.
    pub fn put_off(&mut self, packet: &[u8]) -> bool {
        if self.transfers.is_empty() {
            return false;
        }
        let held = handles(packet).into_iter().flatten().find(|handle| self.transfers.contains_key(handle));
        let Some(early) = held.and_then(|handle| self.transfers.get_mut(&handle)) else { return false };
        self.waiting += packet.len();
        early.requests.length += packet.len();
        early.requests.packets.push_back(packet.to_vec());
        true
    }

    /// The one that is due first, if any is.
    pub fn take_due(&mut self, now: Instant) -> Option<Due> {
        let (&handle, _) =
            self.transfers.iter().filter(|(_, early)| early.due <= now).min_by_key(|(_, early)| early.due)?;
        let Early { reply, requests, .. } = self.transfers.remove(&handle)?;
        self.waiting -= reply.len() + requests.length;
        Some(Due { handle, reply, requests })
    }

    /// Gives the requests back if they have to wait again, behind the next reply for their handle.
    pub fn put_back(&mut self, handle: [u8; 4], requests: &mut Requests) {
        if let Some(early) = self.transfers.get_mut(&handle) {
            self.waiting += requests.length;
            early.requests = std::mem::take(requests);
        }
    }
}

/// The handles that a request may name. A path is taken for one, too: none is four bytes that
/// begin with a NUL.
fn handles(packet: &[u8]) -> [Option<[u8; 4]>; 2] {
    named(packet).unwrap_or_default()
}

fn named(packet: &[u8]) -> Option<[Option<[u8; 4]>; 2]> {
    let (&kind, body) = packet.split_first()?;
    let mut body = Reader::new(body);
    body.u32().ok()?;
    let name = if kind == kind::EXTENDED { body.string().ok()? } else { b"" };
    let first = body.string().ok()?.try_into().ok();
    let second = if name == b"copy-data" { after_range(body) } else { None };
    Some([first, second])
}

/// Behind the offset and the length of `copy-data`.
fn after_range(mut body: Reader<'_>) -> Option<[u8; 4]> {
    body.u64().ok()?;
    body.u64().ok()?;
    body.string().ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn request(kind: u8, fields: &[&[u8]]) -> Vec<u8> {
        let mut packet = vec![kind, 0, 0, 0, 9];
        for field in fields {
            packet.extend_from_slice(&(field.len() as u32).to_be_bytes());
            packet.extend_from_slice(field);
        }
        packet
    }

    #[test]
    fn requests_wait_behind_a_reply_for_their_handle() {
        let (one, two) = ([0, 0, 0, 1], [0, 0, 0, 2]);
        let mut throttle = Throttle::default();
        let write = request(kind::WRITE, &[&one]);
        assert!(!throttle.put_off(&write));
        let now = Instant::now();
        throttle.hold(one, now + Duration::from_secs(1), vec![7; 10]);
        let mut copy = request(kind::EXTENDED, &[b"copy-data", &two]);
        copy.extend_from_slice(&[0; 16]);
        copy.extend_from_slice(&[0, 0, 0, 4]);
        copy.extend_from_slice(&one);
        for (packet, waits) in [
            (&write, true),
            (&request(kind::READ, &[&two]), false),
            (&request(kind::STAT, &[b"/one"]), false),
            (&request(kind::EXTENDED, &[b"fsync@openssh.com", &one]), true),
            (&copy, true),
            (&vec![kind::CLOSE], false),
            (&Vec::new(), false),
        ] {
            assert_eq!(throttle.put_off(packet), waits, "{packet:?}");
        }
        assert!(throttle.take_due(now).is_none());
        let later = now + Duration::from_secs(1);
        let mut due = throttle.take_due(later).unwrap();
        assert_eq!((due.handle, due.reply, due.requests.next()), (one, vec![7; 10], Some(write.clone())));
        assert_eq!((throttle.next_due(), throttle.waiting), (None, 0));
        throttle.put_back(one, &mut due.requests);
        assert_eq!(due.requests.packets.len(), 2);
        throttle.hold(one, later, vec![8; 10]);
        throttle.put_back(one, &mut due.requests);
        assert!(due.requests.next().is_none() && throttle.waiting > 10);
        let mut due = throttle.take_due(later).unwrap();
        assert_eq!((due.requests.packets.len(), throttle.waiting), (2, 0));
        assert!(due.requests.next().is_some() && due.requests.next() == Some(copy));
    }

    #[test]
    fn it_is_full_of_requests_or_of_replies() {
        let mut throttle = Throttle::default();
        throttle.hold([0; 4], Instant::now(), vec![0; MAX_WAITING - 20]);
        assert!(!throttle.is_full());
        throttle.put_off(&request(kind::WRITE, &[&[0; 4], &[0; 20]]));
        assert!(throttle.is_full());
        throttle.take_due(Instant::now());
        assert!(!throttle.is_full());
    }
}
