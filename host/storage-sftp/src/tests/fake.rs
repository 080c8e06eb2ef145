//! A server in the process of the test, with files in memory. It can be told to refuse, to be silent and to break off.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use tidegate_core::ports::storage::{SftpLocation, StorageError, StorageErrorKind};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::errors::fx;
use crate::packet::{Attributes, Fields, Packet, fxf, fxp};
use crate::{Dial, Streams};

const FILE: u32 = 0o100_644;
const DIRECTORY: u32 = 0o040_755;
const LINK: u32 = 0o120_777;

/// What has a path.
#[derive(Clone, Default)]
pub struct Node {
    pub data: Vec<u8>,
    pub mode: u32,
    pub modified: u32,
}

/// What is done with a request instead of what it asks for.
#[derive(Clone, Copy)]
pub enum Instead {
    /// This status is answered, with this text.
    Refuse(u32, &'static str),
    /// It is not answered.
    Silence,
    /// It is answered by the end of the connection.
    BreakOff,
}

/// A type of packet, how many of them are left alone before, and what is done.
pub type Rule = (u8, usize, Instead);

#[derive(Default)]
pub struct Content {
    pub nodes: BTreeMap<String, Node>,
    pub extensions: Vec<&'static str>,
    pub rules: Vec<Rule>,
    /// The types of the packets so far.
    pub packets: Vec<u8>,
    pub is_away: bool,
    pub dialled: usize,
    handles: BTreeMap<u32, (String, usize)>,
}

#[derive(Clone, Default)]
pub struct Fake(Arc<Mutex<Content>>);

impl Fake {
    /// A server with these extensions of OpenSSH, and an empty root.
    pub fn new(extensions: &[&'static str]) -> Self {
        let fake = Self::default();
        fake.content().extensions = extensions.to_vec();
        fake.put("/", DIRECTORY, b"", 0);
        fake
    }

    pub fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap()
    }

    fn put(&self, path: &str, mode: u32, data: &[u8], modified: u32) {
        self.content().nodes.insert(path.to_owned(), Node { data: data.to_vec(), mode, modified });
    }

    pub fn file(&self, path: &str, data: &[u8], modified: u32) {
        self.put(path, FILE, data, modified);
    }

    pub fn directory(&self, path: &str) {
        self.put(path, DIRECTORY, b"", 0);
    }

    pub fn link(&self, path: &str, to: &str) {
        self.put(path, LINK, to.as_bytes(), 0);
    }

    pub fn data(&self, path: &str) -> Option<Vec<u8>> {
        self.content().nodes.get(path).map(|node| node.data.clone())
    }

    /// The paths of all files.
    pub fn paths(&self) -> Vec<String> {
        let content = self.content();
        content.nodes.iter().filter(|(_, node)| node.mode != DIRECTORY).map(|(path, _)| path.clone()).collect()
    }

    pub fn rule(&self, packet: u8, after: usize, instead: Instead) {
        self.content().rules.push((packet, after, instead));
    }

    /// Serves until the client leaves, or a rule breaks off.
    pub async fn serve(self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        while let Ok(length) = stream.read_u32().await {
            let mut packet = vec![0; length as usize];
            if stream.read_exact(&mut packet).await.is_err() {
                return;
            }
            let reply = match self.instead(packet[0]) {
                Some(Instead::BreakOff) => return,
                Some(Instead::Silence) => continue,
                Some(Instead::Refuse(code, text)) => status_of(Fields(&packet[1..]).u32().unwrap(), code, text),
                None => self.content().perform(&packet),
            };
            if stream.write_all(&reply.finish()).await.is_err() {
                return;
            }
        }
    }

    fn instead(&self, packet: u8) -> Option<Instead> {
        let mut content = self.content();
        content.packets.push(packet);
        let at = content.rules.iter_mut().position(|(of, after, _)| {
            if *of != packet {
                return false;
            }
            let is_now = *after == 0;
            *after = after.saturating_sub(1);
            is_now
        })?;
        Some(content.rules.remove(at).2)
    }
}

#[async_trait]
impl Dial for Fake {
    async fn dial(&self, _place: &SftpLocation) -> Result<Streams, StorageError> {
        let mut content = self.content();
        content.dialled += 1;
        if content.is_away {
            return Err(StorageError::new(StorageErrorKind::Other, "the server is away"));
        }
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        tokio::spawn(self.clone().serve(theirs));
        let (reader, writer) = tokio::io::split(ours);
        Ok(Streams { reader: Box::new(reader), writer: Box::new(writer), guard: Box::new(()) })
    }
}

fn status_of(id: u32, code: u32, text: &str) -> Packet {
    Packet::new(fxp::STATUS, id).u32(code).text(text.as_bytes()).text(b"en")
}

fn attributes(node: &Node) -> Attributes {
    let size = Some(node.data.len() as u64);
    Attributes { size, owner: None, mode: Some(node.mode), times: Some((node.modified, node.modified)) }
}

impl Content {
    fn perform(&mut self, packet: &[u8]) -> Packet {
        if packet[0] == fxp::INIT {
            let version = Packet::new(fxp::VERSION, 3);
            return self.extensions.iter().fold(version, |packet, name| packet.text(name.as_bytes()).text(b"1"));
        }
        let mut fields = Fields(&packet[1..]);
        let id = fields.u32().unwrap();
        self.answer(packet[0], id, fields).unwrap_or_else(|code| status_of(id, code, "refused"))
    }

