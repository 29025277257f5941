//! Metrics of a balancer: [`BalanceMetrics`].

use std::fmt;
use std::sync::Arc;

use echo_metrics::{Families, Source};

use crate::balance::Balancer;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct BalanceMetrics(pub(crate) Arc<Balancer>);

impl Source for BalanceMetrics {
    fn collect(&self, families: &mut Families<'_>) -> fmt::Result {
        let balancer = &self.0;
        families.info(
            "echo_balancer_build",
            "Version",
            &[("version", env!("CARGO_PKG_VERSION"))],
        )?;
        let so_far = balancer.so_far();
        families.counter(
            "echo_balancer_connections",
            "Connections accepted by a backend",
            so_far.connections,
        )?;
        families.counter(
            "echo_balancer_connections_unserved",
            "Connections without a reachable backend",
            so_far.unserved,
        )?;
        families.counter(
            "echo_balancer_connections_exhausted",
            "Unserved connections for lack of a local port, a descriptor or memory",
            so_far.exhausted,
        )?;
        families.counter(
            "echo_balancer_connections_reset",
            "Connections of which one side was reset or failed",
            so_far.reset,
        )?;
        families.counter(
            "echo_balancer_connections_timed_out",
            "Connections reset at the half-close timeout",
            so_far.timed_out,
        )?;
        let backends: Vec<_> = balancer.backend_states().collect();
        families.gauges(
            "echo_balancer_backend_up",
            "Whether a backend passes its health checks",
            "backend",
            backends.iter().map(|state| (&state.name, u64::from(state.up))),
        )?;
        families.gauges(
            "echo_balancer_backend_connections_active",
            "Open connections to a backend",
            "backend",
            backends.iter().map(|state| (&state.name, state.open)),
        )
    }
}
