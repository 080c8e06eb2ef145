//! Sessions only on certain days and hours, by group. See README.md.

mod window;

use serde::Deserialize;
use tidegate_hook::{Failure, Review, Session, SessionCreate, clock, config};

use crate::window::Window;

struct AccessWindow;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    windows: Vec<Window>,
}

impl SessionCreate for AccessWindow {
    fn review(session: &Session) -> Result<Review, Failure> {
        let settings: Settings =
            serde_json::from_str(&config::to_json()).map_err(|error| Failure::new(format!("config: {error}")))?;
        let groups = session.account().groups();
        let now = i64::try_from(clock::now()).map_err(|error| Failure::new(error.to_string()))?;
        let mut concerned = false;
        for window in settings.windows.iter().filter(|window| window.concerns(&groups)) {
            concerned = true;
            if window.is_open(now).map_err(|problem| Failure::new(format!("config.windows: {problem}")))? {
                return Ok(Review::Allow);
            }
        }
        Ok(if concerned { Review::deny("outside the hours of the account's groups") } else { Review::Allow })
    }
}

tidegate_hook::export!(AccessWindow: SessionCreate);

#[cfg(test)]
mod tests {
    use tidegate_hook::Account;
    use tidegate_hook::testing::host;

    use super::*;

    const SETTINGS: &str = r#"{"windows": [
        {"groups": ["partners"], "days": ["mon", "fri"], "from": "08:00", "to": "18:00", "time_zone": "Europe/Berlin"},
        {"groups": ["night"], "from": "22:00", "to": "04:00", "time_zone": "UTC"}]}"#;

    fn allowed(group: &str, time: &str) -> bool {
        host::reset();
        host::set_config(SETTINGS);
        let seconds = time.parse::<jiff::Timestamp>().unwrap().as_second();
        host::set_time(seconds.try_into().unwrap());
        let account = Account::from_json(&format!(r#"{{"groups": [{{"name": "{group}", "type": 1}}]}}"#));
        AccessWindow::review(&Session { account, ..Session::default() }).unwrap().is_allowed()
    }

    #[test]
    fn hours_are_local_and_days_too() {
        // 2026-11-20 is a Friday; Berlin is an hour ahead of UTC then, and two in summer.
        assert!(allowed("partners", "2026-11-20T07:00:00Z"));
        assert!(!allowed("partners", "2026-11-20T06:59:59Z"));
        assert!(!allowed("partners", "2026-11-20T17:00:00Z"));
        assert!(!allowed("partners", "2026-11-19T12:00:00Z"));
        assert!(allowed("partners", "2026-07-20T06:00:00Z"));
        assert!(allowed("others", "2026-11-19T12:00:00Z"));
    }

    #[test]
    fn a_window_may_span_midnight() {
        assert!(allowed("night", "2026-11-19T23:00:00Z") && allowed("night", "2026-11-20T03:59:00Z"));
        assert!(!allowed("night", "2026-11-20T04:00:00Z") && !allowed("night", "2026-11-20T12:00:00Z"));
    }

    #[test]
    fn a_mistake_in_the_settings_refuses() {
        for settings in [
            "{}",
            r#"{"windows": [{"from": "25:00", "to": "26:00"}]}"#,
            r#"{"windows": [{"from": "08:00", "to": "09:00", "time_zone": "Mars"}]}"#,
        ] {
            host::set_config(settings);
            assert!(AccessWindow::review(&Session::default()).is_err(), "{settings}");
        }
    }
}
