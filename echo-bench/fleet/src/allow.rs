//! Which targets an agent puts load on: [`Allow`], a list of networks ([`Cidr`]).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network, like `10.0.0.0/8` or `fd00::/8`; an address alone is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    network: IpAddr,
    bits: u8,
}

/// A text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid network `{0}`: write ADDRESS/BITS like 10.0.0.0/8 or fd00::/8")]
pub struct InvalidCidr(String);

/// An address as a number, and its bits.
fn number(ip: IpAddr) -> (u128, u8) {
    match ip {
        IpAddr::V4(ip) => (u32::from(ip).into(), 32),
        IpAddr::V6(ip) => (ip.into(), 128),
    }
}

impl Cidr {
    const fn new(network: IpAddr, bits: u8) -> Self {
        Self { network, bits }
    }

    /// Whether an address lies in it. An IPv4 address that is written as one of IPv6 is one of
    /// IPv4, since that is where packets go.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let (ip, width) = number(ip.to_canonical());
        let (network, own_width) = number(self.network);
        let rest = u32::from(width - self.bits.min(width));
        let head = |number: u128| number.checked_shr(rest).unwrap_or(0);
        width == own_width && head(ip) == head(network)
    }
}

impl FromStr for Cidr {
    type Err = InvalidCidr;

    fn from_str(text: &str) -> Result<Self, InvalidCidr> {
        let invalid = || InvalidCidr(text.chars().take(60).collect());
        let (ip, bits) = match text.split_once('/') {
            Some((ip, bits)) => (ip, Some(bits)),
            None => (text, None),
        };
        let network: IpAddr = ip.parse().map_err(|_| invalid())?;
        let (_, width) = number(network);
        let is_digits = |bits: &str| bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits = match bits {
            None => width,
            Some(bits) if is_digits(bits) => bits.parse().map_err(|_| invalid())?,
            Some(_) => return Err(invalid()),
        };
        if bits > width {
            return Err(invalid());
        }
        Ok(Self::new(network, bits))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.bits)
    }
}

/// Loopback, private and link-local networks (RFC 1122, 1918, 3927, 4193, 4291).
const PRIVATE: [Cidr; 8] = [
    Cidr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    Cidr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
    Cidr::new(IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
    Cidr::new(IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16),
    Cidr::new(IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
    Cidr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
    Cidr::new(IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7),
    Cidr::new(IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
];

/// The networks whose addresses may be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow(Vec<Cidr>);

impl Default for Allow {
    fn default() -> Self {
        Self(PRIVATE.to_vec())
    }
}

impl Allow {
    /// These networks; without any, loopback and private ones.
    pub fn new(networks: &[Cidr]) -> Self {
        if networks.is_empty() { Self::default() } else { Self(networks.to_vec()) }
    }

    /// Whether this address may be loaded.
    pub fn permits(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(ip))
    }

    /// The networks.
    pub fn networks(&self) -> &[Cidr] {
        &self.0
    }
}

impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, network) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{network}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_only_loopback_and_private_addresses_may_be_loaded() {
        let allow = Allow::new(&[]);
        for ip in ["127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.1.1", "::1", "fd00::1"] {
            assert!(allow.permits(ip.parse().unwrap()), "{ip}");
        }
        for ip in ["8.8.8.8", "172.32.0.1", "::", "0.0.0.0", "2001:db8::1", "::ffff:8.8.8.8"] {
            assert!(!allow.permits(ip.parse().unwrap()), "{ip}");
        }
        assert!(allow.permits("::ffff:10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn a_network_is_read_as_it_is_printed() {
        for text in ["10.0.0.0/8", "::/0", "0.0.0.0/0", "192.0.2.7/32", "2001:db8::/32"] {
            assert_eq!(text.parse::<Cidr>().unwrap().to_string(), text);
        }
        assert_eq!("192.0.2.7".parse::<Cidr>().unwrap().to_string(), "192.0.2.7/32");
        for text in ["", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "x/8", "10.0.0.0/-1"] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
        let all: Cidr = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("8.8.8.8".parse().unwrap()));
        assert!(!all.contains("::1".parse().unwrap()));
    }
}
