//! Databases in files that are on another machine, where locks may not hold (A9-02).

use std::path::Path;

use rustix::fs::{FsWord, statfs};

use super::settings::{DatabaseSettings, ReadOnly};

/// What statfs(2) says of file systems of the network, and what they are called. FUSE is not among them: what is behind it
/// is often this machine.
const KINDS: [(FsWord, &str); 11] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "SMB"),
    (0xfe53_4d42, "SMB"),
    (0x00c3_6400, "Ceph"),
    (0x0102_1997, "9P"),
    (0x5346_414f, "AFS"),
    (0x7375_7245, "Coda"),
    (0x0bd0_0bd0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
];

/// The file system of the network that a file is on, or that it will be on; None: it is on this machine, or the file
/// system does not say what it is.
pub fn of(file: &Path) -> Option<&'static str> {
    let found = file.ancestors().find_map(|path| statfs(path).ok())?;
    name_of(found.f_type)
}

fn name_of(kind: FsWord) -> Option<&'static str> {
    KINDS.iter().find(|(known, _)| *known == kind).map(|(_, name)| *name)
}

/// What to say of the files of a database. `network`: as [`of`].
pub fn remarks(database: &DatabaseSettings, network: impl Fn(&Path) -> Option<&'static str>) -> Vec<String> {
    let files = match database {
        DatabaseSettings::Sqlite(file) | DatabaseSettings::Bolt(file) => vec![file],
        DatabaseSettings::ReadOnly { accounts: ReadOnly::Sqlite(file, _), own } => vec![file, own],
        DatabaseSettings::ReadOnly { own, .. } => vec![own],
        DatabaseSettings::Memory(_) | DatabaseSettings::Postgresql(_) | DatabaseSettings::Mysql(_) => Vec::new(),
    };
    let remark = |file: &Path| {
        let name = network(file)?;
        let file = file.display();
        Some(format!(
            "{file} is on {name}, a file system of the network: its locks may not hold, so that the database is \"locked\" \
             or damaged; put it on a disk of this machine, or use postgresql or mysql"
        ))
    };
    files.into_iter().filter_map(|file| remark(file)).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tidegate_accounts::TableNames;

    use super::*;

    #[test]
    fn file_systems_of_the_network_are_known() {
        // A9-02
        for (kind, expected) in [
            (0x6969, Some("NFS")),
            (0x517b, Some("SMB")),
            (0xff53_4d42, Some("SMB")),
            (0xfe53_4d42, Some("SMB")),
            (0x00c3_6400, Some("Ceph")),
            // ext4, XFS, btrfs, tmpfs, overlayfs, ZFS and FUSE.
            (0xef53, None),
            (0x5846_5342, None),
            (0x9123_683e, None),
            (0x0102_1994, None),
            (0x794c_7630, None),
            (0x2fc1_2fc1, None),
            (0x6573_5546, None),
        ] {
            assert_eq!(name_of(kind), expected, "{kind:x}");
        }
        // Of a file that is not there, the nearest directory above it counts.
        for file in ["/proc/version", "/proc/none/tidegate.db"] {
            assert_eq!(of(Path::new(file)), None, "{file}");
        }
    }

    #[test]
    fn each_file_of_a_database_is_looked_at() {
        // A9-02
        let (far, near) = (PathBuf::from("/far/a.db"), PathBuf::from("/near/a.db"));
        let check = |database: DatabaseSettings, count: usize| {
            let found = remarks(&database, |file| file.starts_with("/far").then_some("NFS"));
            assert_eq!(found.len(), count, "{database:?}");
            assert!(found.iter().all(|text| text.starts_with("/far/a.db is on NFS")), "{found:?}");
        };
        let read_only = |accounts: &PathBuf, own: &PathBuf| DatabaseSettings::ReadOnly {
            accounts: ReadOnly::Sqlite(accounts.clone(), TableNames::default()),
            own: own.clone(),
        };
        check(DatabaseSettings::Sqlite(far.clone()), 1);
        check(DatabaseSettings::Sqlite(near.clone()), 0);
        check(DatabaseSettings::Bolt(far.clone()), 1);
        check(DatabaseSettings::Bolt(near.clone()), 0);
        check(DatabaseSettings::Memory(Some(far.clone())), 0);
        check(read_only(&far, &near), 1);
        check(read_only(&near, &far), 1);
        check(read_only(&far, &far), 2);
    }
}
