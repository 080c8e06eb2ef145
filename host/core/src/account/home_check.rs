//! The rule on homes, applied to paths whose links are resolved.

use std::sync::Arc;

use super::draft::{InvalidAccount, invalid};
use super::{GroupPlace, HomeRule, Occupied};
use crate::ports::HostPaths;

/// Checks the homes that hooks give to accounts against the rule of the server.
pub struct HomeCheck {
    pub(super) rule: HomeRule,
    paths: Arc<dyn HostPaths>,
}

/// A home that the rule allows, and the rule with its links resolved.
pub struct Placed {
    rule: HomeRule,
    granted: Vec<String>,
    /// The home as it is written, and with links resolved.
    home: [String; 2],
}

impl HomeCheck {
    /// A check by this rule. `paths` resolves links on the host.
    pub fn new(rule: HomeRule, paths: Arc<dyn HostPaths>) -> Self {
        Self { rule, paths }
    }

    /// Checks a home against the rule. `granted`: further roots of the hook.
    ///
    /// # Errors
    /// The rule does not allow the home, or its links cannot be resolved.
    pub async fn check(&self, home: &str, granted: &[String]) -> Result<Placed, InvalidAccount> {
        // Where links of a root or of a directory of the server cannot be resolved, the path counts as written.
        let roots = self.without_links(&self.rule.roots).await;
        let own = self.without_links(&self.rule.own).await;
        let granted = self.without_links(granted).await;
        let found = self.paths.resolve(vec![home.to_owned()]).await.pop();
        let found = found.unwrap_or_else(|| Err("it was not looked at".to_owned()));
        let found = found
            .map_err(|problem| invalid("home_dir", format!("the server cannot tell where {home} leads: {problem}")))?;
        let rule = HomeRule { roots, own };
        rule.check(&found, &granted)?;
        Ok(Placed { rule, granted, home: [home.to_owned(), found] })
    }

    /// Checks that a directory neither holds nor is in one of the server, as written or with links resolved.
    ///
    /// # Errors
    /// It does, or its links cannot be resolved.
    pub async fn check_own(&self, path: &str) -> Result<(), InvalidAccount> {
        self.rule.check_own_alone(path)?;
        let rule = self.resolved_rule().await;
        let found = self.paths.resolve(vec![path.to_owned()]).await.pop();
        match found {
            Some(Ok(found)) => rule.check_own_alone(&found),
            Some(Err(problem)) => {
                Err(invalid("home_dir", format!("the server cannot tell where {path} leads: {problem}")))
            }
            None => Err(invalid("home_dir", "it was not looked at")),
        }
    }

    /// Whether a directory is the system's, as written or with links resolved.
    pub async fn is_system(&self, path: &str) -> bool {
        self.rule.is_system(path) || self.resolved_rule().await.is_system(&self.resolved(path).await)
    }

