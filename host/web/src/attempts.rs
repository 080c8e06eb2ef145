//! Looks for the attempts of a user, from an address or of a connection among the records of hook calls.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;

use tidegate_core::ports::{RUNS_KEPT, RunFilter, StoredRun};

use crate::judgement::{ACCEPT, Judgement, LOGIN, judge};
use crate::problem::Problem;
use crate::request::Asked;

/// Attempts of a page.
const SHOWN: usize = 5;
/// Most steps of an attempt up to its outcome, and most calls in which accepted connections are looked for.
const STEPS: u32 = 500;
/// Most calls after the outcome: those about the files of a session have no end.
const AFTERWARDS: u32 = 50;

/// The points of hooks that are asked over the web and over REST as well, where no record says how the log-in ended.
const WITHOUT_OUTCOME: [&str; 2] = ["login-pre", "session-create"];

/// What is looked for.
pub struct Search<'a> {
    /// A user, an address, or the id of a connection.
    pub who: &'a str,
    /// Whether accepted attempts are looked for, too.
    pub is_all: bool,
    /// Only attempts whose outcome has a smaller number.
    pub before: Option<i64>,
}

/// A page of attempts, the newest first.
#[derive(Default)]
pub struct Attempts {
    /// The steps of each.
    pub shown: Vec<Vec<StoredRun>>,
    /// [`Search::before`] of the next page.
    pub older: Option<i64>,
    /// Whether accepted attempts are among them.
    pub is_all: bool,
    /// Whether accepted attempts are shown because no refused one was found.
    pub has_no_refusal: bool,
    /// Whether the search was for one connection.
    pub is_of_connection: bool,
}

/// The attempts that match: those that were refused, unless others are wanted as well or there are no such ones.
pub async fn of_search(asked: &Asked, search: &Search<'_>) -> Result<Attempts, Problem> {
    let steps = steps_of(asked, search.who).await?;
    if !steps.is_empty() {
        return Ok(Attempts { shown: vec![steps], is_of_connection: true, ..Attempts::default() });
    }
    let outcomes = outcomes(asked, search.who).await?;
    if !search.is_all {
        let mut refused = grouped(outcomes.clone());
        refused.retain(|group| matches!(judge(group), Judgement::Refused(_) | Judgement::Undecided(_)));
        if !refused.is_empty() {
            return page(asked, search, refused).await;
        }
    }
    let mut all = outcomes;
    for filter in subjects(search.who) {
        all.extend(records(asked, RunFilter { limit: STEPS, ..filter }).await?);
    }
    let found = page(asked, &Search { is_all: true, ..*search }, grouped(all)).await?;
    let has_no_refusal = !search.is_all && !found.shown.is_empty();
    Ok(Attempts { has_no_refusal, ..found })
}

/// The page that begins at the search's number, with all steps of its attempts.
async fn page(asked: &Asked, search: &Search<'_>, mut groups: Vec<Vec<StoredRun>>) -> Result<Attempts, Problem> {
    let newest = |group: &Vec<StoredRun>| group.last().map_or(0, |run| run.id);
    groups.retain(|group| search.before.is_none_or(|before| newest(group) < before));
    let has_more = groups.len() > SHOWN;
    groups.truncate(SHOWN);
    let older = groups.last().filter(|_| has_more).map(newest);
    let mut shown = Vec::new();
    for group in groups {
        let connection = group.first().and_then(|run| run.connection.clone());
        shown.push(match connection {
            // The calls before a name was known belong to the attempt as well.
            Some(connection) => steps_of(asked, &connection).await?,
            None => group,
        });
    }
    Ok(Attempts { shown, older, is_all: search.is_all, ..Attempts::default() })
}

async fn records(asked: &Asked, filter: RunFilter) -> Result<Vec<StoredRun>, Problem> {
    Ok(asked.web.administration.hook_runs.list(asked.actor()?, filter).await?)
}

/// What selects the records: the name of a user, and the address where it is one.
fn subjects(who: &str) -> impl Iterator<Item = RunFilter> {
    let user = RunFilter { username: Some(who.to_owned()), ..RunFilter::default() };
    std::iter::once(user).chain(address_of(who))
}

