//! Where a path leads. Names are looked at one by one, and symbolic links are read and resolved here, because servers
//! differ in what they resolve: what leads out of the tree is refused before it is used.
//!
//! The looks at the names of a path are under way at the same time. The protocol cannot bind an operation to what was
//! looked at, so that a program at the other server can put a link in the place of a directory in between.

use std::collections::VecDeque;
use std::sync::Arc;

use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::{FileKind, StorageErrorKind};

use crate::attributes::kind_of;
use crate::errors::{Fault, failed, fx, not_a_directory, not_found};
use crate::packet::{Attributes, fxp};
use crate::session::Session;
use crate::tree::Tree;

/// The most symbolic links on the way, as Linux has it.
const MOST_LINKS: usize = 40;
/// The looks that are under way at the same time.
const LOOKS: usize = 16;
/// The longest name, in bytes.
const LONGEST_NAME: usize = 255;

/// How a walk treats symbolic links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Links {
    /// A link in the last place is followed.
    pub follow_last: bool,
    /// A link that would be followed is an error.
    pub are_refused: bool,
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The path without symbolic links.
    pub path: VirtualPath,
    /// The attributes of the file; None: there is none.
    pub attributes: Option<Attributes>,
    /// A directory above the last name is missing.
    pub lacks_parent: bool,
}

impl Found {
    /// The attributes of the existing file.
    ///
    /// # Errors
    /// `NotFound`
    pub fn existing(&self) -> Result<&Attributes, Fault> {
        self.attributes.as_ref().ok_or_else(|| not_found().into())
    }

    /// The kind of the file; None: there is none.
    pub fn kind(&self) -> Option<FileKind> {
        self.attributes.as_ref().map(kind_of)
    }
}

/// Finds what a path leads to.
///
/// # Errors
/// `CrossDevice`: it leads out of the tree. `Loop`, `NotADirectory`, `NameTooLong`; the server cannot be used.
pub async fn walk(tree: &Tree, session: &Arc<Session>, path: &VirtualPath, links: Links) -> Result<Found, Fault> {
    let mut way = Way::default();
    let mut ahead: VecDeque<Vec<u8>> = path.names().map(<[u8]>::to_vec).collect();
    let mut followed = 0;
    'on: while let Some(next) = ahead.front() {
        if next == b".." {
            way.up()?;
            ahead.pop_front();
            continue;
        }
        if !way.is_directory {
            return Err(not_a_directory().into());
        }
        let looks = look_ahead(tree, session, &way, &ahead)?;
        for look in looks {
            let is_last = ahead.len() == 1;
            let attributes = match look.attributes().await {
                Ok(attributes) => attributes,
                Err(fault) if fault.is_missing() => {
                    way.names.extend(ahead);
                    return Ok(Found { path: way.path()?, attributes: None, lacks_parent: !is_last });
                }
                Err(Fault::Status { code: fx::NOT_A_DIRECTORY, .. }) => return Err(not_a_directory().into()),
                Err(fault) => return Err(fault),
            };
            let Some(name) = ahead.pop_front() else { continue 'on };
            let is_followed = kind_of(&attributes) == FileKind::Symlink && (!is_last || links.follow_last);
            if !is_followed {
                way.enter(name, attributes);
                if !way.is_directory && !ahead.is_empty() && ahead.front().is_none_or(|next| next != b"..") {
                    return Err(not_a_directory().into());
                }
                continue;
            }
            followed += 1;
            if links.are_refused || followed > MOST_LINKS {
                return Err(failed(StorageErrorKind::Loop, "too many levels of symbolic links").into());
            }
            let there = tree.there(&way.path_with(&name)?);
            let text = session.about(fxp::READLINK, &there).name().await?;
            let text = match text.first() {
                Some(b'/') => {
                    let inside = tree.inside(session, &text).await?.ok_or_else(leads_out)?;
                    way = Way::default();
                    inside
                }
                Some(_) => text,
                None => return Err(not_found().into()),
            };
            let names = text.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".");
            for name in names.rev() {
                ahead.push_front(name.to_vec());
            }
            continue 'on;
        }
    }
    let path = way.path()?;
    let attributes = match way.attributes {
        Some(attributes) => attributes,
        // The root, or a directory that was reached from below.
        None => {
            let look = if path.is_root() { fxp::STAT } else { fxp::LSTAT };
            session.about(look, &tree.there(&path)).attributes().await?
        }
    };
    Ok(Found { path, attributes: Some(attributes), lacks_parent: false })
}

/// Asks for the next names that can be looked at without knowing what the first ones are.
fn look_ahead(
    tree: &Tree,
    session: &Session,
    way: &Way,
    ahead: &VecDeque<Vec<u8>>,
) -> Result<Vec<crate::session::Pending>, Fault> {
    let mut there = tree.there(&way.path()?);
    let mut looks = Vec::new();
    for name in ahead.iter().take_while(|name| *name != b"..").take(LOOKS) {
        if name.len() > LONGEST_NAME {
            // Those before it may be missing, which is said first.
            if looks.is_empty() {
                return Err(failed(StorageErrorKind::NameTooLong, "the name is too long").into());
            }
            break;
        }
        if there.last() != Some(&b'/') {
            there.push(b'/');
        }
        there.extend_from_slice(name);
        looks.push(session.about(fxp::LSTAT, &there));
    }
    Ok(looks)
}

fn leads_out() -> Fault {
    failed(StorageErrorKind::CrossDevice, "the path leads outside the directory").into()
}

/// The part of a path that was followed so far.
struct Way {
    names: Vec<Vec<u8>>,
    /// What the last name has, if it is known.
    attributes: Option<Attributes>,
    is_directory: bool,
}

impl Default for Way {
    fn default() -> Self {
        Self { names: Vec::new(), attributes: None, is_directory: true }
    }
}

impl Way {
    fn enter(&mut self, name: Vec<u8>, attributes: Attributes) {
        self.names.push(name);
        self.is_directory = kind_of(&attributes) == FileKind::Directory;
        self.attributes = Some(attributes);
    }

    fn up(&mut self) -> Result<(), Fault> {
        if !self.is_directory {
            return Err(not_a_directory().into());
        }
        self.names.pop().ok_or_else(leads_out)?;
        self.attributes = None;
        Ok(())
    }

    fn path(&self) -> Result<VirtualPath, Fault> {
        let text = self.names.join(&b'/');
        let path = VirtualPath::resolve(&VirtualPath::root(), &text);
        path.map_err(|error| failed(StorageErrorKind::NameTooLong, &error.to_string()).into())
    }

    fn path_with(&self, name: &[u8]) -> Result<VirtualPath, Fault> {
        let path = VirtualPath::resolve(&self.path()?, name);
        path.map_err(|error| failed(StorageErrorKind::NameTooLong, &error.to_string()).into())
    }
}
