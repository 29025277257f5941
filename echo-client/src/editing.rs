//! Terminal modes while a line is edited: [`Editing`] restores them after the program was
//! suspended. Whatever uses the terminal meanwhile leaves it in other modes; the line editor
//! restores its own only if it suspended the program itself, and even that is racy: a signal to
//! a process need not stop the sending thread at once.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Makes the editor redraw its line: an empty bracketed paste, as the editor enables it, which
/// leaves the cursor where it was.
pub(crate) const REDRAW: &str = "\x1b[?2004h\x1b[A\n";

/// The terminal modes while a line is edited, otherwise `None`. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Editing(Arc<Mutex<Option<Termios>>>);

impl Editing {
    /// Saves the modes at the start of each line, after the editor has set them.
    pub(crate) fn began(&self) {
        self.with(|modes| {
            if modes.is_none() {
                let now = tcgetattr(io::stdin()).ok();
                // In canonical mode there is nothing to restore.
                *modes = now.filter(|now| !now.local_modes.contains(LocalModes::ICANON));
            }
        });
    }

    /// Clears them: the editor has restored the original modes.
    pub(crate) fn ended(&self) {
        self.with(|modes| *modes = None);
    }

    /// Restores them if a line is being edited; whether it is, and must be redrawn.
    pub(crate) fn resume(&self) -> bool {
        self.with(|modes| {
            modes.as_ref().is_some_and(|modes| {
                tcsetattr(io::stdin(), OptionalActions::Now, modes).is_ok()
            })
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Option<Termios>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
