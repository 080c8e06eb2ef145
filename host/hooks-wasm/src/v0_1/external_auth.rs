//! The `external-auth` hook of track 0.1.

use std::sync::Arc;

use tidegate_core::hook::external_auth::{ExternalAuth, ExternalAuthVerdict};
use tidegate_core::hook::{Denial, HookError};
use tidegate_core::secret::Secret;
use wasmtime::component::{InstancePre, Resource};
use wasmtime::{Engine, Store};

use super::bindings::exports::tidegate::hooks::external_auth::{AuthVerdict, GuestIndices};
use super::bindings::tidegate::hooks::types::Failure;
use super::state::{AttemptHandle, CallState, Shared};
use crate::limits;

/// Longest reason of a denial or failure that is kept.
const MAX_REASON: usize = 500;

/// A component's export of this hook.
pub struct Export {
    instance: InstancePre<CallState>,
    indices: GuestIndices,
}

impl Export {
    pub fn find(instance: &InstancePre<CallState>) -> wasmtime::Result<Self> {
        Ok(Self { instance: instance.clone(), indices: GuestIndices::new(instance)? })
    }

    /// Instantiates the component once, so that a wrong shape shows before a login does.
    pub async fn try_out(&self, engine: &Engine, shared: Arc<Shared>) -> wasmtime::Result<()> {
        let mut store = Store::try_new(engine, CallState::new(shared, String::new()))?;
        limits::apply(&mut store);
        let instance = self.instance.instantiate_async(&mut store).await?;
        self.indices.load(&mut store, &instance)?;
        Ok(())
    }

    /// One call on a fresh instance.
    pub async fn call(
        &self,
        engine: &Engine,
        shared: Arc<Shared>,
        event: &ExternalAuth,
    ) -> Result<ExternalAuthVerdict, HookError> {
        let state = CallState::new(shared, event.connection.id.to_string());
        let mut store =
            Store::try_new(engine, state).map_err(|error| HookError::Failed(error.root_cause().to_string()))?;
        limits::apply(&mut store);
        let outcome = self.authenticate(&mut store, Arc::new(event.clone())).await;
        let state = store.data_mut();
        state.finish_output();
        match outcome {
            Ok(Ok(verdict)) => translate(verdict, state),
            Ok(Err(failure)) => Err(HookError::Failed(shortened(failure.message))),
            Err(error) if error.is::<wasmtime::PoolConcurrencyLimitError>() => Err(HookError::Saturated),
            Err(error) => Err(match limits::explain(&error, &state.memory) {
                (text, true) => HookError::Limit(text),
                (text, false) => HookError::Failed(text),
            }),
        }
    }

    async fn authenticate(
        &self,
        store: &mut Store<CallState>,
        attempt: AttemptHandle,
    ) -> wasmtime::Result<Result<AuthVerdict, Failure>> {
        let instance = self.instance.instantiate_async(&mut *store).await?;
        let guest = self.indices.load(&mut *store, &instance)?;
        let attempt = store.data_mut().table.push(attempt)?.rep();
        guest.call_authenticate(&mut *store, Resource::new_borrow(attempt)).await
    }
}

fn translate(verdict: AuthVerdict, state: &mut CallState) -> Result<ExternalAuthVerdict, HookError> {
    Ok(match verdict {
        AuthVerdict::Defer => ExternalAuthVerdict::Defer,
        AuthVerdict::Accept(None) => ExternalAuthVerdict::Accept(None),
        AuthVerdict::Accept(Some(draft)) => {
            let draft = state.table.delete(draft).map_err(|error| HookError::BadOutput(error.to_string()))?;
            ExternalAuthVerdict::Accept(Some(Box::new(draft)))
        }
        AuthVerdict::VerifyStored(password) => ExternalAuthVerdict::VerifyStored(password.map(Secret::new)),
        AuthVerdict::Reject(denial) => ExternalAuthVerdict::Reject(Denial { reason: shortened(denial.reason) }),
    })
}

fn shortened(text: String) -> String {
    text.chars().take(MAX_REASON).collect()
}
