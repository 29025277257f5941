//! The three charts: latency and rates over time, and the percentile curve.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Chart, Dataset, GraphType};

use echo_bench_report::describe::units;
use echo_net::settings::TimeSpan;

use super::block;
use crate::view::clock::Clock;
use crate::view::run::Run;
use crate::view::theme::{Role, Theme};

/// A line of a chart.
type Points = Vec<(f64, f64)>;

const ROLES: [Role; 3] = [Role::Low, Role::High, Role::Worst];

/// Points of the percentile curve in each decade of its axis.
const STEPS: u32 = 12;

/// So wide an axis has a label for each nine.
const WIDE: u16 = 44;

/// The curve ends at so many nines.
const MOST_NINES: f64 = 5.0;

/// p50, p99 and maximum over time, on a logarithmic axis.
pub(super) fn over_time(
    frame: &mut Frame<'_>,
    area: Rect,
    run: &Run,
    clock: Clock,
    theme: Theme,
) {
    let mut lines: [Points; 3] = Default::default();
    for (at, _, point) in run.series.points() {
        for (line, ns) in lines.iter_mut().zip(point.drawn(clock).into_iter().flatten()) {
            line.push((at, logarithm(ns)));
        }
    }
    let title = legend(format!(" {clock} latency: "), ["p50", "p99", "max"], theme);
    let levels = levels(&lines, area);
    plot(frame, area, title, &lines, (seconds(run, area), levels), theme);
}

/// The percentile curve of the whole window so far, on two logarithmic axes.
pub(super) fn curve(frame: &mut Frame<'_>, area: Rect, run: &Run, clock: Clock, theme: Theme) {
    let mut line = Points::new();
    if let Some(latency) = run.clock(clock) {
        let most = (latency.count() as f64).log10().clamp(0.5, MOST_NINES);
        for step in 0..=(most * f64::from(STEPS)) as u32 {
            let nines = f64::from(step) / f64::from(STEPS);
            let quantile = 1.0 - 10_f64.powf(-nines);
            let ns = latency.histogram().value_at_quantile(quantile);
            line.push((nines, logarithm(ns)));
        }
    }
    let lines = [Points::new(), line, Points::new()];
    // The middle of the axis is 2.5 nines.
    let names: &[&str] = match area.width {
        WIDE.. => &["0", "90", "99", "99.9", "99.99", "99.999 %"],
        _ => &["0", "99.7", "99.999 %"],
    };
    let x = Axis::default().bounds([0.0, MOST_NINES]);
    let x = x.labels(names.iter().map(|name| Span::styled(*name, theme.style(Role::Faint))));
    let levels = levels(&lines, area);
    plot(
        frame,
        area,
        format!(" {clock}: {} ", clock.span()).into(),
        &lines,
        (x, levels),
        theme,
    );
}

/// Requests per second over time: offered, achieved and failed.
pub(super) fn rates(frame: &mut Frame<'_>, area: Rect, run: &Run, theme: Theme) {
    let mut lines: [Points; 3] = Default::default();
    let mut most = run.rate_per_s.unwrap_or(0.0);
    for (at, length_s, point) in run.series.points() {
        let rates = [point.scheduled, point.answered, point.failed];
        for (number, (line, count)) in lines.iter_mut().zip(rates).enumerate() {
            let rate = count as f64 / length_s;
            let is_shown = match number {
                0 => run.is_open(),
                1 => true,
                _ => point.failed > 0,
            };
            if is_shown {
                most = most.max(rate);
                line.push((at, rate));
            }
        }
    }
    let title = if run.is_open() {
        legend(" requests/s: ".into(), ["offered", "achieved", "failed"], theme)
    } else {
        legend(" requests/s: ".into(), ["", "achieved", "failed"], theme)
    };
    let most = if most > 0.0 { most * 1.1 } else { 1.0 };
    let rate = |rate: f64| {
        let [rate] = units::brief_rates([rate]);
        Span::styled(rate, theme.style(Role::Faint))
    };
    let y = Axis::default().bounds([0.0, most]);
    let y = y.labels([rate(0.0), rate(most / 2.0), rate(most)]);
    plot(frame, area, title, &lines, (seconds(run, area), y), theme);
}

fn plot<'a>(
    frame: &mut Frame<'_>,
    area: Rect,
    title: Line<'a>,
    lines: &'a [Points; 3],
    (x, y): (Axis<'a>, Axis<'a>),
    theme: Theme,
) {
    // In the end what matters most, which is drawn over the others.
    let [low, high, worst] = lines;
    let lines = [(Role::Worst, worst), (Role::Low, low), (Role::High, high)].into_iter();
    let datasets = lines.map(|(role, line)| {
        // A line through one point would be nothing.
        let kind = if line.len() > 1 { GraphType::Line } else { GraphType::Scatter };
        let dataset = Dataset::default().data(line).graph_type(kind);
        dataset.marker(theme.marker(role)).style(theme.style(role))
    });
    let faint = theme.style(Role::Faint);
    let chart = Chart::new(datasets.collect()).block(block(title, theme));
    let chart = chart.x_axis(x.style(faint)).y_axis(y.style(faint));
    frame.render_widget(chart.legend_position(None), area);
}

fn legend(title: String, names: [&'static str; 3], theme: Theme) -> Line<'static> {
    let mut spans = vec![Span::styled(title, Style::new())];
    for (role, name) in ROLES.into_iter().zip(names).filter(|(_, name)| !name.is_empty()) {
        let told = format!("{} {name}  ", theme.legend(role));
        spans.push(Span::styled(told, theme.style(role)));
    }
    Line::from(spans)
}

fn logarithm(ns: u64) -> f64 {
    (ns.max(1) as f64).log10()
}

/// The axis of time: the window so far.
fn seconds(run: &Run, area: Rect) -> Axis<'static> {
    let end = (run.series.length_ns() as f64 / 1e9).max(1.0);
    let name = |at: f64| {
        let span = std::time::Duration::try_from_secs_f64(at).unwrap_or_default();
        let rounded = std::time::Duration::from_millis(span.as_millis() as u64);
        Span::raw(TimeSpan(rounded).to_string())
    };
    let axis = Axis::default().bounds([0.0, end]);
    if area.width < 40 {
        return axis.labels([name(0.0), name(end)]);
    }
    axis.labels([name(0.0), name(end / 2.0), name(end)])
}

/// The axis of a logarithm of nanoseconds: whole decades, named as often as there is room.
fn levels(lines: &[Points; 3], area: Rect) -> Axis<'static> {
    let values = || lines.iter().flatten().map(|(_, level)| *level);
    let low = values().fold(f64::INFINITY, f64::min).min(9.0).floor();
    let high = values().fold(0.0, f64::max).max(low + 1.0).ceil();
    let rows = f64::from(area.height.saturating_sub(4).max(2));
    let step = ((high - low) / (rows / 2.0).floor().max(1.0)).ceil().max(1.0);
    let steps = ((high - low) / step).ceil() as u32;
    let names = (0..=steps).map(|place| {
        let level = low + f64::from(place) * step;
        Span::raw(units::time(10_f64.powf(level)))
    });
    let names: Vec<Span<'_>> = names.collect();
    Axis::default().bounds([low, low + f64::from(steps) * step]).labels(names)
}
