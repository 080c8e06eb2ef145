//! Options of rsync that are passed on, and what those that name files are for.

/// `--server`, and what may follow it without a value.
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

/// With a value after `=`.
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

/// Of those, the ones whose values may hold a slash and name no file.
pub const WITH_SLASHES: &[&str] = &["--skip-compress", "--stop-at"];

/// Letters of the cluster of short options. `s` is none of them: it is taken out before.
pub const LETTERS: &[u8] = b"ACDEFHIJKLNOPRSUWXbcdghiklmnopqrtuvxyz";

/// Options that follow links: what they lead to may be anywhere.
pub const FOLLOWING: &[&str] = &["--copy-dirlinks", "--copy-links", "--copy-unsafe-links"];
pub const FOLLOWING_LETTERS: &[u8] = b"Lk";
/// They set owners other than those of the client's files.
pub const OWNERS: &[&str] = &["--groupmap", "--usermap"];

/// What a name that follows an option is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameUse {
    /// Files there are read.
    Read,
    /// Files there are linked to: the links can be written to.
    Link,
    /// Files are put there.
    Write,
    /// Files are put there: relative to the directory of each.
    WriteBeside,
    /// It is a list of files, read.
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
