//! Selectors: which events a link is for.

use core::net::IpAddr;

use ipnet::IpNet;

use super::events::ActionKind;
use super::observation::Change;
use super::{HookKind, LastDecision};
use crate::account::EffectiveAccount;
use crate::connection::{Connection, LoginMethod};
use crate::path::VirtualPath;
use crate::pattern::Pattern;
use crate::turns::Waiter;

/// What an event is about; fields that it does not have are None.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject<'a> {
    /// The connection of the client.
    pub connection: Option<&'a Connection>,
    /// The user: as the client named it, or the changed object.
    pub username: Option<&'a str>,
    /// The account, as far as it is known.
    pub account: Option<&'a EffectiveAccount>,
    /// The login method; of several steps, the combined one.
    pub method: Option<LoginMethod>,
    /// The kind of the changed object: `user`, `folder`, …
    pub object: Option<&'a str>,
    /// The name of the file action or of the change.
    pub action: Option<&'a str>,
    /// The path of a file action.
    pub path: Option<&'a VirtualPath>,
    /// The other path of a rename, a copy or a link.
    pub target: Option<&'a VirtualPath>,
    /// The other spelling of `path`, where it has a link.
    pub written_path: Option<&'a VirtualPath>,
    /// The other spelling of `target`, where it has a link.
    pub written_target: Option<&'a VirtualPath>,
    /// Whether the login succeeded, of an event about a login that has ended.
    pub succeeded: Option<bool>,
    /// The address of the client, of an event without a connection.
    pub address: Option<IpAddr>,
    /// Where it is kept which hook has decided about the attempt to log in, or about the session.
    pub decision: Option<&'a LastDecision>,
}

impl<'a> Subject<'a> {
    /// The address of the client.
    pub fn remote(&self) -> Option<IpAddr> {
        self.connection.map(|connection| connection.remote.ip()).or(self.address)
    }

    /// The address and account in whose turn a place is wanted.
    pub fn waiter(&self) -> Waiter<'a> {
        Waiter { address: self.remote(), account: self.username.unwrap_or_default() }
    }

    /// The login method or the file action.
    pub fn about(&self) -> Option<&str> {
        self.action.or_else(|| self.method.map(LoginMethod::as_str))
    }
}

/// The lists of a link that say which events it is for. Empty lists match every event; all others have to match.
/// A list does not match an event that has no such field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    /// Login methods; a combined method matches its second step, too.
    pub methods: Vec<LoginMethod>,
    /// Names of users, as patterns with `*` and `?`.
    pub users: Vec<Pattern>,
    /// Names of groups of which the account has to be in one.
    pub groups: Vec<String>,
    /// Networks of clients.
    pub networks: Vec<IpNet>,
    /// Kinds of changed objects: `user`, `folder`, …
    pub objects: Vec<String>,
    /// Names of file actions or of changes.
    pub actions: Vec<String>,
    /// Directories, each with everything below it. One of the event's paths has to be there, in either
    /// spelling.
    pub paths: Vec<VirtualPath>,
    /// The outcome of logins that an observer gets; None: both.
    pub login_succeeded: Option<bool>,
}

