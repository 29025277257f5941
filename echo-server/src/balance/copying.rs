//! Copies bytes between client and backend: [`copy_both_ways`], with independent half-close.

use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Buffer size per direction.
const BUFFER: usize = 64 * 1024;

/// Copies until both directions have ended, or until one has and the other is idle for
/// `half_close_timeout`: otherwise a peer that neither sends nor closes would hold the
/// connection forever.
///
/// # Errors
/// When a connection breaks, or times out after a half-close.
pub(super) async fn copy_both_ways(
    client: &mut TcpStream,
    backend: &mut TcpStream,
    half_close_timeout: Duration,
) -> io::Result<()> {
    let moved = AtomicU64::new(0);
    let (from_client, to_client) = client.split();
    let (from_backend, to_backend) = backend.split();
    let mut there = pin!(copy(from_client, to_backend, &moved));
    let mut back = pin!(copy(from_backend, to_client, &moved));
    let there_ended = tokio::select! {
        ended = &mut there => ended.map(|()| true)?,
        ended = &mut back => ended.map(|()| false)?,
    };
    loop {
        let before = moved.load(Ordering::Relaxed);
        let ended = if there_ended {
            timeout(half_close_timeout, &mut back).await
        } else {
            timeout(half_close_timeout, &mut there).await
        };
        match ended {
            Ok(ended) => return ended,
            Err(_) if moved.load(Ordering::Relaxed) > before => {}
            Err(late) => return Err(late.into()),
        }
    }
}

/// Copies one direction and forwards its half-close; `moved` counts the bytes.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    moved: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        let mut rest = &buffer[..length];
        while !rest.is_empty() {
            let written = to.write(rest).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            rest = &rest[written..];
            moved.fetch_add(written as u64, Ordering::Relaxed);
        }
    }
}
