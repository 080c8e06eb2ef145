//! From the fields of a form to a document.

use serde_json::{Map, Value, json};
use tidegate_core::account::fields::{Field, Kind, Maintainer};

use super::shown::{has_these, is_as_shown, line_as_sent, lines_of};
use super::{REMOVED, within};
use crate::request::Fields;
use crate::text::{at_time, is_far};

/// What is wrong with inputs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Errors(Vec<Wrong>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Wrong {
    /// Of the field.
    path: String,
    problem: String,
    /// What was typed there, where it is no value of the field; the document then has the former value.
    typed: Option<String>,
}

impl Errors {
    /// That a value of this field is wrong.
    pub fn at(path: &str, problem: &str) -> Self {
        let mut errors = Self::default();
        errors.add(path, problem);
        errors
    }

    pub fn add(&mut self, path: &str, problem: &str) {
        self.0.push(Wrong { path: path.to_owned(), problem: problem.to_owned(), typed: None });
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// What is wrong with the field itself.
    pub fn of(&self, path: &str) -> Option<String> {
        self.0.iter().find(|wrong| wrong.path == path).map(|wrong| wrong.problem.clone())
    }

    /// What was typed into the input of the field, where that is no value.
    pub fn typed(&self, path: &str) -> Option<&str> {
        self.0.iter().find(|wrong| wrong.path == path)?.typed.as_deref()
    }

    /// Whether something is wrong with the field, or inside of it.
    pub fn within(&self, path: &str) -> bool {
        let is_inside =
            |found: &str| found.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        self.0.iter().any(|wrong| is_inside(&wrong.path))
    }
}

/// The document with what the form says. Fields that the form has no input for stay as they are.
///
/// # Errors
/// What cannot be read as a value of its field; the document has the others.
pub fn applied(fields: &'static [Field], base: &Map<String, Value>, form: &Fields) -> (Map<String, Value>, Errors) {
    let mut reading = Reading { form, errors: Errors::default() };
    let document = reading.object(fields, base, "");
    (document, reading.errors)
}

struct Reading<'a> {
    form: &'a Fields,
    errors: Errors,
}

