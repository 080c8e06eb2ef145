//! The outcome of a made-up event.

use std::sync::Arc;

use tidegate_core::account::{AccountDraft, EffectiveAccount};
use tidegate_core::hook::{Chain, GateEvent, HookEvent, Observers};
use tidegate_core::ports::Directory;

use super::{Case, Testable};

/// What the server knows when an event happens.
pub struct Known {
    /// The account of the case's user.
    pub stored: Option<Arc<EffectiveAccount>>,
    /// Where groups are.
    pub directory: Arc<dyn Directory>,
}

/// The outcome of the chain as a whole, or of the one hook of it that the case names.
#[derive(Debug)]
pub struct Tested {
    /// The name of a verdict, `told`, or `failed`.
    pub verdict: String,
    pub detail: String,
    pub failed: bool,
    pub decided_by: Option<String>,
    pub account: Option<AccountDraft>,
}

pub async fn gate<E: GateEvent + Testable>(
    chain: Arc<Chain<E>>,
    case: Arc<Case>,
    known: Known,
) -> anyhow::Result<Tested> {
    let chain = if case.only.is_empty() { chain } else { Arc::new(chain.only(&case.only)) };
    let mut event = E::made_up(&case, known.stored.as_ref())?.with_groups_of(&known.directory);
    Ok(match chain.decide(&mut event).await {
        Ok(decision) => {
            let (verdict, detail) = E::label(&decision.verdict);
            Tested {
                verdict: verdict.to_owned(),
                detail: detail.to_owned(),
                failed: false,
                decided_by: decision.decided_by,
                account: event.account(&decision.verdict),
            }
        }
        Err(failure) => failed(failure.error.to_string(), Some(failure.hook)),
    })
}

pub async fn observers<E: HookEvent<Verdict = ()> + Testable>(
    observers: Arc<Observers<E>>,
    case: Arc<Case>,
    known: Known,
) -> anyhow::Result<Tested> {
    let observers = if case.only.is_empty() { observers } else { observers.only(&case.only) };
    let event = E::made_up(&case, known.stored.as_ref())?;
    Ok(match observers.tell(&event).await {
        Ok(()) => {
            let (verdict, detail) = ("told".to_owned(), String::new());
            Tested { verdict, detail, failed: false, decided_by: None, account: None }
        }
        Err(failure) => failed(failure.error.to_string(), Some(failure.hook)),
    })
}

fn failed(detail: String, decided_by: Option<String>) -> Tested {
    Tested { verdict: "failed".to_owned(), detail, failed: true, decided_by, account: None }
}
