//! `echo-client ping`: a line per reply and a summary, in the format of ping(8).

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use echo_client::connection::ConnectionOptions;
use echo_client::ping::{
    self, Inside, Loss, PERCENTILES, PingError, PingEvent, PingPlan, Said, Statistics,
};
use echo_net::settings::TimeSpan;
use echo_proto::terminal;

use crate::cli::{self, LONGEST_MESSAGE, PingArgs};
use crate::talk;

/// Bytes shown of a wrong reply.
const EXCERPT: usize = 64;

/// Runs a ping until the count is reached or `interrupted`; whether any echo was received.
pub(crate) async fn run(
    args: &PingArgs,
    interrupted: impl Future<Output = ()>,
) -> Result<bool> {
    let plan = plan(args)?;
    if let Err(reason) = plan.options.protocol.check_message(&vec![b'.'; plan.size]) {
        cli::refuse(format!("--size {}: {reason}", plan.size));
    }
    let mut report =
        Report { args, plan: &plan, statistics: Statistics::default(), explained: false };
    let began = Instant::now();
    let ended = tokio::select! {
        ended = ping::run(&plan, |event| report.tell(&event)) => ended,
        () = interrupted => Ok(()),
    };
    match ended {
        Ok(()) => {}
        Err(PingError::Connect(error)) => return Err(error.into()),
        Err(PingError::Told(error)) => return Err(error.into()),
    }
    match report.summarise(began.elapsed()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(anyhow!(error).context("writing to stdout"))
        }
        _ => Ok(report.statistics.echoes > 0),
    }
}

fn plan(args: &PingArgs) -> Result<PingPlan> {
    let service = cli::service(&args.addr, args.protocol.map(Into::into));
    let protocol = service.unwrap_or_else(|error| cli::refuse(error)).framing();
    let address = args.addr.address.clone().as_target();
    let secure = args.tls.is_wanted(&args.addr).unwrap_or_else(|reason| cli::refuse(reason));
    let http_host = args.http.host(&address, protocol, secure);
    let http_host = http_host.unwrap_or_else(|reason| cli::refuse(reason));
    Ok(PingPlan {
        address,
        interval: args.interval.0,
        count: args.count.map(|count| count.0),
        size: args.size.0,
        connect_timeout: args.patience.for_connection(),
        tls: secure.then(|| talk::tls(&args.tls, protocol, args.quiet)).transpose()?,
        options: ConnectionOptions {
            protocol,
            typed: false,
            chat: false,
            max_message: LONGEST_MESSAGE,
            http_host,
            timeout: args.patience.timeout.0,
        },
    })
}

struct Report<'a> {
    args: &'a PingArgs,
    plan: &'a PingPlan,
    statistics: Statistics,
    /// Whether the reason for the missing connection was already printed.
    explained: bool,
}

impl Report<'_> {
    fn tell(&mut self, event: &PingEvent<'_>) -> io::Result<()> {
        self.statistics.count(event);
        if self.args.quiet && !matches!(event, PingEvent::Connected(..)) {
            return Ok(());
        }
        if matches!(event, PingEvent::Failed(_)) {
            // Once per outage: the reason stays the same.
            if std::mem::replace(&mut self.explained, true) {
                return Ok(());
            }
        }
        let mut out = io::stdout().lock();
        match event {
            PingEvent::Connected(peer, inside) => {
                let (size, protocol) = (self.plan.size, self.plan.options.protocol);
                write!(out, "PING {peer}: {size} bytes of payload, protocol {protocol}")?;
                if let Some(Inside { version, handshake }) = inside {
                    let took = milliseconds(*handshake);
                    write!(out, " over {version}, handshake {took} ms")?;
                }
                writeln!(out)
            }
            PingEvent::Reply { number, bytes, round_trip, late, instead } => {
                let time = milliseconds(*round_trip);
                write!(out, "{bytes} bytes: seq={number} time={time} ms")?;
                if *late {
                    write!(out, " (late, counted as lost)")?;
                }
                if let Some(said) = instead {
                    let what = if said.is_error { "an error" } else { "not the echo" };
                    write!(out, " ({what}: {})", told(said))?;
                }
                writeln!(out)
            }
            PingEvent::Unasked(said) => writeln!(out, "unsolicited: {}", told(said)),
            PingEvent::Lost(number, loss) => {
                let why = match loss {
                    Loss::Timeout => {
                        format!("no reply within {}", TimeSpan(self.plan.options.timeout))
                    }
                    Loss::Broken => "the connection broke before the reply".to_owned(),
                    Loss::NoConnection => "no connection".to_owned(),
                    Loss::Unread => "not sent, the server does not read".to_owned(),
                };
                writeln!(out, "lost: seq={number}: {why}")
            }
            PingEvent::Broken(reason) => {
                writeln!(out, "connection broken: {}", terminal::printable(reason))
            }
            PingEvent::Failed(error) => {
                writeln!(out, "{}", terminal::printable(&error.to_string()))
            }
            PingEvent::Reconnected(peer, after) => {
                self.explained = false;
                writeln!(out, "reconnected to {peer} after {} ms", milliseconds(*after))
            }
        }
    }

    fn summarise(&self, took: Duration) -> io::Result<()> {
        let statistics = &self.statistics;
        let (answered, lost) = (statistics.answered(), statistics.lost());
        let mut out = io::stdout().lock();
        writeln!(out, "\n--- {} ping statistics ---", self.plan.address)?;
        let share = statistics.loss().map_or("-".to_owned(), percent);
        let took = took.as_secs_f64();
        write!(out, "{answered} answered, {lost} lost ({share}), time {took:.1} s")?;
        for (count, what) in [
            (statistics.reconnects, "reconnected"),
            (statistics.late, "late"),
            (statistics.errors, "with errors"),
            (statistics.wrong, "not the echo"),
        ] {
            if count > 0 {
                write!(out, ", {count} {what}")?;
            }
        }
        writeln!(out)?;
        if let Some(spread) = statistics.spread() {
            let [min, mean, max, stdev] = spread.map(milliseconds);
            writeln!(out, "round trip min/mean/max/stdev = {min}/{mean}/{max}/{stdev} ms")?;
            let percentiles = PERCENTILES.map(|percentile| match statistics.at(percentile) {
                Some(at) => format!("{} = {} ms", percentile.name, milliseconds(at)),
                None => format!("{} = - (needs {} replies)", percentile.name, percentile.needs),
            });
            for line in lines(&percentiles) {
                writeln!(out, "{line}")?;
            }
        }
        out.flush()
    }
}

