//! Converts the results of use cases to the types of the interface.

use tidegate_api_types as api;
use tidegate_core::account::{AccountPage, Audience, InvalidStored, LoadOutcome, Loaded, ObjectKind};
use tidegate_core::admin::{
    BannedAddress, CheckedFileSystem, CheckedStep, ExemptNetworks, HookLink, LoginExplanation, MovedAdministrator,
    PluginDetails, PluginState, ShownObject, ShownUser, StepOutcome, SweptFileSystem, problem_of,
};
use tidegate_core::file_history::FileRecord;
use tidegate_core::ports::storage::Swept;
use tidegate_core::ports::{AuditOutcome, HookCounter, StoredAudit, StoredRun};
use tidegate_core::quota::{ScanReport, Scope, UsedQuota};
use tidegate_core::session::{Session, TransferView};

pub fn session(session: &Session) -> api::Session {
    let (protocol, ssh_command) = session.live.channel();
    api::Session {
        username: session.account.username.clone(),
        connection_id: session.id.to_string(),
        client_version: session.connection.client_software().unwrap_or_default().to_owned(),
        remote_address: session.connection.remote.to_string(),
        connection_time: session.opened_at,
        last_activity: session.live.last_activity(),
        protocol: protocol.to_owned(),
        active_transfers: session.live.transfers().into_iter().map(transfer).collect(),
        ssh_command,
    }
}

fn transfer(transfer: TransferView) -> api::Transfer {
    let TransferView { operation_type, path, start_time, size, last_activity, .. } = transfer;
    api::Transfer { operation_type: operation_type.to_owned(), path, start_time, size, last_activity }
}

pub fn ban(banned: BannedAddress) -> api::Ban {
    let (reason, ban_time) = (banned.reason(), banned.end());
    api::Ban { ip: banned.address, score: banned.score, reason, ban_time }
}

/// What a request for bans is given of all of them.
pub fn bans(all: Vec<BannedAddress>, request: &api::ListBans) -> api::Bans {
    part_of_bans(all.into_iter().map(ban).collect(), request)
}

fn part_of_bans(mut bans: Vec<api::Ban>, request: &api::ListBans) -> api::Bans {
    let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
    if limit == 0 && request.after.is_none() {
        return api::Bans { bans, next: None };
    }
    bans.retain(|ban| request.after.as_ref().is_none_or(|after| ban.ip > *after));
    bans.sort_by(|one, other| one.ip.cmp(&other.ip));
    let has_more = limit > 0 && bans.len() > limit;
    if has_more {
        bans.truncate(limit);
    }
    let next = bans.last().filter(|_| has_more).map(|last| last.ip.clone());
    api::Bans { bans, next }
}

pub fn exempt_networks(networks: ExemptNetworks) -> api::ExemptNetworks {
    api::ExemptNetworks { configured: networks.configured, added: networks.added }
}

pub fn scope(scope: Scope) -> api::ScanScope {
    match scope {
        Scope::Account(name) => api::ScanScope::Account(name),
        Scope::Folder(name) => api::ScanScope::Folder(name),
    }
}

pub fn scope_of(scope: api::ScanScope) -> Scope {
    match scope {
        api::ScanScope::Account(name) => Scope::Account(name),
        api::ScanScope::Folder(name) => Scope::Folder(name),
    }
}

pub fn scan_report(report: ScanReport) -> api::ScanReport {
    let used = |used: UsedQuota| api::UsedQuota { size: used.size, files: used.files };
    api::ScanReport { scope: scope(report.scope), before: used(report.before), found: used(report.found) }
}

pub fn swept(swept: SweptFileSystem) -> api::SweptFileSystem {
    let SweptFileSystem { username, location, outcome } = swept;
    let (Swept { aborted, left }, problem) = match outcome {
        Ok(swept) => (swept, None),
        Err(problem) => (Swept::default(), Some(problem)),
    };
    api::SweptFileSystem { username, location, aborted, left, problem }
}

pub fn file_system(checked: CheckedFileSystem) -> api::CheckedFileSystem {
    let usable = checked.is_usable();
    let CheckedFileSystem { path, kind, location, steps } = checked;
    let step = |CheckedStep { step, outcome }: CheckedStep| {
        let (outcome, problem) = match outcome {
            StepOutcome::Done => (api::StepOutcome::Done, None),
            StepOutcome::Failed(problem) => (api::StepOutcome::Failed, Some(problem)),
            StepOutcome::Skipped => (api::StepOutcome::Skipped, None),
        };
        api::StorageStep { step: step.as_str().to_owned(), outcome, problem }
    };
    let steps = steps.into_iter().map(step).collect();
    api::CheckedFileSystem { path, kind: kind.to_owned(), location, usable, steps }
}

pub fn hook_link(link: HookLink) -> api::HookLink {
    api::HookLink {
        hook: link.hook.to_owned(),
        adapter: link.adapter.to_owned(),
        target: link.target,
        deadline_seconds: link.deadline.as_secs_f64(),
        on_error: link.on_error.to_owned(),
        limits: link.limits,
        version: link.version,
        grants: link.grants,
        health: link.health,
    }
}

