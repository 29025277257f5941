//! What limits a server at its capacity: in the [answer](limited), and in a [column](short_limit).

use crate::capacity::{Limit, LimitKind};
use crate::describe::NOTHING;

/// Like `limited by the server's CPU (97 % of 1 core)`.
pub(super) fn limited(limit: &Limit) -> String {
    let Limit { kind, server_busy, server_cores } = *limit;
    let of = |busy: f64| match server_cores {
        Some(cores) => {
            let noun = if (cores - 1.0).abs() < 1e-9 { "core" } else { "cores" };
            format!(" ({:.0} % of {} {noun})", busy / cores * 100.0, trimmed(cores))
        }
        None => format!(" ({busy:.2} cores busy)"),
    };
    let busy = server_busy.map_or_else(String::new, of);
    match kind {
        LimitKind::ServerCpu if server_cores.is_some() => {
            format!("limited by the server's CPU{busy}")
        }
        LimitKind::ServerCpu | LimitKind::MachineCpu => format!(
            "limited by the machine's CPU, which both sides share (server {:.2} cores)",
            server_busy.unwrap_or(0.0)
        ),
        LimitKind::Link => "limited by the rate of the emulated link".into(),
        LimitKind::Forwarder => "limited by the forwarder of the emulated link".into(),
        LimitKind::Generator => "limited by the generator".into(),
        LimitKind::Backlog | LimitKind::Timeouts => {
            let why = match kind {
                LimitKind::Backlog => "a backlog grows",
                _ => "requests time out",
            };
            match server_busy {
                Some(_) => format!("{why}, not limited by the server's CPU{busy}"),
                None => format!("{why}, server CPU unknown"),
            }
        }
        LimitKind::NotCpu => format!("not limited by the server's CPU{busy}"),
    }
}

/// Like `server CPU, 0.97 of 1`.
pub(super) fn short_limit(limit: &Limit) -> String {
    let busy = limit.server_busy.map(|busy| format!("{busy:.2}"));
    let of = limit.server_cores.map_or_else(String::new, |c| format!(" of {}", trimmed(c)));
    let with = |name: &str| match &busy {
        Some(busy) => format!("{name}, {busy}{of}"),
        None => name.to_owned(),
    };
    match limit.kind {
        LimitKind::ServerCpu => with("server CPU"),
        LimitKind::MachineCpu => {
            format!("machine CPU, server {}", busy.as_deref().unwrap_or(NOTHING))
        }
        LimitKind::Link => "link rate".into(),
        LimitKind::Forwarder => "link's forwarder".into(),
        LimitKind::Generator => "generator".into(),
        LimitKind::Backlog | LimitKind::Timeouts => {
            let why = if limit.kind == LimitKind::Backlog { "backlog" } else { "timeouts" };
            if busy.is_some() { with(&format!("{why}, not CPU")) } else { why.into() }
        }
        LimitKind::NotCpu => with("not CPU"),
    }
}

fn trimmed(cores: f64) -> String {
    if cores.fract() == 0.0 { format!("{cores:.0}") } else { format!("{cores:.1}") }
}
