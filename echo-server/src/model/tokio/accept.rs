//! Accepting on a tokio runtime, for both tokio models: [`accept`]; several listeners as one:
//! [`Listeners`]; and the stages of a stop as a future: [`stages`].

use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{self, Poll, ready};
use std::time::Duration;

use echo_net::address::{PeerAddress, canonical};
use echo_net::listener::Listener;
use echo_net::reactor::AcceptPause;
use echo_net::socket::is_peers_fault;
use echo_net::stop::{Stage, Stop};
use echo_net::stream::Stream;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, Sleep, sleep};

use crate::admission::Permit;
use crate::context::Context;

/// How long a stopped acceptor waits for connections that are already in the backlog: closing
/// the listener would reset them, but the runtime learns of them only at its next poll. After
/// that it only empties the backlog.
const LAST_LOOK: Duration = Duration::from_millis(1);

/// How long that may take. Clients that keep connecting must not delay the stop.
const LAST_ACCEPTS: Duration = Duration::from_millis(70);

/// The stages of `stop`.
pub(crate) fn stages(stop: &Stop) -> watch::Receiver<Stage> {
    let (sender, receiver) = watch::channel(Stage::Running);
    stop.on_advance(move |stage| {
        sender.send_replace(stage);
    });
    receiver
}

/// Waits until `stages` has reached `stage`.
pub(crate) async fn reached(mut stages: watch::Receiver<Stage>, stage: Stage) {
    // The latch outlives the server, so the sender is never dropped.
    let _ = stages.wait_for(|now| *now >= stage).await;
}

/// A listener of the runtime.
#[derive(Debug)]
enum AsyncListener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl AsyncListener {
    fn new(listener: Listener) -> io::Result<Self> {
        Ok(match listener {
            Listener::Tcp(listener) => Self::Tcp(TcpListener::from_std(listener)?),
            Listener::Unix(listener) => Self::Unix(UnixListener::from_std(listener)?),
        })
    }

    fn poll_accept(
        &self,
        context: &mut task::Context<'_>,
    ) -> Poll<io::Result<(Stream, PeerAddress)>> {
        Poll::Ready(Ok(match self {
            Self::Tcp(listener) => {
                let (stream, peer) = ready!(listener.poll_accept(context))?;
                (stream.into(), canonical(peer).into())
            }
            Self::Unix(listener) => {
                let (stream, _) = ready!(listener.poll_accept(context))?;
                let peer = PeerAddress::of_unix(stream.as_fd());
                (stream.into(), peer)
            }
        }))
    }
}

/// Several listeners, polled fairly.
#[derive(Debug)]
pub(crate) struct Listeners {
    all: Vec<AsyncListener>,
    /// The first to be polled next.
    turn: usize,
}

impl Listeners {
    /// Registers non-blocking listeners.
    ///
    /// # Errors
    /// When the runtime can't register one.
    pub(crate) fn new(listeners: Vec<Listener>) -> io::Result<Self> {
        let all = listeners.into_iter().map(AsyncListener::new).collect::<Result<_, _>>()?;
        Ok(Self { all, turn: 0 })
    }

    /// The next connection on any of them, and its peer. Cancellation-safe.
    pub(crate) async fn accept(&mut self) -> io::Result<(Stream, PeerAddress)> {
        poll_fn(|context| self.poll_accept(context)).await
    }

    fn poll_accept(
        &mut self,
        context: &mut task::Context<'_>,
    ) -> Poll<io::Result<(Stream, PeerAddress)>> {
        for _ in 0..self.all.len() {
            let asked = self.turn;
            self.turn = (self.turn + 1) % self.all.len();
            if let Poll::Ready(accepted) = self.all[asked].poll_accept(context) {
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    }
}

/// Accepts until a stop is requested, passes sockets with a permit to `enter`, then closes the
/// listeners.
pub(super) async fn accept(
    listeners: Vec<Listener>,
    context: &Context,
    mut enter: impl FnMut(Stream, Permit) -> io::Result<()>,
) -> io::Result<()> {
    let mut listeners = Listeners::new(listeners)?;
    let (relieved, mut pause) = (Arc::new(Notify::new()), AcceptPause::default());
    let waker = Arc::clone(&relieved);
    context.admission.accept_wakeups().register(move || waker.notify_one());
    context.readiness.serves();
    let mut stopping = pin!(reached(stages(&context.stop), Stage::Draining));
    let mut stopped: Option<Instant> = None;
    let mut last_look = pin!(sleep(Duration::ZERO));
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stopping, if stopped.is_none() => {
                stopped = Some(look_a_last_time(last_look.as_mut()));
                continue;
            }
            accepted = listeners.accept() => accepted,
            () = &mut last_look, if stopped.is_some() => return Ok(()),
        };
        match accepted {
            Ok((stream, peer)) => {
                pause.reset();
                if let Some(permit) = context.admission.admit(stream.as_fd(), peer) {
                    enter(stream, permit)?;
                }
            }
            Err(error) if is_peers_fault(&error) => {}
            Err(error) => {
                context.admission.accept_failed(&error);
                if stopped.is_some() {
                    return Ok(());
                }
                tokio::select! {
                    () = &mut stopping => {
                        stopped = Some(look_a_last_time(last_look.as_mut()));
                    }
                    () = relieved.notified() => pause.reset(),
                    () = sleep(Duration::from_nanos(pause.after_failure())) => {}
                }
            }
        }
        if stopped.is_some_and(|stopped| stopped.elapsed() > LAST_ACCEPTS) {
            return Ok(());
        }
    }
}

/// Sets the timer of the last look; returns the time.
fn look_a_last_time(timer: Pin<&mut Sleep>) -> Instant {
    let now = Instant::now();
    timer.reset(now + LAST_LOOK);
    now
}