pub fn explained_login(explanation: LoginExplanation) -> api::ExplainedLogin {
    let LoginExplanation { is_stored, points } = explanation;
    let link = |(link, skipped)| api::ExplainedLink { link: hook_link(link), skipped };
    let points = points.into_iter().map(|point| api::ExplainedPoint {
        hook: point.hook.to_owned(),
        composition: point.composition.to_owned(),
        not_asked: point.not_asked,
        links: point.links.into_iter().map(link).collect(),
    });
    api::ExplainedLogin { is_stored, points: points.collect() }
}

pub fn plugin(plugin: PluginState) -> api::Plugin {
    let PluginState { name, digest, hooks, grants, closed_gates, error, details } = plugin;
    // Its settings may have what is for the plugin alone.
    let PluginDetails { contract, wants, signer, limits: _, config: _, left_of_schema: _ } = details;
    let wants = wants.into_iter().map(|(what, is_granted)| api::PluginWant { what, is_granted }).collect();
    api::Plugin { name, sha256: digest, hooks, grants, closed_gates, error, contract, signer, wants }
}

pub fn hook_run(run: StoredRun) -> api::HookRun {
    api::HookRun {
        id: run.id,
        at: run.at,
        kind: run.kind,
        hook: run.hook,
        adapter: run.adapter,
        version: run.version,
        connection: run.connection,
        username: run.username,
        address: run.address,
        about: run.about,
        outcome: run.outcome,
        detail: run.detail,
        is_error: run.is_error,
        decided: run.decided,
        duration_us: run.duration_us,
        sent: run.sent,
        received: run.received,
        standard_error: run.standard_error,
        cpu_us: run.cpu_us,
        memory: run.memory,
        trace: run.trace,
    }
}

pub fn hook_counter(counter: HookCounter) -> api::HookCounter {
    api::HookCounter {
        kind: counter.kind,
        hook: counter.hook,
        version: counter.version,
        outcome: counter.outcome,
        is_error: counter.is_error,
        calls: counter.calls,
        total_us: counter.total_us,
        max_us: counter.max_us,
        cpu_us: counter.cpu_us,
        max_memory: counter.max_memory,
        histogram: counter.histogram,
    }
}

pub fn file_event(record: &FileRecord) -> api::FileEvent {
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    api::FileEvent {
        id: record.id,
        at: record.at,
        action: record.action.to_owned(),
        username: record.username.clone(),
        address: record.address.to_string(),
        connection: record.channel.clone(),
        protocol: record.protocol.as_str().to_owned(),
        path: record.path.clone(),
        target: given(&record.target),
        ssh_command: given(&record.ssh_command),
        size: record.size,
        elapsed_ms: record.elapsed,
        error: record.failure.clone(),
    }
}

pub fn audit_outcome_of(outcome: api::AuditOutcome) -> AuditOutcome {
    match outcome {
        api::AuditOutcome::Done => AuditOutcome::Done,
        api::AuditOutcome::Refused => AuditOutcome::Refused,
        api::AuditOutcome::Failed => AuditOutcome::Failed,
    }
}

pub fn audit_entry(stored: StoredAudit) -> api::AuditEntry {
    let StoredAudit { id, record, revision } = stored;
    api::AuditEntry {
        id,
        at: record.at,
        actor: record.author.name,
        door: record.author.door.as_str().to_owned(),
        address: record.author.address.map(|address| address.to_string()),
        action: record.action,
        kind: record.kind,
        name: record.name,
        outcome: record.outcome.as_str().to_owned(),
        detail: record.detail,
        revision,
    }
}

pub fn user(shown: ShownUser) -> api::User {
    let ShownUser { revision, document, problem, notes } = shown;
    api::User { revision, document, problem, notes }
}

pub fn users(page: AccountPage) -> api::Users {
    let AccountPage { accounts, invalid, next } = page;
    api::Users {
        users: accounts.iter().map(|account| user(ShownUser::of(account))).collect(),
        invalid: invalid.iter().map(invalid_user).collect(),
        next,
    }
}

fn invalid_user(invalid: &InvalidStored) -> api::InvalidUser {
    api::InvalidUser { username: invalid.username.clone(), problem: problem_of(invalid) }
}

/// A page of the dump. Accounts that are not valid are included: loading the dump reports what is wrong with them.
pub fn dumped(page: AccountPage) -> api::Dumped {
    let AccountPage { accounts, invalid, next } = page;
    let mut users: Vec<_> = accounts.iter().map(|account| account.to_document(Audience::Trusted)).collect();
    let problems = invalid.iter().map(invalid_user).collect();
    users.extend(invalid.into_iter().map(|invalid| invalid.document));
    api::Dumped { users, invalid: problems, next }
}

