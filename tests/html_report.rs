//! Pages in a real browser: all charts are drawn, without console errors and without external
//! requests, in light and dark mode. Screenshots are kept in `target/screenshots`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use echo_test_support::program::{own_program, run, third_party_or_skip};
use serde_json::Value;

/// Browsers start slowly on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// Reports the page's behaviour as text for `--dump-dom`: errors, external resources, and for
/// each chart its values and non-empty dots.
const WATCH: &str = r#"<script>
const seen = { complaints: [], loaded: 0, charts: {}, marks: [] };
addEventListener("error", event => seen.complaints.push(event.message));
addEventListener("securitypolicyviolation", event => seen.complaints.push(event.blockedURI));
addEventListener("load", () => setTimeout(() => {
  seen.loaded = performance.getEntriesByType("resource").length;
  for (const figure of document.querySelectorAll("figure[data-chart]")) {
    const canvas = figure.querySelector("canvas");
    const dots = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    seen.charts[figure.dataset.chart + " " + figure.dataset.of] = {
      values: Number(figure.dataset.drawn),
      dots: dots.filter((byte, place) => place % 4 === 3 && byte > 0).length,
    };
  }
  for (const mark of document.querySelectorAll(".forest td.axis .mark")) {
    const [own, cell] = [mark, mark.parentElement].map(part => part.getBoundingClientRect());
    seen.marks.push((own.left + own.width / 2 - cell.left) / cell.width);
  }
  const cells = () => [...document.querySelectorAll(".matrix td")].map(cell => cell.textContent + cell.style.background);
  seen.matrix = cells();
  const metric = document.querySelector(".matrix select[name=metric]");
  if (metric) {
    metric.value = 2;
    metric.dispatchEvent(new Event("change"));
    seen.other_metric = cells();
  }
  seen.wider = document.documentElement.scrollWidth - innerWidth;
  const told = document.createElement("pre");
  told.id = "seen";
  told.textContent = JSON.stringify(seen);
  document.body.append(told);
}, 500));
</script>"#;

/// The page of a short open-loop run, without a JSON report.
fn page_of_a_run(folder: &Path) -> PathBuf {
    let page = folder.join("run.html");
    let mut command = Command::new(own_program("echo-bench"));
    command.args(["--conns", "4", "--rate", "2000", "--duration", "2s", "--warmup", "0s"]);
    command.args(["--interval", "100ms", "--no-report", "--quiet", "--label"]);
    command.args(["note=</script><script>throw 1</script>", "--output"]).arg(&page);
    let output = run(&mut command, b"", PATIENCE);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(page.is_file(), "{} {errors}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("run.html") && !text.contains("<!doctype"), "{text}");
    page
}

fn browser(mut command: Command, folder: &Path, page: &Path, more: &[&str]) -> String {
    // A new profile each time; no network access by the browser itself.
    let profile = tempfile::tempdir_in(folder).expect("the folder is there");
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"]);
    command.args(["--no-first-run", "--disable-background-networking", "--disable-sync"]);
    command.args(["--disable-component-update", "--hide-scrollbars"]);
    command.args(["--enable-logging=stderr", "--virtual-time-budget=4000"]);
    command.arg(format!("--user-data-dir={}", profile.path().display()));
    command.args(more).arg(format!("file://{}", page.display()));
    let output = run(&mut command, b"", PATIENCE);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} {errors}", output.status);
    assert!(!errors.contains("CONSOLE"), "the page wrote to the console: {errors}");
    String::from_utf8(output.stdout).expect("a page is text")
}

/// A comparison of two short runs per side, the candidate with Nagle's algorithm.
fn page_of_a_comparison(folder: &Path) -> PathBuf {
    for _ in 0..2 {
        for nodelay in ["on", "off"] {
            let mut command = Command::new(own_program("echo-bench"));
            command.args(["--conns", "2", "--model", "epoll", "--split-writes", "2"]);
            command.args(["--duration", "500ms", "--warmup", "0s", "--interval", "100ms"]);
            command.args(["--quiet", "--nodelay", nodelay, "--report-dir"]);
            command.arg(folder.join(nodelay));
            run(&mut command, b"", PATIENCE);
        }
    }
    let page = folder.join("comparison.html");
    let mut command = Command::new(own_program("echo-bench"));
    command.arg("compare").args([folder.join("on"), folder.join("off")]).arg("-o").arg(&page);
    let output = run(&mut command, b"", PATIENCE);
    assert!(page.is_file(), "{}", String::from_utf8_lossy(&output.stderr));
    page
}

