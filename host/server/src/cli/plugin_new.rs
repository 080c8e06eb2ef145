//! `tidegate plugin new`: writes a project that builds at once and has a passing test. The
//! templates, and the examples of each hook, are those of `sdk/`, which is copied as well.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::ValueEnum;
use include_dir::{Dir, DirEntry, include_dir};
use tidegate_core::hook::HookKind;

use super::plugin_words::Words;

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

/// The parts of a language's templates.
struct Templates {
    sdk: &'static Dir<'static>,
    /// The directory of the SDK in the project.
    sdk_target: &'static str,
    /// Parts of the SDK that the project needs; empty: all but templates and examples.
    copied: &'static [&'static str],
    /// The directory of the SDK with an example for each hook.
    hooks: &'static str,
    /// The directory for the example of a hook, and how its name ends.
    examples: &'static str,
    extension: &'static str,
}

impl Language {
    /// Where the language's tools look for the contract.
    fn wit(self) -> &'static str {
        match self {
            Self::Rust => "wit",
            Self::Js => "sdk/js/wit",
            Self::Python => "sdk/python/tidegate_hook/wit",
            // Only for reading: `tidegate plugin component` has the contract built in.
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
    // In the tree, each SDK has a symbolic link to it.
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
        let target = project.join(templates.examples).join(file);
        match arguments.lang {
            Language::Rust => {
                let text = example.contents_utf8().context("an example is not text")?;
                write_file(&target, words.rust_example(*kind, text).as_bytes())?;
            }
            _ => write_file(&target, example.contents())?,
        }
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
