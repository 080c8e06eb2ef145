//! What is said of each field of the account document, once: decoding, redaction, the columns of
//! databases, the command line and the schema follow from it. The tables themselves are
//! [`ACCOUNT`](super::field_table::ACCOUNT) and those inside it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::AccountValues;
use super::draft::{AccountDraft, InvalidAccount};
pub use super::field_table::ACCOUNT;

/// Stands for a password in documents that do not show it.
pub(super) const HAS_PASSWORD: &str = "has_password";

/// A field of the account document, or of an object in it.
#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    pub kind: Kind,
    /// One line for people: what it means, with its unit.
    pub about: &'static str,
    pub maintainer: Maintainer,
    /// Redacted for all but the store and the hooks that decide logins.
    pub is_secret: bool,
    /// What a second factor is made of: only administrators and the account itself set it, and
    /// hooks without the grant neither read, replace nor remove it (A11-21, B3-01).
    pub is_second_factor: bool,
    /// Stores of tables have a column of that name, beside those of the account's number and name; the
    /// other fields are kept together as one document.
    pub has_column: bool,
    /// `tidegate user add` and `update` have an option of that name.
    pub has_option: bool,
    /// Documents for hooks always have it, empty or not (C1-04).
    pub is_always_shown: bool,
    /// The spelling of old documents (A8-16).
    pub alias: Option<&'static str>,
    pub(super) member: Member,
}

/// How a field decodes and merges (B15).
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Between two bounds, both included.
    Integer(i64, i64),
    /// Milliseconds since 1970; 0: never.
    Time,
    Text,
    Flag,
    Texts,
    /// Directory → tokens; merged key by key.
    Permissions,
    /// Merged field by field.
    Object(&'static [Field]),
    /// An object that is replaced as a whole, and kept with what is not known of it.
    Whole(&'static [Field]),
    /// A list of such objects.
    List(&'static [Field]),
    /// A text, or an object with its state and its payload (C4-02).
    SecretText,
    /// Kept as it is.
    Anything,
}

/// Who changes a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maintainer {
    /// And hooks that make accounts.
    Administrator,
    /// A document may carry it, but no draft sets it (A8-16, B3-01).
    Server,
}

/// Where the server keeps the value.
#[derive(Clone, Copy)]
pub(super) enum Member {
    /// Nowhere but in the document.
    Kept,
    /// In the document, and the server reads it from there.
    Derived(Read),
    /// As a member of [`AccountValues`] alone.
    Held(Read, Write),
}

/// Checks the field of a draft and takes it over.
pub(super) type Read = fn(&AccountDraft, &Field, &mut AccountValues) -> Result<(), InvalidAccount>;
/// The value for a document; none: it is left out.
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

/// Maintained by administrators, not secret, kept in the document.
pub(super) const fn field(name: &'static str, kind: Kind, about: &'static str) -> Field {
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
        alias: None,
        member: Member::Kept,
    }
}

/// Protocols for which the second factor is demanded, under the names of two eras: an answer of a hook
/// adds to them and takes none away.
pub const SECOND_FACTOR_RULES: [&str; 2] = ["two_factor_protocols", "2fa_protocols"];

impl Field {
    pub(super) const fn by_server(self) -> Self {
        Self { maintainer: Maintainer::Server, ..self }
    }

    pub(super) const fn secret(self) -> Self {
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

    pub(super) const fn alias(self, alias: &'static str) -> Self {
        Self { alias: Some(alias), ..self }
    }

    pub(super) const fn derived(self, read: Read) -> Self {
        Self { member: Member::Derived(read), ..self }
    }

    pub(super) const fn held(self, read: Read, write: Write) -> Self {
        Self { member: Member::Held(read, write), ..self }
    }

    /// The name of its option: `--quota-size`.
    pub fn option_name(&self) -> String {
        self.name.replace('_', "-")
    }

    /// Of an object: what is known of its fields.
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

    /// What hooks see of it where there is no account.
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

/// What no draft sets.
pub(super) fn maintained_by_server() -> impl Iterator<Item = &'static str> {
    ACCOUNT.iter().filter(|field| field.maintainer == Maintainer::Server).map(|field| field.name)
}

/// Of `filters`.
pub(super) fn second_factors() -> impl Iterator<Item = &'static str> {
    let filters = super::filter_table::FILTERS.iter();
    filters.filter(|field| field.is_second_factor).map(|field| field.name)
}

/// The names of all secret fields. They are secret at any depth, so that a document with one in an
/// unknown place is redacted too.
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
        // A value in a column and in the document as well could differ.
        for field in ACCOUNT {
            let is_held = matches!(field.member, Member::Held(..));
            assert!(!field.has_column || is_held, "{}", field.name);
        }
    }

    #[test]
    fn what_is_secret_is_so_anywhere() {
        for name in ["password", "secret", "access_secret", "sas_url", "passphrase", "recovery_codes", "api_key"] {
            assert!(is_secret(name), "{name}");
        }
        assert!(!is_secret("username") && !is_secret("totp_config"));
    }
}
