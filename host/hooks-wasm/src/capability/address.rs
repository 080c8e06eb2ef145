//! Addresses that a plugin may not be led to by a name or a pattern: this machine, under any
//! address that it has, and the services that hand a cloud machine its own credentials.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// Services beside link-local 169.254.169.254 that give a machine its credentials.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254);

/// Whether a grant of a name or a pattern never includes this address.
pub fn is_prohibited(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => prohibited_v4(address),
        IpAddr::V6(address) => prohibited_v6(address) || carried(address).is_some_and(prohibited_v4),
    }
}

/// Whether an interface of this machine has the address, or the IPv4 address inside it: then, and only then,
/// a socket can be bound to it. Checked each time, because interfaces come and go. Where the kernel allows
/// sockets to be bound to any address (`ip_nonlocal_bind`), every address looks like one of this machine.
pub fn is_own(address: IpAddr) -> bool {
    let carried = match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => carried(address).map(IpAddr::V4),
    };
    [Some(address), carried].into_iter().flatten().any(|address| UdpSocket::bind((address, 0)).is_ok())
}

fn prohibited_v4(address: Ipv4Addr) -> bool {
    address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        // "This network" (0.0.0.0/8): a connection there goes to the machine itself.
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

/// In fd00:ec2::/32, machines of one cloud get their credentials in several places. Where an
/// address in 64:ff9b:1::/48 (RFC 8215) leads depends on the network's translator.
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
        // G-05
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

    /// The address from which packets to a distant network would go out; nothing is sent.
    fn outward_address() -> Option<IpAddr> {
        let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
        socket.connect("192.0.2.1:9").ok()?;
        Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_unspecified())
    }

    #[test]
    fn the_addresses_of_all_interfaces_are_this_machine() {
        // A machine without a network has none but loopback.
        let Some(IpAddr::V4(own)) = outward_address() else { return };
        let [a, b, c, d] = own.octets().map(u16::from);
        for address in [
            IpAddr::V4(own),
            IpAddr::V6(own.to_ipv6_mapped()),
            IpAddr::V6(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, a << 8 | b, c << 8 | d)),
            IpAddr::V6(Ipv6Addr::new(0x2002, a << 8 | b, c << 8 | d, 0, 0, 0, 0, 0)),
        ] {
            assert!(is_own(address), "{address}");
        }
        assert!(!is_own("198.51.100.1".parse().unwrap()));
    }
}
