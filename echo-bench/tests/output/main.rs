//! Where results go, and what becomes of them when they can't: files, links, devices, FIFOs,
//! full disks and killed runs.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod partial;

use std::fs;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use echo_test_support::made_up::{self, Shape};
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use serde_json::Value;
use tempfile::TempDir;

use echo_bench_report::report::Report;

/// How long anything here may take on a machine that has much to do.
const PATIENCE: Duration = Duration::from_mins(1);

/// A short run.
const RUN: [&str; 5] =
    ["--conns=2", "--duration=200ms", "--warmup=0", "--quiet", "--threads=1"];

/// A folder with two reports of one plan, `1.json` and `2.json`.
fn room() -> TempDir {
    let room = tempfile::tempdir().unwrap();
    let shape = Shape { intervals: 8, answers: 500, spread: 101 };
    for number in [1, 2] {
        let report = made_up::report(shape, number, 100).to_string();
        fs::write(room.path().join(format!("{number}.json")), report).unwrap();
    }
    room
}

/// Every command that writes results, without `-o`; none of them measures for long.
fn writers() -> Vec<(&'static str, Vec<&'static str>)> {
    let run: Vec<_> = ["run", "--no-report"].into_iter().chain(RUN).collect();
    let sweep = ["sweep", "--conns=1,2", "--repeat=1", "-d100ms", "-w0", "-q", "--dir=swept"];
    vec![
        ("run", run),
        ("report", vec!["report", "1.json"]),
        ("merge", vec!["merge", "1.json", "2.json"]),
        ("compare", vec!["compare", "1.json", "2.json"]),
        ("sweep", sweep.to_vec()),
    ]
}

fn command(room: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echo-bench"));
    command.args(arguments).current_dir(room.path()).env("XDG_DATA_HOME", room.path());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn echo_bench(room: &TempDir, arguments: &[&str]) -> Output {
    command(room, arguments).output().unwrap()
}

fn with<'a>(arguments: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [arguments, more].concat()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Nothing is left in a folder by accident.
#[track_caller]
fn assert_no_drafts(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let accidental = name.starts_with('.') || name.contains(".part") || name == "-";
        assert!(!accidental, "{name}");
    }
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "in vain: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_device_stays_a_device() {
    let room = room();
    let null = room.path().join("null");
    let mode = Mode::from_raw_mode(0o666);
    if let Err(error) = mknodat(CWD, &null, FileType::CharacterDevice, mode, makedev(1, 3)) {
        eprintln!("skipped: a_device_stays_a_device: {error}");
        return;
    }
    for (name, arguments) in writers() {
        let output = echo_bench(&room, &with(&arguments, &["-o", "null"]));
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        let found = fs::symlink_metadata(&null).unwrap().file_type();
        assert!(found.is_char_device(), "{name}: {found:?}");
    }
    assert_no_drafts(room.path());
}

#[test]
fn a_fifo_gets_the_result() {
    let room = room();
    let fifo = room.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    for (name, arguments) in writers() {
        let path = fifo.clone();
        let reading = thread::spawn(move || fs::read(path).unwrap());
        let output = echo_bench(&room, &with(&arguments, &["-o", "fifo"]));
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        assert!(fs::symlink_metadata(&fifo).unwrap().file_type().is_fifo(), "{name}");
        let result: Value = serde_json::from_slice(&reading.join().unwrap()).unwrap();
        assert!(result["schema"].as_str().unwrap().starts_with("echo-bench."), "{name}");
    }
}

