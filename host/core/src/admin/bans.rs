//! Use cases about banned addresses (B14).

use core::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use jiff::Timestamp;

use super::{Actor, AdminError, Audit, UseCase};
use crate::guard::{Ban, BanRefusal, Defender, Source};
use crate::hook::observation::Offences;
use crate::network;

/// A banned address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BannedAddress {
    /// An IPv4 address, or the network of IPv6 addresses with the same first 64 bits.
    pub address: String,
    /// The score that led to the ban; 0: an administrator has banned the address.
    pub score: u32,
    /// What it scored for.
    pub offences: Offences,
    /// When the ban ends, in milliseconds since 1970.
    pub until: i64,
}

/// An address that is not banned and has a score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoredAddress {
    /// As that of a [`BannedAddress`].
    pub address: String,
    /// The score; it is at least 1.
    pub score: u32,
}

impl BannedAddress {
    /// The end of the ban in UTC (RFC 3339).
    pub fn end(&self) -> String {
        Timestamp::from_millisecond(self.until).unwrap_or(Timestamp::MAX).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// Why the address is banned, such as `5 denied logins, 1 login with an unknown name`.
    pub fn reason(&self) -> String {
        if self.score == 0 {
            return "by an administrator".to_owned();
        }
        let Offences { login_failed, user_not_found, no_login_tried, limit_exceeded } = self.offences;
        let offences = [
            (login_failed, "denied login", "denied logins"),
            (user_not_found, "login with an unknown name", "logins with unknown names"),
            (no_login_tried, "connection without a login", "connections without a login"),
            (limit_exceeded, "connection above a limit", "connections above a limit"),
        ];
        let counted = offences.into_iter().filter(|(count, ..)| *count > 0);
        let texts = counted.map(|(count, one, several)| format!("{count} {}", if count == 1 { one } else { several }));
        texts.collect::<Vec<_>>().join(", ")
    }
}

/// A ban without a duration would end as it begins.
const SHORTEST_BAN: Duration = Duration::from_secs(1);
/// The most networks that administrators exempt.
const MAX_EXEMPTIONS: usize = 1_000;

/// The networks whose addresses are never banned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExemptNetworks {
    /// Those of the configuration: `common.defender.exempt`, and proxies.
    pub configured: Vec<String>,
    /// Those that administrators have added.
    pub added: Vec<String>,
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
        let banned = |(source, ban): (Source, Ban)| {
            let Ban { score, offences, until, .. } = ban;
            BannedAddress { address: source.to_string(), score, offences, until }
        };
        Ok(self.defender.bans().into_iter().map(banned).collect())
    }

    /// The addresses with a score that are not banned, those with the highest one at the beginning.
    ///
    /// # Errors
    /// The actor lacks `view_defender`.
    pub async fn scores(&self, actor: &Actor) -> Result<Vec<ScoredAddress>, AdminError> {
        self.audit.allow(actor, UseCase::ListBans, "").await?;
        let scores = self.defender.scores().into_iter();
        Ok(scores.map(|(source, score)| ScoredAddress { address: source.to_string(), score }).collect())
    }

    /// Whether a request from this address is refused before anything of it is looked at.
    pub fn refuses(&self, address: IpAddr) -> bool {
        self.defender.refuses(address)
    }

    /// Bans an address; `time`: for how long, None: as long as the first ban by a score. Open sessions are left alone.
    ///
    /// # Errors
    /// The actor lacks `manage_defender`, the text is no address, the time is less than a second, or the address is
    /// exempt.
    pub async fn add(&self, actor: &Actor, text: &str, time: Option<Duration>) -> Result<BannedAddress, AdminError> {
        self.audit.allow(actor, UseCase::AddBan, text).await?;
        let address = address_of(text)?;
        if time.is_some_and(|time| time < SHORTEST_BAN) {
            return Err(AdminError::NoBanTime);
        }
        let until = self.defender.ban(address, time).map_err(|refusal| {
            AdminError::BanRefused(match refusal {
                BanRefusal::Exempt => format!("{text} is in a network that is exempt; see: tidegate ban exempt list"),
                BanRefusal::Full => format!("{text} cannot be banned: there are too many bans; remove one"),
            })
        })?;
        let address = Source::from(address).to_string();
        self.audit.done(actor, "add", "ban", &address, String::new()).await;
        Ok(BannedAddress { address, score: 0, offences: Offences::default(), until })
    }

    /// Ends the ban of an address, and forgets its score. The answer is the address as the list shows it.
    ///
    /// # Errors
    /// The actor lacks `manage_defender`, the text is no address, or the address is not banned.
    pub async fn remove(&self, actor: &Actor, text: &str) -> Result<String, AdminError> {
        self.end(actor, text, |address| self.defender.forgive(address)).await
    }

    /// As [`remove`](Self::remove), also for an address that is not banned and has a score.
    ///
    /// # Errors
    /// The actor lacks `manage_defender`, the text is no address, or the address is not banned and has no score.
    pub async fn forget(&self, actor: &Actor, text: &str) -> Result<String, AdminError> {
        self.end(actor, text, |address| self.defender.forget(address)).await
    }

    /// `forget` says whether there was anything to forget.
    async fn end(
        &self,
        actor: &Actor,
        text: &str,
        forget: impl FnOnce(IpAddr) -> bool + Send,
    ) -> Result<String, AdminError> {
        self.audit.allow(actor, UseCase::RemoveBan, text).await?;
        let address = address_of(text)?;
        if !forget(address) {
            return Err(AdminError::NoBan(text.to_owned()));
        }
        let address = Source::from(address).to_string();
        self.audit.done(actor, "remove", "ban", &address, String::new()).await;
        Ok(address)
    }

    /// The networks whose addresses are never banned.
    ///
    /// # Errors
    /// The actor lacks `view_defender`.
    pub async fn exempt_networks(&self, actor: &Actor) -> Result<ExemptNetworks, AdminError> {
        self.audit.allow(actor, UseCase::ListBans, "").await?;
        let texts = |networks: &[IpNet]| networks.iter().map(ToString::to_string).collect();
        let added = self.defender.exemptions().networks();
        Ok(ExemptNetworks { configured: texts(self.defender.always_exempt()), added: texts(&added) })
    }

    /// Exempts a network from bans, and ends those of its addresses. One that is exempt already stays so. The answer is
    /// the network as the list shows it.
    ///
    /// # Errors
    /// The actor lacks `manage_defender`, the text is no network or one that is too wide, there are too many, or they
    /// cannot be kept.
    pub async fn exempt(&self, actor: &Actor, text: &str) -> Result<String, AdminError> {
        self.audit.allow(actor, UseCase::AddExemption, text).await?;
        let network = network::exemption(network_of(text)?).map_err(AdminError::BanRefused)?;
        let is_new = self
            .change_exemptions(|networks| {
                if networks.contains(&network) {
                    return Ok(false);
                }
                if networks.len() >= MAX_EXEMPTIONS {
                    let text = format!("{MAX_EXEMPTIONS} networks are exempt, which is the most; remove one");
                    return Err(AdminError::BanRefused(text));
                }
                networks.push(network);
                Ok(true)
            })
            .await?;
        if is_new {
            self.defender.forgive_exempt();
            self.audit.done(actor, "add", "exemption", &network.to_string(), String::new()).await;
        }
        Ok(network.to_string())
    }

    /// Exempts a network no longer that an administrator has exempted. The answer is the network as the list shows it.
    ///
    /// # Errors
    /// The actor lacks `manage_defender`, the text is no network or no administrator has exempted it, or the others
    /// cannot be kept.
    pub async fn exempt_no_longer(&self, actor: &Actor, text: &str) -> Result<String, AdminError> {
        self.audit.allow(actor, UseCase::RemoveExemption, text).await?;
        let network = network_of(text)?;
        let was_there = self
            .change_exemptions(|networks| {
                let before = networks.len();
                networks.retain(|other| *other != network);
                Ok(networks.len() < before)
            })
            .await?;
        if !was_there {
            return Err(AdminError::NoExemption(network.to_string()));
        }
        self.audit.done(actor, "remove", "exemption", &network.to_string(), String::new()).await;
        Ok(network.to_string())
    }

    /// Makes a change, again where another one was first. `change` says whether there is anything to keep.
    async fn change_exemptions(
        &self,
        change: impl Fn(&mut Vec<IpNet>) -> Result<bool, AdminError> + Send + Sync,
    ) -> Result<bool, AdminError> {
        loop {
            let before = self.defender.exemptions().networks();
            let mut after = before.to_vec();
            if !change(&mut after)? {
                return Ok(false);
            }
            let kept = self.defender.exemptions().replace(&before, after).await;
            if kept.map_err(AdminError::ExemptionNotKept)? {
                return Ok(true);
            }
        }
    }
}

