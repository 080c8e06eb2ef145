//! The sections of the form for accounts. A field that is in none has its place in the last one.

use tidegate_core::account::fields::Field;

/// Each section with what it is about, and its fields.
const SECTIONS: &[(&str, &str, &[&str])] = &[
    (
        "Account",
        "",
        &["status", "username", "password", "expiration_date", "email", "description", "role", "additional_info"],
    ),
    ("Keys", "For users who log in with a key; the password may be empty.", &["public_keys"]),
    ("Permissions", "The longest directory above a file decides. The directory / is always needed.", &["permissions"]),
    ("Files", "", &["home_dir", "uid", "gid", "filesystem", "virtual_folders"]),
    (
        "Limits",
        "0 means without limit.",
        &[
            "max_sessions",
            "quota_size",
            "quota_files",
            "upload_bandwidth",
            "download_bandwidth",
            "upload_data_transfer",
            "download_data_transfer",
            "total_data_transfer",
        ],
    ),
    ("Groups", "What the account takes from groups is added to what it has itself.", &["groups"]),
    ("Restrictions", "", &["filters"]),
];

/// A section: its name, what it is about, and its fields in their order.
pub type Section = (&'static str, &'static str, Vec<&'static Field>);

/// The sections of a form for these fields.
pub fn sections(fields: &'static [Field]) -> Vec<Section> {
    let find = |name: &&str| fields.iter().find(|field| field.name == *name);
    let known = SECTIONS.iter().map(|(title, about, names)| (*title, *about, names.iter().filter_map(find).collect()));
    let mut sections: Vec<Section> = known.filter(|(_, _, fields): &Section| !fields.is_empty()).collect();
    let is_placed = |field: &&Field| SECTIONS.iter().any(|(_, _, names)| names.contains(&field.name));
    let rest: Vec<_> = fields.iter().filter(|field| !is_placed(field)).collect();
    if !rest.is_empty() {
        sections.push(("More", "", rest));
    }
    sections
}

#[cfg(test)]
mod tests {
    use tidegate_core::account::fields::ACCOUNT;

    use super::*;

    #[test]
    fn each_field_has_one_place() {
        let placed: Vec<_> = sections(ACCOUNT).into_iter().flat_map(|(_, _, fields)| fields).collect();
        assert_eq!(placed.len(), ACCOUNT.len());
        for field in ACCOUNT {
            assert_eq!(placed.iter().filter(|placed| placed.name == field.name).count(), 1, "{}", field.name);
        }
        for (_, _, names) in SECTIONS {
            for name in *names {
                assert!(ACCOUNT.iter().any(|field| field.name == *name), "{name}");
            }
        }
    }
}
