//! Host keys and algorithms.

use std::path::{Path, PathBuf};

use tidegate_ssh::host_keys::HostKeyFiles;
use tidegate_ssh::{AlgorithmChoice, AlgorithmPolicy, Algorithms};

use super::Config;
use super::validate::Check;

/// The host keys. Keys that are named replace the usual ones (A4-02).
pub(super) fn host_keys(config: &Config, directory: &Path, check: &mut Check<'_>) -> HostKeyFiles {
    let sftpd = &config.sftpd;
    if sftpd.keys.iter().any(|key| key.private_key.as_os_str().is_empty()) {
        check.problem("sftpd.keys", "every key needs a private_key, which is the path of a file");
    }
    let paths: Vec<PathBuf> = sftpd.keys.iter().map(|key| directory.join(&key.private_key)).collect();
    if paths.is_empty() { HostKeyFiles::Usual(directory.to_owned()) } else { HostKeyFiles::Named(paths) }
}

pub(super) fn algorithms(config: &Config, check: &mut Check<'_>) -> Algorithms {
    let sftpd = &config.sftpd;
    let policy = sftpd.algorithms.trim().parse().unwrap_or_else(|()| {
        let text = format!("\"{}\" is not \"modern\", \"compatible\" or \"legacy\"", sftpd.algorithms);
        check.problem("sftpd.algorithms", text);
        AlgorithmPolicy::default()
    });
    if policy == AlgorithmPolicy::Legacy {
        let text =
            "\"legacy\" offers SHA-1, CBC and 3DES, which are weak; use it only for as long as machines need them";
        check.warning("sftpd.algorithms", text);
    }
    let (kex, ciphers, macs) = (&sftpd.kex_algorithms, &sftpd.ciphers, &sftpd.macs);
    let (algorithms, remarks) = Algorithms::choose(AlgorithmChoice { policy, kex, ciphers, macs });
    for remark in remarks.problems {
        check.problem(&format!("sftpd.{}", remark.key), remark.text);
    }
    for remark in remarks.warnings {
        check.warning(&format!("sftpd.{}", remark.key), remark.text);
    }
    algorithms
}
