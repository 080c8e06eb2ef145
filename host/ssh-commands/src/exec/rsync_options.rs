//! The options of rsync that are passed on, and how the server treats names in them.

/// `--server`, and options that may follow it without a value.
pub const FLAGS: &[&str] = &[
    "--append",
    "--append-verify",
    "--checksum",
    "--compress",
    "--copy-dirlinks",
    "--copy-links",
    "--copy-unsafe-links",
    "--delay-updates",
    "--delete",
    "--delete-after",
    "--delete-before",
    "--delete-delay",
    "--delete-during",
    "--delete-excluded",
    "--delete-missing-args",
    "--dirs",
    "--existing",
    "--fake-super",
    "--files-from=-",
    "--force",
    "--from0",
    "--fsync",
    "--fuzzy",
    "--group",
    "--hard-links",
    "--ignore-errors",
    "--ignore-existing",
    "--ignore-missing-args",
    "--ignore-times",
    "--inplace",
    "--keep-dirlinks",
    "--list-only",
    "--mkpath",
    "--munge-links",
    "--new-compress",
    "--no-implied-dirs",
    "--no-msgs2stderr",
    "--no-r",
    "--no-relative",
    "--no-W",
    "--no-whole-file",
    "--numeric-ids",
    "--old-compress",
    "--one-file-system",
    "--open-noatime",
    "--owner",
    "--partial",
    "--perms",
    "--preallocate",
    "--recursive",
    "--relative",
    "--remove-sent-files",
    "--remove-source-files",
    "--safe-links",
    "--sender",
    "--size-only",
    "--sparse",
    "--stats",
    "--times",
    "--use-qsort",
    "--whole-file",
];

/// Options with a value after `=`.
pub const VALUES: &[&str] = &[
    "--block-size",
    "--bwlimit",
    "--checksum-choice",
    "--checksum-seed",
    "--compress-choice",
    "--compress-level",
    "--debug",
    "--groupmap",
    "--iconv",
    "--info",
    "--log-format",
    "--max-alloc",
    "--max-delete",
    "--max-size",
    "--min-size",
    "--modify-window",
    "--out-format",
    "--skip-compress",
    "--stop-after",
    "--stop-at",
    "--suffix",
    "--timeout",
    "--usermap",
];

/// Those of [`VALUES`] whose values may hold a slash and name no file.
pub const WITH_SLASHES: &[&str] = &["--skip-compress", "--stop-at"];

/// Letters in a cluster of short options. `s` is not among them, because it is removed before.
pub const LETTERS: &[u8] = b"ACDEFHIJKLNOPRSUWXbcdghiklmnopqrtuvxyz";

/// Options that follow symbolic links, which may lead anywhere.
pub const FOLLOWING: &[&str] = &["--copy-dirlinks", "--copy-links", "--copy-unsafe-links"];
pub const FOLLOWING_LETTERS: &[u8] = b"Lk";
/// Options that set owners other than those of the client's files.
pub const OWNERS: &[&str] = &["--groupmap", "--usermap"];

/// What a name that follows an option is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameUse {
    /// Files in the named directory are read.
    Read,
    /// Files in the named directory are linked to, and can be written to by these links.
    Link,
    /// Files are put into the named directory.
    Write,
    /// Files are put there, relative to the directory of each file.
    WriteBeside,
    /// The name is that of a list of files, which is read.
    List,
}

/// Options with a name as the next word.
pub const NAMES: &[(&str, NameUse)] = &[
    ("--backup-dir", NameUse::Write),
    ("--compare-dest", NameUse::Read),
    ("--copy-dest", NameUse::Read),
    ("--files-from", NameUse::List),
    ("--link-dest", NameUse::Link),
    ("--partial-dir", NameUse::WriteBeside),
    ("--temp-dir", NameUse::Write),
];
