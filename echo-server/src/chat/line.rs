//! A line that mailboxes share: [`Line`]; as an entry of one of them: [`Queued`]; and the memory
//! of all lines and entries of a room: [`Held`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Memory of a line besides its text: two allocations and their counts.
const LINE: usize = 64;

/// Memory of an entry of a queue, which may be allocated twice as large as needed.
const ENTRY: usize = 16;

/// Bytes that the lines of a room occupy. A line counts once, however many members have it
/// queued, and each entry of a queue a little.
#[derive(Debug, Default)]
pub(super) struct Held(AtomicUsize);

impl Held {
    /// Bytes held now.
    pub(super) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    fn release(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A line, with its newline. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Line(Arc<SharedLine>);

#[derive(Debug)]
struct SharedLine {
    text: Box<str>,
    held: Arc<Held>,
}

impl Drop for SharedLine {
    fn drop(&mut self) {
        self.held.release(self.text.len() + LINE);
    }
}

impl Line {
    /// A line that is counted in `held` until its last clone is dropped.
    pub(super) fn new(text: &str, held: &Arc<Held>) -> Self {
        held.add(text.len() + LINE);
        Self(Arc::new(SharedLine { text: text.into(), held: Arc::clone(held) }))
    }

    /// Its text.
    pub(super) fn text(&self) -> &str {
        &self.0.text
    }

    /// An entry of a queue.
    pub(super) fn queued(self) -> Queued {
        self.0.held.add(ENTRY);
        Queued(self)
    }
}

/// A line in a queue.
#[derive(Debug)]
pub(super) struct Queued(Line);

impl Queued {
    /// Its text.
    pub(super) fn text(&self) -> &str {
        self.0.text()
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.0.0.held.release(ENTRY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_counts_once_until_the_last_queue_has_let_it_go() {
        let held = Arc::new(Held::default());
        let line = Line::new("0123456789", &held);
        let [first, second] = [line.clone().queued(), line.queued()];
        assert_eq!(held.bytes(), 10 + LINE + 2 * ENTRY);
        assert_eq!(first.text(), second.text());
        drop(first);
        assert_eq!(held.bytes(), 10 + LINE + ENTRY);
        drop(second);
        assert_eq!(held.bytes(), 0);
    }
}
