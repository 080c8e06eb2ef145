//! Text for a client's terminal. Text that comes from others must not control the terminal.

/// Replaces each character that is left out.
const MARK: char = '\u{fffd}';

/// The text without control characters (RFC 4256 §3.4, RFC 4252 §5.4), but for line ends and
/// tabulators, and without the characters that turn the direction of what follows.
pub fn neutralised(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let is_line_end = character == '\r' && characters.peek() == Some(&'\n');
        let is_shown = matches!(character, '\n' | '\t') || is_line_end || !steers(character);
        plain.push(if is_shown { character } else { MARK });
    }
    plain
}

/// As [`neutralised`], also without line ends, tabulators and what else cannot be seen: for a line of a table, where two
/// names that differ look different.
pub fn on_one_line(text: &str) -> String {
    text.chars().map(|character| if is_unseen(character) { MARK } else { character }).collect()
}

/// Whether a character controls a terminal, turns the direction of text, has no width, or is blank without being a space.
pub fn is_unseen(character: char) -> bool {
    steers(character)
        || matches!(
            character,
            '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
                | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(character, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_steers_a_terminal_is_left_out() {
        for (text, expected) in [
            ("Password: ", "Password: "),
            ("Grüße, 你好\n\tline\r\n", "Grüße, 你好\n\tline\r\n"),
            ("\x1b[2J\x1b]0;title\x07", "\u{fffd}[2J\u{fffd}]0;title\u{fffd}"),
            ("a\rb", "a\u{fffd}b"),
            ("\u{9b}31m\u{7f}\0\u{8}", "\u{fffd}31m\u{fffd}\u{fffd}\u{fffd}"),
            ("a\u{202e}b\u{2066}c\u{2028}", "a\u{fffd}b\u{fffd}c\u{fffd}"),
            ("", ""),
        ] {
            assert_eq!(neutralised(text), expected, "{text:?}");
        }
        assert_eq!(on_one_line("bad\nname\x1b[31m\t\r\n"), "bad\u{fffd}name\u{fffd}[31m\u{fffd}\u{fffd}\u{fffd}");
        assert_eq!(on_one_line("al\u{200b}ice \u{202e}Jörg 用户"), "al\u{fffd}ice \u{fffd}Jörg 用户");
    }
}
