//! One call of a guest: an instance, the call, and what came of it. The events are in
//! [`super::gates`] and [`super::observers`].

use std::future::Future;
use std::sync::Arc;

use tidegate_core::hook::{Call, Denial, HookError, HookEvent};
use wasmtime::component::{Instance, InstancePre, Resource};
use wasmtime::{Engine, Store};

use super::bindings::tidegate::hooks::types;
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

    fn export(exports: &super::Exports) -> Option<&Self::Export>;

    fn invoke(
        &self,
        export: &Self::Export,
        store: &mut Store<CallState>,
        instance: &Instance,
    ) -> impl Future<Output = Answer<Self::Verdict>> + Send;
}

/// A component that can be instantiated.
pub struct Guest {
    engine: Engine,
    instance: InstancePre<CallState>,
    shared: Arc<Shared>,
    /// Instances made ahead of need, or kept after a call.
    ready: std::sync::Mutex<Vec<Ready>>,
}

struct Ready {
    store: Store<CallState>,
    instance: Instance,
}

impl Guest {
    pub fn new(engine: Engine, instance: InstancePre<CallState>, shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self { engine, instance, shared, ready: std::sync::Mutex::default() })
    }

    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Instantiates the component once, so that a wrong shape shows before a login does, and
    /// then as often as the settings say ahead of need.
    pub async fn try_out(&self) -> wasmtime::Result<()> {
        let first = self.instantiate().await?;
        let settings = &self.shared.settings.limits;
        if settings.instances == Instances::Fresh {
            return Ok(());
        }
        self.keep(first);
        if settings.instances == Instances::Prepared {
            for _ in 1..settings.ready {
                let ready = self.instantiate().await?;
                self.keep(ready);
            }
        }
        Ok(())
    }

    async fn instantiate(&self) -> wasmtime::Result<Ready> {
        let mut store = Store::try_new(&self.engine, CallState::new(self.shared.clone()))?;
        limits::apply(&mut store);
        let instance = self.instance.instantiate_async(&mut store).await?;
        Ok(Ready { store, instance })
    }

    fn keep(&self, ready: Ready) {
        let mut kept = self.lock();
        if kept.len() < self.shared.settings.limits.ready {
            kept.push(ready);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Ready>> {
        self.ready.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub async fn call<E: GuestEvent>(
        self: &Arc<Self>,
        export: &E::Export,
        call: &Call,
        event: &E,
    ) -> Result<E::Verdict, HookError> {
        let kind = self.shared.settings.limits.instances;
        let ready = if kind == Instances::Fresh { None } else { self.lock().pop() };
        if kind == Instances::Prepared {
            self.prepare_another();
        }
        let ready = match ready {
            Some(ready) => Ok(ready),
            None => self.instantiate().await,
        };
        let mut ready = ready.map_err(|error| self.explain(&error, None))?;
        let connection = event.subject().connection.map(|connection| connection.id.to_string());
        ready.store.data_mut().begin(connection.unwrap_or_default());
        limits::renew(&mut ready.store);
        let answer = event.invoke(export, &mut ready.store, &ready.instance).await;
        let state = ready.store.data_mut();
        state.finish_output();
        call.used(state.memory.used(), limits::spent(state));
        match answer {
            Ok(outcome) => {
                // A guest keeps a few handles, such as that of its standard output.
                if kind == Instances::Warm && ready.store.data_mut().table.iter_mut().count() <= MAX_KEPT_HANDLES {
                    self.keep(ready);
                }
                outcome
            }
            Err(error) => Err(self.explain(&error, Some(ready.store.data()))),
        }
    }

    fn explain(&self, error: &wasmtime::Error, state: Option<&CallState>) -> HookError {
        if error.is::<wasmtime::PoolConcurrencyLimitError>() {
            return HookError::Saturated;
        }
        let fresh;
        let memory = match state {
            Some(state) => &state.memory,
            None => {
                fresh = limits::Memory::new(&self.shared.settings.limits);
                &fresh
            }
        };
        match limits::explain(error, memory) {
            (text, true) => HookError::Limit(text),
            (text, false) => HookError::Failed(text),
        }
    }

    /// In the background, while the call runs.
    fn prepare_another(self: &Arc<Self>) {
        let guest = self.clone();
        tokio::spawn(async move {
            if let Ok(ready) = guest.instantiate().await {
                guest.keep(ready);
            }
        });
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
