//! The page of a run in a real browser: it draws every chart, complains of nothing and asks
//! for nothing, in light and in dark. The pictures stay in `target/screenshots`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

#[path = "scenarios/program.rs"]
mod program;

use program::{own_program, run, third_party_or_skip};

/// A browser on a busy machine starts slowly.
const PATIENCE: Duration = Duration::from_secs(90);

/// Tells what the page did, as text that `--dump-dom` shows: complaints, what was loaded
/// from elsewhere, and for each chart its values and its dots that are not empty.
const WATCH: &str = r#"<script>
const seen = { complaints: [], loaded: 0, charts: {} };
addEventListener("error", event => seen.complaints.push(event.message));
addEventListener("securitypolicyviolation", event => seen.complaints.push(event.blockedURI));
addEventListener("load", () => setTimeout(() => {
  seen.loaded = performance.getEntriesByType("resource").length;
  for (const figure of document.querySelectorAll("figure[data-chart]")) {
    const canvas = figure.querySelector("canvas");
    const dots = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    seen.charts[figure.dataset.chart] = {
      values: Number(figure.dataset.drawn),
      dots: dots.filter((byte, place) => place % 4 === 3 && byte > 0).length,
    };
  }
  const told = document.createElement("pre");
  told.id = "seen";
  told.textContent = JSON.stringify(seen);
  document.body.append(told);
}, 500));
</script>"#;

/// The page of a short run of open load, without a report beside it.
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
    // An empty profile each time; nothing of the browser's own goes out.
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

#[test]
fn every_chart_is_drawn_and_nothing_is_asked_for() {
    let test = "every_chart_is_drawn_and_nothing_is_asked_for";
    let Some(command) = third_party_or_skip(test, "chromium") else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = page_of_a_run(folder.path());
    let written = std::fs::read_to_string(&page).unwrap();
    std::fs::write(&page, written.replacen("<head>", &format!("<head>{WATCH}"), 1)).unwrap();
    let after = browser(command, folder.path(), &page, &["--dump-dom"]);
    let (_, told) = after.split_once(r#"<pre id="seen">"#).expect("the page ran to its end");
    let (told, _) = told.split_once("</pre>").unwrap();
    let seen: serde_json::Value = serde_json::from_str(told).unwrap();
    assert_eq!(seen["complaints"], serde_json::json!([]), "{seen}");
    assert_eq!(seen["loaded"], 0, "{seen}");
    for chart in ["percentiles", "latency", "throughput", "heat"] {
        let drawn = &seen["charts"][chart];
        assert!(drawn["values"].as_u64() > Some(10), "{chart}: {seen}");
        assert!(drawn["dots"].as_u64() > Some(5_000), "{chart}: {seen}");
    }
}

#[test]
fn pictures_are_taken_in_light_and_dark_wide_and_narrow() {
    let test = "pictures_are_taken_in_light_and_dark_wide_and_narrow";
    if third_party_or_skip(test, "chromium").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let page = page_of_a_run(folder.path());
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots");
    std::fs::create_dir_all(&kept).unwrap();
    let mut pictures = Vec::new();
    for (name, scheme, size) in
        [("light", 1, "1400,2700"), ("dark", 0, "1400,2700"), ("narrow", 1, "420,4400")]
    {
        let picture = kept.join(format!("run-{name}.png"));
        let shot = format!("--screenshot={}", picture.display());
        let scheme = format!("--blink-settings=preferredColorScheme={scheme}");
        let window = format!("--window-size={size}");
        let _ = std::fs::remove_file(&picture);
        browser(Command::new("chromium"), folder.path(), &page, &[&shot, &scheme, &window]);
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
