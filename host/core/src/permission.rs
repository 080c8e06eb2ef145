//! What an account may do, and where.

use std::cmp::Reverse;

use crate::path::VirtualPath;
use crate::pattern::Pattern;

/// One permission token of an account (A8-05).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Permission {
    /// `list`: see what is in a directory.
    List = 1,
    /// `download`: read files.
    Download = 1 << 1,
    /// `upload`: make new files.
    Upload = 1 << 2,
    /// `overwrite`: change or replace existing files; also when a rename replaces one.
    Overwrite = 1 << 3,
    /// `delete`: remove files and directories.
    Delete = 1 << 4,
    /// `rename`: rename files and directories.
    Rename = 1 << 5,
    /// `create_dirs`: make directories.
    CreateDirs = 1 << 6,
    /// `create_symlinks`: make symbolic links.
    CreateSymlinks = 1 << 7,
    /// `chmod`: set permission bits.
    Chmod = 1 << 8,
    /// `chown`: set owner and group.
    Chown = 1 << 9,
    /// `chtimes`: set access and modification times.
    Chtimes = 1 << 10,
    /// `delete_files`: remove files only.
    DeleteFiles = 1 << 11,
    /// `delete_dirs`: remove directories only.
    DeleteDirs = 1 << 12,
    /// `rename_files`: rename files only.
    RenameFiles = 1 << 13,
    /// `rename_dirs`: rename directories only.
    RenameDirs = 1 << 14,
    /// `copy`: copy within the server.
    Copy = 1 << 15,
}

/// Every token with its name, in the order in which tokens are written.
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

/// Whether a directory in a table of permissions is a pattern. Without one of these characters a backslash in it
/// stands for itself, too.
pub(crate) fn is_pattern(directory: &[u8]) -> bool {
    directory.iter().any(|byte| b"*?[".contains(byte))
}

/// A set of permissions for one directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PermissionSet(u32);

impl PermissionSet {
    /// No permission at all.
    pub const NONE: Self = Self(0);
    /// `*`: every permission, including those of later versions.
    pub const ALL: Self = Self(u32::MAX);

    /// The set of these tokens; `*` stands for all.
    ///
    /// # Errors
    /// The first token that is not known.
    pub fn parse<'a>(tokens: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut set = Self::NONE;
        for token in tokens {
            if token == "*" {
                set = Self::ALL;
                continue;
            }
            let Some((_, permission)) = TOKENS.iter().find(|(name, _)| *name == token) else {
                return Err(token.to_owned());
            };
            set.0 |= *permission as u32;
        }
        Ok(set)
    }

    /// The tokens of the set, in the order of [`TOKENS`]; `*` alone for [`ALL`](Self::ALL).
    pub fn tokens(self) -> Vec<&'static str> {
        if self == Self::ALL {
            return vec!["*"];
        }
        TOKENS.iter().filter(|(_, permission)| self.allows(*permission)).map(|(name, _)| *name).collect()
    }

    /// Whether the set has this permission.
    pub fn allows(self, permission: Permission) -> bool {
        self.0 & permission as u32 != 0
    }

    /// Whether the set has at least one of these permissions.
    pub fn allows_any(self, permissions: &[Permission]) -> bool {
        permissions.iter().any(|permission| self.allows(*permission))
    }
}

/// Directory → permissions. The longest directory that is the path or an ancestor of it
/// wins entirely; there is no union (A5-04). Names in a directory may be shell patterns; of two
/// directories as deep, the one without a pattern wins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PermissionTable {
    /// Deepest directory first, so that the first match decides.
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    directory: VirtualPath,
    /// A pattern for each name in `directory`; empty if none of the names has a wildcard.
    names: Vec<Pattern>,
    set: PermissionSet,
}

impl Entry {
    fn new((directory, set): (VirtualPath, PermissionSet)) -> Self {
        let has_pattern = is_pattern(directory.as_bytes());
        let patterns = directory.names().map(|name| Pattern::shell(&String::from_utf8_lossy(name)));
        // If one name is not a valid pattern, the whole directory is taken literally.
        let names = patterns.collect::<Result<Vec<_>, _>>().ok().filter(|_| has_pattern).unwrap_or_default();
        Self { directory, names, set }
    }

