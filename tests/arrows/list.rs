//! The list in ARCHITECTURE.md: [`List`], a fenced block with the language `arrows`.

use std::fmt::Write as _;

use crate::source::Arrows;

/// The dependencies that ARCHITECTURE.md allows, per crate.
#[derive(Debug, PartialEq)]
pub(crate) struct List(pub(crate) Vec<(String, Arrows)>);

impl List {
    /// Parses `[folder of a crate]`, then `module -> module, module` for each module that uses
    /// others; a line that begins with a space continues the previous one.
    pub(crate) fn parse(document: &str) -> Self {
        let block =
            document.split_once("```arrows\n").and_then(|(_, rest)| rest.split_once("```"));
        let (block, _) = block.expect("ARCHITECTURE.md has a block of arrows");
        let mut crates: Vec<(String, Arrows)> = Vec::new();
        for line in block.replace("\n ", " ").lines().filter(|line| !line.trim().is_empty()) {
            if let Some(folder) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']'))
            {
                crates.push((folder.to_owned(), Arrows::new()));
                continue;
            }
            let (from, to) =
                line.split_once("->").unwrap_or_else(|| panic!("no arrow: {line}"));
            let to = to.split(',').map(|module| module.trim().to_owned()).collect();
            let (_, arrows) = crates.last_mut().expect("the folder of the crate comes first");
            let twice = arrows.insert(from.trim().to_owned(), to);
            assert!(twice.is_none(), "two lines for {from}");
        }
        Self(crates)
    }
}

/// A crate's dependencies in the format of the list.
pub(crate) fn listed(folder: &str, arrows: &Arrows) -> String {
    let mut text = format!("[{folder}]\n");
    for (from, to) in arrows {
        let mut line = format!("{from} ->");
        for (place, module) in to.iter().enumerate() {
            let comma = if place + 1 < to.len() { "," } else { "" };
            if line.len() + module.len() > 96 {
                let _ = writeln!(text, "{line}");
                line = String::from("   ");
            }
            let _ = write!(line, " {module}{comma}");
        }
        let _ = writeln!(text, "{line}");
    }
    text
}
