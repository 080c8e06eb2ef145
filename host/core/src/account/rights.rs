//! What the answer of a hook may make of accounts (G-05). A plugin is always bound by these rules, a
//! program or a web server only where the operator says so.

use super::User;
use super::draft::{AccountDraft, InvalidAccount, invalid};

/// Lower ids belong to the system (Debian Policy §9.2.2, login.defs).
const LEAST_USER_ID: u32 = 1000;
/// Longest time for which the answer of a bound hook may be remembered: a day.
pub const MAX_CACHE_SECONDS: i64 = 24 * 3600;

/// What the operator lets one hook do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountRights {
    /// Whether the rules hold for the hook. If not, it may do everything below but see and change second
    /// factors.
    pub is_bound: bool,
    /// The hook may make accounts other than the one that logs in, and use homes that others have.
    pub any_account: bool,
    /// Roots for homes, beside those of `data_provider.homes`: absolute paths of the host.
    pub homes: Vec<String>,
    /// The hook may give accounts a uid or gid below 1000.
    pub system_users: bool,
    /// The hook may change `virtual_folders`.
    pub folders: bool,
    /// The hook may change `groups` and `role`.
    pub groups: bool,
    /// The hook may put accounts on other file systems than the local disk.
    pub filesystems: bool,
    /// The hook may read, replace and remove one-time codes and recovery codes.
    pub second_factors: bool,
}

impl AccountRights {
    /// The name of the grant for one-time codes and recovery codes.
    pub const SECOND_FACTORS: &str = "second-factors";
    /// The names of grants in configuration. `accounts` and `homes` are not among them: they are keys of their
    /// own, with values.
    pub const GRANTS: [&str; 5] = ["system-users", "folders", "groups", "filesystems", Self::SECOND_FACTORS];

    /// The right that the grant of that name gives; None: there is no such grant.
    pub fn member(&mut self, grant: &str) -> Option<&mut bool> {
        match grant {
            "system-users" => Some(&mut self.system_users),
            "folders" => Some(&mut self.folders),
            "groups" => Some(&mut self.groups),
            "filesystems" => Some(&mut self.filesystems),
            Self::SECOND_FACTORS => Some(&mut self.second_factors),
            _ => None,
        }
    }

    /// The rights of a hook that needs no grants.
    pub fn unbound() -> Self {
        Self::default()
    }

    /// The rights of a hook that is bound and has no grants.
    pub fn bound() -> Self {
        Self { is_bound: true, ..Self::default() }
    }

    /// The rights of an answer that two hooks have made, one after the other: those that both have.
    pub fn and(&self, other: &Self) -> Self {
        if !self.is_bound && !other.is_bound {
            return Self { second_factors: self.second_factors && other.second_factors, ..Self::unbound() };
        }
        let may = |this: &Self, right: bool| right || !this.is_bound;
        let both = |right: fn(&Self) -> bool| may(self, right(self)) && may(other, right(other));
        let homes = match (self.is_bound, other.is_bound) {
            (true, true) => self.homes.iter().filter(|root| other.homes.contains(root)).cloned().collect(),
            (true, false) => self.homes.clone(),
            (false, _) => other.homes.clone(),
        };
        Self {
            is_bound: self.is_bound || other.is_bound,
            any_account: both(|rights| rights.any_account),
            homes,
            system_users: both(|rights| rights.system_users),
            folders: both(|rights| rights.folders),
            groups: both(|rights| rights.groups),
            filesystems: both(|rights| rights.filesystems),
            second_factors: self.second_factors && other.second_factors,
        }
    }

    /// Checks that the hook may answer with an account of this name. `attempted`: the name that the client
    /// logs in with.
    ///
    /// # Errors
    /// The name is another, and the hook lacks the right to answer for any account.
    pub fn check_name(&self, username: &str, attempted: &str) -> Result<(), InvalidAccount> {
        if !self.is_bound || self.any_account || username == attempted {
            return Ok(());
        }
        let problem = format!(
            "the hook answered for another account than \"{}\", which logs in; only with the grant accounts = \"any\" it may",
            attempted.escape_debug()
        );
        Err(invalid("username", problem))
    }

