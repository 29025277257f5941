//! Every command of README.md and of the pages in docs/ is carried out: in a folder of its own,
//! with the programs as they were built, and in a small version (the rules are in
//! `programs/echo-bench`). It has to succeed, and to print what the page shows, numbers apart.
//!
//! `ECHO_DOCS_RENEW=FOLDER cargo test --test docs -- --test-threads 1` writes what the programs in
//! FOLDER print into the pages, without making anything small.

mod carried_out;
mod page;
mod parsed;
mod renewed;
mod scale_out;
mod shown;
mod warnings;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::Path;

use echo_test_support::promptness::best_of_three;

use carried_out::{Done, Manner, carry_out};
use page::{Command, Page};

/// The pages with commands; each is a test of its own, so that they run at once.
const PAGES: [&str; 8] = [
    "README.md",
    "docs/formats.md",
    "docs/installing.md",
    "docs/library.md",
    "docs/operations.md",
    "docs/reading-a-report.md",
    "docs/recipes.md",
    "docs/scale-out.md",
];

#[test]
fn the_commands_of_the_readme_work() {
    commands_work("README.md");
}

#[test]
fn the_commands_of_formats_work() {
    commands_work("docs/formats.md");
}

#[test]
fn the_commands_of_installing_work() {
    commands_work("docs/installing.md");
}

#[test]
fn the_commands_of_library_work() {
    commands_work("docs/library.md");
}

#[test]
fn the_commands_of_operations_work() {
    commands_work("docs/operations.md");
}

#[test]
fn the_commands_of_reading_a_report_work() {
    commands_work("docs/reading-a-report.md");
}

#[test]
fn the_commands_of_recipes_work() {
    commands_work("docs/recipes.md");
}

#[test]
fn the_commands_of_scale_out_work() {
    commands_work("docs/scale-out.md");
}

#[test]
fn every_page_is_tried() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = fs::read_dir(root.join("docs")).expect("it is part of the project");
    let files = files.map(|file| file.expect("it can be listed").path());
    let pages: BTreeSet<String> = files
        .filter(|file| file.extension().is_some_and(|ending| ending == "md"))
        .filter_map(|file| Some(format!("docs/{}", file.file_name()?.to_str()?)))
        .chain(["README.md".to_owned()])
        .collect();
    assert_eq!(pages, PAGES.map(str::to_owned).into());
}

/// Carries out a page. On a busy machine a run as short as these may come to nothing.
fn commands_work(name: &'static str) {
    let page = Page::read(name);
    parsed::assert_flags_exist(&page);
    if let Some(programs) = env::var_os("ECHO_DOCS_RENEW") {
        let (_, done) = carried_out(&page, &Manner::AsTyped(programs.into()));
        fs::write(&page.path, renewed::renewed(&page, &done)).expect("room for the page");
    } else {
        best_of_three(name, || attempt(&page));
    }
}

type Commands<'a> = Vec<Vec<Command<'a>>>;

fn carried_out<'a>(page: &'a Page, manner: &Manner) -> (Commands<'a>, Vec<Option<Vec<Done>>>) {
    let blocks: Commands<'a> =
        page.carried_out().into_iter().map(|(_, commands)| commands).collect();
    let done = carry_out(page, &blocks, manner);
    (blocks, done)
}

/// Whether each command does what the page says, or else what is wrong.
fn attempt(page: &Page) -> Result<(), String> {
    let (blocks, done) = carried_out(page, &Manner::Small);
    let commands =
        blocks.iter().zip(&done).filter_map(|(block, done)| Some((block, done.as_ref()?)));
    let commands = commands.flat_map(|(block, done)| block.iter().zip(done));
    let faults: Vec<String> =
        commands.filter_map(|(command, done)| fault(command, done)).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

/// What is wrong with a command of a page.
fn fault(command: &Command<'_>, done: &Done) -> Option<String> {
    let printed = format!("{}{}", done.stdout, done.stderr);
    let missing = shown::missing(&command.shown, &printed);
    if done.is_successful() && missing.is_empty() {
        return None;
    }
    let what = match done.code {
        Some(_) if done.is_successful() => {
            format!("the page shows {missing:?}, which is not printed")
        }
        Some(code) => format!("exit code {code}"),
        None => "it did not end".into(),
    };
    Some(format!("$ {}\n{what}; printed:\n{printed}", command.typed))
}
