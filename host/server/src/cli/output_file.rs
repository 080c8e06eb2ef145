//! Where `dump` and `convert-users` write their document: a file for its owner alone, a pipe, or a stream that is open
//! already.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::Context;

use super::lines::{print_line, warn_line};
use crate::panics::write_out;

/// Writes a document, and says how many accounts are in it. `file`: "-" or a path that leads to standard output writes
/// there and says nothing; opening it once more would begin in front of what is in it already.
pub fn write_document(file: &str, text: &str, count: usize) -> anyhow::Result<()> {
    let path = Path::new(file);
    if file == "-" || leads_to(path, io::stdout()) {
        return write_out(text.as_bytes());
    }
    if leads_to(path, io::stderr()) {
        return io::stderr().write_all(text.as_bytes()).context("standard error cannot be written");
    }
    write_privately(path, text)?;
    // What is no file may end where standard output does.
    if path.is_file() {
        print_line!("{count} accounts were written to {file}.");
    } else {
        warn_line!("{count} accounts were written to {file}.");
    }
    Ok(())
}

/// Whether the path is that of the file, pipe or device behind a stream.
fn leads_to(path: &Path, stream: impl AsFd) -> bool {
    let open = stream.as_fd().try_clone_to_owned().and_then(|stream| File::from(stream).metadata());
    let named = std::fs::metadata(path);
    named.ok().zip(open.ok()).is_some_and(|(named, open)| (named.dev(), named.ino()) == (open.dev(), open.ino()))
}

/// Writes a file for its owner alone. An old file of that name is replaced when the new one is complete; a pipe, a
/// device, or the file that a link leads to is written itself.
fn write_privately(path: &Path, text: &str) -> anyhow::Result<()> {
    let unwritable = || format!("{} cannot be written", path.display());
    let kind = std::fs::symlink_metadata(path).map(|metadata| metadata.file_type());
    if let Ok(kind) = kind
        && !kind.is_file()
    {
        return write_in_place(path, text, kind.is_symlink()).with_context(unwritable);
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    // A file that was left over, or that another user made, may be readable to others.
    let _ = std::fs::remove_file(&beside);
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&beside).with_context(unwritable)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).with_context(unwritable)?;
    std::fs::rename(&beside, path).with_context(unwritable)
}

/// `make`: whether to make a file that is missing, at the end of a link.
fn write_in_place(path: &Path, text: &str, make: bool) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).truncate(true).create(make).mode(0o600).open(path)?;
    let is_file = file.metadata()?.is_file();
    if is_file {
        // Before there is something to read in it.
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    file.write_all(text.as_bytes())?;
    // A pipe or a device need not know it.
    if is_file { file.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{FileTypeExt, symlink};

    use super::*;

    #[test]
    fn a_path_leads_to_a_stream_whatever_its_name() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        for name in ["file", "other"] {
            fs::write(at(name), "").unwrap();
        }
        symlink(at("file"), at("link")).unwrap();
        fs::hard_link(at("file"), at("hard")).unwrap();
        let file = File::open(at("file")).unwrap();
        for (name, expected) in [("file", true), ("link", true), ("hard", true), ("other", false), ("missing", false)] {
            assert_eq!(leads_to(&at(name), &file), expected, "{name}");
        }
        let (reader, writer) = io::pipe().unwrap();
        let of_process = |stream: &dyn std::os::fd::AsRawFd| format!("/proc/self/fd/{}", stream.as_raw_fd());
        assert!(leads_to(Path::new(&of_process(&writer)), &writer));
        assert!(!leads_to(Path::new(&of_process(&file)), &writer));
        drop(reader);
    }

    #[test]
    fn what_is_no_file_is_written_and_not_replaced() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let is_private = |name: &str| fs::metadata(at(name)).unwrap().permissions().mode() & 0o777 == 0o600;
        let check = |name: &str, end: &str| {
            write_privately(&at(name), "new").unwrap();
            assert_eq!(fs::read_to_string(at(end)).unwrap(), "new", "{name}");
            assert!(is_private(end), "{name}");
            assert!(!at("file.part").exists() && !at("link.part").exists());
        };
        fs::write(at("file"), "an old and longer text").unwrap();
        let old = fs::File::open(at("file")).unwrap();
        check("file", "file");
        assert_eq!(io::read_to_string(old).unwrap(), "an old and longer text");
        check("missing", "missing");
        fs::write(at("target"), "an old and longer text").unwrap();
        for (link, target) in [("link", "target"), ("to-link", "link"), ("dangling", "made")] {
            symlink(target, at(link)).unwrap();
            check(link, target);
            assert_eq!(fs::read_link(at(link)).unwrap(), Path::new(target));
        }
        assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = at("pipe");
            move || fs::read_to_string(pipe).unwrap()
        });
        write_privately(&at("pipe"), "new").unwrap();
        assert_eq!(reader.join().unwrap(), "new");
        assert!(fs::metadata(at("pipe")).unwrap().file_type().is_fifo());
        write_privately(Path::new("/dev/null"), "new").unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
        fs::create_dir(at("directory")).unwrap();
        assert!(write_privately(&at("directory"), "new").is_err());
    }
}
