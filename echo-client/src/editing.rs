//! The terminal's modes while a line is edited: [`Editing`] sets them again after the program
//! was stopped. Whoever has the terminal in between leaves it in modes of its own, and the
//! editor sets its own only where it is the one that stops the program, and then not surely
//! after it: a signal to a process need not stop the sending thread at once.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Has the editor draw its line anew: text that brackets what is pasted, as the editor asks
/// of the terminal, and leaves the cursor where it was.
pub(crate) const REDRAW: &str = "\x1b[?2004h\x1b[A\n";

/// The modes of the terminal while a line is edited, `None` while none is. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Editing(Arc<Mutex<Option<Termios>>>);

impl Editing {
    /// Remembers the modes, once for each line: the editor has set them.
    pub(crate) fn began(&self) {
        self.with(|modes| {
            if modes.is_none() {
                let now = tcgetattr(io::stdin()).ok();
                // Where lines come whole there is nothing to set.
                *modes = now.filter(|now| !now.local_modes.contains(LocalModes::ICANON));
            }
        });
    }

    /// Forgets them: the editor has set back those of before.
    pub(crate) fn ended(&self) {
        self.with(|modes| *modes = None);
    }

    /// Sets them again if a line is edited; whether one is, and has to be drawn anew.
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
