//! Which hooks a login would meet, and why, without running any.

use anyhow::anyhow;
use tidegate_core::admin::{ExplainedPoint, LoginExplanation, LoginQuestion};
use tidegate_core::connection::LoginMethod;
use tidegate_core::hook::{HookKind, Subject};

use crate::config::Settings;
use crate::hook_inventory::hook_link;
use crate::wire::{Hooks, Stores};

/// The hook points of a login, in their order (B1).
const LOGIN: [HookKind; 8] = [
    HookKind::Connect,
    HookKind::LoginPre,
    HookKind::ExternalAuth,
    HookKind::PreLogin,
    HookKind::KeyboardInteractive,
    HookKind::CheckPassword,
    HookKind::SessionCreate,
    HookKind::PostLogin,
];

/// # Errors
/// The account cannot be read.
pub async fn explain(
    login: &LoginQuestion,
    settings: &Settings,
    stores: &Stores,
    hooks: &Hooks,
) -> anyhow::Result<LoginExplanation> {
    let accounts = stores.accounts(settings.users_base_dir.clone());
    let account = match accounts.find(&login.username).await? {
        Some(user) => Some(accounts.in_force(user).await?),
        None => None,
    };
    let subject = Subject {
        username: Some(&login.username),
        account: account.as_ref(),
        method: Some(login.method),
        address: Some(login.address),
        ..Subject::default()
    };
    let reasons = Reasons { subject: &subject, settings, hooks };
    let mut points = Vec::with_capacity(LOGIN.len());
    for kind in LOGIN {
        let point = hooks.points.points().iter().find(|point| point.kind() == kind);
        let point = point.ok_or_else(|| anyhow!("the hook point {kind} is missing"))?;
        let links = point.explain(&subject).into_iter();
        let links = links.map(|(link, mismatch)| (hook_link(kind, &link), mismatch.map(not_selected))).collect();
        let (hook, composition) = (kind.as_str(), kind.composition());
        points.push(ExplainedPoint { hook, composition, not_asked: reasons.whole_point(kind), links });
    }
    Ok(LoginExplanation { is_stored: account.is_some(), points })
}

fn not_selected(list: &'static str) -> String {
    format!("its \"{list}\" do not match")
}

/// Finds reasons for which a whole point would not be asked.
struct Reasons<'a> {
    subject: &'a Subject<'a>,
    settings: &'a Settings,
    hooks: &'a Hooks,
}

impl Reasons<'_> {
    fn whole_point(&self, kind: HookKind) -> Option<String> {
        let filters = self.subject.account.map(|account| &account.filters);
        let method = self.subject.method.unwrap_or(LoginMethod::Password);
        let is = |methods: &[LoginMethod]| methods.contains(&method);
        let password = is(&[LoginMethod::Password, LoginMethod::PublicKeyThenPassword]);
        let interactive = is(&[LoginMethod::KeyboardInteractive, LoginMethod::PublicKeyThenKeyboardInteractive]);
        match kind {
            HookKind::ExternalAuth if filters.is_some_and(|filters| filters.external_auth_disabled) => {
                Some("the account has filters.hooks.external_auth_disabled".to_owned())
            }
            HookKind::ExternalAuth if !self.in_scope(method) => {
                Some("the method is not in data_provider.external_auth_scope".to_owned())
            }
            HookKind::PreLogin if filters.is_some_and(|filters| filters.pre_login_disabled) => {
                Some("the account has filters.hooks.pre_login_disabled".to_owned())
            }
            HookKind::PreLogin if self.asks_external_auth(method) => {
                Some("external authentication comes first; asked only if all of that defers".to_owned())
            }
            HookKind::KeyboardInteractive if !interactive => Some("only for keyboard-interactive logins".to_owned()),
            HookKind::KeyboardInteractive if filters.is_some_and(|filters| filters.external_auth_disabled) => {
                Some("the account has filters.hooks.external_auth_disabled".to_owned())
            }
            HookKind::CheckPassword if filters.is_some_and(|filters| filters.check_password_disabled) => {
                Some("the account has filters.hooks.check_password_disabled".to_owned())
            }
            HookKind::CheckPassword if !password && !interactive => Some("only for passwords".to_owned()),
            HookKind::ExternalAuth
            | HookKind::PreLogin
            | HookKind::KeyboardInteractive
            | HookKind::CheckPassword
            | HookKind::Startup
            | HookKind::Connect
            | HookKind::LoginPre
            | HookKind::SessionCreate
            | HookKind::PostLogin
            | HookKind::PreAction
            | HookKind::PostAction
            | HookKind::SessionDestroy
            | HookKind::Disconnect
            | HookKind::ObjectChanges
            | HookKind::CredentialChanged
            | HookKind::PasswordResetPre
            | HookKind::OneClickLoginPost
            | HookKind::AddressBanned => None,
        }
    }

    fn in_scope(&self, method: LoginMethod) -> bool {
        self.settings.external_auth_scope.covers_method(method)
    }

    fn asks_external_auth(&self, method: LoginMethod) -> bool {
        let disabled = self.subject.account.is_some_and(|account| account.filters.external_auth_disabled);
        !disabled && self.in_scope(method) && self.hooks.points.login.external_auth.concerns(self.subject)
    }
}
