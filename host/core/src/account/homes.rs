//! Where a hook may place homes. The caller has resolved links in all paths that are compared here.

use std::path::Path;

use super::draft::{InvalidAccount, invalid};

/// Directories of the system: they, and all below them, are no homes unless the operator says so.
const SYSTEM: [&str; 10] = ["/bin", "/boot", "/dev", "/etc", "/proc", "/root", "/run", "/sbin", "/sys", "/usr"];
/// Directories below `/var` that hold accounts' files by custom; the rest of `/var` is the system's.
const BELOW_VAR: [&str; 3] = ["/var/lib", "/var/www", "/var/tmp"];

/// Directories below `/var` in which the system keeps what is its own; administrators may use the rest of it.
const IN_VAR: [&str; 7] =
    ["/var/backups", "/var/cache", "/var/lock", "/var/log", "/var/mail", "/var/run", "/var/spool"];

/// Where homes may be, for all hooks of a server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HomeRule {
    /// Homes are below one of these absolute paths; empty: anywhere but in directories of the system and of the
    /// server.
    pub roots: Vec<String>,
    /// Directories of the server itself: configuration, state, plugins, log.
    pub own: Vec<String>,
}

/// A directory that is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occupied {
    /// An absolute path of the host.
    pub path: String,
    /// The user of it in words, such as `the account "alice"`.
    pub by: String,
}

impl HomeRule {
    /// Checks that `home` is below a root, and no directory of the server. `granted`: further roots of one hook.
    ///
    /// # Errors
    /// The home is outside the roots, belongs to the system, or overlaps a directory of the server.
    pub fn check(&self, home: &str, granted: &[String]) -> Result<(), InvalidAccount> {
        let home = Path::new(home);
        let root = self.roots.iter().chain(granted).find(|root| is_below(home, root));
        if root.is_none() {
            self.check_default(home)?;
        }
        self.check_own(home, root)
    }

    /// Checks that a directory neither holds nor is in one of the server, unless the operator has chosen a root there.
    ///
    /// # Errors
    /// The directory of the server.
    pub fn check_own_alone(&self, path: &str) -> Result<(), InvalidAccount> {
        let path = Path::new(path);
        self.check_own(path, self.roots.iter().find(|root| is_below(path, root)))
    }

    fn check_own(&self, home: &Path, root: Option<&String>) -> Result<(), InvalidAccount> {
        for own in &self.own {
            let holds = Path::new(own).starts_with(home);
            // The operator has chosen a root inside the server's directory: only what is below that root may be used.
            let lies_in = home.starts_with(own) && !root.is_some_and(|root| is_below(Path::new(root), own));
            if holds || lies_in {
                return Err(refused(format!(
                    "{} would hold or be in {own}, which is the server's own",
                    home.display()
                )));
            }
        }
        Ok(())
    }

    fn check_default(&self, home: &Path) -> Result<(), InvalidAccount> {
        if !self.roots.is_empty() {
            let roots = self.roots.join(", ");
            return Err(refused(format!("{} is not below {roots}", home.display())));
        }
        let in_var = home.starts_with("/var") && !is_in(home, &BELOW_VAR);
        if is_of_system(home) || in_var {
            return Err(refused(format!("{} is a directory of the system", home.display())));
        }
        Ok(())
    }

    /// Whether a directory holds the system or is in it, and no root that the operator has chosen is around it. Of
    /// `/var`, only what programs of the system keep there is meant.
    pub fn is_system(&self, path: &str) -> bool {
        let path = Path::new(path);
        let holds_var = ["/var", "/var/lib"].iter().any(|directory| path == Path::new(directory));
        let is_chosen = self.roots.iter().any(|root| is_below(path, root));
        !is_chosen && (is_of_system(path) || is_in(path, &IN_VAR) || holds_var)
    }

    /// Checks that the home neither is, nor holds, nor lies in another account's home or a shared folder.
    /// A directory that holds a whole root is passed over: its account is the operator's, for all homes.
    ///
    /// # Errors
    /// The first directory that the home overlaps.
    pub fn check_others(&self, home: &str, granted: &[String], others: &[Occupied]) -> Result<(), InvalidAccount> {
        let home = Path::new(home);
        for Occupied { path, by } in others {
            let holds_root =
                self.roots.iter().chain(granted).any(|root| is_below(home, root) && Path::new(root).starts_with(path));
            let path = Path::new(path);
            if path.starts_with(home) || (home.starts_with(path) && !holds_root) {
                return Err(invalid(
                    "home_dir",
                    format!(
                        "{} would be, hold or be in the directory of {by}; a hook needs the grant accounts = \"any\" for that",
                        home.display()
                    ),
                ));
            }
        }
        Ok(())
    }
}

fn is_of_system(path: &Path) -> bool {
    let is_library =
        path.components().nth(1).is_some_and(|first| first.as_os_str().as_encoded_bytes().starts_with(b"lib"));
    path == Path::new("/") || is_in(path, &SYSTEM) || is_library
}

fn is_in(path: &Path, directories: &[&str]) -> bool {
    directories.iter().any(|directory| path.starts_with(directory))
}

fn is_below(path: &Path, root: &str) -> bool {
    path.starts_with(root) && path != Path::new(root)
}

