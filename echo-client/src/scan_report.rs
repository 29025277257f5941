//! `echo-client scan`: the open ports on stdout, a progress bar on stderr.

use std::io::{self, Write as _};
use std::net::IpAddr;
use std::pin::pin;

use anyhow::{Context as _, Result};
use echo_client::scan::{PortState, scan};
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::ScanArgs;

/// Scans as the flags say, until all ports are tried or `interrupted`; whether all were.
pub(crate) async fn run(
    args: &ScanArgs,
    interrupted: impl Future<Output = ()>,
) -> Result<bool> {
    let mut interrupted = pin!(interrupted);
    let host = tokio::select! {
        host = look_up(&args.host) => host?,
        () = &mut interrupted => return Ok(false),
    };
    echo_net::fd_limit::raise();
    let ports = args.ports.ports();
    let room = echo_net::fd_limit::room_for_connections() as usize;
    let concurrency = args.concurrency.get().min(room.max(1));
    // Hidden by itself where stderr is no terminal.
    let bar = ProgressBar::new(ports.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} ports, {eta} left") {
        bar.set_style(style);
    }
    let (mut open, mut refused, mut filtered) = (Vec::new(), 0, 0);
    let scanning = scan(host, ports, concurrency, args.timeout.0, |port, state| {
        bar.inc(1);
        match state {
            PortState::Open => open.push(port),
            PortState::Refused => refused += 1,
            PortState::Filtered => filtered += 1,
        }
    });
    let all = tokio::select! {
        // What is known by now is told before the interruption is looked at.
        biased;
        scanned = scanning => scanned.map(|()| true),
        () = interrupted => Ok(false),
    };
    let all = all.with_context(|| format!("scanning {host}"))?;
    bar.finish_and_clear();
    open.sort_unstable();
    let told = print(&open);
    if !args.quiet {
        let open = open.len();
        let (tried, ports) = (open + refused + filtered, ports.len());
        let part = if all {
            String::new()
        } else {
            format!(" (interrupted: {tried} of {ports} ports tried)")
        };
        anstream::eprintln!(
            "{host}: {open} open, {refused} refused, {filtered} filtered{part}"
        );
    }
    match told {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("writing to stdout")
        }
        _ => Ok(all),
    }
}

/// The first address that the resolver has for a name.
async fn look_up(name: &str) -> Result<IpAddr> {
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let found = tokio::net::lookup_host((bare.unwrap_or(name), 0)).await;
    let mut found = found.with_context(|| format!("looking up {name}"))?;
    Ok(found.next().with_context(|| format!("{name} has no address"))?.ip())
}

fn print(open: &[u16]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    for port in open {
        writeln!(stdout, "{port}")?;
    }
    stdout.flush()
}
