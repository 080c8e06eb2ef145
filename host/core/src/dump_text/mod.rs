//! The text of a dump, which is never in memory as a whole. The first pass ([`DumpText::read`]) looks at all of it, says
//! what is no JSON and where, and notes where the lists begin; their [`Entries`] are then read a few at a time, in any
//! order of the lists, since accounts are loaded last and dumps begin with them.

mod cursor;
mod entries;
mod error;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::IgnoredAny;

use crate::account::ObjectKind;
use crate::ports::SpooledText;
pub use cursor::Place;
use cursor::{Cursor, Mark};
pub use entries::{Entries, Entry};
pub use error::DumpError;

/// Most bytes of the text of one entry. Accounts have less by far; a group may have 2 MiB, and in a dump, where each value
/// has a line of its own, some times that.
pub const MAX_ENTRY: usize = 8 << 20;
/// Most bytes of the name of a list.
const MAX_NAME: usize = 1024;
/// Most lists and values; a dump has ten.
const MAX_MEMBERS: usize = 1000;
/// Longer values are not kept: nothing asks for them.
const MAX_VALUE: usize = 64;

/// What some editors write before a text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The lists that are loaded: of accounts (None), folders, groups and roles.
pub const fn list_of(kind: Option<ObjectKind>) -> &'static str {
    match kind {
        None => "users",
        Some(ObjectKind::Folder) => "folders",
        Some(ObjectKind::Group) => "groups",
        Some(ObjectKind::Role) => "roles",
    }
}

/// What is loaded, in its order: accounts, None, refer to what comes before them.
pub fn kinds_in_order() -> impl Iterator<Item = Option<ObjectKind>> {
    ObjectKind::ALL.into_iter().map(Some).chain([None])
}

/// A text that is a JSON object, as far as its first pass shows.
pub struct DumpText {
    text: Arc<dyn SpooledText>,
    members: BTreeMap<String, Member>,
}

enum Member {
    List {
        begin: Mark,
        count: usize,
    },
    /// The text, if it is short.
    Value(Option<Vec<u8>>),
}

impl DumpText {
    /// Looks at the whole text. May wait for a disk.
    ///
    /// # Errors
    /// The text is no JSON object, has a name twice, or cannot be read.
    pub fn read(text: Arc<dyn SpooledText>) -> Result<Self, DumpError> {
        let mut cursor = Cursor::new(text.clone());
        cursor.skip_blanks()?;
        if cursor.peek()? != Some(b'{') {
            return Err(cursor.malformed("it is no JSON object, {…}"));
        }
        let members = read_members(&mut cursor)?;
        Ok(Self { text, members })
    }

    /// As [`read`](Self::read), of a text of the older server: it may be the bare list of accounts, and begin with a byte
    /// order mark.
    ///
    /// # Errors
    /// As of `read`; `NoLists`: it is neither an object nor a list.
    pub fn read_older(text: Arc<dyn SpooledText>) -> Result<Self, DumpError> {
        let mut cursor = Cursor::new(text.clone());
        if text.read(0, BYTE_ORDER_MARK.len())? == BYTE_ORDER_MARK {
            for _ in BYTE_ORDER_MARK {
                cursor.take()?;
            }
        }
        cursor.skip_blanks()?;
        let members = match cursor.peek()? {
            Some(b'{') => read_members(&mut cursor)?,
            Some(b'[') => {
                let list = read_list(&mut cursor)?;
                check_end(&mut cursor)?;
                BTreeMap::from([(list_of(None).to_owned(), list)])
            }
            Some(_) => return Err(DumpError::NoLists),
            None => return Err(cursor.broken_off()),
        };
        Ok(Self { text, members })
    }

    /// The entries of a list; None: there is no such list, or it is `null`.
    ///
    /// # Errors
    /// It is no list.
    pub fn entries(&self, list: &str) -> Result<Option<Entries>, DumpError> {
        match self.members.get(list) {
            Some(Member::List { begin, count }) => {
                Ok(Some(Entries::new(list, Cursor::at(self.text.clone(), *begin), *count)))
            }
            None => Ok(None),
            Some(Member::Value(Some(value))) if value == b"null" => Ok(None),
            Some(Member::Value(_)) => Err(DumpError::List(list.to_owned())),
        }
    }

    /// The lists that are [loaded](list_of), in their order: the rule of all doors on what a dump is. Any of them may be
    /// left out, or be `null`, as the older server writes those that are empty.
    ///
    /// # Errors
    /// It has the name of none of them; or what has such a name is no list.
    pub fn lists(&self) -> Result<Vec<(Option<ObjectKind>, Entries)>, DumpError> {
        if !kinds_in_order().any(|kind| self.members.contains_key(list_of(kind))) {
            return Err(DumpError::NoLists);
        }
        let mut lists = Vec::new();
        for kind in kinds_in_order() {
            lists.extend(self.entries(list_of(kind))?.map(|entries| (kind, entries)));
        }
        Ok(lists)
    }

