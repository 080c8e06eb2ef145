use serde_json::{Map, Value};
use tidegate_hook::Failure;

/// What the service said about a user.
pub struct Claims {
    username: String,
    document: Value,
}

impl Claims {
    pub fn parse(username: &str, body: &[u8]) -> Result<Self, Failure> {
        let document: Value = serde_json::from_slice(body)
            .map_err(|error| Failure::transient(format!("the service's answer is not JSON: {error}")))?;
        match document {
            Value::Object(_) => Ok(Self { username: username.to_owned(), document }),
            _ => Err(Failure::transient("the service's answer is not a JSON object")),
        }
    }

    /// RFC 7662 §2.2. A token without a user name is no user's.
    pub fn is_active_for(&self, username: &str) -> bool {
        let active = self.document.get("active") == Some(&Value::Bool(true));
        active && self.document.get("username").and_then(Value::as_str) == Some(username)
    }

    /// The account's document, with the claims in their places.
    pub fn account(&self, template: &Map<String, Value>) -> Result<String, Failure> {
        let mut document = match self.filled(&Value::Object(template.clone()))? {
            Value::Object(document) => document,
            _ => Map::new(),
        };
        // The document's own default is a disabled account.
        document.entry("status").or_insert_with(|| 1.into());
        // A login gets the account of its own name alone.
        document.insert("username".to_owned(), self.username.clone().into());
        Ok(Value::Object(document).to_string())
    }

    fn filled(&self, template: &Value) -> Result<Value, Failure> {
        Ok(match template {
            Value::String(text) => self.filled_text(text)?,
            Value::Array(items) => Value::Array(items.iter().map(|item| self.filled(item)).collect::<Result<_, _>>()?),
            Value::Object(fields) => {
                let filled = |(name, value): (&String, &Value)| Ok((name.clone(), self.filled(value)?));
                Value::Object(fields.iter().map(filled).collect::<Result<_, Failure>>()?)
            }
            other => other.clone(),
        })
    }

    /// A text that is one claim becomes the claim, whatever its type; within a text, claims are
    /// texts or numbers that can be part of a path.
    fn filled_text(&self, text: &str) -> Result<Value, Failure> {
        let only =
            text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).filter(|name| !name.contains(['{', '}']));
        if let Some(name) = only {
            return self.claim(name);
        }
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, behind) = after
                .split_once('}')
                .ok_or_else(|| Failure::new(format!("config.account: \"{text}\" has a {{ too many")))?;
            filled.push_str(before);
            filled.push_str(&part(name, &self.claim(name)?)?);
            rest = behind;
        }
        filled.push_str(rest);
        Ok(Value::String(filled))
    }

    fn claim(&self, name: &str) -> Result<Value, Failure> {
        if name == "username" {
            return Ok(self.username.clone().into());
        }
        let found = name.split('.').try_fold(&self.document, |value, part| value.get(part));
        found.cloned().ok_or_else(|| Failure::new(format!("the service's answer has no \"{name}\"")))
    }
}

/// Nothing that a path would take for more than a name.
fn part(name: &str, claim: &Value) -> Result<String, Failure> {
    let text = match claim {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err(Failure::new(format!("\"{name}\" is neither a text nor a number"))),
    };
    let is_name = !text.is_empty() && text != "." && text != ".." && !text.contains(['/', '\\', '\0']);
    if is_name { Ok(text) } else { Err(Failure::new(format!("\"{name}\" cannot be part of a path"))) }
}
