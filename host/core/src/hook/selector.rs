//! Which events a link is for.

use core::net::IpAddr;

use ipnet::IpNet;
use wildmatch::WildMatch;

use crate::account::Account;
use crate::connection::{Connection, LoginMethod};
use crate::path::VirtualPath;

/// What an event is about, as far as it has it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject<'a> {
    pub connection: Option<&'a Connection>,
    pub username: Option<&'a str>,
    pub account: Option<&'a Account>,
    pub method: Option<LoginMethod>,
    pub action: Option<&'a str>,
    pub path: Option<&'a VirtualPath>,
    /// Whether the login succeeded, if the event is about one that has ended.
    pub succeeded: Option<bool>,
    /// For an event without a connection.
    pub address: Option<IpAddr>,
}

impl Subject<'_> {
    pub fn remote(&self) -> Option<IpAddr> {
        self.connection.map(|connection| connection.remote.ip()).or(self.address)
    }

    /// The login method or the file action.
    pub fn about(&self) -> Option<&str> {
        self.action.or_else(|| self.method.map(LoginMethod::as_str))
    }
}

/// A link is asked only about events that every list given here matches. A list that the
/// event has nothing for does not match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    pub methods: Vec<LoginMethod>,
    /// Shell patterns with `*` and `?`.
    pub users: Vec<String>,
    pub groups: Vec<String>,
    pub networks: Vec<IpNet>,
    pub actions: Vec<String>,
    /// A directory and everything below it.
    pub paths: Vec<VirtualPath>,
    /// Outcomes of logins that an observer hears of; none: all.
    pub login_succeeded: Option<bool>,
}

impl Selector {
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        self.mismatch(subject).is_none()
    }

    /// Why the link is not for this event.
    pub fn mismatch(&self, subject: &Subject<'_>) -> Option<&'static str> {
        let groups = || subject.account.map(Account::group_names).unwrap_or_default();
        let lists: [(&'static str, bool, bool); 7] = [
            (
                "methods",
                self.methods.is_empty(),
                subject.method.is_some_and(|method| self.methods.iter().any(|wanted| covers(*wanted, method))),
            ),
            (
                "users",
                self.users.is_empty(),
                subject.username.is_some_and(|name| self.users.iter().any(|pattern| glob(pattern, name))),
            ),
            (
                "groups",
                self.groups.is_empty(),
                !self.groups.is_empty() && groups().iter().any(|name| self.groups.contains(name)),
            ),
            (
                "networks",
                self.networks.is_empty(),
                subject.remote().is_some_and(|ip| self.networks.iter().any(|network| network.contains(&ip))),
            ),
            (
                "actions",
                self.actions.is_empty(),
                subject.action.is_some_and(|action| self.actions.iter().any(|wanted| wanted == action)),
            ),
            (
                "paths",
                self.paths.is_empty(),
                subject.path.is_some_and(|path| self.paths.iter().any(|wanted| path.is_same_or_below(wanted))),
            ),
            ("outcomes", self.login_succeeded.is_none(), subject.succeeded == self.login_succeeded),
        ];
        lists.into_iter().find(|(_, absent, matches)| !absent && !matches).map(|(name, ..)| name)
    }
}

/// A second step counts as its own method too.
fn covers(wanted: LoginMethod, method: LoginMethod) -> bool {
    wanted == method || wanted.after_public_key() == method
}

/// `*` stands for any text, `?` for one character.
fn glob(pattern: &str, text: &str) -> bool {
    WildMatch::new(pattern).matches(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        let check = |pattern: &str, text: &str, expected| assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        check("alice", "alice", true);
        check("alice", "alice2", false);
        check("a*", "alice", true);
        check("*", "", true);
        check("?", "", false);
        check("p*-*-x?", "p-1-2-xy", true);
        check("p*-*-x?", "p-1-2-x", false);
    }

    #[test]
    fn every_list_has_to_match() {
        let path = VirtualPath::resolve(&VirtualPath::root(), b"/in/a").unwrap();
        let subject = Subject {
            username: Some("alice"),
            method: Some(LoginMethod::PublicKeyThenPassword),
            action: Some("upload"),
            path: Some(&path),
            address: "192.0.2.7".parse().ok(),
            ..Subject::default()
        };
        let check = |selector: Selector, expected: Option<&str>| assert_eq!(selector.mismatch(&subject), expected);
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        check(Selector::default(), None);
        check(Selector { methods: vec![LoginMethod::Password], ..Default::default() }, None);
        check(Selector { methods: vec![LoginMethod::PublicKey], ..Default::default() }, Some("methods"));
        check(Selector { users: texts(&["bob", "al*"]), ..Default::default() }, None);
        check(Selector { users: texts(&["bob"]), ..Default::default() }, Some("users"));
        check(Selector { groups: texts(&["staff"]), ..Default::default() }, Some("groups"));
        check(Selector { networks: vec!["192.0.2.0/24".parse().unwrap()], ..Default::default() }, None);
        check(Selector { networks: vec!["10.0.0.0/8".parse().unwrap()], ..Default::default() }, Some("networks"));
        check(Selector { actions: texts(&["download"]), ..Default::default() }, Some("actions"));
        let below = |text: &[u8]| VirtualPath::resolve(&VirtualPath::root(), text).unwrap();
        check(Selector { paths: vec![below(b"/in")], ..Default::default() }, None);
        check(Selector { paths: vec![below(b"/i")], ..Default::default() }, Some("paths"));
    }
}
