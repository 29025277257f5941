//! The TLS handshake on a new connection: [`handshake`].

use std::io;
use std::time::{Duration, Instant};

use echo_net::address::Address;
use echo_net::stream::Stream;
use echo_net::tls::{ClientTls, Fault, Transform};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::error::ConnectError;

/// Read buffer size in bytes.
const READ_BUFFER: usize = 8 * 1024;

/// A completed handshake.
#[derive(Debug)]
pub struct Secure {
    /// The TLS state.
    pub transform: Transform,
    /// Data already received from the server: a chat greets first.
    pub early: Vec<u8>,
    /// Duration, without connecting.
    pub took: Duration,
}

/// Performs the TLS handshake on `stream` and verifies the certificate for `name` (the host of
/// `address`, if none is given), within `at_most`.
///
/// # Errors
/// When verification fails, the server does not speak TLS, or the timeout has passed.
pub async fn handshake(
    stream: &mut Stream,
    tls: &ClientTls,
    address: &Address,
    name: Option<&str>,
    at_most: Duration,
) -> Result<Secure, ConnectError> {
    let begin = Instant::now();
    let refused = |fault| ConnectError::Tls { address: Box::new(address.clone()), fault };
    let transform = tls.connect(name.unwrap_or(address.host())).map_err(refused)?;
    let mut secure = Secure { transform, early: Vec::new(), took: Duration::ZERO };
    match timeout(at_most, agree(stream, &mut secure)).await {
        Ok(Ok(Ok(()))) => Ok(Secure { took: begin.elapsed(), ..secure }),
        Ok(Ok(Err(fault))) => Err(refused(fault)),
        Ok(Err(reason)) => {
            Err(ConnectError::TlsBroken { address: Box::new(address.clone()), reason })
        }
        Err(_) => Err(ConnectError::TlsTimeout { address: Box::new(address.clone()) }),
    }
}

/// Exchanges handshake messages until it is complete.
async fn agree(stream: &mut Stream, secure: &mut Secure) -> io::Result<Result<(), Fault>> {
    let mut received = Ok(());
    loop {
        let mut output = Vec::new();
        secure.transform.take_output(&mut output);
        let sent = stream.write_all(&output).await;
        if received.is_err() {
            // The alert is best effort.
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
async fn receive(stream: &mut Stream, secure: &mut Secure) -> io::Result<Result<(), Fault>> {
    let mut buffer = vec![0; READ_BUFFER];
    let length = stream.read(&mut buffer).await?;
    let Secure { transform, early, .. } = secure;
    if length == 0 {
        return Ok(transform.end_of_input());
    }
    Ok(transform.receive_all(&buffer[..length], |piece| early.extend_from_slice(piece)))
}
