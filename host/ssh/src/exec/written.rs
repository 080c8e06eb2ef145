//! How many bytes a program has written, as Linux counts them for each process.

use std::fs::read_to_string;

/// Deeper than programs start others.
const MAX_DEPTH: u32 = 8;

/// Bytes that a process and those it started gave to the system to write, to files and pipes
/// alike. A process that ended counts for the one that started it. 0 where nobody counts.
pub fn written_by(id: i32) -> u64 {
    let mut total = 0;
    add(id, MAX_DEPTH, &mut total);
    total
}

fn add(id: i32, depth: u32, total: &mut u64) {
    if let Ok(text) = read_to_string(format!("/proc/{id}/io")) {
        *total += text.lines().find_map(|line| line.strip_prefix("wchar: ")?.parse::<u64>().ok()).unwrap_or(0);
    }
    // They start others from their first thread.
    let children = read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    if depth > 0 {
        children.split_whitespace().filter_map(|id| id.parse().ok()).for_each(|id| add(id, depth - 1, total));
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    /// After a shell ran `script`, and before it ended, at least `expected` bytes are counted.
    #[track_caller]
    fn check(script: &str, expected: u64) {
        use std::io::Read;
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &format!("{script}; exec >&-; read -r line")]);
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut output = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut output).unwrap();
        let written = written_by(i32::try_from(child.id()).unwrap());
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!((expected..expected + 10_000).contains(&written), "{script}: {written}");
    }

    #[test]
    fn what_is_written_is_counted() {
        check("true", 0);
        check("head -c 1000000 /dev/zero", 1_000_000);
        check("(head -c 200000 /dev/zero; head -c 300000 /dev/zero) > /dev/null", 500_000);
    }
}
