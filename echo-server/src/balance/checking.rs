//! Health of backends: [`check`] dials one again and again, and resolves its name while it is
//! down.

use std::sync::Arc;

use echo_net::address::SocketAddress;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, timeout};
use tracing::{debug, info, warn};

use super::lookup::BackendError;
use super::{Balancer, ProxyProtocol};

/// Health checks of a backend, forever. While it is down its name is resolved again: its
/// address may have changed.
pub(super) async fn check(balancer: Arc<Balancer>, backend: usize) {
    let header = balancer.config.proxy_protocol.map(ProxyProtocol::own_header);
    let mut due = tokio::time::interval(balancer.config.check_interval);
    // A slow check must not be followed by a burst.
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // At most one lookup at a time; checks continue meanwhile.
    let mut lookup = JoinSet::new();
    loop {
        tokio::select! {
            Some(found) = lookup.join_next() => {
                if let Ok(found) = found {
                    balancer.looked_up(backend, found);
                }
            }
            _ = due.tick() => {
                let dialed = balancer.dial(backend, header.as_deref().unwrap_or_default());
                let reached = match timeout(balancer.config.dial_timeout, dialed).await {
                    Ok(Ok(_)) => true,
                    // This machine is short of something, which says nothing of the backend.
                    Ok(Err(Some(_))) => continue,
                    Ok(Err(None)) | Err(_) => false,
                };
                balancer.checked(backend, reached);
                let name = balancer.backends.name(backend);
                if !reached && lookup.is_empty() && !name.is_literal() {
                    let (name, balancer) = (name.clone(), Arc::clone(&balancer));
                    lookup.spawn_blocking(move || {
                        balancer.config.lookup.find(&name, &balancer.own)
                    });
                }
            }
        }
    }
}

impl Balancer {
    /// Records whether a backend was reached, and tells of a change.
    pub(super) fn checked(&self, backend: usize, reached: bool) {
        let name = self.backends.name(backend);
        match self.backends.checked(backend, reached) {
            Some(true) => info!(backend = %name, "backend is up"),
            Some(false) => warn!(backend = %name, "backend is down"),
            None => {}
        }
    }

    /// Resolves the name of a backend again. On failure it keeps its addresses.
    fn looked_up(&self, backend: usize, found: Result<Vec<SocketAddress>, BackendError>) {
        match found {
            Ok(found) => {
                let name = self.backends.name(backend);
                if self.backends.moved(backend, found) {
                    let addresses = self.backends.addresses(backend);
                    let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
                    info!(backend = %name, ?addresses, "backend addresses changed");
                }
            }
            Err(error) => debug!(%error, "backend lookup failed"),
        }
    }
}
