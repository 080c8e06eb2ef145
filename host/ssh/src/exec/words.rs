//! Words of a command line, as a POSIX shell splits them: quotes and backslashes, no
//! expansion.

/// None if a quote is not closed.
pub fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut bytes = line.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' | b'\t' | b'\n' => words.extend(word.take()),
            b'\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match bytes.next()? {
                        b'\'' => break,
                        other => word.push(other),
                    }
                }
            }
            b'"' => {
                let word = word.get_or_insert_default();
                loop {
                    match bytes.next()? {
                        b'"' => break,
                        b'\\' => match bytes.next()? {
                            escaped @ (b'"' | b'\\' | b'$' | b'`') => word.push(escaped),
                            other => word.extend([b'\\', other]),
                        },
                        other => word.push(other),
                    }
                }
            }
            b'\\' => word.get_or_insert_default().push(bytes.next()?),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Option<&[&str]>) {
        let words = split(line.as_bytes())
            .map(|words| words.into_iter().map(|word| String::from_utf8(word).unwrap()).collect::<Vec<_>>());
        assert_eq!(words, expected.map(|words| words.iter().map(|&word| word.to_owned()).collect()), "{line}");
    }

    #[test]
    fn lines_split_like_in_a_shell() {
        check("", Some(&[]));
        check("  a  b ", Some(&["a", "b"]));
        check("a 'b c' \"d \\\"e\"", Some(&["a", "b c", "d \"e"]));
        check("a\\ b ''", Some(&["a b", ""]));
        check("$HOME `id` *", Some(&["$HOME", "`id`", "*"]));
        check("'open", None);
        check("\"open", None);
        check("open\\", None);
    }
}
