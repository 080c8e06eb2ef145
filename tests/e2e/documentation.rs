//! The examples of README and of `host/docs`, run in the order in which they stand on their page.
//!
//! What a block is for, its first line says behind the language: ```` ```sh ```` is run, `file=PATH` is written (and can be run, if it
//! is a script), ```` ```toml config ```` has to be a configuration without fault, ```` ```json account ```` is added as an account,
//! `elsewhere=NAME` is what the test of that name does, or a file of the tree that holds these lines. ```` ```text ```` is only
//! shown. A comment `<!-- test` has steps that readers need not see: what is there before, and whether it came true.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tidegate_tests::tools;

const PRELUDE: &str = include_str!("documentation.sh");
const HIDDEN: &str = "<!-- test";

/// A block of a page.
struct Block {
    /// Of the page, from 1.
    line: usize,
    /// The language, then what is to be done with it.
    words: Vec<String>,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let (head, end) = match line.strip_prefix("```") {
            Some(head) => (head, "```"),
            None if line == HIDDEN => ("sh", "-->"),
            None => continue,
        };
        let mut text = String::new();
        for (_, line) in lines.by_ref().take_while(|(_, line)| *line != end) {
            writeln!(text, "{line}").unwrap();
        }
        let words = head.split_whitespace().map(str::to_owned).collect();
        blocks.push(Block { line: number + 1, words, text });
    }
    blocks
}

/// What follows `key=` among the words.
fn value<'a>(words: &[&'a str], key: &str) -> Option<&'a str> {
    words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

/// Whether a test has the name, or a file of the tree holds the lines.
fn is_elsewhere(name: &str, text: &str) -> bool {
    let root = tools::root();
    if let Ok(file) = std::fs::read_to_string(root.join(name)) {
        return text.lines().all(|line| file.contains(line));
    }
    let tests = std::fs::read_dir(root.join("tests/e2e")).unwrap();
    let sources = tests.flatten().filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
    let function = format!("#[test]\nfn {name}() {{");
    sources.into_iter().any(|source| source.contains(&function))
}

/// The step of the script that a block is; none: it is only shown, or run elsewhere.
fn step(block: &Block) -> Option<String> {
    const END: &str = "END-OF-THE-EXAMPLE";
    let words: Vec<&str> = block.words.iter().map(String::as_str).collect();
    let text = &block.text;
    if let Some(name) = value(&words, "elsewhere") {
        assert!(is_elsewhere(name, text), "there is no test and no file {name} for\n{text}");
        return None;
    }
    if let Some(path) = value(&words, "file") {
        let script = if text.starts_with("#!") { format!("chmod +x {path}\n") } else { String::new() };
        return Some(format!("mkdir -p \"$(dirname {path})\"\ncat > {path} <<'{END}'\n{text}{END}\n{script}"));
    }
    match words.as_slice() {
        ["sh"] => Some(text.clone()),
        [language, "config"] => Some(format!("checked {language} <<'{END}'\n{text}{END}\n")),
        ["json", "account"] => {
            Some(format!("tidegate user add -c /srv/tidegate --from-json - <<'{END}'\n{text}{END}\n"))
        }
        ["text"] => None,
        _ => panic!("nothing is said to be done with ```{}\n{text}", block.words.join(" ")),
    }
}

fn check(page: &str) {
    let text = std::fs::read_to_string(tools::root().join(page)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut script = PRELUDE.to_owned();
    for block in blocks(&text) {
        if let Some(step) = step(&block) {
            write!(script, "step {page}:{}\n{step}", block.line).unwrap();
        }
    }
    script.push_str("stop\n");
    let file = directory.path().join("examples.sh");
    std::fs::write(&file, script).unwrap();
    let mut alone = Command::new("unshare");
    alone.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "bash"]).arg(&file);
    alone.env("TREE", tools::root()).env("TIDEGATE", tools::tidegate()).env("WORK", directory.path());
    let output = tools::run(alone.stdin(Stdio::null()));
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{page}\n{said}");
}

#[test]
fn examples_of_readme() {
    check("README.md");
}

#[test]
fn examples_of_installing_and_running() {
    check("host/docs/install.md");
}

#[test]
fn examples_of_looking_after_a_server() {
    check("host/docs/operating.md");
}

#[test]
fn examples_of_accounts() {
    check("host/docs/accounts.md");
}

#[test]
fn examples_of_hooks() {
    check("host/docs/hooks.md");
}

#[test]
fn examples_of_writing_hooks() {
    check("host/docs/writing-hooks.md");
}

#[test]
fn examples_of_moving_in() {
    check("host/docs/moving-in.md");
}

#[test]
fn examples_of_limits_and_security() {
    check("host/docs/limits-and-security.md");
}

#[test]
fn examples_of_the_web_admin() {
    check("host/docs/web-admin.md");
}

#[test]
fn examples_of_commands() {
    check("host/docs/commands.md");
}

#[test]
fn every_page_has_its_examples_run() {
    let own = include_str!("documentation.rs");
    for entry in std::fs::read_dir(tools::root().join("host/docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let text = std::fs::read_to_string(&path).unwrap();
            let name = format!("check(\"host/docs/{}\")", path.file_name().unwrap().to_string_lossy());
            assert!(blocks(&text).is_empty() || own.contains(&name), "no test runs the examples of {}", path.display());
        }
    }
}

/// Targets of links in a page, without those to other machines and to headings.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#']).next())
        .filter(|link| !link.is_empty() && !link.contains("://"))
}

#[test]
fn links_lead_to_files_of_the_tree() {
    let root = tools::root();
    let directories = ["", "host", "host/docs", "host/adr", "host/spec"].map(|directory| root.join(directory));
    let pages = directories.iter().flat_map(|directory| std::fs::read_dir(directory).unwrap().flatten());
    let pages: Vec<PathBuf> = pages
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    assert!(pages.len() > 20, "{pages:?}");
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        let beside = page.parent().unwrap_or(Path::new(""));
        for link in links(&text) {
            assert!(beside.join(link).exists(), "{}: {link} leads nowhere", page.display());
        }
    }
}

#[test]
fn readme_is_short() {
    let lines = std::fs::read_to_string(tools::root().join("README.md")).unwrap().lines().count();
    assert!(lines <= 150, "README.md has {lines} lines; what is more belongs into host/docs");
}
