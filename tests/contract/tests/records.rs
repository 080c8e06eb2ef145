//! What records tell of a call, through every adapter.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use tidegate_contract::adapters::Adapters;
use tidegate_contract::events::About;
use tidegate_core::hook::check_password::CheckPassword;
use tidegate_core::hook::external_auth::ExternalAuth;
use tidegate_core::hook::keyboard_interactive::KeyboardInteractive;
use tidegate_core::hook::observation::{
    AddressBanned, CredentialChanged, Disconnect, ObjectChange, OneClickLoginPost, PostAction, PostLogin,
    SessionDestroy, Startup,
};
use tidegate_core::hook::pre_login::PreLogin;
use tidegate_core::hook::rendering::Rendering;
use tidegate_core::hook::review::{Connect, LoginPre, PasswordResetPre, PreAction, SessionCreate};
use tidegate_core::hook::{
    Chain, Exchange, GateEvent, Hook, HookEvent, HookHost, HookJournal, HookKind, HookRun, Link, LinkSettings,
    Observers,
};
use tidegate_hooks_external::{Compat, HttpHook, ProgramHook, ShownEvent, redacted};
use tidegate_hooks_wasm::PluginHook;

use super::table::adapters;

#[derive(Default)]
struct Records(Mutex<Vec<HookRun>>);

impl HookJournal for Records {
    fn record(&self, run: HookRun) {
        self.0.lock().unwrap().push(run);
    }
}

struct Table<'a> {
    adapters: &'a Adapters,
    recorded: BTreeSet<HookKind>,
}

impl Table<'_> {
    /// A link to each hook as the server has it, under the adapter's name, and where its calls are recorded.
    fn links<E: ShownEvent>(&self) -> Vec<(&'static str, Arc<Link<E>>)>
    where
        ProgramHook: Hook<E>,
        HttpHook: Hook<E>,
        PluginHook: Hook<E>,
    {
        let link = |(adapter, hook): (&'static str, Arc<dyn Hook<E>>)| {
            let link = Link::new(hook, LinkSettings::default());
            let rendering = Rendering { event: E::shown_later, answer: redacted };
            let is_component = adapter == "plugin";
            (adapter, Arc::new(if is_component { link.rendered(rendering) } else { link }))
        };
        self.adapters.all::<E>().unwrap().into_iter().map(link).collect()
    }

    async fn gate<E: GateEvent + ShownEvent + About>(&mut self, what: &str)
    where
        ProgramHook: Hook<E>,
        HttpHook: Hook<E>,
        PluginHook: Hook<E>,
    {
        let mut found = Vec::new();
        for (adapter, link) in self.links::<E>() {
            let records = Arc::new(Records::default());
            let host = Arc::new(HookHost { journal: records.clone(), ..HookHost::default() });
            let _ = Chain::new(host, vec![link]).decide(&mut E::about(what).unwrap()).await;
            found.push((adapter, exchange(&records)));
        }
        self.check::<E>(&found);
    }

    async fn observer<E: HookEvent<Verdict = ()> + ShownEvent + About>(&mut self)
    where
        ProgramHook: Hook<E>,
        HttpHook: Hook<E>,
        PluginHook: Hook<E>,
    {
        let mut found = Vec::new();
        for (adapter, link) in self.links::<E>() {
            let records = Arc::new(Records::default());
            let observers = Observers::new(Arc::new(HookHost { journal: records.clone(), ..HookHost::default() }));
            observers.chain().replace(vec![link]);
            observers.tell(&E::about("allow").unwrap()).await.unwrap();
            found.push((adapter, exchange(&records)));
        }
        self.check::<E>(&found);
    }

    fn check<E: HookEvent>(&mut self, found: &[(&str, Exchange)]) {
        let of = |adapter: &str| found.iter().find(|(name, _)| *name == adapter).unwrap().1.clone();
        let [program, http, plugin] = ["program", "http", "plugin"].map(of);
        for (name, exchange) in [("program", &program), ("http", &http), ("plugin", &plugin)] {
            let all = format!("{} {}", exchange.sent, exchange.received);
            // There is nothing to say of a start; a web server is asked all the same.
            let has_text = E::KIND != HookKind::Startup || name == "http";
            assert_eq!(!exchange.sent.is_empty(), has_text, "{} {name}: {all}", E::KIND);
            // A program may answer by its status alone.
            assert!(name == "program" || !exchange.received.is_empty(), "{} {name}: nothing was received", E::KIND);
            assert!(!all.contains("typed") && !all.contains("saltsalt"), "{} {name}: {all}", E::KIND);
        }
        // Word for word what a web server is sent. Of a conversation, that has an ID and ends with another step.
        if E::KIND != HookKind::KeyboardInteractive {
            for line in plugin.sent.lines() {
                assert!(http.sent.contains(line), "{}: {line} is not in {}", E::KIND, http.sent);
            }
        }
        assert!(plugin.received.starts_with(r#"{"verdict":""#), "{}: {}", E::KIND, plugin.received);
        self.recorded.insert(E::KIND);
    }
}

/// With its texts.
fn exchange(records: &Records) -> Exchange {
    let [run] = <[HookRun; 1]>::try_from(std::mem::take(&mut *records.0.lock().unwrap())).unwrap();
    run.exchange.rendered()
}

#[tokio::test(flavor = "multi_thread")]
async fn records_have_what_was_sent_and_received_through_every_adapter() {
    let mut adapters = adapters().await;
    adapters.flavour.compat = Compat::Current;
    let mut table = Table { adapters: &adapters, recorded: BTreeSet::new() };
    for what in ["allow", "deny"] {
        table.gate::<Connect>(what).await;
        table.gate::<LoginPre>(what).await;
        table.gate::<SessionCreate>(what).await;
        table.gate::<PreAction>(what).await;
        table.gate::<PasswordResetPre>(what).await;
    }
    for what in ["accept", "deny"] {
        table.gate::<ExternalAuth>(what).await;
        table.gate::<KeyboardInteractive>(what).await;
        table.gate::<CheckPassword>(what).await;
    }
    for what in ["unchanged", "replace"] {
        table.gate::<PreLogin>(what).await;
    }
    table.gate::<CheckPassword>("verify").await;
    table.observer::<PostLogin>().await;
    table.observer::<SessionDestroy>().await;
    table.observer::<Disconnect>().await;
    table.observer::<PostAction>().await;
    table.observer::<ObjectChange>().await;
    table.observer::<CredentialChanged>().await;
    table.observer::<OneClickLoginPost>().await;
    table.observer::<AddressBanned>().await;
    table.observer::<Startup>().await;
    assert_eq!(table.recorded, BTreeSet::from(HookKind::ALL));
}

/// A file operation may be recorded after its file is gone.
#[test]
fn records_hold_no_file_open() {
    let made_up = PreAction::about("allow").unwrap();
    let before = Arc::strong_count(&made_up.0);
    let later = made_up.shown_later();
    assert_eq!(Arc::strong_count(&made_up.0), before, "it has a copy without the file");
    assert!(later().contains("/in/allow"));
}
