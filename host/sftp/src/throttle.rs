//! Holds back transfers that are ahead of their bandwidth limit (A5-17): their replies, and the requests that
//! have to come after these. Other requests go on meanwhile.

use std::collections::{HashMap, VecDeque};

use tokio::time::Instant;

use crate::fields::Handle;
use crate::footprint::Footprint;
use crate::operations::{Operation, Request};

/// Bytes of replies and requests that may wait; above that no further packet is taken. Most clients send less
/// at once; OpenSSH's sends up to 16 MiB, but of one file at a time.
const MAX_WAITING: usize = 3 << 20;
/// Requests that may wait; each is compared with all those before it.
const MAX_REQUESTS: usize = 1000;

/// The replies and requests of one channel that wait.
#[derive(Default)]
pub struct Throttle {
    /// The replies of transfers that are ahead, one for each handle.
    ahead: HashMap<Handle, Held>,
    /// The requests that wait, in the order in which they came.
    requests: VecDeque<Waiting>,
    /// The size of all replies and requests here, in bytes.
    size: usize,
    /// Whether one of the requests may be free to be answered.
    has_news: bool,
}

/// A reply that waits for its time.
struct Held {
    due: Instant,
    reply: Vec<u8>,
}

struct Waiting {
    request: PutOff,
    /// The size of its packet in bytes.
    size: usize,
    footprint: Footprint,
}

/// A request that waited for its turn.
#[derive(Debug, Clone)]
pub struct PutOff {
    /// The request id, which the reply repeats.
    pub id: u32,
    /// The row of the request.
    pub operation: &'static Operation,
    /// The request without anything borrowed from its packet.
    pub request: Request<'static>,
}

