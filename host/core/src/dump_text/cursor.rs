//! A place in a text that is read from a disk, and values that begin there.

use std::sync::Arc;

use super::DumpError;
use crate::ports::SpooledText;

/// Bytes that are read at a time.
const CHUNK: usize = 64 << 10;

/// A line and a column, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column, in bytes.
    pub column: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {} column {}", self.line, self.column)
    }
}

/// A place from which the text can be read again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    at: u64,
    line: u64,
    line_began: u64,
}

/// Reads a text on from a place.
pub(super) struct Cursor {
    text: Arc<dyn SpooledText>,
    chunk: Vec<u8>,
    /// Where the chunk begins in the text.
    from: u64,
    /// The place in the chunk.
    next: usize,
    line: u64,
    line_began: u64,
}

impl Place {
    pub(super) fn malformed(self, problem: &str) -> DumpError {
        DumpError::Malformed { problem: problem.to_owned(), place: self }
    }

    /// The problem of a value that begins here, with its place in the whole text.
    pub(super) fn of_json(self, error: &serde_json::Error) -> DumpError {
        let (problem, place) = self.located(error);
        DumpError::Malformed { problem, place }
    }

    /// What is wrong, and where in the whole text.
    pub(super) fn located(self, error: &serde_json::Error) -> (String, Self) {
        let (line, column) = (error.line() as u64, error.column() as u64);
        let text = error.to_string();
        let problem = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text).to_owned();
        let place = match line {
            0 | 1 => Self { line: self.line, column: self.column + column.saturating_sub(1) },
            _ => Self { line: self.line + line - 1, column },
        };
        (problem, place)
    }
}

impl Cursor {
    pub fn new(text: Arc<dyn SpooledText>) -> Self {
        Self::at(text, Mark { at: 0, line: 1, line_began: 0 })
    }

    pub fn at(text: Arc<dyn SpooledText>, mark: Mark) -> Self {
        let Mark { at, line, line_began } = mark;
        Self { text, chunk: Vec::new(), from: at, next: 0, line, line_began }
    }

    pub fn mark(&self) -> Mark {
        Mark { at: self.position(), line: self.line, line_began: self.line_began }
    }

    pub fn place(&self) -> Place {
        Place { line: self.line, column: self.position().saturating_sub(self.line_began) + 1 }
    }

    fn position(&self) -> u64 {
        self.from + self.next as u64
    }

    /// The next byte, which stays the next; None: the text is over.
    pub fn peek(&mut self) -> Result<Option<u8>, DumpError> {
        if self.next >= self.chunk.len() {
            self.from = self.position();
            self.chunk = self.text.read(self.from, CHUNK)?;
            self.next = 0;
        }
        Ok(self.chunk.get(self.next).copied())
    }

    pub fn take(&mut self) -> Result<Option<u8>, DumpError> {
        let byte = self.peek()?;
        if let Some(byte) = byte {
            self.next += 1;
            if byte == b'\n' {
                self.line += 1;
                self.line_began = self.position();
            }
        }
        Ok(byte)
    }

    pub fn skip_blanks(&mut self) -> Result<(), DumpError> {
        while self.peek()?.is_some_and(is_blank) {
            self.take()?;
        }
        Ok(())
    }

    /// The text of the value that begins here; None: it has more bytes, and was passed over. What it is shows when it is
    /// parsed.
    pub fn value(&mut self, most: usize) -> Result<Option<Vec<u8>>, DumpError> {
        if matches!(self.peek()?, Some(b',' | b':' | b']' | b'}')) {
            return Err(self.malformed("expected a value"));
        }
        let (mut value, mut length) = (Vec::new(), 0_usize);
        let (mut depth, mut is_in_quotes, mut is_escaped) = (0_usize, false, false);
        loop {
            let Some(byte) = self.peek()? else { return Err(self.broken_off()) };
            if depth == 0 && !is_in_quotes && length > 0 && ends_word(byte) {
                break;
            }
            self.take()?;
            length += 1;
            match length <= most {
                true => value.push(byte),
                false => value = Vec::new(),
            }
            if is_in_quotes {
                is_in_quotes = is_escaped || byte != b'"';
                is_escaped = !is_escaped && byte == b'\\';
                if is_in_quotes || depth > 0 {
                    continue;
                }
                break;
            }
            match byte {
                b'"' => is_in_quotes = true,
                b'{' | b'[' => depth += 1,
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        break;
                    }
                }
                _ => {}
            }
        }
        Ok(Some(value).filter(|_| length <= most))
    }

    /// Goes on behind an entry of a list. The answer: whether another one follows.
    pub fn next_entry(&mut self) -> Result<bool, DumpError> {
        self.skip_blanks()?;
        let place = self.place();
        match self.take()? {
            Some(b',') => Ok(true),
            Some(b']') => Ok(false),
            Some(_) => Err(place.malformed("expected `,` or `]`")),
            None => Err(self.broken_off()),
        }
    }

    pub fn malformed(&self, problem: &str) -> DumpError {
        self.place().malformed(problem)
    }

    pub fn broken_off(&self) -> DumpError {
        self.malformed("the text breaks off (EOF)")
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Whether a number or a word ends before the byte.
fn ends_word(byte: u8) -> bool {
    is_blank(byte) || matches!(byte, b',' | b']' | b'}')
}
