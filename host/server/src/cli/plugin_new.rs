//! `tidegate plugin new`: a project that builds at once and has a passing test. The templates
//! and the examples of each hook are those of `sdk/`, which is copied along.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::ValueEnum;
use include_dir::{Dir, DirEntry, include_dir};
use tidegate_core::hook::HookKind;

const TEMPLATE: &str = ".template";
const MAX_NAME: usize = 64;

static WIT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../wit");
static RUST: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/rust");
static JAVASCRIPT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/js");
static C: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/c");
static GO: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/go");
static PYTHON: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/python");

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    Rust,
    Js,
    Python,
    C,
    Go,
}

#[derive(Debug, clap::Args)]
pub struct NewArguments {
    /// The plugin's name: letters, digits and "-"
    name: String,
    /// The language
    #[arg(long, value_enum)]
    lang: Language,
    /// A hook point, such as external-auth; again for more
    #[arg(long = "hook", required = true)]
    hooks: Vec<String>,
    /// The directory to make it in
    #[arg(long, default_value = ".")]
    directory: PathBuf,
}

/// What a language's templates are made of.
struct Templates {
    sdk: &'static Dir<'static>,
    /// Where the SDK goes in the project.
    sdk_target: &'static str,
    /// Parts of the SDK that the project needs; none means all but templates and examples.
    copied: &'static [&'static str],
    /// The directory of the SDK with an example for each hook.
    hooks: &'static str,
    /// Where the example of a hook goes, and what is at the end of its name.
    examples: &'static str,
    extension: &'static str,
}

impl Language {
    /// Where its tools look for the contract.
    fn wit(self) -> &'static str {
        match self {
            Self::Rust => "wit",
            Self::Js => "sdk/js/wit",
            Self::Python => "sdk/python/tidegate_hook/wit",
            // For reading: `tidegate plugin component` has its own.
            Self::C | Self::Go => "wit",
        }
    }

    fn templates(self) -> Templates {
        match self {
            Self::Rust => Templates {
                sdk: &RUST,
                sdk_target: "sdk/rust",
                copied: &["Cargo.toml", "src"],
                hooks: "hooks",
                examples: "src",
                extension: "rs",
            },
            Self::Js => Templates {
                sdk: &JAVASCRIPT,
                sdk_target: "sdk/js",
                copied: &[
                    "build.js",
                    "command.js",
                    "entry.js",
                    "index.js",
                    "index.d.ts",
                    "mend.js",
                    "package.json",
                    "testing.js",
                    "testing.d.ts",
                    "verdicts.js",
                    "generated",
                    "host",
                    "wasi",
                ],
                hooks: "hooks",
                examples: "hooks",
                extension: "js",
            },
            Self::Python => Templates {
                sdk: &PYTHON,
                sdk_target: "sdk/python",
                copied: &["pyproject.toml", "tidegate_hook"],
                hooks: "hooks",
                examples: "",
                extension: "py",
            },
            Self::C => Templates {
                sdk: &C,
                sdk_target: "sdk/c",
                copied: &[
                    "fake_server.c",
                    "fake_server.h",
                    "generated",
                    "hooks",
                    "tidegate_draft.h",
                    "tidegate_events.h",
                    "tidegate_hook.c",
                    "tidegate_hook.h",
                ],
                hooks: "examples",
                examples: "src",
                extension: "c",
            },
            Self::Go => Templates {
                sdk: &GO,
                sdk_target: "sdk/go",
                copied: &[],
                hooks: "examples",
                examples: "",
                extension: "go",
            },
        }
    }
}

pub fn write(arguments: &NewArguments) -> anyhow::Result<()> {
    check_name(&arguments.name)?;
    let hooks = hooks(&arguments.hooks)?;
    let project = arguments.directory.join(&arguments.name);
    if project.exists() {
        bail!("{} is there already; choose another name, or remove it", project.display());
    }
    let templates = arguments.lang.templates();
    let words = Words::new(&arguments.name, &hooks);
    // In the tree it is a link from each SDK.
    let wit = project.join(arguments.lang.wit());
    write_directory(&WIT, "", &wit, &|path| !path.starts_with("released"))?;
    let own = |path: &Path| ["template", "examples"].iter().any(|part| path.starts_with(part));
    let copied = |path: &Path| match templates.copied {
        [] => !own(path),
        parts => parts.iter().any(|part| path.starts_with(part)),
    };
    write_directory(templates.sdk, "", &project.join(templates.sdk_target), &copied)?;
    for kind in &hooks {
        let file = format!("{}.{}", kind.as_str().replace('-', "_"), templates.extension);
        let example = templates.sdk.get_file(format!("{}/{file}", templates.hooks));
        let example = example.with_context(|| format!("there is no example for {kind} in this language"))?;
        write_file(&project.join(templates.examples).join(file), example.contents())?;
    }
    let template = templates.sdk.get_dir("template").context("the language has no template")?;
    write_templates(template, template.path(), &project, &words)?;
    let name = &arguments.name;
    write_file(&project.join("events.toml"), words.events().as_bytes())?;
    write_file(&project.join(format!("{name}.toml")), words.settings().as_bytes())?;
    println!("{} is made; its README.md says how to build and test it.", project.display());
    Ok(())
}