/// Columns that the lines of the summary fit into.
const COLUMNS: usize = 80;

/// Short parts in as few lines as they take.
fn lines(parts: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if line.len() + 2 + part.len() < COLUMNS => {
                line.extend([", ", part]);
            }
            last => {
                if let Some(line) = last {
                    line.push(',');
                }
                lines.push(part.clone());
            }
        }
    }
    lines
}

/// A percentage, never rounded to exactly 0 or 100.
fn percent(share: f64) -> String {
    let percent = format!("{:.1}", share * 100.0);
    let shown = match percent.as_str() {
        "0.0" if share > 0.0 => "less than 0.1",
        "100.0" if share < 1.0 => "more than 99.9",
        percent => percent.strip_suffix(".0").unwrap_or(percent),
    };
    format!("{shown} %")
}

/// With microsecond precision, as in ping(8).
fn milliseconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64() * 1e3)
}

/// A reply that is not the echo, shortened.
fn told(said: &Said<'_>) -> String {
    let text = excerpt(&[said.prefix, said.body].concat());
    match said.status {
        Some(status) => format!("status {status}, {text}"),
        None => text,
    }
}

/// The beginning of a body, escaped for a terminal.
fn excerpt(body: &[u8]) -> String {
    let mut shown = String::from("`");
    let one_line: Vec<u8> = body[..body.len().min(EXCERPT)]
        .iter()
        .map(|&byte| if byte == b'\n' { b' ' } else { byte })
        .collect();
    terminal::escape(&one_line, &mut shown);
    shown.push_str(if body.len() > EXCERPT { "`..." } else { "`" });
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_never_rounded_away() {
        for (share, shown) in [
            (0.0, "0 %"),
            (0.0001, "less than 0.1 %"),
            (0.125, "12.5 %"),
            (0.9999, "more than 99.9 %"),
            (1.0, "100 %"),
        ] {
            assert_eq!(percent(share), shown);
        }
    }

    #[test]
    fn percentiles_that_need_more_replies_do_not_leave_the_terminal() {
        let short = ["p50 = 0.105 ms".to_owned(), "p90 = 0.205 ms".to_owned()];
        assert_eq!(lines(&short), ["p50 = 0.105 ms, p90 = 0.205 ms"]);
        let long = PERCENTILES.map(|p| format!("{} = - (needs {} replies)", p.name, p.needs));
        let told = lines(&long);
        assert!(told.len() > 1 && told.iter().all(|line| line.len() <= COLUMNS), "{told:?}");
        assert_eq!(told.join(" "), long.join(", "));
    }

    #[test]
    fn a_hostile_reply_stays_on_its_line_and_leaves_the_terminal_alone() {
        assert_eq!(excerpt(b"a\n64 bytes: seq=9\r\x1b[2J"), "`a 64 bytes: seq=9\\x0d\\x1b[2J`");
        assert_eq!(excerpt(&[b'x'; 65]).len(), 64 + "``...".len());
    }
}