impl Throttle {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.ahead.is_empty() && self.requests.is_empty()
    }

    /// Whether no more requests can wait.
    pub fn is_full(&self) -> bool {
        self.size >= MAX_WAITING || self.requests.len() >= MAX_REQUESTS
    }

    /// When a reply or a request can be taken; none: nothing waits for a time.
    pub fn next_due(&self) -> Option<Instant> {
        if self.has_news {
            return Some(Instant::now());
        }
        self.ahead.values().map(|held| held.due).min()
    }

    /// Holds the reply to a request for `handle` until `due`; there must be none for that handle yet.
    pub fn hold(&mut self, handle: Handle, due: Instant, reply: Vec<u8>) {
        self.size += reply.len();
        self.ahead.insert(handle, Held { due, reply });
    }

    /// Whether a request has to come after something that waits.
    pub fn is_in_the_way_of(&self, footprint: &Footprint) -> bool {
        self.blocks(footprint, self.requests.len())
    }

    /// Keeps a request until nothing that it has to follow waits; `size`: of its packet, in bytes.
    pub fn put_off(&mut self, request: PutOff, size: usize, footprint: Footprint) {
        self.size += size;
        self.requests.push_back(Waiting { request, size, footprint });
    }

    /// The reply that was due first, if one is due.
    pub fn take_reply(&mut self, now: Instant) -> Option<Vec<u8>> {
        let due = self.ahead.iter().filter(|(_, held)| held.due <= now);
        let handle = *due.min_by_key(|(_, held)| held.due)?.0;
        let held = self.ahead.remove(&handle)?;
        self.size -= held.reply.len();
        self.has_news = !self.requests.is_empty();
        Some(held.reply)
    }

    /// The first request with nothing left to wait for. After `None` there is none until a reply was taken.
    pub fn take_request(&mut self) -> Option<PutOff> {
        if !self.has_news {
            return None;
        }
        let free = self.requests.iter().enumerate().position(|(at, waiting)| !self.blocks(&waiting.footprint, at));
        let taken = free.and_then(|at| self.requests.remove(at));
        self.has_news = taken.is_some() && !self.requests.is_empty();
        let taken = taken?;
        self.size -= taken.size;
        Some(taken.request)
    }

    /// To be called after a limit was changed: `due` says when each transfer may go on, or none for at once.
    pub fn reschedule(&mut self, mut due: impl FnMut(Handle) -> Option<Instant>) {
        let now = Instant::now();
        for (handle, held) in &mut self.ahead {
            held.due = due(*handle).unwrap_or(now);
        }
    }

    /// Whether a held reply, or one of the first `count` requests, has to come before a request with this
    /// footprint.
    fn blocks(&self, footprint: &Footprint, count: usize) -> bool {
        self.ahead.keys().any(|handle| footprint.acts_on(*handle))
            || self.requests.iter().take(count).any(|earlier| footprint.follows(&earlier.footprint))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::footprint::tests::{copy, footprint, handle, read, request, write};
    use crate::operations::Packet;
    use crate::protocol::fxp;

    const R: u32 = 1;
    const W: u32 = 101;

    /// Puts a packet off if it has to wait; returns whether it has to.
    fn put_off(throttle: &mut Throttle, packet: &[u8]) -> bool {
        let footprint = footprint(packet);
        let waits = throttle.is_in_the_way_of(&footprint);
        if waits {
            throttle.put_off(decoded(packet), packet.len(), footprint);
        }
        waits
    }

    fn decoded(packet: &[u8]) -> PutOff {
        let packet = Packet::new(packet).unwrap();
        let id = packet.id;
        let (operation, request) = packet.decode().unwrap();
        PutOff { id, operation, request: request.into_owned() }
    }

    fn taken(throttle: &mut Throttle) -> Option<Request<'static>> {
        throttle.take_request().map(|put_off| put_off.request)
    }

    fn hold(throttle: &mut Throttle, number: u32, due: Instant) {
        throttle.hold(Handle::new(number), due, handle(number));
    }

    #[test]
    fn requests_keep_their_order_and_others_go_on() {
        let mut throttle = Throttle::default();
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        hold(&mut throttle, R, now);
        hold(&mut throttle, W, later);
        let stat = request(fxp::STAT, &[b"/r"]);
        let (close_r, close_w) = (request(fxp::CLOSE, &[&handle(R)]), request(fxp::CLOSE, &[&handle(W)]));
        let rename = request(fxp::RENAME, &[b"/w", b"/x"]);
        let copied = copy(R, W);
        for (packet, waits) in [
            (&stat, false),
            (&read(R), true),
            (&write(W, b"1"), true),
            (&copied, true),
            (&close_r, true),
            (&close_w, true),
            (&rename, true),
            (&request(fxp::STAT, &[b"/x"]), true),
            (&request(fxp::STAT, &[b"/y"]), false),
        ] {
            assert_eq!(put_off(&mut throttle, packet), waits, "{packet:?}");
        }
        assert_eq!(taken(&mut throttle), None);
        assert_eq!(throttle.take_reply(now), Some(handle(R)));
        assert!(throttle.next_due().unwrap() < later, "there is something to look at now");
        // What belongs to the other file is not due, and so neither is the copy between both.
        assert_eq!((taken(&mut throttle), taken(&mut throttle)), (Some(decoded(&read(R)).request), None));
        assert_eq!((throttle.next_due(), throttle.take_reply(now)), (Some(later), None));
        assert_eq!(throttle.take_reply(later), Some(handle(W)));
        for packet in [write(W, b"1"), copied, close_r, close_w, rename, request(fxp::STAT, &[b"/x"])] {
            assert_eq!(taken(&mut throttle), Some(decoded(&packet).request));
        }
        assert!(throttle.take_request().is_none() && throttle.is_empty());
        assert_eq!((throttle.next_due(), throttle.size), (None, 0));
    }

    #[test]
    fn a_request_that_is_early_again_holds_up_the_next() {
        let mut throttle = Throttle::default();
        let now = Instant::now();
        hold(&mut throttle, W, now);
        put_off(&mut throttle, &write(W, b"1"));
        put_off(&mut throttle, &write(W, b"2"));
        throttle.take_reply(now);
        assert_eq!(taken(&mut throttle), Some(decoded(&write(W, b"1")).request));
        hold(&mut throttle, W, now);
        assert_eq!(taken(&mut throttle), None);
        throttle.take_reply(now);
        assert_eq!(taken(&mut throttle), Some(decoded(&write(W, b"2")).request));
    }

    #[test]
    fn another_limit_makes_another_time() {
        let mut throttle = Throttle::default();
        let now = Instant::now();
        let later = now + Duration::from_secs(100);
        hold(&mut throttle, R, later);
        hold(&mut throttle, W, later);
        throttle.reschedule(|handle| (handle == Handle::new(W)).then_some(later));
        assert_eq!(throttle.take_reply(Instant::now()), Some(handle(R)));
        assert_eq!(throttle.take_reply(Instant::now()), None);
    }

    #[test]
    fn it_is_full_of_bytes_or_of_requests() {
        let now = Instant::now();
        let mut throttle = Throttle::default();
        throttle.hold(Handle::new(W), now, vec![0; MAX_WAITING - 20]);
        assert!(!throttle.is_full());
        put_off(&mut throttle, &write(W, &[0; 20]));
        assert!(throttle.is_full());
        throttle.take_reply(now);
        assert!(!throttle.is_full());
        let mut throttle = Throttle::default();
        hold(&mut throttle, W, now);
        while !throttle.is_full() {
            put_off(&mut throttle, &request(fxp::FSTAT, &[&handle(W)]));
        }
        assert_eq!(throttle.requests.len(), MAX_REQUESTS);
    }

    const PATHS: &[&[u8]] = &[b"/r", b"/w", b"/x"];

    /// Requests on three files, some of them by path.
    fn any_request() -> impl Strategy<Value = Vec<u8>> {
        let number = prop::sample::select(&[R, R + 1, W, W + 1][..]);
        prop_oneof![
            number.clone().prop_map(read),
            number.clone().prop_map(|number| write(number, b"data")),
            number.clone().prop_map(|number| request(fxp::CLOSE, &[&handle(number)])),
            (number.clone(), number).prop_map(|(from, to)| copy(from, to)),
            prop::sample::select(PATHS).prop_map(|path| request(fxp::STAT, &[path])),
            prop::sample::select(PATHS).prop_map(|path| request(fxp::REMOVE, &[path])),
        ]
    }

    proptest! {
        #[test]
        fn each_request_comes_out_once_and_after_those_it_follows(packets in prop::collection::vec(any_request(), 0..40)) {
            let mut throttle = Throttle::default();
            let now = Instant::now();
            for number in [R, W] {
                hold(&mut throttle, number, now);
            }
            // Indexes into `packets`, which are also the request ids.
            let mut order = Vec::new();
            for (at, packet) in packets.iter().enumerate() {
                let footprint = footprint(packet);
                if throttle.is_in_the_way_of(&footprint) {
                    let request = PutOff { id: u32::try_from(at).unwrap(), ..decoded(packet) };
                    throttle.put_off(request, packet.len(), footprint);
                } else {
                    order.push(at);
                }
            }
            while throttle.take_reply(now).is_some() {
                while let Some(taken) = throttle.take_request() {
                    order.push(usize::try_from(taken.id).unwrap());
                }
            }
            prop_assert!(throttle.is_empty());
            prop_assert_eq!((throttle.next_due(), throttle.size), (None, 0));
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..packets.len()).collect::<Vec<_>>());
            for (place, at) in order.iter().enumerate() {
                for earlier in order.iter().skip(place).filter(|earlier| *earlier < at) {
                    let follows = footprint(&packets[*at]).follows(&footprint(&packets[*earlier]));
                    prop_assert!(!follows, "{at} came before {earlier}");
                }
            }
        }
    }
}
