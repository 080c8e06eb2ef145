//! Resolves paths of the host whose last directories may be missing.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use async_trait::async_trait;
use tidegate_core::ports::HostPaths;

/// As many symbolic links as the kernel follows (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Paths of the machine on which the server runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalHostPaths;

#[async_trait]
impl HostPaths for LocalHostPaths {
    async fn resolve(&self, paths: Vec<String>) -> Vec<Result<String, String>> {
        let count = paths.len();
        // Reading links may wait for a disk or another machine.
        let resolved = tokio::task::spawn_blocking(move || {
            let mut known = HashMap::new();
            paths.iter().map(|path| resolve(Path::new(path), &mut known)).collect()
        });
        resolved.await.unwrap_or_else(|error| vec![Err(error.to_string()); count])
    }
}

/// `known`: directories that were resolved before, because accounts' homes often lie beside each other.
fn resolve(path: &Path, known: &mut HashMap<PathBuf, PathBuf>) -> Result<String, String> {
    let problem = |error: io::Error| error.to_string();
    let found = match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => {
            let directory = match known.get(parent) {
                Some(directory) => directory.clone(),
                None => {
                    let directory = follow(Path::new("/"), parent, &mut Vec::new()).map_err(problem)?;
                    known.insert(parent.to_owned(), directory.clone());
                    directory
                }
            };
            follow(&directory, Path::new(name), &mut Vec::new()).map_err(problem)?
        }
        _ => follow(Path::new("/"), path, &mut Vec::new()).map_err(problem)?,
    };
    found.into_os_string().into_string().map_err(|_| "it leads to a name that is not UTF-8".to_owned())
}

/// `base`: a path without symbolic links. `links` gets those on the way, each in a directory without links.
pub fn follow(base: &Path, path: &Path, links: &mut Vec<PathBuf>) -> io::Result<PathBuf> {
    let mut found = base.to_owned();
    // The names in reverse order: the next one is at the end.
    let mut left: Vec<OsString> = Vec::new();
    push(&mut left, path);
    while let Some(name) = left.pop() {
        match Path::new(&name).components().next() {
            Some(Component::RootDir) => found = PathBuf::from("/"),
            Some(Component::ParentDir) => drop(found.pop()),
            Some(Component::Normal(_)) => {
                found.push(&name);
                match fs::symlink_metadata(&found) {
                    Ok(metadata) if metadata.is_symlink() => {
                        links.push(found.clone());
                        if links.len() > MAX_LINKS {
                            return Err(io::Error::other("it has too many symbolic links"));
                        }
                        let target = fs::read_link(&found)?;
                        found.pop();
                        push(&mut left, &target);
                    }
                    Ok(_) => {}
                    // A missing directory will be made under this name.
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            Some(Component::CurDir | Component::Prefix(_)) | None => {}
        }
    }
    Ok(found)
}

fn push(left: &mut Vec<OsString>, path: &Path) {
    left.extend(path.components().rev().map(|component| component.as_os_str().to_owned()));
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_wherever_they_stand() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        let at = |name: &str| root.join(name);
        fs::create_dir_all(at("data/bob")).unwrap();
        symlink("data", at("link")).unwrap();
        symlink(at("data/bob"), at("data/absolute")).unwrap();
        symlink("../data/./bob/..", at("data/up")).unwrap();
        symlink("missing/deep", at("dangling")).unwrap();
        symlink("loop", at("loop")).unwrap();
        fs::write(at("file"), "").unwrap();
        let check = |path: &str, expected: Option<&str>| {
            let found = resolve(&at(path), &mut HashMap::new()).ok();
            assert_eq!(found, expected.map(|path| at(path).to_str().unwrap().to_owned()), "{path}");
        };
        check("data/bob", Some("data/bob"));
        check("link/bob", Some("data/bob"));
        check("link", Some("data"));
        check("link/absolute/x/y", Some("data/bob/x/y"));
        check("data/up", Some("data"));
        check("data/./bob/../new/", Some("data/new"));
        check("dangling", Some("missing/deep"));
        check("dangling/x", Some("missing/deep/x"));
        check("link/new/x", Some("data/new/x"));
        check("loop", None);
        check("loop/x", None);
        assert!(resolve(&at("file/x"), &mut HashMap::new()).is_err());
        assert_eq!(resolve(Path::new("/"), &mut HashMap::new()).as_deref(), Ok("/"));
        assert_eq!(resolve(Path::new("/.."), &mut HashMap::new()).as_deref(), Ok("/"));
    }

    #[test]
    fn what_is_known_of_a_directory_is_not_taken_for_what_is_in_it() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("a")).unwrap();
        symlink("/etc", root.join("b")).unwrap();
        let mut known = HashMap::new();
        for (name, expected) in [("a", root.join("a")), ("b", PathBuf::from("/etc")), ("c", root.join("c"))] {
            assert_eq!(resolve(&root.join(name), &mut known), Ok(expected.to_str().unwrap().to_owned()), "{name}");
        }
    }
}
