//! The entries of a list, some at a time.

use serde_json::{Map, Value};

use super::cursor::{Cursor, Place};
use super::{DumpError, MAX_ENTRY};

/// Entries that are read together.
const PART: usize = 500;
/// A part is full when its texts have so many bytes.
const PART_BYTES: usize = 1 << 20;

/// Reads a list on.
pub struct Entries {
    list: String,
    cursor: Cursor,
    index: usize,
    count: usize,
}

/// An entry of a list, which was not parsed yet.
pub struct Entry {
    list: String,
    /// Its place in the list, from 0.
    pub index: usize,
    place: Place,
    /// None: it is too long.
    text: Option<Vec<u8>>,
}

impl Entries {
    pub(super) fn new(list: &str, cursor: Cursor, count: usize) -> Self {
        Self { list: list.to_owned(), cursor, index: 0, count }
    }

    /// How many entries there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The next entries, some hundred at most; empty: there are no more. May wait for a disk.
    ///
    /// # Errors
    /// The text cannot be read, or is not what it was when it was [read](super::DumpText::read) first.
    pub fn part(&mut self) -> Result<Vec<Entry>, DumpError> {
        let (mut part, mut bytes) = (Vec::new(), 0);
        while self.index < self.count && part.len() < PART && bytes < PART_BYTES {
            self.cursor.skip_blanks()?;
            let (list, place) = (self.list.clone(), self.cursor.place());
            let text = self.cursor.value(MAX_ENTRY)?;
            bytes += text.as_ref().map_or(0, Vec::len);
            part.push(Entry { list, index: self.index, place, text });
            self.index += 1;
            if self.cursor.next_entry()? != (self.index < self.count) {
                return Err(self.cursor.malformed("the text was changed while it was read"));
            }
        }
        Ok(part)
    }

    /// The documents of the next entries.
    ///
    /// # Errors
    /// As [`part`](Self::part), or an entry is no document.
    pub fn documents(&mut self) -> Result<Vec<Map<String, Value>>, DumpError> {
        self.part()?.into_iter().map(Entry::document).collect()
    }
}

impl Entry {
    /// The text; None: it is too long.
    pub fn text(&self) -> Option<&[u8]> {
        self.text.as_deref()
    }

    /// The document.
    ///
    /// # Errors
    /// The entry is no object, has more than [`MAX_ENTRY`] bytes, or is something that cannot be read, such as a value
    /// that is nested too deep.
    pub fn document(self) -> Result<Map<String, Value>, DumpError> {
        let Self { list, index, place, text } = self;
        let wrong = |problem: String, place| DumpError::Entry { list: list.clone(), index, problem, place };
        let Some(text) = text else {
            return Err(wrong(format!("is longer than {MAX_ENTRY} bytes"), place));
        };
        if !text.starts_with(b"{") {
            return Err(wrong(format!("is no object; \"{list}\" must be a list of objects"), place));
        }
        serde_json::from_slice(&text).map_err(|error| {
            let (problem, place) = place.located(&error);
            wrong(format!("cannot be read: {problem}"), place)
        })
    }
}
