//! Accepting on a tokio runtime, for both tokio models: [`accept`]; and the stages of a
//! stop as something to await: [`stages`].

use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::pin::pin;
use std::time::Duration;

use echo_net::clock;
use echo_net::reactor::ACCEPT_PAUSE;
use echo_net::socket::is_peers_fault;
use echo_net::stop::{Stage, Stop};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::admission::{Answer, FULL, Permit, Refused};
use crate::context::Context;

/// How long a stopped acceptor waits for what the kernel has accepted before. That is
/// received, and closing the listener would reset it; but the runtime only learns of it when
/// it next asks the kernel.
const LAST_LOOK: Duration = Duration::from_millis(1);

/// Most connections that a stopped acceptor still takes: as many as a usual backlog holds. Who
/// keeps coming after those must not keep it from stopping.
const LAST_ACCEPTS: usize = 4096;

/// The stages of `stop`.
pub(crate) fn stages(stop: &Stop) -> watch::Receiver<Stage> {
    let (sender, receiver) = watch::channel(Stage::Running);
    stop.on_advance(move |stage| {
        sender.send_replace(stage);
    });
    receiver
}

/// Waits until `stages` has come to `stage`.
pub(crate) async fn reached(mut stages: watch::Receiver<Stage>, stage: Stage) {
    // The latch outlives the server, so the sender is never gone.
    let _ = stages.wait_for(|now| *now >= stage).await;
}

/// Accepts until a stop is asked for and hands what was let in to `enter`; then the
/// listener is closed.
pub(super) async fn accept(
    listener: TcpListener,
    context: &Context,
    mut enter: impl FnMut(TcpStream, Permit) -> io::Result<()>,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut refused = context.admission.refused_list();
    let mut stopping = pin!(reached(stages(&context.stop), Stage::Draining));
    let (mut stopped, mut last) = (false, LAST_ACCEPTS);
    loop {
        if stopped {
            let Some(left) = last.checked_sub(1) else { return Ok(()) };
            last = left;
        }
        let accepted = tokio::select! {
            biased;
            () = &mut stopping, if !stopped => {
                stopped = true;
                continue;
            }
            accepted = listener.accept() => accepted,
            () = tokio::time::sleep(LAST_LOOK), if stopped => return Ok(()),
            () = expiry(&refused), if !refused.is_empty() => {
                refused.expire(clock::now());
                continue;
            }
        };
        match accepted {
            Ok((stream, peer)) => match context.admission.admit(stream.as_fd(), peer) {
                Answer::Enter(permit) => enter(stream, permit)?,
                Answer::Full => {
                    let socket = stream.into_std()?.into();
                    context.admission.refuse(socket, FULL, &mut refused);
                }
                Answer::Gone => {}
            },
            Err(error) if is_peers_fault(&error) => {}
            Err(error) => {
                context.admission.accept_failed(&error);
                if stopped {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_nanos(ACCEPT_PAUSE)).await;
            }
        }
    }
}

/// Until the first refused socket is to be closed.
async fn expiry(refused: &Refused) {
    let left = refused.deadline().saturating_sub(clock::now());
    tokio::time::sleep(Duration::from_nanos(left)).await;
}
