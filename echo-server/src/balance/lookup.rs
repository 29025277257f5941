//! Where the addresses of a backend's name come from: [`Lookup`].

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use echo_net::address::Address;

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

    pub(super) fn find(&self, name: &Address) -> io::Result<Vec<SocketAddr>> {
        (self.0)(name)
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
