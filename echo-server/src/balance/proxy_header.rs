//! Sends the client's address to a backend before its data: [`ProxyProtocol`] v1 and v2.

use std::net::{IpAddr, SocketAddr};

use echo_net::address::{PeerAddress, SocketAddress, canonical};

/// A version of the PROXY protocol.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumString, strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum ProxyProtocol {
    /// A line of text.
    V1,
    /// A binary header.
    V2,
}

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

impl ProxyProtocol {
    /// The header of the balancer's own connections (health checks), which have no client.
    pub(super) fn own_header(self) -> Vec<u8> {
        match self {
            Self::V1 => b"PROXY UNKNOWN\r\n".to_vec(),
            // Version 2, command LOCAL, no family, no addresses.
            Self::V2 => [&SIGNATURE[..], &[0x20, 0, 0, 0]].concat(),
        }
    }

    /// The header for a connection from `client` to `own`. A client of a unix-domain socket has no
    /// address.
    pub(super) fn header(self, client: PeerAddress, own: SocketAddress) -> Vec<u8> {
        match (client, own) {
            (PeerAddress::Tcp(client), SocketAddress::Tcp(own)) => self.tcp(client, own),
            _ => self.unknown(),
        }
    }

    /// The header for a client whose address is unknown.
    fn unknown(self) -> Vec<u8> {
        match self {
            Self::V1 => b"PROXY UNKNOWN\r\n".to_vec(),
            // Version 2, command PROXY, no family, no addresses.
            Self::V2 => [&SIGNATURE[..], &[0x21, 0, 0, 0]].concat(),
        }
    }

    /// The header for addresses of one family, which is IPv4 for IPv4-mapped ones, as on the wire.
    fn tcp(self, client: SocketAddr, own: SocketAddr) -> Vec<u8> {
        let (client, own) = (canonical(client), canonical(own));
        let (ip, ports) = ((client.ip(), own.ip()), (client.port(), own.port()));
        match self {
            Self::V1 => {
                let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
                format!("PROXY {family} {} {} {} {}\r\n", ip.0, ip.1, ports.0, ports.1)
                    .into_bytes()
            }
            Self::V2 => {
                let addresses = [octets(ip.0), octets(ip.1)].concat();
                // Version 2, command PROXY, then family and stream.
                let family = if client.is_ipv4() { 0x11 } else { 0x21 };
                let length = (addresses.len() + 4) as u16;
                let mut header = [&SIGNATURE[..], &[0x21, family]].concat();
                header.extend_from_slice(&length.to_be_bytes());
                header.extend_from_slice(&addresses);
                header.extend_from_slice(&ports.0.to_be_bytes());
                header.extend_from_slice(&ports.1.to_be_bytes());
                header
            }
        }
    }
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_those_of_the_specification() {
        let client: SocketAddr = "192.0.2.1:56324".parse().unwrap();
        let own: SocketAddr = "192.0.2.2:443".parse().unwrap();
        let line = b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n";
        assert_eq!(ProxyProtocol::V1.tcp(client, own), line);
        let binary =
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\xdc\x04\x01\xbb";
        assert_eq!(ProxyProtocol::V2.tcp(client, own), binary);
        let six: SocketAddr = "[::1]:1".parse().unwrap();
        assert_eq!(ProxyProtocol::V1.tcp(six, six), b"PROXY TCP6 ::1 ::1 1 1\r\n");
        assert_eq!(ProxyProtocol::V2.tcp(six, six).len(), 16 + 36);
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:56324".parse().unwrap();
        assert_eq!(ProxyProtocol::V1.tcp(mapped, own), line);
        assert_eq!(ProxyProtocol::V2.tcp(mapped, own), binary);
        assert_eq!(ProxyProtocol::V1.own_header(), b"PROXY UNKNOWN\r\n");
        let unix = PeerAddress::Unix(Some(0));
        assert_eq!(ProxyProtocol::V1.header(unix, own.into()), b"PROXY UNKNOWN\r\n");
        let unknown = b"\r\n\r\n\0\r\nQUIT\n\x21\0\0\0";
        assert_eq!(ProxyProtocol::V2.header(unix, own.into()), unknown);
        let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
        assert_eq!(ProxyProtocol::V2.own_header(), local);
    }
}
