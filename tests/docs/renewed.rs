//! Writes into a page what its commands print now: [`renewed`].

use crate::carried_out::Done;
use crate::page::{ELLIPSIS, Page};
use crate::shown::heading;

/// The text of the page with new output in the blocks that were carried out. A command without
/// output on the page stays without; where the page leaves lines out, those are left out again.
pub(crate) fn renewed(page: &Page, done: &[Option<Vec<Done>>]) -> String {
    let mut text = page.text.clone();
    for ((block, commands), done) in page.carried_out().iter().zip(done) {
        let Some(done) = done.as_ref().filter(|_| block.language == "console") else {
            continue;
        };
        let mut new = String::new();
        for (command, done) in commands.iter().zip(done) {
            new.push_str("$ ");
            new.push_str(&command.typed);
            new.push('\n');
            let printed =
                if done.stdout.trim().is_empty() { &done.stderr } else { &done.stdout };
            // What went wrong is no example.
            let lines = if done.is_successful() {
                output(&command.shown, printed)
            } else {
                command.shown.clone()
            };
            for line in lines {
                new.push_str(line.trim_end());
                new.push('\n');
            }
        }
        text = text.replacen(block.text, &new, 1);
    }
    text
}

fn output<'a>(shown: &[&'a str], printed: &'a str) -> Vec<&'a str> {
    let printed: Vec<&str> = printed.lines().collect();
    match shown {
        [] => return Vec::new(),
        [ELLIPSIS] => return printed,
        _ if !shown.contains(&ELLIPSIS) => return printed,
        _ => {}
    }
    let (mut lines, mut at, mut shown) = (Vec::new(), 0, shown);
    // The answer, whatever it is: what comes before the first empty line.
    if let Some(answer) = printed.iter().position(|line| line.is_empty())
        && shown[0] != ELLIPSIS
    {
        lines.extend_from_slice(&printed[..answer]);
        at = answer;
        let is_end = |line: &&str| line.is_empty() || *line == ELLIPSIS;
        shown = &shown[shown.iter().position(is_end).unwrap_or(shown.len())..];
    }
    for line in shown {
        if *line == ELLIPSIS {
            lines.push(ELLIPSIS);
            continue;
        }
        let rest = &printed[at..];
        let found = if is_more(line) {
            // It continues what was just taken.
            rest.first().is_some_and(|next| is_more(next)).then_some(0)
        } else {
            rest.iter().position(|next| !is_more(next) && key(next) == key(line))
        };
        if let Some(found) = found {
            lines.push(rest[found]);
            at += found + 1;
        }
    }
    lines
}

fn is_more(line: &str) -> bool {
    line.starts_with(char::is_whitespace)
}

/// What tells a line from others: its heading, or else whatever it begins with, as the head of a
/// ranking does with `#`.
fn key(line: &str) -> Option<&str> {
    let begin = line.split_whitespace().next();
    heading(line).filter(|_| begin != Some("#")).or(begin)
}

#[test]
fn what_a_page_leaves_out_is_left_out_again() {
    let printed =
        "9 requests/s\nlimited\n\nembedded\nclosed loop\n  more\nverdict  good\nend\n";
    let shown = ["1 requests/s", ELLIPSIS, "closed", "  less", ELLIPSIS, "verdict"];
    let lines = [
        "9 requests/s",
        "limited",
        ELLIPSIS,
        "closed loop",
        "  more",
        ELLIPSIS,
        "verdict  good",
    ];
    assert_eq!(output(&shown, printed), lines);
    assert_eq!(output(&[], printed), Vec::<&str>::new());
    assert_eq!(output(&["old"], "new\n"), ["new"]);
    assert_eq!(output(&[ELLIPSIS], "new\n"), ["new"]);
}
