//! Pages of every kind in a real browser, wide and as narrow as a telephone, in light and dark
//! mode, and printed: all charts are drawn, nothing is asked for or complained about, curves can
//! be switched off and on, and axe-core finds nothing serious. Pictures are kept in
//! `target/screenshots`.

mod axe;
mod browser;
mod pages;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::OnceLock;

use browser::{Scheme, Seen, WIDTHS, look};
use echo_test_support::program::third_party_or_skip;
use pages::pages;

/// Pages are looked at once for all tests; `None` without the browser.
fn seen(test: &str, scheme: Scheme) -> Option<&'static BTreeMap<String, Seen>> {
    static SEEN: [OnceLock<BTreeMap<String, Seen>>; 2] = [OnceLock::new(), OnceLock::new()];
    third_party_or_skip(test, "chromium")?;
    let (folder, pages) = pages();
    Some(SEEN[scheme as usize].get_or_init(|| look(folder, pages, scheme, axe::script())))
}

/// What was seen of this kind, in both widths.
fn of<'a>(
    seen: &'a BTreeMap<String, Seen>,
    kind: &'a str,
) -> impl Iterator<Item = &'a Seen> + 'a {
    WIDTHS.iter().map(move |width| &seen[&format!("{kind} {width}")])
}

#[test]
fn nothing_is_complained_about_or_asked_for_and_every_page_fits_its_window() {
    let test = "nothing_is_complained_about_or_asked_for_and_every_page_fits_its_window";
    for scheme in [Scheme::Light, Scheme::Dark] {
        let Some(seen) = seen(test, scheme) else { return };
        assert_eq!(seen.len(), 2 * pages().1.len());
        for (page, seen) in seen {
            assert_eq!(seen.complaints, Vec::<String>::new(), "{page}");
            assert_eq!(seen.loaded, 0, "{page}");
            assert!(page.ends_with(&seen.width.to_string()), "{page}: {}", seen.width);
            assert_eq!(seen.wider, 0, "{page} is wider than its window");
            assert_eq!(seen.unreachable, Vec::<String>::new(), "{page}");
        }
    }
}

#[test]
fn every_chart_is_drawn_to_its_edges() {
    let test = "every_chart_is_drawn_to_its_edges";
    let Some(seen) = seen(test, Scheme::Light) else { return };
    for (kind, charts) in [
        (
            "run",
            &["percentiles percentiles", "latency time", "throughput time", "heat heat"][..],
        ),
        ("comparison", &["percentiles cases.0"]),
        // The axis with most levels is drawn in one panel per level of the other.
        ("sweep", &["percentiles panels.0", "percentiles panels.1"]),
        ("capacity", &["rates rates.0"]),
    ] {
        for seen in of(seen, kind) {
            let drawn: BTreeSet<_> = seen.charts.keys().map(String::as_str).collect();
            let wanted: BTreeSet<_> = charts.iter().copied().collect();
            assert_eq!(drawn, wanted, "{kind}");
            for (name, chart) in &seen.charts {
                assert!(chart.values > 2 && chart.dots > 2_000, "{kind}, {name}: {chart:?}");
                assert!(!chart.clipped, "{kind}, {name} at {}", seen.width);
            }
        }
    }
}

#[test]
fn marks_of_ratios_lie_within_their_cells() {
    let test = "marks_of_ratios_lie_within_their_cells";
    let Some(seen) = seen(test, Scheme::Light) else { return };
    for seen in of(seen, "comparison") {
        assert!(seen.marks.len() >= 4, "{seen:?}");
        assert!(seen.marks.iter().all(|mark| (0.0..=1.0).contains(mark)), "{:?}", seen.marks);
    }
}

#[test]
fn cells_of_a_sweep_can_be_asked_for_another_metric() {
    let test = "cells_of_a_sweep_can_be_asked_for_another_metric";
    let Some(seen) = seen(test, Scheme::Light) else { return };
    for seen in of(seen, "sweep") {
        let (first, other) = (&seen.matrix, seen.other_metric.as_ref().unwrap());
        assert_eq!((first.len(), other.len()), (6, 6), "{seen:?}");
        assert!(first.iter().all(|cell| cell.contains("rgb(")), "{first:?}");
        assert_ne!(first, other, "another metric has other values");
        assert_eq!(first.iter().filter(|cell| cell.contains("best")).count(), 1, "{first:?}");
    }
}

#[test]
fn curves_can_be_switched_off_and_on() {
    let test = "curves_can_be_switched_off_and_on";
    let Some(seen) = seen(test, Scheme::Light) else { return };
    for (kind, curves) in [
        ("run", &["response", "p50", "p99"][..]),
        ("comparison", &["base", "new"]),
        ("sweep", &["threads", "epoll", "tokio"]),
        ("capacity", &["p50", "p90", "p99"]),
    ] {
        for seen in of(seen, kind) {
            let names: Vec<_> = seen.switches.iter().map(|switch| &*switch.name).collect();
            for curve in curves {
                assert!(names.contains(curve), "{kind}: {curve} of {names:?}");
            }
            for switch in &seen.switches {
                assert_eq!(switch.pressed, ["true", "false", "true"], "{kind}: {switch:?}");
                assert!(switch.changes && switch.returns, "{kind}: {switch:?}");
            }
        }
    }
}