fn check_name(name: &str) -> anyhow::Result<()> {
    let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let starts = name.chars().next().is_some_and(|first| first.is_ascii_lowercase());
    if !starts || name.len() > MAX_NAME || name.ends_with('-') || name.contains("--") || !name.chars().all(valid) {
        bail!(
            "\"{name}\" is not a name for a plugin: it begins with a letter and has small letters, digits and single \
             \"-\" only, at most {MAX_NAME} of them"
        );
    }
    Ok(())
}

fn hooks(names: &[String]) -> anyhow::Result<Vec<HookKind>> {
    let mut hooks = Vec::new();
    for name in names.iter().flat_map(|names| names.split(',')) {
        let kind = HookKind::from_name(name.trim()).with_context(|| {
            format!("\"{name}\" is not a hook point; there are {}", HookKind::ALL.map(HookKind::as_str).join(", "))
        })?;
        if !hooks.contains(&kind) {
            hooks.push(kind);
        }
    }
    Ok(hooks)
}

/// What is put into templates for `{{…}}`.
struct Words {
    name: String,
    hooks: Vec<HookKind>,
    replacements: Vec<(&'static str, String)>,
}

impl Words {
    fn new(name: &str, hooks: &[HookKind]) -> Self {
        let each = |word: &dyn Fn(&str) -> String, between: &str| {
            hooks.iter().map(|kind| word(kind.as_str())).collect::<Vec<_>>().join(between)
        };
        let snake = |kind: &str| kind.replace('-', "_");
        let expected = |kind: &str| HookKind::from_name(kind).map_or("", expected_of_example);
        let replacements = vec![
            ("{{name}}", name.to_owned()),
            ("{{hooks}}", each(&str::to_owned, " ")),
            ("{{modules}}", each(&|kind| format!("mod {};", snake(kind)), "\n")),
            ("{{traits}}", each(&camel, ", ")),
            (
                "{{js-exports}}",
                each(&|kind| format!("export {{ {} }} from \"./hooks/{}.js\";", lower_camel(kind), snake(kind)), "\n"),
            ),
            ("{{js-expected}}", each(&|kind| format!("  {}: \"{}\",", lower_camel(kind), expected(kind)), "\n")),
            ("{{c-includes}}", each(&|kind| format!("#include <hooks/{}.h>", snake(kind)), "\n")),
            ("{{c-tests}}", each(&|kind| c_test(kind).unwrap_or_default(), "\n")),
            ("{{py-imports}}", each(&|kind| format!("from {0} import {0}", snake(kind)), "\n")),
            ("{{py-names}}", each(&|kind| format!("\"{}\"", snake(kind)), ", ")),
            ("{{py-expected}}", each(&|kind| format!("    \"{}\": \"{}\",", snake(kind), expected(kind)), "\n")),
        ];
        Self { name: name.to_owned(), hooks: hooks.to_vec(), replacements }
    }

    fn fill(&self, text: &str) -> String {
        self.replacements.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value))
    }

    /// A table for `tidegate hook test --file`.
    fn events(&self) -> String {
        let mut text = format!("# tidegate hook test --file events.toml\nlink = \"{}.wasm\"\n", self.name);
        for kind in &self.hooks {
            let expected = expected_of_example(*kind);
            text.push_str(&format!(
                "\n[[event]]\nname = \"{kind} about nobody in particular\"\nhook = \"{kind}\"\nuser = \"nobody\"\n\
                 password = \"guess\"\nexpect = \"{expected}\"\n"
            ));
        }
        text
    }

    fn settings(&self) -> String {
        let mut text = format!(
            "# What the operator grants {0} and sets for it; goes beside {0}.wasm.\n\
             # grants = [\"credentials\"]\n# http = [\"https://example.com\"]\n",
            self.name
        );
        if self.hooks.contains(&HookKind::CheckPassword) {
            text = text.replace("# grants", "grants");
        }
        text.push_str("\n[config]\n");
        if self.hooks.contains(&HookKind::ExternalAuth) {
            // Of the word "changeme".
            text.push_str(
                "password_hash = \"$2b$10$eZxP33.gmdECc0xP81o/YuFHHVIAu5HS0/3Y7Hsd9FEKXWtoLkM3u\"\n\
                 directory = \"/srv/guests\"\n",
            );
        }
        text
    }
}

