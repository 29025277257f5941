//! What is drawn, on screens of any size.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Cell;
use ratatui::style::Color;

use echo_bench_engine::Sums;
use echo_bench_engine::record::Phase;
use echo_bench_report::render::width;

use super::draw;
use crate::view::event::{Event, Moment, Session};
use crate::view::state::tests::{begun, piece};
use crate::view::state::{Key, View};
use crate::view::theme::Theme;

const COLOURED: Theme = Theme { colours: true, ascii: false };
const PLAIN: Theme = Theme { colours: false, ascii: false };
const ASCII: Theme = Theme { colours: false, ascii: true };

/// A run in the middle of its window.
fn running() -> View {
    let mut view = begun(&["--rate=1k", "-d", "60s"]);
    view.hear(Event::Connected(10));
    for second in 0..20 {
        view.hear(piece(second, true, 900 + second, 40_000 + second * 1_000));
    }
    let sums = Sums { stamped_ns: 100, own_ns: 7, replies: 20, squares: 50.0, served: 9 };
    view.hear(Event::Sums(sums));
    for (second, replies) in [(20, 20_000), (21, 21_000)] {
        view.hear(Event::Moment(Moment {
            at: second * 1_000_000_000,
            phase: Phase::Window,
            left_ns: Some(39_200_000_000),
            established: 10,
            failed: 20,
            replies,
        }));
    }
    view.cost(Some(0.0123), 0);
    view
}

fn terminal(columns: u16, rows: u16) -> Terminal<TestBackend> {
    Terminal::new(TestBackend::new(columns, rows)).unwrap()
}

fn rows(terminal: &Terminal<TestBackend>) -> Vec<String> {
    let buffer = terminal.backend().buffer();
    let columns = usize::from(buffer.area.width).max(1);
    let symbols = |row: &[Cell]| row.iter().map(Cell::symbol).collect();
    buffer.content.chunks(columns).map(symbols).collect()
}

fn drawn(view: &View, columns: u16, rows_of: u16, theme: Theme) -> String {
    let mut terminal = terminal(columns, rows_of);
    terminal.draw(|frame| draw(frame, view, theme)).unwrap();
    rows(&terminal).join("\n")
}

#[test]
fn at_80_by_24_everything_is_there() {
    let text = drawn(&running(), 80, 24, COLOURED);
    for wanted in [
        "server at 127.0.0.1:1",
        "open loop",
        "measuring",
        "40s left",
        "35 %",
        "response latency",
        "p50",
        "p99",
        "requests/s",
        "offered",
        "p99 / p99.9",
        "failed      20 of 18",
        "own share   7.0 % of the mean",
        "fairness    0.800, 1 starved",
        "p pause",
        "? help",
        "µs",
    ] {
        assert!(text.contains(wanted), "no `{wanted}` in\n{text}");
    }
}

#[test]
fn a_screen_of_a_run() {
    insta::assert_snapshot!(drawn(&running(), 100, 30, PLAIN));
}

#[test]
fn at_200_by_50_there_is_room_for_more() {
    let mut view = running();
    view.note(["warning: one".to_owned(), "two\nmore of it".to_owned()]);
    let text = drawn(&view, 200, 50, COLOURED);
    for wanted in
        ["this view   1.2 % of a core", "connections 10", "warning: one", "two", "99.999 %"]
    {
        assert!(text.contains(wanted), "no `{wanted}` in\n{text}");
    }
}

#[test]
fn no_size_makes_it_panic_and_the_screen_may_change_its_size() {
    let mut session = running();
    let left = Some(std::time::Duration::from_secs(90));
    session.hear(Event::Session(Session { what: "sweep", done: 3, of: Some(12), left }));
    session.note(["a remark".to_owned()]);
    let mut help = running();
    help.press(Key::Help);
    let mut paused = running();
    paused.press(Key::Pause);
    paused.press(Key::Stop);
    let empty = begun(&["-n", "5"]);
    for view in [&View::default(), &empty, &running(), &session, &help, &paused] {
        for theme in [COLOURED, PLAIN, ASCII] {
            let mut terminal = terminal(80, 24);
            for columns in (0..12).chain([20, 30, 39, 43, 44, 49, 50, 80, 111, 200, 400]) {
                for rows in (0..8).chain([13, 14, 15, 24, 33, 34, 50, 100]) {
                    terminal.backend_mut().resize(columns, rows);
                    terminal.draw(|frame| draw(frame, view, theme)).unwrap();
                }
            }
        }
    }
}

#[test]
fn a_small_screen_has_the_most_important_lines() {
    let text = drawn(&running(), 40, 6, PLAIN);
    assert!(text.contains("measuring") && text.contains("requests/s"), "{text}");
    assert!(text.contains("p50 / p90"), "{text}");
}

#[test]
fn without_colours_lines_differ_by_their_signs_and_ascii_is_ascii() {
    let mut view = running();
    view.press(Key::Pause);
    let mut terminal = terminal(80, 24);
    for theme in [PLAIN, ASCII] {
        terminal.draw(|frame| draw(frame, &view, theme)).unwrap();
        let cells = &terminal.backend().buffer().content;
        let is_plain = |color: Color| color == Color::Reset;
        assert!(cells.iter().all(|cell| is_plain(cell.fg) && is_plain(cell.bg)), "{theme:?}");
        let text = rows(&terminal).join("\n");
        assert!(text.contains(". p50") && text.contains("+ p99"), "{text}");
    }
    let text = rows(&terminal).join("\n");
    assert!(text.is_ascii() && text.contains(" us"), "{text}");
    let text = drawn(&view, 80, 24, COLOURED);
    assert!(text.contains("PAUSED") && text.contains("p go on"), "{text}");
}

#[test]
fn several_runs_and_processes_say_how_far_they_are() {
    let mut view = running();
    let left = Some(std::time::Duration::from_secs(90));
    view.hear(Event::Session(Session { what: "sweep", done: 3, of: Some(12), left }));
    view.hear(Event::Parts(4));
    let text = drawn(&view, 80, 24, PLAIN);
    assert!(text.contains("3 of 12 runs  about 1m30s left"), "{text}");
    assert!(text.contains("4 processes at work"), "{text}");
    view.hear(Event::Session(Session { what: "capacity", done: 5, of: None, left: None }));
    assert!(drawn(&view, 80, 24, PLAIN).contains("capacity  5 runs made"));
}

#[test]
fn nothing_from_outside_is_obeyed() {
    let mut view = running();
    view.note(["\\x1b[2J said the server".to_owned()]);
    let text = drawn(&view, 80, 24, PLAIN);
    assert!(text.contains("\\x1b[2J"), "{text}");
    for row in text.lines() {
        assert!(width(row) <= 80 && !row.contains(char::is_control), "{row}");
    }
}
