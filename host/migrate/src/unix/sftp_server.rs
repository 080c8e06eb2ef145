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

/// Reads the options after the command.
pub fn options(words: &[String]) -> SftpServer {
    let mut found = SftpServer::default();
    let (mut allowed, mut denied, mut is_read_only) = (None::<Vec<String>>, Vec::new(), false);
    let mut words = words.iter().skip(1);
    let list = |text: &str| text.split(',').map(|request| request.trim().to_ascii_lowercase()).collect::<Vec<_>>();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-R" => is_read_only = true,
            "-e" => {}
            "-d" => found.start = words.next().cloned(),
            "-P" => denied.extend(words.next().map(|text| list(text)).unwrap_or_default()),
            "-p" => allowed = words.next().map(|text| list(text)),
            "-u" | "-f" | "-l" => {
                let value = words.next().map(|value| printable(value)).unwrap_or_default();
                if word == "-u" {
                    found.left_out.push(format!("-u {value}: there is one umask for all accounts, common.umask"));
                }
            }
            other => found.left_out.push(printable(other)),
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
        if denied.iter().any(|request| request == "open") {
            found.permissions.retain(|permission| !["download", "upload", "overwrite"].contains(&permission.as_str()));
        }
        if found.permissions.is_empty() {
            // No account is without permissions; this one is the least.
            found.permissions.push("list".to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(command: &str, permissions: &str, start: Option<&str>) {
        let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
        let found = options(&words);
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
        check("internal-sftp -d", "", None);
        assert!(is_sftp_server(&["/usr/lib/openssh/sftp-server".to_owned()]));
        assert!(!is_sftp_server(&["/usr/bin/git-shell".to_owned()]) && !is_sftp_server(&[]));
    }
}
