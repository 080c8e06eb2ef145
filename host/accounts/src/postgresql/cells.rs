//! Cells on the wire, in PostgreSQL's binary format.
//!
//! PostgreSQL's texts cannot hold the character NUL, which names and texts of documents may. It is stored as two
//! characters U+0001, and U+0001 as U+0001 U+0002. Texts keep the order of their bytes that way, and one prefix
//! stays the prefix of the other.

use std::borrow::Cow;
use std::error::Error;

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::sql::{Cell, Row};

const ESCAPE: char = '\u{1}';
const AS_ESCAPE: char = '\u{2}';

impl ToSql for Cell {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => return Ok(IsNull::Yes),
            Self::Integer(number) => out.put_i64(*number),
            Self::Real(number) => out.put_f64(*number),
            Self::Text(text) => out.put_slice(escaped(text).as_bytes()),
            Self::Bytes(bytes) => out.put_slice(bytes),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// The type that a parameter is sent as; of NULL, the server finds it.
pub fn type_of(cell: &Cell) -> Type {
    match cell {
        Cell::Null => Type::UNKNOWN,
        Cell::Integer(_) => Type::INT8,
        Cell::Real(_) => Type::FLOAT8,
        Cell::Text(_) => Type::TEXT,
        Cell::Bytes(_) => Type::BYTEA,
    }
}

impl<'a> FromSql<'a> for Cell {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(match *kind {
            Type::INT8 => Self::Integer(FromSql::from_sql(kind, raw)?),
            Type::INT4 => Self::Integer(<i32 as FromSql>::from_sql(kind, raw)?.into()),
            Type::INT2 => Self::Integer(<i16 as FromSql>::from_sql(kind, raw)?.into()),
            Type::BOOL => Self::Integer(<bool as FromSql>::from_sql(kind, raw)?.into()),
            Type::FLOAT8 => Self::Real(FromSql::from_sql(kind, raw)?),
            Type::FLOAT4 => Self::Real(<f32 as FromSql>::from_sql(kind, raw)?.into()),
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN | Type::JSON => {
                Self::Text(unescaped(std::str::from_utf8(raw)?).into_owned())
            }
            _ => Self::Bytes(raw.to_vec()),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// The cells of a row.
pub fn row(row: &tokio_postgres::Row) -> Result<Row, tokio_postgres::Error> {
    (0..row.len()).map(|index| row.try_get::<_, Cell>(index)).collect::<Result<_, _>>().map(Row)
}

fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\0' => escaped.extend([ESCAPE, ESCAPE]),
            ESCAPE => escaped.extend([ESCAPE, AS_ESCAPE]),
            other => escaped.push(other),
        }
    }
    Cow::Owned(escaped)
}

/// What another program wrote without escapes stays as it is.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains(ESCAPE) {
        return Cow::Borrowed(text);
    }
    let mut unescaped = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let found = match character {
            ESCAPE if characters.next_if_eq(&ESCAPE).is_some() => '\0',
            ESCAPE if characters.next_if_eq(&AS_ESCAPE).is_some() => ESCAPE,
            other => other,
        };
        unescaped.push(found);
    }
    Cow::Owned(unescaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_keep_texts_and_their_order() {
        let texts = ["", "\0", "\0\0", "\0\u{1}", "\u{1}", "\u{1}\0", "\u{1}\u{1}", "\u{1}\u{2}", "\u{2}", "a", "a\0"];
        for (number, text) in texts.iter().enumerate() {
            let stored = escaped(text);
            assert!(!stored.contains('\0'), "{text:?}");
            assert_eq!(unescaped(&stored), *text);
            for other in texts.iter().skip(number) {
                assert_eq!(text.cmp(other), stored.as_ref().cmp(&escaped(other)), "{text:?} {other:?}");
                assert_eq!(other.starts_with(text), escaped(other).starts_with(stored.as_ref()), "{text:?} {other:?}");
            }
        }
        assert_eq!(unescaped("\u{1}x\u{1}"), "\u{1}x\u{1}");
    }
}
