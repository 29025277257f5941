//! One session: connects and chooses between the prompt and the pipe.

use std::io::{self, IsTerminal as _};

use anyhow::Result;
use clap::CommandFactory as _;
use clap::error::ErrorKind;
use echo_client::connection::Options;
use echo_client::interactive::Ending;
use echo_client::{Connection, Display, connect, filter, interactive};
use echo_proto::ProtocolKind;

use crate::cli::Cli;

/// Talks to the server until the session ends.
pub(crate) async fn talk(cli: &Cli) -> Result<Ending> {
    let at_a_prompt = io::stdin().is_terminal() && io::stdout().is_terminal();
    if cli.time && cli.protocol == ProtocolKind::Raw && !at_a_prompt {
        let reason = "--time needs replies that can be told apart: in a pipe, the raw protocol \
                      has none (try --protocol line)";
        Cli::command().error(ErrorKind::ArgumentConflict, reason).exit();
    }
    let address = cli.addr.clone().as_target();
    let stream = connect::connect(&address, cli.patience.for_connection()).await?;
    let peer = stream.peer_addr()?;
    let options = Options {
        protocol: cli.protocol,
        max_message: cli.max_message.0,
        timeout: cli.patience.timeout.0,
    };
    let connection = Connection::new(stream, options);
    let coloured = anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never;
    let display = Display {
        protocol: cli.protocol,
        escaped: io::stdout().is_terminal(),
        coloured,
        timed: cli.time,
    };
    if at_a_prompt {
        if !cli.quiet {
            anstream::eprintln!("connected to {peer}, protocol {} (Ctrl-D ends)", cli.protocol);
        }
        return Ok(interactive::run(connection, display).await?);
    }
    filter::run(connection, io::stdin(), tokio::io::stdout(), display).await?;
    Ok(Ending::EndOfInput)
}
