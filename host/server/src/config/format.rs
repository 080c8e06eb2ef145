//! Reads files in six formats into one tree.

use std::collections::HashSet;
use std::path::Path;

use serde_json::{Map, Value};

use super::environment;
use super::unique::Unique;

/// The text of a file.
pub fn read(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let bytes = std::fs::read(path).map_err(|error| format!("{shown}: could not be read: {error}"))?;
    String::from_utf8(bytes).map_err(|_| format!("{shown}: is not UTF-8 text"))
}

/// The tree of a file's text. `defaults` tells formats without types what is meant.
pub fn parse(path: &Path, text: &str, defaults: &Value) -> Result<Value, String> {
    let shown = path.display();
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let value = value_of(extension, text, defaults).map_err(|problem| format!("{shown}{problem}"))?;
    match value {
        Value::Object(_) => Ok(value),
        Value::Null => Ok(Value::Object(Map::new())),
        _ => Err(format!("{shown}: the file must hold sections such as \"sftpd\"")),
    }
}

/// The error begins with the place: `, line 3: …` or `: …`.
fn value_of(extension: &str, text: &str, defaults: &Value) -> Result<Value, String> {
    let at_line = |line: Option<usize>, problem: String| match line {
        Some(line) => format!(", line {line}: {problem}"),
        None => format!(": {problem}"),
    };
    match extension {
        "toml" => toml::from_str(text).map_err(|error: toml::de::Error| {
            let line =
                error.span().and_then(|span| text.get(..span.start)).map(|before| before.matches('\n').count() + 1);
            at_line(line, error.message().to_owned())
        }),
        "yaml" | "yml" => {
            let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
            serde_saphyr::from_str_with_options(text, options).map_err(|error: serde_saphyr::Error| {
                let line = error.location().and_then(|location| usize::try_from(location.line()).ok());
                at_line(line, error.to_string())
            })
        }
        "json" => serde_json::from_str(text)
            .map(|Unique(value)| value)
            .map_err(|error| at_line(Some(error.line()), error.to_string())),
        "hcl" => hcl::parse(text).and_then(hcl_value).map_err(|error| {
            let line = match &error {
                hcl::Error::Parse(error) => Some(error.location().line()),
                _ => None,
            };
            at_line(line, error.to_string().lines().last().unwrap_or_default().trim().to_owned())
        }),
        "env" => from_pairs(env_pairs(text)?, "__", defaults),
        "properties" => from_pairs(property_pairs(text)?, ".", defaults),
        other => Err(format!(": files of the kind .{other} are not read; use .toml, .yaml or .json")),
    }
}

/// The older server's HCL had values only. The library evaluates operations too, and panics at some, such as a
/// division by zero.
fn hcl_value(body: hcl::Body) -> Result<Value, hcl::Error> {
    fn calculates(body: &hcl::Body) -> bool {
        body.iter().any(|structure| match structure {
            hcl::Structure::Attribute(attribute) => is_calculated(&attribute.expr),
            hcl::Structure::Block(block) => calculates(&block.body),
        })
    }
    fn is_calculated(expression: &hcl::Expression) -> bool {
        use hcl::Expression::{Array, Bool, Null, Number, Object, Operation, Parenthesis, String};
        match expression {
            Null | Bool(_) | Number(_) | String(_) => false,
            Array(items) => items.iter().any(is_calculated),
            Object(fields) => fields.values().any(is_calculated),
            Parenthesis(inner) => is_calculated(inner),
            // A negative number.
            Operation(operation) => match &**operation {
                hcl::expr::Operation::Unary(unary) => !matches!(unary.expr, Number(_)),
                hcl::expr::Operation::Binary(_) => true,
            },
            _ => true,
        }
    }
    if calculates(&body) {
        return Err(serde::de::Error::custom("the file has an expression; write its value"));
    }
    hcl::from_body(hcl::eval::Evaluate::evaluate(&body, &hcl::eval::Context::new())?)
}

/// Lines of the form `KEY=value`, with or without the prefix of environment variables.
fn env_pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    dotenvy::from_read_iter(text.as_bytes())
        .map(|pair| {
            let (key, value) =
                pair.map_err(|_| ": a line is not of the form KEY=value; quote values with spaces".to_owned())?;
            let key = environment::PREFIXES.iter().find_map(|prefix| key.strip_prefix(prefix)).unwrap_or(&key);
            Ok((key.to_ascii_lowercase(), value))
        })
        .collect()
}

fn property_pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    for line in java_properties::PropertiesIter::new_with_encoding(text.as_bytes(), encoding_rs::UTF_8) {
        let line = line.map_err(|error| match error.line_number() {
            Some(number) => format!(", line {number}: {error}"),
            None => format!(": {error}"),
        })?;
        if let java_properties::LineContent::KVPair(key, value) = line.consume_content() {
            pairs.push((key, value));
        }
    }
    Ok(pairs)
}

fn from_pairs(pairs: Vec<(String, String)>, separator: &str, defaults: &Value) -> Result<Value, String> {
    let mut value = Value::Object(Map::new());
    let mut seen = HashSet::new();
    for (key, text) in pairs {
        if !seen.insert(key.clone()) {
            return Err(format!(": the key \"{key}\" is there twice; remove one"));
        }
        let path: Vec<&str> = key.split(separator).collect();
        environment::insert(&mut value, defaults, &path, &text)
            .map_err(|problem| format!(": key \"{key}\": {problem}"))?;
    }
    Ok(value)
}
