//! `echo-bench capacity` as a user meets it.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echo-bench"));
    command.arg("capacity").args(arguments).env("COLUMNS", "100");
    command
}

fn capacity(arguments: &[&str]) -> Output {
    command(arguments).args(["--no-report", "--pin=off", "--quiet"]).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Short steps of an embedded server.
const SHORT: [&str; 5] =
    ["--duration=400ms", "--warmup=100ms", "--conns=2", "--threads=1", "--budget=20s"];

#[test]
fn help() {
    let output = command(&["-h"]).output().unwrap();
    insta::assert_snapshot!(text(&output.stdout));
}

#[test]
fn what_can_t_be_searched_is_a_usage_error_with_its_remedy() {
    let slo = "--slo=p99<5ms";
    for (arguments, told) in [
        (vec![], "--slo 'p99<2ms'"),
        (vec!["--slo=rps>10k"], "gets worse under load"),
        (vec![slo, "--rate=10k"], "--min-rate and --max-rate"),
        (vec![slo, "-n", "100"], "--duration"),
        (vec![slo, "--until=p99+-5%"], "--precision"),
        (vec![slo, "-d", "1s,2s"], "--duration"),
        (vec![slo, "--precision=0%"], "--precision"),
        (vec![slo, "--min-rate=5k", "--max-rate=1k"], "--min-rate 5k"),
        (vec![slo, "--model=epoll,nonsense"], "model=nonsense"),
        (vec!["--slo=p99"], "invalid objective"),
    ] {
        let output = capacity(&arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(told), "{arguments:?}: {said}");
    }
}

#[test]
fn a_server_that_carries_the_highest_rate_is_an_answer() {
    let plan = [&SHORT[..], &["--slo=p50<2s", "--max-rate=300", "--min-rate=50"]].concat();
    let output = capacity(&plan);
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{told} {}", text(&output.stderr));
    let first = told.lines().next().unwrap();
    assert!(
        first.starts_with("at least 300 requests/s with p50 < 2 s: the highest rate"),
        "{told}"
    );
}

#[test]
fn a_server_that_never_meets_it_is_below_the_lowest_rate() {
    let plan =
        [&SHORT[..], &["--slo=p50<1ns", "--min-rate=200", "--stamps=off", "--format=json"]];
    let output = capacity(&plan.concat());
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let answer = &found["levels"][0]["answer"];
    assert!(answer["low_per_s"].is_null(), "{answer}");
    // Without stamps it may be the generator's fault, which is not known.
    match output.status.code() {
        Some(0) => assert_eq!(answer["ended"], "at_min_rate"),
        code => assert_eq!((code, &answer["ended"]), (Some(4), &"generator".into())),
    }
}

#[test]
fn levels_take_turns_and_the_document_is_shown_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("capacity.json");
    let output = command(&SHORT)
        .args(["--slo=p50<2s", "--slo=rps>1k", "--max-rate=300", "--min-rate=50"])
        .args(["--model=epoll,threads", "--pin=off", "-o"])
        .arg(&file)
        .arg("--report-dir")
        .arg(folder.path().join("kept"))
        .output()
        .unwrap();
    let said = text(&output.stderr);
    // At least 300/s does not tell whether it is more than 1k.
    assert_eq!(output.status.code(), Some(4), "{said}");
    let levels: Vec<&str> = said.lines().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(levels[..4], ["model=epoll", "model=threads", "model=threads", "model=epoll"]);
    let kept = std::fs::read_dir(folder.path().join("kept")).unwrap().next().unwrap();
    let written = std::fs::read_to_string(&file).unwrap();
    assert_eq!(std::fs::read_to_string(kept.unwrap().path()).unwrap(), written);
    let page = folder.path().join("again.html");
    let shown = Command::new(env!("CARGO_BIN_EXE_echo-bench"))
        .arg("report")
        .arg(&file)
        .arg("-o")
        .arg(&page)
        .status()
        .unwrap();
    assert!(shown.success());
    assert!(std::fs::read_to_string(&page).unwrap().contains("echo-bench.capacity/1"));
}

#[test]
fn interrupted_it_says_what_is_known_so_far() {
    let mut child = command(&SHORT[..4])
        .args(["--slo=p50<2s", "--no-report", "--pin=off", "--budget=5m", "--min-rate=50"])
        .args(["--max-rate=100k", "--precision=0.1%"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut progress = BufReader::new(child.stderr.take().unwrap()).lines();
    let step = progress.find(|line| line.as_ref().is_ok_and(|line| line.contains("/s for ")));
    assert!(step.is_some());
    let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let rest: Vec<String> = progress.map_while(Result::ok).collect();
    let mut told = String::new();
    child.stdout.take().unwrap().read_to_string(&mut told).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{told} {rest:?}");
    // On a busy machine not even the first rate may be judged.
    assert!(told.contains("interrupted") && told.contains("p50 < 2 s"), "{told}");
}
