//! Sessions on record: hooks are told of their end once, whether the server lives or is killed.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;

use super::hook_tests::says;
use super::tests::{World, service, world};
use super::*;
use crate::connection::ConnectionId;
use crate::hook::observation::SessionDestroy;
use crate::hook::observers::ObserverWork;
use crate::hook::review::{Review, SessionCreate};
use crate::hook::{Call, Denial, Hook, HookDescription, HookError, Link, LinkSettings};
use crate::ports::{SessionRecord, SessionRecords};

#[derive(Debug, Default)]
struct Paper(Mutex<Vec<SessionRecord>>);

impl Paper {
    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl SessionRecords for Paper {
    fn left(&self) -> Vec<SessionRecord> {
        self.0.lock().unwrap().clone()
    }

    fn keep(&self, record: &SessionRecord) -> Result<(), String> {
        self.0.lock().unwrap().push(record.clone());
        Ok(())
    }

    fn told(&self, id: &ConnectionId, hook: &str) {
        let mut records = self.0.lock().unwrap();
        let of_session = records.iter_mut().filter(|record| record.id == id.as_str());
        of_session.for_each(|record| record.told.push(hook.to_owned()));
    }

    fn remove(&self, id: &ConnectionId) {
        self.0.lock().unwrap().retain(|record| record.id != id.as_str());
    }
}

/// A server that keeps its records on this paper.
async fn server(paper: &Arc<Paper>) -> World {
    let world = world(None);
    world.stored(r#","password":"$1$pw""#).await;
    let hooks = world.hooks.clone().with_session_records(paper.clone());
    let accounts = Accounts::new(world.outage.clone(), world.passwords.clone(), None);
    let service = service(accounts, &world.store, world.passwords.clone(), &hooks);
    World { service, ..world }
}

/// Notes what `session-destroy` hooks are told.
fn noting(world: &World) -> Arc<Mutex<Vec<String>>> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let noted = told.clone();
    says(world.hooks.session_destroy.chain(), move |event: &SessionDestroy| {
        let (session, reason) = (&event.session, event.reason.as_str());
        let (name, method) = (&session.account.username, session.method.as_str());
        noted.lock().unwrap().push(format!("{} {name} {} {method} {reason}", session.id, session.connection.remote));
    });
    told
}

async fn stop(world: &World) {
    world.hooks.session_destroy.close();
    world.hooks.session_destroy.work().await;
}

#[tokio::test]
async fn a_session_is_on_record_until_hooks_were_told_of_its_end() {
    // D-04: the number of records when session-create hooks are asked, and at the end; how often hooks were told.
    let check = async |destroys: bool, verdict: Review, expected: (&[usize], usize, usize)| {
        let paper = Arc::new(Paper::default());
        let world = server(&paper).await;
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, counted, name) = (asked.clone(), paper.clone(), format!("{destroys} {verdict:?}"));
        says(&world.hooks.session_create, move |_: &SessionCreate| {
            seen.lock().unwrap().push(counted.count());
            verdict.clone()
        });
        let told = if destroys { noting(&world) } else { Arc::default() };
        world.password("pw").await;
        stop(&world).await;
        let told = told.lock().unwrap().len();
        assert_eq!((&**asked.lock().unwrap(), paper.count(), told), expected, "{name}");
    };
    check(true, Review::Allow, (&[1], 0, 1)).await;
    check(true, Review::Deny(Denial::new("no")), (&[1], 0, 0)).await;
    // No hook would be told.
    check(false, Review::Allow, (&[0], 0, 0)).await;
}

#[tokio::test]
async fn an_end_that_was_not_reported_is_reported_by_the_next_server() {
    // D-04
    let paper = Arc::new(Paper::default());
    let first = server(&paper).await;
    let told = noting(&first);
    // The end comes after the queue was closed.
    first.hooks.session_destroy.close();
    first.password("pw").await;
    stop(&first).await;
    assert_eq!((paper.count(), told.lock().unwrap().len()), (1, 0));

    let second = server(&paper).await;
    let told = noting(&second);
    second.service.end_left_sessions().await;
    stop(&second).await;
    assert_eq!(*told.lock().unwrap(), ["c alice 192.0.2.7:1 password server-stop"]);
    assert_eq!(paper.count(), 0);
}