#[test]
fn links_are_followed_and_permissions_are_kept() {
    for (name, arguments) in writers() {
        let room = room();
        let path = |name: &str| room.path().join(name);
        fs::create_dir(path("else")).unwrap();
        fs::write(path("else/old.json"), "old").unwrap();
        let mode = fs::Permissions::from_mode(0o640);
        fs::set_permissions(path("else/old.json"), mode).unwrap();
        symlink("else/old.json", path("link.json")).unwrap();
        symlink("else/new.json", path("dangling.json")).unwrap();
        for link in ["link.json", "dangling.json"] {
            let output = echo_bench(&room, &with(&arguments, &["-o", link]));
            assert!(output.status.success(), "{name}: {}", text(&output.stderr));
            assert!(path(link).is_symlink(), "{name}: {link}");
            let result = fs::read_to_string(path(link)).unwrap();
            assert!(result.starts_with("{\n  \"schema\""), "{name}: {result}");
        }
        let mode = fs::metadata(path("else/old.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640, "{name}");
        assert_no_drafts(room.path());
        assert_no_drafts(&path("else"));
    }
}

#[test]
fn nobody_can_plant_a_draft() {
    for (name, arguments) in writers() {
        let room = room();
        let victim = room.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        symlink("victim", room.path().join("x.json.part")).unwrap();
        let output = echo_bench(&room, &with(&arguments, &["-o", "x.json"]));
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious", "{name}");
    }
}

#[test]
fn hgrm_and_hlog_are_written_as_any_result_is() {
    let room = room();
    let path = |name: &str| room.path().join(name);
    for name in ["a", "b"] {
        fs::write(path(&format!("{name}.old")), "old").unwrap();
        symlink(format!("{name}.old"), path(name)).unwrap();
    }
    let flags = ["--no-report", "--hgrm=a", "--hlog=b"];
    let output = echo_bench(&room, &with(&RUN, &flags));
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(path("a").is_symlink() && path("b").is_symlink());
    assert!(fs::read_to_string(path("a.old")).unwrap().contains("Percentile"));
    assert!(fs::read_to_string(path("b.old")).unwrap().contains("HISTFAAA"));
}

#[test]
fn a_dash_is_stdout_for_every_file() {
    let room = room();
    let stdout = |flags: &[&str]| {
        let output = echo_bench(&room, &with(&with(&RUN, &["--no-report"]), flags));
        assert!(output.status.success(), "{}", text(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let hgrm = stdout(&["--hgrm=-"]);
    assert!(hgrm.trim_start().starts_with("Value") && !hgrm.contains("embedded"), "{hgrm}");
    assert!(stdout(&["--hlog", "-"]).starts_with('#'));
    assert!(stdout(&["-o", "-"]).starts_with("{\n  \"schema\""));
    assert!(stdout(&["-o", "-", "--format=csv"]).starts_with("scope,"));
    assert!(stdout(&["--hgrm=-", "-o", "x.json"]).trim_start().starts_with("Value"));
    assert_no_drafts(room.path());
    for flags in [
        ["--hgrm=-", "--hlog=-"],
        ["--hgrm=-", "-o-"],
        ["--hlog=-", "--format=json"],
        ["--hgrm=one", "--hlog=one"],
    ] {
        let refused = echo_bench(&room, &with(&with(&RUN, &["--no-report"]), &flags));
        assert_eq!(refused.status.code(), Some(2), "{flags:?}");
        assert!(text(&refused.stderr).contains("both write to"), "{}", text(&refused.stderr));
    }
}

#[test]
fn the_ending_chooses_the_format_in_every_command() {
    let beginnings =
        [("json", "{\n  \"schema\""), ("HTML", "<!doctype html>"), ("md", "**"), ("txt", "")];
    for (name, arguments) in writers() {
        let room = room();
        let csv = match name {
            "compare" => "candidate,case,",
            "sweep" => "conns,runs,",
            _ => "scope,",
        };
        let beginnings = [&beginnings[..], &[("csv", csv)]].concat();
        for &(ending, beginning) in &beginnings {
            let file = format!("x.{ending}");
            let output = echo_bench(&room, &with(&arguments, &["-o", &file]));
            assert!(output.status.success(), "{name}: {}", text(&output.stderr));
            let written = fs::read_to_string(room.path().join(&file)).unwrap();
            assert!(written.starts_with(beginning), "{name} {file}: {written}");
            let of_another = beginnings
                .iter()
                .any(|(other, beginning)| *other != "txt" && written.starts_with(beginning));
            assert_eq!(ending == "txt", !of_another, "{name}");
        }
        for (flags, words) in [
            (["-o", "x.xls"].as_slice(), ".json"),
            (&["-o", "x"], "unknown file ending"),
            (&["-o", "x.json", "--format=markdown"], "is json by its ending"),
        ] {
            let refused = echo_bench(&room, &with(&arguments, flags));
            let told = text(&refused.stderr);
            assert_eq!(refused.status.code(), Some(2), "{name} {flags:?}: {told}");
            assert!(told.contains(words), "{name}: {told}");
        }
    }
}

#[test]
fn what_can_t_be_written_is_refused_before_the_load_and_once() {
    let room = room();
    fs::create_dir(room.path().join("folder")).unwrap();
    for (file, reason) in [
        ("folder", "Is a directory"),
        ("folder/", "directory"),
        ("missing/x.json", "No such file or directory"),
    ] {
        for flag in ["--output", "--hgrm"] {
            let began = Instant::now();
            let run = ["--duration=30s", "--no-report", flag, file];
            let refused = echo_bench(&room, &run);
            let told = text(&refused.stderr);
            assert_eq!(refused.status.code(), Some(1), "{file}: {told}");
            assert_eq!(told.matches(reason).count(), 1, "{file}: {told}");
            assert!(told.contains(file) && !told.contains(".tmp"), "{told}");
            assert!(began.elapsed() < Duration::from_secs(20), "{file}: the load was put on");
        }
    }
    let missing = echo_bench(&room, &["report", "missing.json"]);
    assert_eq!(text(&missing.stderr).matches("No such file").count(), 1, "{missing:?}");
    assert_no_drafts(room.path());
}

#[test]
fn a_result_that_can_t_be_written_at_the_end_loses_no_other() {
    let room = room();
    let folder = room.path().join("folder");
    fs::create_dir(&folder).unwrap();
    let flags = ["--hgrm=folder/x", "-ofolder/x.json", "--hlog=y", "--report-dir=kept"];
    let run = ["--conns=1", "--duration=1500ms", "--warmup=0", "--interval=100ms"];
    let mut child = command(&room, &with(&run, &flags)).spawn().unwrap();
    wait_until_measuring(&mut child);
    fs::remove_dir(&folder).unwrap();
    let output = child.wait_with_output().unwrap();
    let (shown, told) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(shown.contains("p99") && shown.contains("report     kept/"), "{shown}");
    assert_eq!(told.matches("error: writing folder/x: No such file").count(), 1, "{told}");
    assert_eq!(told.matches("error: writing folder/x.json: No such file").count(), 1, "{told}");
    assert!(fs::read_to_string(room.path().join("y")).unwrap().contains("HISTFAAA"));
    // The folder of reports is fit to be compared.
    let compared = echo_bench(&room, &["compare", "kept", "kept"]);
    assert!(compared.status.success(), "{}", text(&compared.stderr));
}

/// Reads the progress until the first interval is over.
fn wait_until_measuring(child: &mut Child) {
    let (mut told, mut byte) = (Vec::new(), [0]);
    let stderr = child.stderr.as_mut().unwrap();
    while !String::from_utf8_lossy(&told).contains("p50") {
        assert_eq!(stderr.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&told));
        told.push(byte[0]);
    }
}

/// A limit of file sizes stands for a disk that is full.
#[test]
fn a_report_that_finds_no_room_is_printed() {
    let room = room();
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -f 2 && exec \"$@\"", "sh"]);
    limited.arg(env!("CARGO_BIN_EXE_echo-bench")).current_dir(room.path());
    let run = ["--conns=2", "--duration=1200ms", "--warmup=0", "--quiet", "--report-dir=kept"];
    let output = limited.args(run).output().unwrap();
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    let report: Report = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report.summary.requests.ok > 0 && !report.interrupted);
    assert!(told.contains("p99"), "the summary is shown all the same: {told}");
    assert_eq!(told.matches("error: storing the report in kept: File too large").count(), 1);
    assert!(told.contains("the run goes on"), "{told}");
    let left = fs::read_dir(room.path().join("kept")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, [] as [PathBuf; 0], "nothing that is not whole stays behind");
}

#[test]
fn without_a_stdout_no_load_is_put_on() {
    let room = room();
    let mut closed = Command::new("sh");
    closed.args(["-c", "exec \"$@\" >&-", "sh", env!("CARGO_BIN_EXE_echo-bench")]);
    let began = Instant::now();
    let run = ["--duration=30s", "--report-dir=kept", "-ox.json"];
    let output = closed.args(run).current_dir(room.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).starts_with("error: writing to stdout"), "{output:?}");
    assert!(began.elapsed() < Duration::from_secs(20), "the load was put on");
}

#[test]
fn a_summary_that_can_t_be_printed_is_an_error_and_the_report_is_kept() {
    let room = room();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let flags = with(&RUN, &["--report-dir=kept"]);
    let output = command(&room, &flags).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(text(&output.stderr).matches("No space left").count(), 1, "{output:?}");
    assert_eq!(fs::read_dir(room.path().join("kept")).unwrap().count(), 1);
}
