//! Documents of accounts, and what validation refuses.

use super::*;

const MINIMAL: &str = r#"{"status":1,"username":"u","home_dir":"/srv/u","permissions":{"/":["*"]}}"#;

/// A8: `patch` over a minimal account is valid, or refused with `field` named.
fn check(patch: &str, field: Option<&str>) {
    let mut draft = AccountDraft::from_json(MINIMAL).unwrap();
    draft.merge_json(patch).unwrap();
    let outcome = draft.validate(CredentialRule::Optional);
    assert_eq!(outcome.err().map(|error| error.field).as_deref(), field, "{patch}");
}

#[test]
fn every_field_is_checked() {
    // A5-16, A8-03, A8-04, A8-06, A8-07, A8-08, A8-10, C1-02
    check("{}", None);
    check(r#"{"username":""}"#, Some("username"));
    check(&format!(r#"{{"username":"{}"}}"#, "a".repeat(256)), Some("username"));
    check(&format!(r#"{{"username":"{}"}}"#, "é".repeat(255)), None);
    check(r#"{"username":"a\nb"}"#, Some("username"));
    check(r#"{"home_dir":"relative"}"#, Some("home_dir"));
    check(r#"{"home_dir":"/srv/../etc"}"#, Some("home_dir"));
    check(r#"{"home_dir":""}"#, Some("home_dir"));
    check(r#"{"status":2}"#, Some("status"));
    check(r#"{"status":-1}"#, Some("status"));
    check(r#"{"status":0}"#, None);
    check(r#"{"uid":-1}"#, Some("uid"));
    check(r#"{"uid":2147483648}"#, Some("uid"));
    check(r#"{"gid":2147483648}"#, Some("gid"));
    check(r#"{"uid":2147483647,"gid":2147483647}"#, None);
    check(r#"{"max_sessions":-1}"#, Some("max_sessions"));
    check(r#"{"quota_size":-1}"#, Some("quota_size"));
    check(r#"{"expiration_date":-5}"#, Some("expiration_date"));
    check(r#"{"permissions":{"/":[]}}"#, Some("permissions./"));
    check(r#"{"permissions":{"/a/":["list"]}}"#, None);
    check(r#"{"permissions":{"/a":["list"],"/a/":["*"]}}"#, Some("permissions./a/"));
    check(r#"{"permissions":{"/a//b":["list"]}}"#, Some("permissions./a//b"));
    check(r#"{"permissions":{"/a":["*","fly"]}}"#, Some("permissions./a"));
    check(r#"{"groups":[{"name":"g","type":4}]}"#, Some("groups.0.type"));
    check(r#"{"groups":[{"name":"","type":1}]}"#, Some("groups.0.name"));
    check(r#"{"groups":[{"name":"g","type":1},{"name":"h","type":1}]}"#, Some("groups"));
    check(r#"{"groups":[{"name":"g"},{"name":"h","type":1}]}"#, None);
    check(r#"{"permissions":{"a":["list"]}}"#, Some("permissions.a"));
    check(r#"{"permissions":{"/a":["fly"]}}"#, Some("permissions./a"));
    check(r#"{"filters":{"allowed_ip":["10.0.0.1"]}}"#, Some("filters.allowed_ip"));
    check(r#"{"filters":{"denied_ip":["2001:db8::1"]}}"#, Some("filters.denied_ip"));
    check(r#"{"filters":{"denied_ip":["192.0.2.0/24","2001:db8::/32"],"allowed_ip":["0.0.0.0/0"]}}"#, None);
    check(r#"{"filters":{"denied_login_methods":["telepathy"]}}"#, Some("filters.denied_login_methods"));
    check(r#"{"public_keys":["nonsense"]}"#, Some("public_keys.0"));
    check(r#"{"password":"p\u0000w"}"#, Some("password"));
    check(r#"{"filesystem":{"provider":1}}"#, Some("filesystem.s3config.bucket"));
    check(r#"{"filesystem":{"provider":1,"s3config":{"bucket":"b"}}}"#, None);
    check(r#"{"filesystem":{"provider":2}}"#, Some("filesystem.provider"));
}

#[test]
fn an_account_has_the_properties_of_the_older_servers() {
    // A8-01
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4dL0bUNLZPc3d1GQj3y1oaR3HBCrMkU7Q8Lk1hGmSo me";
    let bucket = json!({
        "bucket": "b", "region": "r", "access_key": "k", "access_secret": "s", "endpoint": "http://e",
        "storage_class": "STANDARD", "key_prefix": "p/",
    });
    let given = json!({
        "username": "u", "password": "$1$a$b", "public_keys": [key], "status": 1,
        "expiration_date": 1_900_000_000_000_i64, "home_dir": "/srv/u", "uid": 11, "gid": 12, "max_sessions": 13,
        "quota_size": 14, "quota_files": 15, "permissions": {"/": ["list"], "/in": ["upload", "overwrite"]},
        "upload_bandwidth": 16, "download_bandwidth": 17,
        "filters": {"allowed_ip": ["10.0.0.0/8"], "denied_ip": ["10.1.0.0/16"]},
        "filesystem": {"provider": 1, "s3config": bucket},
    });
    let draft = AccountDraft::from_json(&given.to_string()).unwrap();
    let account = draft.validate(CredentialRule::Required).unwrap().account;
    // Each is in force, and in the document that is stored.
    let stored = account.to_document(Audience::Trusted);
    for (field, value) in given.as_object().unwrap() {
        assert_eq!(stored.get(field), Some(value), "{field}");
    }
    assert!(account.enabled && account.password.is_some() && account.public_keys.len() == 1);
    assert_eq!((account.username.as_str(), account.home_dir.as_str()), ("u", "/srv/u"));
    assert_eq!((account.uid, account.gid, account.max_sessions), (11, 12, 13));
    assert_eq!((account.expiration_date, account.quota_size, account.quota_files), (1_900_000_000_000, 14, 15));
    assert_eq!((account.upload_bandwidth, account.download_bandwidth), (16, 17));
    let at = |text: &str| {
        let path = crate::path::VirtualPath::parse_normalised(text).unwrap();
        account.permissions.at(&path).tokens()
    };
    assert_eq!((at("/x"), at("/in/x")), (vec!["list"], vec!["upload", "overwrite"]));
    let location = super::super::object_storage::s3_location(&account.filesystem, "").unwrap();
    assert_eq!(
        [&location.bucket, &location.region, &location.access_key, &location.endpoint, &location.storage_class],
        ["b", "r", "k", "http://e", "STANDARD"]
    );
    assert_eq!((location.access_secret.expose(), location.key_prefix.as_str()), ("s", "p/"));
}

#[test]
fn permissions_for_the_root_are_mandatory() {
    // A8-04, C6-05
    for permissions in ["", r#","permissions":{}"#, r#","permissions":{"/in":["*"]}"#] {
        let document = format!(r#"{{"status":1,"username":"u","home_dir":"/u"{permissions}}}"#);
        let draft = AccountDraft::from_json(&document).unwrap();
        assert_eq!(draft.validate(CredentialRule::Optional).unwrap_err().field, "permissions", "{document}");
    }
}

#[test]
fn credentials_are_hashes_or_clear_text() {
    let draft = AccountDraft::from_json(MINIMAL).unwrap();
    assert_eq!(draft.clone().validate(CredentialRule::Required).unwrap_err().field, "password");

    let mut hashed = draft.clone();
    hashed.merge_json(r#"{"password":"$6$salt$hash"}"#).unwrap();
    let validated = hashed.validate(CredentialRule::Required).unwrap();
    assert!(validated.account.password.is_some() && validated.clear_password.is_none());

    // A8-02
    let mut with_key = draft.clone();
    let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4dL0bUNLZPc3d1GQj3y1oaR3HBCrMkU7Q8Lk1hGmSo";
    with_key.set("public_keys", json!([line]));
    assert!(with_key.validate(CredentialRule::Required).is_ok());
    assert!(draft.clone().validate(CredentialRule::Optional).is_ok());

    // A8-18: what a client typed is a password, even if it looks like a hash.
    let mut typed = draft;
    typed.set_clear_password(Secret::new("$6$salt$hash"));
    let validated = typed.validate(CredentialRule::Required).unwrap();
    assert!(validated.account.password.is_none() && validated.clear_password.is_some());
}

#[test]
fn a_text_of_several_keys_is_several_keys() {
    // A8-14
    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4dL0bUNLZPc3d1GQj3y1oaR3HBCrMkU7Q8Lk1hGmSo";
    let count = |texts: &[String]| {
        let mut draft = AccountDraft::from_json(MINIMAL).unwrap();
        draft.set("public_keys", json!(texts));
        draft.validate(CredentialRule::Optional).map(|validated| validated.account.public_keys.len())
    };
    let other = KEY.replace("GmSo", "GmSp");
    assert_eq!(count(&[format!("{KEY} one\n{other} two\n")]), Ok(2));
    assert_eq!(count(&[format!("# mine\r\n{KEY} one\r\n\r\n{other}")]), Ok(2));
    assert_eq!(count(&[KEY.to_owned(), format!("\n{other}\n")]), Ok(2));
    let error = count(&[format!("{KEY}\n\nnonsense")]).unwrap_err();
    assert!(error.field == "public_keys.0" && error.problem.starts_with("line 3: "), "{error}");
}

#[test]
fn hooks_leave_the_second_factor_alone() {
    // A11-21, B3-01
    let with = |filters: &str| {
        let mut draft = AccountDraft::from_json(MINIMAL).unwrap();
        draft.merge_json(&format!(r#"{{"filters":{filters}}}"#)).unwrap();
        draft
    };
    let own = r#"{"totp_config":{"enabled":true,"protocols":["SSH"],"secret":{"status":"Plain","payload":"hush"}},
        "recovery_codes":[{"secret":{"payload":"hush"}}]}"#;
    let none = "{}";
    let off = r#"{"totp_config":{"enabled":false},"recovery_codes":[]}"#;
    let other = r#"{"totp_config":{"enabled":true,"protocols":["SSH"],"secret":"other"},"max_upload_file_size":7}"#;
    let filters = |draft: AccountDraft| {
        let validated = draft.validate(CredentialRule::Optional).unwrap();
        validated.account.filters.document.clone()
    };
    let stored = |text: &str| with(text).validate(CredentialRule::Optional).unwrap().account;
    for (before, answer) in [(own, none), (own, off), (own, other), (none, own), (none, other), (off, other)] {
        let mut draft = with(answer);
        draft.keep_second_factor_of(Some(&stored(before)));
        let (kept, expected) = (filters(draft), filters(with(before)));
        for field in fields::second_factors() {
            assert_eq!(kept.get(field), expected.get(field), "{before} {answer}");
        }
        assert_eq!(kept.contains_key("max_upload_file_size"), answer == other);
    }
    // Hooks may add to the rules that demand a second factor, and take none away.
    let demanded = |before: &str, answer: &str, expected: &[&str]| {
        let mut draft = with(answer);
        draft.keep_second_factor_of(Some(&stored(before)));
        let kept = filters(draft).get("two_factor_protocols").cloned().unwrap_or_else(|| json!([]));
        assert_eq!(kept, json!(expected), "{before} {answer}");
    };
    let (ssh, ftp) = (r#"{"two_factor_protocols":["SSH"]}"#, r#"{"two_factor_protocols":["FTP"]}"#);
    demanded(ssh, "{}", &["SSH"]);
    demanded(ssh, r#"{"two_factor_protocols":[]}"#, &["SSH"]);
    demanded(ssh, ssh, &["SSH"]);
    demanded(ssh, ftp, &["FTP", "SSH"]);
    demanded("{}", ssh, &["SSH"]);
    demanded("{}", "{}", &[]);
    // A new account gets what the hook says.
    let mut draft = with(other);
    draft.keep_second_factor_of(None);
    assert_eq!(filters(draft), filters(with(other)));
    // The document for components has no second factor.
    let shown = AccountDraft::of(&stored(own)).to_json(false);
    assert!(!shown.contains("hush") && !shown.contains("totp_config"), "{shown}");
}

#[test]
fn unused_fields_survive_a_round_trip() {
    // C1-01
    let text = r#"{"status":1,"username":"u","home_dir":"/u","permissions":{"/":["*"]},"email":"a@b","groups":[{"name":"g","type":1}],"filters":{"web_client":["write-disabled"],"access_time":[{"day_of_week":0,"from":"08:00","to":"18:00"}]}}"#;
    let account = AccountDraft::from_json(text).unwrap().validate(CredentialRule::Optional).unwrap().account;
    let again = AccountDraft::of(&account).validate(CredentialRule::Optional).unwrap().account;
    assert_eq!(account, again);
    assert_eq!(again.other.get("email"), Some(&json!("a@b")));
    assert_eq!(again.filters.document.len(), 2);
}

#[test]
fn a_document_cannot_set_what_the_server_maintains() {
    // A8-16, B3-01
    let mut draft = AccountDraft::from_json(MINIMAL).unwrap();
    draft.merge_json(r#"{"id":7,"used_quota_size":99,"last_login":5}"#).unwrap();
    draft.keep_maintained_fields_of(None);
    let account = draft.validate(CredentialRule::Optional).unwrap().account;
    assert_eq!((account.id, account.usage.used_quota_size, account.last_login), (0, 0, 0));
}
