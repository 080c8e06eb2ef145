//! Values of columns and of parameters.

use serde_json::{Value as Json, json};
use tidegate_core::ports::StoreError;

/// A value of a column or of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// SQL's NULL.
    Null,
    /// A number of 64 bits or a flag.
    Integer(i64),
    /// A number that is no integer; only read, never written.
    Real(f64),
    /// Text; it may contain NUL characters, whatever the database makes of them.
    Text(String),
    /// Binary data.
    Bytes(Vec<u8>),
}

impl Cell {
    /// The value as documents have it; `None` for NULL.
    pub fn into_json(self) -> Option<Json> {
        match self {
            Self::Null => None,
            Self::Integer(number) => Some(json!(number)),
            Self::Real(number) => Some(json!(number)),
            Self::Text(text) => Some(Json::String(text)),
            Self::Bytes(bytes) => Some(Json::String(String::from_utf8_lossy(&bytes).into_owned())),
        }
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Cell {
    fn from(flag: bool) -> Self {
        Self::Integer(flag.into())
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// One row of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Row(pub Vec<Cell>);

impl Row {
    /// Takes the cell out of the row; NULL if there is none, or if it was taken.
    pub fn take(&mut self, index: usize) -> Cell {
        self.0.get_mut(index).map_or(Cell::Null, |cell| std::mem::replace(cell, Cell::Null))
    }

    /// A number; an error if the cell holds something else.
    pub fn integer(&mut self, index: usize) -> Result<i64, StoreError> {
        match self.take(index) {
            Cell::Integer(number) => Ok(number),
            other => Err(unexpected(index, "number", &other)),
        }
    }

    /// A text; an error if the cell holds something else.
    pub fn text(&mut self, index: usize) -> Result<String, StoreError> {
        match self.take(index) {
            Cell::Text(text) => Ok(text),
            other => Err(unexpected(index, "text", &other)),
        }
    }

    /// A number, or NULL.
    pub fn optional_integer(&mut self, index: usize) -> Result<Option<i64>, StoreError> {
        match self.take(index) {
            Cell::Null => Ok(None),
            Cell::Integer(number) => Ok(Some(number)),
            other => Err(unexpected(index, "number", &other)),
        }
    }

    /// A text, or NULL.
    pub fn optional_text(&mut self, index: usize) -> Result<Option<String>, StoreError> {
        match self.take(index) {
            Cell::Null => Ok(None),
            Cell::Text(text) => Ok(Some(text)),
            other => Err(unexpected(index, "text", &other)),
        }
    }

    /// Bytes; an error if the cell holds something else.
    pub fn bytes(&mut self, index: usize) -> Result<Vec<u8>, StoreError> {
        match self.take(index) {
            Cell::Bytes(bytes) => Ok(bytes),
            other => Err(unexpected(index, "bytes", &other)),
        }
    }
}

fn unexpected(index: usize, wanted: &str, found: &Cell) -> StoreError {
    let found = match found {
        Cell::Null => "NULL",
        Cell::Integer(_) | Cell::Real(_) => "a number",
        Cell::Text(_) => "a text",
        Cell::Bytes(_) => "bytes",
    };
    let column = index + 1;
    StoreError::Failed(format!(
        "the database answered {found} in column {column}, where {wanted} was expected; its tables were changed by another program"
    ))
}
