//! Several processes that carried out one plan, in words: what a part is of ([`phrase`]), when it
//! began ([`rows`]), and what each of them found and cost ([`section`]).

use super::{
    Body, Cell, Column, Note, Row, Section, Table, Tone, or_nothing, placement, units,
};

use crate::report::{ClockOffset, PartReport, PartsReport, Report, ServerPartReport, Verdict};
use echo_bench_engine::plan::{Part, Plan};

/// Which part of the plan a process carried out.
pub(super) fn phrase(plan: &Plan, part: Part) -> String {
    let own = units::count(plan.own_connections().into());
    format!("part {part} of it: {own} of the connections")
}

/// When the load began, and what is missing.
pub(super) fn rows(report: &Report) -> Vec<Row> {
    let mut rows = Vec::new();
    if let Some(start) = &report.start {
        let late = units::time(start.late_ns as f64);
        rows.push(Row::new("start", format!("{late} after {}", start.wanted_at)));
    }
    let Some(parts) = &report.parts else { return rows };
    let there = parts.each.len();
    let skew = match parts.start_skew_ns {
        Some(skew) => format!(", schedules begin within {}", units::time(skew as f64)),
        None => String::new(),
    };
    let row = Row::new("parts", format!("{there} of {}{skew}", parts.of));
    rows.push(Row { tone: if parts.is_partial() { Tone::Bad } else { Tone::Plain }, ..row });
    for missing in &parts.missing {
        let reason = missing.reason.as_deref().unwrap_or("its report is missing");
        let told = format!("part {}: {reason}", missing.number);
        rows.push(Row { tone: Tone::Bad, ..Row::new("missing", told) });
    }
    rows.extend(parts.server.as_ref().map(server));
    rows
}

/// What the agent on the machine of the server saw beside its cost.
fn server(server: &ServerPartReport) -> Row {
    let agent = format!("of agent {}", server.agent);
    if let Some(reason) = &server.failure {
        let told = format!("{agent}: {reason}; the cost of the server is unknown");
        return Row { tone: Tone::Bad, ..Row::new("server side", told) };
    }
    let mut told = vec![agent];
    if let Some(around) = &server.surroundings {
        let cpus = &around.server_cpus;
        told.extend(
            (!cpus.is_empty()).then(|| format!("server on {}", placement::named(cpus))),
        );
        let busy =
            around.machine_busy.map(|busy| format!("{busy:.2} cores of its machine busy"));
        told.extend(busy);
        if let Some(tcp) = around.tcp.filter(|tcp| tcp.retransmits + tcp.listen_overflows > 0) {
            told.push(format!(
                "{} retransmitted segments, {} overflows of the accept queue",
                units::count(tcp.retransmits),
                units::count(tcp.listen_overflows)
            ));
        }
    }
    Row::new("server side", told.join(", "))
}

/// A table with a row for each part, and what they add up to.
pub(super) fn section(parts: &PartsReport) -> Section {
    // Left out where there is no room, the least important first.
    let of_less = |name: &str, importance| Column { importance, ..Column::number(name) };
    let columns = vec![
        Column::text("part"),
        of_less("connections", 3),
        Column::number("replies/s"),
        Column::number("failed"),
        Column::number("cpu"),
        Column::number("cores busy"),
        of_less("thread", 2),
        of_less("late p99", 4),
        of_less("own share", 5),
        of_less("start", 1),
    ];
    let mut table = Table::new("parts", "what each part found and cost", columns);
    let first = parts.each.iter().filter_map(|part| part.began_at.as_deref()).min();
    table.rows = parts.each.iter().map(|part| row(part, first)).collect();
    table.total = Some(total(&parts.each));
    let notes = [
        "cpu: of the generator for each successful reply; thread: the busiest one; own share: of \
         the response latency, the generator's own"
            .to_owned(),
        "start: after the first part's, by the clocks of their machines; no latency is measured \
         from one clock to another"
            .to_owned(),
    ];
    table.notes.extend(notes.map(|text| Note { mark: "", text }));
    table.notes.extend(parts.each.iter().filter_map(clock));
    Section::headed("parts", "Parts", Body::Table(table))
}

