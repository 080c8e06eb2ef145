//! Calls a guest: chooses an instance, makes the call, and explains the outcome. The events are in
//! [`super::gates`] and [`super::observers`].

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use tidegate_core::connection::ConnectionId;
use tidegate_core::hook::{Call, Denial, Hook, HookError, HookEvent};
use tokio::sync::Notify;
use wasmtime::component::{Instance, InstancePre, Resource};
use wasmtime::{Engine, Store};

use super::bindings::tidegate::hooks::types;
use super::kept::{GivenBack, Kept, Ready};
use super::state::{CallState, Shared};
use crate::limits;
use crate::plugin::PluginHook;
use crate::settings::Instances;

/// Longest reason of a denial or failure that is kept.
const MAX_REASON: usize = 500;
/// Handles that an instance may hold after a call; one that holds more is not used again.
const MAX_KEPT_HANDLES: usize = 1000;

/// The outcome of a guest's call: a trap, or the verdict, or the failure that the guest reported.
pub type Answer<V> = wasmtime::Result<Result<V, HookError>>;

/// An event that a component can be asked about or told of.
pub trait GuestEvent: HookEvent {
    /// Where the function for the event is in the component.
    type Export: Send + Sync;
    /// Whether the event recurs within a session of one account, so that its calls may share an instance.
    const IS_OF_SESSION: bool = false;

    /// The function for the event in one instance.
    type Function: Clone + Send + Sync + 'static;

    /// The plugin as a hook for the event. It is a function of each event, so that calls of guests are compiled and optimised
    /// in this crate, and not where the hook is used.
    fn hook(plugin: Arc<PluginHook>) -> Arc<dyn Hook<Self>>;

    /// The export for the event, if the component has it.
    fn export(exports: &super::Exports) -> Option<&Self::Export>;

    /// Looks the function up in an instance.
    fn find(
        export: &Self::Export,
        store: &mut Store<CallState>,
        instance: &Instance,
    ) -> wasmtime::Result<Self::Function>;

    /// Calls the function. What the guest was lent for the call is taken back.
    fn invoke(
        &self,
        guest: Self::Function,
        store: &mut Store<CallState>,
    ) -> impl Future<Output = Answer<Self::Verdict>> + Send;
}

/// In an `impl GuestEvent`: the types of the WIT interface with this name, and how its function is found.
macro_rules! is_exported_as {
    ($module:ident) => {
        type Export = $crate::v0_1::bindings::exports::tidegate::hooks::$module::GuestIndices;
        type Function = $crate::v0_1::bindings::exports::tidegate::hooks::$module::Guest;

        #[inline(never)] // Else it is compiled where it is called, with all that a call does.
        fn hook(
            plugin: std::sync::Arc<$crate::plugin::PluginHook>,
        ) -> std::sync::Arc<dyn tidegate_core::hook::Hook<Self>> {
            plugin
        }

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
        // The task then finds that the guest is gone, and ends.
        self.wanted.notify_one();
    }
}

