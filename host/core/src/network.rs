//! Networks as people write them, in the form in which addresses are compared with them.

use core::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// Fewest bits in the prefix of an IPv4 network that is exempt from bans.
const MIN_EXEMPT_V4: u8 = 8;
/// Fewest bits in the prefix of an IPv6 network that is exempt from bans.
const MIN_EXEMPT_V6: u8 = 16;

/// The network with the same addresses, where IPv4 addresses are written as IPv6 ones (RFC 4291 §2.5.5.2): addresses of
/// clients are compared as IPv4, and would never be in such a network.
pub fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(mapped) = network else { return network };
    let (Some(bits), Some(address)) = (mapped.prefix_len().checked_sub(96), mapped.addr().to_ipv4_mapped()) else {
        return network;
    };
    Ipv4Net::new(address, bits).map_or(network, IpNet::V4)
}

/// Reads a network, or an address, which is a network of its own; None: it is neither.
pub fn parse(text: &str) -> Option<IpNet> {
    let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    network.map(canonical)
}

/// The network as one that is exempt from bans, without bits of hosts.
///
/// # Errors
/// It is too wide, in a sentence: a typing error would exempt a half of all addresses.
pub fn exemption(network: IpNet) -> Result<IpNet, String> {
    let network = canonical(network).trunc();
    let least = match network {
        IpNet::V4(_) => MIN_EXEMPT_V4,
        IpNet::V6(_) => MIN_EXEMPT_V6,
    };
    match network.prefix_len() {
        0 => Err(format!("{network} is every address; to ban none, set common.defender.enabled to false")),
        bits if bits < least => Err(format!(
            "{network} is too wide to be exempt from bans; use networks of at least {MIN_EXEMPT_V4} bits, or \
             {MIN_EXEMPT_V6} of IPv6"
        )),
        _ => Ok(network),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_as_addresses_are_compared() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(parse(text).map(|network| network.to_string()).as_deref(), expected, "{text}");
        };
        check("192.0.2.0/24", Some("192.0.2.0/24"));
        check("192.0.2.7", Some("192.0.2.7/32"));
        check("2001:db8::/32", Some("2001:db8::/32"));
        check("::1", Some("::1/128"));
        check("::ffff:192.0.2.7", Some("192.0.2.7/32"));
        check("::ffff:192.0.2.0/120", Some("192.0.2.0/24"));
        check("::ffff:0:0/96", Some("0.0.0.0/0"));
        check("::ffff:0:0/95", Some("::ffff:0.0.0.0/95"));
        for text in ["", "here", "192.0.2.0/33", "192.0.2", "::ffff:0:0/129"] {
            check(text, None);
        }
    }

    #[test]
    fn exemptions_are_no_wider_than_people_mean() {
        // B14-01
        let check = |text: &str, expected: Result<&str, &str>| match (
            exemption(parse(text).unwrap()).map(|network| network.to_string()),
            expected,
        ) {
            (Ok(network), Ok(expected)) => assert_eq!(network, expected, "{text}"),
            (Err(problem), Err(expected)) => assert!(problem.contains(expected), "{text}: {problem}"),
            (found, expected) => panic!("{text}: {found:?}, {expected:?}"),
        };
        check("10.1.2.3/8", Ok("10.0.0.0/8"));
        check("192.0.2.7", Ok("192.0.2.7/32"));
        check("2001::/16", Ok("2001::/16"));
        check("::ffff:10.0.0.0/104", Ok("10.0.0.0/8"));
        for (text, problem) in [
            ("0.0.0.0/0", "every address"),
            ("::/0", "every address"),
            ("::ffff:0:0/96", "0.0.0.0/0 is every address"),
            ("0.0.0.0/1", "0.0.0.0/1 is too wide"),
            ("128.0.0.0/1", "too wide"),
            ("10.0.0.0/7", "at least 8 bits"),
            ("::ffff:0:0/97", "0.0.0.0/1 is too wide"),
            ("2000::/3", "16 of IPv6"),
            ("2000::/15", "too wide"),
        ] {
            check(text, Err(problem));
        }
    }
}
