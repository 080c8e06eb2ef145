//! Use cases about banned addresses (B14).

use core::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use jiff::Timestamp;

use super::{Actor, AdminError, Audit, UseCase};
use crate::guard::{BanRefusal, Defender, Source};

/// A banned address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BannedAddress {
    /// An IPv4 address, or the network of IPv6 addresses with the same first 64 bits.
    pub address: String,
    /// The score that led to the ban; 0: an administrator has banned the address.
    pub score: u32,
    /// When the ban ends, in milliseconds since 1970.
    pub until: i64,
}

impl BannedAddress {
    /// The end of the ban in UTC (RFC 3339).
    pub fn end(&self) -> String {
        Timestamp::from_millisecond(self.until).unwrap_or(Timestamp::MAX).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

/// Use cases about banned addresses.
pub struct BanAdministration {
    /// The scores and bans of this server.
    pub defender: Arc<Defender>,
    /// Records bans and their ends by administrators.
    pub audit: Audit,
}

impl BanAdministration {
    /// The banned addresses, those whose ban ends first at the beginning.
    ///
    /// # Errors
    /// The actor lacks `view_defender`.
    pub async fn list(&self, actor: &Actor) -> Result<Vec<BannedAddress>, AdminError> {
        self.audit.allow(actor, UseCase::ListBans, "").await?;
        let bans = self.defender.bans().into_iter();
        Ok(bans
            .map(|(source, ban)| BannedAddress { address: source.to_string(), score: ban.score, until: ban.until })
            .collect())
    }

    /// Whether a request from this address is refused before anything of it is looked at.
    pub fn refuses(&self, address: IpAddr) -> bool {
        self.defender.refuses(address)
    }

    /// Bans an address; `time`: for how long, None: as long as the first ban by a score. Open sessions are left alone.
    ///
    /// # Errors
    /// The actor lacks `manage_defender`, the text is no address, or the address is exempt.
    pub async fn add(&self, actor: &Actor, text: &str, time: Option<Duration>) -> Result<BannedAddress, AdminError> {
        self.audit.allow(actor, UseCase::AddBan, text).await?;
        let address = address_of(text)?;
        let until = self.defender.ban(address, time).map_err(|refusal| {
            AdminError::BanRefused(match refusal {
                BanRefusal::Exempt => {
                    format!("{text} is in a network that common.defender.exempt or proxy_allowed names")
                }
                BanRefusal::Full => format!("{text} cannot be banned: there are too many bans; remove one"),
            })
        })?;
        let address = Source::from(address).to_string();
        self.audit.done(actor, "add", "ban", &address, String::new()).await;
        Ok(BannedAddress { address, score: 0, until })
    }

    /// Ends the ban of an address, and forgets its score. The answer is the address as the list shows it.
    ///
    /// # Errors
    /// The actor lacks `manage_defender`, the text is no address, or the address is not banned.
    pub async fn remove(&self, actor: &Actor, text: &str) -> Result<String, AdminError> {
        self.audit.allow(actor, UseCase::RemoveBan, text).await?;
        let address = address_of(text)?;
        if !self.defender.forgive(address) {
            return Err(AdminError::NoBan(text.to_owned()));
        }
        let address = Source::from(address).to_string();
        self.audit.done(actor, "remove", "ban", &address, String::new()).await;
        Ok(address)
    }
}

/// Reads an address, or a network as the list shows it: exactly what one ban is for.
fn address_of(text: &str) -> Result<IpAddr, AdminError> {
    let network = |network: IpNet| match network {
        IpNet::V4(network) if network.prefix_len() == 32 => Some(IpAddr::V4(network.addr())),
        IpNet::V6(network) if network.prefix_len() == 64 => Some(IpAddr::V6(network.addr())),
        IpNet::V4(_) | IpNet::V6(_) => None,
    };
    let text = text.trim();
    let address = text.parse().ok().or_else(|| text.parse().ok().and_then(network));
    address.ok_or_else(|| AdminError::NoAddress(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{AdminErrorKind, AdminPermission, Permissions, audit};
    use super::*;
    use crate::guard::DefenderSettings;
    use crate::ports::{Door, SystemClock};

    #[test]
    fn a_ban_is_for_an_address_or_the_network_of_one() {
        let check = |text: &str, expected: Option<&str>| {
            let found = address_of(text).ok().map(|address| Source::from(address).to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("192.0.2.1", Some("192.0.2.1"));
        check(" 192.0.2.1/32 ", Some("192.0.2.1"));
        check("2001:db8::7", Some("2001:db8::/64"));
        check("2001:db8::/64", Some("2001:db8::/64"));
        check("192.0.2.0/24", None);
        check("2001:db8::/48", None);
        check("localhost", None);
        check("", None);
    }

    #[tokio::test]
    async fn bans_are_listed_added_removed_and_recorded() {
        let (kept, audit) = audit::tests::audit();
        let settings = DefenderSettings { exempt: vec!["10.0.0.0/8".parse().unwrap()], ..DefenderSettings::default() };
        let defender = Arc::new(Defender::new(settings, Arc::default(), Arc::new(SystemClock)));
        let bans = BanAdministration { defender: defender.clone(), audit };
        let root = Actor::local("root", Door::Socket);
        let viewer = Permissions::Only(BTreeSet::from([AdminPermission::ViewDefender]));
        let viewer = Actor { permissions: viewer, ..Actor::local("viewer", Door::Socket) };
        let kind = |error: AdminError| error.kind();
        assert_eq!(bans.add(&viewer, "192.0.2.1", None).await.map_err(kind), Err(AdminErrorKind::Forbidden));
        assert_eq!(bans.add(&root, "192.0.2", None).await.map_err(kind), Err(AdminErrorKind::Invalid));
        assert_eq!(bans.add(&root, "10.0.0.1", None).await.map_err(kind), Err(AdminErrorKind::Refused));
        assert_eq!(bans.add(&root, "192.0.2.1", None).await.unwrap().address, "192.0.2.1");
        let shown = |until| BannedAddress { address: String::new(), score: 0, until }.end();
        assert_eq!(
            (shown(1_000), shown(i64::MAX)),
            ("1970-01-01T00:00:01Z".to_owned(), "9999-12-30T22:00:00Z".to_owned())
        );
        assert!(defender.refuses("192.0.2.1".parse().unwrap()));
        assert_eq!(bans.list(&viewer).await.unwrap().len(), 1);
        assert_eq!(bans.remove(&viewer, "192.0.2.1").await.map_err(kind), Err(AdminErrorKind::Forbidden));
        assert_eq!(bans.remove(&root, "192.0.2.1").await, Ok("192.0.2.1".to_owned()));
        assert_eq!(bans.remove(&root, "192.0.2.1").await.map_err(kind), Err(AdminErrorKind::NotFound));
        assert_eq!(
            kept.lines(),
            [
                "viewer add ban 192.0.2.1 refused",
                "root add ban 192.0.2.1",
                "viewer remove ban 192.0.2.1 refused",
                "root remove ban 192.0.2.1",
            ]
        );
    }
}
