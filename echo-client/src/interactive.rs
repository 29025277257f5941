//! The client at a terminal: [`run`] shows a prompt, sends typed lines, and prints what the
//! server sends above the line that is being edited.

use std::convert::Infallible;
use std::pin::pin;

use echo_client::connection::{Arrival, Connection, Receiver, Sender};
use echo_client::{SessionError, Tally};
use echo_proto::ProtocolKind;
use tokio::signal::unix::Signal;
use tokio::sync::mpsc;

use crate::display::Display;
use crate::editing::{Editing, REDRAW};
use crate::prompt::{Prompt, Show, Typed};

/// How an interactive session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Ctrl-D, or the server closed the connection as it was asked to.
    EndOfInput,
    /// Ctrl-C.
    Interrupted,
    /// The server closed the connection when everything was answered.
    ClosedByServer(Tally),
}

/// Talks to the server until the input ends or the session breaks. The next prompt follows the
/// replies to the previous line.
///
/// The program must handle SIGINT: the signal is used to end the prompt. At each `continued`
/// (SIGCONT) the terminal modes are restored.
///
/// # Errors
/// When the session breaks, the server ends it before everything is answered, or a reply was not
/// what its request asked for.
pub(crate) async fn run(
    connection: Connection,
    display: Display,
    continued: Signal,
) -> Result<Ending, SessionError> {
    let (protocol, is_chat) = (connection.options().protocol, connection.options().chat);
    let (sender, receiver) = connection.split();
    let mut prompt = Prompt::start()?;
    let mut view = View { receiver, screen: prompt.screen(), display };
    let resuming = resume(continued, prompt.editing(), prompt.screen());
    let ended = tokio::select! {
        ended = converse(sender, protocol, &mut prompt, &mut view) => ended,
        never = resuming => match never {},
    };
    let receiver = &view.receiver;
    if let (Err(SessionError::Closed(tally)), Some(line)) = (&ended, prompt.untaken()) {
        return Err(SessionError::Unsent { bytes: line.len() as u64 + 1, tally: *tally });
    }
    let ending = match ended {
        Err(SessionError::Closed(_)) if receiver.said_goodbye() => Ending::EndOfInput,
        Err(SessionError::Closed(tally)) if receiver.is_complete() && !is_chat => {
            Ending::ClosedByServer(tally)
        }
        ended => ended?,
    };
    let (tally, deviations) = (receiver.tally(), receiver.deviations());
    if deviations.is_none() || ending == Ending::Interrupted {
        return Ok(ending);
    }
    Err(SessionError::Deviant { deviations, tally })
}

/// Restores the terminal each time the program is resumed.
async fn resume(
    mut continued: Signal,
    editing: Editing,
    screen: mpsc::Sender<Show>,
) -> Infallible {
    loop {
        if continued.recv().await.is_none() {
            return std::future::pending().await;
        }
        if editing.resume() {
            // Pending output redraws the line as well.
            let _ = screen.try_send(Show::Text(REDRAW.into()));
        }
    }
}

async fn converse(
    mut sender: Sender,
    protocol: ProtocolKind,
    prompt: &mut Prompt,
    view: &mut View,
) -> Result<Ending, SessionError> {
    loop {
        match view.show_until(prompt.typed()).await? {
            Typed::Line(line) => {
                view.show_until(send(&mut sender, protocol, &line)).await?;
                view.show_replies().await?;
            }
            Typed::End => return Ok(Ending::EndOfInput),
            Typed::Interrupted => return Ok(Ending::Interrupted),
            Typed::Failed(reason) => return Err(SessionError::Prompt(reason)),
        }
    }
}

/// Sends a line as typed; a pasted one may contain several.
async fn send(sender: &mut Sender, protocol: ProtocolKind, typed: &str) {
    match protocol {
        // Without framing the newline is part of the data.
        ProtocolKind::Raw => sender.queue(format!("{typed}\n").as_bytes()),
        _ if protocol.is_text() => {
            for line in typed.split('\n') {
                sender.queue(line.as_bytes());
            }
        }
        _ => sender.queue(typed.as_bytes()),
    }
    // The receiver reports whether and why the connection broke.
    let _ = sender.send().await;
}

/// Shows data from the server.
struct View {
    receiver: Receiver,
    screen: mpsc::Sender<Show>,
    display: Display,
}

impl View {
    /// Shows data until `done` completes.
    async fn show_until<T>(
        &mut self,
        done: impl Future<Output = T>,
    ) -> Result<T, SessionError> {
        let mut done = pin!(done);
        loop {
            tokio::select! {
                value = &mut done => return Ok(value),
                shown = self.show_next() => shown?,
            }
        }
    }

    /// Shows data until every request is answered, then requests the next prompt.
    async fn show_replies(&mut self) -> Result<(), SessionError> {
        while !self.receiver.is_idle() {
            self.show_next().await?;
        }
        self.show(Show::Prompt).await;
        Ok(())
    }

    /// Waits for replies and shows them. Cancellation-safe.
    async fn show_next(&mut self) -> Result<(), SessionError> {
        // Reserve room first: received data can't be put back. The printer ends only with the
        // prompt, which ends the session.
        let Ok(room) = self.screen.reserve().await else { return std::future::pending().await };
        let mut text = String::new();
        let display = self.display;
        let arrival =
            self.receiver.receive(|answer| display.prompted(&answer, &mut text)).await;
        if !text.is_empty() {
            room.send(Show::Text(text));
        }
        match arrival? {
            Arrival::Open => Ok(()),
            Arrival::End => Err(SessionError::Closed(self.receiver.tally())),
        }
    }

    async fn show(&self, what: Show) {
        // The printer ends only with the prompt, which ends the session.
        let _ = self.screen.send(what).await;
    }
}
