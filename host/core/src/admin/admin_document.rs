//! The documents of administrators: their fields, their validation, and what of them is shown.

use core::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use serde_json::{Map, Value, json};

use super::tokens::number_of;
use super::{AdminError, AdminPermission, Permissions};
use crate::account::fields::{Field, Kind, Maintainer, field};
use crate::account::{InvalidAccount, invalid, merge_fields};
use crate::password::{NOT_CHECKABLE, PasswordHash, PasswordText, known_prefixes};
use crate::ports::{ADMINS, Passwords, StoredDocument, Version};
use crate::secret::Secret;

const NATURAL: Kind = Kind::Integer(0, i64::MAX);
const MAX_NAME_BYTES: usize = 255;

/// The fields of an administrator's document, named as in the older server's second interface.
pub const ADMIN_OBJECT: &[Field] = &[
    field("id", NATURAL, "The administrator's number, which no other ever gets").by_server(),
    field("username", Kind::Text, "The name that the administrator logs in with"),
    field("password", Kind::Text, "The password, or its hash in a known format").secret(),
    field("status", Kind::Integer(0, 1), "1 enabled, 0 disabled"),
    field("permissions", Kind::Texts, "What the administrator may do; \"*\" is everything"),
    field("role", Kind::Text, "The role whose accounts the administrator is limited to; empty: all accounts"),
    field("description", Kind::Text, "A note for administrators"),
    field("email", Kind::Text, "An address for mail"),
    field("filters", Kind::Object(ADMIN_FILTERS), "Restrictions of logins"),
    field("created_at", Kind::Time, "When it was added, in milliseconds since 1970").by_server(),
    field("updated_at", Kind::Time, "When it was changed last, in milliseconds since 1970").by_server(),
    field("last_login", Kind::Time, "When it logged in last, in milliseconds since 1970").by_server(),
    field("last_code_step", NATURAL, "The time step of the last one-time code").by_server(),
    field("disabled_at", Kind::Time, "When it was last disabled, in milliseconds since 1970").by_server(),
];

const ADMIN_FILTERS: &[Field] = &[
    field("allow_list", Kind::Texts, "Networks that logins have to come from; empty: any"),
    field("require_two_factor", Kind::Flag, "Whether a login needs a one-time code"),
    field("totp_config", Kind::Anything, "One-time codes; made with the administrator's command").by_server(),
    field("recovery_codes", Kind::Anything, "Digests of codes that are good once").by_server(),
    // Shown, and so part of documents that come back.
    field("recovery_codes_left", NATURAL, "How many recovery codes are left").by_server(),
];

/// A valid administrator.
#[derive(Debug, Clone, PartialEq)]
pub struct Administrator {
    /// The name that it logs in with.
    pub username: String,
    /// The state in which it was read.
    pub version: Version,
    /// The hash of the password.
    pub password: PasswordHash,
    /// Whether it may log in.
    pub is_enabled: bool,
    /// When it was last disabled, in milliseconds since 1970; 0: never. What it began before has ended for good.
    pub disabled_at: i64,
    /// What it may do.
    pub permissions: Permissions,
    /// The role whose accounts it is limited to.
    pub role: Option<String>,
    /// Networks that it has to come from; empty: any.
    pub networks: Vec<IpNet>,
    /// Whether its logins need a one-time code.
    pub needs_codes: bool,
    /// The secret of its one-time codes in Base32 (RFC 4648 §6).
    pub code_secret: Option<Secret>,
    /// SHA-256 of the recovery codes that are left.
    pub recovery_digests: Vec<String>,
}

impl Administrator {
    /// The administrator in a stored document.
    ///
    /// # Errors
    /// The document is not valid.
    pub fn of_stored(stored: &StoredDocument) -> Result<Self, InvalidAccount> {
        if let Some(problem) = &stored.problem {
            return Err(invalid("username", problem.clone()));
        }
        let document = &stored.document;
        let text = |field: &str| document.get(field).and_then(Value::as_str).unwrap_or_default();
        let PasswordText::Hash(password) = PasswordText::of(text("password")) else {
            return Err(invalid("password", "is no hash that can be checked"));
        };
        let filters = document.get("filters").and_then(Value::as_object).cloned().unwrap_or_default();
        let codes = filters.get("totp_config").and_then(|config| config.get("secret")).and_then(Value::as_str);
        let recovery = filters.get("recovery_codes").and_then(Value::as_array).into_iter().flatten();
        Ok(Self {
            username: stored.name.clone(),
            version: stored.version,
            password,
            is_enabled: document.get("status").and_then(Value::as_i64) == Some(1),
            disabled_at: number_of(stored, "disabled_at"),
            permissions: permissions_of(&texts(document, "permissions"))?,
            role: Some(text("role").to_owned()).filter(|role| !role.is_empty()),
            networks: networks_of("filters.allow_list", &texts(&filters, "allow_list"))?,
            needs_codes: filters.get("require_two_factor") == Some(&json!(true)),
            code_secret: codes.map(Secret::new),
            recovery_digests: recovery.filter_map(Value::as_str).map(str::to_owned).collect(),
        })
    }

