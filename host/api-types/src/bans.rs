//! Banned addresses.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListBans {
    /// Only bans whose address comes after this one.
    #[serde(default)]
    pub after: Option<String>,
    /// The most bans of the answer, in the order of their addresses; 0: all of them.
    #[serde(default)]
    pub limit: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Bans {
    /// Those that end first at the beginning; those of a page by their addresses.
    pub bans: Vec<Ban>,
    /// The address after which the next page begins; none if there are no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A banned address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ban {
    /// An IPv4 address, or an IPv6 network of 64 bits.
    pub ip: String,
    /// The score that led to the ban; 0: an administrator has banned the address.
    pub score: u32,
    /// Why the address is banned: by an administrator, or what it scored for.
    pub reason: String,
    /// When the ban ends (RFC 3339, UTC).
    pub ban_time: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddBan {
    /// The address; of IPv6, its whole network of 64 bits is banned.
    pub ip: String,
    /// For how many seconds, at least 1; without it, as long as a first ban by a score.
    #[serde(default)]
    pub seconds: Option<u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveBan {
    /// The address, or the network as the list shows it.
    pub ip: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListExemptNetworks {}

/// The networks whose addresses are never banned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExemptNetworks {
    /// Those of the configuration, which are changed there.
    pub configured: Vec<String>,
    /// Those that administrators have added.
    pub added: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddExemptNetwork {
    /// The network, such as `192.0.2.0/24`, or an address.
    pub network: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveExemptNetwork {
    /// The network, as the list shows it.
    pub network: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExemptNetwork {
    /// The network, without bits of hosts.
    pub network: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RemovedBan {
    pub removed: String,
}
