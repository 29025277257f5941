//! The client in a pipe: [`run`] sends the input, half-closes at its end, and writes the
//! replies as they arrive. Buffers at most a few reads of input, and reads replies
//! concurrently, which avoids deadlock. In a chat lines have no replies, and lines of others
//! are written as they arrive.

use std::io::{self, Read};
use std::ops::ControlFlow;
use std::time::Duration;

use echo_client::connection::{
    Answer, Arrival, Connection, ConnectionOptions, Receiver, Sender,
};
use echo_client::{SessionError, Tally};
use echo_proto::{CarriageReturn, LineSplitter, ProtocolKind};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::display::Display;

mod input;

use input::{Backlog, Input};

/// How long to wait for the end of the input after the server has closed the connection.
const END_OF_INPUT: Duration = Duration::from_millis(200);

/// Sends every line of `input` as one request (the raw protocol: its bytes unchanged) and
/// writes the replies to `output`, until the input has ended and everything is answered. Each
/// reply is passed to `look` before it is written.
///
/// # Errors
/// When the session breaks, or ends before all input was sent and answered, and when a reply was
/// not what its request asked for.
pub(crate) async fn run(
    connection: Connection,
    input: impl Read + Send + 'static,
    output: impl AsyncWrite + Unpin,
    display: Display,
    look: impl FnMut(&Answer<'_>),
) -> Result<PipeEnding, SessionError> {
    let options = connection.options().clone();
    let is_chat = options.chat;
    let (sender, mut receiver) = connection.split();
    let input = Input::start(input).map_err(SessionError::Input)?;
    let backlog = input.backlog();
    let (outcome, sent) = {
        let receiving = receive_all(&mut receiver, output, display, look);
        let sending = send_all(sender, input, options);
        tokio::pin!(receiving, sending);
        tokio::select! {
            outcome = &mut receiving => {
                // A server may close the connection with its reply, before the end of the input
                // was read.
                let patience = if outcome.is_ok() { END_OF_INPUT } else { Duration::ZERO };
                (outcome, timeout(patience, sending).await.ok())
            }
            sent = &mut sending => (receiving.await, Some(sent)),
        }
    };
    outcome?;
    let (tally, deviations) = (receiver.tally(), receiver.deviations());
    let ending = match sent {
        Some(Ok(())) if tally.answered >= tally.requested => PipeEnding::Done,
        Some(Err(Unsent::Input(error))) => return Err(error),
        // Whatever the server was asked to do: this was meant for it.
        _ if backlog.bytes() > 0 => {
            return Err(SessionError::Unsent { bytes: backlog.bytes(), tally });
        }
        _ if receiver.said_goodbye() => PipeEnding::Done,
        // No request was on its way: the server was stopped between two of them.
        None if receiver.is_complete() && !is_chat => PipeEnding::ClosedByServer(tally),
        Some(Ok(()) | Err(Unsent::Broken)) | None => return Err(SessionError::Closed(tally)),
    };
    if deviations.is_none() {
        return Ok(ending);
    }
    Err(SessionError::Deviant { deviations, tally })
}

/// How a session in which everything was answered ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PipeEnding {
    /// The input has ended, or the server was asked to close the connection.
    Done,
    /// The server closed the connection before the input ended.
    ClosedByServer(Tally),
}

/// Why the input was not sent completely.
enum Unsent {
    Input(SessionError),
    /// The receiver reports the reason: there may be replies left to read.
    Broken,
}

impl From<io::Error> for Unsent {
    /// Reading the input failed.
    fn from(error: io::Error) -> Self {
        Self::Input(SessionError::Input(error))
    }
}

async fn send_all(
    mut sender: Sender,
    input: Input,
    options: ConnectionOptions,
) -> Result<(), Unsent> {
    let backlog = input.backlog();
    let sent = match options.protocol {
        ProtocolKind::Raw => send_bytes(&mut sender, input, &backlog).await,
        _ => send_lines(&mut sender, input, &backlog, options.max_message).await,
    };
    // If that fails the receiver reports why, unless everything is answered.
    let _ = sender.finish().await;
    sent
}

