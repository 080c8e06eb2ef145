//! Login methods that `sshd_config` leaves to a user, as `denied_login_methods` (C2).

use super::sshd::Sshd;

/// Methods of ours, and how `AuthenticationMethods` calls them.
const METHODS: [(&str, &str); 5] = [
    ("publickey", "publickey"),
    ("password", "password"),
    ("keyboard-interactive", "keyboard-interactive"),
    ("publickey+password", "publickey,password"),
    ("publickey+keyboard-interactive", "publickey,keyboard-interactive"),
];

/// What becomes of the login methods.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Methods {
    /// For `denied_login_methods`.
    pub denied: Vec<&'static str>,
    /// Nothing is left: the account has to be disabled.
    pub none_left: bool,
    /// Lists of methods that there are not here.
    pub unknown: Vec<String>,
}

pub fn methods(sshd: &Sshd, user: &str, groups: &[&str]) -> Methods {
    let is_off = |keyword: &str| {
        sshd.of(keyword, user, groups)
            .and_then(|words| words.into_iter().next())
            .is_some_and(|word| word.eq_ignore_ascii_case("no"))
    };
    // Without PAM there is nothing behind this method on that server; here it would take the password.
    let has_no_dialogue = sshd.is_there() && !sshd.is_globally("usepam", "yes");
    let off: Vec<&str> = [
        ("publickey", is_off("pubkeyauthentication")),
        ("password", is_off("passwordauthentication")),
        (
            "keyboard-interactive",
            has_no_dialogue || is_off("kbdinteractiveauthentication") || is_off("challengeresponseauthentication"),
        ),
    ]
    .into_iter()
    .filter_map(|(method, is_off)| is_off.then_some(method))
    .collect();
    let lists = sshd.of("authenticationmethods", user, groups).unwrap_or_default();
    let lists: Vec<&str> = lists.iter().map(String::as_str).filter(|list| !list.eq_ignore_ascii_case("any")).collect();
    let mut found = Methods::default();
    for (ours, theirs) in METHODS {
        let is_off = theirs.split(',').any(|method| off.contains(&method));
        if is_off || (!lists.is_empty() && !lists.contains(&theirs)) {
            found.denied.push(ours);
        }
    }
    found.unknown = lists
        .iter()
        .filter(|list| !METHODS.iter().any(|(_, theirs)| theirs == *list))
        .map(|list| (*list).to_owned())
        .collect();
    found.none_left = found.denied.len() == METHODS.len();
    found
}
