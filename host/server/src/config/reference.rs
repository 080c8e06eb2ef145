//! Generates `host/docs/configuration.md` from the comments on the keys and from their defaults.

use std::fmt::Write;

use serde_json::{Map, Value, json};
use tidegate_hooks_wasm::PluginSettings;

use super::commands::{Command, CommandOverride};
use super::keys::{Actions, Config, HostKey, HttpBinding, HttpCertificate, HttpHeader, RateLimiter, section_defaults};
use super::legacy_keys;
use crate::generated;

const SOURCES: [&str; 9] = [
    include_str!("keys/mod.rs"),
    include_str!("keys/sftpd.rs"),
    include_str!("keys/defender.rs"),
    include_str!("keys/data_provider.rs"),
    include_str!("keys/http.rs"),
    include_str!("keys/hook.rs"),
    include_str!("keys/tracing.rs"),
    include_str!("commands.rs"),
    include_str!("../../../hooks-wasm/src/settings.rs"),
];

const INTRODUCTION: &str = "\
# Every configuration key

<!-- Made by host/docs/generate from the comments in host/server/src/config/keys. -->

The server reads `tidegate.toml` in its configuration directory, or `tidegate.yaml`, `.yml`, `.json`, `.hcl`, `.env` or
`.properties`; where there is none of them, `sftpgo.*`. Without `-c` it also looks in `~/.config/tidegate`, `~/.config/sftpgo`,
`/etc/tidegate` and `/etc/sftpgo`. No file at all means the defaults below.

A variable of the environment wins over the file: `TIDEGATE_`, the section, two underscores and the key, in capitals, such as
`TIDEGATE_SFTPD__BIND_PORT=22`. Lists are separated by commas or written as JSON; the first element of a list of tables is
`TIDEGATE_SFTPD__KEYS__0__PRIVATE_KEY`. The same with `SFTPGO_` is understood.

`tidegate config check` says everything that is wrong. A key that does not exist is an error; `serve --lenient` only warns of it.

Keys are those of an older server, so its file works as it is. \"Old name\" is what else a key is called in files of that server; where
there is none, it has the same name there or is new. In the keys of hooks, a hook is the absolute path of a program, a URL, `plugin:NAME`, or a
list of these and of tables.
";

const SECRETS: &str = "
## `[secrets]`

Secrets that accounts, groups and folders name instead of having them: where one has `${secret:NAME}` as its `access_secret`, `password`,
`private_key` or `key_passphrase`, the value of `NAME` is used. Each is a text, `{ file = \"/PATH\" }` or `{ env = \"NAME\" }`, and is read each time that files are opened.
";

/// The text of the comment on an item.
#[derive(Debug, Default)]
struct Description {
    text: String,
    unit: String,
    old_name: String,
}

impl Description {
    fn add(&mut self, line: &str) {
        if let Some(unit) = line.strip_prefix("Unit: ") {
            self.unit = unit.to_owned();
        } else if let Some(name) = line.strip_prefix("Old name: ") {
            self.old_name = name.to_owned();
        } else {
            let space = if self.text.is_empty() { "" } else { " " };
            self.text = format!("{}{space}{line}", self.text);
        }
    }
}

/// The comment on a type, and the comments on its fields or variants.
fn described(name: &str) -> (Description, Vec<(String, Description)>) {
    let heads = [format!("pub struct {name} {{"), format!("pub enum {name} {{")];
    let is_head = |line: &str| heads.iter().any(|head| line == head);
    let source = SOURCES.into_iter().find(|source| source.lines().any(is_head));
    let mut lines = source.unwrap_or_else(|| panic!("there is no {name}")).lines();
    let (mut before, mut fields) = (Description::default(), Vec::new());
    for line in lines.by_ref().take_while(|line| !is_head(line)) {
        match line.strip_prefix("/// ") {
            Some(comment) => before.add(comment),
            None if line.starts_with("#[") || line.starts_with("// ") => {}
            None => before = Description::default(),
        }
    }
    let mut description = Description::default();
    for line in lines.map(str::trim).take_while(|line| *line != "}") {
        if let Some(comment) = line.strip_prefix("/// ") {
            description.add(comment);
        } else if !line.starts_with("#[") && !line.starts_with("//") {
            let field =
                line.trim_start_matches("pub ").trim_start_matches("r#").split([':', ',']).next().unwrap().to_owned();
            fields.push((field, std::mem::take(&mut description)));
        }
    }
    (before, fields)
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn default_of(value: &Value) -> String {
    match value {
        Value::Null => "not set".to_owned(),
        value => format!("`{value}`"),
    }
}

/// Adds a section: its keys, as the fields of the type `name` describe them. `defaults`: their values.
fn section(page: &mut String, title: &str, name: &str, defaults: &Value) {
    let (about, fields) = described(name);
    writeln!(page, "\n## {title}\n\n{}\n", about.text).unwrap();
    writeln!(page, "| key | default | unit | meaning | old name |\n| --- | --- | --- | --- | --- |").unwrap();
    let defaults = defaults.as_object().unwrap();
    assert_eq!(fields.len(), defaults.len(), "{name}: {:?}", defaults.keys());
    for (field, description) in fields {
        // Tables have sections of their own.
        if defaults[&field].as_object().is_some_and(|keys| !keys.is_empty()) {
            continue;
        }
        let Description { text, unit, old_name } = description;
        assert!(!text.is_empty(), "{name}.{field} has no description");
        let default = default_of(&defaults[&field]);
        writeln!(page, "| `{field}` | {default} | {unit} | {} | {} |", cell(&text), cell(&old_name)).unwrap();
    }
}

fn as_value<T: serde::Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap()
}

