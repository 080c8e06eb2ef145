//! The code for the first administrator, which a server without any writes to its log as it starts.

use jiff::Timestamp;
use tidegate_core::admin::Administration;
use tidegate_core::secret::Secret;
use tidegate_web::{FIRST_ADMINISTRATOR, Pages};

/// Makes a code and writes it to the log, once, if there is no administrator. `over_tcp`: the pages of each binding that
/// is reached over the network; without one, a code has no use.
pub async fn announce(administration: &Administration, over_tcp: &[Pages]) {
    if over_tcp.is_empty() {
        return;
    }
    match administration.first_administrator.make_code().await {
        Ok(None) => {}
        Ok(Some(code)) => {
            let has_page = over_tcp.iter().any(|pages| pages.has_admin);
            let message = line(&code.text, code.expires_at, has_page);
            tracing::info!(sender = "admin", message);
        }
        Err(error) => {
            let message = format!(
                "no code for the first administrator was made: {error}; if there is none, add one with \"tidegate admin add\""
            );
            tracing::warn!(sender = "admin", message);
        }
    }
}

fn line(code: &Secret, expires_at: i64, has_page: bool) -> String {
    let until = Timestamp::from_millisecond(expires_at).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%SZ");
    let page = if has_page { format!("on the page {FIRST_ADMINISTRATOR} or ") } else { String::new() };
    format!(
        "there is no administrator: the code {} adds the first one, {page}with POST /api/tidegate/first-administrator, until \
         {until} or until there is one; \"tidegate admin add\" adds it as well",
        code.expose()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_where_the_code_is_used_and_until_when() {
        let check = |has_page: bool, expected: &str| {
            let found = line(&Secret::new("tgt_CODE_SUM"), 1_800_000_000_000, has_page);
            assert!(
                found.starts_with(&format!("there is no administrator: the code tgt_CODE_SUM {expected}")),
                "{found}"
            );
            assert!(found.contains("until 2027-01-15T08:00:00Z or until there is one"), "{found}");
        };
        check(true, "adds the first one, on the page /web/first or with POST /api/tidegate/first-administrator, until");
        check(false, "adds the first one, with POST /api/tidegate/first-administrator, until");
    }
}
