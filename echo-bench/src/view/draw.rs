//! Draws the state of the view: [`draw`], a function of the state, the theme and the size of the
//! terminal. It fits whatever the size is; on a small one what matters least is left out.

mod charts;
mod facts;
mod help;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph};

use echo_bench_engine::record::Phase;
use echo_bench_report::describe::units;
use echo_net::settings::TimeSpan;

use super::run::Run;
use super::state::View;
use super::theme::{Role, Theme};

/// Below this width or height there is text and no chart.
const LEAST_WIDTH: u16 = 50;
const LEAST_HEIGHT: u16 = 14;

/// So much height is room for more than one remark.
const TALL: u16 = 34;

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, view: &View, theme: Theme) {
    let area = frame.area();
    if view.is_help() {
        help::draw(frame, area, theme);
    } else if area.width < LEAST_WIDTH || area.height < LEAST_HEIGHT {
        small(frame, area, view, theme);
    } else {
        whole(frame, area, view, theme);
    }
    theme.finish(frame.buffer_mut());
}

/// Text alone, the most important lines first.
fn small(frame: &mut Frame<'_>, area: Rect, view: &View, theme: Theme) {
    let mut lines = vec![status(view, theme, area.width)];
    lines.extend(session(view, area.width));
    lines.extend(facts::lines(view, theme));
    lines.push(keys(view, theme));
    frame.render_widget(Paragraph::new(lines), area);
}

fn whole(frame: &mut Frame<'_>, area: Rect, view: &View, theme: Theme) {
    let session = session(view, area.width);
    let remarks = match view.notes().len() as u16 {
        0 => 0,
        more if area.height >= TALL => more.min(5),
        _ => 1,
    };
    let [head, charts, notes, foot] = Layout::vertical([
        Constraint::Length(3 + u16::from(session.is_some())),
        Constraint::Min(1),
        Constraint::Length(remarks),
        Constraint::Length(1),
    ])
    .areas(area);
    let mut lines = vec![title(view, theme), load(view, theme)];
    lines.extend(session);
    lines.push(status(view, theme, area.width));
    frame.render_widget(Paragraph::new(lines), head);
    let [top, bottom] = Layout::vertical([Constraint::Fill(1); 2]).areas(charts);
    let columns = Layout::horizontal([Constraint::Fill(3), Constraint::Fill(2)]);
    let [over_time, curve] = columns.areas(top);
    let [rates, facts] = columns.areas(bottom);
    match view.run() {
        Some(run) => {
            charts::over_time(frame, over_time, run, view.clock(), theme);
            charts::curve(frame, curve, run, view.clock(), theme);
            charts::rates(frame, rates, run, theme);
        }
        None => frame.render_widget(block("", theme), charts),
    }
    let shown = Paragraph::new(facts::lines(view, theme)).block(block(" totals ", theme));
    frame.render_widget(shown, facts);
    let latest = view.notes().len().saturating_sub(remarks.into());
    let told: Vec<Line<'_>> =
        view.notes()[latest..].iter().map(|note| Line::raw(first_line(note))).collect();
    frame.render_widget(Paragraph::new(told), notes);
    frame.render_widget(Paragraph::new(keys(view, theme)), foot);
}

fn first_line(note: &str) -> &str {
    note.lines().next().unwrap_or_default()
}

/// A frame with a title.
fn block<'a>(title: impl Into<Line<'a>>, theme: Theme) -> Block<'a> {
    Block::bordered().title(title).border_style(theme.style(Role::Faint))
}

fn title(view: &View, theme: Theme) -> Line<'_> {
    let mut spans = vec![Span::styled("echo-bench  ", theme.style(Role::Strong))];
    if let Some(run) = view.run() {
        spans.push(Span::raw(run.target.as_str()));
        if !run.name.is_empty() {
            spans.push(Span::raw(format!("  {}", run.name)));
        }
    }
    if let Some(parts) = view.parts() {
        spans.push(Span::raw(format!("  {parts} processes at work")));
    }
    Line::from(spans)
}

fn load(view: &View, theme: Theme) -> Line<'_> {
    Line::styled(view.run().map_or("", |run| run.load.as_str()), theme.style(Role::Faint))
}

/// What is going on, how much of it is over, and how much is left.
fn status(view: &View, theme: Theme, columns: u16) -> Line<'static> {
    let mut spans = Vec::new();
    if view.is_paused() {
        spans.push(Span::styled("PAUSED (view only)  ", theme.style(Role::Alarm)));
    }
    match view.stops() {
        0 => {}
        1 => spans.push(Span::styled("stopping  ", theme.style(Role::Alarm))),
        _ => spans.push(Span::styled("stopping at once  ", theme.style(Role::Alarm))),
    }
    let Some(run) = view.run() else {
        spans.push(Span::raw("starting"));
        return Line::from(spans);
    };
    spans.push(Span::styled(phase(run), theme.style(Role::Strong)));
    if run.phase() == Phase::SetUp {
        let (made, wanted) = (run.established.into(), run.connections.into());
        let told = format!("  {} of {} connections", units::count(made), units::count(wanted));
        spans.push(Span::raw(told));
        return Line::from(spans);
    }
    if let Some(done) = run.done().filter(|_| run.phase() != Phase::WarmUp) {
        let told = format!("  {} {:>3.0} %", bar(done, columns / 4), done * 100.0);
        spans.push(Span::raw(told));
    }
    spans.extend(run.left().map(|left| Span::raw(format!("  {} left", whole_seconds(left)))));
    spans.extend(run.stage().map(|stage| Span::raw(format!("  {stage}"))));
    Line::from(spans)
}

/// A time that is shown as it goes by.
fn whole_seconds(left: std::time::Duration) -> TimeSpan {
    TimeSpan(std::time::Duration::from_secs(left.as_secs_f64().ceil() as u64))
}

fn phase(run: &Run) -> &'static str {
    match run.phase() {
        Phase::SetUp => "connecting",
        Phase::WarmUp => "warm-up",
        Phase::Window => "measuring",
        Phase::Drain => "draining",
    }
}

fn bar(done: f64, columns: u16) -> String {
    let filled = (done.clamp(0.0, 1.0) * f64::from(columns)).round() as usize;
    let (full, empty) = ("█".repeat(filled), "░".repeat(usize::from(columns) - filled));
    full + &empty
}

/// How several runs go.
fn session(view: &View, columns: u16) -> Option<Line<'static>> {
    let session = view.session()?;
    let told = match session.of {
        Some(of) => {
            let share = session.done as f64 / of.max(1) as f64;
            format!(
                "{}  {} {} of {of} runs",
                session.what,
                bar(share, columns / 4),
                session.done
            )
        }
        None => format!("{}  {} runs made", session.what, session.done),
    };
    let left = session.left.map(|left| format!("  about {} left", whole_seconds(left)));
    let told = told + &left.unwrap_or_default();
    Some(Line::raw(told))
}

fn keys(view: &View, theme: Theme) -> Line<'static> {
    let pause = if view.is_paused() { "p go on" } else { "p pause" };
    let stop = if view.stops() == 0 { "q stop" } else { "q stop at once" };
    Line::styled(format!("{pause}  c clock  {stop}  ? help"), theme.style(Role::Faint))
}

#[cfg(test)]
mod tests;
