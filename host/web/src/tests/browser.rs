//! What a browser makes of the inputs of a page (HTML, section 4.10).

/// The fields that a form with these inputs sends.
pub fn sent(html: &str) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    let mut choice: Option<(String, Option<String>)> = None;
    for piece in html.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').unwrap();
        let name = attribute(tag, "name");
        match (tag.split(' ').next().unwrap(), name) {
            ("input", Some(name)) => {
                let value = attribute(tag, "value").unwrap_or_default();
                match attribute(tag, "type").as_deref() {
                    Some("checkbox") if !tag.contains(" checked") => {}
                    Some("hidden" | "checkbox") => fields.push((name, value)),
                    Some(_) => fields.push((name, value.replace(['\r', '\n'], ""))),
                    None => panic!("{tag}"),
                }
            }
            ("textarea", Some(name)) => {
                let text = unescaped(text).replace("\r\n", "\n").replace('\r', "\n");
                let text = text.strip_prefix('\n').unwrap_or(&text);
                fields.push((name, text.replace('\n', "\r\n")));
            }
            ("select", Some(name)) => choice = Some((name, None)),
            ("option", _) => {
                let (_, chosen) = choice.as_mut().unwrap();
                if chosen.is_none() || tag.contains(" selected") {
                    *chosen = attribute(tag, "value");
                }
            }
            ("/select", _) => fields.extend(choice.take().and_then(|(name, value)| Some((name, value?)))),
            _ => {}
        }
    }
    fields
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let value = tag.split(&format!(" {name}=\"")).nth(1)?.split('"').next()?;
    Some(unescaped(value))
}

/// The text that HTML stands for; it has no NUL.
pub fn unescaped(text: &str) -> String {
    let text = text.replace('\0', "\u{fffd}").replace("&#34;", "\"").replace("&#39;", "'");
    text.replace("&#60;", "<").replace("&#62;", ">").replace("&#38;", "&")
}