    /// Whether it may come from that address; None: from the host itself.
    pub fn may_come_from(&self, address: Option<IpAddr>) -> bool {
        is_within(&self.networks, address)
    }
}

/// Whether the address is in one of the networks, or there are none. None: the host itself. The unspecified address
/// stands for a client whose address is not known, and is in no network.
pub fn is_within(networks: &[IpNet], address: Option<IpAddr>) -> bool {
    let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)).to_canonical();
    networks.is_empty() || (!address.is_unspecified() && networks.iter().any(|network| network.contains(&address)))
}

/// `document` with the fields that `patch` names changed.
///
/// # Errors
/// A field of `patch` has another type, or there is none of that name: a document that is understood in part could
/// give more than was meant.
pub fn merged(
    known: &'static [Field],
    noun: &'static str,
    mut document: Map<String, Value>,
    patch: &Map<String, Value>,
) -> Result<Map<String, Value>, AdminError> {
    let patch = without_maintained(known, "", patch).map_err(|problem| AdminError::Object { noun, problem })?;
    merge_fields(&mut document, &patch, known)?;
    Ok(document)
}

/// The fields of the patch that administrators maintain.
fn without_maintained(
    known: &'static [Field],
    prefix: &str,
    patch: &Map<String, Value>,
) -> Result<Map<String, Value>, InvalidAccount> {
    let mut given = Map::new();
    for (name, value) in patch {
        let path = format!("{prefix}{name}");
        let Some(field) = known.iter().find(|field| field.name.eq_ignore_ascii_case(name)) else {
            return Err(invalid(path, "is not known here"));
        };
        match (field.maintainer, field.kind, value) {
            (Maintainer::Server, _, _) => {}
            (Maintainer::Administrator, Kind::Object(inner), Value::Object(object)) => {
                let object = without_maintained(inner, &format!("{path}."), object)?;
                given.insert(field.name.to_owned(), Value::Object(object));
            }
            (Maintainer::Administrator, _, value) => drop(given.insert(field.name.to_owned(), value.clone())),
        }
    }
    Ok(given)
}

/// The name of an administrator.
///
/// # Errors
/// The document has no name that an administrator may have.
pub fn name_of(document: &Map<String, Value>) -> Result<String, InvalidAccount> {
    let name = document.get("username").and_then(Value::as_str).unwrap_or_default();
    let refused = |problem: &str| Err(invalid("username", problem));
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return refused("must have 1 to 255 bytes");
    }
    // RFC 7617 §2: what stands before the colon is the name.
    if name.contains(':') || name.trim() != name {
        return refused("must not contain a colon, nor begin or end with a space");
    }
    Ok(name.to_owned())
}

/// The password of a document: to be hashed, or a hash.
///
/// # Errors
/// There is none, or it looks like a hash that cannot be checked.
pub fn password_of(document: &Map<String, Value>) -> Result<PasswordText, InvalidAccount> {
    match PasswordText::of(document.get("password").and_then(Value::as_str).unwrap_or_default()) {
        PasswordText::Absent => Err(invalid("password", "an administrator needs one")),
        PasswordText::Locked => {
            Err(invalid("password", "is a mark for no password; disable the administrator instead"))
        }
        PasswordText::Unknown(name) => Err(invalid(
            "password",
            format!(
                "looks like a hash of the kind {name}, which cannot be checked here (these can: {})",
                known_prefixes()
            ),
        )),
        text @ (PasswordText::Hash(_) | PasswordText::Clear(_)) => Ok(text),
    }
}

/// Checks that a password can match the hash of a document, unless it is stored already.
///
/// # Errors
/// No password can match the hash.
pub fn check_hash(
    passwords: &dyn Passwords,
    document: &Map<String, Value>,
    stored: Option<&StoredDocument>,
) -> Result<(), AdminError> {
    let Some(text) = document.get("password").and_then(Value::as_str) else { return Ok(()) };
    let before = stored.and_then(|stored| stored.document.get("password")).and_then(Value::as_str);
    match PasswordHash::recognise(text.trim()) {
        Some(hash) if before != Some(text) && !passwords.can_check(&hash) => {
            Err(not_valid(invalid("password", NOT_CHECKABLE)))
        }
        Some(_) | None => Ok(()),
    }
}

/// The permissions that a list of names gives.
///
/// # Errors
/// The list is empty, or a name is not known.
pub fn permissions_of(names: &[String]) -> Result<Permissions, InvalidAccount> {
    if names.is_empty() {
        return Err(invalid("permissions", "must name at least one permission; \"*\" is everything"));
    }
    if names.iter().any(|name| name == "*") {
        return Ok(Permissions::All);
    }
    let permission = |name: &String| {
        AdminPermission::from_name(name).ok_or_else(|| {
            let known = AdminPermission::ALL.map(AdminPermission::as_str).join(", ");
            invalid("permissions", format!("\"{name}\" is not one of *, {known}"))
        })
    };
    Ok(Permissions::Only(names.iter().map(permission).collect::<Result<_, _>>()?))
}

