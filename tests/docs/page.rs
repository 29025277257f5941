//! A page of documentation as a sequence of commands: [`Page`]. Blocks marked `console` hold
//! commands after a prompt, `$ `, each followed by what it prints; those marked `sh` hold scripts
//! for machines that a test has not got. Other blocks hold no commands.

use std::fs;
use std::path::{Path, PathBuf};

/// The prompt of a shell.
const PROMPT: &str = "$ ";

/// Stands for lines that a page leaves out.
pub(crate) const ELLIPSIS: &str = "…";

/// A page, read from the project.
pub(crate) struct Page {
    /// Its path in the project.
    pub(crate) name: &'static str,
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// A fenced block.
#[derive(Clone, Copy)]
pub(crate) struct Block<'a> {
    pub(crate) language: &'a str,
    /// What is between the fences, with the end of its last line.
    pub(crate) text: &'a str,
}

/// A command with what the page shows of its output.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Command<'a> {
    /// As typed, with the lines that continue it.
    pub(crate) typed: String,
    pub(crate) shown: Vec<&'a str>,
}

impl Page {
    pub(crate) fn read(name: &'static str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let text = fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { name, path, text }
    }

    /// The blocks whose commands are carried out, in order. The first two commands of the README
    /// are marked `sh`, and the output of one may be the block after it.
    pub(crate) fn carried_out(&self) -> Vec<(Block<'_>, Vec<Command<'_>>)> {
        let mut carried_out: Vec<(Block<'_>, Vec<Command<'_>>)> = Vec::new();
        for block in blocks(&self.text) {
            match (block.language, carried_out.last_mut()) {
                ("console", _) => carried_out.push((block, block.commands())),
                ("sh", _) if self.name == "README.md" => {
                    carried_out.push((block, block.lines()));
                }
                ("text", Some((Block { language: "sh", .. }, commands))) => {
                    let last = commands.last_mut().expect("a block is not empty");
                    last.shown = block.text.lines().collect();
                }
                _ => {}
            }
        }
        carried_out
    }
}

/// The blocks of a page or a part of it, in order.
pub(crate) fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, begun)) = rest.split_once("```") {
        let (language, inside) = begun.split_once('\n').expect("a fence ends its line");
        let (text, after) = inside.split_once("```").expect("each block is closed");
        blocks.push(Block { language, text });
        rest = after;
    }
    blocks
}

impl<'a> Block<'a> {
    /// The commands of a block marked `console`.
    pub(crate) fn commands(&self) -> Vec<Command<'a>> {
        let mut commands: Vec<Command<'a>> = Vec::new();
        let mut goes_on = false;
        for line in self.text.lines() {
            match (line.strip_prefix(PROMPT), commands.last_mut()) {
                (_, Some(last)) if goes_on => {
                    last.typed.push('\n');
                    last.typed.push_str(line);
                    goes_on = line.ends_with('\\');
                }
                (Some(typed), _) => {
                    commands.push(Command { typed: typed.to_owned(), shown: Vec::new() });
                    goes_on = typed.ends_with('\\');
                }
                (None, Some(last)) => last.shown.push(line),
                (None, None) => panic!("a block that shows output before a command: {line}"),
            }
        }
        commands
    }

    /// The lines of a block marked `sh`, each a command.
    fn lines(&self) -> Vec<Command<'a>> {
        let command = |line: &str| Command { typed: line.to_owned(), shown: Vec::new() };
        self.text.lines().map(command).collect()
    }
}

impl Command<'_> {
    /// Whether it goes on in the background.
    pub(crate) fn is_in_background(&self) -> bool {
        self.without_comment().ends_with('&')
    }

    fn without_comment(&self) -> &str {
        self.typed.split(" #").next().unwrap_or_default().trim_end()
    }

    /// The programs and files that it names, and whatever else is between blanks.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        let is_between = |c: char| c.is_whitespace() || "|;&()<>'\"`$".contains(c);
        self.without_comment().split(is_between).filter(|word| !word.is_empty())
    }
}

#[test]
fn commands_are_told_from_what_they_print() {
    let text = "\
Text.\n\n```console\n$ one \\\n    --flag\nprinted\n\n  more\n$ two &   # a comment\n```\n\
```text\n$ no command\n```\n";
    let blocks = blocks(text);
    assert_eq!(blocks.len(), 2);
    let commands = blocks[0].commands();
    assert_eq!(commands[0].typed, "one \\\n    --flag");
    assert_eq!(commands[0].shown, ["printed", "", "  more"]);
    assert!(!commands[0].is_in_background());
    assert!(commands[1].is_in_background());
    assert_eq!(commands[1].words().collect::<Vec<_>>(), ["two"]);
}
