//! Making the connection: [`connect`] tries every address that a name stands for, each with
//! a head start over the next, and takes the first that answers (RFC 8305).

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use echo_net::address::Address;
use echo_net::socket::{self, ConnectOptions, SocketOptions};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::error::{Attempt, ConnectError};

/// How long an address is tried alone before the next one is tried beside it (RFC 8305
/// section 5 recommends this).
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects to the first address of `address` that answers.
///
/// The addresses are tried in the resolver's order, IPv6 and IPv4 in turn. The next one is
/// begun when one has failed, or has not answered within a quarter of a second. All of it,
/// looking up the name included, takes at most `timeout`.
///
/// # Errors
/// When no address answers; the error tells why, for each of them.
pub async fn connect(address: &Address, timeout: Duration) -> Result<TcpStream, ConnectError> {
    connect_with(address, timeout, SocketOptions::default()).await
}

/// As [`connect`], with options of the socket.
///
/// # Errors
/// As [`connect`].
pub async fn connect_with(
    address: &Address,
    timeout: Duration,
    socket: SocketOptions,
) -> Result<TcpStream, ConnectError> {
    let deadline = deadline_in(timeout);
    let looked_up =
        timeout_at(deadline, tokio::net::lookup_host((address.host(), address.port())));
    let targets: Vec<_> = match looked_up.await {
        Ok(Ok(targets)) => targets.collect(),
        Ok(Err(reason)) => {
            return Err(ConnectError::Lookup { address: address.clone(), reason });
        }
        Err(_) => {
            return Err(ConnectError::LookupTimeout { address: address.clone(), timeout });
        }
    };
    let reached = first_to_answer(in_turn(targets), deadline, |target| async move {
        attempt_with(&ConnectOptions { target, source: None, socket, stamps: false }).await
    })
    .await;
    reached.map_err(|attempts| ConnectError::NoneAnswered {
        address: address.clone(),
        attempts,
        timeout,
    })
}

/// Far enough ahead where `timeout` is beyond what a clock can tell.
fn deadline_in(timeout: Duration) -> Instant {
    const FAR: Duration = Duration::from_hours(24 * 365);
    Instant::now() + timeout.min(FAR)
}

/// The same addresses with the families in turn, the first one's first, so that a family
/// that does not work costs one head start and not many (RFC 8305 section 4).
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

/// What the first of `targets` to answer gave; else what came of each.
async fn first_to_answer<T, F>(
    targets: Vec<SocketAddr>,
    deadline: Instant,
    attempt: impl Fn(SocketAddr) -> F,
) -> Result<T, Vec<Attempt>>
where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    let mut waiting = targets.iter().copied();
    // Those that lose are given up when this is dropped.
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
            // The next one's turn. (A task that ends without an outcome can't be: none is
            // aborted, and an attempt does not panic.)
            Ok(Some(Err(_)) | None) | Err(_) => {}
        }
    }
    let begun = targets.len() - waiting.len();
    Err(in_order(&targets[..begun], failed))
}

/// What came of each target, in the order in which they were to be tried; those that have
/// not failed have not answered.
fn in_order(targets: &[SocketAddr], mut failed: Vec<Attempt>) -> Vec<Attempt> {
    let mut outcome = |&target: &SocketAddr| {
        let place = failed.iter().position(|attempt| attempt.target == target);
        place.map_or(Attempt { target, failure: None }, |place| failed.swap_remove(place))
    };
    targets.iter().map(&mut outcome).collect()
}

/// One attempt at one address, for as long as the caller waits.
pub(crate) async fn attempt(target: SocketAddr) -> io::Result<TcpStream> {
    let options = ConnectOptions {
        target,
        source: None,
        socket: SocketOptions::default(),
        stamps: false,
    };
    attempt_with(&options).await
}

/// As [`attempt`], with socket options of the caller's.
pub(crate) async fn attempt_with(options: &ConnectOptions) -> io::Result<TcpStream> {
    let stream = TcpStream::from_std(socket::begin_connect(options)?.into())?;
    stream.writable().await?;
    socket::finish_connect(stream.as_fd())?;
    Ok(stream)
}

#[cfg(test)]
mod tests;
