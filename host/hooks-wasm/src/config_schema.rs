//! The schema of a plugin's settings, in `NAME.schema.json` beside the component: the part of JSON Schema that settings
//! need. Texts of problems have no values, since settings may have secrets.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// Keywords that demand nothing.
const WORDS: [&str; 11] = [
    "$schema",
    "$id",
    "$comment",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "format",
    "readOnly",
    "writeOnly",
];

/// What the settings of a plugin may be.
#[derive(Debug)]
pub struct ConfigSchema {
    schema: Schema,
    /// Keywords that are not known here, which the plugin has to see to.
    left: BTreeSet<String>,
}

#[derive(Debug)]
enum Schema {
    Whole(bool),
    Rules(Box<Rules>),
}

#[derive(Debug)]
struct Rules {
    /// None: any.
    types: Vec<Type>,
    values: Option<Vec<Value>>,
    properties: BTreeMap<String, Schema>,
    others: Schema,
    required: Vec<String>,
    items: Schema,
    minimum: Option<f64>,
    maximum: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

impl ConfigSchema {
    /// Reads a schema.
    pub fn parse(text: &str) -> Result<Self, String> {
        let written: Value = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
        let mut left = BTreeSet::new();
        let schema = Schema::of(&written, "config", &mut left)?;
        Ok(Self { schema, left })
    }

    /// Checks the settings, and says what is wrong first. No settings are an empty table.
    pub fn check(&self, config: &Value) -> Result<(), String> {
        let none = Value::Object(Map::new());
        self.schema.check("config", if config.is_null() { &none } else { config })
    }

    /// The keywords that were not looked at.
    pub fn left(self) -> Vec<String> {
        self.left.into_iter().collect()
    }
}

impl Schema {
    fn of(written: &Value, at: &str, left: &mut BTreeSet<String>) -> Result<Self, String> {
        let words = match written {
            Value::Bool(whole) => return Ok(Self::Whole(*whole)),
            Value::Object(words) => words,
            _ => return Err(format!("what it says of {at} is neither an object nor true or false")),
        };
        let mut rules = Rules {
            types: Vec::new(),
            values: None,
            properties: BTreeMap::new(),
            others: Self::Whole(true),
            required: Vec::new(),
            items: Self::Whole(true),
            minimum: None,
            maximum: None,
        };
        for (word, value) in words {
            let wrong = |wanted: &str| format!("what it says of {at}: \"{word}\" has to be {wanted}");
            match word.as_str() {
                "type" => rules.types = Type::several(value).map_err(|wanted| wrong(&wanted))?,
                "enum" => rules.values = Some(value.as_array().ok_or_else(|| wrong("a list of values"))?.clone()),
                "properties" => {
                    let properties = value.as_object().ok_or_else(|| wrong("an object with a schema for each name"))?;
                    for (name, property) in properties {
                        rules.properties.insert(name.clone(), Self::of(property, &format!("{at}.{name}"), left)?);
                    }
                }
                "additionalProperties" => rules.others = Self::of(value, &format!("{at}.*"), left)?,
                "items" => rules.items = Self::of(value, &format!("{at}[]"), left)?,
                "required" => rules.required = names(value).ok_or_else(|| wrong("a list of names"))?,
                "minimum" => rules.minimum = Some(value.as_f64().ok_or_else(|| wrong("a number"))?),
                "maximum" => rules.maximum = Some(value.as_f64().ok_or_else(|| wrong("a number"))?),
                word if WORDS.contains(&word) => {}
                word => {
                    left.insert(word.to_owned());
                }
            }
        }
        Ok(Self::Rules(Box::new(rules)))
    }

