//! A document whose form comes back as it was shown stays as it is, whatever a valid one may have.

use serde_json::{Map, Value, json};
use tidegate_core::account::ObjectKind;
use tidegate_core::account::fields::{ACCOUNT, Field, Kind};
use tidegate_core::admin::{ADMIN_OBJECT, KEY_OBJECT};

use super::form::Chooser;
use super::{Errors, applied, controls};
use crate::objects;
use crate::request::Fields;
use crate::tests::browser::sent;
use crate::view::Rendered;

/// More than any field has values.
const ROUNDS: usize = 40;

/// Values that a field may have; None: it is left out.
fn values(field: &Field, is_outermost: bool) -> Vec<Option<Value>> {
    let mut values: Vec<Value> = match field.kind {
        // The state of an object is always there.
        Kind::Integer(0, 1) if is_outermost && field.name == "status" => return vec![Some(json!(0)), Some(json!(1))],
        Kind::Integer(min, max) => vec![json!(min.max(-1)), json!(max), json!(1)],
        Kind::Time => [0, 1, 999, 1_700_000_000_123, 253_402_300_799_999, i64::MAX].map(|at: i64| json!(at)).into(),
        Kind::Text => [
            "",
            " a ",
            "a\r\nb\rc\n",
            "\n",
            "\u{202e}abc\u{200b}\0",
            "<img src=x onerror=alert(1)>\"'&amp;</textarea>",
            "0",
            "false",
            "[redacted]",
        ]
        .map(|text| json!(text))
        .into(),
        Kind::Flag => vec![json!(true), json!(false)],
        Kind::Texts => {
            vec![
                json!([]),
                json!(["a"]),
                json!([" a", "b ", "\u{200f}"]),
                json!(["a\nb", "", "\r"]),
                json!(["b", "a", "b"]),
            ]
        }
        Kind::Permissions => vec![
            json!({"/": ["*"]}),
            json!({"/b/c": ["upload", "list"], "/a ": ["download", "list"], "/": ["list"]}),
            json!({"/": ["*", "list"], "/*.d/[ab]": ["copy"], "/\u{202e}\"<b>\nx": ["delete_dirs"], "/d.0.may": ["list"]}),
            json!({}),
        ],
        Kind::SecretText => vec![json!("[redacted]"), json!({"status": "Redacted", "payload": ""}), json!("")],
        Kind::Anything => vec![json!({"b": [1.5, {"a": null}]}), json!("text\n"), json!(""), json!(1e300), json!([])],
        // Made of their own fields.
        Kind::Object(_) | Kind::Whole(_) | Kind::List(_) => Vec::new(),
    };
    values.push(Value::Null);
    values.into_iter().map(Some).chain([None]).collect()
}

/// A document with the value of that round in each field. Fields with other numbers of values meet in another way each time.
fn document(fields: &'static [Field], round: usize, depth: usize) -> Map<String, Value> {
    let mut document = Map::from_iter([("later".to_owned(), json!({"unknown": [round]}))]);
    for (index, field) in fields.iter().enumerate() {
        let value = match field.kind {
            Kind::Object(inner) | Kind::Whole(inner) => match round % 5 {
                0 => None,
                1 => Some(json!({})),
                2 => Some(Value::Null),
                _ => Some(Value::Object(self::document(inner, round + index, depth + 1))),
            },
            Kind::List(inner) => match round % 5 {
                0 => None,
                1 => Some(json!([])),
                2 => Some(Value::Null),
                _ => Some(entries(inner, round + index, depth + 1)),
            },
            _ => {
                let values = values(field, depth == 0);
                values.get((round + index) % values.len()).cloned().flatten()
            }
        };
        document.extend(value.map(|value| (field.name.to_owned(), value)));
    }
    document
}

/// Two entries, of which no valid one is empty.
fn entries(fields: &'static [Field], round: usize, depth: usize) -> Value {
    let entry = |round| {
        let mut entry = document(fields, round, depth);
        let filled = fields.iter().find(|field| matches!(field.kind, Kind::Text | Kind::Integer(..)));
        entry.extend(filled.filter(|field| !field.is_secret).map(|field| {
            let value = if matches!(field.kind, Kind::Text) { json!("/x\r\n ") } else { json!(1) };
            (field.name.to_owned(), value)
        }));
        Value::Object(entry)
    };
    json!([entry(round), entry(round + 1)])
}

fn check(fields: &'static [Field], document: &Map<String, Value>, chooser: Chooser, is_stored: bool) {
    let page = Rendered::controls(&controls(fields, document, &Errors::default(), chooser, is_stored));
    let (found, errors) = applied(fields, document, &Fields(sent(page.html())));
    assert_eq!(errors, Errors::default(), "{document:?}");
    for (name, value) in document.iter().chain(&found) {
        assert_eq!(found.get(name), document.get(name), "{name}: {value}");
    }
}

#[test]
fn what_is_not_touched_stays() {
    let tables = [ACCOUNT, ADMIN_OBJECT, KEY_OBJECT].into_iter().chain(ObjectKind::ALL.map(ObjectKind::fields));
    for fields in tables {
        for round in 0..ROUNDS {
            check(fields, &document(fields, round, 0), |_| Vec::new(), true);
        }
    }
    // Boxes have an order of their own.
    let permissions = json!(["view_users", "add_users", "*"]);
    let admin = Map::from_iter([("status".to_owned(), json!(0)), ("permissions".to_owned(), permissions)]);
    check(ADMIN_OBJECT, &admin, objects::Kind::Admin.choices(), true);
}

/// An object that is added by its form has what was filled in, and what the form says that it would have.
#[test]
fn a_new_object_has_what_its_form_shows() {
    let check = |fields: &'static [Field], expected: Value| {
        let page = Rendered::controls(&controls(fields, &Map::new(), &Errors::default(), |_| Vec::new(), false));
        let (found, errors) = applied(fields, &Map::new(), &Fields(sent(page.html())));
        assert_eq!((Value::Object(found), errors), (expected, Errors::default()));
    };
    check(ACCOUNT, json!({"status": 1, "permissions": {"/": ["*"]}}));
    check(ADMIN_OBJECT, json!({"status": 1}));
    for kind in ObjectKind::ALL {
        // Permissions of a group take the place of those of its accounts.
        check(kind.fields(), json!({}));
    }
}

#[test]
fn a_group_has_no_input_for_what_it_does_not_give() {
    // B9-04
    let page = |document: Value| {
        let document = document.as_object().cloned().unwrap_or_default();
        let inputs = controls(ObjectKind::Group.fields(), &document, &Errors::default(), |_| Vec::new(), true);
        Rendered::controls(&inputs).html().to_owned()
    };
    let new = page(json!({"name": "g"}));
    for (path, is_shown) in [
        ("home_dir", true),
        ("filters.allowed_ip", true),
        ("status", false),
        ("public_keys", false),
        ("filters.require_password_change", false),
    ] {
        assert_eq!(new.contains(&format!("name=\"user_settings.{path}\"")), is_shown, "{path}");
    }
    // What is there all the same can be taken out.
    let stored = page(json!({"name": "g", "user_settings": {"email": "a@b"}}));
    assert!(stored.contains("name=\"user_settings.email\""), "{stored}");
}
