//! TLS on a connection that was just made: [`handshake`].

use std::io;
use std::time::{Duration, Instant};

use echo_net::address::Address;
use echo_net::tls::{ClientTls, Fault, Transform};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::error::ConnectError;

/// Bytes of one read.
const READ_BUFFER: usize = 8 * 1024;

/// A handshake that is over.
#[derive(Debug)]
pub struct Secure {
    /// What speaks TLS from here on.
    pub transform: Transform,
    /// What the server has said already: a chat greets unasked.
    pub early: Vec<u8>,
    /// How long it took, the connection excluded.
    pub took: Duration,
}

/// Agrees on TLS with the server at the other end of `stream`, which must prove that it is
/// the one called `name` (the host of `address`, if none is given), within `at_most`.
///
/// # Errors
/// When the server does not prove it, does not speak TLS, or takes too long.
pub async fn handshake(
    stream: &mut TcpStream,
    tls: &ClientTls,
    address: &Address,
    name: Option<&str>,
    at_most: Duration,
) -> Result<Secure, ConnectError> {
    let begin = Instant::now();
    let refused = |fault| ConnectError::Tls { address: address.clone(), fault };
    let transform = tls.connect(name.unwrap_or(address.host())).map_err(refused)?;
    let mut secure = Secure { transform, early: Vec::new(), took: Duration::ZERO };
    match timeout(at_most, agree(stream, &mut secure)).await {
        Ok(Ok(Ok(()))) => Ok(Secure { took: begin.elapsed(), ..secure }),
        Ok(Ok(Err(fault))) => Err(refused(fault)),
        Ok(Err(reason)) => Err(ConnectError::TlsBroken { address: address.clone(), reason }),
        Err(_) => Err(ConnectError::TlsTimeout { address: address.clone() }),
    }
}

/// Says and hears what there is to say and hear, until both sides agree.
async fn agree(stream: &mut TcpStream, secure: &mut Secure) -> io::Result<Result<(), Fault>> {
    let mut received = Ok(());
    loop {
        let mut output = Vec::new();
        secure.transform.take_output(&mut output);
        let sent = stream.write_all(&output).await;
        if received.is_err() {
            // The alert is for the server, if it still listens.
            return Ok(received);
        }
        sent?;
        if !secure.transform.is_handshaking() {
            return Ok(Ok(()));
        }
        received = receive(stream, secure).await?;
    }
}

/// One read.
async fn receive(stream: &mut TcpStream, secure: &mut Secure) -> io::Result<Result<(), Fault>> {
    let mut buffer = vec![0; READ_BUFFER];
    let length = stream.read(&mut buffer).await?;
    let Secure { transform, early, .. } = secure;
    if length == 0 {
        return Ok(transform.end_of_input());
    }
    let mut input = &buffer[..length];
    let mut received = Ok(());
    while !input.is_empty() && received.is_ok() {
        received = transform.receive(&mut input, |piece| early.extend_from_slice(piece));
    }
    Ok(received)
}