/// The defaults of a plugin's settings, written out because the type cannot be serialised.
fn plugin_defaults() -> Value {
    let defaults = json!({
        "grants": [], "accounts": "own", "homes": [], "http": [], "udp": [],
        "limits": {
            "deadline_ms": 10_000, "cpu_ms": 1_000, "memory_mib": 64, "concurrency": 64, "log_lines": 200,
            "instances": "session", "ready": 16,
        },
        "sha256": null, "secrets": {}, "config": null,
    });
    assert_eq!(PluginSettings::from_value(defaults.clone()).unwrap(), PluginSettings::default());
    defaults
}

/// Adds the variants of a type, under their names in settings.
fn variants(page: &mut String, title: &str, name: &str) {
    writeln!(page, "\n| {title} | meaning |\n| --- | --- |").unwrap();
    for (variant, description) in described(name).1 {
        let mut text = String::new();
        for (at, letter) in variant.char_indices() {
            let dash = if at > 0 && letter.is_uppercase() { "-" } else { "" };
            text = format!("{text}{dash}{}", letter.to_lowercase());
        }
        writeln!(page, "| `{text}` | {} |", cell(&description.text)).unwrap();
    }
}

/// Adds the keys of the older server's later versions.
fn missing_keys(page: &mut String) {
    page.push_str(
        "\n## Keys that this version does not have\n\nOf the older server's later versions. These are refused, because a \
         configuration that sets them relies on them:\n\n",
    );
    for (section, key, lack) in legacy_keys::REFUSED {
        writeln!(page, "- `{section}.{key}`: {lack}").unwrap();
    }
    page.push_str("- `plugins` as a list: programs that the older server called plugins; make components of them\n");
    page.push_str("\nThese are ignored, with a warning:\n\n");
    for (section, keys) in legacy_keys::IGNORED {
        let keys: Vec<_> = keys.iter().map(|key| format!("`{key}`")).collect();
        writeln!(page, "- in `{section}`: {}", keys.join(", ")).unwrap();
    }
    let sections: Vec<_> = legacy_keys::SECTIONS.iter().map(|section| format!("`{section}`")).collect();
    writeln!(page, "- the sections {}", sections.join(", ")).unwrap();
}

fn page() -> String {
    let config = as_value(&Config::default());
    let mut page = INTRODUCTION.to_owned();
    let top = json!({ "compat": config["compat"] });
    let (_, fields) = described("Config");
    let compat = fields.into_iter().find(|(field, _)| field == "compat").unwrap().1;
    let default = default_of(&top["compat"]);
    write!(
        page,
        "\n## Outside of all sections\n\n| key | default | meaning |\n| --- | --- | --- |\n| `compat` | {default} | {} |\n",
        compat.text
    )
    .unwrap();
    section(&mut page, "`[sftpd]`", "Sftpd", &config["sftpd"]);
    section(&mut page, "`[[sftpd.keys]]`", "HostKey", &as_value(&HostKey::default()));
    section(&mut page, "`[common]`", "Common", &config["common"]);
    let defender = &config["common"]["defender"];
    section(&mut page, "`[common.defender]`", "Defender", defender);
    section(&mut page, "`[common.defender.login_delay]`", "LoginDelay", &defender["login_delay"]);
    section(&mut page, "`[[common.rate_limiters]]`", "RateLimiter", &as_value(&RateLimiter::default()));
    let actions = "`[common.actions]`, `[sftpd.actions]`, `[data_provider.actions]`";
    section(&mut page, actions, "Actions", &as_value(&Actions::default()));
    section(&mut page, "`[data_provider]`", "DataProvider", &config["data_provider"]);
    section(&mut page, "`[httpd]`", "Httpd", &config["httpd"]);
    section(&mut page, "`[[httpd.bindings]]`", "HttpBinding", &as_value(&HttpBinding::default()));
    section(&mut page, "`[http]`", "Http", &config["http"]);
    section(&mut page, "`[[http.certificates]]`", "HttpCertificate", &as_value(&HttpCertificate::default()));
    section(&mut page, "`[[http.headers]]`", "HttpHeader", &as_value(&HttpHeader::default()));
    section(&mut page, "`[command]`", "Command", &as_value(&Command::default()));
    section(&mut page, "`[[command.commands]]`", "CommandOverride", &as_value(&CommandOverride::default()));
    page.push_str(SECRETS);
    section(&mut page, "`[tracing]`", "Tracing", &config["tracing"]);
    section(&mut page, "`[plugins]`", "Plugins", &config["plugins"]);
    section(&mut page, "`[hook.KIND]`, and the tables of links", "Section", &section_defaults());
    let plugin = plugin_defaults();
    section(&mut page, "`NAME.toml` beside a plugin, or `[plugin.NAME]`", "PluginSettings", &plugin);
    variants(&mut page, "`grants`", "Grant");
    section(&mut page, "`[limits]` in `NAME.toml`, or `[plugin.NAME.limits]`", "Limits", &plugin["limits"]);
    variants(&mut page, "`instances`", "Instances");
    missing_keys(&mut page);
    page
}

#[test]
fn the_page_of_keys_is_generated() {
    let page = page();
    for ((section, key), _) in legacy_keys::MOVED {
        assert!(page.contains(&format!("| `{section}.{key}` |")), "no key says that it was {section}.{key}");
    }
    generated::check("host/docs/configuration.md", &page);
}

#[test]
fn every_section_is_on_the_page() {
    let config = as_value(&Config::default());
    let free = |value: &Value| value.as_object().is_some_and(Map::is_empty);
    let page = page();
    for (name, _) in config.as_object().unwrap().iter().filter(|(_, value)| value.is_object() && !free(value)) {
        assert!(page.contains(&format!("`[{name}]`")), "{name}");
    }
}