async fn send_bytes(
    sender: &mut Sender,
    mut input: Input,
    backlog: &Backlog,
) -> Result<(), Unsent> {
    while let Some(chunk) = input.next().await? {
        sender.queue(&chunk);
        sender.send().await.map_err(|_| Unsent::Broken)?;
        backlog.passed(chunk.len());
    }
    Ok(())
}

async fn send_lines(
    sender: &mut Sender,
    mut input: Input,
    backlog: &Backlog,
    max_message: usize,
) -> Result<(), Unsent> {
    let too_long = |_| Unsent::Input(SessionError::LongLine(max_message));
    let mut lines = LineSplitter::new(max_message, CarriageReturn::Drop);
    while let Some(chunk) = input.next().await? {
        let before = lines.partial().len();
        let fed = lines.feed(&chunk, |line| {
            sender.queue(line);
            ControlFlow::Continue(())
        });
        backlog.passed((before + chunk.len()).saturating_sub(lines.partial().len()));
        // Lines before one that is too long are still sent.
        sender.send().await.map_err(|_| Unsent::Broken)?;
        let _all_of_it = fed.map_err(too_long)?;
    }
    let held = lines.partial().len();
    if let Some(last) = lines.end_of_input().map_err(too_long)? {
        sender.queue(&last);
        backlog.passed(held);
        sender.send().await.map_err(|_| Unsent::Broken)?;
    }
    Ok(())
}

async fn receive_all(
    receiver: &mut Receiver,
    mut output: impl AsyncWrite + Unpin,
    display: Display,
    mut look: impl FnMut(&Answer<'_>),
) -> Result<(), SessionError> {
    let mut shown = Vec::new();
    loop {
        let each = |answer: Answer<'_>| {
            look(&answer);
            display.filtered(&answer, &mut shown);
        };
        let arrival = receiver.receive(each).await;
        let more = matches!(arrival, Ok(Arrival::Open));
        if !more {
            let partial = receiver.partial();
            display.plain(&partial, &mut shown);
            // On a terminal, the error message would follow on the same line.
            if display.escaped && !partial.is_empty() && !shown.ends_with(b"\n") {
                shown.push(b'\n');
            }
        }
        output.write_all(&shown).await.map_err(SessionError::Output)?;
        output.flush().await.map_err(SessionError::Output)?;
        shown.clear();
        if !more {
            return arrival.map(drop);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::time::Duration;

    use echo_proto::HttpHost;
    use tokio::net::TcpStream;

    use super::*;

    /// The output for a partial reply, on a terminal or not.
    async fn half_a_reply(escaped: bool) -> Vec<u8> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut server = listener.accept().unwrap().0;
        let serving = std::thread::spawn(move || {
            server.read_exact(&mut [0; 2]).unwrap();
            server.write_all(b"ECHO: ha").unwrap();
        });
        let protocol = ProtocolKind::Line;
        let timeout = Duration::from_secs(10);
        let options = ConnectionOptions {
            protocol,
            typed: true,
            chat: false,
            max_message: 9,
            http_host: HttpHost::default(),
            timeout,
        };
        let display =
            Display { protocol: protocol.into(), escaped, coloured: false, timed: false };
        let mut output = Vec::new();
        let connection = Connection::new(stream, options);
        let ended = run(connection, &b"a\n"[..], &mut output, display, |_| {}).await;
        assert!(ended.is_err(), "{ended:?}");
        serving.join().unwrap();
        output
    }

    #[tokio::test]
    async fn half_a_reply_has_its_own_line_on_a_terminal_and_stays_as_it_is_elsewhere() {
        assert_eq!(half_a_reply(true).await, b"ECHO: ha\n");
        assert_eq!(half_a_reply(false).await, b"ECHO: ha");
    }
}
