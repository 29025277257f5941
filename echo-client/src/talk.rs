//! One session: connects and chooses between the prompt and the pipe.

use std::io::{self, IsTerminal as _};
use std::time::Instant;

use anyhow::Result;
use clap::CommandFactory as _;
use clap::error::ErrorKind;
use echo_client::connection::Options;
use echo_client::interactive::Ending;
use echo_client::secure::{Secure, handshake};
use echo_client::{ConnectError, Connection, Display, connect, filter, interactive};
use echo_net::tls::ClientTls;
use echo_proto::{ProtocolKind, Service};
use tokio::net::TcpStream;

use crate::cli::Cli;

/// Talks to the server until the session ends.
pub(crate) async fn talk(cli: &Cli) -> Result<Ending> {
    let at_a_prompt = io::stdin().is_terminal() && io::stdout().is_terminal();
    let untimed = match cli.protocol {
        Service::Echo(ProtocolKind::Raw) if !at_a_prompt => Some(
            "--time needs replies that can be told apart: in a pipe, the raw protocol has none \
             (try --protocol line)",
        ),
        Service::Chat => Some("--time needs replies: in a chat, no line has one"),
        Service::Echo(_) => None,
    };
    if cli.time
        && let Some(reason) = untimed
    {
        Cli::command().error(ErrorKind::ArgumentConflict, reason).exit();
    }
    let link = link(cli).await?;
    let peer = link.stream.peer_addr()?;
    let options = Options {
        protocol: cli.protocol.framing(),
        chat: cli.protocol.is_chat(),
        max_message: cli.max_message.0,
        timeout: cli.patience.timeout.0,
    };
    let version = link.version();
    let connection = match link.tls {
        None => Connection::new(link.stream, options),
        Some(tls) => Connection::inside_tls(link.stream, tls, options),
    };
    let coloured = anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never;
    let display = Display {
        protocol: cli.protocol,
        escaped: io::stdout().is_terminal(),
        coloured,
        timed: cli.time,
    };
    if at_a_prompt {
        if !cli.quiet {
            let protocol = cli.protocol;
            anstream::eprintln!(
                "connected to {peer}, protocol {protocol}{version} (Ctrl-D ends)"
            );
        }
        return Ok(interactive::run(connection, display).await?);
    }
    filter::run(connection, io::stdin(), tokio::io::stdout(), display).await?;
    Ok(Ending::EndOfInput)
}

/// A connection that can be spoken on.
struct Link {
    stream: TcpStream,
    tls: Option<Secure>,
}

impl Link {
    /// The version of TLS, if it is spoken, as it is told at the start.
    fn version(&self) -> String {
        let version = self.tls.as_ref().and_then(|tls| tls.transform.version());
        version.map(|version| format!(" inside {version}")).unwrap_or_default()
    }
}

/// Connects, and agrees on TLS if that is wanted, within the time for a connection.
async fn link(cli: &Cli) -> Result<Link, ConnectError> {
    let begin = Instant::now();
    let address = cli.addr.clone().as_target();
    let at_most = cli.patience.for_connection();
    // Before anything is sent: a file that is no good is not the server's business.
    let trust = cli.tls.trust();
    let tls = trust.as_ref().map(|trust| ClientTls::new(trust, false)).transpose()?;
    if let Some(warning) = trust.and_then(|trust| trust.warning())
        && !cli.quiet
    {
        anstream::eprintln!("warning: {warning}");
    }
    let mut stream = connect::connect(&address, at_most).await?;
    let Some(tls) = tls else { return Ok(Link { stream, tls: None }) };
    let name = cli.tls.server_name.as_deref();
    let left = at_most.saturating_sub(begin.elapsed());
    let tls = handshake(&mut stream, &tls, &address, name, left).await?;
    Ok(Link { stream, tls: Some(tls) })
}