/// What the example of `sdk/*/hooks` says about nobody in particular.
fn expected_of_example(kind: HookKind) -> &'static str {
    match kind {
        HookKind::ExternalAuth | HookKind::CheckPassword => "defer",
        HookKind::PreLogin => "unchanged",
        // Nobody answers its questions.
        HookKind::KeyboardInteractive => "failed",
        HookKind::Connect
        | HookKind::LoginPre
        | HookKind::SessionCreate
        | HookKind::PreAction
        | HookKind::PasswordResetPre => "allow",
        _ => "told",
    }
}

/// A call of the example with what the fake server can make up, and what it answers.
fn c_test(kind: &str) -> Option<String> {
    let name = kind.replace('-', "_");
    let (arguments, verdict) = match kind {
        "external-auth" => ("fake_login_attempt(\"nobody\", \"guess\")", "EXTERNAL_AUTH_DEFER"),
        "login-pre" => ("fake_login_attempt(\"nobody\", \"guess\")", "LOGIN_PRE_ALLOW"),
        "pre-login" => ("fake_login_attempt(\"nobody\", \"guess\"), (account_t) {0}", "PRE_LOGIN_UNCHANGED"),
        "connect" => ("fake_connection(\"192.0.2.1\")", "CONNECT_ALLOW"),
        "startup" => ("text(\"0.1.0\")", ""),
        "one-click-login-post" => ("text(\"token\"), text(\"nobody\"), text(\"elsewhere\")", ""),
        "session-destroy" => ("fake_session(\"nobody\"), text(\"logout\"), 1000", ""),
        "disconnect" => ("fake_connection(\"192.0.2.1\"), (session_t) {0}, 1000", ""),
        _ => return None,
    };
    let verdict = if verdict.is_empty() { String::new() } else { format!(" && result.val.ok.tag == {verdict}") };
    Some(format!(
        "  {{\n    {name}_t result = on_{name}({arguments});\n    check(\"{kind}\", !result.is_err{verdict});\n  }}"
    ))
}

/// `external-auth` becomes `ExternalAuth`.
fn camel(kind: &str) -> String {
    let capital = |part: &str| part.get(..1).unwrap_or_default().to_uppercase() + part.get(1..).unwrap_or_default();
    kind.split('-').map(capital).collect()
}

/// `external-auth` becomes `externalAuth`.
fn lower_camel(kind: &str) -> String {
    let name = camel(kind);
    name.get(..1).unwrap_or_default().to_lowercase() + name.get(1..).unwrap_or_default()
}

fn write_directory(from: &Dir<'_>, strip: &str, to: &Path, wanted: &dyn Fn(&Path) -> bool) -> anyhow::Result<()> {
    for entry in from.entries() {
        match entry {
            DirEntry::Dir(directory) => write_directory(directory, strip, to, wanted)?,
            DirEntry::File(file) => {
                let path = file.path().strip_prefix(strip).unwrap_or(file.path());
                if wanted(path) {
                    write_file(&to.join(path), file.contents())?;
                }
            }
        }
    }
    Ok(())
}

fn write_templates(from: &Dir<'_>, root: &Path, to: &Path, words: &Words) -> anyhow::Result<()> {
    for entry in from.entries() {
        match entry {
            DirEntry::Dir(directory) => write_templates(directory, root, to, words)?,
            DirEntry::File(file) => {
                let path = file.path().strip_prefix(root)?.to_string_lossy().into_owned();
                let target = to.join(path.strip_suffix(TEMPLATE).unwrap_or(&path));
                let text = file.contents_utf8().context("a template is not text")?;
                write_file(&target, words.fill(text).as_bytes())?;
                if path.contains(".sh") {
                    make_executable(&target)?;
                }
            }
        }
    }
    Ok(())
}

fn write_file(path: &Path, contents: &[u8]) -> anyhow::Result<()> {
    let unwritable = || format!("{} cannot be written", path.display());
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(unwritable)?;
    }
    std::fs::write(path, contents).with_context(unwritable)
}

fn make_executable(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?)
}
