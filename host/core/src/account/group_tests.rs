//! What each setting of a group does to an account, by the kind of membership (B9-04).

use serde_json::json;

use super::*;
use crate::account::{NameVerdict, in_force};
use crate::memory::MemoryStore;
use crate::path::VirtualPath;
use crate::ports::{Change, Directory, FOLDERS, GROUPS, ROLES, StoreError, Write};

const NAME_FORMS: [&str; 2] = ["file_patterns", "file_extensions"];

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(object) = value else { panic!("{value}") };
    object
}

fn nested(path: &str, value: &Value) -> Value {
    path.rsplit('.').fold(value.clone(), |inner, name| json!({ name: inner }))
}

fn group(name: &str, settings: &Value) -> Result<Group, InvalidAccount> {
    let mut settings = object(settings.clone());
    let folders = settings.remove("virtual_folders").unwrap_or(Value::Null);
    let document = object(json!({"name": name, "user_settings": settings, "virtual_folders": folders}));
    Group::of_stored(&StoredDocument { name: name.to_owned(), version: Version::default(), document, problem: None })
}

fn user(own: &Value, groups: &Value) -> Arc<User> {
    let mut draft = AccountDraft::from_json(
        r#"{"username":"alice","role":"staff","status":1,"home_dir":"/own","permissions":{"/":["list"]},"created_at":1000}"#,
    )
    .unwrap();
    draft.merge_value(own).unwrap();
    draft.merge_value(&json!({ "groups": groups })).unwrap();
    Arc::new(draft.validate(CredentialRule::Optional).unwrap().account)
}

fn value_at(document: &Map<String, Value>, path: &str) -> Value {
    let mut value = Value::Object(document.clone());
    for name in path.split('.') {
        value = value.get(name).cloned().unwrap_or(Value::Null);
    }
    value
}

/// What the account has of `path` in a group that has `given`, as its primary and as a secondary one. As
/// a member alone it keeps its own.
fn check(path: &str, own: Value, given: Value, [primary, secondary]: [Value; 2]) {
    let group = group("g", &nested(path, &given)).unwrap();
    let own = if own.is_null() { json!({}) } else { nested(path, &own) };
    let alone = value_at(&user(&own, &json!([])).to_document(Audience::Trusted), path);
    for (kind, expected) in [(1, primary), (2, secondary), (3, alone)] {
        let user = user(&own, &json!([{"name": "g", "type": kind}]));
        let merged = merged(&user, std::slice::from_ref(&group)).unwrap();
        assert_eq!(value_at(&merged.to_document(Audience::Trusted), path), expected, "{path}, type {kind}");
    }
}

#[test]
fn limits_come_from_the_primary_group_where_the_account_has_none() {
    // B9-04
    for path in [
        "max_sessions",
        "quota_size",
        "quota_files",
        "upload_bandwidth",
        "download_bandwidth",
        "upload_data_transfer",
        "download_data_transfer",
        "total_data_transfer",
        "filters.max_upload_file_size",
        "filters.external_auth_cache_time",
        "filters.password_expiration",
    ] {
        let zero = value_at(&user(&json!({}), &json!([])).to_document(Audience::Trusted), path);
        check(path, Value::Null, json!(7), [json!(7), zero]);
        check(path, json!(5), json!(7), [json!(5), json!(5)]);
        check(path, json!(5), json!(0), [json!(5), json!(5)]);
    }
    for path in [
        "filters.disable_fs_checks",
        "filters.hooks.external_auth_disabled",
        "filters.hooks.pre_login_disabled",
        "filters.hooks.check_password_disabled",
    ] {
        check(path, Value::Null, json!(true), [json!(true), Value::Null]);
        check(path, json!(true), json!(false), [json!(true), json!(true)]);
    }
    check("filters.start_directory", Value::Null, json!("/%username%"), [json!("/alice"), Value::Null]);
    check("filters.start_directory", json!("/a"), json!("/b"), [json!("/a"), json!("/a")]);
}

#[test]
fn the_home_is_that_of_the_primary_group() {
    // B9-04
    check("home_dir", Value::Null, json!("/srv/%role%/%username%"), [json!("/srv/staff/alice"), json!("/own")]);
    check("home_dir", Value::Null, json!(""), [json!("/own"), json!("/own")]);
}

#[test]
fn lists_are_added_by_both_kinds() {
    // B9-04
    for (path, own, given) in [
        ("filters.allowed_ip", "10.0.0.0/8", "192.0.2.0/24"),
        ("filters.denied_ip", "10.0.0.0/8", "192.0.2.0/24"),
        ("filters.denied_login_methods", "password", "publickey"),
        ("filters.denied_protocols", "FTP", "SSH"),
        ("filters.two_factor_protocols", "FTP", "SSH"),
        ("filters.2fa_protocols", "FTP", "SSH"),
        ("filters.web_client", "shares-disabled", "write-disabled"),
    ] {
        let both = json!([own, given]);
        check(path, json!([own]), json!([given, own]), [both.clone(), both]);
        check(path, Value::Null, json!([given]), [json!([given]), json!([given])]);
    }
}

