//! Chromium, which opens pages: [`look`] has it run `probe.js` in several at once, and
//! [`picture`] and [`print`] keep what they look like.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use echo_test_support::program::run;
use serde::Deserialize;

/// Browsers are slow on a busy machine, and one looks at all pages.
const PATIENCE: Duration = Duration::from_mins(10);

/// What runs in each page, and in the page around them.
const PROBE: &str = include_str!("probe.js");
const FRAMES: &str = include_str!("frames.js");

/// Widths of the windows in which pages are looked at.
pub(crate) const WIDTHS: [u32; 2] = [1400, 400];

/// Colours that a reader prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Dark = 0,
    Light = 1,
}

/// What was seen of a page in a window of a width; what comes after a complaint may be missing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Seen {
    /// Errors, messages to the console, and what the page's own policy kept it from.
    pub(crate) complaints: Vec<String>,
    /// Resources that were asked for.
    pub(crate) loaded: u64,
    /// Width of the window.
    pub(crate) width: u32,
    /// By how much the page is wider than that.
    pub(crate) wider: i64,
    /// What scrolls and is no stop of the keyboard.
    pub(crate) unreachable: Vec<String>,
    /// By kind and place in the data.
    pub(crate) charts: BTreeMap<String, Chart>,
    /// Where the marks of ratios lie in their cells, from 0 to 1.
    pub(crate) marks: Vec<f64>,
    /// The cells of a sweep, and those of another metric.
    pub(crate) matrix: Vec<String>,
    pub(crate) other_metric: Option<Vec<String>>,
    /// What pressing the buttons of the legends does.
    pub(crate) switches: Vec<Switch>,
    /// What can be copied.
    pub(crate) copied: Vec<Copied>,
    /// What printing opens.
    pub(crate) opened: Opened,
    /// What axe-core found, where it was there.
    pub(crate) faults: Option<Vec<Fault>>,
}

/// A chart.
#[derive(Debug, Deserialize)]
pub(crate) struct Chart {
    /// Values that are drawn.
    pub(crate) values: u64,
    /// Dots that are not empty.
    pub(crate) dots: u64,
    /// Whether anything goes beyond its edge.
    pub(crate) clipped: bool,
}

/// A curve that was switched off and on again.
#[derive(Debug, Deserialize)]
pub(crate) struct Switch {
    pub(crate) name: String,
    /// The button's state before, between and after.
    pub(crate) pressed: [String; 3],
    /// Whether the chart looked different in between, and as before in the end.
    pub(crate) changes: bool,
    pub(crate) returns: bool,
}

/// A text with a button that copies it.
#[derive(Debug, Deserialize)]
pub(crate) struct Copied {
    /// Whether the button is there.
    pub(crate) shown: bool,
    /// Whether all of the text was selected.
    pub(crate) whole: bool,
    pub(crate) text: String,
    /// What was said where the browser copied, and where it would not.
    pub(crate) said: [String; 2],
}

/// Parts of a page that can be opened.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Opened {
    /// How many there are.
    pub(crate) closed: usize,
    /// Those open before, while and after it is printed.
    pub(crate) counts: [usize; 3],
}

/// What axe-core complains about.
#[derive(Debug, Deserialize)]
pub(crate) struct Fault {
    pub(crate) id: String,
    pub(crate) impact: Option<String>,
    pub(crate) help: String,
    #[serde(rename = "where")]
    pub(crate) places: Vec<String>,
}

/// A page to look at.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) kind: &'static str,
    pub(crate) path: PathBuf,
}

/// What is seen of each page in each width, by its kind and the width. Pages are in frames, since
/// the window of a browser is never as narrow as that of a telephone. `axe` is the text of
/// axe-core.
pub(crate) fn look(
    folder: &Path,
    pages: &[Page],
    scheme: Scheme,
    axe: Option<&str>,
) -> BTreeMap<String, Seen> {
    let mut around = format!("<!doctype html><title>pages</title><script>{FRAMES}</script>");
    let axe = axe.map_or_else(String::new, |axe| format!("<script>{axe}</script>"));
    for Page { kind, path } in pages {
        let page = std::fs::read_to_string(path).expect("the page is there");
        let probed = format!("<head>{axe}<script>{PROBE}</script>");
        let page = page.replacen("<head>", &probed, 1);
        let page = page.replace('&', "&amp;").replace('"', "&quot;");
        for width in WIDTHS {
            let style = format!("width:{width}px;height:9000px;border:0");
            writeln!(
                around,
                "<iframe name=\"{kind} {width}\" style=\"{style}\" srcdoc=\"{page}\"></iframe>"
            )
            .expect("writing to memory can't fail");
        }
    }
    let file = folder.join(format!("around-{scheme:?}.html"));
    std::fs::write(&file, around).expect("the folder is there");
    let after = browser(folder, &file, scheme, &["--window-size=1500,2000", "--dump-dom"]);
    let (_, told) = after.split_once(r#"<pre id="seen">"#).expect("every page tells");
    let (told, _) = told.split_once("</pre>").expect("the browser closes what it opens");
    let told = told.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", "\u{a0}");
    serde_json::from_str(&told.replace("&amp;", "&")).expect("it tells JSON")
}

/// What the page looks like in a window, as a PNG.
pub(crate) fn picture(
    folder: &Path,
    page: &Path,
    scheme: Scheme,
    [width, height]: [u32; 2],
    kept: &Path,
) -> Vec<u8> {
    let _ = std::fs::remove_file(kept);
    let shot = format!("--screenshot={}", kept.display());
    browser(folder, page, scheme, &[&shot, &format!("--window-size={width},{height}")]);
    std::fs::read(kept).unwrap_or_default()
}

/// The page as a PDF.
pub(crate) fn print(folder: &Path, page: &Path, kept: &Path) -> Vec<u8> {
    let _ = std::fs::remove_file(kept);
    let printed = format!("--print-to-pdf={}", kept.display());
    browser(folder, page, Scheme::Dark, &[&printed, "--no-pdf-header-footer"]);
    std::fs::read(kept).unwrap_or_default()
}

fn browser(folder: &Path, page: &Path, scheme: Scheme, more: &[&str]) -> String {
    // A new profile each time; no network access by the browser itself.
    let profile = tempfile::tempdir_in(folder).expect("the folder is there");
    let mut command = Command::new("chromium");
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"]);
    command.args(["--no-first-run", "--disable-background-networking", "--disable-sync"]);
    command.args(["--disable-component-update", "--hide-scrollbars"]);
    command.args(["--enable-logging=stderr", "--virtual-time-budget=60000"]);
    command.arg(format!("--blink-settings=preferredColorScheme={}", scheme as u8));
    command.arg(format!("--user-data-dir={}", profile.path().display()));
    command.args(more).arg(format!("file://{}", page.display()));
    let output = run(&mut command, b"", PATIENCE);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} {errors}", output.status);
    assert!(!errors.contains("CONSOLE"), "the page wrote to the console: {errors}");
    String::from_utf8(output.stdout).expect("a page is text")
}
