//! What text is laid out for: [`Screen`].

/// A terminal of some width, or a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    columns: Option<usize>,
    ascii: bool,
}

impl Screen {
    /// A file or a pipe: each fact is on one line, however long, and tables have all of their
    /// columns. Sentences that explain are filled up to 80 columns.
    pub const FILE: Self = Self { columns: None, ascii: false };

    /// Columns of a terminal that says nothing of its width, and that sentences are filled up to.
    pub const USUAL: usize = 80;

    /// Fewer columns than that hold no table.
    const LEAST: usize = 40;

    /// A terminal with so many columns; 40 at least.
    pub fn of_columns(columns: usize) -> Self {
        Self { columns: Some(columns.max(Self::LEAST)), ..Self::FILE }
    }

    /// The same without characters that are not ASCII in drawings.
    #[must_use]
    pub fn in_ascii(self) -> Self {
        Self { ascii: true, ..self }
    }

    /// Whether drawings are to be ASCII.
    pub fn is_ascii(self) -> bool {
        self.ascii
    }

    /// Columns of a line; `None`: as many as it takes.
    pub fn columns(self) -> Option<usize> {
        self.columns
    }

    /// Columns that sentences are filled up to.
    pub(super) fn filled(self) -> usize {
        self.columns.unwrap_or(Self::USUAL).min(Self::USUAL)
    }
}