/// Reads a network, or the network of one address; without bits of hosts, as it is compared.
fn network_of(text: &str) -> Result<IpNet, AdminError> {
    let text = text.trim();
    network::parse(text).map(|network| network.trunc()).ok_or_else(|| AdminError::NoNetwork(text.to_owned()))
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

    #[test]
    fn bans_say_what_led_to_them() {
        let check =
            |score, [login_failed, user_not_found, no_login_tried, limit_exceeded]: [u16; 4], expected: &str| {
                let offences = Offences { login_failed, user_not_found, no_login_tried, limit_exceeded };
                assert_eq!(BannedAddress { address: String::new(), score, offences, until: 0 }.reason(), expected);
            };
        check(0, [0, 0, 0, 0], "by an administrator");
        check(10, [5, 0, 0, 0], "5 denied logins");
        check(15, [1, 6, 0, 0], "1 denied login, 6 logins with unknown names");
        check(
            16,
            [0, 1, 1, 1],
            "1 login with an unknown name, 1 connection without a login, 1 connection above a limit",
        );
        check(16, [0, 0, 2, 4], "2 connections without a login, 4 connections above a limit");
    }

    #[tokio::test]
    async fn networks_are_exempted_and_recorded() {
        let (kept, audit) = audit::tests::audit();
        let settings = DefenderSettings { exempt: vec!["10.0.0.0/8".parse().unwrap()], ..DefenderSettings::default() };
        let defender = Arc::new(Defender::new(settings, Arc::default(), Arc::new(SystemClock)));
        let bans = BanAdministration { defender, audit };
        let root = Actor::local("root", Door::Socket);
        let viewer = Permissions::Only(BTreeSet::from([AdminPermission::ViewDefender]));
        let viewer = Actor { permissions: viewer, ..Actor::local("viewer", Door::Socket) };
        let check = async |text: &str, expected: Result<&str, AdminErrorKind>| {
            let done = bans.exempt(&root, text).await.map_err(|error| error.kind());
            assert_eq!(done.as_deref(), expected.as_ref().copied(), "{text}");
        };
        bans.add(&root, "192.0.2.7", None).await.unwrap();
        bans.add(&root, "198.51.100.7", None).await.unwrap();
        check("192.0.2.9/24", Ok("192.0.2.0/24")).await;
        check("192.0.2.0/24", Ok("192.0.2.0/24")).await;
        check("::ffff:203.0.113.5", Ok("203.0.113.5/32")).await;
        check("2001:db8::1", Ok("2001:db8::1/128")).await;
        check("::ffff:203.0.113.0/128", Ok("203.0.113.0/32")).await;
        for wide in ["0.0.0.0/0", "0.0.0.0/1", "10.0.0.0/7", "::ffff:0:0/96", "::/0", "2000::/3"] {
            check(wide, Err(AdminErrorKind::Refused)).await;
        }
        check("here", Err(AdminErrorKind::Invalid)).await;
        assert_eq!(bans.list(&viewer).await.unwrap().len(), 1, "the ban within the network has ended");
        let refused = bans.add(&root, "192.0.2.7", None).await.unwrap_err();
        assert_eq!((refused.kind(), refused.to_string().contains("exempt")), (AdminErrorKind::Refused, true));
        let listed = bans.exempt_networks(&viewer).await.unwrap();
        assert_eq!(listed.configured, ["10.0.0.0/8"]);
        assert_eq!(listed.added, ["192.0.2.0/24", "203.0.113.5/32", "2001:db8::1/128", "203.0.113.0/32"]);
        let remove = async |text: &str| bans.exempt_no_longer(&root, text).await.map_err(|error| error.kind());
        assert_eq!(remove("192.0.2.0/24").await.as_deref(), Ok("192.0.2.0/24"));
        assert_eq!(remove("192.0.2.0/24").await, Err(AdminErrorKind::NotFound));
        assert_eq!(remove("10.0.0.0/8").await, Err(AdminErrorKind::NotFound), "the configuration stays");
        bans.add(&root, "192.0.2.7", None).await.unwrap();
        let lines: Vec<_> = kept.lines().into_iter().filter(|line| line.contains("exemption")).collect();
        assert_eq!(
            lines,
            [
                "root add exemption 192.0.2.0/24",
                "root add exemption 203.0.113.5/32",
                "root add exemption 2001:db8::1/128",
                "root add exemption 203.0.113.0/32",
                "root remove exemption 192.0.2.0/24",
            ]
        );
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
        for time in [Duration::ZERO, Duration::from_millis(999)] {
            let refused = bans.add(&root, "192.0.2.1", Some(time)).await.unwrap_err();
            assert_eq!((refused.kind(), refused.field()), (AdminErrorKind::Invalid, Some("seconds")), "{time:?}");
        }
        assert!(!defender.refuses("192.0.2.1".parse().unwrap()));
        assert_eq!(bans.add(&root, "192.0.2.1", None).await.unwrap().address, "192.0.2.1");
        let shown =
            |until| BannedAddress { address: String::new(), score: 0, offences: Offences::default(), until }.end();
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
