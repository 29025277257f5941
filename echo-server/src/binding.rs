//! Where a server listens: [`Binding`].

use std::io;
use std::net::{SocketAddr, TcpListener};

use echo_net::address::Address;
use echo_net::socket::{SocketOptions, listen};

/// An address and how to listen there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The address; port 0 takes a free one.
    pub address: Address,
    /// Connections that the kernel holds until they are accepted.
    pub backlog: u32,
    /// Whether several listeners may share the port.
    pub reuse_port: bool,
}

/// Why nothing listens.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The host has no address.
    #[error("looking up {address}: {reason}")]
    Lookup {
        /// As typed.
        address: Address,
        /// What the resolver says.
        reason: io::Error,
    },
    /// None of the host's addresses can be listened on.
    #[error("binding {address}: {reason}{}", remedy(reason))]
    Bind {
        /// The last address tried.
        address: SocketAddr,
        /// What the kernel says.
        reason: io::Error,
    },
}

fn remedy(reason: &io::Error) -> &'static str {
    match reason.kind() {
        io::ErrorKind::AddrInUse => {
            " (is another server running? stop it, or take port 0 for a free one)"
        }
        io::ErrorKind::AddrNotAvailable => " (no interface of this machine has that address)",
        io::ErrorKind::PermissionDenied => " (ports below 1024 need privileges)",
        _ => "",
    }
}

impl Binding {
    /// `count` listeners on the first address of the host that can be had; more than one
    /// only where the port may be shared.
    pub fn listen(
        &self,
        count: usize,
        options: &SocketOptions,
    ) -> Result<Vec<TcpListener>, BindError> {
        let lookup = |reason| BindError::Lookup { address: self.address.clone(), reason };
        let mut failure = None;
        for address in self.address.resolve().map_err(lookup)? {
            match self.listen_on(address, count, options) {
                Ok(listeners) => return Ok(listeners),
                Err(reason) => failure = Some(BindError::Bind { address, reason }),
            }
        }
        Err(failure.unwrap_or_else(|| lookup(io::ErrorKind::NotFound.into())))
    }

    fn listen_on(
        &self,
        address: SocketAddr,
        count: usize,
        options: &SocketOptions,
    ) -> io::Result<Vec<TcpListener>> {
        let first = listen(address, self.backlog, self.reuse_port, options)?;
        // Port 0 has become a real one, which the others must take too.
        let address = first.local_addr()?;
        let mut listeners = vec![first];
        while listeners.len() < count && self.reuse_port {
            listeners.push(listen(address, self.backlog, self.reuse_port, options)?);
        }
        Ok(listeners)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(address: &str, reuse_port: bool) -> Binding {
        Binding { address: address.parse().unwrap(), backlog: 16, reuse_port }
    }

    #[test]
    fn listeners_that_share_a_port_have_the_same_one() {
        let listeners =
            binding("127.0.0.1:0", true).listen(3, &SocketOptions::default()).unwrap();
        let addresses: Vec<_> =
            listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
        assert_eq!(addresses.len(), 3);
        assert!(addresses.iter().all(|address| *address == addresses[0]), "{addresses:?}");
    }

    #[test]
    fn a_port_in_use_names_the_address_the_cause_and_the_remedy() {
        let options = SocketOptions::default();
        let taken = binding("127.0.0.1:0", false).listen(1, &options).unwrap();
        let address = taken[0].local_addr().unwrap();
        let error = binding(&address.to_string(), false).listen(1, &options).unwrap_err();
        let told = error.to_string();
        for part in [&format!("binding {address}"), "in use", "port 0"] {
            assert!(told.contains(part), "{told}");
        }
    }
}
