//! Views with the names of the older server's tables. The older server makes none: another program, or an operator, has
//! made them, and what they show may be wrong or not there.

use std::path::Path;

use super::tables::{Tables, printable_name};
use crate::MigrateError;

/// The views among what is read. `is_read`: whether what has the name is.
///
/// # Errors
/// The database cannot be read, or one of these views cannot.
pub(super) fn views_to_read(
    tables: &dyn Tables,
    place: &Path,
    is_read: impl Fn(&str) -> bool,
) -> Result<Vec<String>, MigrateError> {
    let mut views = tables.views()?;
    views.retain(|name| is_read(name));
    for name in &views {
        tables.columns(name).map_err(|error| {
            let why = match error {
                MigrateError::Unusable { problem, .. } => problem,
                other @ (MigrateError::Unreadable { .. } | MigrateError::Refused(_)) => other.to_string(),
            };
            let problem = format!(
                "its view {} has the name of a table of the older server and cannot be read ({why}); repair or drop the view",
                printable_name(name)
            );
            MigrateError::unusable(place, problem)
        })?;
    }
    Ok(views)
}