fn refused(problem: String) -> InvalidAccount {
    let advice = "set data_provider.homes to where homes are, or grant the hook homes = [\"…\"]";
    invalid("home_dir", format!("{problem}; {advice}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|text| (*text).to_owned()).collect()
    }

    fn check(roots: &[&str], granted: &[&str], allowed: &[&str], refused: &[&str]) {
        let own = texts(&["/srv/tidegate", "/srv/tidegate/plugins", "/var/lib/tidegate", "/opt/log"]);
        let rule = HomeRule { roots: texts(roots), own };
        for home in allowed {
            assert_eq!(rule.check(home, &texts(granted)), Ok(()), "{home} below {roots:?}");
        }
        for home in refused {
            assert!(rule.check(home, &texts(granted)).is_err(), "{home} below {roots:?}");
        }
    }

    #[test]
    fn without_roots_the_system_and_the_server_are_left_alone() {
        // A11-21a
        let allowed = [
            "/srv/alice",
            "/home/alice",
            "/home",
            "/data",
            "/opt/files",
            "/tmp/x",
            "/var/lib/files/alice",
            "/var/www/site",
            "/var/www",
            "/var/tmp/x",
            "/mnt/usr",
            "/etcetera",
            "/srv/tidegate-files",
        ];
        let refused = [
            "/",
            "/bin",
            "/boot/x",
            "/dev/shm/x",
            "/etc",
            "/etc/ssh",
            "/lib",
            "/lib64/x",
            "/libx32",
            "/proc/self/root",
            "/root",
            "/root/x",
            "/run/user/0",
            "/sbin",
            "/sys/fs",
            "/usr/local/share",
            "/var",
            "/var/log",
            "/var/spool/cron",
            "/var/mail",
            "/srv",
            "/srv/tidegate",
            "/srv/tidegate/plugins",
            "/srv/tidegate/homes/alice",
            "/var/lib",
            "/var/lib/tidegate",
            "/opt",
            "/opt/log",
            "/opt/log/alice",
        ];
        check(&[], &[], &allowed, &refused);
    }

    #[test]
    fn directories_of_the_system_are_known() {
        // A11-21a
        let check = |roots: &[&str], path: &str, expected: bool| {
            let rule = HomeRule { roots: texts(roots), own: Vec::new() };
            assert_eq!(rule.is_system(path), expected, "{path} with {roots:?}");
        };
        let directories = ["bin", "boot", "dev", "etc", "lib", "lib64", "proc", "root", "run", "sbin", "sys", "usr"];
        for directory in directories.into_iter().chain(["var/log", "var/spool", "var/backups"]) {
            check(&[], &format!("/{directory}"), true);
            check(&[], &format!("/{directory}/x"), true);
            check(&["/srv/files"], &format!("/{directory}/x"), true);
            check(&[&format!("/{directory}")], &format!("/{directory}/x"), false);
            check(&[], &format!("/srv/{directory}"), false);
        }
        for path in ["/", "/var", "/var/lib"] {
            check(&[], path, true);
        }
        for path in ["/srv", "/home/alice", "/var/sftp/alice", "/var/lib/files", "/var/www", "/etcetera", "/mnt"] {
            check(&[], path, false);
        }
    }

    #[test]
    fn with_roots_homes_are_below_them() {
        // A11-21a, A3-39a
        let refused =
            ["/srv/files", "/srv/filesystem/x", "/srv", "/home/alice", "/", "/etc", "/srv/tidegate/plugins", "/data"];
        check(&["/srv/files"], &[], &["/srv/files/alice", "/srv/files/a/b"], &refused);
        // Roots that are granted to one hook add to those of the server.
        check(&["/srv/files"], &["/data"], &["/srv/files/a", "/data/x"], &["/data", "/srv/x"]);
        check(&[], &["/etc/homes"], &["/etc/homes/x", "/srv/x"], &["/etc/homes", "/etc/x"]);
        // A root that holds the server does not give it away; one within it is the operator's choice.
        let own = ["/srv/tidegate", "/srv/tidegate/x", "/srv/tidegate/plugins", "/srv/tidegate/plugins/x"];
        check(&["/srv"], &[], &["/srv/alice"], &own);
        check(&["/srv/tidegate"], &[], &[], &own);
        check(&["/srv/tidegate/homes"], &[], &["/srv/tidegate/homes/x"], &own);
        check(&["/srv/tidegate/plugins"], &[], &[], &own);
    }

    #[test]
    fn homes_of_others_are_left_alone() {
        // A11-21a
        let occupied = |path: &str| vec![Occupied { path: path.to_owned(), by: "mallory".to_owned() }];
        let check = |roots: &[&str], home: &str, other: &str, expected: bool| {
            let rule = HomeRule { roots: texts(roots), own: Vec::new() };
            assert_eq!(rule.check_others(home, &[], &occupied(other)).is_ok(), expected, "{home} and {other}");
        };
        check(&[], "/srv/a", "/srv/b", true);
        check(&[], "/srv/ab", "/srv/a", true);
        check(&[], "/srv/a", "/srv/a", false);
        check(&[], "/srv/a/x", "/srv/a", false);
        check(&[], "/srv", "/srv/a", false);
        check(&[], "/srv/a", "/srv", false);
        check(&["/srv"], "/srv/a", "/srv", true);
        check(&["/srv"], "/srv/a", "/", true);
        check(&["/srv/files"], "/srv/files/a/x", "/srv/files/a", false);
    }
}
