//! Takes the terminal over and gives it back: [`enter`], [`leave`]. It is given back whatever ends
//! the view: the end of the run, an error, or a panic of any thread.

use std::io::{self, BufWriter, Stderr};
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

use crate::console;

/// Whether the terminal is ours.
static IS_OURS: AtomicBool = AtomicBool::new(false);

/// Whether a picture is being written. What is written after the terminal was given back would
/// stay in its history.
static IS_DRAWING: AtomicBool = AtomicBool::new(false);

/// Longest that is waited for a picture when the terminal is given back.
const PATIENCE: Duration = Duration::from_millis(200);

/// What pictures are written to: stderr, as all progress is, so that stdout is for results.
pub(super) type Drawn = Terminal<CrosstermBackend<BufWriter<Stderr>>>;

/// Takes the terminal over. What is said on stderr from now on is held back until it is given back.
///
/// # Errors
/// When it can't be.
pub(super) fn enter() -> io::Result<Drawn> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panicked| {
            leave();
            before(panicked);
        }));
    });
    enable_raw_mode()?;
    console::hold();
    IS_OURS.store(true, Ordering::Release);
    let entered = execute!(io::stderr(), EnterAlternateScreen, Hide)
        .and_then(|()| Terminal::new(CrosstermBackend::new(BufWriter::new(io::stderr()))));
    entered.inspect_err(|_| leave())
}

/// Draws, unless the terminal was given back.
pub(super) fn draw_on(
    terminal: &mut Drawn,
    draw: impl FnOnce(&mut ratatui::Frame<'_>),
) -> io::Result<()> {
    IS_DRAWING.store(true, Ordering::SeqCst);
    let drawn =
        if IS_OURS.load(Ordering::SeqCst) { terminal.draw(draw).map(drop) } else { Ok(()) };
    IS_DRAWING.store(false, Ordering::SeqCst);
    drawn
}

/// Has the next picture drawn whole. Not by `clear`, which asks the terminal on stdout where its
/// cursor is.
pub(super) fn repaint(terminal: &mut Drawn) -> io::Result<()> {
    let size = terminal.size()?;
    terminal.resize(size.into())
}

/// Gives the terminal back, and says what was held back. Of several calls the first does.
pub(super) fn leave() {
    if !IS_OURS.swap(false, Ordering::SeqCst) {
        return;
    }
    let deadline = Instant::now() + PATIENCE;
    // The thread that draws may be the one that panicked, and is not waited for long.
    while IS_DRAWING.load(Ordering::SeqCst) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    // There is nothing else to be done about a terminal that is gone.
    let _ = execute!(io::stderr(), Show, LeaveAlternateScreen);
    let _ = disable_raw_mode();
    console::release();
}
