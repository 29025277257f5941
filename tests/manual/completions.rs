//! The scripts, in their shells.

use std::fs;
use std::path::Path;
use std::process::Command;

use echo_test_support::program::third_party_or_skip;
use tempfile::TempDir;

use super::{PROGRAMS, output, printed, text};

/// What is typed, the last word unfinished, and what completes it.
const TYPED: [(&str, &[&str]); 11] = [
    ("echo-bench --mod", &["--model"]),
    ("echo-bench --model ep", &["epoll"]),
    ("echo-bench --engine u", &["uring"]),
    ("echo-bench swee", &["sweep"]),
    ("echo-bench sweep --model tok", &["tokio", "tokio-local"]),
    ("echo-bench run --output rep", &["report.json"]),
    ("echo-bench help base", &["baseline"]),
    ("echo-server --protocol htt", &["http"]),
    ("echo-server balance --policy le", &["least-conns"]),
    ("echo-server comp", &["completions"]),
    ("echo-client ping --prot", &["--protocol"]),
];

/// What is typed and completed by nothing: what help does not show, a number, what is no value.
const NOTHING: [&str; 4] = [
    "echo-bench serve-",
    "echo-bench --conns 1",
    "echo-bench --model magi",
    "echo-bench sweep --report-d",
];

/// A folder with the scripts of all programs for a shell, and a report.
fn room(shell: &str) -> TempDir {
    let room = tempfile::tempdir().expect("there is room for files");
    let write = |name: &str, text: &str| {
        fs::write(room.path().join(name), text).expect("made by this test");
    };
    write("report.json", "{}");
    for program in PROGRAMS {
        write(program, &printed(program, &["completions", shell]));
    }
    room
}

/// The program of a line, and its words.
fn words(line: &str) -> (&str, Vec<&str>) {
    let words: Vec<_> = line.split(' ').collect();
    (words[0], words)
}

/// Completes the last word as bash does.
const BASH: &str = r#"
source "./$1"
name=$(complete -p "$1")
name=${name#*-F }
name=${name%% *}
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
"$name" "$1" "${!#}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\n' "${COMPREPLY[@]}"
"#;

fn by_bash(room: &Path, words: &[&str]) -> Vec<String> {
    let mut bash = Command::new("bash");
    bash.args(["--noprofile", "--norc", "-c", BASH, "bash"]).args(words).current_dir(room);
    let completed = output(&mut bash);
    // compopt complains that nobody is typing.
    let told = text(&completed.stderr);
    let is_expected = |line: &str| line.contains("compopt");
    assert!(told.lines().all(is_expected), "{words:?}: {told}");
    let lines = text(&completed.stdout);
    lines.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn bash_completes_flags_values_and_files() {
    let test = "bash_completes_flags_values_and_files";
    let Some(_) = third_party_or_skip(test, "bash") else { return };
    let room = room("bash");
    for (line, expected) in TYPED {
        let (_, words) = words(line);
        assert_eq!(by_bash(room.path(), &words), expected, "{line}");
    }
    for line in NOTHING {
        let (_, words) = words(line);
        // A word that stands for itself completes nothing.
        let typed = words[words.len() - 1].to_owned();
        let completed = by_bash(room.path(), &words);
        assert!(completed.iter().all(|word| *word == typed), "{line}: {completed:?}");
    }
    // A word `=` is how bash takes `--flag=value` apart.
    for (words, expected) in [
        (["echo-bench", "--model", "=", "ep"], &["epoll"][..]),
        (["echo-bench", "run", "--engine", "="], &["epoll", "uring"]),
        // The scripts of fish complete no positional values.
        (["echo-client", "", "completions", "fi"], &["fish"]),
    ] {
        let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
        assert_eq!(by_bash(room.path(), &words), expected, "{words:?}");
    }
}

#[test]
fn fish_completes_flags_values_and_files() {
    let test = "fish_completes_flags_values_and_files";
    let Some(_) = third_party_or_skip(test, "fish") else { return };
    let room = room("fish");
    let completed = |line: &str| -> Vec<String> {
        let (program, _) = words(line);
        let mut fish = Command::new("fish");
        fish.args([
            "--no-config",
            "-c",
            "source ./$argv[1]; complete -C $argv[2]",
            program,
            line,
        ]);
        fish.current_dir(room.path()).env("HOME", room.path());
        let completed = output(&mut fish);
        assert_eq!(text(&completed.stderr), "", "{line}");
        // A description follows after a tab.
        let lines = text(&completed.stdout);
        lines.lines().map(|line| line.split('\t').next().unwrap_or(line).to_owned()).collect()
    };
    for (line, expected) in TYPED {
        let completed = completed(line);
        for word in expected {
            assert!(completed.iter().any(|found| found == word), "{line}: {completed:?}");
        }
    }
    for line in NOTHING {
        let completed = completed(line);
        assert!(completed.is_empty(), "{line}: {completed:?}");
    }
}

#[test]
fn zsh_finds_no_fault_in_its_scripts() {
    let Some(_) = third_party_or_skip("zsh_finds_no_fault_in_its_scripts", "zsh") else {
        return;
    };
    let room = room("zsh");
    for program in PROGRAMS {
        let mut zsh = Command::new("zsh");
        let told = output(zsh.args(["-f", "-n", program]).current_dir(room.path()));
        assert!(told.status.success() && told.stderr.is_empty(), "{program}: {told:?}");
    }
}
