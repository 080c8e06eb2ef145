//! Who hooks are told has changed an account.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::use_case_tests::administration_telling;
use super::user_tests::map;
use super::*;
use crate::account::ObjectKind;
use crate::connection::WebVisit;
use crate::hook::observation::ObjectChange;
use crate::hook::observers::ObserverWork;
use crate::hook::{Call, Hook, HookDescription, HookError, Link, LinkSettings, Observers};
use crate::password::{PasswordError, PasswordHash};
use crate::ports::Door;
use crate::secret::Secret;
use crate::turns::Waiter;

/// Makes hashes that show the password.
pub(super) struct ShownPasswords;

#[async_trait]
impl Passwords for ShownPasswords {
    async fn matches(&self, _: Waiter<'_>, hash: &PasswordHash, clear: &Secret) -> Result<bool, PasswordError> {
        Ok(hash.expose().ends_with(&format!("${}", clear.expose())))
    }

    async fn hash(&self, _: Waiter<'_>, clear: &Secret) -> Result<PasswordHash, PasswordError> {
        PasswordHash::recognise(&format!("$1$salt${}", clear.expose())).ok_or(PasswordError::PoolClosed)
    }
}

struct Told(UnboundedSender<ObjectChange>);

#[async_trait]
impl Hook<ObjectChange> for Told {
    fn name(&self) -> &str {
        "told"
    }
    fn adapter(&self) -> &'static str {
        "test"
    }
    fn description(&self) -> HookDescription {
        HookDescription::new("", Duration::ZERO, "ready")
    }
    async fn call(&self, _: &Call, change: &ObjectChange) -> Result<(), HookError> {
        self.0.send(change.clone()).unwrap();
        Ok(())
    }
}

#[tokio::test]
async fn hooks_are_told_the_role_of_an_author_and_whether_the_account_is_its_own() {
    // B11-02
    let changes = Observers::<ObjectChange>::new(Arc::default());
    let (sender, mut receiver) = unbounded_channel();
    let link = Link::new(Arc::new(Told(sender)) as Arc<dyn Hook<ObjectChange>>, LinkSettings::default());
    changes.chain().replace(vec![Arc::new(link)]);
    let mut work = JoinSet::new();
    let working = changes.clone();
    work.spawn(async move { working.work().await });
    let of = administration_telling(Arc::new(ShownPasswords), changes);
    let mut check = async |object: &str, actor: &str, by_itself: bool, role: Option<&str>| {
        let told = receiver.recv().await.unwrap();
        let found = (format!("{} {}", told.kind, told.name), told.actor, told.by_itself, told.actor_role);
        assert_eq!(found, (object.to_owned(), Some(actor.to_owned()), by_itself, role.map(str::to_owned)));
    };
    let root = Actor::local("owner", Door::Socket);
    of.objects.add(&root, ObjectKind::Role, &map(json!({"name": "sales"}))).await.unwrap();
    check("role sales", "owner", false, None).await;
    let ann = json!({"username": "ann", "password": "pw", "permissions": ["*"], "role": "sales"});
    of.admins.add(&root, &map(ann), None).await.unwrap();
    check("admin ann", "owner", false, None).await;
    let alice = json!({
        "username": "alice", "password": "pw", "status": 1, "home_dir": "/srv/a", "permissions": {"/": ["*"]}, "role": "sales",
    });
    of.users.add(&root, map(alice), None).await.unwrap();
    check("user alice", "owner", false, None).await;

    let client = DoorClient { door: Door::Web, address: "192.0.2.2".parse().ok(), visit: WebVisit::default() };
    let ann = of.authentication.basic("ann", &Secret::new("pw"), None, &client).await.unwrap();
    let patch = DocumentChange::Fields { patches: vec![map(json!({"max_sessions": 2}))], replaced: Vec::new() };
    of.users.update(&ann, "alice", patch, None).await.unwrap();
    check("user alice", "ann", false, Some("sales")).await;
    of.admins.change_own_password(&ann, &Secret::new("pw"), Secret::new("second")).await.unwrap();
    check("admin ann", "ann", true, Some("sales")).await;
    let token = of.own.log_in("alice", Secret::new("pw"), None, &client).await.unwrap().text;
    let person = of.own.of_token(token.expose(), &client).await.unwrap();
    of.own.change_password(&person, &Secret::new("pw"), Secret::new("second")).await.unwrap();
    check("user alice", "alice", true, Some("sales")).await;
    for (owner, kind, name) in [(PasswordOwner::Administrator, "admin", "ann"), (PasswordOwner::User, "user", "alice")]
    {
        let code = of.password_resets.hand_out(&root, owner, name).await.unwrap().text;
        of.password_resets.redeem(owner, &client, name, code.expose(), Secret::new("third")).await.unwrap();
        check(&format!("{kind} {name}"), name, true, Some("sales")).await;
    }
}
