//! `echo-client scan`: the open ports on stdout, a progress bar on stderr.

use std::io::{self, Write as _};
use std::net::IpAddr;
use std::pin::pin;

use anyhow::{Context as _, Result};
use echo_client::scan::{PortState, scan};
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::ScanArgs;
use crate::console::tell;

/// Scans as the flags say, until all ports are tried or `interrupted`; whether all were.
pub(crate) async fn run(
    args: &ScanArgs,
    interrupted: impl Future<Output = ()>,
) -> Result<bool> {
    let mut interrupted = pin!(interrupted);
    let (host, others) = tokio::select! {
        found = look_up(&args.host) => found?,
        () = &mut interrupted => return Ok(false),
    };
    if !args.quiet
        && let Some(note) = choice(&args.host, host, &others)
    {
        tell(note);
    }
    echo_net::fd_limit::raise();
    let ports = args.ports.ports();
    let room = echo_net::fd_limit::room_for_connections();
    let concurrency = args.concurrency.0.min(room.max(1)) as usize;
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
        tell(format_args!("{host}: {open} open, {refused} refused, {filtered} filtered{part}"));
    }
    match told {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("writing to stdout")
        }
        _ => Ok(all),
    }
}

/// The first address that the resolver has for a name, and the others.
async fn look_up(name: &str) -> Result<(IpAddr, Vec<IpAddr>)> {
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let found = tokio::net::lookup_host((bare.unwrap_or(name), 0)).await;
    let mut found =
        found.with_context(|| format!("looking up {name}"))?.map(|found| found.ip());
    let host = found.next().with_context(|| format!("{name} has no address"))?;
    let mut others: Vec<IpAddr> = Vec::new();
    for other in found {
        if other != host && !others.contains(&other) {
            others.push(other);
        }
    }
    Ok((host, others))
}

/// Addresses of a name that are named beside the one that is scanned.
const NAMED: usize = 4;

/// Which address of a name is scanned, where there is a choice: each may have ports of its own.
fn choice(name: &str, host: IpAddr, others: &[IpAddr]) -> Option<String> {
    let mut named: Vec<_> = others.iter().take(NAMED).map(ToString::to_string).collect();
    if others.len() > NAMED {
        named.push(format!("{} more", others.len() - NAMED));
    }
    let named = named.join(", ");
    (!others.is_empty()).then(|| {
        format!("scanning {host}, one of the addresses of {name} (not scanned: {named})")
    })
}

fn print(open: &[u16]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    for port in open {
        writeln!(stdout, "{port}")?;
    }
    stdout.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_name_with_several_addresses_it_is_said_which_is_scanned() {
        let host = IpAddr::from([127, 0, 0, 1]);
        let others: Vec<_> = (2..8).map(|last| IpAddr::from([127, 0, 0, last])).collect();
        assert_eq!(choice("one", host, &[]), None);
        assert_eq!(
            choice("two", host, &others[..1]).as_deref(),
            Some("scanning 127.0.0.1, one of the addresses of two (not scanned: 127.0.0.2)")
        );
        let many = choice("many", host, &others).unwrap_or_default();
        assert!(many.ends_with("127.0.0.4, 127.0.0.5, 2 more)"), "{many}");
    }
}