impl Reading<'_> {
    fn object(&mut self, fields: &'static [Field], base: &Map<String, Value>, path: &str) -> Map<String, Value> {
        let mut document = base.clone();
        for field in fields.iter().filter(|field| field.maintainer == Maintainer::Administrator) {
            let path = within(path, field.name);
            let before = base.get(field.name).filter(|value| !value.is_null());
            // Where a document says nothing, an empty input adds nothing.
            let value = self.value(field, before, &path).filter(|value| before.is_some() || !is_empty(value));
            document.extend(value.map(|value| (field.name.to_owned(), value)));
        }
        document
    }

    /// The value of a field; None: it stays as it is.
    fn value(&mut self, field: &'static Field, before: Option<&Value>, path: &str) -> Option<Value> {
        let empty = Map::new();
        let object = before.and_then(Value::as_object).unwrap_or(&empty);
        match field.kind {
            Kind::Object(fields) | Kind::Whole(fields) => {
                self.has_within(path).then(|| Value::Object(self.object(fields, object, path)))
            }
            Kind::List(_) if field.is_secret => None,
            Kind::List(fields) => self.has_within(path).then(|| self.list(fields, before, path)),
            Kind::Permissions => self.has_within(path).then(|| self.permissions(before, path)),
            Kind::Flag => {
                // A box that is not ticked is not sent. Where the form has other fields of the object it was there.
                let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
                let is_on = !self.form.text(path).is_empty();
                (self.has(path) || self.has_within(parent)).then_some(Value::Bool(is_on))
            }
            Kind::Texts => self.has(path).then(|| self.texts(before, path)),
            Kind::Integer(..) | Kind::Time | Kind::Text | Kind::SecretText | Kind::Anything => {
                if !self.has(path) {
                    return None;
                }
                let text = self.form.text(path).replace("\r\n", "\n");
                if field.is_secret {
                    // What is not shown is not taken away by an empty input.
                    return Some(Value::String(text)).filter(|text| text != "");
                }
                if before.is_some_and(|before| is_as_shown(field, path, before, &text)) {
                    return None;
                }
                match scalar(field.kind, &text) {
                    Ok(value) => Some(value),
                    Err(problem) => {
                        self.errors.0.push(Wrong { path: path.to_owned(), problem, typed: Some(text) });
                        None
                    }
                }
            }
        }
    }

    fn has(&self, path: &str) -> bool {
        self.has_boxes(path) || self.form.0.iter().any(|(name, _)| name == path)
    }

    /// Of boxes, none may be ticked; the form then says that they were there.
    fn has_boxes(&self, path: &str) -> bool {
        self.form.0.iter().any(|(name, value)| name == "several" && value == path)
    }

    fn has_within(&self, path: &str) -> bool {
        let is_inside =
            |name: &str| name.strip_prefix(path).is_some_and(|rest| path.is_empty() || rest.starts_with('.'));
        self.form.0.iter().any(|(name, value)| is_inside(name) || (name == "several" && is_inside(value)))
    }

    /// The numbers of the entries that the form has inside of the path, in their order.
    fn indexes(&self, path: &str) -> Vec<usize> {
        let number = |name: &str| name.strip_prefix(path)?.strip_prefix('.')?.split('.').next()?.parse().ok();
        let mut found: Vec<usize> = self.form.0.iter().filter_map(|(name, _)| number(name)).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    fn list(&mut self, fields: &'static [Field], before: Option<&Value>, path: &str) -> Value {
        let items = before.and_then(Value::as_array).cloned().unwrap_or_default();
        let mut list = Vec::new();
        for index in self.indexes(path) {
            let base = items.get(index).and_then(Value::as_object).cloned().unwrap_or_default();
            let path = within(path, &index.to_string());
            let is_filled = self.form.0.iter().any(|(name, value)| {
                name.strip_prefix(&path).is_some_and(|rest| rest.starts_with('.')) && !value.trim().is_empty()
            });
            if is_filled && !self.is_removed(&path) {
                list.push(Value::Object(self.object(fields, &base, &path)));
            }
        }
        Value::Array(list)
    }

    /// Whether the entry at this path is ticked to be taken out.
    fn is_removed(&self, path: &str) -> bool {
        !self.form.text(&within(path, REMOVED)).is_empty()
    }

    fn texts(&self, before: Option<&Value>, path: &str) -> Value {
        let items = before.and_then(Value::as_array).into_iter().flatten();
        let stored: Vec<&str> = items.filter_map(Value::as_str).collect();
        let sent: Vec<String> = self.form.all(path).flat_map(lines_of).collect();
        let is_same = |before: &&Value| match self.has_boxes(path) {
            true => has_these(before, &sent.iter().map(String::as_str).collect::<Vec<_>>()),
            false => sent == lines_of(&stored.join("\n")),
        };
        if let Some(before) = before.filter(is_same) {
            return before.clone();
        }
        // A text that was not touched keeps its blanks.
        let text = |line: &String| if stored.contains(&line.as_str()) { line.clone() } else { line.trim().to_owned() };
        let texts = sent.iter().filter(|line| !line.trim().is_empty()).map(text);
        Value::from(texts.collect::<Vec<_>>())
    }

    fn permissions(&mut self, before: Option<&Value>, path: &str) -> Value {
        let none = Map::new();
        // In the order of the rows.
        let stored: Vec<_> = before.and_then(Value::as_object).unwrap_or(&none).iter().collect();
        let mut table = Map::new();
        for index in self.indexes(path) {
            let row = within(path, &index.to_string());
            let (directory_path, may) = (within(&row, "directory"), within(&row, "may"));
            let sent = self.form.text(&directory_path);
            let known = stored.get(index).filter(|(stored, _)| line_as_sent(stored) == line_as_sent(sent));
            let directory = known.map_or_else(|| sent.trim().to_owned(), |(stored, _)| (*stored).clone());
            if directory.is_empty() || self.is_removed(&row) {
                continue;
            }
            let tokens: Vec<&str> = self.form.all(&may).collect();
            let tokens = match known {
                Some((_, before)) if has_these(before, &tokens) => (*before).clone(),
                Some(_) | None => json!(tokens),
            };
            if table.contains_key(&directory) {
                self.errors.add(path, &format!("The directory {directory} is there twice."));
            } else {
                table.insert(directory, tokens);
            }
        }
        Value::Object(table)
    }
}

/// Whether the value is what a document without the field means.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

