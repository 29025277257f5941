//! Establishes a connection: [`connect`] tries all addresses of a name, each with a head start
//! over the next, and takes the first that answers (Happy Eyeballs, RFC 8305).

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use echo_net::address::{Address, HostAddress, SocketAddress, Transport};
use echo_net::socket::{self, ConnectOptions, SocketOptions};
use echo_net::stream::Stream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use crate::error::{Attempt, ConnectError};

/// Pause between attempts while the backlog of a unix-domain socket is full. The kernel waits for
/// room in one of TCP.
const FULL: Duration = Duration::from_millis(5);

/// Head start of an address over the next one (recommended by RFC 8305 section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects to the first address of `address` that answers.
///
/// The addresses are tried in the resolver's order, alternating between IPv6 and IPv4. The next
/// attempt starts when one has failed, or has not answered within a quarter of a second. All of
/// it, including name resolution, takes at most `timeout`.
///
/// # Errors
/// When no address answers; the error lists the reason for each.
pub async fn connect(address: &Address, timeout: Duration) -> Result<Stream, ConnectError> {
    connect_with(address, timeout, SocketOptions::default()).await
}

/// Like [`connect`], with socket options.
///
/// # Errors
/// Those of [`connect`].
pub(crate) async fn connect_with(
    address: &Address,
    timeout: Duration,
    socket: SocketOptions,
) -> Result<Stream, ConnectError> {
    let deadline = deadline_in(timeout);
    let targets = match address {
        Address::Tcp(host) => look_up(host, timeout, deadline).await?,
        Address::Unix(address) => vec![SocketAddress::Unix(*address)],
    };
    let reached = first_to_answer(targets, deadline, |target| async move {
        attempt_with(&ConnectOptions { target, source: None, socket, stamps: false }).await
    })
    .await;
    reached.map_err(|attempts| ConnectError::NoneAnswered {
        address: Box::new(address.clone()),
        attempts,
        timeout,
    })
}

/// The addresses of a host in the order to try them.
async fn look_up(
    host: &HostAddress,
    timeout: Duration,
    deadline: Instant,
) -> Result<Vec<SocketAddress>, ConnectError> {
    let looked_up = timeout_at(deadline, tokio::net::lookup_host((host.host(), host.port())));
    match looked_up.await {
        Ok(Ok(targets)) => {
            Ok(in_turn(targets.collect()).into_iter().map(SocketAddress::Tcp).collect())
        }
        Ok(Err(reason)) => {
            Err(ConnectError::Lookup { address: Box::new(host.clone().into()), reason })
        }
        Err(_) => {
            Err(ConnectError::LookupTimeout { address: Box::new(host.clone().into()), timeout })
        }
    }
}

/// A distant instant if `timeout` overflows.
fn deadline_in(timeout: Duration) -> Instant {
    const FAR: Duration = Duration::from_hours(24 * 365);
    Instant::now() + timeout.min(FAR)
}

/// The same addresses with alternating families, starting with the first one's, so that a
/// family that does not work costs one head start and not many (RFC 8305 section 4).
fn in_turn(targets: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let mut ordered: Vec<SocketAddr> = Vec::with_capacity(targets.len());
    let mut left = targets;
    while !left.is_empty() {
        let other = |target: &SocketAddr| {
            ordered.last().is_none_or(|last| last.is_ipv4() != target.is_ipv4())
        };
        let next = left.iter().position(other).unwrap_or(0);
        let target = left.remove(next);
        if !ordered.contains(&target) {
            ordered.push(target);
        }
    }
    ordered
}

/// The result of the first of `targets` to answer; otherwise the results of all.
async fn first_to_answer<T, F>(
    targets: Vec<SocketAddress>,
    deadline: Instant,
    attempt: impl Fn(SocketAddress) -> F,
) -> Result<T, Vec<Attempt>>
where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    let mut waiting = targets.iter().copied();
    // Dropping this aborts the other attempts.
    let mut under_way = JoinSet::new();
    let mut failed = Vec::new();
    loop {
        if let Some(target) = waiting.next() {
            let attempt = attempt(target);
            under_way.spawn(async move { (target, attempt.await) });
        }
        let patience = match waiting.len() {
            0 => deadline,
            _ => deadline.min(Instant::now() + HEAD_START),
        };
        match timeout_at(patience, under_way.join_next()).await {
            Ok(Some(Ok((_, Ok(reached))))) => return Ok(reached),
            Ok(Some(Ok((target, Err(reason))))) => {
                failed.push(Attempt { target, failure: Some(reason) });
            }
            Ok(None) if waiting.len() == 0 => break,
            Err(_) if Instant::now() >= deadline => break,
            // Start the next one. (No task ends without a result: none is aborted, and attempts
            // do not panic.)
            Ok(Some(Err(_)) | None) | Err(_) => {}
        }
    }
    let begun = targets.len() - waiting.len();
    Err(in_order(&targets[..begun], failed))
}

/// The result of each target, in the order of attempts; those without an error have not
/// answered.
fn in_order(targets: &[SocketAddress], mut failed: Vec<Attempt>) -> Vec<Attempt> {
    let mut outcome = |&target: &SocketAddress| {
        let place = failed.iter().position(|attempt| attempt.target == target);
        place.map_or(Attempt { target, failure: None }, |place| failed.swap_remove(place))
    };
    targets.iter().map(&mut outcome).collect()
}

/// One attempt to connect to one address, without a timeout of its own.
pub(crate) async fn attempt(target: SocketAddress) -> io::Result<Stream> {
    let options = ConnectOptions {
        target,
        source: None,
        socket: SocketOptions::default(),
        stamps: false,
    };
    attempt_with(&options).await
}

/// Like [`attempt`], with socket options.
pub(crate) async fn attempt_with(options: &ConnectOptions) -> io::Result<Stream> {
    let transport = options.target.transport();
    let socket = loop {
        match socket::begin_connect(options) {
            Err(error)
                if transport == Transport::Unix
                    && error.kind() == io::ErrorKind::WouldBlock =>
            {
                sleep(FULL).await;
            }
            begun => break begun?,
        }
    };
    let stream = Stream::new(socket, transport)?;
    stream.writable().await?;
    socket::finish_connect(stream.as_fd())?;
    Ok(stream)
}

#[cfg(test)]
mod tests;
