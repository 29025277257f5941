//! One session: connects and chooses between the prompt and the pipe.

use std::io::{self, IsTerminal as _};

use anyhow::Result;
use clap::CommandFactory as _;
use clap::error::ErrorKind;
use echo_client::connection::{Answer, Options};
use echo_client::interactive::Ending;
use echo_client::link::{Link, Tls};
use echo_client::{ConnectError, Connection, Display, filter, interactive};
use echo_net::tls::ClientTls;
use echo_proto::{ProtocolKind, Service};

use crate::cli::{Cli, TlsArgs};
use crate::console::tell;
use crate::statuses::Statuses;

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
    let tls = tls(&cli.tls, cli.quiet)?;
    let address = cli.addr.clone().as_target();
    let link = Link::open(&address, tls.as_ref(), cli.patience.for_connection()).await?;
    let peer = link.stream.peer_addr()?;
    let options = Options {
        protocol: cli.protocol.framing(),
        typed: true,
        chat: cli.protocol.is_chat(),
        max_message: cli.max_message.0,
        timeout: cli.patience.timeout.0,
    };
    let version = link.version().map(|version| format!(" inside {version}"));
    let version = version.unwrap_or_default();
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
            tell(format_args!(
                "connected to {peer}, protocol {protocol}{version} (Ctrl-D ends)"
            ));
        }
        return Ok(interactive::run(connection, display).await?);
    }
    let mut statuses = Statuses::default();
    let look = |answer: &Answer<'_>| {
        if let Some(note) = statuses.of(answer) {
            tell(note);
        }
    };
    let ended = filter::run(connection, io::stdin(), tokio::io::stdout(), display, look).await;
    if let Some(note) = statuses.rest() {
        tell(note);
    }
    ended?;
    Ok(Ending::EndOfInput)
}

/// How to speak TLS, if that is wanted; warns of trust that is none.
///
/// To be called before anything is sent: a file that is no good is not the server's business.
pub(crate) fn tls(args: &TlsArgs, quiet: bool) -> Result<Option<Tls>, ConnectError> {
    let Some(trust) = args.trust() else { return Ok(None) };
    let client = ClientTls::new(&trust, false)?;
    if let Some(warning) = trust.warning()
        && !quiet
    {
        tell(format_args!("warning: {warning}"));
    }
    Ok(Some(Tls { client, server_name: args.server_name.clone() }))
}
