//! The description of the fields of the account document, from which decoding, redaction, the columns of
//! databases, the command line and the schema follow. The tables are
//! [`ACCOUNT`](super::field_table::ACCOUNT) and those inside it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::AccountValues;
use super::draft::{AccountDraft, InvalidAccount};
pub use super::field_table::ACCOUNT;

/// The field that says whether there is a password, in documents that do not show it.
pub(super) const HAS_PASSWORD: &str = "has_password";

/// A field of the account document, or of an object in it.
#[derive(Debug)]
pub struct Field {
    /// The key in documents.
    pub name: &'static str,
    /// How the value decodes and merges.
    pub kind: Kind,
    /// The meaning and unit of the value, in one line for people.
    pub about: &'static str,
    /// Whether administrators or the server change the value.
    pub maintainer: Maintainer,
    /// Whether the value is redacted for all readers but the store and the hooks that decide logins.
    pub is_secret: bool,
    /// Whether the value is part of a second factor: only administrators and the account itself set it; hooks
    /// without the grant neither read, replace nor remove it (A11-21, B3-01).
    pub is_second_factor: bool,
    /// Whether the table of a database has a column of that name, beside those of the account's number and
    /// name. The other fields are kept together as one document.
    pub has_column: bool,
    /// Whether `tidegate user add` and `update` have an option of that name.
    pub has_option: bool,
    /// Whether documents for hooks always have the field, empty or not (C1-04).
    pub is_always_shown: bool,
    /// Whether the server does something with the value; otherwise it is only kept, for other servers.
    pub has_effect: bool,
    /// Another spelling of the key, in old documents (A8-16).
    pub alias: Option<&'static str>,
    pub(super) member: Member,
}

/// How a field decodes and merges (B15).
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// An integer between two bounds, both included.
    Integer(i64, i64),
    /// Milliseconds since 1970; 0: never.
    Time,
    /// A string.
    Text,
    /// True or false.
    Flag,
    /// A list of strings; replaced as a whole.
    Texts,
    /// An object with lists of permission tokens by directory; merged directory by directory.
    Permissions,
    /// An object with these fields; merged field by field.
    Object(&'static [Field]),
    /// An object with these fields; replaced as a whole, its unknown fields kept.
    Whole(&'static [Field]),
    /// A list of such objects; replaced as a whole.
    List(&'static [Field]),
    /// A secret: a string, or an object with its state and its payload (C4-02).
    SecretText,
    /// Any JSON; kept as it is.
    Anything,
}

/// What changes the value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maintainer {
    /// Administrators, and hooks that make accounts.
    Administrator,
    /// The server alone: the value in a document from outside is ignored (A8-16, B3-01).
    Server,
}

/// Where the server keeps the value.
#[derive(Clone, Copy)]
pub(super) enum Member {
    /// Only in the document.
    Kept,
    /// In the document, and the server reads it from there.
    Derived(Read),
    /// As a member of [`AccountValues`] alone.
    Held(Read, Write),
}

/// Checks the field of a draft and stores its value in its member.
pub(super) type Read = fn(&AccountDraft, &Field, &mut AccountValues) -> Result<(), InvalidAccount>;
/// The value for a document; None: the field is left out.
pub(super) type Write = fn(&AccountValues) -> Option<Value>;

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Kept => "kept",
            Self::Derived(_) => "derived",
            Self::Held(..) => "held",
        })
    }
}

/// A field that administrators maintain, not secret, kept in the document.
pub(crate) const fn field(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field {
        name,
        kind,
        about,
        maintainer: Maintainer::Administrator,
        is_secret: false,
        is_second_factor: false,
        has_column: false,
        has_option: false,
        is_always_shown: false,
        has_effect: true,
        alias: None,
        member: Member::Kept,
    }
}

/// The fields of `filters` with the protocols that demand a second factor, under the names of two eras. The
/// answer of a hook may add protocols, but take none away.
pub const SECOND_FACTOR_RULES: [&str; 2] = ["two_factor_protocols", "2fa_protocols"];

impl Field {
    pub(crate) const fn by_server(self) -> Self {
        Self { maintainer: Maintainer::Server, ..self }
    }

    pub(crate) const fn secret(self) -> Self {
        Self { is_secret: true, ..self }
    }

    pub(super) const fn second_factor(self) -> Self {
        Self { is_second_factor: true, ..self }
    }

    pub(super) const fn column(self) -> Self {
        Self { has_column: true, ..self }
    }

    pub(super) const fn option(self) -> Self {
        Self { has_option: true, ..self }
    }

    pub(super) const fn always(self) -> Self {
        Self { is_always_shown: true, ..self }
    }

    pub(super) const fn without_effect(self) -> Self {
        Self { has_effect: false, ..self }
    }

    pub(super) const fn alias(self, alias: &'static str) -> Self {
        Self { alias: Some(alias), ..self }
    }

    pub(super) const fn derived(self, read: Read) -> Self {
        Self { member: Member::Derived(read), ..self }
    }

    pub(super) const fn held(self, read: Read, write: Write) -> Self {
        Self { member: Member::Held(read, write), ..self }
    }

    /// The name of the field's option, such as `quota-size`, without dashes before it.
    pub fn option_name(&self) -> String {
        self.name.replace('_', "-")
    }

