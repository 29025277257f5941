//! `echo-client scan`: the open ports on stdout, a progress bar on stderr.

use std::io::{self, Write as _};

use anyhow::{Context as _, Result};
use echo_client::scan::{PortState, scan};
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::ScanArgs;

/// Scans as the flags say.
pub(crate) async fn run(args: &ScanArgs) -> Result<()> {
    let bare = args.host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let found = tokio::net::lookup_host((bare.unwrap_or(&args.host), 0)).await;
    let mut found = found.with_context(|| format!("looking up {}", args.host))?;
    let host = found.next().with_context(|| format!("{} has no address", args.host))?.ip();
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
    let scanned = scan(host, ports, concurrency, args.timeout.0, |port, state| {
        bar.inc(1);
        match state {
            PortState::Open => open.push(port),
            PortState::Refused => refused += 1,
            PortState::Filtered => filtered += 1,
        }
    });
    scanned.await.with_context(|| format!("scanning {host}"))?;
    bar.finish_and_clear();
    open.sort_unstable();
    let told = print(&open);
    if !args.quiet {
        let open = open.len();
        anstream::eprintln!("{host}: {open} open, {refused} refused, {filtered} filtered");
    }
    match told {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("writing to stdout")
        }
        _ => Ok(()),
    }
}

fn print(open: &[u16]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    for port in open {
        writeln!(stdout, "{port}")?;
    }
    stdout.flush()
}
