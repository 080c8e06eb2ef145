//! Accounts whose files are elsewhere move whole: their secrets are encrypted with this server's key, and those of kinds that
//! are not served are refused by a sentence (A8-15, C4-01).

use serde_json::{Value, json};
use tidegate_tests::clients::text;
use tidegate_tests::server::Server;

use super::older::{HASH, Old};
use super::{report, tidegate};

#[test]
fn secrets_are_encrypted_anew_and_kinds_that_are_not_served_are_refused_by_a_sentence() {
    const CLEAR: &str = "hush-of-the-bucket";
    // As the first versions wrote it: AES-256-GCM with the key beside it, a nonce of twelve 7.
    const SECRET: &str = "$aes$0123456789abcdef0123456789abcdef$070707070707070707070707\
        dcf7846f22fd220e39a448bbd4062d06dafd971351cb6f851457f80a1dbba14ecb74";
    let old = Old::new("", "pre_login_program");
    let account = |name: &str, filesystem: Value| {
        let home = old.path("homes").join(name);
        json!({"username": name, "status": 1, "password": HASH, "home_dir": home, "permissions": {"/": ["*"]},
            "filesystem": filesystem})
    };
    let bucket = json!({"bucket": "b", "region": "r", "access_key": "k", "access_secret": SECRET});
    let accounts = [
        account("bucket", json!({"provider": 1, "s3config": bucket})),
        account("elsewhere", json!({"provider": 2, "gcsconfig": {"bucket": "kept whole"}})),
    ];
    std::fs::write(old.path("dump.json"), json!({"users": accounts}).to_string()).unwrap();
    let to = old.path("new");
    let done = report(&old.path("dump.json"), &to, &[]);
    assert_eq!((&done["users"]["added"], &done["users"]["invalid"]), (&2.into(), &0.into()), "{done}");
    let said = done["notes"].to_string();
    for part in ["access_secret was decrypted, and is encrypted anew", "(GCS), which this version does not serve"] {
        assert!(said.contains(part), "{said}");
    }
    let stored = std::fs::read(to.join("tidegate.db")).unwrap();
    for text in [CLEAR, "$aes$"] {
        assert!(!stored.windows(text.len()).any(|part| part == text.as_bytes()), "{text}");
    }
    let dumped = tidegate(&["dump"], &to);
    assert!(text(&dumped).contains(CLEAR) && text(&dumped).contains("kept whole"), "{}", text(&dumped));
    let settings = "[sftpd]\nbind_port = 0\nbind_address = \"127.0.0.1\"\nkeys = [{ private_key = \"host\" }]\n\
        [httpd]\nbind_port = 0\n";
    std::fs::write(to.join("tidegate.toml"), settings).unwrap();
    std::fs::copy(old.path("old/host"), to.join("host")).unwrap();
    let server = Server::in_directory(&to);
    assert!(!old.client(&server, "elsewhere", false, "ls\n").status.success());
    server.wait_for_text("filesystem.provider");
}
