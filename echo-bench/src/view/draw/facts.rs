//! The totals of a run, a line each, the most important first.

use ratatui::text::{Line, Span};

use echo_bench_engine::record::Latency;
use echo_bench_report::describe::units;

use crate::view::run::Run;
use crate::view::state::View;
use crate::view::theme::{Role, Theme};

/// So many kinds of failures are named.
const MOST_KINDS: usize = 3;

/// Width of the labels.
const LABEL: usize = 11;

pub(super) fn lines(view: &View, theme: Theme) -> Vec<Line<'static>> {
    let Some(run) = view.run() else { return Vec::new() };
    let mut lines = vec![fact("requests/s", rate(run))];
    if run.is_open() {
        let offered = run.rates().map_or_else(|| "-".into(), |(offered, _)| brief(offered));
        lines.push(fact("offered", offered));
    }
    let latency = run.clock(view.clock());
    let pair = |a: f64, b: f64| format!("{} / {}", quantile(latency, a), quantile(latency, b));
    lines.push(fact("p50 / p90", pair(0.5, 0.9)));
    lines.push(fact("p99 / p99.9", pair(0.99, 0.999)));
    lines.push(fact("max", quantile(latency, 1.0)));
    let failed = run.tally.failed().max(run.failed_now);
    let told = format!("{} of {}", units::count(failed), units::count(run.tally.scheduled));
    lines.push(if failed > 0 {
        fact("failed", told).style(theme.style(Role::Worst))
    } else {
        fact("failed", told)
    });
    lines.push(fact("own share", own_share(run)));
    lines.push(fact("fairness", fairness(run)));
    for failures in run.errors.iter().take(MOST_KINDS) {
        let kind = format!("{} x {}", units::count(failures.count), failures.kind);
        lines.push(fact("error", kind));
    }
    let connections = units::count(run.established.into());
    lines.push(fact("connections", connections));
    if let Some(busy) = view.busy() {
        let lost = match view.lost() {
            0 => String::new(),
            lost => format!(", {} updates missed", units::count(lost)),
        };
        let told = format!("{:.1} % of a core{lost}", busy * 100.0);
        lines.push(fact("this view", told).style(theme.style(Role::Faint)));
    }
    lines
}

fn fact(label: &'static str, value: String) -> Line<'static> {
    Line::from(vec![Span::raw(format!("{label:<LABEL$} ")), Span::raw(value)])
}

/// The mean over the window, and the rate of this moment.
fn rate(run: &Run) -> String {
    let now = run.rate_now().map_or_else(|| "-".into(), brief);
    match run.rates() {
        Some((_, achieved)) => format!("{} (now {now})", brief(achieved)),
        None => format!("- (now {now})"),
    }
}

fn brief(rate: f64) -> String {
    let [rate] = units::brief_rates([rate]);
    rate
}

/// A quantile; `>=` where requests without a reply make it a lower bound.
fn quantile(latency: Option<&Latency>, quantile: f64) -> String {
    let Some(latency) = latency else { return "-".into() };
    let bound = if latency.is_lower_bound(quantile) { ">= " } else { "" };
    format!("{bound}{}", units::time(latency.histogram().value_at_quantile(quantile) as f64))
}

fn own_share(run: &Run) -> String {
    let Some(share) = run.sums.own_share() else { return "- (no timestamps)".into() };
    format!("{:.1} % of the mean", share * 100.0)
}

fn fairness(run: &Run) -> String {
    let connections = u64::from(run.established);
    let Some(jain) = run.sums.jain(connections) else { return "-".into() };
    let starved = connections.saturating_sub(run.sums.served);
    if starved > 0 {
        return format!("{jain:.3}, {} starved", units::count(starved));
    }
    format!("{jain:.3}")
}
