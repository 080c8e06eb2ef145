//! From a document to the inputs of a form.

use serde_json::{Map, Value};
use tidegate_core::account::fields::{Field, Kind, Maintainer};
use tidegate_core::account::is_of_one_account;
use tidegate_core::permission::TOKENS;

use super::shown::{has_lines, text_of};
use super::{Errors, REMOVED, label, within};
use crate::view::{Control, Input, InputKind, Rendered};

/// The texts that a field at this path may have; empty: any.
pub type Chooser = fn(path: &str) -> Vec<&'static str>;

/// What the inputs are made of.
pub struct Making<'a> {
    pub errors: &'a Errors,
    pub chooser: Chooser,
    /// Whether the object is stored already: then its name is fixed.
    pub is_stored: bool,
    /// Whether objects inside of others are shown although they are empty.
    shows_empty: bool,
}

/// The inputs for these fields of a document.
pub fn controls(
    fields: impl IntoIterator<Item = &'static Field>,
    document: &Map<String, Value>,
    errors: &Errors,
    chooser: Chooser,
    is_stored: bool,
) -> Vec<Control> {
    let making = Making { errors, chooser, is_stored, shows_empty: true };
    fields.into_iter().filter_map(|field| making.control(field, document.get(field.name), "")).collect()
}

impl Making<'_> {
    /// The inputs of a field; None: administrators do not set it there.
    fn control(&self, field: &'static Field, value: Option<&Value>, path: &str) -> Option<Control> {
        if field.maintainer == Maintainer::Server {
            return None;
        }
        let path = &within(path, field.name);
        // What a group has all the same can be taken out.
        if value.is_none() && path.strip_prefix("user_settings.").is_some_and(is_of_one_account) {
            return None;
        }
        match field.kind {
            Kind::Permissions => Some(self.permissions(field, value, path)),
            Kind::Object(fields) => Some(self.object(field, fields, value, path)),
            Kind::Whole(fields) if self.shows_empty || value.is_some() => Some(self.object(field, fields, value, path)),
            Kind::Whole(_) => None,
            // Secrets in lists cannot be matched to their entries once they are hidden.
            Kind::List(_) if field.is_secret => None,
            Kind::List(fields) => Some(self.list(field, fields, value, path)),
            Kind::Texts => Some(self.texts(field, value, path)),
            Kind::Integer(..) | Kind::Time | Kind::Text | Kind::Flag | Kind::SecretText | Kind::Anything => {
                Some(self.input(field, value, path))
            }
        }
    }

    fn input(&self, field: &Field, value: Option<&Value>, path: &str) -> Control {
        let text = match (self.errors.typed(path), value) {
            (Some(typed), _) => typed.to_owned(),
            (None, Some(value)) => text_of(field, value),
            (None, None) => String::new(),
        };
        let line = || InputKind::Text { complete: "off", is_needed: false, is_first: false };
        let is_name = path == "username" || path == "name";
        let choices = (self.chooser)(path);
        let kind = match field.kind {
            _ if field.is_secret && path == "password" => {
                InputKind::Password { complete: "new-password", is_needed: false }
            }
            // Not an input for passwords, which browsers offer to keep. The stored value is not shown.
            _ if field.is_secret && has_lines(field, path) => InputKind::Area { rows: 3 },
            _ if field.is_secret => line(),
            Kind::Integer(0, 1) if path == "status" => {
                let options = [("1", "Enabled"), ("0", "Disabled")];
                InputKind::Choice { options: options.map(|(value, text)| (value.to_owned(), text.to_owned())).into() }
            }
            Kind::Integer(min, max) => {
                let bound = |bound: i64, open: i64| if bound == open { String::new() } else { bound.to_string() };
                InputKind::Number { min: bound(min, i64::MIN), max: bound(max, i64::MAX) }
            }
            Kind::Flag => InputKind::Check { is_on: value == Some(&Value::Bool(true)) },
            Kind::Anything => InputKind::Area { rows: 3 },
            Kind::Text if is_name && self.is_stored => InputKind::Fixed,
            Kind::Text if has_lines(field, path) => InputKind::Area { rows: 2 },
            Kind::Text if !choices.is_empty() => {
                let options = choices.iter().map(|choice| ((*choice).to_owned(), (*choice).to_owned()));
                InputKind::Choice { options: options.collect() }
            }
            Kind::Time
            | Kind::Text
            | Kind::Texts
            | Kind::SecretText
            | Kind::Permissions
            | Kind::Object(_)
            | Kind::Whole(_)
            | Kind::List(_) => line(),
        };
        let about = match field.kind {
            _ if field.is_secret && self.is_stored => format!("{}. Empty: it stays as it is.", field.about),
            Kind::Time => "In UTC, such as 2030-12-31 23:59:59; empty means never".to_owned(),
            Kind::Anything => format!("{}; as JSON", field.about),
            _ => field.about.to_owned(),
        };
        let text = if text.is_empty() && path == "status" { "1".to_owned() } else { text };
        let mut input = Input::new(path, &label(field), &text, kind).about(&about);
        input.error = self.errors.of(path);
        Control::Input(input)
    }

    fn texts(&self, field: &Field, value: Option<&Value>, path: &str) -> Control {
        let texts: Vec<&str> =
            value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let choices = (self.chooser)(path);
        let mut input = if choices.is_empty() {
            let rows = texts.len().clamp(1, 8) + 1;
            Input::new(path, &label(field), &texts.join("\n"), InputKind::Area { rows })
                .about(&format!("{}; one a line", field.about))
        } else {
            let options = choices.iter().map(|choice| ((*choice).to_owned(), texts.contains(choice)));
            Input::new(path, &label(field), "", InputKind::Several { options: options.collect() }).about(field.about)
        };
        input.error = self.errors.of(path);
        Control::Input(input)
    }

    fn object(&self, field: &Field, fields: &'static [Field], value: Option<&Value>, path: &str) -> Control {
        let empty = Map::new();
        let object = value.and_then(Value::as_object).unwrap_or(&empty);
        let inner: Vec<_> =
            fields.iter().filter_map(|field| self.control(field, object.get(field.name), path)).collect();
        let is_open = path == "filters" || self.errors.within(path);
        self.group(label(field), field.about, path, is_open, &inner)
    }

    fn list(&self, field: &Field, fields: &'static [Field], value: Option<&Value>, path: &str) -> Control {
        let (items, empty) = (value.and_then(Value::as_array).cloned().unwrap_or_default(), Map::new());
        let inside = Self { shows_empty: false, ..*self };
        let item = |index: usize, object: &Map<String, Value>, legend: String| {
            let path = within(path, &index.to_string());
            let mut inner: Vec<_> =
                fields.iter().filter_map(|field| inside.control(field, object.get(field.name), &path)).collect();
            inner.extend((index < items.len()).then(|| removal(&path, "Remove this entry")));
            let (id, about) = (id_of(&path), String::new());
            let inner = Rendered::controls(&inner);
            Control::Group { id, legend, about, is_folded: false, is_open: true, inner }
        };
        let mut inner: Vec<_> = items
            .iter()
            .enumerate()
            .map(|(index, object)| {
                item(index, object.as_object().unwrap_or(&empty), format!("{} {}", label(field), index + 1))
            })
            .collect();
        inner.push(item(items.len(), &empty, format!("{}: another one", label(field))));
        let about = format!("{}. An entry whose fields are all empty is removed as well.", field.about);
        let is_open = !items.is_empty() || self.errors.within(path);
        self.group(label(field), &about, path, is_open, &inner)
    }

    /// A row for each directory, with boxes for what may be done there, and an empty row for another directory.
    fn permissions(&self, field: &Field, value: Option<&Value>, path: &str) -> Control {
        let rows = value.and_then(Value::as_object).cloned().unwrap_or_default();
        let mut inner = Vec::new();
        let first = Map::from_iter([("/".to_owned(), serde_json::json!(["*"]))]);
        // A group gives nothing but what is asked for: its permissions take the place of those that accounts have.
        let is_of_new_account = path == "permissions" && !self.is_stored;
        let shown = if rows.is_empty() && is_of_new_account { &first } else { &rows };
        for (index, (directory, tokens)) in
            shown.iter().map(|(directory, tokens)| (directory.as_str(), Some(tokens))).chain([("", None)]).enumerate()
        {
            let path = within(path, &index.to_string());
            let tokens: Vec<&str> =
                tokens.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
            let names = std::iter::once("*").chain(TOKENS.iter().map(|(name, _)| *name));
            let options = names.map(|name| (name.to_owned(), tokens.contains(&name))).collect();
            let directory_input = Input::text(&within(&path, "directory"), "Directory", directory);
            let may = Input::new(&within(&path, "may"), "May", "", InputKind::Several { options });
            let mut inputs = vec![Control::Input(directory_input), Control::Input(may.about("* is everything."))];
            inputs.extend((!directory.is_empty()).then(|| removal(&path, "Remove this directory")));
            let legend = if directory.is_empty() { "Another directory".to_owned() } else { directory.to_owned() };
            let (id, about, inner_html) = (id_of(&path), String::new(), Rendered::controls(&inputs));
            inner.push(Control::Group { id, legend, about, is_folded: false, is_open: true, inner: inner_html });
        }
        self.group(label(field), field.about, path, true, &inner)
    }

    fn group(&self, legend: String, about: &str, path: &str, is_open: bool, inner: &[Control]) -> Control {
        let about = match self.errors.of(path) {
            Some(error) => format!("{about}. {error}"),
            None => about.to_owned(),
        };
        let inner = Rendered::controls(inner);
        Control::Group { id: id_of(path), legend, about, is_folded: true, is_open, inner }
    }
}

/// The box that takes the entry at this path out.
fn removal(path: &str, label: &str) -> Control {
    Control::Input(Input::new(&within(path, REMOVED), label, "", InputKind::Check { is_on: false }))
}

fn id_of(path: &str) -> String {
    format!("{}-group", path.replace(['.', '_'], "-"))
}
