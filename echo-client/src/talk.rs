//! One session: connects and runs the prompt or the pipe.

use std::io::{self, IsTerminal as _};

use anyhow::Result;
use echo_client::connection::{Answer, ConnectionOptions};
use echo_client::link::{Link, Tls};
use echo_client::{ConnectError, Connection, Tally};
use echo_net::address::SocketAddress;
use echo_net::tls::{ClientIdentity, ClientTls, TrustError};
use echo_proto::{ProtocolKind, Service};
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{self, Cli, TlsArgs};
use crate::console::tell;
use crate::display::Display;
use crate::filter::{self, PipeEnding};
use crate::interactive::{self, Ending};
use crate::statuses::Statuses;

/// Runs a session with the server.
pub(crate) async fn talk(cli: &Cli) -> Result<Ending> {
    let at_a_prompt = io::stdin().is_terminal() && io::stdout().is_terminal();
    let service =
        cli::service(&cli.addr, cli.protocol).unwrap_or_else(|error| cli::refuse(error));
    let untimed = match service {
        Service::Echo(ProtocolKind::Raw) if !at_a_prompt => Some(
            "--time requires message boundaries, which the raw protocol does not have in a pipe \
             (try --protocol line)",
        ),
        Service::Chat => Some("--time is not supported in a chat: lines have no replies"),
        Service::Echo(_) => None,
    };
    if cli.time
        && let Some(reason) = untimed
    {
        cli::refuse(reason);
    }
    let address = cli.addr.address.clone().as_target();
    let secure = cli.tls.is_wanted(&cli.addr).unwrap_or_else(|reason| cli::refuse(reason));
    let http_host = cli.http.host(&address, service.framing(), secure);
    let http_host = http_host.unwrap_or_else(|reason| cli::refuse(reason));
    let tls = secure.then(|| tls(&cli.tls, service.framing(), cli.quiet)).transpose()?;
    let link = Link::open(&address, tls.as_ref(), cli.patience.for_connection()).await?;
    let peer = SocketAddress::of_peer(&link.stream)?;
    let options = ConnectionOptions {
        protocol: service.framing(),
        typed: true,
        chat: service.is_chat(),
        max_message: cli.max_message.0,
        http_host,
        timeout: cli.patience.timeout.0,
    };
    let version = link.version().map(|version| format!(" over {version}"));
    let version = version.unwrap_or_default();
    let connection = match link.tls {
        None => Connection::new(link.stream, options),
        Some(tls) => Connection::inside_tls(link.stream, tls, options),
    };
    let coloured = anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never;
    let display = Display {
        protocol: service,
        escaped: io::stdout().is_terminal(),
        coloured,
        timed: cli.time,
    };
    if at_a_prompt {
        if !cli.quiet {
            tell(format_args!(
                "connected to {peer}, protocol {service}{version} (Ctrl-D to exit)"
            ));
        }
        let continued = signal(SignalKind::from_raw(Signal::CONT.as_raw()))?;
        let ending = interactive::run(connection, display, continued).await?;
        if let Ending::ClosedByServer(tally) = ending
            && !cli.quiet
        {
            tell(closed_by_server(tally));
        }
        return Ok(ending);
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
    if let PipeEnding::ClosedByServer(tally) = ended?
        && !cli.quiet
    {
        tell(closed_by_server(tally));
    }
    Ok(Ending::EndOfInput)
}

/// Says why a session ended that the user did not end.
fn closed_by_server(tally: Tally) -> String {
    format!("the server closed the connection; {tally}")
}

/// The TLS settings; warns if they are insecure.
///
/// Called before anything is sent: an unusable file must not cause a connection.
pub(crate) fn tls(
    args: &TlsArgs,
    protocol: ProtocolKind,
    quiet: bool,
) -> Result<Tls, ConnectError> {
    let trust = args.trust();
    let own = args.cert.as_deref().zip(args.key.as_deref());
    let own = own.map(|(certificate, key)| ClientIdentity::from_pem_files(certificate, key));
    let own = own.transpose().map_err(TrustError::from)?;
    let mut client = ClientTls::with_identity(&trust, false, own.as_ref())?;
    if let Some(name) = protocol.alpn() {
        client = client.with_alpn(name);
    }
    let warnings = client.warnings().iter().map(String::as_str).chain(trust.warning());
    for warning in warnings.filter(|_| !quiet) {
        tell(format_args!("warning: {warning}"));
    }
    Ok(Tls { client, server_name: args.server_name.clone() })
}
