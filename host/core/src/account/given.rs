//! What administrators give an account, a folder or a group without effect: it would be more open than it looks.

use serde_json::{Map, Value};

use super::document::in_known_case;
use super::draft::{InvalidAccount, invalid};
use super::field_table::FOLDER;
use super::fields::{self, ACCOUNT, Field};
use super::filesystem_table::FILESYSTEM;
use super::filter_table::FILTERS;
use super::write::is_unset;

/// Configurations of file systems that are served.
const SERVED: [&str; 2] = ["s3config", "sftpconfig"];
/// What the older server shows of a folder beside its fields (C5-01).
const REFERENCES: [&str; 2] = ["users", "groups"];
/// Numbers in them with the least and the most that hold; 0 is what is usual. What is stored already with another one has
/// the nearest.
const BOUNDS: [(&str, &str, i64, i64); 3] = [
    ("s3config", "upload_part_size", 5, 5000),
    ("s3config", "upload_concurrency", 1, 64),
    ("sftpconfig", "buffer_size", 1, 16),
];

/// Refuses what [`check_known`] finds, and groups of which it is not said what they give. Hooks may answer with all of
/// that: with settings of a later version, and with names for selectors.
///
/// # Errors
/// The field that would have no effect.
pub fn check_given(document: &Map<String, Value>) -> Result<(), InvalidAccount> {
    check_known(document)?;
    document
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("groups"))
        .try_for_each(|(_, groups)| check_groups(groups))
}

/// Finds restrictions and settings of file systems that are not known, or beyond their bounds.
///
/// # Errors
/// The field that would have no effect.
pub fn check_known(document: &Map<String, Value>) -> Result<(), InvalidAccount> {
    for (name, value) in document {
        match fields::find(ACCOUNT, name).map(|field| field.name) {
            Some("filters") => check_filters(value, "")?,
            Some("filesystem") => check_file_system(value, "")?,
            Some("virtual_folders") => check_folders(value)?,
            Some(_) | None => {}
        }
    }
    Ok(())
}

/// `prefix`: what the names of fields begin with in errors.
pub(super) fn check_filters(filters: &Value, prefix: &str) -> Result<(), InvalidAccount> {
    let problem = "is not known here, and may restrict the account; correct the name, or leave it out";
    let mut filters = filters.clone();
    in_known_case(&mut filters, FILTERS);
    unknown_in(&filters, FILTERS, format!("{prefix}filters")).map_or(Ok(()), |path| Err(invalid(path, problem)))
}

/// As [`check_filters`]: with a prefix that is spelt otherwise, an account would have all of a bucket.
pub(super) fn check_file_system(filesystem: &Value, prefix: &str) -> Result<(), InvalidAccount> {
    let mut filesystem = filesystem.clone();
    in_known_case(&mut filesystem, FILESYSTEM);
    for field in FILESYSTEM.iter().filter(|field| SERVED.contains(&field.name)) {
        let config = filesystem.get(field.name).unwrap_or(&Value::Null);
        if let Some(path) = unknown_in(config, field.fields(), format!("{prefix}filesystem.{}", field.name)) {
            return Err(invalid(path, "is not known here; correct the name, or leave it out"));
        }
    }
    for (config, field, least, most) in BOUNDS {
        let number = filesystem.get(config).and_then(|config| config.get(field)).and_then(Value::as_i64).unwrap_or(0);
        if number != 0 && !(least..=most).contains(&number) {
            let problem = format!("must be from {least} to {most}, or 0 for what is usual");
            return Err(invalid(format!("{prefix}filesystem.{config}.{field}"), problem));
        }
    }
    Ok(())
}

/// As [`check_filters`]: a quota that is spelt otherwise would not hold. The file system of an entry is that of the stored
/// folder, or is refused.
pub(super) fn check_folders(folders: &Value) -> Result<(), InvalidAccount> {
    for (index, entry) in folders.as_array().into_iter().flatten().enumerate() {
        let prefix = format!("virtual_folders.{index}.");
        for (name, value) in entry.as_object().into_iter().flatten() {
            let is_known = fields::find(FOLDER, name).is_some() || REFERENCES.contains(&name.as_str());
            if !is_known && !is_unset(value) {
                let problem = "is not known here; correct the name, or leave it out";
                return Err(invalid(format!("{prefix}{}", plain(name)), problem));
            }
        }
    }
    Ok(())
}

