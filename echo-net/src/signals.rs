//! SIGINT and SIGTERM as a [`Stop`], and what other signals ask of a server. For a program's
//! `main`: a library never traps signals.

#![expect(unsafe_code, reason = "no safe crate at hand ignores a signal")]

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::task::Poll;

use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use tokio::signal::unix::{SignalKind, signal};

use crate::stop::Stop;

/// Which signal has asked for the stop, if one has.
#[derive(Debug, Clone, Default)]
pub struct Received(Arc<AtomicI32>);

impl Received {
    /// The exit code of a program that a signal ended: 128 + its number.
    pub fn exit_code(&self) -> Option<u8> {
        let number = self.0.load(Ordering::Acquire);
        u8::try_from(number).ok().filter(|&number| number > 0).map(|number| 128 + number)
    }
}

/// From now on each SIGINT or SIGTERM [asks](Stop::ask) `stop`: the first to drain, the
/// second to give up.
///
/// # Errors
/// When the handlers or the thread that waits for them can't be set up.
pub fn ask_on_signals(stop: Stop) -> io::Result<Received> {
    let received = Received::default();
    let first = received.clone();
    on_each([SignalKind::interrupt(), SignalKind::terminate()], move |kind| {
        let number = kind.as_raw_value();
        let _ = first.0.compare_exchange(0, number, Ordering::AcqRel, Ordering::Acquire);
        stop.ask();
    })?;
    Ok(received)
}

/// The signals of a server: SIGINT and SIGTERM as [`ask_on_signals`] has them, SIGUSR1 calls
/// `report`, and SIGHUP does nothing: the end of the terminal is not the end of the server.
///
/// # Errors
/// When the handlers or the thread that waits for them can't be set up.
pub fn serve_signals(stop: Stop, report: impl Fn() + Send + 'static) -> io::Result<()> {
    let kinds = [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
        SignalKind::user_defined1(),
    ];
    on_each(kinds, move |kind| {
        if kind == SignalKind::user_defined1() {
            report();
        } else if kind != SignalKind::hangup() {
            stop.ask();
        }
    })
}

/// Calls `each` for every signal of these kinds, on a thread of its own.
fn on_each<const N: usize>(
    kinds: [SignalKind; N],
    each: impl Fn(SignalKind) + Send + 'static,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut handlers = {
        let _context = runtime.enter();
        kinds
            .into_iter()
            .map(|kind| Ok((kind, signal(kind)?)))
            .collect::<io::Result<Vec<_>>>()?
    };
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async {
            loop {
                let received = poll_fn(|context| {
                    let arrived = handlers.iter_mut().find_map(|(kind, handler)| {
                        handler.poll_recv(context).is_ready().then_some(*kind)
                    });
                    arrived.map_or(Poll::Pending, Poll::Ready)
                });
                each(received.await);
            }
        });
    })?;
    Ok(())
}

/// From now on a write beyond the limit of a file's size (`ulimit -f`) fails, where it would
/// end the process.
pub fn ignore_file_size_signal() {
    // SAFETY: nobody here handles SIGXFSZ, and to ignore a signal runs no code of ours.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Has the kernel end this process when the thread of its parent that started it ends.
///
/// # Errors
/// If that is unavailable, or the parent is gone already (it is told by its id, where known).
pub fn end_with_parent(parent: Option<u32>) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have ended before the line above; then nothing would ever tell.
    let now = getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    match parent.and_then(|parent| i32::try_from(parent).ok()) {
        Some(parent) if parent != now => {
            Err(io::Error::new(io::ErrorKind::NotFound, format!("the parent {parent} is gone")))
        }
        _ => Ok(()),
    }
}
