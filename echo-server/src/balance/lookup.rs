//! Where the addresses of a backend's name come from: [`Lookup`]; the balancer's own are not
//! among them.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use echo_net::address::{Address, canonical};
use echo_net::socket::is_own;

/// Why there is nothing to balance between.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// A name has no addresses.
    #[error("looking up --backend {name}: {reason}")]
    Lookup {
        /// As typed.
        name: Address,
        /// What the resolver says.
        reason: io::Error,
    },
    /// One of its addresses is the balancer's own.
    #[error("--backend {0} is this balancer itself: it would connect to itself without end")]
    Itself(Address),
}

type Find = dyn Fn(&Address) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// Finds the addresses of a name, and may block; by default, the system's resolver.
#[derive(Clone)]
pub struct Lookup(Arc<Find>);

impl Lookup {
    /// One of another kind.
    pub fn new(
        find: impl Fn(&Address) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(find))
    }

    /// The addresses of a backend, at least one, none of which is one of the balancer's `own`.
    pub(super) fn find(
        &self,
        name: &Address,
        own: &[SocketAddr],
    ) -> Result<Vec<SocketAddr>, BackendError> {
        let failed = |reason| BackendError::Lookup { name: name.clone(), reason };
        let found = (self.0)(name).map_err(failed)?;
        if found.is_empty() {
            return Err(failed(io::Error::new(io::ErrorKind::NotFound, "it has no address")));
        }
        let found: Vec<_> = found.into_iter().map(canonical).collect();
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

/// Whether a connection to `backend` comes to the listener at `own`.
fn is_itself(own: SocketAddr, backend: SocketAddr) -> bool {
    let (own_ip, ip) = (own.ip(), backend.ip());
    // `[::]` is dual-stack, `0.0.0.0` is not.
    let everywhere = own_ip.is_unspecified() && (own.is_ipv6() || backend.is_ipv4());
    // A connection to no address in particular goes to the loopback.
    let loopback = own_ip.is_loopback() && ip.is_unspecified();
    own.port() == backend.port()
        && (own_ip == ip || loopback || (everywhere && is_own(backend)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_an_address_is_an_error() {
        let nothing = Lookup::new(|_| Ok(Vec::new()));
        let told = nothing.find(&"name.test:1".parse().unwrap(), &[]).unwrap_err().to_string();
        assert_eq!(told, "looking up --backend name.test:1: it has no address");
    }

    #[test]
    fn a_balancer_knows_itself_by_every_address_that_it_can_be_reached_at() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
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
        ] {
            assert_eq!(is_itself(address(own), address(backend)), itself, "{own} {backend}");
        }
    }
}