#[test]
fn directories_get_what_the_account_has_no_rule_for() {
    // B9-04
    let (own, given) =
        (json!({"/": ["list"], "/a": ["*"]}), json!({"/": ["upload"], "/a/": ["list"], "/%role%": ["*"]}));
    check(
        "permissions",
        own,
        given,
        [json!({"/": ["upload"], "/a": ["*"], "/staff": ["*"]}), json!({"/": ["list"], "/a": ["*"], "/staff": ["*"]})],
    );
    let pattern = |path: &str, denied: &str| json!({"path": path, "denied_patterns": [denied]});
    let both = json!([pattern("/a", "*.exe"), pattern("/b", "*.zip")]);
    check(
        "filters.file_patterns",
        json!([pattern("/a", "*.exe")]),
        json!([pattern("/a", "*.zip"), pattern("/b", "*.zip")]),
        [both.clone(), both],
    );
    let folder = |path: &str, at: &str| json!({"name": path, "virtual_path": path, "mapped_path": at});
    let both = json!([folder("/a", "/srv/a"), folder("/b", "/srv/b")]);
    check(
        "virtual_folders",
        json!([folder("/a", "/srv/a")]),
        json!([folder("/a", "/srv/other"), folder("/b", "/srv/b")]),
        [both.clone(), both],
    );
}

#[test]
fn rules_of_older_groups_restrict_their_accounts() {
    // C3-01
    let rule = |path: &str, form: &str| match form {
        "file_patterns" => json!({"path": path, "denied_patterns": ["*.exe"]}),
        _ => json!({"path": path, "denied_extensions": [".exe"]}),
    };
    for kind in [1, 2] {
        let of = |own: Value, settings: Value| {
            let user = user(&json!({"filters": own}), &json!([{"name": "g", "type": kind}]));
            merged(&user, &[group("g", &json!({"filters": settings})).unwrap()]).unwrap()
        };
        let demands = of(json!({}), json!({"2fa_protocols": ["SSH"]}));
        assert!(demands.filters.needs_second_factor, "{kind}");
        for form in NAME_FORMS {
            let denies = |account: &AccountValues, path: &str| {
                let path = VirtualPath::parse_normalised(path).unwrap();
                account.filters.file_patterns.of(&path) != NameVerdict::Allowed
            };
            let restricted = of(json!({}), json!({form: [rule("/%username%", form)]}));
            assert!(denies(&restricted, "/alice/a.exe") && !denies(&restricted, "/b/a.exe"), "{form} {kind}");
            // The rule of the account stays, in whichever form each of them is.
            for own_form in NAME_FORMS {
                let own = json!({own_form: [{"path": "/a", "allowed_patterns": ["*"], "allowed_extensions": [""]}]});
                let both = of(own, json!({form: [rule("/a/", form), rule("/b", form)]}));
                assert!(!denies(&both, "/a/a.exe") && denies(&both, "/b/a.exe"), "{own_form} {form} {kind}");
            }
        }
    }
}

#[test]
fn accounts_expire_days_after_they_were_made() {
    // B9-04
    let expiry = |settings: Value, own: Value, kind: i64| {
        let group = group("g", &settings).unwrap();
        merged(&user(&own, &json!([{"name": "g", "type": kind}])), &[group]).unwrap().expiration_date
    };
    let two_days = 1000 + 2 * 24 * 3_600_000;
    assert_eq!(expiry(json!({"expires_in": 2}), json!({}), 1), two_days);
    assert_eq!(expiry(json!({"Expires_In": 2}), json!({}), 1), two_days);
    assert_eq!(expiry(json!({"expires_in": 2}), json!({}), 2), 0);
    assert_eq!(expiry(json!({"expires_in": 2}), json!({"expiration_date": 5}), 1), 5);
    assert_eq!(expiry(json!({}), json!({}), 1), 0);
}

#[test]
fn a_group_gives_no_credential_and_no_name() {
    // B9-04
    let settings = json!({"username": "root", "password": "x", "public_keys": [], "status": 0, "uid": 5, "gid": 5,
        "id": 9, "role": "other", "email": "e", "used_quota_size": 5});
    let user = user(&json!({}), &json!([{"name": "g", "type": 1}]));
    let merged = merged(&user, &[group("g", &settings).unwrap()]).unwrap();
    assert_eq!(merged.to_document(Audience::Trusted), user.to_document(Audience::Trusted));
}

#[test]
fn the_primary_group_comes_first_and_the_others_in_their_order() {
    // B9-04
    let groups = [
        group("a", &json!({"permissions": {"/x": ["list"], "/a": ["list"]}})).unwrap(),
        group("b", &json!({"permissions": {"/x": ["upload"], "/b": ["list"]}})).unwrap(),
        group("p", &json!({"permissions": {"/x": ["download"]}})).unwrap(),
    ];
    let check = |listed: Value, expected: Value| {
        let merged = merged(&user(&json!({}), &listed), &groups).unwrap();
        assert_eq!(value_at(&merged.to_document(Audience::Trusted), "permissions"), expected, "{listed}");
    };
    let secondary = |name: &str| json!({"name": name, "type": 2});
    check(
        json!([secondary("a"), secondary("b"), {"name": "p", "type": 1}]),
        json!({"/": ["list"], "/a": ["list"], "/b": ["list"], "/x": ["download"]}),
    );
    check(
        json!([secondary("b"), secondary("a")]),
        json!({"/": ["list"], "/a": ["list"], "/b": ["list"], "/x": ["upload"]}),
    );
    check(json!([secondary("none"), secondary("a")]), json!({"/": ["list"], "/a": ["list"], "/x": ["list"]}));
}

