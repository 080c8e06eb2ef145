//! Reads the words of a command line that rsync's client sends over standard input, so that no
//! shell splits them (`--secluded-args`): each ends with a NUL, and an empty word ends the list.

use super::words::Word;
use crate::channel::InputReader;

/// Most bytes of all words together: the paths of many files may be among them.
const MAX_BYTES: usize = 1 << 20;

pub async fn read(input: &mut InputReader) -> Result<Vec<Word>, String> {
    let (mut words, mut word, mut bytes) = (Vec::new(), Vec::new(), 0);
    loop {
        let Some(byte) = input.byte().await else {
            return Err("the input ended within its arguments".to_owned());
        };
        bytes += 1;
        if bytes > MAX_BYTES {
            return Err("its arguments are too long".to_owned());
        }
        match byte {
            0 if word.is_empty() => break,
            0 => words.push(meant(std::mem::take(&mut word))),
            byte => word.push(byte),
        }
    }
    // The first is the program's name.
    words.drain(..words.len().min(1));
    Ok(words)
}

/// The server expands patterns in these words, since no shell did.
fn meant(text: Vec<u8>) -> Word {
    let is_pattern = text.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['));
    Word { pattern: is_pattern.then(|| text.clone()), text }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use async_trait::async_trait;

    use super::*;
    use crate::channel::CommandInput;

    /// All that a client sends, at once.
    struct Sent(Mutex<Vec<u8>>);

    #[async_trait]
    impl CommandInput for Sent {
        async fn next(&self) -> Vec<u8> {
            std::mem::take(&mut *self.0.lock().unwrap())
        }
    }

    async fn check(sent: &[u8], expected: Result<&[&str], &str>, rest: &[u8]) {
        let mut input = InputReader::new(Arc::new(Sent(Mutex::new(sent.to_vec()))));
        match (read(&mut input).await, expected) {
            (Ok(words), Ok(expected)) => {
                let words: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(&word.text)).collect();
                assert_eq!(words, expected);
                assert_eq!(input.into_rest(), rest);
            }
            (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
            (found, _) => panic!("{found:?}"),
        }
    }

    #[tokio::test]
    async fn words_end_with_a_nul() {
        check(b"rsync\0.\0/n s/\0\0 \0\0\0", Ok(&[".", "/n s/"]), b" \0\0\0").await;
        check(b"rsync\0--link-dest\0../x\0.\0/a\0\0", Ok(&["--link-dest", "../x", ".", "/a"]), b"").await;
        check(b"rsync\0\0", Ok(&[]), b"").await;
        check(b"\0", Ok(&[]), b"").await;
        check(b"", Err("ended"), b"").await;
        check(b"rsync\0.\0/a", Err("ended"), b"").await;
        check(&[b'x'; MAX_BYTES + 1], Err("too long"), b"").await;
    }

    #[test]
    fn patterns_are_expanded() {
        assert_eq!(meant(b"/a/*.txt".to_vec()).pattern.as_deref(), Some(&b"/a/*.txt"[..]));
        assert_eq!(meant(b"/a b".to_vec()).pattern, None);
    }
}
