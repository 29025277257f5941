//! The `echo-bench` command as a user meets it, without load.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::process::{Command, Output};

fn echo_bench(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_echo-bench"))
        .args(args)
        .env("COLUMNS", "100")
        .output()
        .unwrap()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn help() {
    let output = echo_bench(&["-h"]);
    assert!(output.status.success());
    insta::assert_snapshot!(text(output.stdout));
}

#[test]
fn long_help_lists_the_flags_of_the_embedded_server() {
    let told = text(echo_bench(&["--help"]).stdout);
    for flag in ["--server-write-mode", "--server-read-buffer", "--server-idle-timeout"] {
        assert!(told.contains(flag), "{flag} is missing");
    }
    let workers = told.split("--server-workers <N>").nth(1).unwrap();
    assert!(workers.trim_start().starts_with(
        "Threads that serve [default: the cores that --threads leaves over, at least 1]"
    ));
}

#[test]
fn the_schema_under_reports_is_that_of_the_types() {
    for kind in ["report", "comparison", "sweep"] {
        let output = echo_bench(&["schema", kind]);
        let file = format!("reports/echo-bench.{kind}.schema.json");
        let kept = format!("{}/../{file}", env!("CARGO_MANIFEST_DIR"));
        let kept = std::fs::read_to_string(kept).unwrap();
        let renew = format!("run: cargo run --bin echo-bench -- schema {kind} > {file}");
        assert!(text(output.stdout) == kept, "{renew}");
    }
}

#[test]
fn what_can_t_be_meant_is_a_usage_error_that_names_the_flag() {
    for (args, flag) in [
        (vec!["--conns", "0"], "--conns"),
        (vec!["--conns", "many"], "--conns"),
        (vec!["--duration", "0"], "--duration"),
        (vec!["--rate=-1"], "--rate"),
        (vec!["--arrival", "poisson"], "--rate"),
        (vec!["--size", "9-3"], "--size"),
        (vec!["--protocol", "raw", "--size", "0"], "message 1"),
        (vec!["--slo", "p99"], "--slo"),
        (vec!["--label", "x"], "--label"),
        (vec!["--model", "magic"], "--model"),
        (vec!["--duration", "1s", "--requests", "5"], "--requests"),
        (vec!["127.0.0.1:1", "--model", "epoll"], "--model"),
        (vec!["127.0.0.1:1", "--server-workers", "2"], "--server-"),
        (vec!["--server-chat-queue", "1K"], "--server-chat-queue"),
        (vec!["nowhere"], "TARGET"),
    ] {
        let output = echo_bench(&args);
        let told = text(output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {told}");
        assert!(told.contains(flag), "{args:?}: {told}");
    }
}

#[test]
fn too_few_descriptors_are_refused_before_the_first_connection() {
    let output = Command::new("sh")
        .args(["-c", "ulimit -Sn 100; ulimit -Hn 100; exec \"$0\" --conns 1000"])
        .arg(env!("CARGO_BIN_EXE_echo-bench"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = text(output.stderr);
    for part in ["--conns 1000", "hard limit is 100", "ulimit -Hn", "at most"] {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn completions_name_the_command() {
    let output = echo_bench(&["completions", "bash"]);
    assert!(text(output.stdout).contains("echo-bench"));
}

#[test]
fn files_without_end_are_refused() {
    for (args, refused) in [
        (&["--message-file", "/dev/zero"][..], "--message-file /dev/zero: larger than 64MiB"),
        (&["sweep", "/dev/zero"], "/dev/zero: larger than 1MiB"),
    ] {
        let output = echo_bench(args);
        let told = text(output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(refused), "{told}");
    }
    let mut lines = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut lines, &vec![b'\n'; 1_000_001]).unwrap();
    let output = echo_bench(&["--message-file", lines.path().to_str().unwrap()]);
    let told = text(output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("holds 1000001 messages (at most 1000000)"), "{told}");
}