pub fn load_report(loaded: Vec<Loaded>, applied: bool) -> api::LoadReport {
    let mut report = api::LoadReport { applied, ..api::LoadReport::default() };
    for Loaded { kind, name, outcome } in loaded {
        let (outcome, changed, problem) = load_outcome(outcome);
        match outcome {
            api::AccountOutcome::Failed => report.failed += 1,
            api::AccountOutcome::Added if kind.is_none() => report.added += 1,
            api::AccountOutcome::Updated if kind.is_none() => report.updated += 1,
            api::AccountOutcome::Unchanged if kind.is_none() => report.unchanged += 1,
            api::AccountOutcome::Added | api::AccountOutcome::Updated | api::AccountOutcome::Unchanged => {}
        }
        match kind {
            None => report.accounts.push(api::LoadedAccount { username: name, outcome, changed, problem }),
            Some(kind) => {
                let kind = object_kind(kind);
                report.objects.push(api::LoadedObject { kind, name, outcome, changed, problem });
            }
        }
    }
    report
}

fn load_outcome(outcome: LoadOutcome) -> (api::AccountOutcome, Vec<String>, Option<String>) {
    match outcome {
        LoadOutcome::Added => (api::AccountOutcome::Added, Vec::new(), None),
        LoadOutcome::Updated(changed) => (api::AccountOutcome::Updated, changed, None),
        LoadOutcome::Unchanged => (api::AccountOutcome::Unchanged, Vec::new(), None),
        LoadOutcome::Failed(problem) => (api::AccountOutcome::Failed, Vec::new(), Some(problem)),
    }
}

pub fn moved_administrator(moved: MovedAdministrator) -> api::LoadedAccount {
    let (outcome, changed, problem) = load_outcome(moved.outcome);
    api::LoadedAccount { username: moved.username, outcome, changed, problem }
}

pub fn object_kind(kind: ObjectKind) -> api::ObjectKind {
    match kind {
        ObjectKind::Folder => api::ObjectKind::Folder,
        ObjectKind::Group => api::ObjectKind::Group,
        ObjectKind::Role => api::ObjectKind::Role,
    }
}

pub fn object_kind_of(kind: api::ObjectKind) -> ObjectKind {
    match kind {
        api::ObjectKind::Folder => ObjectKind::Folder,
        api::ObjectKind::Group => ObjectKind::Group,
        api::ObjectKind::Role => ObjectKind::Role,
    }
}

pub fn object(shown: ShownObject) -> api::StoredObject {
    let ShownObject { revision, document, problem } = shown;
    api::StoredObject { revision, document, problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_counts_the_accounts_of_each_outcome() {
        use LoadOutcome::{Added, Failed, Unchanged, Updated};
        let changed = || Updated(vec!["status".to_owned()]);
        let failed = || Failed("no".to_owned());
        let check = |outcomes: Vec<(Option<ObjectKind>, LoadOutcome)>, expected: [usize; 4]| {
            let name = "x".to_owned();
            let loaded = outcomes.into_iter().map(|(kind, outcome)| Loaded { kind, name: name.clone(), outcome });
            let report = load_report(loaded.collect(), true);
            assert_eq!([report.added, report.updated, report.unchanged, report.failed], expected);
            let of = |outcome| report.accounts.iter().filter(|account| account.outcome == outcome).count();
            let counted = [api::AccountOutcome::Added, api::AccountOutcome::Updated, api::AccountOutcome::Unchanged];
            assert_eq!(counted.map(of), [report.added, report.updated, report.unchanged]);
        };
        check(Vec::new(), [0, 0, 0, 0]);
        check(vec![(None, Unchanged), (None, Unchanged)], [0, 0, 2, 0]);
        check(vec![(None, Added), (None, changed()), (None, Unchanged), (None, failed())], [1, 1, 1, 1]);
        // Of folders, groups and roles only those that failed are counted.
        let folder = Some(ObjectKind::Folder);
        check(vec![(folder, Added), (folder, changed()), (folder, Unchanged), (folder, failed())], [0, 0, 0, 1]);
    }

    #[test]
    fn bans_are_given_a_page_at_a_time() {
        let ban =
            |ip: &&str| api::Ban { ip: (*ip).to_owned(), score: 0, reason: String::new(), ban_time: String::new() };
        let all = ["192.0.2.3", "192.0.2.1", "192.0.2.2"];
        let check = |after: Option<&str>, limit: u32, expected: &[&str], next: Option<&str>| {
            let request = api::ListBans { after: after.map(str::to_owned), limit };
            let found = part_of_bans(all.iter().map(ban).collect(), &request);
            let addresses: Vec<_> = found.bans.iter().map(|ban| ban.ip.as_str()).collect();
            assert_eq!((addresses.as_slice(), found.next.as_deref()), (expected, next), "{request:?}");
        };
        // In the order in which they end.
        check(None, 0, &all, None);
        check(None, 2, &["192.0.2.1", "192.0.2.2"], Some("192.0.2.2"));
        check(Some("192.0.2.2"), 2, &["192.0.2.3"], None);
        check(None, 3, &["192.0.2.1", "192.0.2.2", "192.0.2.3"], None);
        check(Some("192.0.2.1"), 0, &["192.0.2.2", "192.0.2.3"], None);
        check(Some("192.0.2.3"), 1, &[], None);
    }
}
