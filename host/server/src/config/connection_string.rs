//! Connection strings of PostgreSQL, as libpq has them: `host=db port=5432 …` and `postgresql://user@host/name?…`.
//! MySQL's URLs are read here as well.
//! Messages never show the text, which may have a password.

use std::collections::BTreeMap;

/// Parameters by name. Hosts, and ports, are lists with commas.
pub type Parameters = BTreeMap<String, String>;

/// Reads a string in either spelling.
pub fn parse(text: &str) -> Result<Parameters, String> {
    let url = ["postgresql://", "postgres://"].into_iter().find_map(|scheme| text.strip_prefix(scheme));
    match url {
        Some(rest) => of_url(rest),
        None => of_pairs(text),
    }
}

/// Reads what follows the scheme of a URL.
pub fn of_url(rest: &str) -> Result<Parameters, String> {
    let mut parameters = Parameters::new();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (credentials, places) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for place in places.split(',').filter(|place| !place.is_empty()) {
        let (host, port) = host_and_port(place)?;
        hosts.push(decoded(host)?);
        ports.push(port.unwrap_or_default().to_owned());
    }
    let given = [("user", decoded(user)?), ("password", decoded(password)?), ("dbname", decoded(database)?)];
    let places = [("host", hosts.join(",")), ("port", if is_empty(&ports) { String::new() } else { ports.join(",") })];
    for (name, value) in given.into_iter().chain(places).filter(|(_, value)| !value.is_empty()) {
        parameters.insert(name.to_owned(), value);
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or("has a parameter without \"=\"")?;
        insert(&mut parameters, decoded(name)?, decoded(value)?)?;
    }
    Ok(parameters)
}

fn is_empty(texts: &[String]) -> bool {
    texts.iter().all(String::is_empty)
}

/// A host, which may be an IPv6 address in brackets, and the port after it.
pub fn host_and_port(place: &str) -> Result<(&str, Option<&str>), String> {
    if let Some((host, rest)) = place.strip_prefix('[').and_then(|place| place.split_once(']')) {
        let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or("has text after \"]\"")?) };
        return Ok((host, port));
    }
    Ok(match place.split_once(':') {
        // An IPv6 address without brackets has no port.
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        Some(_) | None => (place, None),
    })
}

/// The text without percent-encoding.
pub fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next(), rest.next()].map(|digit| char::from(digit.unwrap_or_default()).to_digit(16));
        let [Some(high), Some(low)] = digits else { return Err("has a \"%\" without two digits after it".to_owned()) };
        bytes.extend(u8::try_from(high * 16 + low));
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}

/// `name=value` with blanks between; a value with blanks is in single quotes, and `\` keeps the next character.
fn of_pairs(text: &str) -> Result<Parameters, String> {
    let mut parameters = Parameters::new();
    let mut rest = text.chars().peekable();
    loop {
        while rest.next_if(|character| character.is_whitespace()).is_some() {}
        if rest.peek().is_none() {
            return Ok(parameters);
        }
        let mut name = String::new();
        while let Some(character) = rest.next_if(|character| *character != '=' && !character.is_whitespace()) {
            name.push(character);
        }
        while rest.next_if(|character| character.is_whitespace()).is_some() {}
        // Messages show names: a URL with another scheme is none.
        let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if rest.next() != Some('=') || name.is_empty() || !is_name(&name) {
            return Err("is neither name=value pairs nor a URL".to_owned());
        }
        while rest.next_if(|character| character.is_whitespace()).is_some() {}
        let is_quoted = rest.next_if_eq(&'\'').is_some();
        let mut value = String::new();
        loop {
            match rest.next() {
                Some('\\') => value.extend(rest.next()),
                Some('\'') if is_quoted => break,
                Some(character) if !is_quoted && character.is_whitespace() => break,
                Some(character) => value.push(character),
                None if is_quoted => return Err("has a quote that is not closed".to_owned()),
                None => break,
            }
        }
        insert(&mut parameters, name, value)?;
    }
}

fn insert(parameters: &mut Parameters, name: String, value: String) -> Result<(), String> {
    match parameters.insert(name.clone(), value) {
        None => Ok(()),
        Some(_) => Err(format!("has the parameter \"{name}\" twice")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_read() {
        // A3-34
        let check = |text: &str, expected: &[(&str, &str)]| {
            let expected = expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            assert_eq!(parse(text), Ok(expected), "{text}");
        };
        check("host=db port = 5433  dbname=tg", &[("host", "db"), ("port", "5433"), ("dbname", "tg")]);
        check(r"password='a b\'\\c' user=u\ v", &[("password", r"a b'\c"), ("user", "u v")]);
        check("host=a,b port=1,2 password=''", &[("host", "a,b"), ("port", "1,2"), ("password", "")]);
        check("postgresql://db", &[("host", "db")]);
        let whole = [("dbname", "tg"), ("host", "a,b"), ("password", "p@:/"), ("port", "1,2"), ("sslmode", "require")];
        let user = [("user", "u")];
        check("postgres://u:p%40%3a%2F@a:1,b:2/tg?sslmode=require", &[&whole[..], &user].concat());
        check("postgresql://u@[::1]:5433/tg", &[("dbname", "tg"), ("host", "::1"), ("port", "5433"), ("user", "u")]);
        check("postgresql:///tg?host=/run/postgresql", &[("dbname", "tg"), ("host", "/run/postgresql")]);
        check("postgresql://%2Frun%2Fpg/tg", &[("dbname", "tg"), ("host", "/run/pg")]);
        check("postgresql://a,b:2/", &[("host", "a,b"), ("port", ",2")]);
        for wrong in [
            "nonsense",
            "host",
            "=x",
            "a='x",
            "a=1 a=2",
            "Postgresql://u:secret@h/d?sslmode=require",
            "postgresql://h/d?x",
            "postgresql://%4/d",
            "postgresql://[::1]x/",
        ] {
            let error = parse(wrong).unwrap_err();
            assert!(!error.contains(wrong), "{error}");
        }
    }
}
