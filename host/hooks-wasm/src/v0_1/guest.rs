//! One call of a guest: an instance, the call, and what came of it. The events are in
//! [`super::gates`] and [`super::observers`].

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tidegate_core::connection::ConnectionId;
use tidegate_core::hook::{Call, Denial, HookError, HookEvent};
use tokio::sync::Notify;
use wasmtime::component::{Instance, InstancePre, Resource};
use wasmtime::{Engine, Store};

use super::bindings::tidegate::hooks::types;
use super::kept::{GivenBack, Kept, Ready, WAITING_TIME};
use super::state::{CallState, Shared};
use crate::limits;
use crate::settings::Instances;

/// Longest reason of a denial or failure that is kept.
const MAX_REASON: usize = 500;
/// A warm instance that holds more after a call is not used again.
const MAX_KEPT_HANDLES: usize = 1000;

/// What a call of a guest gives: a trap, or the verdict, or why there is none.
pub type Answer<V> = wasmtime::Result<Result<V, HookError>>;

/// An event that a component can be asked about or told of.
pub trait GuestEvent: HookEvent {
    /// Where the component's function is.
    type Export: Send + Sync;
    /// Comes again and again within a session, of one account: its calls may share an instance.
    const IS_OF_SESSION: bool = false;

    /// It in one instance.
    type Function: Clone + Send + Sync + 'static;

    fn export(exports: &super::Exports) -> Option<&Self::Export>;

    fn find(
        export: &Self::Export,
        store: &mut Store<CallState>,
        instance: &Instance,
    ) -> wasmtime::Result<Self::Function>;

    fn invoke(
        &self,
        guest: Self::Function,
        store: &mut Store<CallState>,
    ) -> impl Future<Output = Answer<Self::Verdict>> + Send;
}

/// In an `impl GuestEvent`: the export of this name in the WIT, and how it is found.
macro_rules! is_exported_as {
    ($module:ident) => {
        type Export = $crate::v0_1::bindings::exports::tidegate::hooks::$module::GuestIndices;
        type Function = $crate::v0_1::bindings::exports::tidegate::hooks::$module::Guest;

        fn export(exports: &$crate::v0_1::Exports) -> Option<&Self::Export> {
            exports.$module.as_ref()
        }

        fn find(
            export: &Self::Export,
            store: &mut wasmtime::Store<$crate::v0_1::CallState>,
            instance: &wasmtime::component::Instance,
        ) -> wasmtime::Result<Self::Function> {
            export.load(store, instance)
        }
    };
}
pub(super) use is_exported_as;

/// A component that can be instantiated.
pub struct Guest {
    engine: Engine,
    instance: InstancePre<CallState>,
    shared: Arc<Shared>,
    kept: Mutex<Kept>,
    /// Wakes the task that takes instances down and makes new ones.
    wanted: Arc<Notify>,
}

impl Drop for Guest {
    fn drop(&mut self) {
        // The task sees that there is nothing to make instances for.
        self.wanted.notify_one();
    }
}

