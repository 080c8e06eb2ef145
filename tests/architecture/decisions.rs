//! The pages of decisions: each has a number of its own, a status with a date, and a row in the list.

use super::sources;

const STATUSES: [&str; 3] = ["accepted", "proposed", "replaced"];

/// `YYYY-MM-DD`
fn is_date(text: &str) -> bool {
    let digits = |part: &str, count: usize| part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<_> = text.split('-').collect();
    matches!(parts.as_slice(), [year, month, day] if digits(year, 4) && digits(month, 2) && digits(day, 2))
}

#[test]
fn decisions_have_a_number_a_status_and_a_date() {
    let mut pages = sources(&[".md"]);
    pages.sort();
    let listed = &pages.iter().find(|(path, _)| path.ends_with("host/adr/README.md")).expect("host/adr/README.md").1;
    let is_decision = |name: &str| name.starts_with("00");
    let mut before = 0;
    for (path, text) in pages.iter().filter(|(path, _)| path.starts_with("host/adr")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if !is_decision(name) {
            continue;
        }
        let number: u32 = name[..4].parse().unwrap();
        assert_eq!(number, before + 1, "{name}: numbers follow each other, each once");
        before = number;
        let title = format!("# {number}. ");
        assert!(text.starts_with(&title), "{name} does not begin with \"{title}\"");
        let status = text.lines().nth(2).and_then(|line| line.strip_prefix("Status: ")).unwrap_or_default();
        let (word, rest) = status.split_once(", ").unwrap_or_default();
        assert!(STATUSES.contains(&word), "{name}: its third line is not \"Status: accepted, DATE.\"");
        let date: String = rest.chars().take(10).collect();
        assert!(is_date(&date), "{name}: \"{date}\" is not a date");
        assert!(listed.contains(&format!("({name})")), "host/adr/README.md does not list {name}");
    }
}
