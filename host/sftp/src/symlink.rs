//! Which of the two names in a SYMLINK is the link.
//!
//! In the draft (§6.10) the link comes first. OpenSSH sends the target first, and most clients do the same;
//! some do so only if the server is OpenSSH, and others never.

use tidegate_core::files::FileService;
use tidegate_core::path::VirtualPath;

use crate::packet::Status;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    TargetFirst,
    LinkFirst,
    /// Target first, as OpenSSH, unless existing files show otherwise.
    Unknown,
}

/// Beginnings of the software names of clients that send the link first to a server that is not OpenSSH.
const LINK_FIRST: [&str; 6] = ["AsyncSSH_", "libssh_", "phpseclib_", "Twisted", "ssh2js", "WinSCP_"];
/// Beginnings for clients that send the target first to every server.
const TARGET_FIRST: [&str; 8] =
    ["OpenSSH", "paramiko_", "libssh2_", "Go", "JSCH", "PuTTY", "Ruby/Net::SSH", "dropbear"];

/// The text of the link, and its own path as it was sent, from the two strings in the client's order.
pub async fn text_and_link<'a>(
    files: &FileService,
    (first, second): (&'a [u8], &'a [u8]),
) -> Result<(&'a [u8], &'a [u8]), Status> {
    let start = files.start_directory();
    let at = |raw: &[u8]| VirtualPath::resolve(&start, raw);
    match order_of(files.session().connection.client_software()) {
        Order::TargetFirst => Ok((first, second)),
        Order::LinkFirst => Ok((second, first)),
        // A link cannot be made under a name that is taken, so that name is the target.
        Order::Unknown => match is_there(files, &at(second)?).await && !is_there(files, &at(first)?).await {
            true => Ok((second, first)),
            false => Ok((first, second)),
        },
    }
}

/// Whether the name is taken, as far as the account may see that.
async fn is_there(files: &FileService, path: &VirtualPath) -> bool {
    files.symlink_metadata(path).await.is_ok()
}

/// `identification`: such as `SSH-2.0-OpenSSH_9.6`.
fn order_of(identification: Option<&str>) -> Order {
    let Some(software) = identification.and_then(|text| text.splitn(3, '-').nth(2)) else { return Order::Unknown };
    let begins = |names: &[&str]| {
        names.iter().any(|name| software.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)))
    };
    if begins(&LINK_FIRST) {
        Order::LinkFirst
    } else if begins(&TARGET_FIRST) {
        Order::TargetFirst
    } else {
        Order::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(identification: &str, expected: Order) {
        assert_eq!(order_of(Some(identification)), expected, "{identification}");
    }

    #[test]
    fn clients_are_known_by_their_identification() {
        // A5-20
        check("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3", Order::TargetFirst);
        check("SSH-2.0-paramiko_3.4.0", Order::TargetFirst);
        check("SSH-2.0-libssh2_1.10.0", Order::TargetFirst);
        check("SSH-2.0-Go", Order::TargetFirst);
        check("SSH-2.0-JSCH_0.2.17", Order::TargetFirst);
        check("SSH-2.0-Ruby/Net::SSH_7.2.0 x86_64-linux", Order::TargetFirst);
        check("SSH-2.0-AsyncSSH_2.14.2", Order::LinkFirst);
        check("SSH-2.0-libssh_0.10.6", Order::LinkFirst);
        check("SSH-2.0-phpseclib_3.0 (libsodium, openssl, gmp)", Order::LinkFirst);
        check("SSH-2.0-Twisted_22.4.0", Order::LinkFirst);
        check("SSH-2.0-ssh2js1.15.0", Order::LinkFirst);
        check("SSH-2.0-WinSCP_release_6.3.5", Order::LinkFirst);
        check("SSH-2.0-SomethingElse_1", Order::Unknown);
        check("SSH-2.0-", Order::Unknown);
        check("nonsense", Order::Unknown);
        assert_eq!(order_of(None), Order::Unknown);
    }
}