impl Guest {
    /// A component of which no instance was made yet; [`Self::try_out`] makes the first.
    pub fn new(engine: Engine, instance: InstancePre<CallState>, shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self { engine, instance, shared, kept: Mutex::default(), wanted: Arc::default() })
    }

    /// What all calls of the plugin share.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Makes an instance, so that a component that cannot start is found at loading rather than at
    /// a login, and then as many more as the settings want ahead of need.
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
            // Dropped without the lock, which calls under way need.
            drop(spent);
            if !self.begin_making() {
                return;
            }
            let made = self.instantiate_in_time().await;
            self.kept().is_making = false;
            match made {
                Ok(ready) => self.keep(ready),
                // If the pool is full, calls make their own instances until there is room.
                Err(_) => return,
            }
        }
    }

    /// Marks an instance as being made; `false` if enough are ready.
    fn begin_making(&self) -> bool {
        let mut kept = self.kept();
        kept.is_making = kept.ready.len() < self.shared.settings.limits.ahead();
        kept.is_making
    }

    /// Hands a spent instance to the plugin's task, which takes it down. The task usually runs on
    /// this thread when the caller next waits: after the client has its answer.
    fn put_aside(&self, spent: Ready) {
        let mut kept = self.kept();
        // Each spent instance holds a place in the pool: if the task cannot keep up, it is taken down here.
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

    /// Makes an instance outside of a call, within the time of a call: a start function may wait for ever.
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

    /// Calls the function for an event, on an instance as the settings want it.
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
            Instances::Session | Instances::Fresh | Instances::Prepared => self.kept().take(session),
        };
        let ready = match ready {
            Some(ready) => Ok(ready),
            None => self.instantiate().await,
        };
        let mut ready = ready?;
        ready.store.data_mut().begin(connection.clone(), call);
        limits::renew(&mut ready.store);
        let answer = match ready.function::<E>(export) {
            Ok(guest) => {
                let waited = ready.store.data().allowance.waited();
                waited.watch(event.invoke(guest, &mut ready.store)).await
            }
            Err(error) => Err(error),
        };
        let state = ready.store.data_mut();
        call.standard_error(state.finish_output());
        call.used(state.memory.used(), limits::spent(state));
        let told_wrongly = state.told_wrongly.take();
        let outcome = answer.unwrap_or_else(|error| Err(explain(&error, &ready.store.data().memory)));
        // An instance is not used again after a trap. A guest keeps a few handles, such as that of
        // its standard output.
        let failed = matches!(outcome, Err(HookError::Failed(_) | HookError::Transient(_) | HookError::Limit(_)));
        let is_clean = !failed && ready.store.data_mut().table.iter_mut().count() <= MAX_KEPT_HANDLES;
        match (instances, session) {
            (Instances::Session, Some(session)) if is_clean => self.keep_for(session, ready),
            (Instances::Warm, _) => self.keep_warm(account, ready, is_clean),
            (Instances::Session | Instances::Fresh | Instances::Prepared, _) => self.put_aside(ready),
        }
        // Whatever the guest has answered is about another file.
        told_wrongly.map_or(outcome, Err)
    }

    /// Keeps a warm instance. If the call has taken one that was made ahead, the task is woken, which makes a fresh one
    /// for the next account.
    fn keep_warm(&self, account: &str, ready: Ready, is_clean: bool) {
        let limits = &self.shared.settings.limits;
        let mut kept = self.kept();
        let surplus = if is_clean { kept.keep_warm(account, ready, limits.ready) } else { Some(ready) };
        let is_short = kept.ready.len() < limits.ahead();
        drop(kept);
        if is_short {
            self.wanted.notify_one();
        }
        drop(surplus);
    }

    fn keep_for(&self, session: &ConnectionId, ready: Ready) {
        let given_back = self.kept().give_back(ready, session);
        match given_back {
            GivenBack::Kept => {}
            GivenBack::Unwatched => self.wanted.notify_one(),
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

/// The plugin's task, which makes instances and takes them down. It ends with the guest: a plugin
/// that was replaced needs no instances.
async fn replenish(guest: Weak<Guest>, wanted: Arc<Notify>) {
    let mut next_look: Option<Instant> = None;
    loop {
        match next_look {
            // After the time as after a notice, there may be instances to take down or to make.
            Some(time) => {
                let _ = tokio::time::timeout_at(time.into(), wanted.notified()).await;
            }
            None => wanted.notified().await,
        }
        let Some(guest) = guest.upgrade() else { return };
        guest.replenish().await;
        next_look = guest.kept().watch();
    }
}

/// Puts a value into the guest's table for the time of a call.
pub fn lend<T: Send + 'static>(store: &mut Store<CallState>, value: T) -> wasmtime::Result<Resource<T>> {
    Ok(store.data_mut().table.push(value)?)
}

/// The handle of a lent value that is given to the guest.
pub fn borrowed<T: 'static>(lent: &Resource<T>) -> Resource<T> {
    Resource::new_borrow(lent.rep())
}

/// Removes a lent value from the guest's table.
pub fn take_back<T: Send + 'static>(store: &mut Store<CallState>, lent: Resource<T>) -> wasmtime::Result<()> {
    store.data_mut().table.delete(lent)?;
    Ok(())
}

/// The error of a call in which the guest reported a failure.
pub fn failure(failure: types::Failure) -> HookError {
    let message = shortened(failure.message);
    if failure.transient { HookError::Transient(message) } else { HookError::Failed(message) }
}

/// A guest's denial, with its texts shortened.
pub fn denial(denial: types::Denial) -> Denial {
    Denial { reason: shortened(denial.reason), client_message: denial.client_message.map(shortened) }
}

fn shortened(text: String) -> String {
    text.chars().take(MAX_REASON).collect()
}