/// A sweep over two axes, two short runs per cell.
fn page_of_a_sweep(folder: &Path) -> PathBuf {
    let page = folder.join("sweep.html");
    let mut command = Command::new(own_program("echo-bench"));
    command.args([
        "sweep",
        "--model",
        "threads,epoll,tokio",
        "--conns",
        "1,4",
        "--repeat",
        "2",
    ]);
    command.args(["--duration", "300ms", "--warmup", "0s", "--interval", "50ms", "--quiet"]);
    command.arg("--dir").arg(folder.join("runs")).arg("-o").arg(&page);
    let output = run(&mut command, b"", PATIENCE);
    assert!(page.is_file(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("Ranking by") && !text.contains("<!doctype"), "{text}");
    page
}

/// The output of [`WATCH`] for a page.
fn watch(command: Command, folder: &Path, page: &Path, more: &[&str]) -> Value {
    let written = std::fs::read_to_string(page).expect("the page is there");
    let watched = folder.join("watched.html");
    let with_watch = written.replacen("<head>", &format!("<head>{WATCH}"), 1);
    std::fs::write(&watched, with_watch).expect("the folder is there");
    let args = [&["--dump-dom"], more].concat();
    let after = browser(command, folder, &watched, &args);
    let (_, told) = after.split_once(r#"<pre id="seen">"#).expect("the page ran to its end");
    let (told, _) = told.split_once("</pre>").expect("the browser closes what it opens");
    let seen: Value = serde_json::from_str(told).expect("it tells JSON");
    assert_eq!(seen["complaints"], serde_json::json!([]), "{seen}");
    assert_eq!(seen["loaded"], 0, "{seen}");
    seen
}

fn assert_drawn(seen: &Value, charts: &[&str]) {
    for chart in charts {
        let drawn = &seen["charts"][chart];
        assert!(drawn["values"].as_u64() > Some(10), "{chart}: {seen}");
        assert!(drawn["dots"].as_u64() > Some(5_000), "{chart}: {seen}");
    }
}

#[test]
fn every_chart_is_drawn_and_nothing_is_asked_for() {
    let test = "every_chart_is_drawn_and_nothing_is_asked_for";
    let Some(command) = third_party_or_skip(test, "chromium") else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = page_of_a_run(folder.path());
    let seen = watch(command, folder.path(), &page, &[]);
    let charts = ["percentiles percentiles", "latency time", "throughput time", "heat heat"];
    assert_drawn(&seen, &charts);
}

#[test]
fn a_comparison_is_drawn_wide_and_narrow() {
    let test = "a_comparison_is_drawn_wide_and_narrow";
    let Some(command) = third_party_or_skip(test, "chromium") else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = page_of_a_comparison(folder.path());
    let wide = watch(command, folder.path(), &page, &["--window-size=1400,2000"]);
    let narrow = ["--window-size=500,2000"];
    let narrow = watch(Command::new("chromium"), folder.path(), &page, &narrow);
    for seen in [&wide, &narrow] {
        assert_drawn(seen, &["percentiles cases.0"]);
        assert_eq!(seen["wider"], 0, "the page is wider than its window: {seen}");
        let marks = seen["marks"].as_array().unwrap();
        assert!(marks.len() >= 4, "{seen}");
        let inside = |mark: &Value| mark.as_f64().is_some_and(|at| (0.0..=1.0).contains(&at));
        assert!(marks.iter().all(inside), "{seen}");
    }
    take_pictures(folder.path(), &page, "comparison", [2000, 2700]);
}

#[test]
fn a_sweep_is_drawn_wide_and_narrow_and_its_cells_can_be_asked_for_another_metric() {
    let test = "a_sweep_is_drawn_wide_and_narrow_and_its_cells_can_be_asked_for_another_metric";
    let Some(command) = third_party_or_skip(test, "chromium") else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = page_of_a_sweep(folder.path());
    let wide = watch(command, folder.path(), &page, &["--window-size=1400,2000"]);
    let narrow = ["--window-size=500,2000"];
    let narrow = watch(Command::new("chromium"), folder.path(), &page, &narrow);
    for seen in [&wide, &narrow] {
        // The axis with most levels is drawn in one panel per level of the other.
        assert_drawn(seen, &["percentiles panels.0", "percentiles panels.1"]);
        assert_eq!(seen["wider"], 0, "the page is wider than its window: {seen}");
        let colours = |cells: &Value| -> Vec<String> {
            let cells = cells.as_array().expect("cells are told").iter();
            cells.map(|cell| cell.as_str().unwrap().to_owned()).collect()
        };
        let (first, other) = (colours(&seen["matrix"]), colours(&seen["other_metric"]));
        assert_eq!((first.len(), other.len()), (6, 6), "{seen}");
        assert!(first.iter().all(|cell| cell.contains("rgb(")), "{seen}");
        assert_ne!(first, other, "another metric has other values");
        assert_eq!(first.iter().filter(|cell| cell.contains("best")).count(), 1, "{seen}");
    }
    take_pictures(folder.path(), &page, "sweep", [3200, 5200]);
}

#[test]
fn pictures_are_taken_in_light_and_dark_wide_and_narrow() {
    let test = "pictures_are_taken_in_light_and_dark_wide_and_narrow";
    if third_party_or_skip(test, "chromium").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let page = page_of_a_run(folder.path());
    take_pictures(folder.path(), &page, "run", [2700, 4400]);
}

/// Screenshots with these heights, wide and narrow.
fn take_pictures(folder: &Path, page: &Path, kind: &str, [wide, narrow]: [u32; 2]) {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots");
    std::fs::create_dir_all(&kept).expect("the build directory is ours");
    let mut pictures = Vec::new();
    for (name, scheme, width, height) in
        [("light", 1, 1400, wide), ("dark", 0, 1400, wide), ("narrow", 1, 420, narrow)]
    {
        let picture = kept.join(format!("{kind}-{name}.png"));
        let shot = format!("--screenshot={}", picture.display());
        let scheme = format!("--blink-settings=preferredColorScheme={scheme}");
        let window = format!("--window-size={width},{height}");
        let _ = std::fs::remove_file(&picture);
        browser(Command::new("chromium"), folder, page, &[&shot, &scheme, &window]);
        let bytes = std::fs::read(&picture).unwrap_or_default();
        assert!(
            bytes.starts_with(b"\x89PNG") && bytes.len() > 50_000,
            "{name}: {}",
            bytes.len()
        );
        pictures.push(bytes);
    }
    assert_ne!(pictures[0], pictures[1], "the page has one look for light and dark");
}