    /// The first of these directories that holds or is in one of the server (or of the system, if `of_system`), although
    /// the text of its group is elsewhere. Where the text is there itself, the administrator that stored it chose that.
    pub async fn misplaced<'a>(&self, places: &'a [GroupPlace], of_system: bool) -> Option<&'a GroupPlace> {
        let resolved = self.resolved_rule().await;
        let paths: Vec<String> = places.iter().map(|place| place.path.clone()).collect();
        let found = self.without_links(&paths).await;
        let own = |path: &str| -> Vec<bool> {
            let alone = |rule: &HomeRule, own: &String| {
                let rule = HomeRule { roots: rule.roots.clone(), own: vec![own.clone()] };
                rule.check_own_alone(path).is_err()
            };
            let both = self.rule.own.iter().zip(&resolved.own);
            both.map(|(written, found)| alone(&self.rule, written) || alone(&resolved, found)).collect()
        };
        let is_system = |path: &str| of_system && (self.rule.is_system(path) || resolved.is_system(path));
        let is_misplaced = |(place, found): &(&'a GroupPlace, String)| {
            let given = own(&place.template);
            let adds = |path: &str| {
                own(path).iter().zip(&given).any(|(overlaps, given)| *overlaps && !given)
                    || (is_system(path) && !is_system(&place.template))
            };
            adds(&place.path) || adds(found)
        };
        places.iter().zip(found).find(is_misplaced).map(|(place, _)| place)
    }

    async fn resolved_rule(&self) -> HomeRule {
        HomeRule { roots: self.without_links(&self.rule.roots).await, own: self.without_links(&self.rule.own).await }
    }

    async fn resolved(&self, path: &str) -> String {
        self.without_links(&[path.to_owned()]).await.pop().unwrap_or_default()
    }

    /// Checks that the home overlaps none of these directories, as written or with links resolved. Both count,
    /// because the owner of another home can change links within it at any time.
    ///
    /// # Errors
    /// The first directory that the home overlaps.
    pub async fn check_others(&self, placed: &Placed, others: Vec<Occupied>) -> Result<(), InvalidAccount> {
        let written: Vec<String> = others.iter().map(|other| other.path.clone()).collect();
        let found = self.without_links(&written).await;
        let found = others.iter().zip(found).map(|(other, path)| Occupied { path, by: other.by.clone() });
        let all: Vec<Occupied> = found.chain(others.iter().cloned()).collect();
        placed.home.iter().try_for_each(|home| placed.rule.check_others(home, &placed.granted, &all))
    }

    /// The paths with links resolved; where they cannot be, as written.
    pub(super) async fn without_links(&self, paths: &[String]) -> Vec<String> {
        if paths.is_empty() {
            return Vec::new();
        }
        let found = self.paths.resolve(paths.to_vec()).await;
        paths.iter().zip(found).map(|(written, found)| found.unwrap_or_else(|_| written.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;

    /// A host on which the first path of each pair leads to the second.
    struct Links(Vec<(&'static str, &'static str)>);

    #[async_trait]
    impl HostPaths for Links {
        async fn resolve(&self, paths: Vec<String>) -> Vec<Result<String, String>> {
            let resolve = |path: String| {
                if path.contains("loop") {
                    return Err("too many links".to_owned());
                }
                let link = self.0.iter().find(|(link, _)| path.starts_with(link));
                Ok(link.map_or(path.clone(), |(link, target)| path.replacen(link, target, 1)))
            };
            paths.into_iter().map(resolve).collect()
        }
    }

    async fn check(home: &str, others: &[&str], expected: bool) {
        let rule = HomeRule { roots: vec!["/srv/files".into()], own: vec!["/srv/state".into()] };
        let links = vec![
            ("/srv/files", "/data/files"),
            ("/data/elsewhere", "/data/files/bob"),
            ("/srv/out", "/etc"),
            ("/srv/in", "/data/files/in"),
        ];
        let check = HomeCheck::new(rule, Arc::new(Links(links)));
        let others = others.iter().map(|path| Occupied { path: (*path).to_owned(), by: "bob".into() }).collect();
        let outcome = match check.check(home, &[]).await {
            Ok(placed) => check.check_others(&placed, others).await,
            Err(error) => Err(error),
        };
        assert_eq!(outcome.is_ok(), expected, "{home}: {outcome:?}");
    }

    #[tokio::test]
    async fn directories_of_the_server_are_known_by_where_paths_lead() {
        // A11-21a
        let rule = HomeRule { roots: vec!["/srv/state/homes".into()], own: vec!["/srv/state".into()] };
        let links = vec![("/srv/link", "/srv/state"), ("/srv/out", "/srv/state/homes/a")];
        let check = HomeCheck::new(rule, Arc::new(Links(links)));
        for (path, expected) in [
            ("/etc", true),
            ("/srv/files", true),
            ("/srv/state", false),
            ("/srv/state/plugins", false),
            ("/srv", false),
            ("/", false),
            ("/srv/link", false),
            ("/srv/link/plugins", false),
            ("/srv/loop", false),
            ("/srv/state/homes", false),
            ("/srv/state/homes/alice", true),
            ("/srv/out", true),
        ] {
            assert_eq!(check.check_own(path).await.is_ok(), expected, "{path}");
        }
    }

    #[tokio::test]
    async fn what_counts_is_where_paths_lead() {
        // A11-21a
        check("/srv/files/alice", &[], true).await;
        check("/srv/files/alice", &["/srv/files/bob"], true).await;
        // The root is a link itself.
        check("/data/files/alice", &[], true).await;
        check("/srv/in/alice", &[], true).await;
        check("/srv/out/alice", &[], false).await;
        check("/srv/loop", &[], false).await;
        // Another account's home under another name, and a path through another home.
        check("/srv/files/bob", &["/data/elsewhere"], false).await;
        check("/srv/in/x", &["/srv/in"], false).await;
        check("/srv/files/bob/x", &["/srv/files/bob"], false).await;
        check("/srv/files/alice", &["/srv/files/loop"], true).await;
    }
}
