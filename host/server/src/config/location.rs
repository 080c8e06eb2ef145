//! Finds the configuration file (A3-04, A3-05). A directory or file that cannot be read is an
//! error: the defaults must not take the place of a file that exists.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const EXTENSIONS: [&str; 7] = ["toml", "yaml", "yml", "json", "hcl", "env", "properties"];
const OURS: &str = "tidegate";
const OLDER: &str = "sftpgo";

/// The file, and remarks for the operator on how it was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// `None`: there is no file, and none was asked for.
    pub path: Option<PathBuf>,
    pub notes: Vec<String>,
}

/// `directories`: the configuration directory, then others to look in. `file`: a name without
/// extension, or a path with one.
pub fn find(directories: &[PathBuf], file: Option<&str>) -> Result<Found, String> {
    match file {
        Some(file) => named(directories, file).map(|path| Found { path: Some(path), notes: Vec::new() }),
        None => default(directories),
    }
}

fn named(directories: &[PathBuf], file: &str) -> Result<PathBuf, String> {
    let extension = Path::new(file).extension().and_then(|extension| extension.to_str());
    let has_extension = extension.is_some_and(|extension| EXTENSIONS.contains(&extension));
    for directory in directories {
        let path = directory.join(file);
        let found = if has_extension { is_there(&path)?.then_some(path) } else { only_one(directory, file)? };
        if let Some(path) = found {
            return Ok(path);
        }
    }
    let first = directories.first().map_or_else(|| PathBuf::from(file), |directory| directory.join(file));
    Err(if has_extension {
        format!("the configuration file {} does not exist", first.display())
    } else {
        format!("there is no configuration file {}.{{{}}}", first.display(), EXTENSIONS.join(","))
    })
}

/// This server's own file, or else the older server's, in the first directory that has one.
fn default(directories: &[PathBuf]) -> Result<Found, String> {
    for (index, directory) in directories.iter().enumerate() {
        let (ours, older) = (only_one(directory, OURS)?, any(directory, OLDER)?);
        let note = match (&ours, older.first()) {
            (None, None) => continue,
            (Some(ours), Some(older)) => {
                Some(format!("{} is not read, because there is {}; remove one", older.display(), ours.display()))
            }
            (None, Some(older)) => Some(format!(
                "{} is used, because there is no {OURS}.{{{}}} beside it",
                older.display(),
                EXTENSIONS.join(",")
            )),
            (Some(ours), None) => (index > 0).then(|| format!("{} is used", ours.display())),
        };
        let path = match ours {
            Some(ours) => Some(ours),
            None => only_one(directory, OLDER)?,
        };
        return Ok(Found { path, notes: note.into_iter().collect() });
    }
    let places: Vec<_> = directories.iter().map(|directory| directory.display().to_string()).collect();
    let note = format!("there is no configuration file in {}; the defaults hold", places.join(", "));
    Ok(Found { path: None, notes: vec![note] })
}

/// The older server's file.
pub fn find_older(directory: &Path) -> Result<Option<PathBuf>, String> {
    only_one(directory, OLDER)
}

/// Whether the directory has a configuration of this server.
pub fn has_own_file(directory: &Path) -> Result<bool, String> {
    Ok(!any(directory, OURS)?.is_empty())
}

fn only_one(directory: &Path, name: &str) -> Result<Option<PathBuf>, String> {
    let present = any(directory, name)?;
    match present.as_slice() {
        [] => Ok(None),
        [path] => Ok(Some(path.clone())),
        [first, second, ..] => Err(format!(
            "there are two configuration files, {} and {}; remove one, or name one with --config-file",
            first.display(),
            second.display()
        )),
    }
}

fn any(directory: &Path, name: &str) -> Result<Vec<PathBuf>, String> {
    let mut present = Vec::new();
    for extension in EXTENSIONS {
        let path = directory.join(format!("{name}.{extension}"));
        if is_there(&path)? {
            present.push(path);
        }
    }
    Ok(present)
}

fn is_there(path: &Path) -> Result<bool, String> {
    let shown = path.display();
    match path.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(true),
        Ok(_) => Err(format!("{shown} is not a file; remove it, or name the configuration with --config-file")),
        Err(error) if error.kind() == ErrorKind::NotFound && path.symlink_metadata().is_ok() => {
            Err(format!("{shown} is a link to a file that does not exist"))
        }
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(format!("{shown} could not be looked for: {error}")),
    }
}

