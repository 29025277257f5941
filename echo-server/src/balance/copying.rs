//! Copies bytes between client and backend: [`copy_both_ways`], with independent half-close.
//! What breaks one side is noticed even while nothing is read from it.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use echo_net::delivery;
use echo_net::stream::{ReadHalf, Stream, WriteHalf};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::time::sleep;

/// Buffer size per direction.
const BUFFER: usize = 64 * 1024;

/// How often per half-close timeout a connection is looked at.
const LOOKS: u32 = 4;

/// Why a connection was cut short.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// One side was reset, or failed in another way.
    #[error(transparent)]
    Failed(#[from] io::Error),
    /// Nothing moved after a half-close.
    #[error("idle for too long after a half-close (see --half-close-timeout)")]
    Idle,
}

/// The two ends of a direction that has ended.
type Ended<'a> = (ReadHalf<'a>, WriteHalf<'a>);

/// Copies until both directions have ended, or until one has and then nothing moves for
/// `half_close_timeout`: otherwise a peer that neither sends nor closes would hold the
/// connection forever. A peer that still acknowledges what it was sent before, however slowly,
/// is not idle.
///
/// # Errors
/// When one side breaks, or nothing moves after a half-close.
pub(super) async fn copy_both_ways(
    client: &mut Stream,
    backend: &mut Stream,
    half_close_timeout: Duration,
) -> Result<(), Broken> {
    let moved = AtomicU64::new(0);
    let (from_client, to_client) = client.split();
    let (from_backend, to_backend) = backend.split();
    let mut there = pin!(copy(from_client, to_backend, &moved));
    let mut back = pin!(copy(from_backend, to_client, &moved));
    let (ended, rest) = tokio::select! {
        ended = &mut there => (ended?, back),
        ended = &mut back => (ended?, there),
    };
    // The ends of the direction that has ended are those of both sockets.
    let (from, to) = &ended;
    let progress = || {
        let taken = |socket: BorrowedFd<'_>| {
            delivery::read(socket).map_or(0, |delivery| delivery.progress(0))
        };
        (moved.load(Ordering::Relaxed), taken(from.as_fd()), taken(to.as_fd()))
    };
    tokio::select! {
        ended = rest => Ok(ended.map(drop)?),
        error = broken(from) => Err(error.into()),
        () = standstill(half_close_timeout, progress) => Err(Broken::Idle),
    }
}

/// Copies one direction and forwards its half-close; `moved` counts the bytes.
async fn copy<'a>(
    mut from: ReadHalf<'a>,
    mut to: WriteHalf<'a>,
    moved: &AtomicU64,
) -> io::Result<Ended<'a>> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            to.shutdown().await?;
            return Ok((from, to));
        }
        let mut rest = &buffer[..length];
        while !rest.is_empty() {
            let written = tokio::select! {
                biased;
                written = to.write(rest) => written?,
                error = broken(&from) => return Err(error),
            };
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            rest = &rest[written..];
            moved.fetch_add(written as u64, Ordering::Relaxed);
        }
    }
}

/// Waits for a failure of a connection that is not being read.
async fn broken(half: &ReadHalf<'_>) -> io::Error {
    if let Err(error) = half.ready(Interest::ERROR).await {
        return error;
    }
    match half.take_error() {
        Ok(Some(error)) | Err(error) => error,
        // Whoever wrote to it has taken the error.
        Ok(None) => io::ErrorKind::ConnectionReset.into(),
    }
}

/// Returns once `progress` has not changed for `limit`, and at most a quarter of it later.
async fn standstill<P: PartialEq>(limit: Duration, progress: impl Fn() -> P) {
    let (mut last, mut unchanged) = (progress(), 0);
    while unchanged < LOOKS {
        sleep(limit / LOOKS).await;
        let now = progress();
        unchanged = if now == last { unchanged + 1 } else { 0 };
        last = now;
    }
}