    fn holds_at(&self, path: &VirtualPath) -> bool {
        let matches = || !self.names.is_empty() && path.names().count() >= self.names.len() && self.agrees_with(path);
        path.is_same_or_below(&self.directory) || matches()
    }

    /// Whether the entry's directory is `path`, or can be below it.
    fn is_bound_below(&self, path: &VirtualPath) -> bool {
        let can_be = || path.names().count() <= self.names.len() && self.agrees_with(path);
        self.directory.is_same_or_below(path) || can_be()
    }

    /// Whether patterns and names match, as far as both go.
    fn agrees_with(&self, path: &VirtualPath) -> bool {
        self.names.iter().zip(path.names()).all(|(pattern, name)| pattern.matches(name))
    }
}

impl PermissionTable {
    /// A table of these directories, in any order.
    pub fn new(entries: Vec<(VirtualPath, PermissionSet)>) -> Self {
        let mut entries: Vec<Entry> = entries.into_iter().map(Entry::new).collect();
        entries.sort_by_key(|entry| {
            let (depth, length) = (entry.directory.names().count(), entry.directory.as_bytes().len());
            (Reverse(depth), !entry.names.is_empty(), Reverse(length))
        });
        Self { entries }
    }

    /// The permissions that hold at `path`; none if no directory of the table covers it.
    pub fn at(&self, path: &VirtualPath) -> PermissionSet {
        self.entries.iter().find(|entry| entry.holds_at(path)).map_or(PermissionSet::NONE, |entry| entry.set)
    }

    /// Whether directories other than the root have rules of their own.
    pub fn has_several_directories(&self) -> bool {
        self.entries.len() > 1
    }

    /// Whether a rule is for `path`, or can be for something below it.
    pub fn has_rules_below(&self, path: &VirtualPath) -> bool {
        self.entries.iter().any(|entry| entry.is_bound_below(path))
    }

    /// Whether other rules than those of `directory` can hold somewhere in it.
    pub fn differ_within(&self, directory: &VirtualPath) -> bool {
        let deeper = |entry: &Entry| entry.directory.names().count() > directory.names().count();
        self.entries.iter().any(|entry| deeper(entry) && entry.is_bound_below(directory))
    }

