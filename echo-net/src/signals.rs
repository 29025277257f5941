//! SIGINT and SIGTERM as a [`Stop`], and the other signals of a program. For a program's `main`:
//! a library never traps signals.

#![expect(
    unsafe_code,
    reason = "no safe crate at hand ignores or blocks a signal, or asks whether it is ignored"
)]

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::task::Poll;

use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use tokio::signal::unix::{SignalKind, signal};

use crate::stop::Stop;

/// The signal that requested the stop, if any.
#[derive(Debug, Clone, Default)]
pub struct Received(Arc<AtomicI32>);

impl Received {
    /// The exit code after a signal: 128 plus its number.
    pub fn exit_code(&self) -> Option<u8> {
        let number = self.0.load(Ordering::Acquire);
        u8::try_from(number).ok().filter(|&number| number > 0).map(|number| 128 + number)
    }
}

/// From now on SIGINT, SIGTERM and SIGHUP [stop](Stop::ask): the first gracefully, the second
/// immediately. SIGHUP does not where it was ignored at the start, as under nohup(1). SIGUSR1
/// and SIGUSR2, which would end the process without a word, do nothing.
///
/// # Errors
/// When the handlers or the signal thread can't be set up.
pub fn ask_on_signals(stop: Stop) -> io::Result<Received> {
    let received = Received::default();
    let first = received.clone();
    let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
    if !is_ignored(libc::SIGHUP) {
        kinds.push(SignalKind::hangup());
    }
    kinds.extend([SignalKind::user_defined1(), SignalKind::user_defined2()]);
    on_each(kinds, move |kind| {
        if [SignalKind::user_defined1(), SignalKind::user_defined2()].contains(&kind) {
            return;
        }
        let number = kind.as_raw_value();
        let _ = first.0.compare_exchange(0, number, Ordering::AcqRel, Ordering::Acquire);
        stop.ask();
    })?;
    Ok(received)
}

/// What a signal asks of a server, which goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// SIGHUP: the terminal is gone, or settings are to be read again.
    Reload,
    /// SIGUSR1: statistics.
    Report,
    /// SIGUSR2, which has no meaning.
    Unused,
}

/// The signals of a server: SIGINT and SIGTERM stop it as in [`ask_on_signals`]; for the others
/// `requested` is called, and the server goes on.
///
/// # Errors
/// When the handlers or the signal thread can't be set up.
pub fn serve_signals(
    stop: Stop,
    requested: impl Fn(Request) + Send + 'static,
) -> io::Result<()> {
    let requests = [
        (SignalKind::hangup(), Request::Reload),
        (SignalKind::user_defined1(), Request::Report),
        (SignalKind::user_defined2(), Request::Unused),
    ];
    let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
    kinds.extend(requests.map(|(kind, _)| kind));
    on_each(kinds, move |kind| match requests.iter().find(|(asks, _)| *asks == kind) {
        Some((_, request)) => requested(*request),
        None => stop.ask(),
    })
}

/// Whether the process ignores a signal.
fn is_ignored(signal: libc::c_int) -> bool {
    // SAFETY: all zeros are a valid `sigaction`. Without a new one, the call only writes the
    // present one to the pointer, which is good for it.
    unsafe {
        let mut present: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut present) == 0
            && present.sa_sigaction == libc::SIG_IGN
    }
}

/// While it lives, the kernel keeps signals for this thread back.
struct Blocked {
    before: libc::sigset_t,
}

impl Blocked {
    fn all_of(kinds: &[SignalKind]) -> io::Result<Self> {
        // SAFETY: a `sigset_t` is plain data. Every call gets pointers to sets that live for the
        // whole call; `sigemptyset` makes `blocked` a valid set, and `before` is written whole.
        unsafe {
            let mut blocked: libc::sigset_t = std::mem::zeroed();
            let mut before: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut blocked);
            for kind in kinds {
                libc::sigaddset(&raw mut blocked, kind.as_raw_value());
            }
            match libc::pthread_sigmask(libc::SIG_BLOCK, &raw const blocked, &raw mut before) {
                0 => Ok(Self { before }),
                error => Err(io::Error::from_raw_os_error(error)),
            }
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: `before` is the set that `pthread_sigmask` wrote, and lives for the whole call.
        unsafe {
            libc::pthread_sigmask(
                libc::SIG_SETMASK,
                &raw const self.before,
                std::ptr::null_mut(),
            );
        }
    }
}

/// Calls `each` for every signal of these kinds, on a separate thread. No signal to a process that
/// has one thread so far is lost meanwhile.
fn on_each(
    kinds: Vec<SignalKind>,
    each: impl Fn(SignalKind) + Send + 'static,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut handlers = {
        let _context = runtime.enter();
        // The handler is in place a moment before anybody listens to it: a signal in between would
        // be lost, and neither end the process nor be heard. Kept back, it comes afterwards.
        let _blocked = Blocked::all_of(&kinds)?;
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

/// From now on a write beyond the file size limit (`ulimit -f`) returns an error instead of
/// killing the process.
pub fn ignore_file_size_signal() {
    // SAFETY: nobody here handles SIGXFSZ, and to ignore a signal runs no code of ours.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Undoes [`ignore_file_size_signal`], for a process that becomes another program: what is
/// ignored stays so.
pub fn restore_file_size_signal() {
    // SAFETY: nobody here handles SIGXFSZ, and its default runs no code of ours.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_DFL) };
}

/// From now on the signals of [`serve_signals`] do nothing here: a terminal, or a service manager,
/// sends them to all processes of a server, and the one that started this one passes on what they
/// mean.
pub fn leave_to_parent() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2] {
        // SAFETY: nobody here handles these, and to ignore a signal runs no code of ours.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Makes the kernel kill this process when the parent thread that started it ends.
///
/// # Errors
/// If that is unavailable, or the parent (identified by its pid, where known) has already
/// exited.
pub fn end_with_parent(parent: Option<u32>) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have exited before the call above, in which case no signal would come.
    let now = getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    match parent.and_then(|parent| i32::try_from(parent).ok()) {
        Some(parent) if parent != now => {
            Err(io::Error::new(io::ErrorKind::NotFound, format!("the parent {parent} is gone")))
        }
        _ => Ok(()),
    }
}