    /// The known fields of an object, or of the objects of a list; empty for other kinds.
    pub fn fields(&self) -> &'static [Field] {
        match self.kind {
            Kind::Object(fields) | Kind::Whole(fields) | Kind::List(fields) => fields,
            Kind::Integer(..)
            | Kind::Time
            | Kind::Text
            | Kind::Flag
            | Kind::Texts
            | Kind::Permissions
            | Kind::SecretText
            | Kind::Anything => &[],
        }
    }

    /// The value that hooks see of the field for a user without an account.
    pub(super) fn zero(&self) -> Value {
        match self.kind {
            Kind::Integer(..) | Kind::Time => json!(0),
            Kind::Text | Kind::SecretText => json!(""),
            Kind::Flag => json!(false),
            Kind::Permissions => json!({}),
            Kind::Object(fields) => Value::Object(zeros(fields)),
            Kind::Texts | Kind::Whole(_) | Kind::List(_) | Kind::Anything => Value::Null,
        }
    }
}

/// The fields that are always shown, each with its zero.
pub(super) fn zeros(fields: &[Field]) -> Map<String, Value> {
    fields.iter().filter(|field| field.is_always_shown).map(|field| (field.name.to_owned(), field.zero())).collect()
}

/// The field that `key` means: exact spelling first, then any case (B15-01).
pub(super) fn find(fields: &'static [Field], key: &str) -> Option<&'static Field> {
    fields
        .iter()
        .find(|field| field.name == key || field.alias == Some(key))
        .or_else(|| fields.iter().find(|field| field.name.eq_ignore_ascii_case(key)))
}

/// The names of fields that no draft sets.
pub(super) fn maintained_by_server() -> impl Iterator<Item = &'static str> {
    ACCOUNT.iter().filter(|field| field.maintainer == Maintainer::Server).map(|field| field.name)
}

/// The names of the fields of `filters` that are part of a second factor.
pub(super) fn second_factors() -> impl Iterator<Item = &'static str> {
    let filters = super::filter_table::FILTERS.iter();
    filters.filter(|field| field.is_second_factor).map(|field| field.name)
}

/// Whether a field of that name is secret anywhere in the tables. It then counts as secret at any depth, so
/// that a document that has it in an unknown place is redacted, too.
pub(super) fn is_secret(name: &str) -> bool {
    fn collect(fields: &'static [Field], names: &mut BTreeSet<&'static str>) {
        for field in fields {
            if field.is_secret {
                names.insert(field.name);
            }
            collect(field.fields(), names);
        }
    }
    static NAMES: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
        let mut names = BTreeSet::new();
        collect(ACCOUNT, &mut names);
        names
    });
    NAMES.contains(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(fields: &'static [Field], visit: &mut impl FnMut(&'static Field)) {
        for field in fields {
            visit(field);
            all(field.fields(), visit);
        }
    }

    #[test]
    fn each_field_is_described_and_stands_once() {
        fn unique(fields: &'static [Field]) {
            let names: BTreeSet<_> = fields.iter().map(|field| field.name).collect();
            assert_eq!(names.len(), fields.len(), "{names:?}");
            fields.iter().for_each(|field| unique(field.fields()));
        }
        unique(ACCOUNT);
        all(ACCOUNT, &mut |field| {
            assert!(!field.about.is_empty() && !field.about.contains('\n'), "{}", field.name);
        });
    }

    #[test]
    fn columns_are_members() {
        // If a value were in a column and in the document, the two could differ.
        for field in ACCOUNT {
            let is_held = matches!(field.member, Member::Held(..));
            assert!(!field.has_column || is_held, "{}", field.name);
        }
    }

    #[test]
    fn what_the_server_maintains_is_in_no_document_from_outside() {
        use serde_json::json;

        use crate::account::{AccountDraft, CredentialRule};
        const ACCOUNT_OF_U: &str = r#"{"status":1,"username":"u","home_dir":"/srv/u","permissions":{"/":["*"]}}"#;
        // A8-16, A9-06, A11-21, B3-01: for a new account and for a stored one
        let named = [
            "id",
            "used_quota_size",
            "used_quota_files",
            "last_quota_update",
            "last_login",
            "used_upload_data_transfer",
            "used_download_data_transfer",
            "first_upload",
            "first_download",
            "created_at",
            "last_password_change",
        ];
        let with = |value: u64| {
            let mut draft = AccountDraft::from_json(ACCOUNT_OF_U).unwrap();
            named.iter().for_each(|field| draft.set(field, json!(value)));
            draft
        };
        let mut new = with(99);
        new.keep_maintained_fields_of(None);
        let stored = with(7).validate(CredentialRule::Optional).unwrap().account;
        let mut changed = with(99);
        changed.keep_maintained_fields_of(Some(&stored));
        for field in named {
            assert_eq!((new.document().get(field), changed.document().get(field)), (None, Some(&json!(7))), "{field}");
        }
        let mut old = AccountDraft::from_json(ACCOUNT_OF_U).unwrap();
        old.merge_json(r#"{"used_quota_file":99,"created_at":5,"last_password_change":5}"#).unwrap();
        old.keep_maintained_fields_of(None);
        assert_eq!(old.document(), AccountDraft::from_json(ACCOUNT_OF_U).unwrap().document());
    }

    #[test]
    fn what_is_secret_is_so_anywhere() {
        for name in ["password", "secret", "access_secret", "sas_url", "passphrase", "recovery_codes", "api_key"] {
            assert!(is_secret(name), "{name}");
        }
        assert!(!is_secret("username") && !is_secret("totp_config"));
    }
}
