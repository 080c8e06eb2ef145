//! Pure-FTPd's file of virtual users: 18 fields a line, empty where nothing is limited.

use std::collections::HashSet;
use std::net::IpAddr;

use serde_json::{Value, json};

use crate::account::{Line, about, lines, printable};
use crate::apart::keep_apart;
use crate::{Moved, NoteKind, ObjectKind};

/// What a line may lack at its end.
const FIELDS: usize = 18;
/// Bytes a second of one unit of bandwidth.
const BANDWIDTH_UNIT: u64 = 1000;

pub fn read(text: &str) -> Moved {
    let mut moved = Moved::default();
    let mut names = HashSet::new();
    for (number, line) in lines(text) {
        let mut fields: Vec<&str> = line.split(':').collect();
        // Also after one that stays behind: that server takes the first one.
        if let Some(name) = fields.first().filter(|name| !names.insert(**name)) {
            moved.leave(ObjectKind::Account, about(&printable(name)), "it is there twice; the first one is used");
            continue;
        }
        if fields.len() < 6 || fields.len() > FIELDS {
            moved.leave(ObjectKind::Account, format!("line {number}"), "it has not the 18 fields of an account");
            continue;
        }
        fields.resize(FIELDS, "");
        if let Err((name, problem)) = account(&fields, &mut moved) {
            moved.leave(ObjectKind::Account, about(&name), problem);
        }
    }
    keep_apart(&mut moved);
    moved
}

/// The error has the account's name.
fn account(fields: &[&str], moved: &mut Moved) -> Result<(), (String, String)> {
    let field = |index: usize| fields.get(index).copied().unwrap_or_default();
    let name = field(0);
    let failed = |problem: String| (name.to_owned(), problem);
    let number = |index: usize, what: &str| match field(index) {
        "" => Ok(0_u64),
        text => text.parse().map_err(|_| failed(format!("its {what} is no number"))),
    };
    // What comes after `/./` is where sessions begin, what comes before is the root.
    let (root, start) = match field(5).split_once("/./") {
        Some((root, start)) => (root, start.trim_matches('/')),
        None => {
            let text =
                "it saw the whole file system, as its rights there allowed; here it sees its home directory as /";
            moved.note(NoteKind::Changed, about(name), text);
            (field(5), "")
        }
    };
    let root = if root.is_empty() { "/" } else { root };
    let line = Line { name, hash: field(1), uid: field(2), gid: field(3), gecos: field(4), home: root };
    let mut document = line.document(moved).map_err(failed)?;
    let mut set = |name: &str, value: Value| drop(document.insert(name.to_owned(), value));
    for (index, name) in [(6, "upload_bandwidth"), (7, "download_bandwidth")] {
        match number(index, name)? {
            0 => {}
            bytes => set(name, json!((bytes / BANDWIDTH_UNIT).max(1))),
        }
    }
    set("max_sessions", json!(u32::try_from(number(10, "number of connections")?).unwrap_or(u32::MAX)));
    for (index, name, what) in [(11, "quota_files", "quota of files"), (12, "quota_size", "quota of bytes")] {
        // Here 0 is no limit; there it leaves no room.
        let least = u64::from(!field(index).is_empty());
        set(name, json!(number(index, what)?.max(least)));
    }
    let mut filters = serde_json::Map::new();
    if !start.is_empty() {
        filters.insert("start_directory".to_owned(), json!(format!("/{start}")));
    }
    for (index, name) in [(15, "allowed_ip"), (16, "denied_ip")] {
        let networks = networks(field(index)).map_err(failed)?;
        if !networks.is_empty() {
            filters.insert(name.to_owned(), json!(networks));
        }
    }
    if !field(17).is_empty() {
        filters.insert("access_time".to_owned(), windows(field(17)).map_err(failed)?);
        moved.note(
            NoteKind::Changed,
            about(name),
            "its hours are those of the host, as which common.tz = \"local\" takes them; without it they are in UTC",
        );
        moved.common.insert("tz".to_owned(), json!("local"));
    }
    for (index, what) in [(8, "ratio of uploads"), (9, "ratio of downloads")] {
        if number(index, what)? != 0 {
            moved.note(NoteKind::NoCounterpart, about(name), format!("there are no ratios; its {what} is left out"));
        }
    }
    if !field(13).is_empty() || !field(14).is_empty() {
        let text = "it may use some addresses of the server only, for which there is nothing here; it is disabled until \
                    you enable it with: tidegate user update --status 1";
        moved.note(NoteKind::Changed, about(name), text);
        document.insert("status".to_owned(), json!(0));
    }
    if !filters.is_empty() {
        document.insert("filters".to_owned(), Value::Object(filters));
    }
    moved.users.push(document);
    Ok(())
}