/// A hook whose work takes longer than the server lives.
struct Works {
    name: &'static str,
    /// Whether it has got the event before that.
    begins: bool,
    calls: Arc<Mutex<Vec<&'static str>>>,
}

#[async_trait]
impl Hook<SessionDestroy> for Works {
    fn name(&self) -> &str {
        self.name
    }
    fn adapter(&self) -> &'static str {
        "test"
    }
    fn description(&self) -> HookDescription {
        HookDescription::new("", Duration::ZERO, "")
    }
    async fn call(&self, call: &Call, _: &SessionDestroy) -> Result<(), HookError> {
        self.calls.lock().unwrap().push(self.name);
        if self.begins {
            call.delivery().note();
        }
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_works_on_an_end_when_the_server_is_killed_is_not_told_again() {
    // D-04: each hook, and whether it has got the event when the server is killed; those that the next server tells, and the
    // one after it.
    let check = async |hooks: &[(&'static str, bool)], expected: [&[&str]; 2]| {
        let paper = Arc::new(Paper::default());
        let lives = async |begins_a_session: bool| {
            let world = server(&paper).await;
            let calls = Arc::new(Mutex::new(Vec::new()));
            let links = hooks.iter().map(|(name, begins)| {
                let works = Works { name, begins: *begins, calls: calls.clone() };
                Arc::new(Link::new(Arc::new(works) as Arc<dyn Hook<SessionDestroy>>, LinkSettings::default()))
            });
            world.hooks.session_destroy.chain().replace(links.collect());
            world.service.end_left_sessions().await;
            if begins_a_session {
                world.password("pw").await;
            }
            world.hooks.session_destroy.close();
            // Killed, if hooks work.
            let _ = tokio::time::timeout(Duration::from_secs(1), world.hooks.session_destroy.work()).await;
            std::mem::take(&mut *calls.lock().unwrap())
        };
        assert_eq!(lives(true).await, hooks.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "{hooks:?}");
        assert_eq!([lives(false).await, lives(false).await], expected, "{hooks:?}");
        assert_eq!(paper.count(), usize::from(!expected[1].is_empty()), "{hooks:?}");
    };
    check(&[("a", true)], [&[]; 2]).await;
    check(&[("a", true), ("b", true)], [&[]; 2]).await;
    check(&[("a", false)], [&["a"]; 2]).await;
    check(&[("a", true), ("b", false)], [&["b"]; 2]).await;
    check(&[("a", false), ("b", true), ("c", false)], [&["a", "c"]; 2]).await;
}

#[tokio::test]
async fn left_sessions_need_no_account_and_no_hook() {
    // D-04
    let record = |account: &str, method: &str| SessionRecord {
        id: "c1".to_owned(),
        username: account.to_owned(),
        account: account.to_owned(),
        remote: "192.0.2.9:9".parse().unwrap(),
        local: "192.0.2.1:22".parse().unwrap(),
        client: String::new(),
        method: method.to_owned(),
        connected_at: 0,
        opened_at: 0,
        told: Vec::new(),
    };
    let check = async |record: SessionRecord, has_hook: bool, expected: &[&str]| {
        let paper = Arc::new(Paper(Mutex::new(vec![record])));
        let world = server(&paper).await;
        let told = if has_hook { noting(&world) } else { Arc::default() };
        world.service.end_left_sessions().await;
        stop(&world).await;
        assert_eq!(*told.lock().unwrap(), expected);
        assert_eq!(paper.count(), 0);
    };
    check(record("deleted", "publickey"), true, &["c1 deleted 192.0.2.9:9 publickey server-stop"]).await;
    check(record("alice", "password"), false, &[]).await;
    check(record("alice", "of a later version"), true, &[]).await;
}