#[test]
fn settings_that_no_account_could_have_are_refused() {
    // B9-04
    let check = |settings: Value, field: &str| {
        assert_eq!(group("g", &settings).map_err(|error| error.field).err().as_deref(), Some(field), "{settings}");
    };
    check(json!({"home_dir": "relative"}), "user_settings.home_dir");
    check(json!({"home_dir": "/srv/../%username%"}), "user_settings.home_dir");
    check(json!({"max_sessions": -1}), "user_settings.max_sessions");
    check(json!({"max_sessions": "many"}), "user_settings.max_sessions");
    check(json!({"permissions": {"/a": ["fly"]}}), "user_settings.permissions./a");
    check(json!({"filters": {"allowed_ip": ["nowhere"]}}), "user_settings.filters.allowed_ip");
    check(json!({"virtual_folders": [{"name": "f", "virtual_path": "/"}]}), "virtual_folders.0.virtual_path");
}

#[test]
fn what_does_not_fit_the_account_is_no_account() {
    // B9-04
    let check = |own: Value, settings: Value, part: &str| {
        let user = user(&own, &json!([{"name": "g", "type": 1}]));
        let error = merged(&user, &[group("g", &settings).unwrap()]).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    check(json!({"username": ".."}), json!({"home_dir": "/srv/%username%"}), "not a plain name");
    check(json!({"username": "a/b"}), json!({"permissions": {"/%username%": ["*"]}}), "group \"g\"");
}

#[test]
fn folders_of_a_group_may_be_inside_those_of_the_account() {
    // C5-02
    let folder = |name: &str, path: &str| json!([{"name": name, "virtual_path": path, "mapped_path": "/srv/f"}]);
    let check = |path: &str, expected: &[&str]| {
        let user = user(&json!({"virtual_folders": folder("own", "/a")}), &json!([{"name": "g", "type": 1}]));
        let settings = json!({"virtual_folders": folder("theirs", path)});
        let merged = merged(&user, &[group("g", &settings).unwrap()]).unwrap();
        assert_eq!(merged.folders.iter().map(|folder| folder.name.as_str()).collect::<Vec<_>>(), expected, "{path}");
    };
    check("/a/b", &["own", "theirs"]);
    // At one place, that of the account stays.
    check("/a", &["own"]);
}

#[tokio::test]
async fn a_user_is_in_force_with_its_stored_groups() {
    // B9-04
    let store = MemoryStore::default();
    let change = |collection, name: &str, document: Value| Change {
        collection,
        name: name.to_owned(),
        write: Write::Add(object(document)),
        announce: false,
        audit: None,
    };
    let folders = json!([{"name": "team", "virtual_path": "/team"}]);
    store
        .commit(vec![
            change(&ROLES, "staff", json!({})),
            change(&FOLDERS, "team", json!({"mapped_path": "/srv/team"})),
            change(&GROUPS, "g", json!({"user_settings": {"max_sessions": 3}, "virtual_folders": folders})),
            change(&GROUPS, "broken", json!({"user_settings": {"max_sessions": -3}})),
        ])
        .await
        .unwrap();
    let of = async |groups: Value| in_force(&store, user(&json!({}), &groups)).await;

    let member = of(json!([{"name": "g", "type": 1}])).await.unwrap();
    assert_eq!((member.max_sessions, member.user().max_sessions), (3, 0));
    assert_eq!(member.folders.iter().map(|folder| folder.mapped_path.as_str()).collect::<Vec<_>>(), ["/srv/team"]);
    assert!(member.user().folders.is_empty());
    for kind in [1, 2] {
        let error = of(json!([{"name": "unknown", "type": kind}])).await.unwrap_err();
        assert!(matches!(&error, StoreError::Invalid { problem, .. } if problem.contains("unknown")), "{error}");
    }
    assert_eq!(of(json!([{"name": "unknown", "type": 3}])).await.unwrap().max_sessions, 0);
    let error = in_force(&store, user(&json!({"role": "nobody"}), &json!([]))).await.unwrap_err();
    assert!(matches!(&error, StoreError::Invalid { problem, .. } if problem.contains("nobody")), "{error}");
    assert_eq!(of(json!([{"name": "broken", "type": 3}])).await.unwrap().max_sessions, 0);
    let error = of(json!([{"name": "g", "type": 1}, {"name": "broken", "type": 2}])).await.unwrap_err();
    assert!(matches!(&error, StoreError::Invalid { problem, .. } if problem.contains("broken")), "{error}");
}
