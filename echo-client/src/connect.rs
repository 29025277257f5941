//! Making the connection: [`connect`] tries every address that a name stands for.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use echo_net::address::Address;
use echo_net::socket::{self, ConnectOptions, SocketOptions};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::error::ConnectError;

/// Connects to the first address of `address` that answers, in the resolver's order.
///
/// All of it, looking up the name included, takes at most `timeout`. An address that does
/// not answer gets an equal share of the time that is left, so that those after it have
/// their turn.
///
/// # Errors
/// When no address answers; the reason is that of the first one.
pub async fn connect(address: &Address, timeout: Duration) -> Result<TcpStream, ConnectError> {
    let deadline = Instant::now() + timeout;
    let failed = |reason: io::Error| match reason.kind() {
        io::ErrorKind::ConnectionRefused => ConnectError::Refused(address.clone()),
        io::ErrorKind::TimedOut => ConnectError::NoAnswer { address: address.clone(), timeout },
        _ => ConnectError::Failed { address: address.clone(), reason },
    };
    let looked_up =
        timeout_at(deadline, tokio::net::lookup_host((address.host(), address.port())));
    let targets: Vec<_> = match looked_up.await {
        Ok(Ok(targets)) => targets.collect(),
        Ok(Err(reason)) => {
            return Err(ConnectError::Lookup { address: address.clone(), reason });
        }
        Err(_) => return Err(failed(io::ErrorKind::TimedOut.into())),
    };
    first_to_answer(&targets, deadline).await.map_err(failed)
}

/// The first of `targets` that can be connected to; else why the first of all could not.
async fn first_to_answer(targets: &[SocketAddr], deadline: Instant) -> io::Result<TcpStream> {
    let mut reason = None;
    for (tried, &target) in targets.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / (targets.len() - tried) as u32;
        match timeout_at(Instant::now() + share, attempt(target)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => reason = reason.or(Some(error)),
            Err(_) => reason = reason.or(Some(io::ErrorKind::TimedOut.into())),
        }
    }
    Err(reason.unwrap_or_else(|| io::Error::other("the name stands for no address")))
}

/// One attempt at one address, for as long as the caller waits.
pub(crate) async fn attempt(target: SocketAddr) -> io::Result<TcpStream> {
    let options = ConnectOptions { target, source: None, socket: SocketOptions::default() };
    let stream = TcpStream::from_std(socket::begin_connect(&options)?.into())?;
    stream.writable().await?;
    socket::finish_connect(stream.as_fd())?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const LONG: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn falls_back_to_the_next_address_and_names_the_first_failure() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let dead = SocketAddr::from(([127, 0, 0, 1], 1));
        let unreachable = SocketAddr::from(([255, 255, 255, 255], 1));
        let alive = listener.local_addr().unwrap();
        let deadline = Instant::now() + LONG;
        let stream = first_to_answer(&[dead, unreachable, alive], deadline).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), alive);
        let error = first_to_answer(&[dead, unreachable], deadline).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn a_refusal_and_an_unknown_name_are_told_apart() {
        let refused = connect(&"127.0.0.1:1".parse().unwrap(), LONG).await.unwrap_err();
        assert!(matches!(refused, ConnectError::Refused(_)), "{refused}");
        let unknown = connect(&"no such host:1".parse().unwrap(), LONG).await.unwrap_err();
        assert!(matches!(unknown, ConnectError::Lookup { .. }), "{unknown}");
    }

    #[tokio::test]
    async fn a_full_backlog_is_given_up_in_time() {
        let options = SocketOptions::default();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = socket::listen(any, 0, false, &options).unwrap();
        let address: Address = listener.local_addr().unwrap().to_string().parse().unwrap();
        let mut held = Vec::new();
        let short = Duration::from_millis(200);
        // The backlog holds a connection or two that nobody accepts; after that, silence.
        let given_up = loop {
            match connect(&address, short).await {
                Ok(stream) => held.push(stream),
                Err(error) => break error,
            }
            assert!(held.len() < 100, "the backlog never filled");
        };
        assert!(matches!(given_up, ConnectError::NoAnswer { .. }), "{given_up}");
        assert!(given_up.to_string().contains("within 200ms"), "{given_up}");
    }
}