    /// Checks the account, but not its home (see [`HomeCheck`](super::HomeCheck)). `draft`: what `account` was
    /// made from.
    ///
    /// # Errors
    /// The first field that the hook has changed without the right to.
    pub fn check(&self, draft: &AccountDraft, account: &User, stored: Option<&User>) -> Result<(), InvalidAccount> {
        if !self.is_bound {
            return Ok(());
        }
        self.check_ids(draft, account, stored)?;
        let needs = |field: &str, grant: &str| {
            Err(invalid(field, format!("the hook needs the grant \"{grant}\" to change this")))
        };
        let kept = |field: &str| account.other.get(field) == stored.and_then(|stored| stored.other.get(field));
        if !self.folders
            && !account.folders.is_empty()
            && stored.map(|stored| &stored.folders) != Some(&account.folders)
        {
            return needs("virtual_folders", "folders");
        }
        if !self.groups {
            if !account.group_names().is_empty() && !kept("groups") {
                return needs("groups", "groups");
            }
            if account.role().is_some() && !kept("role") {
                return needs("role", "groups");
            }
        }
        if !self.filesystems
            && !account.is_local()
            && stored.map(|stored| &stored.filesystem) != Some(&account.filesystem)
        {
            return needs("filesystem", "filesystems");
        }
        if account.filters.external_auth_cache_seconds > MAX_CACHE_SECONDS {
            let problem = format!("must be at most {MAX_CACHE_SECONDS} seconds, a day");
            return Err(invalid("filters.external_auth_cache_time", problem));
        }
        let dear = account.password.as_ref().filter(|hash| hash.is_too_dear_for_plugins());
        if dear.is_some() && stored.and_then(|stored| stored.password.as_ref()) != dear {
            return Err(invalid("password", "a comparison with this hash would take too long; lower its cost"));
        }
        Ok(())
    }

