//! Words of a command line, as a POSIX shell splits them: quotes and backslashes, no
//! expansion of variables.

/// One word, and its meaning as a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Word {
    pub text: Vec<u8>,
    /// The word with quoted `*`, `?` and `[` made literal; `None` if it has no other such character.
    pub pattern: Option<Vec<u8>>,
}

impl Word {
    pub fn starts_with(&self, prefix: &[u8]) -> bool {
        self.text.starts_with(prefix)
    }
}

/// A word under construction.
#[derive(Default)]
struct Draft {
    text: Vec<u8>,
    pattern: Vec<u8>,
    is_pattern: bool,
}

impl Draft {
    fn quoted(&mut self, byte: u8) {
        self.text.push(byte);
        match byte {
            b'*' | b'?' | b'[' => self.pattern.extend([b'[', byte, b']']),
            other => self.pattern.push(other),
        }
    }

    fn plain(&mut self, byte: u8) {
        self.text.push(byte);
        self.pattern.push(byte);
        self.is_pattern |= matches!(byte, b'*' | b'?' | b'[');
    }

    fn finish(self) -> Word {
        Word { text: self.text, pattern: self.is_pattern.then_some(self.pattern) }
    }
}

/// `None` if a quote is not closed.
pub fn split(line: &[u8]) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut word: Option<Draft> = None;
    let mut bytes = line.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' | b'\t' | b'\n' => words.extend(word.take().map(Draft::finish)),
            b'\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match bytes.next()? {
                        b'\'' => break,
                        other => word.quoted(other),
                    }
                }
            }
            b'"' => {
                let word = word.get_or_insert_default();
                loop {
                    match bytes.next()? {
                        b'"' => break,
                        b'\\' => match bytes.next()? {
                            escaped @ (b'"' | b'\\' | b'$' | b'`') => word.quoted(escaped),
                            other => {
                                word.quoted(b'\\');
                                word.quoted(other);
                            }
                        },
                        other => word.quoted(other),
                    }
                }
            }
            b'\\' => word.get_or_insert_default().quoted(bytes.next()?),
            other => word.get_or_insert_default().plain(other),
        }
    }
    words.extend(word.map(Draft::finish));
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Option<&[&str]>) {
        let words = split(line.as_bytes())
            .map(|words| words.into_iter().map(|word| String::from_utf8(word.text).unwrap()).collect::<Vec<_>>());
        assert_eq!(words, expected.map(|words| words.iter().map(|&word| word.to_owned()).collect()), "{line}");
    }

    #[test]
    fn lines_split_like_in_a_shell() {
        check("", Some(&[]));
        check("  a  b ", Some(&["a", "b"]));
        check("a 'b c' \"d \\\"e\"", Some(&["a", "b c", "d \"e"]));
        check("a\\ b ''", Some(&["a b", ""]));
        check("$HOME `id` *", Some(&["$HOME", "`id`", "*"]));
        check("'it'\"'\"'s'", Some(&["it's"]));
        check("'open", None);
        check("\"open", None);
        check("open\\", None);
    }

    #[test]
    fn only_what_is_not_quoted_is_a_pattern() {
        let check = |line: &str, expected: Option<&str>| {
            let word = split(line.as_bytes()).unwrap().remove(0);
            assert_eq!(word.pattern.as_deref(), expected.map(str::as_bytes), "{line}");
        };
        check("/a/*.txt", Some("/a/*.txt"));
        check("/a/'*'.txt", None);
        check("/a/\\*.txt", None);
        check("'a[1]'*", Some("a[[]1]*"));
        check("plain", None);
    }
}
