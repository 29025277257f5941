//! What was typed against the kind of the listener: [`check_transport`].

use echo_net::address::Transport;

use super::{InvalidArgs, ServerArgs};
use crate::tuning::Accept;

/// Refuses what a unix-domain socket does not have, if it was typed. A default is not applied.
///
/// # Errors
/// The first flag that it can't have.
pub(crate) fn check_transport(
    args: &ServerArgs,
    transport: Transport,
) -> Result<(), InvalidArgs> {
    if transport == Transport::Tcp {
        return Ok(());
    }
    if args.reuse_port {
        return Err(InvalidArgs::OneListener("reuse-port"));
    }
    if args.tuning.accept == Some(Accept::Reuseport) {
        return Err(InvalidArgs::OneListener("accept reuseport"));
    }
    let nodelay = args.nodelay.map(|_| "nodelay");
    match nodelay.or_else(|| args.tcp.first_typed()) {
        Some(flag) => Err(InvalidArgs::NotWithUnix(flag)),
        None => Ok(()),
    }
}
