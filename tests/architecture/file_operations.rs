//! The operations of `core::files`: a test goes through a table of them with every permission, and the table has all.

use std::collections::BTreeSet;

use super::sources;

const TABLE: &str = "host/storage/src/file_service_tests/permissions.rs";

/// The functions that the table leaves out → why.
const LEFT_OUT: [(&str, &str); 9] = [
    ("confined_host_path", "a path of the host, for programs; what they may do is asked with `allows_at`"),
    ("group_names", "of the host, which are no files"),
    ("prepare_start_directory", "made by the server, whatever the account may do"),
    ("program_room", "counts, for a program that was permitted before"),
    ("real_path", "never refused: what may not be listed is not resolved"),
    ("record_ssh_command", "after the fact"),
    ("review_ssh_command", "asks hooks alone"),
    ("user_names", "of the host, which are no files"),
    ("without_links", "a path, for operations that check permissions themselves"),
];

/// The public functions of the service that wait, as all do that reach the storage.
fn operations(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut is_service = false;
    for line in text.lines() {
        match line {
            "impl FileService {" => is_service = true,
            "}" => is_service = false,
            _ => {}
        }
        let name = line.strip_prefix("    pub async fn ").filter(|_| is_service);
        names.extend(name.and_then(|rest| rest.split(['(', '<']).next()));
    }
    names
}

#[test]
fn each_operation_of_files_is_tested_with_every_permission() {
    let files = sources(&[".rs"]);
    let table = &files.iter().find(|(path, _)| path.ends_with(TABLE)).expect(TABLE).1;
    let mut found = BTreeSet::new();
    for (path, text) in files.iter().filter(|(path, _)| path.starts_with("host/core/src/files")) {
        for name in operations(text) {
            let is_left_out = LEFT_OUT.iter().any(|(other, _)| *other == name);
            let is_tested = table.contains(&format!("files.{name}("));
            assert!(is_left_out || is_tested, "{}: {name} is neither in {TABLE} nor left out here", path.display());
            assert!(!(is_left_out && is_tested), "{name} is in {TABLE}, and need not be left out here");
            found.insert(name);
        }
    }
    assert!(found.contains("open_read"), "the operations were not found: {found:?}");
    for (name, why) in LEFT_OUT {
        assert!(found.contains(name), "there is no {name} any more ({why}); take it out of LEFT_OUT");
    }
}