fn address_of(who: &str) -> Option<RunFilter> {
    let address = who.parse::<IpAddr>().ok()?.to_canonical().to_string();
    Some(RunFilter { address: Some(address), ..RunFilter::default() })
}

/// All records that say how log-ins ended, however many calls of hooks are newer: over the web and over REST, those are
/// the calls themselves. Connections that were refused before they named a user are found by their address.
async fn outcomes(asked: &Asked, who: &str) -> Result<Vec<StoredRun>, Problem> {
    let limit = u32::try_from(RUNS_KEPT).unwrap_or(u32::MAX);
    let of_kind = |filter: RunFilter, kind: &str| RunFilter { kind: Some(kind.to_owned()), limit, ..filter };
    let mut found = Vec::new();
    for filter in subjects(who) {
        found.extend(records(asked, of_kind(filter.clone(), LOGIN)).await?);
        for kind in WITHOUT_OUTCOME {
            let denied = RunFilter { outcome: Some("deny".to_owned()), ..of_kind(filter.clone(), kind) };
            found.extend(records(asked, denied).await?);
            // A failure that refuses has one of many outcomes; it is looked for among the newest calls.
            found.extend(records(asked, RunFilter { limit: STEPS, ..of_kind(filter.clone(), kind) }).await?);
        }
    }
    if let Some(address) = address_of(who) {
        for kind in ["connect", ACCEPT] {
            found.extend(records(asked, of_kind(address.clone(), kind)).await?);
        }
    }
    Ok(found)
}

/// The records by connection, the newest connection first. Where the server closed a connection at once it has no id.
fn grouped(mut records: Vec<StoredRun>) -> Vec<Vec<StoredRun>> {
    records.sort_by_key(|run| run.id);
    records.dedup_by_key(|run| run.id);
    let mut groups: Vec<Vec<StoredRun>> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for run in records {
        let place = match &run.connection {
            Some(connection) => *places.entry(connection.clone()).or_insert(groups.len()),
            None if run.kind == ACCEPT => groups.len(),
            // About no connection, such as the change of an account.
            None => continue,
        };
        match groups.get_mut(place) {
            Some(group) => group.push(run),
            None => groups.push(vec![run]),
        }
    }
    groups.sort_by_key(|group| Reverse(group.last().map(|run| run.id)));
    groups
}

/// The steps of a connection from its beginning to the outcome of its last try, and the newest calls after that.
async fn steps_of(asked: &Asked, connection: &str) -> Result<Vec<StoredRun>, Problem> {
    let of = |limit: u32| RunFilter { connection: Some(connection.to_owned()), limit, ..RunFilter::default() };
    let last = records(asked, RunFilter { kind: Some(LOGIN.to_owned()), ..of(1) }).await?;
    let Some(last) = last.first().map(|run| run.id) else { return records(asked, of(STEPS)).await };
    let mut steps = records(asked, RunFilter { before: Some(last.saturating_add(1)), ..of(STEPS) }).await?;
    steps.extend(records(asked, RunFilter { after: last, ..of(AFTERWARDS) }).await?);
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_put_together_by_connection() {
        let check = |records: &[(i64, &str, Option<&str>)], expected: &[&[i64]]| {
            let run = |(id, kind, connection): &(i64, &str, Option<&str>)| StoredRun {
                id: *id,
                kind: (*kind).to_owned(),
                connection: connection.map(str::to_owned),
                ..StoredRun::default()
            };
            let groups = grouped(records.iter().map(run).collect());
            let found: Vec<Vec<i64>> = groups.iter().map(|group| group.iter().map(|run| run.id).collect()).collect();
            assert_eq!(found, expected, "{records:?}");
        };
        check(&[], &[]);
        let (a, b) = (Some("a"), Some("b"));
        check(&[(1, "login", a), (2, "login", b), (3, "login", a)], &[&[1, 3], &[2]]);
        // What two searches have found.
        check(&[(2, "login", b), (1, "login", a), (2, "login", b)], &[&[2], &[1]]);
        check(&[(1, "accept", None), (2, "user-update", None), (3, "accept", None)], &[&[3], &[1]]);
    }
}