#[test]
fn commands_and_plans_can_be_copied() {
    let test = "commands_and_plans_can_be_copied";
    let Some(seen) = seen(test, Scheme::Light) else { return };
    for (kind, texts) in
        [("run", &["--conns 4 --rate 2000"][..]), ("sweep", &["[[axis]]", "sweep plan.toml"])]
    {
        for seen in of(seen, kind) {
            assert_eq!(seen.copied.len(), texts.len(), "{kind}");
            for (copied, text) in seen.copied.iter().zip(texts) {
                assert!(copied.shown && copied.whole, "{kind}: {copied:?}");
                assert!(copied.text.contains(text), "{kind}: {copied:?}");
                assert_eq!(copied.said, ["copied", "selected: press Ctrl+C"], "{kind}");
            }
        }
    }
}

#[test]
fn printing_opens_what_is_closed() {
    let test = "printing_opens_what_is_closed";
    let Some(seen) = seen(test, Scheme::Light) else { return };
    for (page, seen) in seen {
        let all = seen.opened.closed;
        assert_eq!(seen.opened.counts, [0, all, 0], "{page}");
    }
    assert!(of(seen, "run").all(|seen| seen.opened.closed >= 4));
}

#[test]
fn closed_tables_are_printed_without_scripts() {
    let test = "closed_tables_are_printed_without_scripts";
    if third_party_or_skip(test, "chromium").is_none() {
        return;
    }
    let Some(mut pdftotext) = third_party_or_skip(test, "pdftotext") else { return };
    let (folder, pages) = pages();
    let run = pages.iter().find(|page| page.kind == "run").unwrap();
    let page = std::fs::read_to_string(&run.path).unwrap();
    let parts = page.split("<script").enumerate();
    let without_scripts: String = parts
        .map(|(place, part)| match part.split_once("</script>") {
            Some((_, rest)) if place > 0 => rest,
            _ => part,
        })
        .collect();
    let (file, pdf) = (folder.join("plain.html"), folder.join("plain.pdf"));
    std::fs::write(&file, without_scripts).unwrap();
    browser::print(folder, &file, &pdf);
    let printed = pdftotext.args(["-layout"]).arg(&pdf).arg("-").output().unwrap().stdout;
    let printed = String::from_utf8_lossy(&printed);
    for shown in ["generator cpu", "99.9"] {
        assert!(printed.contains(shown), "no {shown} in {printed}");
    }
}

#[test]
fn axe_finds_nothing_serious() {
    let test = "axe_finds_nothing_serious";
    if axe::script_or_skip(test).is_none() {
        return;
    }
    for scheme in [Scheme::Light, Scheme::Dark] {
        let Some(seen) = seen(test, scheme) else { return };
        for (page, seen) in seen {
            let grave = |fault: &&browser::Fault| {
                matches!(fault.impact.as_deref(), Some("serious" | "critical"))
            };
            let faults = seen.faults.as_ref().expect("axe-core ran");
            let faults: Vec<String> = faults
                .iter()
                .filter(grave)
                .map(|fault| format!("{}: {}: {:#?}", fault.id, fault.help, fault.places))
                .collect();
            assert!(faults.is_empty(), "{page}, {scheme:?}: {}", faults.join("\n"));
        }
    }
}

#[test]
fn pictures_are_taken_in_four_forms() {
    let test = "pictures_are_taken_in_four_forms";
    if third_party_or_skip(test, "chromium").is_none() {
        return;
    }
    let (folder, pages) = pages();
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots");
    std::fs::create_dir_all(&kept).expect("the build directory is ours");
    for page in pages {
        let mut pictures = Vec::new();
        // As narrow as the window of a browser can be; `look` has narrower ones.
        for (form, scheme, size) in [
            ("light", Scheme::Light, [1400, 3600]),
            ("dark", Scheme::Dark, [1400, 3600]),
            ("narrow", Scheme::Light, [500, 5600]),
        ] {
            let file = kept.join(format!("{}-{form}.png", page.kind));
            let bytes = browser::picture(folder, &page.path, scheme, size, &file);
            let is_picture = bytes.starts_with(b"\x89PNG") && bytes.len() > 20_000;
            assert!(is_picture, "{} {form}: {} bytes", page.kind, bytes.len());
            pictures.push(bytes);
        }
        assert_ne!(pictures[0], pictures[1], "{} has one look for both", page.kind);
        let file = kept.join(format!("{}-printed.pdf", page.kind));
        let printed = browser::print(folder, &page.path, &file);
        assert!(printed.starts_with(b"%PDF") && printed.len() > 10_000, "{}", page.kind);
    }
}