fn row(part: &PartReport, first: Option<&str>) -> Vec<Cell> {
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let busiest = part.threads.iter().filter_map(|thread| thread.busy).reduce(f64::max);
    let name = match &part.name {
        Some(name) => format!("{} {name}", part.number),
        None => part.number.to_string(),
    };
    let marks = match (part.interrupted, part.verdict) {
        (true, _) => " (interrupted)",
        (false, Verdict::Invalid) => " (invalid)",
        _ => "",
    };
    let failed = part.requests.failed();
    let since = first.zip(part.began_at.as_deref()).and_then(|(first, own)| since(first, own));
    vec![
        Cell {
            tone: if marks.is_empty() { Tone::Plain } else { Tone::Bad },
            ..(name + marks).into()
        },
        format!(
            "{} of {}",
            units::count(part.connections.established.into()),
            units::count(part.connections.requested.into())
        )
        .into(),
        or_nothing(part.achieved_per_s, units::rate).into(),
        Cell {
            tone: if failed > 0 { Tone::Bad } else { Tone::Plain },
            ..units::count(failed).into()
        },
        or_nothing(part.cpu.client_us_per_message, units::microseconds).into(),
        or_nothing(part.cpu.client_busy, |busy| format!("{busy:.2}")).into(),
        or_nothing(busiest, percent).into(),
        or_nothing(part.lateness_p99_ns, |late| units::time(late as f64)).into(),
        or_nothing(part.own_share, |own| percent(own.share)).into(),
        or_nothing(since, |ns| format!("+{}", units::time(ns as f64))).into(),
    ]
}

/// From one time of day to another.
fn since(first: &str, own: &str) -> Option<u64> {
    let [first, own] = [first, own].map(humantime::parse_rfc3339);
    let ns = own.ok()?.duration_since(first.ok()?).ok()?.as_nanos();
    u64::try_from(ns).ok()
}

/// Counts add up, and costs; shares and times do not.
fn total(parts: &[PartReport]) -> Vec<Cell> {
    let sum = |of: fn(&PartReport) -> u64| parts.iter().map(of).fold(0, u64::saturating_add);
    let rate: Option<f64> = parts.iter().map(|part| part.achieved_per_s).sum();
    let busy: Option<f64> = parts.iter().map(|part| part.cpu.client_busy).sum();
    let answered = sum(|part| part.answered_in_window);
    let used: Option<f64> = parts
        .iter()
        .filter(|part| part.answered_in_window > 0)
        .map(|part| Some(part.cpu.client_us_per_message? * part.answered_in_window as f64))
        .sum();
    let each = used.filter(|_| answered > 0).map(|used| used / answered as f64);
    let mut cells = vec![
        "together".into(),
        format!(
            "{} of {}",
            units::count(sum(|part| part.connections.established.into())),
            units::count(sum(|part| part.connections.requested.into()))
        )
        .into(),
        or_nothing(rate, units::rate).into(),
        units::count(sum(|part| part.requests.failed())).into(),
        or_nothing(each, units::microseconds).into(),
        or_nothing(busy, |busy| format!("{busy:.2}")).into(),
    ];
    cells.extend([(); 4].map(|()| Cell::default()));
    cells
}

/// How far the clock of a part is off, where that was measured.
fn clock(part: &PartReport) -> Option<Note> {
    let ClockOffset { offset_ns, error_ns } = part.clock?;
    let side = if offset_ns < 0 { "behind" } else { "ahead" };
    let text = format!(
        "clock of part {}: {} {side}, +-{}",
        part.number,
        units::time(offset_ns.unsigned_abs() as f64),
        units::time(error_ns as f64)
    );
    Some(Note { mark: "", text })
}