    /// Whether it has a value of that name with this text.
    pub fn has(&self, name: &str, value: &str) -> bool {
        matches!(self.members.get(name), Some(Member::Value(Some(found))) if found == value.as_bytes())
    }

    /// How many there are of what has that name: the entries of a list, or one, if it is an object with something in it.
    pub fn count(&self, name: &str) -> usize {
        match self.members.get(name) {
            Some(Member::List { count, .. }) => *count,
            // What was not kept is long.
            Some(Member::Value(None)) => 1,
            Some(Member::Value(Some(value))) => {
                let is_filled = value.iter().filter(|byte| !byte.is_ascii_whitespace()).count() > 2;
                usize::from(value.starts_with(b"{") && is_filled)
            }
            None => 0,
        }
    }

    /// The names of what it has.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// The lists with entries that are not [loaded](list_of).
    pub fn left(&self) -> Vec<String> {
        let is_left = |(name, member): &(&String, &Member)| {
            let is_filled = matches!(member, Member::List { count, .. } if *count > 0);
            is_filled && kinds_in_order().all(|kind| list_of(kind) != name.as_str())
        };
        self.members.iter().filter(is_left).map(|(name, _)| name.clone()).collect()
    }
}

/// Reads an object, which is the rest of the text.
fn read_members(cursor: &mut Cursor) -> Result<BTreeMap<String, Member>, DumpError> {
    let mut members = BTreeMap::new();
    cursor.take()?;
    cursor.skip_blanks()?;
    if cursor.peek()? == Some(b'}') {
        cursor.take()?;
    } else {
        while read_member(cursor, &mut members)? {}
    }
    check_end(cursor)?;
    Ok(members)
}

fn check_end(cursor: &mut Cursor) -> Result<(), DumpError> {
    cursor.skip_blanks()?;
    match cursor.peek()? {
        Some(_) => Err(cursor.malformed("trailing characters: there is something behind the end of the JSON value")),
        None => Ok(()),
    }
}

/// Reads a name and what it names. The answer: whether another one follows.
fn read_member(cursor: &mut Cursor, members: &mut BTreeMap<String, Member>) -> Result<bool, DumpError> {
    cursor.skip_blanks()?;
    if cursor.peek()? != Some(b'"') {
        return Err(cursor.malformed("expected a name in quotes"));
    }
    let place = cursor.place();
    let name = cursor.value(MAX_NAME)?.ok_or_else(|| place.malformed("a name is too long"))?;
    let name: String = serde_json::from_slice(&name).map_err(|error| place.of_json(&error))?;
    if members.contains_key(&name) {
        // One of the two would be left out, and nothing would say so.
        return Err(place.malformed(&format!("the name {name:?} comes twice")));
    }
    cursor.skip_blanks()?;
    if cursor.peek()? != Some(b':') {
        return Err(cursor.malformed("expected `:`"));
    }
    cursor.take()?;
    cursor.skip_blanks()?;
    let member = if cursor.peek()? == Some(b'[') { read_list(cursor)? } else { read_value(cursor)? };
    members.insert(name, member);
    if members.len() > MAX_MEMBERS {
        return Err(cursor.malformed(&format!("it has more than {MAX_MEMBERS} lists and values")));
    }
    cursor.skip_blanks()?;
    let place = cursor.place();
    match cursor.take()? {
        Some(b',') => Ok(true),
        Some(b'}') => Ok(false),
        Some(_) => Err(place.malformed("expected `,` or `}`")),
        None => Err(cursor.broken_off()),
    }
}

fn read_list(cursor: &mut Cursor) -> Result<Member, DumpError> {
    cursor.take()?;
    cursor.skip_blanks()?;
    let begin = cursor.mark();
    let mut count = 0;
    if cursor.peek()? == Some(b']') {
        cursor.take()?;
        return Ok(Member::List { begin, count });
    }
    loop {
        cursor.skip_blanks()?;
        let place = cursor.place();
        // One that is too long is told when its list is read.
        if let Some(value) = cursor.value(MAX_ENTRY)? {
            check_value(&value, place)?;
        }
        count += 1;
        if !cursor.next_entry()? {
            return Ok(Member::List { begin, count });
        }
    }
}

fn read_value(cursor: &mut Cursor) -> Result<Member, DumpError> {
    let place = cursor.place();
    let too_long = || place.malformed(&format!("a value is longer than {MAX_ENTRY} bytes"));
    let value = cursor.value(MAX_ENTRY)?.ok_or_else(too_long)?;
    check_value(&value, place)?;
    Ok(Member::Value(Some(value).filter(|value| value.len() <= MAX_VALUE)))
}

/// Checks that it is JSON, of whatever kind and however deep: what is too deep is told when its list is read.
fn check_value(value: &[u8], place: Place) -> Result<(), DumpError> {
    serde_json::from_slice::<IgnoredAny>(value).map(drop).map_err(|error| place.of_json(&error))
}
