//! Which symbolic links may lead to the root of a tree. An account that can change a directory on the way to another
//! account's home can put a link there, and have the server open what it likes as that home. So where links lead into the
//! server's own directories, or are in a directory that an account has, the root is not opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::placeholders::Placeholders;
use super::stored::occupied;
use super::{HomeCheck, HomeRule, Occupied, folders_with_paths};
use crate::ports::storage::{RootCheck, StorageError, StorageErrorKind, Way};
use crate::ports::{Directory, GROUPS, HostPaths, PageRequest, StoreError};

/// How many groups are read at once.
const PAGE: u32 = 1000;

/// The check of links to homes and folders.
pub struct RootLinks {
    homes: HomeCheck,
    directory: Arc<dyn Directory>,
}

impl RootLinks {
    /// A check by the rule on homes. `directory`: where it is known which directories accounts have.
    pub fn new(rule: HomeRule, paths: Arc<dyn HostPaths>, directory: Arc<dyn Directory>) -> Self {
        Self { homes: HomeCheck::new(rule, paths), directory }
    }

    /// A path that names the server's directory without links is the owner's choice: no other administrator could store it.
    async fn check_own(&self, way: &Way) -> Result<(), StorageError> {
        let roots = self.homes.without_links(&self.homes.rule.roots).await;
        let own = self.homes.without_links(&self.homes.rule.own).await;
        // A name that is not UTF-8 is in no path of the server, so that it does not matter how it is shown.
        let found = way.found.to_string_lossy();
        for (written, own) in self.homes.rule.own.iter().zip(own) {
            let rule = HomeRule { roots: roots.clone(), own: vec![own.clone()] };
            let place = Relation::of(&way.found, &own);
            let is_as_written = [written, &own].into_iter().any(|name| Relation::of(&way.written, name) == place);
            if rule.check_own_alone(&found).is_err() && !is_as_written {
                let text = format!("would hold or be in {own}, which is the server's own");
                return Err(refused(way, way.links.first(), &text));
            }
        }
        Ok(())
    }

    async fn check_makers(&self, way: &Way) -> Result<(), StorageError> {
        let written = &self.homes.rule.roots;
        let mut roots = self.homes.without_links(written).await;
        roots.extend(written.iter().cloned());
        // The account of a directory that holds a whole root is the operator's, for all homes.
        let is_operators = |directory: &Path| {
            directory == Path::new("/") || roots.iter().any(|root| Path::new(root).starts_with(directory))
        };
        let holders = way.links.iter().filter_map(|link| Some((link, link.parent()?)));
        let asked: Vec<(&PathBuf, &Path)> = holders.filter(|(_, holder)| !is_operators(holder)).collect();
        if asked.is_empty() {
            return Ok(());
        }
        let unknown = |error: StoreError| {
            let text = format!("it is not known whose symbolic links lead to {}: {error}", way.written.display());
            StorageError::new(StorageErrorKind::Other, text)
        };
        let places = self.places().await.map_err(unknown)?;
        for (link, holder) in asked {
            let makers = places.iter().filter_map(|place| Some((place, around(&place.path, holder)?)));
            for (maker, directory) in makers.filter(|(_, directory)| !is_operators(directory)) {
                let by = &maker.by;
                if !way.found.starts_with(&directory) {
                    let text = format!("is outside the directory of {by}, which may have made the link");
                    return Err(refused(way, Some(link), &text));
                }
                if let Some(other) = other_inside(&places, way, &directory) {
                    let text = format!("is a directory of {other}, and {by} may have made the link");
                    return Err(refused(way, Some(link), &text));
                }
            }
        }
        Ok(())
    }

    /// The directories that accounts have, as they are written and with links resolved. A placeholder of a group stands
    /// for one name.
    async fn places(&self) -> Result<Vec<Occupied>, StoreError> {
        let mut places = occupied(&*self.directory, "").await?;
        let mut page = PageRequest { limit: PAGE, ..PageRequest::default() };
        loop {
            let groups = self.directory.list(&GROUPS, page.clone()).await?;
            let Some(last) = groups.last() else { break };
            page.after = Some(last.name.clone());
            for group in &groups {
                let by = format!("an account of the group \"{}\"", group.name);
                places.extend(directories(&group.document).into_iter().map(|path| Occupied { path, by: by.clone() }));
            }
        }
        places.retain(|place| place.path.starts_with('/'));
        let written: Vec<String> = places.iter().map(|place| place.path.clone()).collect();
        let found = self.homes.without_links(&written).await;
        let resolved = places.iter().zip(found).filter(|(place, found)| place.path != *found);
        let resolved: Vec<Occupied> = resolved.map(|(place, path)| Occupied { path, by: place.by.clone() }).collect();
        places.extend(resolved);
        Ok(places)
    }
}