/// Addresses and networks as CIDR. Names of hosts cannot be compared with addresses: such a list is refused.
fn networks(list: &str) -> Result<Vec<String>, String> {
    let network = |text: &str| {
        let (address, prefix) = text.split_once('/').unwrap_or((text, ""));
        let parsed: IpAddr =
            address.parse().map_err(|_| format!("\"{text}\" is no address, so its list would mean less"))?;
        let whole = if parsed.is_ipv4() { 32 } else { 128 };
        let prefix: u8 = match prefix {
            "" => whole,
            bits => bits.parse().ok().filter(|bits| *bits <= whole).ok_or(format!("\"{text}\" is no network"))?,
        };
        Ok(format!("{parsed}/{prefix}"))
    };
    list.split(',').map(str::trim).filter(|text| !text.is_empty()).map(network).collect()
}

/// `0900-1800`, on each day; hours over midnight become two windows.
fn windows(text: &str) -> Result<Value, String> {
    let time = |text: &str| {
        let (hour, minute) = text.split_at_checked(2)?;
        let (hour, minute): (u8, u8) = (hour.parse().ok()?, minute.parse().ok()?);
        (hour < 24 && minute < 60).then(|| format!("{hour:02}:{minute:02}"))
    };
    let parsed = text.split_once('-').and_then(|(from, to)| Some((time(from)?, time(to)?)));
    let (from, to) = parsed.ok_or_else(|| "its hours are not of the form 0900-1800".to_owned())?;
    let on_each_day = |from: &str, to: &str| {
        let window = |day| json!({"day_of_week": day, "from": from, "to": to});
        (0..7).map(window).collect::<Vec<_>>()
    };
    let mut windows = Vec::new();
    if from <= to {
        windows.extend(on_each_day(&from, &to));
    } else {
        windows.extend(on_each_day("00:00", &to));
        windows.extend(on_each_day(&from, "23:59"));
    }
    Ok(Value::Array(windows))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected`: a part of the account, or of the notes where there is none.
    fn check(line: &str, expected: &str) {
        let moved = read(line);
        let found = match moved.users.first() {
            Some(user) => format!("{} {:?}", serde_json::to_string(user).unwrap(), moved.notes),
            None => format!("{:?}", moved.notes),
        };
        assert!(found.contains(expected), "{line}: {found}");
    }

    #[test]
    fn limits_are_read() {
        // A18-16
        check(
            "joe:$2a$10$x:500:101:Joe:/srv/joe/./:102400:204800:::5:10:1048576::::10.0.0.0/8,10.1.2.3:",
            r#""home_dir":"/srv/joe","uid":500,"gid":101,"permissions":{"/":["*"]},"description":"Joe","password":"$2a$10$x","upload_bandwidth":102,"download_bandwidth":204,"max_sessions":5,"quota_files":10,"quota_size":1048576,"filters":{"denied_ip":["10.0.0.0/8","10.1.2.3/32"]}"#,
        );
        check("joe:*:1:1::/a/./in/::::::::::::", r#""start_directory":"/in""#);
        check("joe:*:1:1::/a::::::::::::", "saw the whole file system");
        check("joe:*:1:1::/a::::::0:0:::::", r#""quota_files":1,"quota_size":1"#);
        check("joe:*:0:1::/a::::::::::::", "that of root");
        check("joe:*:1:1::/a/./::::::::::::\njim:*:2:1::/a/./::::::::::::", r#""status":0"#);
        check("joe:*:1:1::/a::::::::::::2200-0600", r#"{"day_of_week":6,"from":"22:00","to":"23:59"}"#);
        check("joe:*:1:1::/a:::1:::::::::", "no ratios");
        check("joe:*:1:1::/a:::::::::10.0.0.1:::", r#""status":0"#);
    }

    #[test]
    fn lines_that_are_wrong_stay_behind() {
        check("joe:*:1:1::/a:x:::::::::::", "upload_bandwidth is no number");
        check("joe:*:one:1::/a::::::::::::", "uid \\\"one\\\" is no number");
        check("joe:*:1:1::/a:::::::::::host.example:", "is no address");
        check("joe:*:1:1::/a:::::::::::1.2.3.4/40:", "is no network");
        check("joe:*:1:1::/a::::::::::::ü900-1", "not of the form");
        check("joe:*:1:1::/a:99999999999999999999999:::::::::::", "is no number");
        check("joe", "18 fields");
        check("joe:*:1:1::/a/./:x:::::::::::\njoe:*:1:1::/b/./::::::::::::", "it is there twice");
        check(&":".repeat(40), "18 fields");
    }
}