    fn check(&self, at: &str, value: &Value) -> Result<(), String> {
        let rules = match self {
            Self::Whole(true) => return Ok(()),
            Self::Whole(false) => return Err(format!("{at} may not be there")),
            Self::Rules(rules) => rules,
        };
        if !rules.types.is_empty() && !rules.types.iter().any(|known| known.is_of(value)) {
            let known: Vec<_> = rules.types.iter().map(|known| known.as_str()).collect();
            return Err(format!("{at} is not of the type {}", known.join(" or ")));
        }
        if let Some(values) = rules.values.as_ref().filter(|values| !values.contains(value)) {
            let known: Vec<_> = values.iter().map(ToString::to_string).collect();
            return Err(format!("{at} is none of {}", known.join(", ")));
        }
        let number = value.as_f64();
        if let (Some(number), Some(least)) = (number, rules.minimum)
            && number < least
        {
            return Err(format!("{at} is less than {least}"));
        }
        if let (Some(number), Some(most)) = (number, rules.maximum)
            && number > most
        {
            return Err(format!("{at} is more than {most}"));
        }
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            rules.items.check(&format!("{at}[{index}]"), item)?;
        }
        let Value::Object(fields) = value else { return Ok(()) };
        if let Some(missing) = rules.required.iter().find(|name| !fields.contains_key(*name)) {
            return Err(format!("{at}.{missing} is missing"));
        }
        for (name, field) in fields {
            match (rules.properties.get(name), &rules.others) {
                (None, Self::Whole(false)) => {
                    let known: Vec<_> = rules.properties.keys().map(String::as_str).collect();
                    return Err(format!("{at}.{name} is not known; there are: {}", known.join(", ")));
                }
                (property, others) => property.unwrap_or(others).check(&format!("{at}.{name}"), field)?,
            }
        }
        Ok(())
    }
}

fn names(written: &Value) -> Option<Vec<String>> {
    written.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}

impl Type {
    const ALL: [Self; 7] =
        [Self::Null, Self::Boolean, Self::Integer, Self::Number, Self::String, Self::Array, Self::Object];