#[async_trait]
impl RootCheck for RootLinks {
    async fn check(&self, way: &Way) -> Result<(), StorageError> {
        if way.links.is_empty() {
            return Ok(());
        }
        self.check_own(way).await?;
        self.check_makers(way).await
    }
}

/// The directories that a group gives to its accounts.
fn directories(group: &Map<String, Value>) -> Vec<String> {
    let settings = group.get("user_settings").and_then(Value::as_object);
    let home = settings.and_then(|settings| settings.get("home_dir")).and_then(Value::as_str).map(str::to_owned);
    home.into_iter().chain(folders_with_paths(group).into_iter().map(|(_, path)| path)).collect()
}

/// How a path lies to a directory of the server; None: neither holds the other.
#[derive(Debug, PartialEq, Eq)]
enum Relation<'a> {
    LiesIn(&'a Path),
    Holds(&'a Path),
}

impl<'a> Relation<'a> {
    fn of(path: &'a Path, own: &'a str) -> Option<Self> {
        let own = Path::new(own);
        let holds = || own.strip_prefix(path).ok().map(Self::Holds);
        path.strip_prefix(own).ok().map(Self::LiesIn).or_else(holds)
    }
}

/// The other account or folder with a directory below `directory` that the way leads into: a user that may change
/// `directory` may have other permissions there.
fn other_inside<'a>(places: &'a [Occupied], way: &Way, directory: &Path) -> Option<&'a str> {
    let is_own = |place: &&Occupied| around(&place.path, &way.written).is_some_and(|found| found == way.written);
    let own: Vec<&str> = places.iter().filter(is_own).map(|place| &*place.by).collect();
    let is_inside = |place: &&Occupied| {
        let around = around(&place.path, &way.found);
        around.is_some_and(|around| around != directory && around.starts_with(directory))
    };
    let mut others = places.iter().filter(is_inside).map(|place| &*place.by);
    others.find(|by| !own.contains(by))
}

/// The directory of this path in which `directory` is, or which it is.
fn around(path: &str, directory: &Path) -> Option<PathBuf> {
    let mut names = directory.components();
    let mut around = PathBuf::new();
    for wanted in Path::new(path).components() {
        let name = names.next()?;
        let is_placeholder = wanted.as_os_str().to_str().is_some_and(Placeholders::are_in);
        if name != wanted && !is_placeholder {
            return None;
        }
        around.push(name);
    }
    Some(around)
}

