//! Generates `host/docs/commands.md` and the man pages in `host/packaging/man` from the definition
//! of the command line, and `host/docs/account-fields.md` from the table of fields.

use std::collections::BTreeSet;
use std::fmt::Write;

use clap::{Command, CommandFactory};
use tidegate_core::account::fields::{ACCOUNT, Field, Kind, Maintainer};

use super::Cli;
use crate::generated;

const MAN: &str = "host/packaging/man";
const WIDTH: usize = 100;

const INTRODUCTION: &str = "\
# Every command

<!-- Made by host/docs/generate from what the command line says of itself. -->

`tidegate help COMMAND` says the same, `man tidegate` too where the Debian package is installed, and
`tidegate completions bash|zsh|fish` prints what makes a shell complete it:

```sh
tidegate completions bash > /etc/bash_completion.d/tidegate
```
";

/// The command line without what differs between builds.
fn command_line() -> Command {
    let mut command = Cli::command().version(env!("CARGO_PKG_VERSION")).term_width(WIDTH).disable_help_subcommand(true);
    command.build();
    command
}

/// All commands that are not hidden, in the order of the help.
fn all(command: &Command) -> Vec<Command> {
    let below = command.get_subcommands().filter(|command| !command.is_hide_set()).flat_map(all);
    std::iter::once(command.clone()).chain(below).collect()
}

fn name(command: &Command) -> &str {
    command.get_bin_name().unwrap_or_else(|| command.get_name())
}

#[test]
fn the_page_of_commands_is_generated() {
    let mut page = INTRODUCTION.to_owned();
    for mut command in all(&command_line()) {
        let help = command.render_long_help().to_string();
        let help: Vec<_> = help.lines().map(str::trim_end).collect();
        write!(page, "\n## {}\n\n```text\n{}\n```\n", name(&command), help.join("\n").trim()).unwrap();
    }
    generated::check("host/docs/commands.md", &page);
}

#[test]
fn the_schema_of_accounts_is_generated() {
    // C1-01, C1-07: it has each field that is accepted.
    let schema = serde_json::to_string_pretty(&tidegate_core::account::json_schema()).unwrap();
    generated::check("host/spec/account.schema.json", &format!("{schema}\n"));
}

#[test]
fn the_man_pages_are_generated() {
    let mut names = BTreeSet::new();
    for command in all(&command_line()) {
        let page = format!("{}.1", name(&command).replace(' ', "-"));
        let mut text = Vec::new();
        clap_mangen::Man::new(command).render(&mut text).unwrap();
        generated::check(&format!("{MAN}/{page}"), &String::from_utf8(text).unwrap());
        names.insert(page);
    }
    let there = std::fs::read_dir(generated::root().join(MAN)).unwrap();
    let there: BTreeSet<_> = there.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(there, names, "{MAN} has pages of other commands");
}

#[test]
fn everything_says_what_it_is_for() {
    for command in all(&command_line()) {
        assert!(command.get_about().is_some(), "{} does not say what it is for", name(&command));
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            let says = argument.get_help().is_some_and(|help| !help.to_string().is_empty());
            assert!(says, "{}: {} does not say what it is for", name(&command), argument.get_id());
        }
    }
}

const FIELDS: &str = "\
# Every field of accounts

<!-- Made by host/docs/generate from host/core/src/account/field_table.rs. -->

An account as a document, as `tidegate user show` prints it, `--from-json` and `load` read it, and hooks make it. A dot leads into an
object; `[]` stands for each element of a list. What the server sets, documents may carry, and it is not taken from them.

| field | meaning | set by |
| --- | --- | --- |
";

fn rows(page: &mut String, prefix: &str, fields: &[Field]) {
    for field in fields {
        let name = format!("{prefix}{}", field.name);
        let by = match field.maintainer {
            Maintainer::Server => "the server",
            Maintainer::Administrator => "",
        };
        writeln!(page, "| `{name}` | {} | {by} |", field.about.replace('|', "\\|")).unwrap();
        match field.kind {
            Kind::Object(inner) | Kind::Whole(inner) => rows(page, &format!("{name}."), inner),
            Kind::List(inner) => rows(page, &format!("{name}[]."), inner),
            Kind::Integer(..)
            | Kind::Time
            | Kind::Text
            | Kind::Flag
            | Kind::Texts
            | Kind::Permissions
            | Kind::SecretText
            | Kind::Anything => {}
        }
    }
}

#[test]
fn the_page_of_fields_is_generated() {
    let mut page = FIELDS.to_owned();
    rows(&mut page, "", ACCOUNT);
    generated::check("host/docs/account-fields.md", &page);
}