    /// The types that are written, one or a list; or what has to be written instead.
    fn several(written: &Value) -> Result<Vec<Self>, String> {
        let one = |name: &Value| Self::ALL.into_iter().find(|known| name.as_str() == Some(known.as_str()));
        let several: Option<Vec<_>> = match written {
            Value::Array(several) => several.iter().map(one).collect(),
            only => one(only).map(|only| vec![only]),
        };
        several.ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            format!("one of {known}, or a list of them, and is {written}")
        })
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }

    fn is_of(self, value: &Value) -> bool {
        match self {
            Self::Null => value.is_null(),
            Self::Boolean => value.is_boolean(),
            Self::Integer => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0),
            Self::Number => value.is_number(),
            Self::String => value.is_string(),
            Self::Array => value.is_array(),
            Self::Object => value.is_object(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_what_their_schema_says() {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": false,
            "required": ["url"],
            "properties": {
                "url": {"type": "string", "format": "uri"},
                "most": {"type": ["integer", "null"], "minimum": 0, "maximum": 9},
                "mode": {"enum": ["a", 1]},
                "rules": {"type": "array", "items": {
                    "type": "object", "required": ["names"],
                    "properties": {"names": {"type": "array", "items": {"type": "string"}}, "old": false},
                }},
                "labels": {"additionalProperties": {"type": "boolean"}},
                "share": {"type": "number"},
            },
        });
        let schema = ConfigSchema::parse(&schema.to_string()).unwrap();
        let check = |more: Value, expected: Result<(), &str>| {
            let mut config = json!({"url": "https://secret@x"});
            config.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
            let found = schema.check(&config);
            assert!(found.as_ref().err().is_none_or(|problem| !problem.contains("secret")), "{found:?}");
            assert_eq!(found, expected.map_err(str::to_owned), "{more}");
        };
        assert_eq!(schema.check(&Value::Null), Err("config.url is missing".to_owned()));
        assert_eq!(schema.check(&json!([])), Err("config is not of the type object".to_owned()));
        check(json!({}), Ok(()));
        check(json!({"most": 9, "mode": 1, "share": 0.5, "labels": {"x": true}}), Ok(()));
        check(json!({"most": null, "rules": [{"names": []}, {"names": ["a"], "more": 1}]}), Ok(()));
        check(json!({"most": -1}), Err("config.most is less than 0"));
        check(json!({"most": 10}), Err("config.most is more than 9"));
        check(json!({"most": 1.5}), Err("config.most is not of the type integer or null"));
        check(json!({"mode": "secret"}), Err("config.mode is none of \"a\", 1"));
        check(json!({"url": ["secret"]}), Err("config.url is not of the type string"));
        check(json!({"rules": [{"names": []}, {}]}), Err("config.rules[1].names is missing"));
        check(json!({"rules": [{"names": [1]}]}), Err("config.rules[0].names[0] is not of the type string"));
        check(json!({"rules": [{"names": [], "old": 1}]}), Err("config.rules[0].old may not be there"));
        check(json!({"labels": {"x": "secret"}}), Err("config.labels.x is not of the type boolean"));
        let known = "labels, mode, most, rules, share, url";
        check(json!({"mots": 1}), Err(&format!("config.mots is not known; there are: {known}")));
    }

    #[test]
    fn what_a_schema_says_besides_is_left_to_the_plugin() {
        let check = |text: &str, expected: Result<&[&str], &str>| match (ConfigSchema::parse(text), expected) {
            (Ok(schema), Ok(left)) => assert_eq!(schema.left(), left, "{text}"),
            (Err(problem), Err(part)) => assert!(problem.contains(part), "{problem}"),
            (found, expected) => panic!("{found:?} {expected:?}"),
        };
        check("true", Ok(&[]));
        check(r#"{"title": "x", "description": "y"}"#, Ok(&[]));
        check(r#"{"items": {"pattern": "x"}, "properties": {"a": {"oneOf": []}}}"#, Ok(&["oneOf", "pattern"]));
        check("{", Err("not JSON"));
        check("1", Err("what it says of config is neither an object nor true or false"));
        check(r#"{"items": null}"#, Err("what it says of config[] is neither"));
        let types = "null, boolean, integer, number, string, array, object";
        for (written, shown) in
            [(r#""objekt""#, r#""objekt""#), (r#"["string", 7]"#, r#"["string",7]"#), ("null", "null")]
        {
            let expected = format!(
                "what it says of config.a: \"type\" has to be one of {types}, or a list of them, and is {shown}"
            );
            check(&format!(r#"{{"properties": {{"a": {{"type": {written}}}}}}}"#), Err(&expected));
        }
        for (written, expected) in [
            (r#""required": "b""#, "config.a: \"required\" has to be a list of names"),
            (r#""required": [1]"#, "config.a: \"required\" has to be a list of names"),
            (r#""enum": {}"#, "config.a: \"enum\" has to be a list of values"),
            (r#""minimum": "1""#, "config.a: \"minimum\" has to be a number"),
            (r#""maximum": null"#, "config.a: \"maximum\" has to be a number"),
            (r#""properties": []"#, "config.a: \"properties\" has to be an object with a schema for each name"),
            (r#""additionalProperties": 1"#, "config.a.* is neither"),
        ] {
            check(&format!(r#"{{"properties": {{"a": {{{written}}}}}}}"#), Err(expected));
        }
    }

    #[test]
    fn schemas_of_our_plugins_can_be_read() {
        let plugins = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins");
        let mut seen = 0;
        for plugin in std::fs::read_dir(plugins).unwrap() {
            let path = plugin.unwrap().path().join("config.schema.json");
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let schema = ConfigSchema::parse(&text).unwrap();
            assert!(schema.left.iter().all(|word| word == "pattern"), "{path:?} {schema:?}");
            seen += 1;
        }
        assert!(seen > 5, "{seen}");
    }
}
