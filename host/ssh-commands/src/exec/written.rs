//! How many bytes a program has written, and whether it is active, from Linux's counters of each process.

use std::fs::read_to_string;

/// Levels of child processes that are counted, more than programs use.
const MAX_DEPTH: u32 = 8;

/// Bytes that a process and those it started have written, to files and pipes alike. The kernel
/// counts an ended process for the one that started it. 0 where the kernel does not count.
pub fn written_by(id: i32) -> u64 {
    let mut total = 0;
    add(id, MAX_DEPTH, &mut total);
    total
}

fn add(id: i32, depth: u32, total: &mut u64) {
    *total += counter(id, "wchar: ");
    if depth > 0 {
        children(id).into_iter().for_each(|id| add(id, depth - 1, total));
    }
}

/// A number that changes while the process, or one that it started, reads, writes or computes.
pub fn work_of(id: i32) -> u64 {
    let mut work = 0;
    add_work(id, MAX_DEPTH, &mut work);
    work
}

fn add_work(id: i32, depth: u32, work: &mut u64) {
    let moved = counter(id, "rchar: ").wrapping_add(counter(id, "wchar: "));
    // The name may have spaces, so fields are counted after it: the 12th and 13th are ticks in user
    // and system mode.
    let stat = read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    *work = work.wrapping_add(moved).wrapping_add(ticks);
    if depth > 0 {
        children(id).into_iter().for_each(|id| add_work(id, depth - 1, work));
    }
}

fn counter(id: i32, name: &str) -> u64 {
    let text = read_to_string(format!("/proc/{id}/io")).unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix(name)?.parse().ok()).unwrap_or(0)
}

/// Children of the first thread, which starts all of them in these programs.
fn children(id: i32) -> Vec<i32> {
    let children = read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    children.split_whitespace().filter_map(|id| id.parse().ok()).collect()
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    /// Checks that at least `expected` bytes are counted after a shell ran `script` and before it ended.
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
