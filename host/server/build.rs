//! Puts the commit and the build date into the version (A1-29).

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=../../.git/HEAD");
    println!("cargo:rerun-if-changed=../../.git/refs/heads");
    // Embedded for `plugin new`, in a way that Cargo does not see.
    println!("cargo:rerun-if-changed=../../wit");
    println!("cargo:rerun-if-changed=../../sdk");
    println!("cargo:rerun-if-env-changed=SOURCE_DATE_EPOCH");
    // For builds without the repository, such as in a container.
    println!("cargo:rerun-if-env-changed=TIDEGATE_COMMIT");
    let given = std::env::var("TIDEGATE_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = given
        .or_else(|| run("git", &["describe", "--always", "--dirty", "--exclude", "*"]))
        .unwrap_or_else(|| "unknown".into());
    let mut date_arguments = vec!["-u".to_owned(), "+%FT%TZ".to_owned()];
    if let Ok(epoch) = std::env::var("SOURCE_DATE_EPOCH") {
        date_arguments.push(format!("--date=@{epoch}"));
    }
    let arguments: Vec<&str> = date_arguments.iter().map(String::as_str).collect();
    let date = run("date", &arguments).unwrap_or_else(|| "unknown".into());
    println!("cargo:rustc-env=TIDEGATE_COMMIT={commit}");
    println!("cargo:rustc-env=TIDEGATE_BUILD_DATE={date}");
}

fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