fn refused(way: &Way, link: Option<&PathBuf>, problem: &str) -> StorageError {
    let link = link.map(|link| link.display().to_string()).unwrap_or_default();
    let text = format!(
        "the directory {} is not opened, because the symbolic link {link} leads to {}, and this {problem}; remove the \
         link, or give the account or the folder the directory without links",
        way.written.display(),
        way.found.display()
    );
    StorageError::new(StorageErrorKind::PermissionDenied, text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::memory::MemoryStore;
    use crate::ports::{Change, Collection, FOLDERS, USERS, Write};

    /// A host on which `/home` leads to `/srv/home`, and `/opt/state` to `/srv/state`.
    struct Links;

    #[async_trait]
    impl HostPaths for Links {
        async fn resolve(&self, paths: Vec<String>) -> Vec<Result<String, String>> {
            let links = [("/home", "/srv/home"), ("/opt/state", "/srv/state")];
            let resolve = |path: String| {
                let link = links.into_iter().find(|(link, _)| Path::new(&path).starts_with(link));
                Ok(link.map_or(path.clone(), |(link, target)| path.replacen(link, target, 1)))
            };
            paths.into_iter().map(resolve).collect()
        }
    }

    async fn links(roots: &[&str]) -> RootLinks {
        let store = Arc::new(MemoryStore::default());
        let add = |collection: &'static Collection, name: &str, document: Value| Change {
            collection,
            name: name.to_owned(),
            write: Write::Add(document.as_object().cloned().unwrap()),
            announce: false,
            audit: None,
        };
        let user = |name: &str, home: &str| add(&USERS, name, json!({"username": name, "home_dir": home}));
        let changes = vec![
            user("alice", "/data/alice"),
            user("vic", "/data/alice/vic"),
            user("carol", "/home/carol"),
            user("all", "/"),
            user("every", "/data"),
            add(&FOLDERS, "team", json!({"name": "team", "mapped_path": "/data/team"})),
            add(&GROUPS, "staff", json!({"name": "staff", "user_settings": {"home_dir": "/staff/%username%/files"}})),
        ];
        store.commit(changes).await.unwrap();
        let own = vec!["/opt/state".to_owned(), "/var/log/tidegate".to_owned()];
        let rule = HomeRule { roots: roots.iter().map(|root| (*root).to_owned()).collect(), own };
        RootLinks::new(rule, Arc::new(Links), store)
    }

    async fn check(roots: &[&str], written: &str, links_on_way: &[&str], found: &str, expected: Result<(), &str>) {
        let way = Way {
            written: written.into(),
            found: found.into(),
            links: links_on_way.iter().map(PathBuf::from).collect(),
        };
        let outcome = links(roots).await.check(&way).await;
        match (&outcome, expected) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(text)) if error.message.contains(text) => {
                assert_eq!(error.kind, StorageErrorKind::PermissionDenied);
            }
            _ => panic!("{way:?} with {roots:?}: {outcome:?}"),
        }
    }

    #[tokio::test]
    async fn no_link_leads_into_directories_of_the_server() {
        // A5-03
        let own = Err("the server's own");
        for found in ["/srv/state", "/srv/state/plugins", "/srv", "/", "/var/log/tidegate", "/var"] {
            check(&[], "/mnt/home", &["/mnt/home"], found, own).await;
            check(&[], "/mnt/link/x", &["/mnt/link"], found, own).await;
        }
        // The owner has named the directory itself, by one of its names.
        check(&[], "/opt/state/homes/bob", &["/opt/state"], "/srv/state/homes/bob", Ok(())).await;
        check(&[], "/opt/state", &["/opt/state"], "/srv/state", Ok(())).await;
        // There, too, links lead elsewhere than the path says.
        check(&[], "/opt/state/homes/bob", &["/opt/state", "/srv/state/homes/bob"], "/srv/state", own).await;
        check(&[], "/srv/state/homes/bob", &["/srv/state/homes/bob"], "/srv/state/plugins", own).await;
        // A root in the server's directory is the operator's choice.
        let root = &["/srv/state/homes"];
        check(root, "/mnt/bob", &["/mnt/bob"], "/srv/state/homes/bob", Ok(())).await;
        check(root, "/mnt/bob", &["/mnt/bob"], "/srv/state/homes", own).await;
    }

    #[tokio::test]
    async fn links_of_accounts_lead_to_nothing_outside_their_directories() {
        // A5-03
        let of = |maker: &'static str| Err(maker);
        let (alice, carol) = ("\"alice\"", "\"carol\"");
        check(&[], "/mnt/bob", &["/mnt/bob"], "/disk/bob", Ok(())).await;
        check(&[], "/home/bob", &["/home"], "/srv/home/bob", Ok(())).await;
        let roots: &[&str] = &["/data"];
        check(roots, "/data/bob", &["/data/bob"], "/disk/bob", Ok(())).await;
        check(roots, "/data/alice", &["/data/alice"], "/disk/alice", Ok(())).await;
        for roots in [roots, &["/data/deep"]] {
            for (link, found) in [
                ("/data/alice/bob", "/etc"),
                ("/data/alice/bob", "/data/carol"),
                ("/data/alice/bob", "/data"),
                ("/data/alice/x/y", "/data/alice2"),
            ] {
                check(roots, "/data/alice/bob", &[link], found, of(alice)).await;
            }
            check(roots, "/data/alice/bob", &["/data/alice/bob"], "/data/alice/other", Ok(())).await;
            // The other account may have what the maker of the link may not touch there.
            for (found, expected) in [("/data/alice/vic", of("\"vic\"")), ("/data/alice/vic/x", of("\"vic\""))] {
                check(roots, "/data/alice/bob", &["/data/alice/bob"], found, expected).await;
            }
            check(roots, "/data/alice/vic", &["/data/alice/vic"], "/data/alice/v2", Ok(())).await;
            check(roots, "/data/team/bob", &["/data/team/bob"], "/etc", of("the folder \"team\"")).await;
        }
        // Under another name of the directory.
        check(&[], "/home/carol/bob", &["/home", "/srv/home/carol/bob"], "/etc", of(carol)).await;
        check(&[], "/srv/home/carol/bob", &["/srv/home/carol/bob"], "/etc", of(carol)).await;
        // A link on the way of another link.
        check(&[], "/mnt/bob", &["/mnt/bob", "/srv/home/carol/x"], "/etc", of(carol)).await;
        // Directories that groups give.
        check(&[], "/staff/dave/files/x", &["/staff/dave/files/x"], "/etc", of("the group \"staff\"")).await;
        check(&[], "/staff/dave/files", &["/staff/dave/files"], "/disk/dave", Ok(())).await;
        // Without a root, an account with all homes is like any other.
        check(&[], "/data/bob", &["/data/bob"], "/disk/bob", of("\"every\"")).await;
    }
}
