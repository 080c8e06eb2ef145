//! Characters that cannot be seen, or that turn the direction of text, in what a page shows: each is a mark there, as in the
//! lists of commands, so that two names that differ look different.

use tidegate_core::terminal::is_unseen;

const MARK: char = '\u{fffd}';

/// The HTML of a template with marks for such characters. What goes back to the server, in attributes and in areas of text, stays
/// as it is. Templates escape what they show, so that each `<` begins a tag and each `>` in a tag ends it.
pub fn visible(html: String) -> String {
    if !html.chars().any(is_hidden) {
        return html;
    }
    let mut shown = String::with_capacity(html.len());
    let mut rest = html.as_str();
    while !rest.is_empty() {
        let (text, behind) = rest.split_at(rest.find('<').unwrap_or(rest.len()));
        shown.extend(text.chars().map(|character| if is_hidden(character) { MARK } else { character }));
        let end = if behind.starts_with("<textarea") {
            behind.find("</textarea>")
        } else {
            behind.find('>').map(|end| end.saturating_add(1))
        };
        let (tag, behind) = behind.split_at(end.unwrap_or(behind.len()));
        shown.push_str(tag);
        rest = behind;
    }
    shown
}

fn is_hidden(character: char) -> bool {
    is_unseen(character) && !matches!(character, '\n' | '\r' | '\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_cannot_be_seen_are_marked_where_they_are_shown() {
        for (html, expected) in [
            ("", ""),
            ("<p>Jörg\r\n\t用户</p>", "<p>Jörg\r\n\t用户</p>"),
            ("<td>al\u{200b}ice\u{202e}</td>", "<td>al\u{fffd}ice\u{fffd}</td>"),
            ("<pre>a\n\u{1b}[2J</pre>\u{7f}", "<pre>a\n\u{fffd}[2J</pre>\u{fffd}"),
            ("\u{ad}<br>\u{feff}", "\u{fffd}<br>\u{fffd}"),
            (
                "<input value=\"a\u{202e}&#62;\"><b title=\"\u{200b}\">\u{200b}</b>",
                "<input value=\"a\u{202e}&#62;\"><b title=\"\u{200b}\">\u{fffd}</b>",
            ),
            (
                "<textarea name=\"x\">\na\u{200b}</textarea><p>\u{200b}</p>",
                "<textarea name=\"x\">\na\u{200b}</textarea><p>\u{fffd}</p>",
            ),
            ("<p>\u{200b}<a href=\"\u{200b}", "<p>\u{fffd}<a href=\"\u{200b}"),
        ] {
            assert_eq!(visible(html.to_owned()), expected);
            assert_eq!(visible(expected.to_owned()), expected);
        }
    }
}
