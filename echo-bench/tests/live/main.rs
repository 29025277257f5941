//! The full-screen view (`--live`) in a terminal, as a user sees it: tmux stands for the real one.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod screen;

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use screen::Screen;

const PROGRAM: &str = env!("CARGO_BIN_EXE_echo-bench");

/// A run that goes on until it is stopped.
fn long_run() -> String {
    format!("{PROGRAM} --live -c 4 --rate 400 -d 10m -w 100ms --report-dir kept --pin off")
}

fn files(screen: &Screen, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(screen.room.path().join("kept")).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|found| found == ending)).collect()
}

/// Whether a picture reaches the right edge of so many columns.
fn is_as_wide_as(text: &str, columns: usize) -> bool {
    text.lines().any(|line| line.chars().count() == columns && line.ends_with('┐'))
}

/// Whether about so many requests per second were offered: the generator's intervals may begin
/// before or after one more.
fn is_offered(text: &str, rate: u32) -> bool {
    let told = text.lines().filter_map(|line| line.split("│offered ").nth(1));
    let mut offered =
        told.filter_map(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    offered.any(|offered| (offered / f64::from(rate) - 1.0).abs() < 0.1)
}

#[test]
fn a_run_is_watched_at_two_sizes_and_stopped_in_order() {
    let test = "a_run_is_watched_at_two_sizes_and_stopped_in_order";
    let Some(screen) = Screen::open(test) else { return };
    screen.run("echo what was there before");
    screen.run(&format!("{}; echo \"exit=$?\"", long_run()));
    let shown = screen.wait_for("picture", |text| text.contains("measuring"));
    assert!(is_as_wide_as(&shown, 80) && screen.is_taken_over(), "{shown}");
    for wanted in ["response latency", "requests/s", "own share", "fairness", "q stop"] {
        assert!(shown.contains(wanted), "no {wanted} in\n{shown}");
    }
    screen.wait_for("values", |text| text.contains("µs") || text.contains("ms"));
    screen.resize(200, 50);
    let shown = screen.wait_for("wide picture", |text| is_as_wide_as(text, 200));
    assert!(shown.contains("99.999 %") && shown.contains("% of a core"), "{shown}");
    screen.resize(30, 5);
    screen.wait_for("small picture", |text| !text.contains('┐') && text.contains("requests/s"));
    screen.resize(80, 24);
    screen.wait_for("picture again", |text| is_as_wide_as(text, 80));
    screen.press("p");
    screen.wait_for("pause", |text| text.contains("PAUSED"));
    screen.press("p");
    screen.wait_for("no pause", |text| !text.contains("PAUSED"));
    screen.press("c");
    screen.wait_for("another clock", |text| text.contains("service latency"));
    screen.press("?");
    screen.wait_for("help", |text| text.contains("hold the picture"));
    screen.press("Escape");
    screen.wait_for("no help", |text| text.contains("service latency"));
    screen.press("q");
    let history = screen.wait_for_exit();
    assert!(history.contains("exit=130"), "{history}");
    for wanted in ["what was there before", "interrupted", "p99", "live view"] {
        assert!(history.contains(wanted), "no {wanted} in\n{history}");
    }
    assert!(!history.contains('┐'), "the picture is left:\n{history}");
    screen.assert_restored();
    assert_eq!((files(&screen, "json").len(), files(&screen, "partial").len()), (1, 0));
    let report = fs::read_to_string(&files(&screen, "json")[0]).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["interrupted"], true);
    let busy = report["summary"]["cpu"]["live_view_busy"].as_f64().unwrap();
    assert!(busy > 0.0 && busy < 1.0, "{busy}");
}

#[test]
fn ctrl_c_stops_a_run_that_is_watched() {
    let Some(screen) = Screen::open("ctrl_c_stops_a_run_that_is_watched") else { return };
    screen.run(&format!("NO_COLOR=1 {}; echo \"exit=$?\"", long_run()));
    let text = screen.wait_for("picture", |text| text.contains("measuring"));
    assert!(text.contains(". p50"), "lines without colours have signs of their own:\n{text}");
    screen.press("C-c");
    let history = screen.wait_for_exit();
    assert!(history.contains("exit=130") && history.contains("interrupted"), "{history}");
    screen.assert_restored();
}

#[test]
fn an_error_gives_the_terminal_back_and_is_said_after_it() {
    let test = "an_error_gives_the_terminal_back_and_is_said_after_it";
    let Some(screen) = Screen::open(test) else { return };
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let history = screen.run_to_end(&format!("{PROGRAM} --live --no-report {nobody} -d 1s"));
    assert!(history.contains("exit=1") && history.contains("error: "), "{history}");
    assert!(history.contains("refused"), "{history}");
    screen.assert_restored();
}

/// Not a test: what the next one runs on a terminal.
#[test]
#[ignore = "is run by a_panic_gives_the_terminal_back"]
fn panics_while_the_view_is_open() {
    let view = echo_bench::view::FullScreen::open(true).unwrap();
    assert!(view.is_some(), "there is a terminal");
    echo_bench::console::tell("a remark before the end");
    let thread = std::thread::spawn(|| panic!("as a bug would"));
    assert!(thread.join().is_err());
    panic!("and once more");
}

#[test]
fn a_panic_gives_the_terminal_back() {
    let Some(screen) = Screen::open("a_panic_gives_the_terminal_back") else { return };
    let own = std::env::current_exe().unwrap();
    let own = own.display();
    let child = "--ignored --exact panics_while_the_view_is_open --nocapture";
    let history = screen.run_to_end(&format!("{own} {child}"));
    for wanted in ["as a bug would", "a remark before the end", "and once more", "exit=101"] {
        assert!(history.contains(wanted), "no {wanted} in\n{history}");
    }
    screen.assert_restored();
}

