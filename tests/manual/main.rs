//! Manual pages and completion scripts of the three programs, as readers and shells take them.

mod completions;
mod pages;

use std::process::{Command, Output, Stdio};

use echo_test_support::program::own_program;

/// The programs that have pages and scripts.
const PROGRAMS: [&str; 3] = ["echo-bench", "echo-client", "echo-server"];

/// What one of the programs prints.
fn printed(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(own_program(program));
    let output = command.args(arguments).env("COLUMNS", "80").output().expect("it was built");
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("it prints text")
}

/// Runs a program that is there.
fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().expect("the program was found")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
