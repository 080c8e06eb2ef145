//! The address of a request as the log shows it: without what may be secret, wherever a client has put it.

use std::borrow::Cow;

use axum::http::Uri;

/// Parts of the names of parameters whose values may be secret. Where they are no parameters here, a client may take them
/// for such all the same, and its secret would be in the log.
const SECRET: [&str; 12] =
    ["key", "token", "code", "pass", "secret", "otp", "authoriz", "cred", "sign", "session", "cookie", "pwd"];
/// As texts of tokens, codes and keys begin.
const TEXTS: [&str; 2] = ["tgt_", "tgk_"];
/// The pages of users: their addresses may have the code of a link that is not used yet.
const OF_USERS: &str = "/web/client/";
/// How often an address may be encoded inside another; one that is encoded more often is not looked into, and not shown.
const LAYERS: usize = 4;

/// The path, and the query, as they were sent, with `…` for what may be secret.
pub(super) fn shown(uri: &Uri) -> String {
    let path = shown_path(uri.path());
    match uri.query() {
        Some(_) if uri.path().starts_with(OF_USERS) => format!("{path}?…"),
        Some(query) => format!("{path}?{}", query.split('&').map(shown_parameters).collect::<Vec<_>>().join("&")),
        None => path,
    }
}

fn shown_path(path: &str) -> String {
    // Such as `//name:password@host/`, which clients send that take a path for an address.
    if let Some((before, behind)) = path.split_once("//")
        && unwrapped(behind).is_none_or(|behind| behind.contains('@'))
    {
        return format!("{}//…", shown_path(before));
    }
    let is_of_users = path.starts_with(OF_USERS);
    let is_word = |part: &str| part.chars().all(|character| character.is_ascii_lowercase() || character == '-');
    let parts = path.split('/').map(|part| {
        let is_hidden = may_be_secret(part) || (is_of_users && !is_word(part));
        if is_hidden { "…" } else { part }
    });
    parts.collect::<Vec<_>>().join("/")
}

/// What stands between two `&`. Some clients separate parameters by `;`, and others have it in a value: of what follows a
/// secret, nothing is shown.
fn shown_parameters(text: &str) -> String {
    let mut shown = Vec::new();
    for parameter in text.split(';') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let is_named = unwrapped(name).is_none_or(|name| has_secret_name(&name));
        if may_be_secret(name) {
            shown.push("…".to_owned());
            break;
        }
        if !value.is_empty() && (is_named || may_be_secret(value)) {
            shown.push(format!("{name}=…"));
            break;
        }
        shown.push(parameter.to_owned());
    }
    shown.join(";")
}

/// Whether a part of an address is a text of a token or key, has a name and a password, or is an address with a secret
/// itself.
fn may_be_secret(part: &str) -> bool {
    let Some(text) = unwrapped(part) else { return true };
    let has_password = text.rsplit_once('@').is_some_and(|(before, _)| before.contains(':'));
    let has_parameters = text.contains(['?', '&', ';', '=']);
    has_password
        || TEXTS.iter().any(|begin| text.contains(begin))
        || text.contains(OF_USERS)
        || has_parameters && has_secret_name(&text)
}

fn has_secret_name(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    SECRET.iter().any(|part| lower.contains(part))
}

/// The text without any percent-encoding; None: it is encoded too often.
fn unwrapped(text: &str) -> Option<Cow<'_, str>> {
    let mut text = Cow::Borrowed(text);
    for _ in 0..=LAYERS {
        // Most texts have nothing to decode.
        if !text.contains('%') {
            return Some(text);
        }
        let decoded = decoded(&text);
        if decoded == text {
            return Some(text);
        }
        text = Cow::Owned(decoded);
    }
    None
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let encoded = match (first, behind) {
            (b'%', [high, low, behind @ ..]) => digit(*high).zip(digit(*low)).map(|digits| (digits, behind)),
            _ => None,
        };
        match encoded {
            Some(((high, low), behind)) => {
                bytes.push(high << 4 | low);
                rest = behind;
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn digit(character: u8) -> Option<u8> {
    let digit = char::from(character).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_addresses_are_not_logged() {
        for (uri, expected) in [
            ("/web/client/login-link?code=tgt_x", "/web/client/login-link?…"),
            ("/web/client/reset?a=b&code=x", "/web/client/reset?…"),
            ("/web/users?name=a", "/web/users?name=a"),
            ("/web/client", "/web/client"),
            ("/api/v2/users?api_key=tgk_a_b&limit=3", "/api/v2/users?api_key=…&limit=3"),
            ("/api/v2/users?limit=3&API%5FKEY=x", "/api/v2/users?limit=3&API%5FKEY=…"),
            ("/api/v2/users?access_token=x&token=&prefix=a%20b", "/api/v2/users?access_token=…&token=&prefix=a%20b"),
            ("/api/v2/users?x-sftpgo-otp=1&password=p=q&code=1", "/api/v2/users?x-sftpgo-otp=…&password=…&code=…"),
            ("/api/v2/users?prefix=tgt_x", "/api/v2/users?prefix=…"),
            ("/api/v2/users?tgk_a_b&after=", "/api/v2/users?…&after="),
            ("/api/v2/users?", "/api/v2/users?"),
            ("http://ann:secret@host/api/v2/users?offset=1", "/api/v2/users?offset=1"),
            // In an address inside the address.
            ("/web/login?next=/web/client/reset?code=SECRET", "/web/login?next=…"),
            ("/web/login?next=%2Fweb%2Fclient%2Freset%3Fcode%3DSECRET&a=b", "/web/login?next=…&a=b"),
            ("/web/login?next=%252Fweb%252Fusers%253Ftoken%253DSECRET", "/web/login?next=…"),
            ("/web/login?next=%25252525252Fweb", "/web/login?next=…"),
            ("/web/login?next=/web/client/reset/SECRET", "/web/login?next=…"),
            ("/web/login?next=/web/users?name=a", "/web/login?next=/web/users?name=a"),
            ("/web/login?next=https://me:SECRET@host/", "/web/login?next=…"),
            // Parameters that semicolons separate.
            ("/api/v2/users?x=1;api_key=SECRET", "/api/v2/users?x=1;api_key=…"),
            ("/api/v2/users?password=a;SECRET&x=1", "/api/v2/users?password=…&x=1"),
            ("/api/v2/users;token=SECRET?x=1", "/api/v2/…?x=1"),
            ("/api/v2/users%3Fapi_key=SECRET", "/api/v2/…"),
            // In paths.
            ("//me:SECRET@host/api", "//…"),
            ("//me:SEC/RET@host/api", "//…"),
            ("/a//me%3ASECRET%40host/api", "/a//…"),
            ("/me:SECRET@host/api", "/…/api"),
            ("/web/client/reset/SECRET1", "/web/client/reset/…"),
            ("/web/client/reset/tgt_SECRET", "/web/client/reset/…"),
            ("/api/v2/user/token/tgt_SECRET", "/api/v2/user/token/…"),
            ("/api/v2/apikeys/%74gk_SECRET", "/api/v2/apikeys/…"),
            // Names of users and their like are no secrets.
            ("/api/v2/users/ann@example.org", "/api/v2/users/ann@example.org"),
            ("/api/v2/users/100%", "/api/v2/users/100%"),
            ("/api/v2/users/a;b=c", "/api/v2/users/a;b=c"),
        ] {
            let found = shown(&uri.parse().unwrap());
            assert_eq!(found, expected);
            assert!(!found.contains("SECRET"), "{found}");
        }
    }
}
