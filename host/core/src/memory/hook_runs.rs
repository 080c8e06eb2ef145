//! The records of hook calls.

use async_trait::async_trait;

use super::MemoryStore;
use crate::hook::HookRun;
use crate::ports::{HookCounter, HookRunStore, RUNS_KEPT, RunFilter, StoreError, StoredRun};

#[async_trait]
impl HookRunStore for MemoryStore {
    async fn append(&self, runs: Vec<HookRun>) -> Result<(), StoreError> {
        let mut state = self.state();
        for run in &runs {
            state.runs_so_far += 1;
            let id = state.runs_so_far;
            state.runs.push_back(StoredRun::of(id, run));
            if state.runs.len() > RUNS_KEPT {
                state.runs.pop_front();
            }
            if !run.is_counted() {
                continue;
            }
            let counter = HookCounter::for_run(run);
            let key = [&counter.kind, &counter.hook, &counter.version, &counter.outcome].map(String::clone);
            state.counters.entry(key).or_insert(counter).count(run);
        }
        Ok(())
    }

    async fn runs(&self, filter: RunFilter) -> Result<Vec<StoredRun>, StoreError> {
        let state = self.state();
        let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
        let matching = state.runs.iter().filter(|run| filter.lets_through(run));
        if filter.oldest {
            return Ok(matching.take(limit).cloned().collect());
        }
        let mut found: Vec<StoredRun> = matching.rev().take(limit).cloned().collect();
        found.reverse();
        Ok(found)
    }

    async fn run(&self, id: i64) -> Result<Option<StoredRun>, StoreError> {
        Ok(self.state().runs.iter().find(|run| run.id == id).cloned())
    }

    async fn counters(&self) -> Result<Vec<HookCounter>, StoreError> {
        Ok(self.state().counters.values().cloned().collect())
    }
}