impl Guest {
    pub fn new(engine: Engine, instance: InstancePre<CallState>, shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self { engine, instance, shared, kept: Mutex::default(), wanted: Arc::default() })
    }

    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Instantiates the component once, so that a wrong shape shows before a login does, and
    /// then as often as the settings say ahead of need.
    pub async fn try_out(self: &Arc<Self>) -> Result<(), HookError> {
        let first = self.instantiate_in_time().await?;
        self.keep(first);
        for _ in 1..self.shared.settings.limits.ahead() {
            let ready = self.instantiate_in_time().await?;
            self.keep(ready);
        }
        tokio::spawn(replenish(Arc::downgrade(self), self.wanted.clone()));
        Ok(())
    }

    /// Takes spent instances down and makes new ones, until enough are ready.
    async fn replenish(&self) {
        loop {
            let spent = self.kept().take_spent();
            // Not under the lock, which calls under way want.
            drop(spent);
            if !self.begin_making() {
                return;
            }
            let made = self.instantiate_in_time().await;
            self.kept().is_making = false;
            match made {
                Ok(ready) => self.keep(ready),
                // No place in the pool: calls make their own until there is.
                Err(_) => return,
            }
        }
    }

    /// False: enough are ready.
    fn begin_making(&self) -> bool {
        let mut kept = self.kept();
        kept.is_making = kept.ready.len() < self.shared.settings.limits.ahead();
        kept.is_making
    }

    /// Hands a spent instance over. The task that is woken usually runs on this thread when
    /// the caller has to wait for something: after the client has its answer.
    fn put_aside(&self, spent: Ready) {
        let mut kept = self.kept();
        // Each holds a place in the pool: what the task cannot keep up with is taken down here.
        let has_room = !kept.is_making && kept.spent.len() < self.shared.settings.limits.ahead().div_ceil(2);
        let surplus = if has_room {
            kept.spent.push(spent);
            None
        } else {
            Some(spent)
        };
        drop(kept);
        self.wanted.notify_one();
        drop(surplus);
    }

    async fn instantiate(&self) -> Result<Ready, HookError> {
        let state = CallState::new(self.shared.clone());
        let store = Store::try_new(&self.engine, state).map_err(|error| HookError::Failed(error.to_string()));
        let mut store = store?;
        limits::apply(&mut store);
        let waited = store.data().allowance.waited();
        match waited.watch(self.instance.instantiate_async(&mut store)).await {
            Ok(instance) => Ok(Ready::new(store, instance)),
            Err(error) => Err(explain(&error, &store.data().memory)),
        }
    }

    /// Outside of a call, which has a deadline of its own: a start function may wait for ever.
    async fn instantiate_in_time(&self) -> Result<Ready, HookError> {
        let deadline = self.shared.settings.limits.deadline();
        tokio::time::timeout(deadline, self.instantiate()).await.map_err(|_| HookError::Timeout(deadline))?
    }

    fn keep(&self, ready: Ready) {
        let mut kept = self.kept();
        if kept.ready.len() < self.shared.settings.limits.ahead() {
            kept.ready.push(ready);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub async fn call<E: GuestEvent>(
        self: &Arc<Self>,
        export: &E::Export,
        call: &Call,
        event: &E,
    ) -> Result<E::Verdict, HookError> {
        let connection = event.subject().connection.map(|connection| connection.id.clone());
        let instances = self.shared.settings.limits.instances;
        let session = connection.as_ref().filter(|_| E::IS_OF_SESSION && instances == Instances::Session);
        let subject = event.subject();
        let account = subject.username.unwrap_or_default();
        let ready = match instances {
            Instances::Warm => self.kept().take_warm(account),
            _ => self.kept().take(session),
        };
        let ready = match ready {
            Some(ready) => Ok(ready),
            None => self.instantiate().await,
        };
        let mut ready = ready?;
        ready.store.data_mut().begin(connection.clone(), call.waiting().clone());
        limits::renew(&mut ready.store);
        let answer = match ready.function::<E>(export) {
            Ok(guest) => {
                let waited = ready.store.data().allowance.waited();
                waited.watch(event.invoke(guest, &mut ready.store)).await
            }
            Err(error) => Err(error),
        };
        let state = ready.store.data_mut();
        state.finish_output();
        call.used(state.memory.used(), limits::spent(state));
        let outcome = answer.unwrap_or_else(|error| Err(explain(&error, &ready.store.data().memory)));
        // A trap leaves nothing that could be used again; a guest keeps a few handles, such as
        // that of its standard output.
        let failed = matches!(outcome, Err(HookError::Failed(_) | HookError::Limit(_)));
        let is_clean = !failed && ready.store.data_mut().table.iter_mut().count() <= MAX_KEPT_HANDLES;
        match (instances, session) {
            (Instances::Session, Some(session)) if is_clean => self.keep_for(session, ready),
            (Instances::Warm, _) => self.keep_warm(account, ready, is_clean),
            _ => self.put_aside(ready),
        }
        outcome
    }

    /// The next account wants one that has served none.
    fn keep_warm(&self, account: &str, ready: Ready, is_clean: bool) {
        let most = self.shared.settings.limits.ready;
        let surplus = if is_clean { self.kept().keep_warm(account, ready, most) } else { Some(ready) };
        self.wanted.notify_one();
        drop(surplus);
    }

    fn keep_for(&self, session: &ConnectionId, ready: Ready) {
        let given_back = self.kept().give_back(ready, session);
        match given_back {
            GivenBack::Kept => {}
            GivenBack::First => self.wanted.notify_one(),
            GivenBack::Surplus(surplus) => self.put_aside(surplus),
        }
    }
}

/// Why an instance could not be made or did not answer.
fn explain(error: &wasmtime::Error, memory: &limits::Memory) -> HookError {
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return HookError::Saturated;
    }
    match limits::explain(error, memory) {
        (text, true) => HookError::Limit(text),
        (text, false) => HookError::Failed(text),
    }
}

/// Ends with the guest: a plugin that was replaced needs no instances.
async fn replenish(guest: Weak<Guest>, wanted: Arc<Notify>) {
    let mut has_waiting = false;
    loop {
        if has_waiting {
            // Either way there is something to look after.
            let _ = tokio::time::timeout(WAITING_TIME, wanted.notified()).await;
        } else {
            wanted.notified().await;
        }
        let Some(guest) = guest.upgrade() else { return };
        guest.replenish().await;
        has_waiting = guest.kept().waits_for_sessions();
    }
}

/// Puts something into the guest's reach for the time of a call.
pub fn lend<T: Send + 'static>(store: &mut Store<CallState>, value: T) -> wasmtime::Result<Resource<T>> {
    Ok(store.data_mut().table.push(value)?)
}

/// What the guest is given of it.
pub fn borrowed<T: 'static>(lent: &Resource<T>) -> Resource<T> {
    Resource::new_borrow(lent.rep())
}

pub fn take_back<T: Send + 'static>(store: &mut Store<CallState>, lent: Resource<T>) -> wasmtime::Result<()> {
    store.data_mut().table.delete(lent)?;
    Ok(())
}

pub fn failure(failure: types::Failure) -> HookError {
    HookError::Failed(shortened(failure.message))
}

pub fn denial(denial: types::Denial) -> Denial {
    Denial { reason: shortened(denial.reason), client_message: denial.client_message.map(shortened) }
}

fn shortened(text: String) -> String {
    text.chars().take(MAX_REASON).collect()
}
