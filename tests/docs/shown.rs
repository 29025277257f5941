//! What a page shows of a command's output, compared with what the command prints now:
//! [`missing`]. Numbers differ from run to run, so each line is compared by its heading alone:
//! its first word without a digit.

use std::collections::BTreeSet;

use crate::page::ELLIPSIS;

/// Headings of lines that a run has or has not, whatever the build.
const AS_MAY_BE: [&str; 4] = ["warning", "caution", "note", "noise"];

/// The headings that `shown` has and `printed` lacks. The answer, which is what the numbers came
/// to, has none: it goes up to the first line that is empty or left out.
pub(crate) fn missing<'a>(shown: &[&'a str], printed: &str) -> Vec<&'a str> {
    let printed: BTreeSet<&str> = printed.lines().flat_map(words).collect();
    let is_end = |line: &&str| line.is_empty() || *line == ELLIPSIS;
    let answer = shown.iter().position(is_end).unwrap_or(0);
    let headings = shown[answer..].iter().filter_map(|line| heading(line));
    headings
        .filter(|heading| !AS_MAY_BE.contains(heading) && !printed.contains(heading))
        .collect()
}

/// The first word of a line without a digit, unless the line belongs to the one before.
pub(crate) fn heading(line: &str) -> Option<&str> {
    if line == ELLIPSIS || is_more(line) { None } else { words(line).next() }
}

/// Whether a line goes on with what the one before has begun, or is a row with a number.
pub(crate) fn is_more(line: &str) -> bool {
    line.starts_with(|c: char| c.is_whitespace() || c.is_ascii_digit())
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    let is_between = |c: char| !(c.is_alphanumeric() || "/_-".contains(c));
    let words = line.split(is_between);
    words.filter(|word| {
        let letters = word.chars().filter(|c| c.is_alphabetic()).count();
        letters > 1 && !word.contains(|c: char| c.is_ascii_digit())
    })
}

#[test]
fn lines_are_compared_by_their_headings() {
    let printed =
        "142k requests/s; p99 ~12.1 ms, limited\nown share  94 %\nverdict    qualified\n";
    let same =
        ["no answer with p99 < 1 ms", ELLIPSIS, "own share  12 % of p50", "  more", "verdict"];
    assert_eq!(missing(&same, printed), Vec::<&str>::new());
    assert_eq!(missing(&["warning    few-samples: p99"], printed), Vec::<&str>::new());
    assert_eq!(missing(&["fairness   41 to 43"], printed), ["fairness"]);
    assert_eq!(heading("{\"ready\":true,\"addr\":\"127.0.0.1:9\"}"), Some("ready"));
}
