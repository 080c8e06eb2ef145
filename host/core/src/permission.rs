//! What an account may do, and where.

use crate::path::VirtualPath;

/// One permission token of an account (A8-05).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Permission {
    List = 1,
    Download = 1 << 1,
    Upload = 1 << 2,
    Overwrite = 1 << 3,
    Delete = 1 << 4,
    Rename = 1 << 5,
    CreateDirs = 1 << 6,
    CreateSymlinks = 1 << 7,
    Chmod = 1 << 8,
    Chown = 1 << 9,
    Chtimes = 1 << 10,
    DeleteFiles = 1 << 11,
    DeleteDirs = 1 << 12,
    RenameFiles = 1 << 13,
    RenameDirs = 1 << 14,
    Copy = 1 << 15,
}

/// Every token with its name, in the order in which they are written.
pub const TOKENS: [(&str, Permission); 16] = [
    ("list", Permission::List),
    ("download", Permission::Download),
    ("upload", Permission::Upload),
    ("overwrite", Permission::Overwrite),
    ("delete", Permission::Delete),
    ("rename", Permission::Rename),
    ("create_dirs", Permission::CreateDirs),
    ("create_symlinks", Permission::CreateSymlinks),
    ("chmod", Permission::Chmod),
    ("chown", Permission::Chown),
    ("chtimes", Permission::Chtimes),
    ("delete_files", Permission::DeleteFiles),
    ("delete_dirs", Permission::DeleteDirs),
    ("rename_files", Permission::RenameFiles),
    ("rename_dirs", Permission::RenameDirs),
    ("copy", Permission::Copy),
];

/// A set of permissions for one directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PermissionSet(u32);

impl PermissionSet {
    pub const NONE: Self = Self(0);
    /// `*`: all of today's and of tomorrow's.
    pub const ALL: Self = Self(u32::MAX);

    /// From tokens; the error is the token that nobody knows.
    pub fn parse<'a>(tokens: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut set = Self::NONE;
        for token in tokens {
            if token == "*" {
                return Ok(Self::ALL);
            }
            let Some((_, permission)) = TOKENS.iter().find(|(name, _)| *name == token) else {
                return Err(token.to_owned());
            };
            set.0 |= *permission as u32;
        }
        Ok(set)
    }

    pub fn tokens(self) -> Vec<&'static str> {
        if self == Self::ALL {
            return vec!["*"];
        }
        TOKENS.iter().filter(|(_, permission)| self.allows(*permission)).map(|(name, _)| *name).collect()
    }

    pub fn allows(self, permission: Permission) -> bool {
        self.0 & permission as u32 != 0
    }

    pub fn allows_any(self, permissions: &[Permission]) -> bool {
        permissions.iter().any(|permission| self.allows(*permission))
    }
}

/// Directory → permissions. The longest directory that is the path or an ancestor of it
/// wins entirely; there is no union (A5-04).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PermissionTable {
    /// Longest first, so that the first match is the answer.
    entries: Vec<(VirtualPath, PermissionSet)>,
}

impl PermissionTable {
    pub fn new(mut entries: Vec<(VirtualPath, PermissionSet)>) -> Self {
        entries.sort_by_key(|(path, _)| std::cmp::Reverse(path.as_bytes().len()));
        Self { entries }
    }

    pub fn at(&self, path: &VirtualPath) -> PermissionSet {
        self.entries
            .iter()
            .find(|(directory, _)| path.is_same_or_below(directory))
            .map_or(PermissionSet::NONE, |(_, set)| *set)
    }

    /// Whether some directory has rules other than the root's.
    pub fn has_several_directories(&self) -> bool {
        self.entries.len() > 1
    }

    pub fn entries(&self) -> impl Iterator<Item = &(VirtualPath, PermissionSet)> {
        self.entries.iter().rev()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> VirtualPath {
        VirtualPath::parse_normalised(text).unwrap()
    }

    /// A5-04: the tokens that hold at `at` under `table`.
    fn check(table: &[(&str, &[&str])], at: &str, expected: &[&str]) {
        let entries = table
            .iter()
            .map(|(directory, tokens)| (path(directory), PermissionSet::parse(tokens.iter().copied()).unwrap()))
            .collect();
        assert_eq!(PermissionTable::new(entries).at(&path(at)).tokens(), expected, "{at}");
    }

    #[test]
    fn the_longest_directory_wins_entirely() {
        let table: &[(&str, &[&str])] =
            &[("/", &["*"]), ("/ro", &["list", "download"]), ("/ro/in", &["upload"]), ("/none", &[])];
        check(table, "/", &["*"]);
        check(table, "/x/y", &["*"]);
        check(table, "/ro", &["list", "download"]);
        check(table, "/ro/a/b", &["list", "download"]);
        check(table, "/ro/in/c", &["upload"]);
        check(table, "/rob", &["*"]);
        check(table, "/none/x", &[]);
        check(&[("/a", &["*"])], "/b", &[]);
    }

    #[test]
    fn unknown_tokens_are_named() {
        assert_eq!(PermissionSet::parse(["list", "fly"]), Err("fly".to_owned()));
        assert_eq!(PermissionSet::parse(["list", "*"]).unwrap().tokens(), ["*"]);
    }
}
