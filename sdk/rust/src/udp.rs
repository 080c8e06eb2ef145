//! Datagrams to the addresses that the operator granted (`udp` in the plugin's settings).

use std::net::SocketAddr;

/// Sends one datagram; success does not mean that it arrives.
///
/// # Errors
/// Why it was not sent, for the log. The operator has to have granted the address.
#[cfg(target_family = "wasm")]
pub fn send(to: SocketAddr, datagram: &[u8]) -> Result<(), String> {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use wasip2::sockets::instance_network::instance_network;
    use wasip2::sockets::network::{ErrorCode, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress};
    use wasip2::sockets::udp::OutgoingDatagram;
    use wasip2::sockets::udp_create_socket::create_udp_socket;

    let address = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            IpSocketAddress::Ipv4(Ipv4SocketAddress { port: address.port(), address: (a, b, c, d) })
        }
        IpAddr::V6(ip) => {
            let [a, b, c, d, e, f, g, h] = ip.segments();
            let address6 = (a, b, c, d, e, f, g, h);
            let port = address.port();
            IpSocketAddress::Ipv6(Ipv6SocketAddress { port, flow_info: 0, address: address6, scope_id: 0 })
        }
    };
    let (family, any) = match to.ip() {
        IpAddr::V4(_) => (IpAddressFamily::Ipv4, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        IpAddr::V6(_) => (IpAddressFamily::Ipv6, IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
    };
    let explain =
        |error: ErrorCode| format!("{to}: {}; to allow it, add it to \"udp\" in the plugin's settings", error.name());
    let socket = create_udp_socket(family).map_err(explain)?;
    socket.start_bind(&instance_network(), address(SocketAddr::new(any, 0))).map_err(explain)?;
    socket.subscribe().block();
    socket.finish_bind().map_err(explain)?;
    let (_incoming, outgoing) = socket.stream(None).map_err(explain)?;
    while outgoing.check_send().map_err(explain)? == 0 {
        outgoing.subscribe().block();
    }
    let datagram = OutgoingDatagram { data: datagram.to_vec(), remote_address: Some(address(to)) };
    outgoing.send(&[datagram]).map_err(explain).map(drop)
}

/// In a native test nothing is sent.
///
/// # Errors
/// Never.
#[cfg(not(target_family = "wasm"))]
pub fn send(_to: SocketAddr, _datagram: &[u8]) -> Result<(), String> {
    Ok(())
}
