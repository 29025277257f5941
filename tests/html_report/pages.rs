//! A page of each kind, made once: by the programs, and of made-up documents where a
//! measurement would take minutes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use echo_bench_engine::plan::{EngineKind, IdleStrategy};
use echo_bench_report::compare::{Options, self_check};
use echo_bench_report::render::html;
use echo_bench_report::report::{Environment, Report, Tool};
use echo_bench_report::selftest::{Check, Expectation, SCHEMA, Selftest, Subject, Unit};
use echo_test_support::made_up::{self, Shape};
use echo_test_support::program::{own_program, run};

use super::browser::Page;

const PATIENCE: Duration = Duration::from_mins(2);

/// A page of each kind, and the folder of them.
pub(crate) fn pages() -> (&'static Path, &'static [Page]) {
    static PAGES: OnceLock<(PathBuf, Vec<Page>)> = OnceLock::new();
    let (folder, pages) = PAGES.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("pages");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("the build directory is ours");
        let made = [
            ("run", of_a_run(&folder)),
            ("comparison", of_a_comparison(&folder)),
            ("sweep", of_a_sweep(&folder)),
            ("capacity", of_a_capacity(&folder)),
            ("self-check", of_a_self_check(&folder)),
            ("selftest", of_a_selftest(&folder)),
            ("history", of_a_history(&folder)),
        ];
        let pages = made.map(|(kind, path)| Page { kind, path }).to_vec();
        (folder, pages)
    });
    (folder, pages)
}

fn echo_bench() -> Command {
    Command::new(own_program("echo-bench"))
}

/// That of a short open-loop run, without a JSON report.
fn of_a_run(folder: &Path) -> PathBuf {
    let page = folder.join("run.html");
    let mut command = echo_bench();
    command.args(["--conns", "4", "--rate", "2000", "--duration", "2s", "--warmup", "0s"]);
    command.args(["--interval", "100ms", "--no-report", "--quiet", "--slo", "p99<1s"]);
    command.args(["--label", "note=</script><script>throw 1</script>", "--output"]).arg(&page);
    let output = run(&mut command, b"", PATIENCE);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(page.is_file(), "{} {errors}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("run.html") && !text.contains("<!doctype"), "{text}");
    page
}

/// That of two short runs per side, the candidate with Nagle's algorithm.
fn of_a_comparison(folder: &Path) -> PathBuf {
    for _ in 0..2 {
        for nodelay in ["on", "off"] {
            let mut command = echo_bench();
            command.args(["--conns", "2", "--model", "epoll", "--split-writes", "2"]);
            command.args(["--duration", "500ms", "--warmup", "0s", "--interval", "100ms"]);
            command.args(["--quiet", "--nodelay", nodelay, "--report-dir"]);
            command.arg(folder.join(nodelay));
            run(&mut command, b"", PATIENCE);
        }
    }
    let page = folder.join("comparison.html");
    let mut command = echo_bench();
    command.arg("compare").args([folder.join("on"), folder.join("off")]).arg("-o").arg(&page);
    let output = run(&mut command, b"", PATIENCE);
    assert!(page.is_file(), "{}", String::from_utf8_lossy(&output.stderr));
    page
}

/// That of a sweep over two axes, two short runs per cell.
fn of_a_sweep(folder: &Path) -> PathBuf {
    let page = folder.join("sweep.html");
    let mut command = echo_bench();
    command.args(["sweep", "--model", "threads,epoll,tokio", "--conns", "1,4"]);
    command.args(["--repeat", "2", "--duration", "300ms", "--warmup", "0s"]);
    command.args(["--interval", "50ms", "--quiet", "--dir"]).arg(folder.join("runs"));
    command.arg("-o").arg(&page);
    let output = run(&mut command, b"", PATIENCE);
    assert!(page.is_file(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("Ranking by") && !text.contains("<!doctype"), "{text}");
    page
}

/// That of a search whose every rate passes.
fn of_a_capacity(folder: &Path) -> PathBuf {
    let page = folder.join("capacity.html");
    let mut command = echo_bench();
    command.args(["capacity", "--duration=400ms", "--warmup=100ms", "--conns=2"]);
    command.args(["--threads=1", "--budget=20s", "--slo=p50<2s", "--max-rate=300"]);
    command.args(["--min-rate=50", "--no-report", "--pin=off", "--quiet", "-o"]).arg(&page);
    let output = run(&mut command, b"", PATIENCE);
    assert!(page.is_file(), "{}", String::from_utf8_lossy(&output.stderr));
    page
}

fn of_a_self_check(folder: &Path) -> PathBuf {
    let shape = Shape { intervals: 2, answers: 400, spread: 101 };
    let report = |number: u64| {
        let document = made_up::report(shape, number, 1000 + number * 7919 % 61);
        serde_json::from_value::<Report>(document).expect("a report is made up well")
    };
    let reports: Vec<Report> = (0..12).map(report).collect();
    let options = Options { resamples: 300, ..Options::default() };
    let check = self_check::self_check(&reports, 3, &options).expect("runs enough");
    written(folder.join("self-check.html"), &html::self_check(&check))
}

fn of_a_selftest(folder: &Path) -> PathBuf {
    let expected = |name: &str, unit, expected: f64, measured: f64| Expectation {
        name: name.into(),
        unit,
        expected,
        accepted: [expected * 0.99, expected * 1.05],
        measured: Some(measured),
    };
    let delayed = vec![
        expected("p50", Unit::Ns, 8e7, 8.01e7),
        expected("rate", Unit::PerSecond, 800.0, 801.0),
    ];
    let starved = vec![expected("starved", Unit::Count, 12.0, 11.0)];
    let about = "what is known of it".to_owned();
    let selftest = Selftest {
        schema: SCHEMA.into(),
        tool: Tool { name: "echo-bench".into(), version: "0".into(), revision: None },
        started_at: "2026-01-02T03:04:05Z".into(),
        environment: Environment::default(),
        subject: Subject {
            engine: EngineKind::Epoll,
            idle: IdleStrategy::Auto,
            protocol: "line".into(),
            pool: None,
            threads: Some(1),
            quick: true,
        },
        checks: vec![
            Check::judged("fixed-delay", about.clone(), 2, delayed),
            Check::judged("starved", about.clone(), 2, starved),
            Check::skipped("duplicate", about, "raw has no boundaries"),
        ],
        noise_floor: None,
        against_itself: None,
    };
    written(folder.join("selftest.html"), &html::selftest(&selftest))
}

/// That of runs that became slower in the middle.
fn of_a_history(folder: &Path) -> PathBuf {
    let runs = folder.join("history");
    std::fs::create_dir_all(&runs).expect("the folder is ours");
    let shape = Shape { intervals: 2, answers: 400, spread: 5 };
    for number in 0..20 {
        let level_us = if number < 10 { 100 } else { 130 } + number % 3;
        let mut report = made_up::report(shape, number, level_us);
        report["labels"]["commit"] = format!("c{number}").into();
        written(runs.join(format!("{number}.json")), &report.to_string());
    }
    let page = folder.join("history.html");
    let mut command = echo_bench();
    command.arg("history").arg(&runs).arg("-o").arg(&page);
    let output = run(&mut command, b"", PATIENCE);
    assert!(page.is_file(), "{}", String::from_utf8_lossy(&output.stderr));
    page
}

fn written(path: PathBuf, page: &str) -> PathBuf {
    std::fs::write(&path, page).expect("the folder is there");
    path
}
