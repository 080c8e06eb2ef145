//! The tables of `tests/web/pages.mjs`, from which the browser's tests go: to each page with axe-core, with a keyboard, with
//! each permission and with names full of markup.

use std::collections::BTreeSet;

use crate::client::places;
use crate::objects::Kind;
use crate::route::routes;

/// What no table has: addresses that lead to another page, and the second step of a form.
fn is_no_page(path: &str) -> bool {
    path == "/" || path == "/web/user" || path.contains('{') || path.ends_with("/bulk/do")
}

/// The paths in the tables of these names.
fn named(tables: &str, names: &[&str]) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for name in names {
        let (_, table) = tables.split_once(&format!("const {name} = ")).unwrap_or_else(|| panic!("no table {name}"));
        let end = ["];\n", "]);\n"].into_iter().filter_map(|end| table.find(end)).min().unwrap();
        let addresses = table[..end].split(['\'', '`']).filter(|text| text.starts_with("/web"));
        for path in addresses.map(|address| address.split('?').next().unwrap()) {
            match path.strip_prefix("/web/${kind}") {
                Some(rest) => paths.extend(Kind::ALL.into_iter().map(|kind| format!("{}{rest}", kind.path()))),
                None => paths.extend([path.to_owned()]),
            }
        }
    }
    paths
}

#[test]
fn the_browser_goes_to_each_page_and_form() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/web/pages.mjs");
    let tables = std::fs::read_to_string(file).unwrap();
    let served = |method: &str| -> BTreeSet<String> {
        let of_administrators = routes().into_iter().map(|route| (route.method, route.path));
        let of_users = places().into_iter().map(|place| (place.method, place.path.to_owned()));
        let all = of_administrators.chain(of_users).filter(|(of, path)| of == method && !is_no_page(path));
        all.map(|(_, path)| path).collect()
    };
    for (method, names) in [
        ("GET", &["ofObjects", "PAGES", "FILES", "OF_STRANGERS", "BEFORE_LOG_IN", "OWN_PAGES"][..]),
        ("POST", &["FORMS", "FORMS_OF_STRANGERS", "OWN_FORMS"]),
    ] {
        let (served, named) = (served(method), named(&tables, names));
        let missing: Vec<_> = served.difference(&named).collect();
        let gone: Vec<_> = named.difference(&served).collect();
        assert!(missing.is_empty() && gone.is_empty(), "{file} lacks {missing:?}, and has {gone:?} ({method})");
    }
}

/// The views that the objects of all kinds have in the same way: those of users are enough.
fn is_as_of_users(path: &str) -> bool {
    let of_others = Kind::ALL.into_iter().filter(|kind| *kind != Kind::User);
    let mut views = of_others.flat_map(|kind| ["new", "json", "delete"].map(|view| format!("{}/{view}", kind.path())));
    views.any(|view| view == path)
}

#[test]
fn pictures_are_taken_of_each_page() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/web/screenshots.mjs");
    let script = std::fs::read_to_string(file).unwrap();
    let addresses = script
        .split(['\'', '`'])
        .map(|text| text.trim_start_matches("${server.address}").trim_start_matches("${empty.address}"));
    let taken: BTreeSet<_> =
        addresses.filter_map(|text| text.split('?').next()).filter(|path| path.starts_with("/web")).collect();
    let of_administrators = routes().into_iter().filter(|route| route.method == "GET").map(|route| route.path);
    let of_users = places().into_iter().filter(|place| place.method == "GET").map(|place| place.path.to_owned());
    let pages = of_administrators.chain(of_users).filter(|path| !is_no_page(path) && path != "/web/audit/export");
    let missing: Vec<_> = pages.filter(|path| !is_as_of_users(path) && !taken.contains(path.as_str())).collect();
    assert!(missing.is_empty(), "{file} takes no picture of {missing:?}");
}
