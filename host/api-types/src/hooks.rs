//! Hook points and the records of hook calls. Durations are in microseconds.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListHookLinks {}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HookLinks {
    pub links: Vec<HookLink>,
}

/// One link of a hook point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HookLink {
    pub hook: String,
    pub adapter: String,
    pub target: String,
    pub deadline_seconds: f64,
    pub on_error: String,
    pub limits: String,
    pub version: Option<String>,
    pub grants: Vec<String>,
    pub health: String,
}

/// Which hooks a login would meet. Of the account only what selects hooks is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainLogin {
    /// The name, as a client would send it.
    pub username: String,
    /// The method; of several steps, the combined one.
    pub method: String,
    /// The client's address.
    pub address: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedLogin {
    /// Whether an account of that name is stored.
    pub is_stored: bool,
    /// The hook points of a login, in their order.
    pub points: Vec<ExplainedPoint>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedPoint {
    /// The name of the hook point.
    pub hook: String,
    /// How its links make one decision, in words.
    pub composition: String,
    /// Why the point as a whole is not asked; none: it is.
    pub not_asked: Option<String>,
    /// The links, in the order in which they are asked.
    pub links: Vec<ExplainedLink>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedLink {
    pub link: HookLink,
    /// Why the link is skipped; none: it is asked, if the point is.
    pub skipped: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListHookRuns {
    /// Only calls of this hook point; `login`: the outcomes of logins.
    #[serde(default)]
    pub kind: Option<String>,
    /// Only calls about this user.
    #[serde(default)]
    pub username: Option<String>,
    /// Only calls about clients at this address.
    #[serde(default)]
    pub address: Option<String>,
    /// Only calls about this connection.
    #[serde(default)]
    pub connection: Option<String>,
    /// Only calls of this hook: a path, a URL or the name of a plugin.
    #[serde(default)]
    pub hook: Option<String>,
    /// Only calls with this outcome.
    #[serde(default)]
    pub outcome: Option<String>,
    /// Only calls that began then or later, in milliseconds since 1970.
    #[serde(default)]
    pub since: Option<i64>,
    /// Only calls that began earlier, in milliseconds since 1970.
    #[serde(default)]
    pub until: Option<i64>,
    /// Only records with a greater number.
    #[serde(default)]
    pub after: i64,
    pub limit: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HookRuns {
    pub runs: Vec<HookRun>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowHookRun {
    pub id: i64,
}

/// One call of a hook.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HookRun {
    pub id: i64,
    /// Milliseconds since 1970.
    pub at: i64,
    pub kind: String,
    pub hook: String,
    pub adapter: String,
    pub version: Option<String>,
    pub connection: Option<String>,
    pub username: Option<String>,
    pub address: Option<String>,
    pub about: Option<String>,
    pub outcome: String,
    pub detail: String,
    pub is_error: bool,
    pub decided: bool,
    pub duration_us: i64,
    pub sent: String,
    pub received: String,
    pub standard_error: String,
    pub cpu_us: Option<i64>,
    /// Memory in use, in bytes.
    pub memory: Option<i64>,
    /// The trace that the call was part of (W3C Trace Context).
    pub trace: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListHookCounters {}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HookCounters {
    /// Upper bounds of the histograms' buckets, in microseconds; one more bucket counts longer calls.
    pub duration_bounds_us: Vec<u64>,
    pub counters: Vec<HookCounter>,
}

/// The calls of one hook in one version with one outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HookCounter {
    pub kind: String,
    pub hook: String,
    pub version: String,
    pub outcome: String,
    pub is_error: bool,
    pub calls: i64,
    pub total_us: i64,
    pub max_us: i64,
    pub cpu_us: i64,
    /// The most memory that a call used, in bytes.
    pub max_memory: i64,
    pub histogram: Vec<i64>,
}

/// Forget what external authentication has decided about credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgetCredentials {
    /// The credentials of this user only.
    #[serde(default)]
    pub username: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ForgottenCredentials {
    /// How many credentials were remembered.
    pub forgotten: u64,
}
