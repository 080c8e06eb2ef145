//! What administrators give an account without effect: it would be more open than its document looks.

use serde_json::{Map, Value};

use super::draft::{InvalidAccount, invalid};
use super::stored::unknown_restriction;

/// Refuses restrictions that are not known, and groups of which it is not said what they give. Hooks may answer with
/// both: those of a later version, and names for selectors.
///
/// # Errors
/// The field that would have no effect.
pub fn check_given(document: &Map<String, Value>) -> Result<(), InvalidAccount> {
    if let Some(restriction) = unknown_restriction(document) {
        let problem = "is not known here, and may restrict the account; correct the name, or leave it out";
        return Err(invalid(format!("filters.{restriction}"), problem));
    }
    let groups = document.iter().filter(|(name, _)| name.eq_ignore_ascii_case("groups"));
    let groups = groups.filter_map(|(_, groups)| groups.as_array()).flatten();
    for (index, group) in groups.enumerate() {
        if !matches!(group.get("type").and_then(Value::as_i64), Some(1..=3)) {
            let problem = "must be 1 (the primary group), 2 (a secondary one) or 3 (a name alone, which gives nothing)";
            return Err(invalid(format!("groups.{index}.type"), problem));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_would_have_no_effect_is_refused() {
        // B9-04, C3-01
        let check = |document: Value, expected: Option<&str>| {
            let found = check_given(document.as_object().unwrap()).err().map(|error| error.field);
            assert_eq!(found.as_deref(), expected, "{document}");
        };
        check(json!({"filters": {"allowed_ip": ["10.0.0.0/8"], "hooks": {}}, "later": 1}), None);
        check(json!({"filters": {"allowed_ips": ["10.0.0.0/8"]}}), Some("filters.allowed_ips"));
        check(json!({"Filters": {"allowed_ips": ["10.0.0.0/8"]}}), Some("filters.allowed_ips"));
        check(json!({"filters": {}, "FILTERS": {"later": true}}), Some("filters.later"));
        check(json!({"filters": {"later": []}}), None);
        check(json!({"filters": {"Denied_IP": ["10.0.0.0/8"]}}), None);
        check(json!({"groups": [{"name": "g", "type": 1}, {"name": "h", "type": 3}]}), None);
        check(json!({"groups": [{"name": "g", "type": 2}, {"name": "h"}]}), Some("groups.1.type"));
        check(json!({"GROUPS": [{"name": "g", "type": 0}]}), Some("groups.0.type"));
        check(json!({"groups": [{"name": "g", "type": "1"}]}), Some("groups.0.type"));
        check(json!({"groups": null}), None);
    }
}
