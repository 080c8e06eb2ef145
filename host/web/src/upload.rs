//! A file that a form sends (RFC 7578). The form may be too large for memory.

use std::sync::Arc;

use tidegate_core::ports::{SpooledText, StoreError};

/// Bytes that are searched at a time.
const CHUNK: usize = 64 << 10;
/// Most bytes of the headers of a file, which come before its content.
const MAX_HEAD: u64 = 16 << 10;

/// A part of a text.
pub struct Part {
    text: Arc<dyn SpooledText>,
    from: u64,
    length: u64,
}

impl SpooledText for Part {
    fn length(&self) -> u64 {
        self.length
    }

    fn read(&self, from: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        let rest = usize::try_from(self.length.saturating_sub(from)).unwrap_or(usize::MAX);
        self.text.read(self.from.saturating_add(from), length.min(rest))
    }
}

/// The content of the first file with that name in the body of a form; None: there is none. May wait for a disk.
///
/// # Errors
/// The body cannot be read.
pub fn file(content_type: &str, body: &Arc<dyn SpooledText>, name: &str) -> Result<Option<Part>, StoreError> {
    let boundary = parameter(content_type, "boundary").filter(|boundary| !boundary.is_empty());
    let Some(mark) = boundary.map(|boundary| format!("\r\n--{boundary}")) else { return Ok(None) };
    // The first part begins without a line before it.
    let first = mark.trim_start();
    let mut at = match begins(&**body, 0, first)? {
        true => Some(first.len() as u64),
        false => after(&**body, 0, &mark)?,
    };
    while let Some(rest) = at {
        if !begins(&**body, rest, "\r\n")? {
            break;
        }
        let head = rest + 2;
        let Some(from) = after(&**body, head, "\r\n\r\n")? else { break };
        let next = after(&**body, from, &mark)?;
        let Some(to) = next.map(|next| next - mark.len() as u64) else { break };
        let length = usize::try_from((from - head).min(MAX_HEAD)).unwrap_or(usize::MAX);
        if is_of(&body.read(head, length)?, name) {
            return Ok(Some(Part { text: body.clone(), from, length: to - from }));
        }
        at = next;
    }
    Ok(None)
}

fn begins(text: &dyn SpooledText, at: u64, mark: &str) -> Result<bool, StoreError> {
    Ok(text.read(at, mark.len())? == mark.as_bytes())
}

/// The place behind the first occurrence.
fn after(text: &dyn SpooledText, from: u64, mark: &str) -> Result<Option<u64>, StoreError> {
    let mut at = from;
    loop {
        let chunk = text.read(at, CHUNK + mark.len())?;
        if let Some(found) = chunk.windows(mark.len()).position(|window| window == mark.as_bytes()) {
            return Ok(Some(at + (found + mark.len()) as u64));
        }
        if chunk.len() < CHUNK + mark.len() {
            return Ok(None);
        }
        at += CHUNK as u64;
    }
}

fn is_of(head: &[u8], name: &str) -> bool {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let disposition = lines.find(|(header, _)| header.trim().eq_ignore_ascii_case("content-disposition"));
    disposition.is_some_and(|(_, value)| parameter(value, "name").as_deref() == Some(name))
}

fn parameter(value: &str, name: &str) -> Option<String> {
    let mut parameters = value.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let (_, value) = parameters.find(|(found, _)| found.trim().eq_ignore_ascii_case(name))?;
    Some(value.trim().trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use tidegate_core::ports::TextInMemory;

    use super::*;

    #[test]
    fn a_file_is_found_by_its_name() {
        let part = |name: &str, text: &str| {
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"x.json\"\r\n\r\n{text}\r\n")
        };
        let check = |kind: &str, body: &str, expected: Option<&str>| {
            let text: Arc<dyn SpooledText> = Arc::new(TextInMemory::from(body.as_bytes().to_vec()));
            let found = file(kind, &text, "dump").unwrap();
            let found = found.map(|part| {
                assert_eq!(part.read(part.length(), 9).unwrap(), b"", "{kind} {body:?}");
                part.read(0, 1 << 20).unwrap()
            });
            let shown = body.get(..body.len().min(200)).unwrap_or_default();
            assert!(found.as_deref() == expected.map(str::as_bytes), "{kind} {shown:?}");
        };
        let kind = "multipart/form-data; boundary=b";
        let whole = |parts: &[String]| format!("{}--b--\r\n", parts.concat());
        check(kind, &whole(&[part("dump", "{}")]), Some("{}"));
        check("multipart/form-data; boundary=\"b\"", &whole(&[part("dump", "{}")]), Some("{}"));
        check(kind, &whole(&[part("other", "1"), part("dump", "a\r\n--c\r\n")]), Some("a\r\n--c\r\n"));
        check(kind, &whole(&[part("dump", "")]), Some(""));
        check(kind, &whole(&[part("other", "1")]), None);
        // A mark may begin in one chunk and end in the next.
        for length in CHUNK - 4..CHUNK + 12 {
            let text = "x".repeat(length);
            check(kind, &whole(&[part("other", &text), part("dump", &text)]), Some(&text));
        }
        // One that broke off, one without its boundary, and one of another kind.
        check(kind, &part("dump", "{}"), None);
        check("multipart/form-data", &whole(&[part("dump", "{}")]), None);
        check(kind, "dump=%7B%7D", None);
    }
}