fn scalar(kind: Kind, text: &str) -> Result<Value, String> {
    let trimmed = text.trim();
    match kind {
        Kind::Integer(..) if trimmed.is_empty() => Ok(json!(0)),
        Kind::Integer(min, max) => match trimmed.parse::<i64>() {
            Ok(number) if (min..=max).contains(&number) => Ok(json!(number)),
            Ok(_) => Err(format!("The number must be between {min} and {max}.")),
            Err(_) => Err("This is no whole number.".to_owned()),
        },
        Kind::Time if trimmed.is_empty() => Ok(json!(0)),
        Kind::Time => {
            // As the form has a time that no date says.
            if let Ok(at) = trimmed.parse::<i64>()
                && is_far(at)
            {
                return Ok(json!(at));
            }
            let at = at_time(trimmed);
            at.map(Value::from).ok_or_else(|| "This is no time such as 2030-12-31 23:59:59.".to_owned())
        }
        Kind::Anything if trimmed.is_empty() => Ok(Value::Null),
        Kind::Anything => serde_json::from_str(trimmed).map_err(|error| format!("This is not JSON: {error}.")),
        Kind::Text
        | Kind::SecretText
        | Kind::Flag
        | Kind::Texts
        | Kind::Permissions
        | Kind::Object(_)
        | Kind::Whole(_)
        | Kind::List(_) => Ok(json!(text)),
    }
}

#[cfg(test)]
mod tests {
    use tidegate_core::account::fields::ACCOUNT;

