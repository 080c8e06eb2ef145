//! How PostgreSQL and MySQL are reached, in one text.

use std::path::Path;

use serde_json::json;

/// What no message may have.
const SECRET: &str = "HUSHHUSH";

/// The first byte says which database, and what comes before the user and the password of a URL; the rest is what comes
/// after them, or the whole text.
pub fn connection_string(bytes: &[u8]) {
    const BEGINNINGS: [&str; 8] =
        ["postgresql://", "postgres://", "mysql://", "mariadb://", "Postgresql://", "postgres:/", "jdbc:mysql://", ""];
    let Some((&first, rest)) = bytes.split_first() else { return };
    let Ok(rest) = std::str::from_utf8(rest) else { return };
    if rest.contains(SECRET) {
        return;
    }
    let driver = if first & 1 == 0 { "postgresql" } else { "mysql" };
    let text = match first & 2 {
        0 => rest.to_owned(),
        _ => format!("{}tidegate:{SECRET}@{rest}", BEGINNINGS[usize::from(first >> 2) % BEGINNINGS.len()]),
    };
    let configuration = json!({"data_provider": {"driver": driver, "connection_string": text}}).to_string();
    if let Err(errors) = tidegate::check_configuration(Path::new("/nonexistent/tidegate.json"), &configuration) {
        let errors = errors.to_string();
        assert!(!errors.is_empty(), "a connection string was refused without a reason");
        assert!(first & 2 == 0 || !errors.contains(SECRET), "a message shows the password: {errors}");
    }
}