fn check_groups(groups: &Value) -> Result<(), InvalidAccount> {
    let field = fields::find(ACCOUNT, "groups").map(Field::fields).unwrap_or_default();
    let mut groups = groups.clone();
    in_known_case(&mut groups, field);
    for (index, group) in groups.as_array().into_iter().flatten().enumerate() {
        if !matches!(group.get("type").and_then(Value::as_i64), Some(1..=3)) {
            let problem = "must be 1 (the primary group), 2 (a secondary one) or 3 (a name alone, which gives nothing)";
            return Err(invalid(format!("groups.{index}.type"), problem));
        }
    }
    Ok(())
}

/// The path of a field that is not known and asks for something, at any depth. `path`: of the value.
fn unknown_in(value: &Value, known: &'static [Field], path: String) -> Option<String> {
    match value {
        Value::Object(object) => object.iter().find_map(|(name, value)| match fields::find(known, name) {
            None => (!is_unset(value)).then(|| format!("{path}.{}", plain(name))),
            Some(field) if field.fields().is_empty() => None,
            Some(field) => unknown_in(value, field.fields(), format!("{path}.{}", field.name)),
        }),
        Value::Array(items) => {
            // What a later server knows of a rule stays beside what is known here, if that is anything but its first field,
            // which says what the rule is for.
            let has_more =
                |item: &Value| known.iter().skip(1).any(|field| item.get(field.name).is_some_and(|it| !is_unset(it)));
            let mut bare = items.iter().enumerate().filter(|(_, item)| !has_more(item));
            bare.find_map(|(index, item)| unknown_in(item, known, format!("{path}.{index}")))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// A name of a document in a message.
fn plain(name: &str) -> String {
    name.chars().take(80).filter(|character| !character.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_would_have_no_effect_is_refused() {
        // B9-04, C3-01, C4-01
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
        check(json!({"filters": {"hooks": {"pre_login": true}}}), Some("filters.hooks.pre_login"));
        let patterns = |rule: Value| json!({"filters": {"file_patterns": [{"path": "/a"}, rule]}});
        check(patterns(json!({"path": "/", "Denied_Patterns": ["*.exe"]})), None);
        check(patterns(json!({"path": "/", "denied_pattern": ["*"]})), Some("filters.file_patterns.1.denied_pattern"));
        check(patterns(json!({"path": "/", "denied_patterns": ["*.exe"], "later": "kept"})), None);
        let limits = json!([{"sources": ["10.0.0.0/8"], "upload_bandwith": 5}]);
        check(json!({"filters": {"bandwidth_limits": limits}}), Some("filters.bandwidth_limits.0.upload_bandwith"));
        check(json!({"groups": [{"name": "g", "type": 1}, {"Name": "h", "Type": 3}]}), None);
        check(json!({"groups": [{"name": "g", "type": 2}, {"name": "h"}]}), Some("groups.1.type"));
        check(json!({"GROUPS": [{"name": "g", "type": 0}]}), Some("groups.0.type"));
        check(json!({"groups": [{"name": "g", "type": "1"}]}), Some("groups.0.type"));
        check(json!({"groups": null}), None);
        for config in SERVED {
            let path = format!("filesystem.{config}.key_prefx");
            check(json!({"filesystem": {"provider": 1, config: {"key_prefx": "a/"}}}), Some(&path));
            check(json!({"filesystem": {"provider": 1, config: {"key_prefx": ""}}}), None);
        }
        check(json!({"filesystem": {"S3Config": {"prefix": "a/"}}}), Some("filesystem.s3config.prefix"));
        check(json!({"filesystem": {"s3config": {"KEY_PREFIX": "a/", "access_secret": {"later": 1}}}}), None);
        check(json!({"filesystem": {"gcsconfig": {"later": 1}}}), None);
        let folder = |more: Value| {
            let mut entry = json!({"name": "f", "virtual_path": "/f", "users": ["a"], "id": 3, "Quota_Size": 5});
            entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({"virtual_folders": [{"name": "e"}, entry]})
        };
        check(folder(json!({})), None);
        check(folder(json!({"quota_sise": 0})), None);
        check(folder(json!({"quota_sise": 5})), Some("virtual_folders.1.quota_sise"));
        check(folder(json!({"filesystem": {"s3config": {"later": "a/"}}})), None);
        for (config, field, least, most) in BOUNDS {
            let path = format!("filesystem.{config}.{field}");
            for (number, is_refused) in
                [(0, false), (least, false), (most, false), (least - 1, least > 1), (most + 1, true)]
            {
                check(json!({"filesystem": {config: {field: number}}}), Some(path.as_str()).filter(|_| is_refused));
            }
        }
    }
}
