//! Where a path leads in a tree in memory, by the kernel's rules for a path beneath a directory.

use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::{Canonical, FileKind, StorageError, StorageErrorKind};

use super::nodes::{NodeId, Nodes, ROOT, error};

/// As many symbolic links as Linux follows.
const MAX_LINKS: usize = 40;
/// Most names on the way, including those in links.
const MAX_STEPS: usize = 8192;
/// Most bytes of one name, as in most file systems.
pub const MAX_NAME: usize = 255;

/// What happens to a symbolic link that is the last name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    Followed,
    Kept,
}

/// What happens to symbolic links on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    Followed,
    /// Each link is an error, except a last name that is kept.
    Refused,
}

/// Where a path leads.
pub struct Found {
    /// The directory of the last name; for the root, the root itself.
    pub directory: NodeId,
    /// Empty for the root.
    pub name: Vec<u8>,
    /// `None` if nothing has the name.
    pub node: Option<NodeId>,
    /// The names from the root, without symbolic links.
    names: Vec<Vec<u8>>,
    lacks_parent: bool,
}

impl Found {
    pub fn existing(&self) -> Result<NodeId, StorageError> {
        self.node.ok_or_else(|| error(StorageErrorKind::NotFound))
    }

    /// Requires the directory of the name to exist, for something that is to be made.
    pub fn with_parent(self) -> Result<Self, StorageError> {
        if self.lacks_parent { Err(error(StorageErrorKind::NotFound)) } else { Ok(self) }
    }

    pub fn is_root(&self) -> bool {
        self.name.is_empty()
    }

    pub fn canonical(&self) -> Result<Canonical, StorageError> {
        let path = VirtualPath::resolve(&VirtualPath::root(), &self.names.join(&b'/'));
        let path = path.map_err(|_| error(StorageErrorKind::NameTooLong))?;
        Ok(Canonical { path, lacks_parent: self.lacks_parent })
    }
}

/// The part of a path that was followed so far.
struct Way {
    /// The directories on the way, from the root to the current node.
    nodes: Vec<NodeId>,
    names: Vec<Vec<u8>>,
}

impl Way {
    fn at(&self) -> NodeId {
        self.nodes.last().copied().unwrap_or(ROOT)
    }

    fn above(&self) -> NodeId {
        self.nodes.iter().rev().nth(1).copied().unwrap_or(ROOT)
    }

    fn restart(&mut self) {
        self.nodes.truncate(1);
        self.names.clear();
    }

    fn found(self) -> Found {
        let name = self.names.last().cloned().unwrap_or_default();
        Found { directory: self.above(), name, node: Some(self.at()), names: self.names, lacks_parent: false }
    }

    fn missing(mut self, name: Vec<u8>, mut ahead: Vec<Vec<u8>>) -> Found {
        let (directory, lacks_parent) = (self.at(), !ahead.is_empty());
        ahead.reverse();
        let last = ahead.last().cloned().unwrap_or_else(|| name.clone());
        self.names.push(name);
        self.names.extend(ahead);
        Found { directory, name: last, node: None, names: self.names, lacks_parent }
    }
}

/// Where a path leads.
///
/// # Errors
/// `NotADirectory`, `NameTooLong`, `Loop`, and `CrossDevice` for a path that leads out of the tree.
pub fn find(nodes: &Nodes, path: &[u8], last: Last, links: Links) -> Result<Found, StorageError> {
    let mut ahead = Vec::new();
    push_names(&mut ahead, path);
    let mut way = Way { nodes: vec![ROOT], names: Vec::new() };
    let (mut followed, mut steps) = (0, 0);
    while let Some(name) = ahead.pop() {
        steps += 1;
        if steps > MAX_STEPS {
            return Err(error(StorageErrorKind::Loop));
        }
        if name == b".." {
            if nodes.kind(way.at())? != FileKind::Directory {
                return Err(error(StorageErrorKind::NotADirectory));
            }
            way.names.pop().ok_or_else(|| error(StorageErrorKind::CrossDevice))?;
            way.nodes.pop();
            continue;
        }
        let entries = nodes.entries(way.at())?;
        if name.len() > MAX_NAME {
            return Err(error(StorageErrorKind::NameTooLong));
        }
        let Some(node) = entries.get(&name).copied() else {
            return Ok(way.missing(name, ahead));
        };
        let text = nodes.link_text(node).filter(|_| !ahead.is_empty() || last == Last::Followed);
        let Some(text) = text else {
            way.nodes.push(node);
            way.names.push(name);
            continue;
        };
        followed += 1;
        if links == Links::Refused || followed > MAX_LINKS {
            return Err(error(StorageErrorKind::Loop));
        }
        // An absolute text begins at the root of the tree.
        if text.first() == Some(&b'/') {
            way.restart();
        }
        push_names(&mut ahead, text);
    }
    Ok(way.found())
}

/// Pushes the names of a path, with the first one on top.
fn push_names(ahead: &mut Vec<Vec<u8>>, path: &[u8]) {
    let names = path.rsplit(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".");
    ahead.extend(names.map(<[u8]>::to_vec));
}
