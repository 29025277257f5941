//! The text below the flags in `--help`, taken apart for a manual page: [`Parts`]. A paragraph whose
//! first line is a heading like `Examples:` is a [`Section`] of items, two spaces deep each: a tag, and
//! after two or more spaces, or deeper on the next line, what it means.

/// All of the text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    /// Paragraphs without a heading.
    pub(crate) paragraphs: Vec<String>,
    /// The others, in the order of a manual page.
    pub(crate) sections: Vec<Section>,
}

/// A heading with its items.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Section {
    /// In capitals, as in a manual page.
    pub(crate) heading: String,
    pub(crate) items: Vec<Item>,
}

/// A tag and its meaning.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Item {
    /// One line, or more if they end with a backslash.
    pub(crate) tag: Vec<String>,
    /// Empty if there is none.
    pub(crate) text: String,
}

/// The heading of commands to copy.
pub(crate) const EXAMPLES: &str = "EXAMPLES";

/// The order of man-pages(7). Others come first.
const ORDER: [&str; 4] = ["EXIT STATUS", "ENVIRONMENT", "FILES", EXAMPLES];

impl Parts {
    pub(crate) fn parse(text: &str) -> Self {
        let mut parts = Self::default();
        for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
            match Section::parse(paragraph) {
                Some(section) => parts.sections.push(section),
                None => parts.paragraphs.push(joined(paragraph)),
            }
        }
        let place = |section: &Section| ORDER.iter().position(|name| *name == section.heading);
        parts.sections.sort_by_key(place);
        parts
    }
}

fn joined(lines: &str) -> String {
    lines.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Section {
    fn parse(paragraph: &str) -> Option<Self> {
        let (heading, lines) = paragraph.trim_matches('\n').split_once('\n')?;
        let heading = heading.strip_suffix(':')?;
        if !lines.lines().all(|line| line.starts_with("  ")) {
            return None;
        }
        let heading = match heading {
            "Exit codes" => "EXIT STATUS".to_owned(),
            other => other.to_uppercase(),
        };
        Some(Self { heading, items: items(lines) })
    }
}

fn items(lines: &str) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for line in lines.lines().filter_map(|line| line.strip_prefix("  ")) {
        match items.last_mut().filter(|_| line.starts_with(' ')) {
            Some(item) if item.goes_on() => item.tag.push(line.trim_end().to_owned()),
            Some(item) => {
                let space = if item.text.is_empty() { "" } else { " " };
                item.text = format!("{}{space}{}", item.text, line.trim());
            }
            None => {
                let (tag, text) = line.split_once("  ").unwrap_or((line, ""));
                let tag = vec![tag.trim_end().to_owned()];
                items.push(Item { tag, text: text.trim().to_owned() });
            }
        }
    }
    items
}

impl Item {
    /// Whether the next line belongs to the tag.
    fn goes_on(&self) -> bool {
        self.text.is_empty() && self.tag.last().is_some_and(|line| line.ends_with('\\'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_items_and_paragraphs_are_told_apart() {
        let parts = Parts::parse(
            "Examples:\n  prog -a 1     one\n  prog --long \\\n       --second 2\n      two\n      \
             words\n  prog\n\nSome words\nover lines: no heading.\n\nExit codes:\n  0    done\n  \
             130  interrupted,\n       or so\n\nNo items:\nat all\n",
        );
        let item = |tag: &[&str], text: &str| Item {
            tag: tag.iter().map(ToString::to_string).collect(),
            text: text.to_owned(),
        };
        assert_eq!(
            parts.paragraphs,
            ["Some words over lines: no heading.", "No items: at all"]
        );
        let status = vec![item(&["0"], "done"), item(&["130"], "interrupted, or so")];
        let examples = vec![
            item(&["prog -a 1"], "one"),
            item(&["prog --long \\", "     --second 2"], "two words"),
            item(&["prog"], ""),
        ];
        assert_eq!(
            parts.sections,
            [
                Section { heading: "EXIT STATUS".into(), items: status },
                Section { heading: EXAMPLES.into(), items: examples },
            ]
        );
    }
}
