//! The address by which this machine reaches a NATS server: [`own_ip`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs, UdpSocket};

use async_nats::ServerAddr;

/// The address that packets to the server at `url` leave from: what else reaches that server
/// reaches it, as a rule. None where no way leads there.
pub fn own_ip(url: &str) -> Option<IpAddr> {
    let server: ServerAddr = url.parse().ok()?;
    let host = server.host().trim_matches(['[', ']']);
    let addresses = (host, server.port()).to_socket_addrs().ok()?;
    let mut own = addresses.filter_map(|server| {
        let any: IpAddr = if server.is_ipv4() {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        // Nothing is sent: the kernel chooses the way, and with it the source.
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect(server).ok()?;
        Some(socket.local_addr().ok()?.ip())
    });
    own.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_this_machine_is_reached_from_the_loopback() {
        for url in ["nats://127.0.0.1:4222", "127.0.0.1", "nats://me:secret@127.0.0.1:1"] {
            assert_eq!(own_ip(url), Some(Ipv4Addr::LOCALHOST.into()), "{url}");
        }
        assert_eq!(own_ip("nats://"), None);
    }
}
