//! Resolves backend names: [`Lookup`], rejecting addresses of the balancer itself.

use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use echo_net::address::{Address, SocketAddress, UnixAddress, canonical};
use echo_net::socket::is_own;

/// Why a backend is unusable.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The name can't be resolved.
    #[error("looking up --backend {name}: {reason}")]
    Lookup {
        /// As typed.
        name: Address,
        /// The resolver's error.
        reason: io::Error,
    },
    /// One of its addresses is the balancer itself.
    #[error(
        "--backend {0} is the address of the balancer itself: it would connect to itself in a loop"
    )]
    Itself(Address),
}

type Find = dyn Fn(&Address) -> io::Result<Vec<SocketAddress>> + Send + Sync;

/// Resolves a name, which may block; by default with the system's resolver.
#[derive(Clone)]
pub struct Lookup(Arc<Find>);

impl Lookup {
    /// A custom resolver.
    pub fn new<A: Into<SocketAddress>>(
        find: impl Fn(&Address) -> io::Result<Vec<A>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(move |name| Ok(find(name)?.into_iter().map(Into::into).collect())))
    }

    /// The addresses of a backend, at least one, none of which is one of the balancer's `own`.
    pub(super) fn find(
        &self,
        name: &Address,
        own: &[SocketAddress],
    ) -> Result<Vec<SocketAddress>, BackendError> {
        let failed = |reason| BackendError::Lookup { name: name.clone(), reason };
        let found = (self.0)(name).map_err(failed)?;
        if found.is_empty() {
            return Err(failed(io::Error::new(io::ErrorKind::NotFound, "no address found")));
        }
        let canonical = |address| match address {
            SocketAddress::Tcp(address) => canonical(address).into(),
            SocketAddress::Unix(_) => address,
        };
        let found: Vec<SocketAddress> = found.into_iter().map(canonical).collect();
        if found.iter().any(|backend| own.iter().any(|own| is_itself(*own, *backend))) {
            return Err(BackendError::Itself(name.clone()));
        }
        Ok(found)
    }
}

impl Default for Lookup {
    fn default() -> Self {
        Self::new(Address::resolve)
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lookup")
    }
}

/// Whether a connection to `backend` reaches the listener at `own`.
fn is_itself(own: SocketAddress, backend: SocketAddress) -> bool {
    match (own, backend) {
        (SocketAddress::Tcp(own), SocketAddress::Tcp(backend)) => is_own_port(own, backend),
        (SocketAddress::Unix(own), SocketAddress::Unix(backend)) => is_own_file(own, backend),
        _ => false,
    }
}

/// The same for unix-domain sockets, which a path names in more than one way.
fn is_own_file(own: UnixAddress, backend: UnixAddress) -> bool {
    let file = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    let same = |(own, backend)| file(own).is_some_and(|own| file(backend) == Some(own));
    own == backend || own.path().zip(backend.path()).is_some_and(same)
}

/// The same for TCP.
fn is_own_port(own: SocketAddr, backend: SocketAddr) -> bool {
    let (own_ip, ip) = (own.ip(), backend.ip());
    // `[::]` is dual-stack, `0.0.0.0` is not.
    let everywhere = own_ip.is_unspecified() && (own.is_ipv6() || backend.is_ipv4());
    // Connecting to the unspecified address reaches the loopback interface.
    let loopback = own_ip.is_loopback() && ip.is_unspecified();
    own.port() == backend.port()
        && (own_ip == ip || loopback || (everywhere && is_own(backend)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_an_address_is_an_error() {
        let nothing = Lookup::new(|_| Ok(Vec::<SocketAddress>::new()));
        let told = nothing.find(&"name.test:1".parse().unwrap(), &[]).unwrap_err().to_string();
        assert_eq!(told, "looking up --backend name.test:1: no address found");
    }

    #[test]
    fn a_balancer_knows_itself_by_every_address_that_it_can_be_reached_at() {
        let address = |text: &str| text.parse::<SocketAddress>().unwrap();
        for (own, backend, itself) in [
            ("127.0.0.1:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "127.0.0.1:2", false),
            ("127.0.0.1:1", "127.0.0.2:1", false),
            ("0.0.0.0:1", "127.0.0.2:1", true),
            ("0.0.0.0:1", "0.0.0.0:1", true),
            ("127.0.0.1:1", "0.0.0.0:1", true),
            ("0.0.0.0:1", "[::1]:1", false),
            ("0.0.0.0:1", "203.0.113.9:1", false),
            ("[::]:1", "127.0.0.2:1", true),
            ("[::]:1", "203.0.113.9:1", false),
            ("unix:@a", "unix:@a", true),
            ("unix:@a", "unix:@b", false),
            ("unix:/dev/null", "unix:/dev/../dev/null", true),
            ("unix:/dev/null", "unix:/dev/zero", false),
            ("unix:/none", "127.0.0.1:1", false),
        ] {
            assert_eq!(is_itself(address(own), address(backend)), itself, "{own} {backend}");
        }
    }
}
