//! What a page shows of a command's output, compared with what the command prints now:
//! [`missing`]. Numbers differ from run to run, so each line is compared by its heading alone:
//! its first word without a digit.

use std::collections::BTreeSet;

use crate::page::ELLIPSIS;

/// Headings of lines that a run has or has not, whatever the build.
const AS_MAY_BE: [&str; 4] = ["warning", "caution", "note", "noise"];

/// The headings that `shown` has and `printed` lacks. A line that begins with a blank continues
/// the one before and has none.
pub(crate) fn missing<'a>(shown: &[&'a str], printed: &str) -> Vec<&'a str> {
    let printed: BTreeSet<&str> = printed.lines().flat_map(words).collect();
    let headings = shown.iter().filter_map(|line| heading(line));
    headings
        .filter(|heading| !AS_MAY_BE.contains(heading) && !printed.contains(heading))
        .collect()
}

/// The first word of a line that is neither a number nor its unit.
pub(crate) fn heading(line: &str) -> Option<&str> {
    if line == ELLIPSIS || line.starts_with(char::is_whitespace) {
        return None;
    }
    words(line).next()
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
        ["9k requests/s; p99 1 ms", ELLIPSIS, "own share  12 % of p50", "  more", "verdict"];
    assert_eq!(missing(&same, printed), Vec::<&str>::new());
    assert_eq!(missing(&["warning    few-samples: p99"], printed), Vec::<&str>::new());
    assert_eq!(missing(&["fairness   41 to 43"], printed), ["fairness"]);
    assert_eq!(heading("{\"ready\":true,\"addr\":\"127.0.0.1:9\"}"), Some("ready"));
}
