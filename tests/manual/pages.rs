//! The pages, by mandoc and man-db.

use std::path::{Path, PathBuf};
use std::process::Command;

use echo_test_support::program::third_party_or_skip;
use tempfile::TempDir;

use super::{PROGRAMS, output, printed, text};

/// All pages of all programs, in a folder.
fn pages() -> (TempDir, Vec<PathBuf>) {
    let room = tempfile::tempdir().expect("there is room for files");
    let dir = room.path().join("man1");
    for program in PROGRAMS {
        printed(program, &["man", "--dir", &dir.to_string_lossy()]);
    }
    let files = std::fs::read_dir(&dir).expect("the folder was created");
    let mut files: Vec<_> = files.map(|file| file.expect("it is there").path()).collect();
    files.sort();
    (room, files)
}

/// The words after the program's name of the command that a page describes.
fn command_of(page: &Path) -> (&'static str, Vec<String>) {
    let name = page.file_stem().expect("it has a name").to_string_lossy().into_owned();
    let program = PROGRAMS.into_iter().find(|program| name.starts_with(program));
    let program = program.expect("pages begin with the program's name");
    let words = name[program.len()..].split('-').filter(|word| !word.is_empty());
    (program, words.map(str::to_owned).collect())
}

/// Adds what man needs to print alike on every machine.
fn for_80_columns(man: &mut Command) -> &mut Command {
    man.env("LC_ALL", "C.UTF-8").env("MANWIDTH", "80").env("MANROFFSEQ", "")
}

#[test]
fn there_is_a_page_for_every_program_and_subcommand() {
    let (_room, pages) = pages();
    let names: Vec<_> = pages.iter().filter_map(|page| page.file_stem()?.to_str()).collect();
    for name in [
        "echo-bench",
        "echo-bench-sweep",
        "echo-bench-baseline-rm",
        "echo-bench-man",
        "echo-client",
        "echo-client-ping",
        "echo-server",
        "echo-server-balance",
        "echo-server-completions",
    ] {
        assert!(names.contains(&name), "no {name} in {names:?}");
    }
    for unwanted in ["serve-embedded", "run-cell", "help"] {
        assert!(!names.iter().any(|name| name.contains(unwanted)), "{names:?}");
    }
}

#[test]
fn mandoc_finds_no_error() {
    let Some(_) = third_party_or_skip("mandoc_finds_no_error", "mandoc") else { return };
    let (_room, pages) = pages();
    for page in &pages {
        let told = output(Command::new("mandoc").args(["-T", "lint", "-W", "error"]).arg(page));
        assert!(told.status.success(), "{}: {}", page.display(), text(&told.stdout));
    }
}

#[test]
fn man_warns_of_nothing_and_knows_what_each_page_is_about() {
    let test = "man_warns_of_nothing_and_knows_what_each_page_is_about";
    let Some(_) = third_party_or_skip(test, "man") else { return };
    let (_room, pages) = pages();
    for page in &pages {
        let mut man = Command::new("man");
        man.args(["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"]).arg(page);
        let told = output(for_80_columns(&mut man));
        assert!(told.status.success(), "{}: {told:?}", page.display());
        assert_eq!(text(&told.stderr), "", "{}", page.display());
        let name = output(Command::new("lexgrog").arg(page));
        assert!(text(&name.stdout).contains(" - "), "{}: {name:?}", page.display());
    }
}

#[test]
fn each_example_stands_on_lines_of_its_own_and_every_flag_is_there() {
    let test = "each_example_stands_on_lines_of_its_own_and_every_flag_is_there";
    let Some(_) = third_party_or_skip(test, "man") else { return };
    let (_room, pages) = pages();
    for page in &pages {
        let mut man = Command::new("man");
        let shown = output(for_80_columns(man.arg("-l").arg(page)));
        // Some versions print a hyphen or a minus sign where a dash is meant.
        let shown = text(&shown.stdout).replace(['\u{2010}', '\u{2212}'], "-");
        let (program, words) = command_of(page);
        let mut arguments: Vec<&str> = words.iter().map(String::as_str).collect();
        arguments.push("--help");
        let help = printed(program, &arguments);
        for line in shown.lines() {
            assert!(line.chars().count() <= 80, "{}: {line}", page.display());
        }
        for example in examples(&help) {
            let is_whole = shown.lines().any(|line| line.trim() == example);
            assert!(is_whole, "{}: no line `{example}` in {shown}", page.display());
        }
        let flags = help.lines().map(str::trim).filter(|line| line.starts_with('-'));
        for flag in flags.filter_map(|line| line.split([' ', '[', '=']).find(is_long)) {
            // Dots say that a flag may be repeated.
            let flag = flag.trim_end_matches("...");
            assert!(shown.contains(flag), "{}: no {flag}", page.display());
        }
    }
}

fn is_long(word: &&str) -> bool {
    word.starts_with("--")
}

/// The commands under `Examples:`, line by line.
fn examples(help: &str) -> Vec<String> {
    let Some((_, below)) = help.split_once("\nExamples:\n") else { return Vec::new() };
    let lines = below.lines().take_while(|line| !line.is_empty());
    let mut goes_on = false;
    let mut examples = Vec::new();
    for line in lines {
        let is_command = goes_on || !line.starts_with("   ");
        if is_command {
            let line = line.trim_start();
            let command = line.split_once("  ").map_or(line, |(command, _)| command);
            goes_on = command.ends_with('\\');
            examples.push(command.to_owned());
        }
    }
    examples
}
