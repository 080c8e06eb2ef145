//! A file that a form sends (RFC 7578).

/// The content of the first file with that name in the body of a form; None: there is none.
pub fn file(content_type: &str, body: &[u8], name: &str) -> Option<Vec<u8>> {
    let boundary = parameter(content_type, "boundary").filter(|boundary| !boundary.is_empty())?;
    let mark = format!("\r\n--{boundary}");
    // The first part begins without a line before it.
    let mut rest = match body.strip_prefix(mark.trim_start().as_bytes()) {
        Some(rest) => rest,
        None => after(body, mark.as_bytes())?.1,
    };
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let (head, content) = after(part, b"\r\n\r\n")?;
        let (content, next) = after(content, mark.as_bytes())?;
        if is_of(head, name) {
            return Some(content.to_owned());
        }
        rest = next;
    }
    None
}

/// What is before and after the first occurrence.
fn after<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.windows(mark.len()).position(|window| window == mark)?;
    Some((text.get(..at)?, text.get(at + mark.len()..)?))
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
    use super::*;

    #[test]
    fn a_file_is_found_by_its_name() {
        let part = |name: &str, text: &str| {
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"x.json\"\r\n\r\n{text}\r\n")
        };
        let check = |kind: &str, body: &str, expected: Option<&str>| {
            let found = file(kind, body.as_bytes(), "dump");
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{kind} {body:?}");
        };
        let kind = "multipart/form-data; boundary=b";
        let whole = |parts: &[String]| format!("{}--b--\r\n", parts.concat());
        check(kind, &whole(&[part("dump", "{}")]), Some("{}"));
        check("multipart/form-data; boundary=\"b\"", &whole(&[part("dump", "{}")]), Some("{}"));
        check(kind, &whole(&[part("other", "1"), part("dump", "a\r\n--c\r\n")]), Some("a\r\n--c\r\n"));
        check(kind, &whole(&[part("dump", "")]), Some(""));
        check(kind, &whole(&[part("other", "1")]), None);
        // One that broke off, one without its boundary, and one of another kind.
        check(kind, &part("dump", "{}"), None);
        check("multipart/form-data", &whole(&[part("dump", "{}")]), None);
        check(kind, "dump=%7B%7D", None);
    }
}