impl Selector {
    /// Whether the link is for events about the subject.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        self.mismatch(subject).is_none()
    }

    /// Whether the link can be for an action of one of these kinds, on any file in `directory` or below it.
    pub fn can_match(&self, subject: &Subject<'_>, kinds: &[ActionKind], directory: &VirtualPath) -> bool {
        let mut kinds = kinds.iter().map(|kind| kind.as_str());
        let by_kind = kinds.any(|kind| self.actions.is_empty() || self.actions.iter().any(|wanted| wanted == kind));
        let overlaps = |path: &VirtualPath| path.is_same_or_below(directory) || directory.is_same_or_below(path);
        let by_path = self.paths.is_empty() || self.paths.iter().any(overlaps);
        let elsewhere = Self { actions: Vec::new(), paths: Vec::new(), ..self.clone() };
        by_kind && by_path && elsewhere.matches(subject)
    }

    /// The name of the first list that does not match; None: the link is for the event.
    pub fn mismatch(&self, subject: &Subject<'_>) -> Option<&'static str> {
        let groups = || subject.account.map(|account| account.group_names()).unwrap_or_default();
        let lists: [(&'static str, bool, bool); 8] = [
            (
                "methods",
                self.methods.is_empty(),
                subject.method.is_some_and(|method| self.methods.iter().any(|wanted| covers(*wanted, method))),
            ),
            (
                "users",
                self.users.is_empty(),
                subject.username.is_some_and(|name| self.users.iter().any(|pattern| pattern.matches(name.as_bytes()))),
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
                "objects",
                self.objects.is_empty(),
                subject.object.is_some_and(|object| self.objects.iter().any(|wanted| wanted == object)),
            ),
            (
                "actions",
                self.actions.is_empty(),
                subject.action.is_some_and(|action| self.actions.iter().any(|wanted| wanted == action)),
            ),
            ("paths", self.paths.is_empty(), self.touches(subject)),
            ("outcomes", self.login_succeeded.is_none(), subject.succeeded == self.login_succeeded),
        ];
        lists.into_iter().find(|(_, absent, matches)| !absent && !matches).map(|(name, ..)| name)
    }

    /// Each list as it is configured, such as `users: al*, bob`; empty: the link is for every event.
    pub fn in_words(&self) -> Vec<String> {
        fn line(name: &str, values: impl Iterator<Item = String>) -> Option<String> {
            let values: Vec<_> = values.collect();
            (!values.is_empty()).then(|| format!("{name}: {}", values.join(", ")))
        }
        let outcome = |succeeded| if succeeded { "accepted" } else { "refused" }.to_owned();
        let lines = [
            line("methods", self.methods.iter().map(|method| method.as_str().to_owned())),
            line("users", self.users.iter().map(ToString::to_string)),
            line("groups", self.groups.iter().cloned()),
            line("networks", self.networks.iter().map(ToString::to_string)),
            line("objects", self.objects.iter().cloned()),
            line("actions", self.actions.iter().cloned()),
            line("paths", self.paths.iter().map(|path| path.display().into_owned())),
            line("logins", self.login_succeeded.into_iter().map(outcome)),
        ];
        lines.into_iter().flatten().collect()
    }

    /// Whether a path of the event is in a wanted directory. A directory that is renamed moves everything below it,
    /// so that one above a wanted directory counts as well.
    fn touches(&self, subject: &Subject<'_>) -> bool {
        let moves = subject.target.is_some();
        let touches = |path: &VirtualPath| {
            let above = |wanted: &VirtualPath| moves && wanted.is_same_or_below(path);
            self.paths.iter().any(|wanted| path.is_same_or_below(wanted) || above(wanted))
        };
        let paths = [subject.path, subject.target, subject.written_path, subject.written_target];
        paths.into_iter().flatten().any(touches)
    }
}

/// The lists by which events of a kind can be selected. Any other list would never match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selectable {
    methods: &'static [LoginMethod],
    /// Whether the events have a user.
    pub users: bool,
    /// Whether the events have an account with groups.
    pub groups: bool,
    /// Whether the events have an address of a client.
    pub networks: bool,
    /// Whether the events have paths of files.
    pub paths: bool,
    /// Whether the events have the kind of an object.
    pub objects: bool,
}

impl Selectable {
    const NOTHING: Self =
        Self { methods: &[], users: false, groups: false, networks: false, paths: false, objects: false };
    const LOGIN: Self = Self { methods: &LoginMethod::ALL, users: true, groups: true, networks: true, ..Self::NOTHING };

    /// Whether the events have a login method.
    pub fn has_methods(&self) -> bool {
        !self.methods.is_empty()
    }

    /// Whether events of this kind can have a method that `wanted` selects.
    pub fn has_method(&self, wanted: LoginMethod) -> bool {
        self.methods.iter().any(|method| covers(wanted, *method))
    }
}

impl HookKind {
    /// The lists by which events of this kind can be selected.
    pub fn selectable(self) -> Selectable {
        const ASKED: [LoginMethod; 2] =
            [LoginMethod::KeyboardInteractive, LoginMethod::PublicKeyThenKeyboardInteractive];
        const WITH_PASSWORD: [LoginMethod; 4] = [
            LoginMethod::Password,
            LoginMethod::KeyboardInteractive,
            LoginMethod::PublicKeyThenPassword,
            LoginMethod::PublicKeyThenKeyboardInteractive,
        ];
        let login = Selectable::LOGIN;
        let nothing = Selectable::NOTHING;
        match self {
            Self::Startup => nothing,
            Self::Connect | Self::AddressBanned => Selectable { networks: true, ..nothing },
            Self::KeyboardInteractive => Selectable { methods: &ASKED, ..login },
            Self::CheckPassword => Selectable { methods: &WITH_PASSWORD, ..login },
            Self::LoginPre
            | Self::ExternalAuth
            | Self::PreLogin
            | Self::SessionCreate
            | Self::PostLogin
            | Self::SessionDestroy
            | Self::Disconnect => login,
            Self::PreAction | Self::PostAction => Selectable { paths: true, ..login },
            Self::ObjectChanges => Selectable { users: true, objects: true, ..nothing },
            Self::PasswordResetPre => Selectable { users: true, networks: true, ..nothing },
            Self::CredentialChanged | Self::OneClickLoginPost => Selectable { users: true, ..nothing },
        }
    }

