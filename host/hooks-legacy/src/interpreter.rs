//! Finds what keeps a program from starting: of a script whose interpreter is missing, the system
//! only says "No such file".

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Bytes of a first line that Linux reads at most.
const LONGEST_LINE: u64 = 256;
const ELF: &[u8] = b"\x7fELF";

/// Why a program cannot start, if a file is missing that it needs.
pub fn missing(program: &Path) -> Option<String> {
    let interpreter = interpreter(&first_line(program)?)?;
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
            format!("{error}: it is neither a program of this system nor a script that begins with \"#!\"")
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
    use std::os::unix::ffi::OsStrExt;
    let rest = line.strip_prefix(b"#!")?;
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let mut words = rest.split(is_space).filter(|word| !word.is_empty());
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(words.next()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
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
        check(b"echo no first line\n", None);
        check(b"", None);
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