    /// The directories with their permissions, the least deep first.
    pub fn entries(&self) -> impl Iterator<Item = (&VirtualPath, PermissionSet)> {
        self.entries.iter().rev().map(|entry| (&entry.directory, entry.set))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
        // A5-04
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
    fn names_may_be_patterns() {
        // A5-04
        let table: &[(&str, &[&str])] = &[
            ("/", &["*"]),
            ("/in*", &["upload"]),
            ("/inbox", &["list"]),
            ("/*/secret", &[]),
            ("/[", &["rename"]),
            ("/a/b", &["copy"]),
            ("/[^a-z]1", &["chmod"]),
            ("/deep**", &["delete"]),
            ("/{p,q}", &["chown"]),
            ("/un[closed*", &["chtimes"]),
            (r"/\[v\]*", &["rename_dirs"]),
        ];
        check(table, "/x", &["*"]);
        check(table, "/deeper/x", &["delete"]);
        check(table, "/p", &["*"]);
        check(table, "/{p,q}", &["chown"]);
        check(table, "/un[closed", &["*"]);
        check(table, "/un[closed*/x", &["chtimes"]);
        check(table, "/[v]1", &["rename_dirs"]);
        check(table, "/v1", &["*"]);
        check(table, "/in", &["upload"]);
        check(table, "/incoming/deeper", &["upload"]);
        check(table, "/inbox/a", &["list"]);
        check(table, "/inbox/secret/a", &[]);
        check(table, "/secret", &["*"]);
        check(table, "/[/x", &["rename"]);
        check(table, "/A1/x", &["chmod"]);
        check(table, "/b1", &["*"]);
        let table = PermissionTable::new(
            table
                .iter()
                .map(|(at, tokens)| (path(at), PermissionSet::parse(tokens.iter().copied()).unwrap()))
                .collect(),
        );
        for (at, expected) in [("/", true), ("/x", true), ("/in", true), ("/x/y", false), ("/x/secret", true)] {
            assert_eq!(table.has_rules_below(&path(at)), expected, "{at}");
        }
        // `/*/secret` can hold below every directory.
        assert!(table.differ_within(&path("/inbox")) && table.differ_within(&path("/x")));
        assert!(!table.differ_within(&path("/a/b")) && !table.differ_within(&path("/inner/x")));
    }

    #[test]
    fn tokens_are_those_of_the_older_server() {
        // A8-05: written out, so that none is missed or spelled in another way.
        let names = [
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
        assert_eq!(names.len(), TOKENS.len());
        for (name, permission) in names {
            let set = PermissionSet::parse([name]).unwrap();
            assert_eq!(set.tokens(), [name]);
            for (other_name, other) in names {
                assert_eq!(set.allows(other), other == permission, "{name} {other_name}");
            }
            assert!(PermissionSet::ALL.allows(permission), "{name}");
        }
        let every = PermissionSet::parse(names.map(|(name, _)| name)).unwrap();
        assert_eq!(every.tokens(), names.map(|(name, _)| name));
        for all in [&["*"][..], &["list", "*"], &["*", "list"]] {
            assert_eq!(PermissionSet::parse(all.iter().copied()), Ok(PermissionSet::ALL), "{all:?}");
        }
        assert_eq!(PermissionSet::parse(<[&str; 0]>::default()), Ok(PermissionSet::NONE));
        for unknown in ["", "**", "List", " list", "create_files", "all"] {
            assert_eq!(PermissionSet::parse(["list", unknown]), Err(unknown.to_owned()));
        }
    }

    #[test]
    fn unknown_tokens_are_named() {
        // A8-04
        assert_eq!(PermissionSet::parse(["list", "fly"]), Err("fly".to_owned()));
        assert_eq!(PermissionSet::parse(["list", "*"]).unwrap().tokens(), ["*"]);
    }

    /// Paths of few different names, so that rules often apply to them.
    fn any_path() -> impl Strategy<Value = VirtualPath> {
        let names = prop::collection::vec(prop::sample::select(&["a", "b", "ab"][..]), 0..4);
        names.prop_map(|names| path(&format!("/{}", names.join("/"))))
    }

    /// Rules for some directories, each once, and for the root.
    fn rules() -> impl Strategy<Value = Vec<(VirtualPath, PermissionSet)>> {
        let token = prop::sample::select(&["list", "download", "upload", "delete"][..]);
        let tokens = prop::collection::btree_set(token, 0..3);
        prop::collection::btree_map(any_path(), tokens, 0..5).prop_map(|mut rules| {
            rules.entry(VirtualPath::root()).or_default();
            rules.into_iter().map(|(path, tokens)| (path, PermissionSet::parse(tokens).unwrap())).collect()
        })
    }

    proptest! {
        #[test]
        fn the_nearest_directory_with_rules_decides(rules in rules(), at in any_path()) {
            // A5-04
            let table = PermissionTable::new(rules.clone());
            let mut nearest = at.clone();
            let expected = loop {
                if let Some((_, set)) = rules.iter().find(|(path, _)| *path == nearest) {
                    break *set;
                }
                nearest = nearest.parent();
            };
            prop_assert_eq!(table.at(&at).tokens(), expected.tokens());
        }

        #[test]
        fn what_differs_below_is_known_above(rules in rules(), at in any_path(), below in any_path()) {
            let table = PermissionTable::new(rules);
            let inside = VirtualPath::resolve(&at, below.relative()).unwrap();
            if table.at(&inside).tokens() != table.at(&at).tokens() {
                prop_assert!(table.differ_within(&at) && table.has_rules_below(&at));
            }
        }
    }
}
