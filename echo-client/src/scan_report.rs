//! `echo-client scan`: the open ports on stdout, a progress bar on stderr.

use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;

use anyhow::{Context as _, Result, bail};
use echo_client::scan::{PortState, scan};
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::ScanArgs;
use crate::console::tell;

/// Scans until all ports are tried or `interrupted`; whether all were.
pub(crate) async fn run(
    args: &ScanArgs,
    interrupted: impl Future<Output = ()>,
) -> Result<bool> {
    let mut interrupted = pin!(interrupted);
    let (host, others) = tokio::select! {
        found = look_up(&args.host) => found?,
        () = &mut interrupted => return Ok(false),
    };
    let shown = shown(&args.host, host);
    if !args.quiet
        && let Some(note) = choice(&args.host, host.ip(), &others)
    {
        tell(note);
    }
    echo_net::fd_limit::raise();
    let ports = args.ports.ports();
    let room = echo_net::fd_limit::room_for_connections();
    let concurrency = args.concurrency.0.min(room.max(1)) as usize;
    // Hidden automatically if stderr is not a terminal.
    let bar = ProgressBar::new(ports.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} ports, {eta} left") {
        bar.set_style(style);
    }
    let mut found = Found::default();
    let scanning = scan(host, ports, concurrency, args.timeout.0, |port, state| {
        bar.inc(1);
        found.count(port, state);
    });
    let all = tokio::select! {
        // Results so far are printed before the interruption is handled.
        biased;
        () = scanning => true,
        () = interrupted => false,
    };
    bar.finish_and_clear();
    found.open.sort_unstable();
    let told = print(&found.open);
    if !args.quiet {
        let interrupted = (!all).then_some(ports.len());
        tell(format_args!("{shown}: {}", found.summary(interrupted)));
    }
    match told {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("writing to stdout")
        }
        _ if all => found.verdict(&shown).map(|()| true),
        _ => Ok(false),
    }
}

/// Results of the scan.
#[derive(Debug, Default)]
struct Found {
    open: Vec<u16>,
    refused: usize,
    filtered: usize,
    /// Attempts that failed locally.
    failed: usize,
    /// The first of their errors.
    failure: Option<(u16, io::Error)>,
}

impl Found {
    fn count(&mut self, port: u16, state: io::Result<PortState>) {
        match state {
            Ok(PortState::Open) => self.open.push(port),
            Ok(PortState::Refused) => self.refused += 1,
            Ok(PortState::Filtered) => self.filtered += 1,
            Err(error) => {
                self.failed += 1;
                self.failure.get_or_insert((port, error));
            }
        }
    }

    fn tried(&self) -> usize {
        self.open.len() + self.refused + self.filtered + self.failed
    }

    /// The counts; of an interrupted scan also the total number of `ports`.
    fn summary(&self, interrupted: Option<usize>) -> String {
        let Self { open, refused, filtered, .. } = self;
        let failed = match self.failed {
            0 => String::new(),
            failed => format!(", {failed} not tried"),
        };
        let part = interrupted.map_or_else(String::new, |ports| {
            format!(" (interrupted: {} of {ports} ports tried)", self.tried() - self.failed)
        });
        format!("{} open, {refused} refused, {filtered} filtered{failed}{part}", open.len())
    }

    /// An error if some ports could not be tried.
    fn verdict(&self, host: &str) -> Result<()> {
        let Some((port, error)) = &self.failure else { return Ok(()) };
        let (failed, tried) = (self.failed, self.tried());
        bail!("scanning {host}: {failed} of {tried} ports not tried: port {port}: {error}")
    }
}

/// The host's display name: its address, with its zone as typed.
fn shown(typed: &str, host: SocketAddr) -> String {
    match bare(typed).split_once('%') {
        Some((_, zone)) => format!("{}%{zone}", host.ip()),
        None => host.ip().to_string(),
    }
}

/// Without the brackets of an IPv6 address.
fn bare(typed: &str) -> &str {
    typed.strip_prefix('[').and_then(|typed| typed.strip_suffix(']')).unwrap_or(typed)
}

/// The resolver's first address of a name, and the others.
async fn look_up(name: &str) -> Result<(SocketAddr, Vec<IpAddr>)> {
    let found = tokio::net::lookup_host((bare(name), 0)).await;
    let mut found = found.with_context(|| format!("looking up {name}"))?;
    let host = found.next().with_context(|| format!("{name} has no address"))?;
    if let SocketAddr::V6(host) = host
        && host.ip().is_unicast_link_local()
        && host.scope_id() == 0
    {
        bail!("{name}: a link-local address needs its zone ({}%INTERFACE)", host.ip());
    }
    let mut others: Vec<IpAddr> = Vec::new();
    for other in found.map(|found| found.ip()) {
        if other != host.ip() && !others.contains(&other) {
            others.push(other);
        }
    }
    Ok((host, others))
}

/// Maximum number of other addresses listed.
const NAMED: usize = 4;

/// Which address of a name is scanned, if it has several: each may have different open ports.
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

    #[test]
    fn what_was_found_is_told_beside_what_could_not_be_tried() {
        let mut found = Found::default();
        for (port, state) in [
            (80, Ok(PortState::Open)),
            (1, Err(io::ErrorKind::PermissionDenied.into())),
            (2, Err(io::ErrorKind::AddrNotAvailable.into())),
            (3, Ok(PortState::Refused)),
        ] {
            found.count(port, state);
        }
        assert_eq!(found.summary(None), "1 open, 1 refused, 0 filtered, 2 not tried");
        assert_eq!(
            found.summary(Some(9)),
            "1 open, 1 refused, 0 filtered, 2 not tried (interrupted: 2 of 9 ports tried)"
        );
        assert_eq!(
            found.verdict("a").unwrap_err().to_string(),
            "scanning a: 2 of 4 ports not tried: port 1: permission denied"
        );
        assert!(Found::default().verdict("a").is_ok());
    }
}
