//! Servers whose files are on another server of the same kind, and so on (ADR 26).

use std::process::Command;

use serde_json::{Value, json};
use tidegate_tests::clients::{Proof, sftp_ok};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::tools;

/// `filesystem` of an account or a folder that has the files of the account `gate` of a server.
fn filesystem(site: &Site, server: &Server) -> Value {
    let shown = tools::run_ok(Command::new("ssh-keygen").arg("-lf").arg(site.path("id_ed25519")));
    let fingerprint = shown.split_whitespace().nth(1).unwrap();
    let endpoint = format!("127.0.0.1:{}", server.port);
    let config = json!({"endpoint": endpoint, "username": "gate", "password": "pw", "fingerprints": [fingerprint]});
    json!({"provider": 5, "sftpconfig": config})
}

fn add(site: &Site, object: &str, document: &Value) {
    let file = site.write("added.json", document.to_string());
    tools::run_ok(&mut site.tidegate(&[object, "add", "--from-json", file.to_str().unwrap()]));
}

#[test]
fn files_pass_through_a_row_of_servers_in_every_upload_mode() {
    for mode in 0..3 {
        let site = || Site::new().config(&format!("[common]\nupload_mode = {mode}"));
        let (back, middle, front) = (site(), site(), site());
        let files = back.user("gate");
        let back_server = back.start();
        let user = json!({
            "username": "gate", "status": 1, "password": "pw", "home_dir": middle.path("homes/gate"),
            "permissions": {"/": ["*"]}, "filesystem": filesystem(&back, &back_server),
        });
        add(&middle, "user", &user);
        let middle_server = middle.start();
        add(&front, "folder", &json!({"name": "there", "filesystem": filesystem(&middle, &middle_server)}));
        let user = json!({
            "username": "alice", "status": 1, "password": "pw", "home_dir": front.path("homes/alice"),
            "permissions": {"/": ["*"]}, "virtual_folders": [{"name": "there", "virtual_path": "/there"}],
        });
        add(&front, "user", &user);
        let server = front.start();
        let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_be_bytes).collect();
        let (local, copy) = (front.write("local", &content), front.path("copy"));
        let batch = format!(
            "put {local} here\nput {local} there/f\nput {local} there/f\nrename here there/g\nls -1a there\nget there/g {copy}\n",
            local = local.display(),
            copy = copy.display()
        );
        let shown = sftp_ok(&server, "alice", Proof::Password("pw"), &batch);
        assert!(!shown.contains(".tidegate-"), "{mode}: {shown}");
        assert!(std::fs::read(copy).unwrap() == content, "{mode}");
        let entries = std::fs::read_dir(&files).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["f", "g"], "{mode}");
        assert!(names.iter().all(|name| std::fs::read(files.join(name)).unwrap() == content), "{mode}");
        tools::run_ok(&mut front.tidegate(&["storage", "check", "--user", "alice"]));
        assert_eq!(std::fs::read_dir(&files).unwrap().count(), 2, "{mode}");
    }
}