    use super::*;
    use crate::fields::controls;
    use crate::view::Rendered;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn check(base: Value, form: &[(&str, &str)], expected: Value) {
        let fields = Fields(form.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
        let (document, errors) = applied(ACCOUNT, &map(base), &fields);
        assert_eq!((Value::Object(document), errors), (expected, Errors::default()), "{form:?}");
    }

    #[test]
    fn inputs_become_values() {
        let base = || json!({"username": "a", "quota_size": 5, "unknown": {"x": 1}, "id": 7});
        check(base(), &[], base());
        check(base(), &[("quota_size", " 9 "), ("uid", ""), ("id", "8")], {
            json!({"username": "a", "quota_size": 9, "unknown": {"x": 1}, "id": 7})
        });
        check(
            json!({}),
            &[("expiration_date", "2030-01-02 03:04:05")],
            json!({"expiration_date": 1_893_553_445_000_i64}),
        );
        check(json!({}), &[("expiration_date", "2030-01-02")], json!({"expiration_date": 1_893_542_400_000_i64}));
        check(json!({}), &[("expiration_date", "9223372036854775807")], json!({"expiration_date": i64::MAX}));
        check(json!({}), &[("public_keys", "one\r\n\r\ntwo\r\n")], json!({"public_keys": ["one", "two"]}));
        check(json!({"public_keys": ["one"]}), &[("public_keys", "")], json!({"public_keys": []}));
        check(json!({}), &[("password", "")], json!({}));
        check(json!({}), &[("password", "pw")], json!({"password": "pw"}));
        let rows = [
            ("permissions.0.directory", "/"),
            ("permissions.0.may", "list"),
            ("permissions.0.may", "download"),
            ("permissions.1.directory", "/none"),
            ("permissions.2.directory", " "),
        ];
        check(json!({}), &rows, json!({"permissions": {"/": ["list", "download"], "/none": []}}));
        let patterns = [
            ("filters.file_patterns.0.path", "/a"),
            ("filters.file_patterns.0.denied_patterns", "*.exe"),
            ("filters.file_patterns.1.path", ""),
        ];
        let before =
            json!({"filters": {"file_patterns": [{"path": "/", "later": 1}], "hooks": {"pre_login_disabled": true}}});
        let after = json!({"filters": {
            "file_patterns": [{"path": "/a", "later": 1, "denied_patterns": ["*.exe"]}],
            "hooks": {"pre_login_disabled": true},
        }});
        check(before, &patterns, after);
        let flags = [("filters.hooks.external_auth_disabled", "1"), ("filters.allowed_ip", "")];
        let before = json!({"filters": {"hooks": {"pre_login_disabled": true}}});
        check(
            before,
            &flags,
            json!({"filters": {"hooks": {"pre_login_disabled": false, "external_auth_disabled": true}}}),
        );
        // The last box of an object that has nothing else.
        check(
            json!({"filters": {"hooks": {"pre_login_disabled": true}}}),
            &[("several", "filters.hooks.pre_login_disabled"), ("several", "filters.hooks.external_auth_disabled")],
            json!({"filters": {"hooks": {"pre_login_disabled": false}}}),
        );
        // What was not touched beside a change stays as it was.
        let base = json!({"public_keys": [" one ", "two"], "permissions": {"/": ["upload", "list"], "/a ": ["*"]}});
        let form = [
            ("public_keys", " one \r\n two \r\nthree"),
            ("permissions.0.directory", "/"),
            ("permissions.0.may", "list"),
            ("permissions.1.directory", "/a "),
            ("permissions.1.may", "list"),
            ("permissions.1.may", "*"),
            ("permissions.2.directory", " /b "),
            ("permissions.2.may", "list"),
        ];
        let permissions = json!({"/": ["list"], "/a ": ["list", "*"], "/b": ["list"]});
        check(base, &form, json!({"public_keys": [" one ", "two", "three"], "permissions": permissions}));
    }

    #[test]
    fn entries_that_are_ticked_are_taken_out() {
        let groups = json!({"groups": [{"name": "g", "type": 1}, {"name": "h", "type": 2}]});
        let form = [
            ("groups.0.name", "g"),
            ("groups.0.type", "1"),
            ("groups.0.-removed", "1"),
            ("groups.1.name", "h"),
            ("groups.1.type", "2"),
            ("groups.2.name", ""),
        ];
        check(groups.clone(), &form, json!({"groups": [{"name": "h", "type": 2}]}));
        let form = [
            ("permissions.0.directory", "/"),
            ("permissions.0.may", "list"),
            ("permissions.1.directory", "/a"),
            ("permissions.1.may", "*"),
            ("permissions.1.-removed", "1"),
        ];
        let permissions = json!({"permissions": {"/": ["list"], "/a": ["*"]}});
        check(permissions.clone(), &form, json!({"permissions": {"/": ["list"]}}));
        let page = |document: Value| {
            let none = Errors::default();
            Rendered::controls(&controls(ACCOUNT, &map(document), &none, |_| Vec::new(), true)).html().to_owned()
        };
        // There is a box for what is stored, and none for what may be added.
        assert_eq!(page(groups).matches("type=\"checkbox\" id=\"groups-").count(), 2);
        assert_eq!(page(permissions).matches("type=\"checkbox\" id=\"permissions-").count(), 2);
        let is_known = |fields: &[Field]| fields.iter().any(|field| field.name == REMOVED);
        assert!(!is_known(ACCOUNT) && ACCOUNT.iter().all(|field| !is_known(field.fields())));
    }

    #[test]
    fn a_directory_that_is_there_twice_is_named() {
        let form = Fields::parse(
            b"permissions.0.directory=/&permissions.0.may=list&permissions.1.directory=/&permissions.1.may=*",
        );
        let (document, errors) = applied(ACCOUNT, &Map::new(), &form);
        assert_eq!(Value::Object(document), json!({"permissions": {"/": ["list"]}}));
        assert_eq!(errors, Errors::at("permissions", "The directory / is there twice."));
    }

    #[test]
    fn inputs_that_are_no_values_are_named() {
        let form = Fields::parse(b"quota_size=much&expiration_date=soon&uid=-1&filters.data_transfer_limits=%7B&gid=3");
        let (document, errors) = applied(ACCOUNT, &Map::new(), &form);
        assert_eq!(Value::Object(document.clone()), json!({"gid": 3}));
        let paths: Vec<_> = errors.0.iter().map(|wrong| wrong.path.as_str()).collect();
        assert_eq!(paths, ["expiration_date", "uid", "quota_size", "filters.data_transfer_limits"]);
        // What was typed stands there again.
        let page = Rendered::controls(&controls(ACCOUNT, &document, &errors, |_| Vec::new(), false));
        for input in ["name=\"expiration_date\" value=\"soon\"", "name=\"uid\" value=\"-1\"", "\n{</textarea>"] {
            assert!(page.html().contains(input), "{input} {}", page.html());
        }
        assert!(errors.within("filters") && !errors.within("filter") && errors.of("uid").is_some());
    }
}
