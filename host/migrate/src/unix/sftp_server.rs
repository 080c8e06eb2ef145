//! What `ForceCommand internal-sftp` or `Subsystem sftp` leaves to users: the options of sftp-server(8).

use crate::account::printable;

/// All requests that a permission stands for, with the permissions (A8-05).
const REQUESTS: [(&[&str], &[&str]); 9] = [
    (&["opendir", "readdir"], &["list"]),
    (&["read"], &["download"]),
    (&["write"], &["upload", "overwrite"]),
    (&["remove"], &["delete_files"]),
    (&["rmdir"], &["delete_dirs"]),
    (&["rename", "posix-rename"], &["rename"]),
    (&["mkdir"], &["create_dirs"]),
    (&["symlink", "hardlink"], &["create_symlinks"]),
    (&["setstat", "fsetstat", "lsetstat"], &["chmod", "chown", "chtimes"]),
];
const READ_ONLY: [&str; 2] = ["list", "download"];

/// What a command line of the SFTP server says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SftpServer {
    /// Permissions; empty: all.
    pub permissions: Vec<String>,
    /// Where sessions begin, with tokens.
    pub start: Option<String>,
    /// Options that are left out.
    pub left_out: Vec<String>,
}

/// Whether the words call an SFTP server.
pub fn is_sftp_server(words: &[String]) -> bool {
    words.first().is_some_and(|first| first == "internal-sftp" || first.rsplit('/').next() == Some("sftp-server"))
}

/// Reads the options after the command, as getopt(3) does.
///
/// # Errors
/// An option is not known: the server would not start, or do what is not known here.
pub fn options(words: &[String]) -> Result<SftpServer, String> {
    let mut found = SftpServer::default();
    let (mut allowed, mut denied, mut is_read_only) = (None::<Vec<String>>, Vec::new(), false);
    let mut words = words.iter().skip(1);
    while let Some(word) = words.next() {
        let unknown = || format!("its SFTP server has an option that is not known: {}", printable(word));
        let mut options = word.strip_prefix('-').filter(|options| !options.is_empty()).ok_or_else(unknown)?.chars();
        while let Some(option) = options.next() {
            if ['R', 'e', 'c'].contains(&option) {
                is_read_only |= option == 'R';
                continue;
            }
            // The value is the rest of the word, or the next one.
            let rest: String = options.by_ref().collect();
            let value = if rest.is_empty() { words.next().cloned() } else { Some(rest) }.ok_or_else(unknown)?;
            match option {
                'd' => found.start = Some(value),
                'P' => denied.extend(requests(&value)),
                'p' => allowed = Some(requests(&value)),
                'u' => {
                    let value = printable(&value);
                    found.left_out.push(format!("-u {value}: there is one umask for all accounts, common.umask"));
                }
                'f' | 'l' => {}
                _ => return Err(unknown()),
            }
        }
    }
    if is_read_only || allowed.is_some() || !denied.is_empty() {
        let is_denied = |requests: &[&str]| {
            requests.iter().any(|request| {
                denied.iter().any(|denied| denied == request)
                    || allowed.as_ref().is_some_and(|allowed| !allowed.iter().any(|allowed| allowed == request))
            })
        };
        // A permission is left only if each of its requests is.
        for (_, permissions) in REQUESTS.iter().filter(|(requests, _)| !is_denied(requests)) {
            let left = permissions.iter().filter(|permission| !is_read_only || READ_ONLY.contains(permission));
            found.permissions.extend(left.map(|permission| (*permission).to_owned()));
        }
        if is_denied(&["open"]) {
            found.permissions.retain(|permission| !["download", "upload", "overwrite"].contains(&permission.as_str()));
        }
        if found.permissions.is_empty() {
            // No account is without permissions; this one is the least.
            found.permissions.push("list".to_owned());
        }
    }
    let has_permission = |request: &str| request == "open" || REQUESTS.iter().any(|(of, _)| of.contains(&request));
    let without = denied.iter().filter(|request| !has_permission(request));
    found.left_out.extend(without.map(|request| format!("-P {}: no permission stands for it", printable(request))));
    Ok(found)
}

fn requests(list: &str) -> Vec<String> {
    list.split(',').map(|request| request.trim().to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(command: &str, permissions: &str, start: Option<&str>) {
        let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
        let found = options(&words).unwrap();
        assert_eq!((found.permissions.join(" ").as_str(), found.start.as_deref()), (permissions, start), "{command}");
    }

    #[test]
    fn requests_become_permissions() {
        // A8-05
        check("internal-sftp", "", None);
        check("internal-sftp -f AUTH -l INFO -u 0027", "", None);
        check("internal-sftp -R -d /in/%u", "list download", Some("/in/%u"));
        check(
            "internal-sftp -P remove,rmdir",
            "list download upload overwrite rename create_dirs create_symlinks chmod chown chtimes",
            None,
        );
        check("internal-sftp -p opendir,readdir,read,open", "list download", None);
        check("internal-sftp -P opendir,read,write,remove,rmdir,rename,mkdir,symlink,setstat", "list", None);
        check("internal-sftp -p opendir,readdir,read", "list", None);
        check("internal-sftp -cRd/in -lINFO", "list download", Some("/in"));
        check(
            "internal-sftp -Pwrite -P stat",
            "list download delete_files delete_dirs rename create_dirs create_symlinks chmod chown chtimes",
            None,
        );
        for wrong in ["internal-sftp -d", "internal-sftp -z", "internal-sftp write", "internal-sftp - -R"] {
            let words: Vec<String> = wrong.split(' ').map(str::to_owned).collect();
            assert!(options(&words).unwrap_err().contains("not known"), "{wrong}");
        }
        assert!(is_sftp_server(&["/usr/lib/openssh/sftp-server".to_owned()]));
        assert!(!is_sftp_server(&["/usr/bin/git-shell".to_owned()]) && !is_sftp_server(&[]));
    }
}
