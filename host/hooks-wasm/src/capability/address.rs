//! Addresses that a plugin may not be led to by a name: this machine, and the services that
//! hand a cloud machine its own credentials.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Services beside link-local 169.254.169.254 that give a machine its credentials.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254);

/// Whether nobody may be sent there who was only granted a name.
pub fn is_prohibited(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => prohibited_v4(address),
        IpAddr::V6(address) => prohibited_v6(address) || carried(address).is_some_and(prohibited_v4),
    }
}

fn prohibited_v4(address: Ipv4Addr) -> bool {
    address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        // "This network", which connects to the machine itself.
        || address.octets().first() == Some(&0)
        || METADATA_V4.contains(&address)
}

fn prohibited_v6(address: Ipv6Addr) -> bool {
    address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_unicast_link_local()
        || address == METADATA_V6
        || is_cloud_or_local_translation(address)
}

/// fd00:ec2::/32 gives machines of one cloud their credentials in several places; what a
/// translator of 64:ff9b:1::/48 (RFC 8215) makes of an address is the operator's choice.
fn is_cloud_or_local_translation(address: Ipv6Addr) -> bool {
    matches!(address.segments(), [0xfd00, 0xec2, ..] | [0x64, 0xff9b, 1, ..])
}

/// The IPv4 address that an IPv6 address leads to: mapped, compatible (RFC 4291), translated
/// (RFC 6052), 6to4 (RFC 3056) or Teredo (RFC 4380).
fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let pair = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0 | 0xffff) | (0, 0, 0, 0, 0xffff, 0) | (0x64, 0xff9b, 0, 0, 0, 0) => Some(pair(g, h)),
        (0x2002, high, low, ..) => Some(pair(high, low)),
        (0x2001, 0, ..) => Some(pair(!g, !h)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_neither_to_this_machine_nor_to_metadata() {
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "169.254.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "ff02::1",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "64:ff9b:1:a9fe:a9:fe00::",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::a9fe:a9fe",
            "2002:7f00:1::",
            "2001:0:1:2:3:4:80ff:fffe",
        ] {
            assert!(is_prohibited(address.parse().unwrap()), "{address}");
        }
        for address in
            ["192.0.2.1", "10.0.0.1", "192.168.1.1", "2001:db8::1", "fd12::1", "::ffff:192.0.2.1", "64:ff9b::c000:201"]
        {
            assert!(!is_prohibited(address.parse().unwrap()), "{address}");
        }
    }
}
