//! An input of a fuzz target: [`Input`], bytes under test and what is drawn beside them.

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub(super) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// A byte of the end; 0 when nothing is left.
    pub(super) fn byte(&mut self) -> u8 {
        let Some((&last, rest)) = self.rest.split_last() else { return 0 };
        self.rest = rest;
        last
    }

    /// One of `choices`.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()]
    }

    /// The lengths of some pieces, which a stream is cut into again and again.
    pub(super) fn lengths(&mut self) -> Vec<usize> {
        let count = self.byte() % 8;
        (0..count).map(|_| usize::from(self.byte())).collect()
    }

    /// What has not been drawn.
    pub(super) fn rest(self) -> &'a [u8] {
        self.rest
    }
}

/// `stream` cut into pieces of these lengths, again and again; all of it without any.
pub(super) fn pieces<'a>(mut stream: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    // Of lengths that are all zero nothing would come.
    if lengths.iter().all(|&length| length == 0) {
        return vec![stream];
    }
    for &length in lengths.iter().cycle() {
        if stream.is_empty() {
            break;
        }
        let (piece, rest) = stream.split_at(length.min(stream.len()));
        pieces.push(piece);
        stream = rest;
    }
    pieces
}