/// Other directories in which the file may be, if the operator names no directory (A3-04).
pub fn other_directories(home: Option<&Path>) -> Vec<PathBuf> {
    let of_home = home.into_iter().flat_map(|home| [OURS, OLDER].map(|name| home.join(".config").join(name)));
    of_home.chain([OURS, OLDER].map(|name| Path::new("/etc").join(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `files`: the files that exist. `expected`: the file that is used, and a part of the remarks.
    fn check(files: &[&str], file: Option<&str>, expected: Result<(Option<&str>, &str), &str>) {
        let root = tempfile::tempdir().unwrap();
        let directories = ["first", "second"].map(|name| root.path().join(name));
        directories.iter().for_each(|directory| std::fs::create_dir(directory).unwrap());
        for name in files {
            match name.strip_suffix('/') {
                Some(name) => std::fs::create_dir(root.path().join(name)).unwrap(),
                None => std::fs::write(root.path().join(name), "").unwrap(),
            }
        }
        match (find(&directories, file), expected) {
            (Ok(found), Ok((path, note))) => {
                assert_eq!(found.path, path.map(|path| root.path().join(path)), "{files:?}");
                let notes = found.notes.join("\n");
                assert!(notes.contains(note) && notes.is_empty() == note.is_empty(), "{files:?}: {notes}");
            }
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{files:?}: {error}"),
            (found, _) => panic!("{files:?}: {found:?}"),
        }
    }

    #[test]
    fn the_file_is_found_and_said() {
        // A3-04, A3-05, A2-03
        check(&[], None, Ok((None, "the defaults hold")));
        check(&["first/tidegate.toml"], None, Ok((Some("first/tidegate.toml"), "")));
        check(&["first/sftpgo.json"], None, Ok((Some("first/sftpgo.json"), "sftpgo.json is used")));
        let both = ["first/sftpgo.json", "first/tidegate.yaml"];
        check(&both, None, Ok((Some("first/tidegate.yaml"), "sftpgo.json is not read")));
        check(&["second/tidegate.toml"], None, Ok((Some("second/tidegate.toml"), "tidegate.toml is used")));
        check(&["second/sftpgo.json"], None, Ok((Some("second/sftpgo.json"), "sftpgo.json is used")));
        check(&["first/sftpgo.json", "second/tidegate.toml"], None, Ok((Some("first/sftpgo.json"), "is used")));
        check(&["first/other.toml"], None, Ok((None, "the defaults hold")));
        check(&["first/tidegate.toml", "first/tidegate.json"], None, Err("two configuration files"));
        check(&["first/sftpgo.toml", "first/sftpgo.json"], None, Err("two configuration files"));
        check(&["first/tidegate.toml/"], None, Err("is not a file"));
        check(&["first/sftpgo.json"], Some("sftpgo"), Ok((Some("first/sftpgo.json"), "")));
        check(&["second/sftpgo.json"], Some("sftpgo"), Ok((Some("second/sftpgo.json"), "")));
        check(&["first/a.toml"], Some("a.toml"), Ok((Some("first/a.toml"), "")));
        check(&[], Some("a.toml"), Err("a.toml does not exist"));
        check(&[], Some("sftpgo"), Err("there is no configuration file"));
    }

    #[test]
    fn a_link_that_leads_nowhere_is_no_missing_file() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("nowhere", root.path().join("tidegate.toml")).unwrap();
        let error = find(&[root.path().to_owned()], None).unwrap_err();
        assert!(error.contains("does not exist"), "{error}");
    }

    #[test]
    fn other_directories_are_those_of_both_names() {
        // A3-04
        let found = other_directories(Some(Path::new("/home/a")));
        let found: Vec<_> = found.iter().map(|path| path.to_str().unwrap()).collect();
        let expected = ["/home/a/.config/tidegate", "/home/a/.config/sftpgo", "/etc/tidegate", "/etc/sftpgo"];
        assert_eq!(found, expected);
        assert_eq!(other_directories(None).len(), 2);
    }
}