    fn answer(&mut self, kind: u8, id: u32, mut fields: Fields<'_>) -> Result<Packet, u32> {
        let done = || Ok(status_of(id, fx::OK, ""));
        let handles = [fxp::CLOSE, fxp::READ, fxp::WRITE, fxp::FSTAT, fxp::FSETSTAT, fxp::READDIR];
        let first = fields.text().unwrap();
        let (path, handle) = if handles.contains(&kind) {
            let handle = u32::from_be_bytes(first.try_into().unwrap());
            (self.handles.get(&handle).ok_or(fx::FAILURE)?.0.clone(), handle)
        } else {
            (String::from_utf8(first.to_vec()).unwrap(), 0)
        };
        match kind {
            fxp::OPEN => {
                let (flags, set) = (fields.u32().unwrap(), fields.attributes().unwrap());
                let is_there = self.nodes.contains_key(&path);
                if is_there && flags & fxf::EXCLUSIVE != 0 {
                    return Err(fx::FAILURE);
                }
                if !is_there && flags & fxf::CREATE == 0 {
                    return Err(fx::NO_SUCH_FILE);
                }
                let mode = 0o100_000 | set.mode.unwrap_or(0o644);
                let node = self.nodes.entry(path.clone()).or_insert(Node { mode, ..Node::default() });
                if flags & fxf::TRUNCATE != 0 {
                    node.data.clear();
                }
                Ok(self.opened(id, path))
            }
            fxp::OPENDIR => Ok(self.opened(id, path)),
            fxp::CLOSE => {
                self.handles.remove(&handle);
                done()
            }
            fxp::READ => {
                let (offset, length) = (fields.u64().unwrap() as usize, fields.u32().unwrap() as usize);
                let data = &self.nodes.get(&path).ok_or(fx::FAILURE)?.data;
                let part = data.get(offset..data.len().min(offset + length)).filter(|part| !part.is_empty());
                Ok(Packet::new(fxp::DATA, id).text(part.ok_or(fx::EOF)?))
            }
            fxp::WRITE => {
                let (offset, data) = (fields.u64().unwrap() as usize, fields.text().unwrap());
                let node = self.nodes.get_mut(&path).ok_or(fx::FAILURE)?;
                node.data.resize(node.data.len().max(offset + data.len()), 0);
                node.data[offset..offset + data.len()].copy_from_slice(data);
                done()
            }
            fxp::STAT | fxp::LSTAT | fxp::FSTAT => {
                let node = self.nodes.get(&path).ok_or(fx::NO_SUCH_FILE)?;
                Ok(Packet::new(fxp::ATTRS, id).attributes(&attributes(node)))
            }
            fxp::SETSTAT | fxp::FSETSTAT => {
                let set = fields.attributes().unwrap();
                let node = self.nodes.get_mut(&path).ok_or(fx::NO_SUCH_FILE)?;
                if let Some(size) = set.size {
                    node.data.resize(size as usize, 0);
                }
                node.mode = set.mode.map_or(node.mode, |mode| node.mode & !0o7777 | mode);
                done()
            }
            fxp::READDIR => {
                let (_, seen) = self.handles.get_mut(&handle).ok_or(fx::FAILURE)?;
                if std::mem::replace(seen, 1) > 0 {
                    return Err(fx::EOF);
                }
                let above = if path == "/" { path } else { format!("{path}/") };
                let below = |(at, node): (&'_ String, &'_ Node)| {
                    let name = at.strip_prefix(&*above).filter(|name| !name.is_empty() && !name.contains('/'))?;
                    Some((name.to_owned(), attributes(node)))
                };
                let entries: Vec<_> = self.nodes.iter().filter_map(below).collect();
                if entries.is_empty() {
                    return Err(fx::EOF);
                }
                let reply = Packet::new(fxp::NAME, id).u32(entries.len() as u32);
                Ok(entries.into_iter().fold(reply, |reply, (name, attributes)| {
                    reply.text(name.as_bytes()).text(b"").attributes(&attributes)
                }))
            }
            fxp::REMOVE => self.nodes.remove(&path).ok_or(fx::NO_SUCH_FILE).and_then(|_| done()),
            fxp::RENAME => {
                let to = String::from_utf8(fields.text().unwrap().to_vec()).unwrap();
                if self.nodes.contains_key(&to) {
                    return Err(fx::FAILURE);
                }
                self.renamed(&path, to).and_then(|()| done())
            }
            fxp::EXTENDED if path == "posix-rename@openssh.com" => {
                let mut next = || String::from_utf8(fields.text().unwrap().to_vec()).unwrap();
                let (from, to) = (next(), next());
                self.renamed(&from, to).and_then(|()| done())
            }
            fxp::EXTENDED if path == "fsync@openssh.com" => done(),
            _ => Err(fx::UNSUPPORTED),
        }
    }

    fn renamed(&mut self, from: &str, to: String) -> Result<(), u32> {
        let node = self.nodes.remove(from).ok_or(fx::NO_SUCH_FILE)?;
        self.nodes.insert(to.clone(), node);
        // Handles are of files.
        for (path, _) in self.handles.values_mut().filter(|(path, _)| path == from) {
            path.clone_from(&to);
        }
        Ok(())
    }

    /// Gives the lowest number that is free, as OpenSSH's server does.
    fn opened(&mut self, id: u32, path: String) -> Packet {
        let handle = (0..).find(|number| !self.handles.contains_key(number)).unwrap();
        self.handles.insert(handle, (path, 0));
        Packet::new(fxp::HANDLE, id).text(&handle.to_be_bytes())
    }
}
