//! A TCP connect scan of ports: [`scan`], with bounded concurrency. It connects and closes,
//! sends nothing, and does not identify services.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use echo_net::address::SocketAddress;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::connect;

/// State of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PortState {
    /// It accepts connections.
    Open,
    /// The host refused the connection.
    Refused,
    /// No answer, or unreachable according to the network: filtered, or no such host.
    Filtered,
}

/// Tries each of `ports` at `host` (whose own port is ignored), `concurrency` at a time, and
/// calls `each` with the results as they arrive. An attempt that fails locally, for instance
/// without descriptors, says nothing about its port: its error is reported instead of a state.
pub async fn scan(
    host: SocketAddr,
    ports: &[u16],
    concurrency: usize,
    patience: Duration,
    each: impl FnMut(u16, io::Result<PortState>),
) {
    let at = move |target| attempt(target, patience);
    scan_with(host, ports, concurrency, at, each).await;
}

async fn scan_with<F>(
    host: SocketAddr,
    ports: &[u16],
    concurrency: usize,
    attempt: impl Fn(SocketAddr) -> F + Clone + Send + 'static,
    mut each: impl FnMut(u16, io::Result<PortState>),
) where
    F: Future<Output = io::Result<PortState>> + Send + 'static,
{
    let (found, mut states) = mpsc::unbounded_channel();
    let (ports, next) = (Arc::<[u16]>::from(ports), Arc::new(AtomicUsize::new(0)));
    let mut workers = JoinSet::new();
    for _ in 0..concurrency.clamp(1, ports.len().max(1)) {
        let (ports, next, found) = (Arc::clone(&ports), Arc::clone(&next), found.clone());
        let attempt = attempt.clone();
        workers.spawn(async move {
            while let Some(&port) = ports.get(next.fetch_add(1, Ordering::Relaxed)) {
                // Keeps the zone of the host.
                let mut target = host;
                target.set_port(port);
                if found.send((port, attempt(target).await)).is_err() {
                    break;
                }
            }
        });
    }
    drop(found);
    while let Some((port, state)) = states.recv().await {
        each(port, state);
    }
}

async fn attempt(target: SocketAddr, patience: Duration) -> io::Result<PortState> {
    use io::ErrorKind::{
        ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable, TimedOut,
    };
    match timeout(patience, connect::attempt(target.into())).await {
        // A socket whose source port is the target port has connected to itself (RFC 9293
        // section 3.5, simultaneous open).
        Ok(Ok(stream)) if SocketAddress::of_local(&stream)? == target.into() => {
            Ok(PortState::Refused)
        }
        Ok(Ok(_)) => Ok(PortState::Open),
        Ok(Err(error)) => match error.kind() {
            ConnectionRefused | ConnectionReset => Ok(PortState::Refused),
            HostUnreachable | NetworkUnreachable | TimedOut => Ok(PortState::Filtered),
            _ => Err(error),
        },
        Err(_) => Ok(PortState::Filtered),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::net::{SocketAddrV6, TcpListener};

    use super::*;

    #[tokio::test]
    async fn open_refused_and_silent_ports_are_told_apart() {
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").unwrap();
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let [open_port, closed_port, silent_port] =
            [&open, &closed, &silent].map(|listener| listener.local_addr().unwrap().port());
        drop(closed);
        // A listener with a full backlog gives no answer.
        rustix::net::listen(&silent, 0).unwrap();
        let mut held = Vec::new();
        let target = silent.local_addr().unwrap();
        while let Ok(Ok(stream)) =
            timeout(Duration::from_millis(200), connect::attempt(target.into())).await
        {
            held.push(stream);
            assert!(held.len() < 100, "the backlog never filled");
        }
        let mut states = HashMap::new();
        let ports = [open_port, closed_port, silent_port];
        scan(target, &ports, 2, Duration::from_millis(300), |port, state| {
            states.insert(port, state.unwrap());
        })
        .await;
        let expected = [PortState::Open, PortState::Refused, PortState::Filtered];
        assert_eq!(ports.map(|port| states[&port]), expected);
    }

    #[tokio::test]
    async fn the_number_of_attempts_at_a_time_is_bounded_and_each_port_tried_once() {
        let ports: Vec<u16> = (1..=300).collect();
        let mut seen = Vec::new();
        let host = SocketAddr::from(([127, 0, 0, 1], 0));
        scan(host, &ports, 7, Duration::from_secs(1), |port, _| seen.push(port)).await;
        seen.sort_unstable();
        assert_eq!(seen, ports);
    }

    #[tokio::test]
    async fn an_attempt_that_fails_ends_no_other_and_each_keeps_the_zone() {
        let host = SocketAddrV6::new("fe80::1".parse().unwrap(), 0, 0, 7);
        let attempt = |target: SocketAddr| async move {
            assert!(matches!(target, SocketAddr::V6(target) if target.scope_id() == 7));
            match target.port() {
                2 => Err(io::ErrorKind::PermissionDenied.into()),
                _ => Ok(PortState::Open),
            }
        };
        let mut states = Vec::new();
        let each = |port, state: io::Result<_>| {
            states.push((port, state.map_err(|error| error.kind())));
        };
        scan_with(host.into(), &[1, 2, 3], 1, attempt, each).await;
        let (open, failed) = (Ok(PortState::Open), Err(io::ErrorKind::PermissionDenied));
        assert_eq!(states, [(1, open), (2, failed), (3, open)]);
    }
}
