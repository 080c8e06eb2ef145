//! What a component wants of the host, as its imports say, and whether the operator has given it.

use crate::component_file::PACKAGE;
use crate::settings::PluginSettings;

/// Something that a component imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The interface in words, with the setting that gives it.
    pub what: &'static str,
    /// Whether the operator has given it, or every plugin has it.
    pub is_granted: bool,
}

/// What these imports want.
pub fn wanted(imports: &[String], settings: &PluginSettings) -> Vec<Wanted> {
    let table = [
        ("wasi:http/outgoing-handler", "HTTP requests to other servers (http)", !settings.http.is_empty()),
        ("wasi:sockets/udp", "datagrams (udp)", !settings.udp.is_empty()),
        ("tidegate:hooks/secrets", "secrets by name (secrets)", !settings.secrets.is_empty()),
        ("tidegate:hooks/kv", "values of its own that the server keeps (kv)", true),
        ("tidegate:hooks/config", "its settings (config)", true),
        ("tidegate:hooks/log", "lines in the log (log)", true),
    ];
    let is_imported = |interface: &str| {
        imports.iter().any(|import| {
            import.strip_prefix(interface).is_some_and(|rest| rest.is_empty() || rest.starts_with(['@', '-', '/']))
        })
    };
    let found = table.into_iter().filter(|(interface, _, _)| is_imported(interface));
    found.map(|(_, what, is_granted)| Wanted { what, is_granted }).collect()
}

/// The version of the contract that the component was made for; None: it imports nothing of the contract.
pub fn contract_version(imports: &[String]) -> Option<String> {
    let versions = imports.iter().filter_map(|import| import.strip_prefix(PACKAGE)?.split_once('@'));
    // All interfaces of one package have one version.
    versions.map(|(_, version)| version.to_owned()).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_and_not_granted_is_told() {
        let check = |imports: &[&str], settings: &str, expected: &[(&str, bool)]| {
            let imports: Vec<_> = imports.iter().map(ToString::to_string).collect();
            let settings = PluginSettings::from_toml(settings).unwrap();
            let found = wanted(&imports, &settings);
            let word = |wanted: &Wanted| wanted.what.rsplit_once('(').unwrap().1.trim_end_matches(')').to_owned();
            let found: Vec<_> = found.iter().map(|wanted| (word(wanted), wanted.is_granted)).collect();
            let expected: Vec<_> = expected.iter().map(|(name, given)| ((*name).to_owned(), *given)).collect();
            assert_eq!(found, expected);
        };
        check(&[], "", &[]);
        check(&["wasi:http/outgoing-handler@0.2.6", "tidegate:hooks/kv@0.1.0"], "", &[("http", false), ("kv", true)]);
        check(&["wasi:http/outgoing-handler@0.2.6"], "http = [\"https://a.example\"]", &[("http", true)]);
        check(&["tidegate:hooks/secrets@0.1.0"], "[secrets]\na = \"x\"", &[("secrets", true)]);
        check(&["wasi:sockets/udp-create-socket@0.2.6"], "", &[("udp", false)]);
    }

    #[test]
    fn the_version_of_the_contract_is_that_of_its_imports() {
        let check = |imports: &[&str], expected: Option<&str>| {
            let imports: Vec<_> = imports.iter().map(ToString::to_string).collect();
            assert_eq!(contract_version(&imports).as_deref(), expected, "{imports:?}");
        };
        check(&["wasi:cli/environment@0.2.6", "tidegate:hooks/types@0.1.2", "tidegate:hooks/kv@0.1.2"], Some("0.1.2"));
        check(&["wasi:cli/environment@0.2.6", "tidegate:hooks/types"], None);
        check(&[], None);
    }
}
