//! Connects to backends: the first that accepts, within a total limit. What this machine has
//! run out of ([`Shortage`]) is no failure of a backend.

use std::io;
use std::os::fd::AsFd as _;
use std::time::Duration;

use echo_net::address::{PeerAddress, SocketAddress, Transport};
use echo_net::clock;
use echo_net::settings::TimeSpan;
use echo_net::socket::{ConnectOptions, begin_connect, finish_connect, has_source_address};
use echo_net::stream::Stream;
use rustix::io::Errno;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{sleep, timeout};
use tracing::debug;

use super::backends::InUse;
use super::{Balancer, OPTIONS};

/// Pauses between attempts while this machine is short of something: the first, and the longest
/// after doubling.
const PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What this machine has run out of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Shortage {
    #[error(
        "no local port is left (add addresses of backends, or widen net.ipv4.ip_local_port_range)"
    )]
    Ports,
    #[error("no file descriptor is left (raise ulimit -n, or lower --max-conns)")]
    Descriptors,
    #[error("the kernel has no memory for sockets")]
    Memory,
    /// Of a unix-domain socket, for which the kernel does not wait. One of TCP looks slow.
    #[error("the accept queue of a backend is full (raise its backlog)")]
    Backlog,
}

impl Shortage {
    /// What a failed connect to `target` was short of, if the machine is to blame.
    fn of(error: &io::Error, target: SocketAddress) -> Option<Self> {
        match Errno::from_io_error(error)? {
            Errno::ADDRNOTAVAIL if target.as_tcp().is_some_and(has_source_address) => {
                Some(Self::Ports)
            }
            Errno::AGAIN if target.transport() == Transport::Unix => Some(Self::Backlog),
            Errno::MFILE | Errno::NFILE => Some(Self::Descriptors),
            Errno::NOBUFS | Errno::NOMEM => Some(Self::Memory),
            _ => None,
        }
    }
}

/// Why a client gets no backend.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreached {
    #[error("no backend reachable")]
    Nobody,
    #[error("no backend reachable within {0} (see --dial-timeout)")]
    Late(TimeSpan),
    #[error("no backend reachable: {0}")]
    Short(Shortage),
    #[error("the client has gone: {0}")]
    Client(io::Error),
}

impl Balancer {
    /// Connects to the first backend, in the order of the policy, that accepts. Each is tried
    /// once, and again only if this machine was short of something.
    pub(super) async fn reach_a_backend(
        &self,
        client: &Stream,
        peer: PeerAddress,
    ) -> Result<(Stream, InUse), Unreached> {
        let own = SocketAddress::of_local(client).map_err(Unreached::Client)?;
        OPTIONS.apply(client.as_fd(), client.transport()).map_err(Unreached::Client)?;
        let header = self.config.proxy_protocol.map(|version| version.header(peer, own));
        let (limit, mut short) = (self.config.dial_timeout, None);
        let dialed = self.dial_candidates(header.as_deref().unwrap_or_default(), &mut short);
        match timeout(limit, dialed).await {
            Ok(reached) => reached.ok_or(Unreached::Nobody),
            Err(_) => Err(short.map_or(Unreached::Late(TimeSpan(limit)), Unreached::Short)),
        }
    }

    /// The same without a limit; `short` is what the machine was last short of.
    async fn dial_candidates(
        &self,
        header: &[u8],
        short: &mut Option<Shortage>,
    ) -> Option<(Stream, InUse)> {
        let (mut candidates, mut pause) = (self.backends.candidates(), PAUSE);
        loop {
            let mut again = Vec::new();
            for backend in candidates {
                let in_use = self.backends.in_use(backend);
                match self.dial(backend, header).await {
                    Ok(stream) => return Some((stream, in_use)),
                    Err(None) => self.checked(backend, false),
                    Err(shortage) => {
                        *short = shortage;
                        again.push(backend);
                    }
                }
            }
            if again.is_empty() {
                return None;
            }
            candidates = again;
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// Connects to the first address of a backend that accepts, and sends `header`.
    ///
    /// # Errors
    /// What the machine was short of, if that was the reason for an address.
    pub(super) async fn dial(
        &self,
        backend: usize,
        header: &[u8],
    ) -> Result<Stream, Option<Shortage>> {
        let mut short = None;
        for address in self.backends.addresses(backend) {
            match self.dial_address(address, header).await {
                Ok(stream) => {
                    self.backends.answered(backend, address);
                    return Ok(stream);
                }
                Err(error) => {
                    short = short.or(Shortage::of(&error, address));
                    if let Some(suppressed) = self.limits.dials.pass(clock::now()) {
                        let backend = self.backends.name(backend);
                        debug!(%backend, %address, %error, suppressed, "connecting failed");
                    }
                }
            }
        }
        Err(short)
    }

    async fn dial_address(&self, address: SocketAddress, header: &[u8]) -> io::Result<Stream> {
        let (target, socket) = (address, OPTIONS);
        let options = ConnectOptions { target, source: None, socket, stamps: false };
        let mut stream = Stream::new(begin_connect(&options)?, address.transport())?;
        timeout(self.config.connect_timeout, stream.writable()).await??;
        finish_connect(stream.as_fd())?;
        stream.write_all(header).await?;
        Ok(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_target_that_could_be_reached_is_short_of_ports() {
        let error = |errno: Errno| io::Error::from(errno);
        let parse = |text: &str| text.parse::<SocketAddress>().unwrap();
        let here = parse("127.0.0.1:1");
        // A unicast address needs a route, a zone that no machine has.
        let nowhere = parse("[fe80::1%4000000000]:1");
        for (errno, target, short) in [
            (Errno::ADDRNOTAVAIL, here, Some(Shortage::Ports)),
            (Errno::ADDRNOTAVAIL, nowhere, None),
            (Errno::MFILE, here, Some(Shortage::Descriptors)),
            (Errno::NFILE, nowhere, Some(Shortage::Descriptors)),
            (Errno::NOBUFS, here, Some(Shortage::Memory)),
            (Errno::CONNREFUSED, here, None),
            (Errno::AGAIN, here, None),
            (Errno::AGAIN, parse("unix:@a"), Some(Shortage::Backlog)),
        ] {
            assert_eq!(Shortage::of(&error(errno), target), short, "{errno} {target}");
        }
        assert_eq!(Shortage::of(&io::ErrorKind::TimedOut.into(), here), None);
    }
}