#[test]
fn without_a_terminal_there_is_ordinary_progress_and_a_note() {
    let room = tempfile::tempdir().unwrap();
    let words = ["--live", "-c1", "-d300ms", "-w0", "--interval=100ms", "--no-report"];
    let mut command = Command::new(PROGRAM);
    command.args(words).current_dir(room.path()).env("XDG_DATA_HOME", room.path());
    let output = command.stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("note: --live needs a terminal on stderr"), "{told}");
    assert!(told.contains("/s  p50 ") && !told.contains('\u{1b}'), "{told}");
}

#[test]
fn a_terminal_that_is_dumb_gets_ordinary_progress() {
    let test = "a_terminal_that_is_dumb_gets_ordinary_progress";
    let Some(screen) = Screen::open(test) else { return };
    let run = format!("TERM=dumb {PROGRAM} --live -c1 -d 300ms -w 0 --no-report");
    let history = screen.run_to_end(&run);
    assert!(history.contains("note: --live needs") && history.contains("exit=0"), "{history}");
}

#[test]
fn a_sweep_is_watched_run_by_run_and_its_lines_stay() {
    let test = "a_sweep_is_watched_run_by_run_and_its_lines_stay";
    let Some(screen) = Screen::open(test) else { return };
    let sweep = "sweep --live --conns 1,2 --repeat 1 -d 3s -w 100ms --dir swept";
    screen.run(&format!("{PROGRAM} {sweep}; echo \"exit=$?\""));
    let shown =
        screen.wait_for("run", |text| text.contains("of 2 runs") && text.contains("repeat 1"));
    assert!(shown.contains("sweep"), "{shown}");
    screen.wait_for("values", |text| text.contains("failed      0 of"));
    let history = screen.wait_for_exit();
    assert!(history.contains("exit=0"), "{history}");
    for wanted in ["[  1/2]", "[  2/2]", "conns"] {
        assert!(history.contains(wanted), "no {wanted} in\n{history}");
    }
    screen.assert_restored();
}

#[test]
fn processes_of_one_plan_are_watched_together() {
    let test = "processes_of_one_plan_are_watched_together";
    let Some(screen) = Screen::open(test) else { return };
    let run = "--live --agents 2 --local -c 4 --rate 400 -d 4s -w 100ms --report-dir kept \
               --server-verbose";
    screen.run(&format!("{PROGRAM} {run}; echo \"exit=$?\""));
    screen.wait_for("processes", |text| text.contains("2 processes at work"));
    screen.wait_for("values of both", |text| is_offered(text, 400));
    screen.resize(200, 50);
    screen.wait_for("connections", |text| text.contains("connections 4"));
    let history = screen.wait_for_exit();
    assert!(history.contains("exit=0") && history.contains("live view"), "{history}");
    // What the server says is said after the picture, not over it.
    assert!(history.contains(" DEBUG connected"), "{history}");
    screen.assert_restored();
}

#[test]
fn lines_on_the_terminal_of_the_view_are_refused_and_those_into_a_pipe_are_not() {
    let test = "lines_on_the_terminal_of_the_view_are_refused_and_those_into_a_pipe_are_not";
    let short = "-d 300ms -w 0";
    for run in [
        format!("--live --stream - {short} --no-report"),
        format!("--live --stream /dev/tty {short} --no-report"),
        format!("--live --stream - {short} --no-report --repeat 2"),
        format!("sweep --live --conns 1,2 --stream /dev/stderr {short} --dir swept"),
        format!("capacity --live --stream - --slo 'p99<1s' {short} --no-report"),
    ] {
        let Some(screen) = Screen::open(test) else { return };
        let history = screen.run_to_end(&format!("{PROGRAM} {run}"));
        assert!(history.contains("exit=2"), "{history}");
        let told = "both write to this terminal: stream to a file or into a pipe";
        assert!(history.contains(told), "{history}");
    }
    let Some(screen) = Screen::open(test) else { return };
    let run = format!("{PROGRAM} --live --stream - {short} --no-report | grep -c interval");
    let history = screen.run_to_end(&run);
    assert!(history.contains("exit=0"), "{history}");
}

#[test]
fn a_run_of_another_terminal_is_followed_to_its_report() {
    let test = "a_run_of_another_terminal_is_followed_to_its_report";
    let Some(screen) = Screen::open(test) else { return };
    let words = ["-c2", "--rate=200", "-d10m", "-w0", "-q", "--report-dir=kept", "--pin=off"];
    let mut command = Command::new(PROGRAM);
    command.args(words).current_dir(screen.room.path());
    command.env("XDG_DATA_HOME", screen.room.path()).stdin(Stdio::null());
    let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let file = Screen::wait_until("partial file", || files(&screen, "partial").pop());
    let follow = format!("{PROGRAM} report --live {}; echo \"exit=$?\"", file.display());
    screen.run(&follow);
    screen.wait_for("values", |text| is_offered(text, 200));
    // Who follows leaves the run alone.
    screen.press("q");
    let history = screen.wait_for_exit();
    assert!(history.contains("exit=0") && history.contains("interrupted"), "{history}");
    assert_eq!(run.try_wait().unwrap(), None);
    screen.assert_restored();
    screen.run(&follow.replace("exit=", "ended="));
    screen.wait_for("values again", |text| is_offered(text, 200));
    let id = rustix::process::Pid::from_raw(i32::try_from(run.id()).unwrap()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    run.wait().unwrap();
    screen.wait_for("end", |text| text.lines().any(|line| line.trim() == "ended=0"));
    assert!(screen.history().contains("p99"));
    screen.assert_restored();
    assert_eq!((files(&screen, "json").len(), files(&screen, "partial").len()), (1, 0));
}
