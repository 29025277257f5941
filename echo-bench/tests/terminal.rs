//! What is printed fits the terminal, has colours where they are wanted, and depends on neither
//! in a pipe or a file.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::fs;
use std::process::{Command, Output};

use clap::CommandFactory as _;
use echo_bench::cli::Cli;
use echo_bench_report::render::width;
use echo_test_support::help::{faults_of_help, hidden_flags};
use echo_test_support::made_up::{self, Shape};
use tempfile::TempDir;

/// A folder with two reports whose label holds what a terminal would obey.
fn room() -> TempDir {
    let room = tempfile::tempdir().unwrap();
    let shape = Shape { intervals: 8, answers: 500, spread: 101 };
    for number in [1, 2] {
        let mut report = made_up::report(shape, number, 100);
        report["labels"]["note"] = format!("\u{1b}[2J{}", "very long ".repeat(30)).into();
        fs::write(room.path().join(format!("{number}.json")), report.to_string()).unwrap();
    }
    room
}

fn command(room: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echo-bench"));
    command.args(arguments).current_dir(room.path()).env("XDG_DATA_HOME", room.path());
    for variable in ["COLUMNS", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TERM", "LC_ALL"] {
        command.env_remove(variable);
    }
    command
}

fn printed(command: &mut Command) -> String {
    let Output { stdout, stderr, .. } = command.output().unwrap();
    assert!(!stdout.is_empty(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

const STORED: [&[&str]; 3] = [
    &["report", "1.json"],
    &["merge", "1.json", "2.json", "--format", "text"],
    &["compare", "1.json", "2.json"],
];

#[test]
fn no_line_is_longer_than_the_terminal_is_wide() {
    let room = room();
    for arguments in STORED {
        for columns in [80, 110] {
            let mut command = command(&room, arguments);
            for line in printed(command.env("COLUMNS", columns.to_string())).lines() {
                assert!(width(line) <= columns, "{arguments:?} at {columns}: {line}");
            }
        }
    }
}

#[test]
fn short_help_fits_a_screen_and_long_help_has_every_flag_with_its_default() {
    let faults = faults_of_help(Cli::command());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_flag_that_help_does_not_show_is_refused_with_a_reason() {
    let room = room();
    let hidden = hidden_flags(Cli::command());
    assert!(hidden.contains(&("sweep".to_owned(), "part".to_owned())), "{hidden:?}");
    for (name, flag) in hidden {
        let value = format!("--{flag}=on");
        let mut words = vec![&*name, &value];
        // Each needs something else to be a command at all.
        words.push(if name == "capacity" { "--slo=p99<1ms" } else { "--conns=1,2" });
        let output = command(&room, &words).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {told}");
        let reason = [&*format!("--{flag} "), "can't be used with capacity"];
        assert!(reason.iter().any(|reason| told.contains(reason)), "{words:?}: {told}");
    }
}

#[test]
fn a_pipe_and_a_file_have_every_column_and_each_fact_on_a_line() {
    let room = room();
    let piped = printed(&mut command(&room, &["report", "1.json"]));
    let header = piped.lines().find(|line| line.starts_with("latency ")).unwrap();
    for name in ["p95", "p99.99", "mean"] {
        assert!(header.contains(name), "{header}");
    }
    let label = piped.lines().find(|line| line.starts_with("labels ")).unwrap();
    assert!(label.matches("very long").count() == 30, "{label}");
    let mut to_file = command(&room, &["report", "1.json", "-o", "a.txt", "--color=always"]);
    assert!(to_file.env("COLUMNS", "60").status().unwrap().success());
    assert_eq!(fs::read_to_string(room.path().join("a.txt")).unwrap(), piped);
}

#[test]
fn colours_are_there_where_they_are_wanted_and_nothing_else_is_obeyed() {
    let room = room();
    let shown = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = command(&room, &[&["report", "1.json"], arguments].concat());
        printed(command.envs(variables.iter().copied()))
    };
    let coloured = shown(&["--color=always"], &[]);
    assert!(coloured.contains("\u{1b}[3"), "{coloured}");
    assert!(!coloured.contains("\u{1b}[2J") && coloured.contains("\\x1b[2J"), "{coloured}");
    for (arguments, variables) in [
        (&[][..], &[][..]),
        (&["--color=auto"], &[]),
        (&["--color=never"], &[("CLICOLOR_FORCE", "1")]),
        (&[], &[("NO_COLOR", "1")]),
        (&[], &[("TERM", "dumb")]),
    ] {
        let plain = shown(arguments, variables);
        assert!(!plain.contains('\u{1b}'), "{arguments:?} {variables:?}: {plain}");
    }
    let json = shown(&["--color=always", "--format=json"], &[]);
    assert!(!json.contains('\u{1b}'), "styles in JSON");
}

#[test]
fn drawings_are_ascii_where_the_locale_is() {
    let room = room();
    let shown =
        |locale: &str| printed(command(&room, &["report", "1.json"]).env("LC_ALL", locale));
    assert!(shown("en_GB.UTF-8").contains('█'));
    let ascii = shown("C");
    assert!(ascii.is_ascii() && ascii.contains(" us"), "{ascii}");
}
