//! The last hook call of each connection. Pages that many people leave open ask for it every two seconds, so that it is
//! looked up once for all of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tidegate_core::admin::{Actor, AdminError, HookRunAdministration};
use tidegate_core::ports::RunFilter;

/// Records of hook calls in which the last one of each connection is looked for.
const RUNS: u32 = 500;
/// How long what was looked up is shown.
const SHOWN: Duration = Duration::from_secs(1);

/// A call of a hook.
pub struct LastCall {
    /// The number of its record.
    pub id: i64,
    /// The hook point and the outcome.
    pub text: String,
}

type Calls = Arc<HashMap<String, LastCall>>;

/// What was looked up last.
#[derive(Default)]
pub struct LastCalls(Mutex<Option<(Instant, Calls)>>);

impl LastCalls {
    /// The last call of each connection, by its id. The caller has checked that the actor may see records.
    ///
    /// # Errors
    /// The actor may not, or the store fails.
    pub async fn get(&self, runs: &HookRunAdministration, actor: &Actor) -> Result<Calls, AdminError> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, calls)) = known
            && at.elapsed() < SHOWN
        {
            return Ok(calls);
        }
        let newest = runs.list(actor, RunFilter { limit: RUNS, ..RunFilter::default() }).await?;
        let calls = newest.into_iter().filter(|run| run.kind != "login").filter_map(|run| {
            let text = format!("{}: {}", run.kind, run.outcome);
            Some((run.connection?, LastCall { id: run.id, text }))
        });
        // The newest record comes last.
        let calls: Calls = Arc::new(calls.collect());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), calls.clone()));
        Ok(calls)
    }
}
