//! A percentile that was measured is shown in every format, and marked where the sample is
//! too small for an interval.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::process::Command;

/// What a run of 200 requests prints, which are too few for a p99.
fn printed(format: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_echo-bench"))
        .args(["-c1", "-n200", "--warmup=0", "--model=epoll", "--quiet", "--no-report"])
        .args(["--timeout=30s", "--format", format])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The words of the line that begins with `label`, units joined to their numbers.
fn words(text: &str, label: &str) -> Vec<String> {
    let line = text.lines().find(|line| line.trim_start_matches("| ").starts_with(label));
    let line = line.unwrap_or_else(|| panic!("no {label} in {text}"));
    let line = format!("{line} ");
    let joined = [" ns", " µs", " ms", " s"].iter().fold(line, |line, unit| {
        line.replace(&format!("{unit} "), &format!("{} ", unit.trim_start()))
    });
    joined.split_whitespace().filter(|word| *word != "|").map(str::to_owned).collect()
}

#[test]
fn weak_percentiles_are_shown_and_marked_in_text_and_markdown() {
    for format in ["text", "markdown"] {
        let text = printed(format);
        let values = words(&text, "response");
        // response, p50, p90, p95, p99, p99.9, p99.99, max, mean
        assert_eq!(values.len(), 9, "{format}: {values:?}");
        assert!(!values.contains(&"-".into()), "{format}: {values:?}");
        assert!(!values[7].starts_with('~'), "{format}: {values:?}");
        for weak in &values[4..7] {
            assert!(weak.starts_with('~'), "{format}: {values:?}");
        }
        let told = text.lines().find(|line| line.contains("response: effective sample size"));
        let told = told.unwrap_or_else(|| panic!("{format}: {text}"));
        // Of a run this short nothing is known of how its requests are correlated.
        assert!(told.contains("effective sample size 6 (p90 needs 36)"), "{told}");
    }
}

#[test]
fn weak_percentiles_are_in_the_csv_with_their_effective_sample_size() {
    let csv = printed("csv");
    let mut lines = csv.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let window: Vec<&str> = lines.next().unwrap().split(',').collect();
    let value = |name: &str| {
        let place = header.iter().position(|known| *known == name);
        window[place.unwrap_or_else(|| panic!("no {name} in {header:?}"))]
    };
    for percentile in ["p50", "p90", "p95", "p99", "p99_9", "p99_99"] {
        assert!(value(&format!("{percentile}_ns")).parse::<u64>().unwrap() > 0);
        let effective = value(&format!("{percentile}_effective_samples"));
        assert!((1..=200).contains(&effective.parse::<u64>().unwrap()), "{effective}");
    }
    assert!(value("weak").ends_with("p99 p99.9 p99.99"), "{}", value("weak"));
}

#[test]
fn weak_percentiles_are_shown_and_marked_in_the_page() {
    let page = printed("html");
    let tiles = &page[page.find("<h2 class=\"unseen\" id=\"figures\">").unwrap()..];
    for name in ["p99", "p99.9"] {
        let tile = tiles.split(&format!(">{name}<")).nth(1).unwrap();
        let tile = &tile[..tile.find("</div>").unwrap()];
        assert!(tile.contains('~') && tile.contains("effective sample size"), "{tile}");
    }
    let table = page.split("<table id=\"latency\">").nth(1).unwrap();
    let row = table.split("<tr>").find(|row| row.contains("response")).unwrap();
    let row = &row[..row.find("</tr>").unwrap()];
    assert_eq!(row.matches('~').count(), row.matches("needs").count(), "{row}");
    assert!(row.matches('~').count() >= 3 && !row.contains(">–<"), "{row}");
}
