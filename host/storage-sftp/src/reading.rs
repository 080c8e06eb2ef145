//! Reading a file: a reader that goes from one place to the next has requests under way before it asks, and the more
//! the longer it does; another one has the request that it makes.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use crate::errors::Fault;
use crate::handle::RemoteHandle;
use crate::packet::fxp;
use crate::reply::Reply;
use crate::session::Pending;

/// What is known of a reader. A call takes it and puts it back, so that a call that is cancelled forgets it.
#[derive(Default)]
pub struct Reader {
    /// Where the next read begins if it goes on.
    at: u64,
    /// The bytes that may be under way.
    window: usize,
    ahead: VecDeque<Portion>,
}

struct Portion {
    length: usize,
    state: State,
    /// Its part of what a session reads ahead.
    _room: Option<OwnedSemaphorePermit>,
}

enum State {
    UnderWay(Pending),
    Here(Bytes),
}

impl Reader {
    /// Appends up to `length` bytes from `offset` to `buffer`; 0 at the end of the file. `most`: the bytes that may be
    /// under way.
    ///
    /// # Errors
    /// The other server failed.
    pub async fn read(
        &mut self,
        handle: &RemoteHandle,
        (offset, length): (u64, usize),
        most: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<usize, Fault> {
        if offset == self.at && self.window > 0 {
            self.window = (self.window * 2).min(most);
        } else {
            *self = Self { at: offset, window: length, ahead: VecDeque::new() };
        }
        let mut read = 0;
        while read < length {
            self.ask(handle, length - read, most);
            let Some(portion) = self.ahead.pop_front() else { break };
            let (data, wanted) = match portion.state {
                State::Here(data) => {
                    let wanted = data.len();
                    (data, wanted)
                }
                State::UnderWay(pending) => match pending.answer().await? {
                    Reply::Data(data) if data.len() <= portion.length => (data, portion.length),
                    Reply::End => {
                        // What was asked for behind it is not there.
                        self.ahead.clear();
                        break;
                    }
                    _ => return Err(Fault::odd("a read with another answer")),
                },
            };
            if data.is_empty() {
                return Err(Fault::odd("a read without bytes"));
            }
            let taken = data.slice(..data.len().min(length - read));
            buffer.extend_from_slice(&taken);
            read += taken.len();
            let left = data.slice(taken.len()..);
            // The server may send less than was asked for: the rest is asked for again, before what follows.
            let lacking = wanted - data.len();
            if lacking > 0 {
                let from = self.at + (taken.len() + left.len()) as u64;
                self.ahead.push_front(Portion { length: lacking, state: ask(handle, from, lacking), _room: None });
            }
            if !left.is_empty() {
                self.ahead.push_front(Portion { length: left.len(), state: State::Here(left), _room: None });
            }
            self.at += taken.len() as u64;
        }
        Ok(read)
    }

    /// Asks for what is needed, and for what will be.
    fn ask(&mut self, handle: &RemoteHandle, needed: usize, most: usize) {
        let session = handle.session();
        let size = usize::try_from(session.portions.0).unwrap_or(usize::MAX).min(most.max(1));
        let mut under_way: usize = self.ahead.iter().map(|portion| portion.length).sum();
        let wanted = self.window.max(needed.min(most.max(1)));
        while under_way < wanted {
            let length = size.min((wanted - under_way).max(needed.min(size)));
            let room = match self.ahead.is_empty() {
                // One request is always made.
                true => None,
                false => {
                    let permits = u32::try_from(length).unwrap_or(u32::MAX);
                    match session.ahead.clone().try_acquire_many_owned(permits) {
                        Ok(room) => Some(room),
                        Err(_) => return,
                    }
                }
            };
            let from = self.at.saturating_add(under_way as u64);
            self.ahead.push_back(Portion { length, state: ask(handle, from, length), _room: room });
            under_way += length;
        }
    }
}

fn ask(handle: &RemoteHandle, offset: u64, length: usize) -> State {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    State::UnderWay(handle.request(fxp::READ, |packet| packet.u64(offset).u32(length)))
}
