//! The section `sftpd`: algorithms and host keys.

use tidegate_ssh::host_keys::HostKeyFiles;

use super::tests::read;

/// `expected`: parts of the warnings, in order, or of the error.
fn check_transport(text: &str, expected: Result<&[&str], &str>) {
    match (read("tidegate.toml", &format!("[sftpd]\n{text}\n"), &[]), expected) {
        (Ok(settings), Ok(parts)) => {
            assert_eq!(settings.warnings.len(), parts.len(), "{text}: {:?}", settings.warnings);
            for (warning, part) in settings.warnings.iter().zip(parts) {
                assert!(warning.contains(part), "{text}: {warning}");
            }
        }
        (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{text}: {error}"),
        (outcome, _) => panic!("{text}: {:?}", outcome.map(|settings| settings.warnings)),
    }
}

#[test]
fn algorithms_are_a_policy_or_lists() {
    // A3-22
    check_transport("algorithms = \"modern\"", Ok(&[]));
    check_transport("algorithms = \"compatible\"\nprefer_fast_ciphers = false", Ok(&[]));
    check_transport("algorithms = \"legacy\"", Ok(&["SHA-1, CBC and 3DES"]));
    check_transport("algorithms = \"modrn\"", Err("\"modrn\" is not \"modern\", \"compatible\" or \"legacy\""));
    check_transport("algorithms = \"\"", Err("line 2, key \"sftpd.algorithms\""));
    check_transport("ciphers = []\nmacs = []\nkex_algorithms = []", Ok(&[]));
    check_transport(
        "macs = [\"hmac-sha1\", \"hmac-sha1-96\", \"hmac-sha2-256\"]",
        Ok(&["\"hmac-sha1\" is weak", "\"hmac-sha1-96\" is left out"]),
    );
    check_transport("kex_algorithms = [\"diffie-hellman-group16-sha512\"]", Ok(&["0.7 s of CPU"]));
    check_transport("kex_algorithms = [\"diffie-hellman-group1-sha1\"]", Err("none of these names is left"));
    check_transport("ciphers = [\"arcfour\", \"arcfour256\"]", Err("sftpd.ciphers"));
    check_transport("ciphers = [\"aes128-ctr\", \"aes-128-ctr\"]", Err("\"aes-128-ctr\" is not supported"));
}

#[test]
fn host_keys_are_named_in_either_spelling() {
    // A3-20, A4-02
    let check = |text: &str, expected: &[&str]| {
        let settings = read("tidegate.toml", &format!("[sftpd]\n{text}\n"), &[]).unwrap();
        let names: Vec<&str> = match &settings.host_keys {
            HostKeyFiles::Usual(_) => Vec::new(),
            HostKeyFiles::Named(paths) => {
                // Beside the configuration, unless the path is absolute.
                assert!(paths.iter().all(|path| path.is_absolute()), "{text}: {paths:?}");
                assert_eq!(text.contains("/etc/c"), paths.contains(&"/etc/c".into()), "{text}: {paths:?}");
                paths.iter().map(|path| path.file_name().and_then(|name| name.to_str()).unwrap()).collect()
            }
        };
        assert_eq!(names, expected, "{text}");
    };
    check("", &[]);
    check("host_keys = []", &[]);
    check("keys = [{ private_key = \"a\" }]", &["a"]);
    check("host_keys = [\"b\", \"/etc/c\"]", &["b", "c"]);
    check_transport("host_keys = [\"\"]", Err("sftpd.keys"));
    check_transport("keys = [{ private_key = \"\" }]", Err("sftpd.keys"));
}
