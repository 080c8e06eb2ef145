//! Finds what keeps a program from starting: of a script whose interpreter is missing, the system
//! only says "No such file".

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Bytes of a first line that Linux reads at most.
const LONGEST_LINE: u64 = 256;
const ELF: &[u8] = b"\x7fELF";
const NO_PROGRAM: &str = "it is neither a program of this system nor a script that begins with \"#!\"";

/// Why a program cannot start: a file is missing that it needs, or it is no program at all.
pub fn missing(program: &Path) -> Option<String> {
    let line = first_line(program)?;
    let Some(interpreter) = interpreter(&line) else {
        let can_start = line.starts_with(ELF) || has_other_formats();
        return (!can_start).then(|| NO_PROGRAM.to_owned());
    };
    if let Some(name) = named_to_env(&line)
        && !is_in_path(&name)
    {
        return Some(format!("its first line looks for \"{name}\", which is in no directory of PATH; install it"));
    }
    if interpreter.exists() {
        return None;
    }
    let name = interpreter.display().to_string();
    if name.ends_with('\r') {
        let name = name.trim_end_matches('\r');
        return Some(format!(
            "its first line names the interpreter \"{name}\\r\": its lines end as on Windows; save it with Unix line ends"
        ));
    }
    Some(format!("its interpreter \"{name}\" is not there; install it, or correct the first line of the script"))
}

/// The system's error, with its meaning for this program.
pub fn explain(program: &Path, error: &io::Error) -> String {
    if let Some(missing) = missing(program) {
        return missing;
    }
    let line = first_line(program).unwrap_or_default();
    match error.kind() {
        io::ErrorKind::NotFound if line.starts_with(ELF) => {
            format!("{error}: the loader that it was built for is not there")
        }
        _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => {
            format!("{error}: {NO_PROGRAM}")
        }
        _ => error.to_string(),
    }
}

fn first_line(program: &Path) -> Option<Vec<u8>> {
    // Opening a FIFO would wait.
    if !program.metadata().ok()?.is_file() {
        return None;
    }
    let mut start = Vec::new();
    File::open(program).ok()?.take(LONGEST_LINE).read_to_end(&mut start).ok()?;
    Some(start.split(|byte| *byte == b'\n').next().unwrap_or_default().to_vec())
}

/// The interpreter that a line such as `#!/bin/sh -e` names.
fn interpreter(line: &[u8]) -> Option<PathBuf> {
    Some(PathBuf::from(OsStr::from_bytes(words(line)?.next()?)))
}

/// Of a line such as `#!/usr/bin/env -S python3 -u`: `python3`.
fn named_to_env(line: &[u8]) -> Option<String> {
    let mut words = words(line)?;
    if !words.next()?.ends_with(b"/env") {
        return None;
    }
    let name = words.find(|word| !word.starts_with(b"-") && !word.contains(&b'='))?;
    let name = String::from_utf8_lossy(name);
    Some(name.trim_end_matches('\r').to_owned()).filter(|name| !name.is_empty() && !name.contains('/'))
}

fn words(line: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    let rest = line.strip_prefix(b"#!")?;
    Some(rest.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty()))
}

/// Programs may get another PATH (`env`): a name in the usual directories is not missing either.
fn is_in_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(usual).any(|directory| directory.join(name).is_file())
}

/// Whether the kernel starts files of further formats (binfmt_misc).
fn has_other_formats() -> bool {
    let Ok(entries) = std::fs::read_dir("/proc/sys/fs/binfmt_misc") else { return false };
    entries.flatten().any(|entry| entry.file_name() != "register" && entry.file_name() != "status")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        // B0-15
        let directory = tempfile::tempdir().unwrap();
        let check = |content: &[u8], expected: Option<&str>| {
            let program = directory.path().join("hook");
            std::fs::write(&program, content).unwrap();
            let found = missing(&program);
            match expected {
                None => assert_eq!(found, None),
                Some(part) => assert!(found.as_deref().is_some_and(|text| text.contains(part)), "{found:?}"),
            }
        };
        check(b"#!/bin/sh\nexit 0\n", None);
        check(b"#! /bin/sh -e\n", None);
        check(b"#!/bin/sh", None);
        check(b"#!/usr/bin/python9\nimport x\n", Some("\"/usr/bin/python9\" is not there"));
        check(b"#!\t/opt/php/bin/php -q\n", Some("\"/opt/php/bin/php\" is not there"));
        check(b"#!/bin/sh\r\nexit 0\r\n", Some("Unix line ends"));
        check(b"\x7fELF\x02\n", None);
        check(b"#!/usr/bin/env sh\n", None);
        check(b"#!/usr/bin/env -S FOO=bar sh -e\n", None);
        check(b"#!/usr/bin/env nosuchprogram\n", Some("\"nosuchprogram\""));
        check(b"#!/usr/bin/env -S nosuchprogram -u\n", Some("\"nosuchprogram\""));
        if !has_other_formats() {
            check(b"echo no first line\n", Some("#!"));
            check(b"", Some("#!"));
        }
        assert_eq!(missing(Path::new("/nonexistent/hook")), None);
        assert_eq!(missing(Path::new("/dev/zero")), None);
    }

    #[test]
    fn errors_of_the_system_are_explained() {
        let directory = tempfile::tempdir().unwrap();
        let check = |content: &[u8], error: rustix::io::Errno, expected: &str| {
            let program = directory.path().join("hook");
            std::fs::write(&program, content).unwrap();
            let text = explain(&program, &io::Error::from(error));
            assert!(text.contains(expected), "{text}");
        };
        check(b"#!/nowhere/perl\n", rustix::io::Errno::NOENT, "/nowhere/perl");
        check(b"\x7fELF\x02\n", rustix::io::Errno::NOENT, "loader");
        check(b"echo no first line\n", rustix::io::Errno::NOEXEC, "#!");
        check(b"#!/bin/sh\n", rustix::io::Errno::ACCESS, "ermission denied");
    }
}
