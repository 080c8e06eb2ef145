//! Addresses of stores in `filesystem`. They are shown to all administrators who may see the account, and so have no secret; those that
//! were stored with one, or are for stores that this server does not serve, are not shown.

use serde_json::Value;

/// The fields with such addresses.
pub(super) const FIELD: &str = "endpoint";

/// Whether the address has more than a host and a path: a name with a password, or parameters, which may be a signature.
pub(super) fn has_secret(endpoint: &str) -> bool {
    endpoint.contains(['@', '?', '#'])
}

/// Whether the field is such an address.
pub(super) fn is_secret(name: &str, value: &Value) -> bool {
    name == FIELD && value.as_str().is_some_and(has_secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_with_more_than_a_host_and_a_path_are_secret() {
        for (endpoint, expected) in [
            ("", false),
            ("https://host", false),
            ("https://host:9000/path", false),
            ("http://[::1]:9000", false),
            ("https://u:PASS@host", true),
            ("https://u@host/", true),
            ("https://host/?sig=SECRET", true),
            ("https://host/#SECRET", true),
        ] {
            assert_eq!(is_secret("endpoint", &Value::from(endpoint)), expected, "{endpoint}");
            assert!(!is_secret("email", &Value::from(endpoint)));
        }
        assert!(!is_secret("endpoint", &Value::from(7)));
    }
}