/// The networks that a list of texts says; an address is a network of its own.
///
/// # Errors
/// A text is neither a network nor an address.
pub fn networks_of(field: &str, texts: &[String]) -> Result<Vec<IpNet>, InvalidAccount> {
    let network = |text: &String| {
        crate::network::parse(text)
            .ok_or_else(|| invalid(field, format!("\"{text}\" is neither an address nor a network such as 10.0.0.0/8")))
    };
    texts.iter().map(network).collect()
}

/// The texts of a list.
pub fn texts(document: &Map<String, Value>, field: &str) -> Vec<String> {
    let items = document.get(field).and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What administrators see of a stored administrator: no secret, but whether there are codes and how many recovery
/// codes are left.
pub fn shown(mut document: Map<String, Value>) -> Map<String, Value> {
    document.remove("password");
    document.remove("last_code_step");
    document.remove("disabled_at");
    let filters = document.entry("filters").or_insert_with(|| json!({}));
    if let Value::Object(filters) = filters {
        let has_codes = filters.remove("totp_config").is_some_and(|config| config.get("secret").is_some());
        let left = filters.remove("recovery_codes").and_then(|codes| codes.as_array().map(Vec::len)).unwrap_or(0);
        filters.insert("totp_config".to_owned(), json!({"enabled": has_codes}));
        filters.insert("recovery_codes_left".to_owned(), json!(left));
    }
    document
}

/// The error about a document of an administrator.
pub fn not_valid(problem: InvalidAccount) -> AdminError {
    AdminError::Object { noun: ADMINS.noun, problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn what_is_not_known_is_refused_and_what_the_server_maintains_stays() {
        let base = || map(json!({"id": 5, "filters": {"totp_config": {"secret": "S"}}}));
        let check = |patch: Value, expected: Result<Value, &str>| match (
            merged(ADMIN_OBJECT, ADMINS.noun, base(), &map(patch)),
            expected,
        ) {
            (Ok(found), Ok(expected)) => assert_eq!(Value::Object(found), expected),
            (Err(error), Err(field)) => assert_eq!(error.field(), Some(field)),
            (found, expected) => panic!("{found:?} {expected:?}"),
        };
        let codes = json!({"totp_config": {"secret": "S"}});
        check(json!({"id": 9, "last_login": 7, "status": 1}), Ok(json!({"id": 5, "filters": codes, "status": 1})));
        check(json!({"filters": {"totp_config": null, "recovery_codes": []}}), Ok(json!({"id": 5, "filters": codes})));
        check(json!({"super": true}), Err("super"));
        check(json!({"filters": {"super": true}}), Err("filters.super"));
        check(json!({"permissions": "*"}), Err("permissions"));
        check(json!({"filters": {"require_two_factor": "yes"}}), Err("filters.require_two_factor"));
    }

    #[test]
    fn names_can_be_typed() {
        let check = |name: &str, expected: bool| {
            assert_eq!(name_of(&map(json!({"username": name}))).is_ok(), expected, "{name:?}");
        };
        check("root", true);
        check("Jörg Müller", true);
        // Those of stored administrators stay, whatever new ones may have.
        check("a\u{200b}b", true);
        for name in ["", " a", "a ", "a:b", "\u{a0}a", &"a".repeat(256)] {
            check(name, false);
        }
    }

    #[test]
    fn permissions_and_networks_are_named_or_refused() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(permissions_of(&texts(&["view_users", "*"])), Ok(Permissions::All));
        let one = Permissions::Only([AdminPermission::ViewUsers].into());
        assert_eq!(permissions_of(&texts(&["view_users"])), Ok(one));
        assert!(permissions_of(&[]).is_err() && permissions_of(&texts(&["fly"])).is_err());
        let networks = networks_of("f", &texts(&["10.0.0.0/8", "2001:db8::1"])).unwrap();
        for (address, expected) in
            [("10.1.1.1", true), ("::ffff:10.1.1.1", true), ("11.0.0.1", false), ("2001:db8::1", true), ("::1", false)]
        {
            assert_eq!(is_within(&networks, address.parse().ok()), expected, "{address}");
        }
        assert!(is_within(&[], None) && !is_within(&networks, None));
        let mapped = networks_of("f", &texts(&["::ffff:10.0.0.0/104"])).unwrap();
        assert!(is_within(&mapped, "10.1.1.1".parse().ok()) && !is_within(&mapped, "11.1.1.1".parse().ok()));
        // The address of a client that is not known.
        let all = networks_of("f", &texts(&["0.0.0.0/0", "::/0"])).unwrap();
        let unknown = "0.0.0.0".parse().ok();
        assert!(!is_within(&all, unknown) && is_within(&[], unknown) && is_within(&all, "192.0.2.1".parse().ok()));
        assert!(is_within(&networks_of("f", &texts(&["127.0.0.0/8"])).unwrap(), None));
        assert!(networks_of("f", &texts(&["somewhere"])).is_err());
    }
}
