//! Command lines for machines that a test has not got, in blocks marked `sh`: their flags exist.

use std::process::Command;
use std::time::Duration;

use echo_test_support::program::{own_program, run};

use crate::page::{Page, blocks};
use crate::scale_out::recipes;

const OWN_PROGRAMS: [&str; 3] = ["echo-bench", "echo-server", "echo-client"];

/// Asks the programs for their help with the flags of each such command line before it.
pub(crate) fn assert_flags_exist(page: &Page) {
    // What is carried out needs no such look.
    let text = match page.name {
        "README.md" => return,
        "docs/scale-out.md" => page.text.replace(recipes(&page.text), ""),
        _ => page.text.clone(),
    };
    for block in blocks(&text).iter().filter(|block| block.language == "sh") {
        for line in block.text.replace("\\\n", " ").lines() {
            for program in OWN_PROGRAMS {
                if let Some(flags) = flags_of(program, line) {
                    assert_known(page, program, flags);
                }
            }
        }
    }
}

/// What follows the program in a line, up to the end of its command.
fn flags_of<'a>(program: &str, line: &'a str) -> Option<&'a str> {
    let (before, flags) = line.split_once(&format!("{program} "))?;
    // Parts of a path or of a word.
    if before.ends_with(|c: char| !c.is_whitespace() && !"\"'(".contains(c)) {
        return None;
    }
    let ends = [" #", " &", ";", " |", "\" "].iter().filter_map(|end| flags.find(end)).min();
    Some(flags[..ends.unwrap_or(flags.len())].trim_end_matches(['"', '\'']))
}

fn assert_known(page: &Page, program: &str, flags: &str) {
    // A shell, since words may be quoted.
    let script = format!("exec {} {flags} --help", own_program(program).display());
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]);
    let done = run(&mut shell, b"", Duration::from_secs(20));
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{}: {program} {flags}: {said}", page.name);
}

#[test]
fn the_flags_of_a_command_end_where_it_ends() {
    let line = "echo-bench run $PLAN --part $K/4 --output part-$K.json &";
    assert_eq!(
        flags_of("echo-bench", line),
        Some("run $PLAN --part $K/4 --output part-$K.json")
    );
    let waits = "echo-bench agent --nats URL   # waits";
    assert_eq!(flags_of("echo-bench", waits), Some("agent --nats URL  "));
    assert_eq!(flags_of("echo-bench", "./echo-bench x"), None);
}