    /// The names of the actions that events of this kind can have; empty for kinds without actions.
    pub fn actions(self) -> Vec<&'static str> {
        // Only a complete transfer is known to be the first one.
        let is_first = |kind: &ActionKind| matches!(kind, ActionKind::FirstDownload | ActionKind::FirstUpload);
        match self {
            Self::PreAction => {
                ActionKind::ALL.iter().filter(|kind| !is_first(kind)).map(|kind| kind.as_str()).collect()
            }
            Self::PostAction => ActionKind::ALL.iter().map(|kind| kind.as_str()).collect(),
            Self::ObjectChanges => Change::ALL.iter().map(|change| change.as_str()).collect(),
            Self::CredentialChanged => vec![Change::Add.as_str(), Change::Update.as_str()],
            Self::Startup
            | Self::Connect
            | Self::LoginPre
            | Self::ExternalAuth
            | Self::PreLogin
            | Self::CheckPassword
            | Self::KeyboardInteractive
            | Self::SessionCreate
            | Self::PostLogin
            | Self::SessionDestroy
            | Self::Disconnect
            | Self::PasswordResetPre
            | Self::OneClickLoginPost
            | Self::AddressBanned => Vec::new(),
        }
    }
}

/// Whether `wanted` selects `method`: itself, or the combined method with it as the second step.
fn covers(wanted: LoginMethod, method: LoginMethod) -> bool {
    wanted == method || wanted.after_public_key() == method
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_below_a_directory_matches() {
        let path = |text: &str| VirtualPath::parse_normalised(text).unwrap();
        let alice = Subject { username: Some("alice"), ..Subject::default() };
        let check = |selector: &Selector, kinds: &[ActionKind], directory: &str, expected: bool| {
            assert_eq!(selector.can_match(&alice, kinds, &path(directory)), expected, "{selector:?} {directory}");
        };
        let writes = [ActionKind::Upload, ActionKind::Delete];
        let everything = Selector::default();
        check(&everything, &writes, "/", true);
        check(&everything, &[], "/", false);
        let uploads = Selector { actions: vec!["upload".to_owned()], ..Selector::default() };
        check(&uploads, &writes, "/a", true);
        check(&uploads, &[ActionKind::Rename], "/a", false);
        let downloads = Selector { actions: vec!["download".to_owned()], ..Selector::default() };
        check(&downloads, &writes, "/", false);
        let inside = Selector { paths: vec![path("/in/box")], ..Selector::default() };
        for (directory, expected) in
            [("/", true), ("/in", true), ("/in/box", true), ("/in/box/a", true), ("/out", false)]
        {
            check(&inside, &writes, directory, expected);
        }
        let of_bob = Selector { users: vec![Pattern::wildcards("bob")], ..Selector::default() };
        check(&of_bob, &writes, "/", false);
        let of_all = Selector { users: vec![Pattern::wildcards("a*")], ..Selector::default() };
        check(&of_all, &writes, "/", true);
    }

    #[test]
    fn every_list_has_to_match() {
        // G-08
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
        check(Selector { users: ["bob", "al*"].map(Pattern::wildcards).into(), ..Default::default() }, None);
        check(Selector { users: vec![Pattern::wildcards("bob")], ..Default::default() }, Some("users"));
        check(Selector { groups: texts(&["staff"]), ..Default::default() }, Some("groups"));
        check(Selector { networks: vec!["192.0.2.0/24".parse().unwrap()], ..Default::default() }, None);
        check(Selector { networks: vec!["10.0.0.0/8".parse().unwrap()], ..Default::default() }, Some("networks"));
        check(Selector { actions: texts(&["download"]), ..Default::default() }, Some("actions"));
        let below = |text: &[u8]| VirtualPath::resolve(&VirtualPath::root(), text).unwrap();
        check(Selector { paths: vec![below(b"/in")], ..Default::default() }, None);
        check(Selector { paths: vec![below(b"/i")], ..Default::default() }, Some("paths"));
    }

    #[test]
    fn the_lists_are_shown_in_words() {
        assert!(Selector::default().in_words().is_empty());
        let all = Selector {
            methods: vec![LoginMethod::Password, LoginMethod::PublicKey],
            users: ["al*", "b?b"].map(Pattern::wildcards).into(),
            groups: vec!["staff".to_owned()],
            networks: vec!["192.0.2.0/24".parse().unwrap()],
            objects: vec!["user".to_owned()],
            actions: vec!["upload".to_owned()],
            paths: vec![VirtualPath::parse_normalised("/in").unwrap()],
            login_succeeded: Some(false),
        };
        let words = "methods: password, publickey|users: al*, b?b|groups: staff|networks: 192.0.2.0/24|objects: user|\
                     actions: upload|paths: /in|logins: refused";
        assert_eq!(all.in_words().join("|"), words);
    }

    #[test]
    fn paths_see_both_ends_and_what_a_directory_takes_along() {
        // B10-13
        let path = |text: &str| VirtualPath::parse_normalised(text).unwrap();
        let check = |from: &str, to: Option<&str>, expected: bool| {
            let (from, to) = (path(from), to.map(path));
            let subject = Subject { path: Some(&from), target: to.as_ref(), ..Subject::default() };
            let selector = Selector { paths: vec![path("/a/protected")], ..Selector::default() };
            assert_eq!(selector.matches(&subject), expected, "{from:?} {to:?}");
        };
        check("/a/protected/x", None, true);
        check("/x", None, false);
        check("/a", None, false);
        check("/a/protected/x", Some("/x"), true);
        check("/x", Some("/a/protected/x"), true);
        check("/x", Some("/a/protected"), true);
        check("/a", Some("/b"), true);
        check("/b", Some("/a"), true);
        check("/b", Some("/a/other"), false);
    }

    #[test]
    fn each_spelling_of_a_path_is_enough() {
        // B10-13
        let path = |text: &str| VirtualPath::parse_normalised(text).unwrap();
        let check = |paths: [Option<&str>; 4], expected: bool| {
            let found = paths.map(|text| text.map(path));
            let [at, target, written_path, written_target] = &found;
            let subject = Subject {
                path: at.as_ref(),
                target: target.as_ref(),
                written_path: written_path.as_ref(),
                written_target: written_target.as_ref(),
                ..Subject::default()
            };
            let selector = Selector { paths: vec![path("/watched")], ..Selector::default() };
            assert_eq!(selector.matches(&subject), expected, "{paths:?}");
        };
        let (inside, outside) = (Some("/watched/x"), Some("/x"));
        check([inside, None, outside, None], true);
        check([outside, None, inside, None], true);
        check([outside, None, outside, None], false);
        check([outside, inside, None, outside], true);
        check([outside, outside, None, inside], true);
        check([outside, outside, outside, outside], false);
    }

    #[test]
    fn each_kind_says_what_its_events_have() {
        let check = |kind: HookKind, lists: &str| {
            let has = kind.selectable();
            let found = [
                ("methods", has.has_methods()),
                ("users", has.users),
                ("groups", has.groups),
                ("networks", has.networks),
                ("actions", !kind.actions().is_empty()),
                ("paths", has.paths),
            ];
            let found: Vec<_> = found.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect();
            assert_eq!(found.join(" "), lists, "{kind}");
        };
        check(HookKind::Startup, "");
        check(HookKind::Connect, "networks");
        check(HookKind::LoginPre, "methods users groups networks");
        check(HookKind::PreAction, "methods users groups networks actions paths");
        check(HookKind::PostAction, "methods users groups networks actions paths");
        check(HookKind::ObjectChanges, "users actions");
        check(HookKind::PasswordResetPre, "users networks");
        assert!(!HookKind::KeyboardInteractive.selectable().has_method(LoginMethod::Password));
        assert!(HookKind::KeyboardInteractive.selectable().has_method(LoginMethod::KeyboardInteractive));
        assert!(!HookKind::CheckPassword.selectable().has_method(LoginMethod::PublicKey));
        assert!(HookKind::PreAction.actions().contains(&"ssh_cmd"));
        assert!(!HookKind::PreAction.actions().contains(&"first-upload"));
    }
}