    fn check_ids(&self, draft: &AccountDraft, account: &User, stored: Option<&User>) -> Result<(), InvalidAccount> {
        if self.system_users {
            return Ok(());
        }
        for (field, id, before) in [
            ("uid", account.uid, stored.map(|stored| stored.uid)),
            ("gid", account.gid, stored.map(|stored| stored.gid)),
        ] {
            // An id that is left out is 0, and means the user of the server.
            let is_said = id != 0 || draft.says(field);
            if is_said && id < LEAST_USER_ID && before != Some(id) {
                let problem = format!(
                    "{id} is a user or group of the system; leave it out, use {LEAST_USER_ID} or more, or give the hook the grant \"system-users\""
                );
                return Err(invalid(field, problem));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::CredentialRule;
    use super::*;

    const ACCOUNT: &str = r#"{"status":1,"username":"u","home_dir":"/srv/u","permissions":{"/":["*"]}}"#;

    fn account(patch: &str) -> (AccountDraft, User) {
        let mut draft = AccountDraft::from_json(ACCOUNT).unwrap();
        draft.merge_json(patch).unwrap();
        let account = draft.clone().validate(CredentialRule::Optional).unwrap().account;
        (draft, account)
    }

    /// A hook answers with `answer` for an account that is stored as `stored`. Without grants it is refused
    /// for the field `expected`, if any; with the grants that `grant` sets it is accepted.
    fn check(stored: Option<&str>, answer: &str, grant: fn(&mut AccountRights), expected: Option<&str>) {
        let mut rights = AccountRights::bound();
        let stored = stored.map(|stored| account(stored).1);
        let (mut draft, _) = account(answer);
        draft.keep_ungranted(&rights, stored.as_ref());
        let account = draft.clone().validate(CredentialRule::Optional).unwrap().account;
        let field =
            |rights: &AccountRights| rights.check(&draft, &account, stored.as_ref()).err().map(|error| error.field);
        assert_eq!(field(&rights).as_deref(), expected, "{answer} over {stored:?}");
        grant(&mut rights);
        assert_eq!(field(&rights), None, "{answer} with the grant");
        assert_eq!(field(&AccountRights::unbound()), None, "{answer} unbound");
    }

    #[test]
    fn what_a_hook_may_set_needs_its_grant() {
        // A11-21a
        fn none(_: &mut AccountRights) {}
        fn system(rights: &mut AccountRights) {
            rights.system_users = true;
        }
        fn folders(rights: &mut AccountRights) {
            rights.folders = true;
        }
        fn groups(rights: &mut AccountRights) {
            rights.groups = true;
        }
        fn filesystems(rights: &mut AccountRights) {
            rights.filesystems = true;
        }
        check(None, "{}", none, None);
        check(None, r#"{"uid":1000,"gid":1000}"#, none, None);
        check(None, r#"{"uid":1000}"#, none, None);
        check(None, r#"{"quota_size":5,"max_sessions":2,"filters":{"denied_ip":["10.0.0.0/8"]}}"#, none, None);
        for ids in
            [r#"{"uid":0}"#, r#"{"uid":33}"#, r#"{"uid":999}"#, r#"{"uid":0,"gid":1000}"#, r#"{"uid":0,"gid":0}"#]
        {
            check(None, ids, system, Some("uid"));
        }
        for ids in [r#"{"gid":0}"#, r#"{"gid":999}"#, r#"{"uid":1000,"gid":0}"#, r#"{"uid":1000,"gid":42}"#] {
            check(None, ids, system, Some("gid"));
        }
        // A bound hook may repeat what the administrator has set.
        check(Some(r#"{"uid":0}"#), r#"{"uid":0}"#, none, None);
        check(Some(r#"{"uid":33,"gid":33}"#), r#"{"uid":33,"gid":33}"#, none, None);
        check(Some(r#"{"uid":1000}"#), r#"{"uid":0}"#, system, Some("uid"));
        let folder = r#"{"virtual_folders":[{"name":"team","virtual_path":"/team","quota_size":0}]}"#;
        check(None, folder, folders, Some("virtual_folders"));
        check(Some(folder), folder, none, None);
        check(Some(folder), "{}", none, None);
        check(
            Some(folder),
            r#"{"virtual_folders":[{"name":"other","virtual_path":"/team"}]}"#,
            folders,
            Some("virtual_folders"),
        );
        check(None, r#"{"groups":[{"name":"staff"}]}"#, groups, Some("groups"));
        check(Some(r#"{"groups":[{"name":"staff"}]}"#), "{}", none, None);
        check(Some(r#"{"groups":[{"name":"staff"}]}"#), r#"{"groups":[{"name":"wheel"}]}"#, groups, Some("groups"));
        check(None, r#"{"role":"boss"}"#, groups, Some("role"));
        check(None, r#"{"filesystem":{"provider":0}}"#, none, None);
        let bucket = r#"{"filesystem":{"provider":1,"s3config":{"bucket":"b"}}}"#;
        check(None, bucket, filesystems, Some("filesystem"));
        check(Some(bucket), bucket, none, None);
        check(Some(bucket), "{}", none, None);
    }

    #[test]
    fn times_and_costs_are_bounded() {
        // A11-21a, B0-10b, B8-01
        let field = |answer: &str| {
            let (draft, account) = account(answer);
            AccountRights::bound().check(&draft, &account, None).err().map(|error| error.field)
        };
        assert_eq!(field(r#"{"filters":{"external_auth_cache_time":86400}}"#), None);
        let late = field(r#"{"filters":{"external_auth_cache_time":86401}}"#);
        assert_eq!(late.as_deref(), Some("filters.external_auth_cache_time"));
        assert_eq!(field(r#"{"password":"$6$salt$x"}"#), None);
        let dear = field(r#"{"password":"$2b$18$ajq8Q7fbtFRQvXpdCq7Jcuy.Rx1h/L4J60Otx.gyNLbAYctGMJ9tK"}"#);
        assert_eq!(dear.as_deref(), Some("password"));
    }

    #[test]
    fn only_the_account_that_logs_in() {
        // A11-21a
        let name = |rights: AccountRights, username: &str| rights.check_name(username, "alice").is_ok();
        assert!(name(AccountRights::bound(), "alice"));
        for other in ["bob", "Alice", "alice ", ""] {
            assert!(!name(AccountRights::bound(), other), "{other}");
            assert!(name(AccountRights { any_account: true, ..AccountRights::bound() }, other));
            assert!(name(AccountRights::unbound(), other));
        }
    }

    #[test]
    fn an_answer_of_several_hooks_has_the_rights_of_all() {
        // A11-21a
        let (free, bound) = (AccountRights::unbound(), AccountRights::bound());
        let granted = AccountRights { groups: true, homes: vec!["/a".into(), "/b".into()], ..AccountRights::bound() };
        assert_eq!(free.and(&free), free);
        assert_eq!(free.and(&bound), bound);
        assert_eq!(granted.and(&free), granted);
        assert_eq!(granted.and(&bound), bound);
        let other = AccountRights { folders: true, homes: vec!["/b".into()], ..AccountRights::bound() };
        assert_eq!(granted.and(&other), AccountRights { homes: vec!["/b".into()], ..AccountRights::bound() });
    }
}
