//! The full-screen view of a run while it goes (`--live`): [`FullScreen`], a thread that draws what
//! it hears and reads keys. It measures nothing, no request waits for it, and it takes the lowest
//! priority that there is without privileges.
//!
//! Its state (`View`) and what is drawn of it (`draw`) know no terminal.

mod clock;
mod draw;
mod event;
mod feed;
mod run;
mod series;
mod stage_names;
mod state;
mod terminal;
mod theme;
mod together;
mod totals;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use echo_net::cpu;
use ratatui::crossterm::event::{
    self as input, Event as Input, KeyCode, KeyEvent, KeyEventKind, KeyModifiers,
};
use rustix::process::{Signal, getpid, kill_process};

use crate::console;

pub use event::{Begun, Event, Moment, Session};
pub use feed::{Feed, Followed, Watched};
pub(crate) use stage_names::StageNames;
use state::{Key, View};
use terminal::Drawn;
use theme::Theme;
pub use together::Together;
pub use totals::Totals;

/// Events that wait for the view at most. Each piece of a run is a megabyte at worst.
const ROOM: usize = 64;

/// How often the view looks for keys and events.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How often it draws at most, but for keys and another size.
const DRAW_EVERY: Duration = Duration::from_millis(250);

/// The lowest priority.
const NICE: i32 = 19;

/// The view, which has the terminal for as long as this lives.
#[derive(Debug)]
pub struct FullScreen {
    feed: Feed,
    is_over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
    began: Instant,
}

impl FullScreen {
    /// Opens the view if it is `wanted`. Where stderr is no terminal that can show one it says so,
    /// and there is none.
    ///
    /// # Errors
    /// When the terminal can't be taken over.
    pub fn open(wanted: bool) -> io::Result<Option<Self>> {
        if !wanted {
            return Ok(None);
        }
        if !console::is_stderr_live() {
            console::tell(
                "note: --live needs a terminal on stderr, and not TERM=dumb: ordinary progress \
                 instead",
            );
            return Ok(None);
        }
        let theme = Theme {
            colours: console::has_colours(),
            ascii: console::screen_of_stderr().is_ascii(),
        };
        let (sender, events) = sync_channel(ROOM);
        let (lost, cpu_ns) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let is_over = Arc::<AtomicBool>::default();
        let feed = Feed::new(sender, Arc::clone(&lost), Arc::clone(&cpu_ns));
        let terminal = terminal::enter()?;
        let drawing = Drawing {
            terminal,
            theme,
            events,
            view: View::default(),
            lost,
            cpu_ns,
            is_over: Arc::clone(&is_over),
            began: Instant::now(),
            notes: 0,
            has_input: true,
        };
        let thread = thread::Builder::new().name("live-view".into());
        let thread = thread.spawn(move || drawing.until_over());
        let thread = thread.inspect_err(|_| terminal::leave())?;
        Ok(Some(Self { feed, is_over, thread: Some(thread), began: Instant::now() }))
    }

    /// Where runs are told of.
    pub fn feed(&self) -> Feed {
        self.feed.clone()
    }

    /// Gives the terminal back, with all that was said meanwhile. Cores that the view kept busy.
    pub fn close(mut self) -> f64 {
        self.end();
        self.feed.cpu().as_secs_f64() / self.began.elapsed().as_secs_f64().max(1e-9)
    }

    fn end(&mut self) {
        self.is_over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // Its panic was reported when it came, and the run has gone on.
            drop(thread.join());
        }
        terminal::leave();
    }
}

impl Drop for FullScreen {
    fn drop(&mut self) {
        self.end();
    }
}

/// The thread that draws.
struct Drawing {
    terminal: Drawn,
    theme: Theme,
    events: Receiver<Event>,
    view: View,
    lost: Arc<AtomicU64>,
    cpu_ns: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    began: Instant,
    /// Remarks that are known.
    notes: usize,
    /// Whether there are keys to be read.
    has_input: bool,
}

impl Drawing {
    fn until_over(mut self) {
        // Where it may not yield, it draws all the same.
        let _ = rustix::process::setpriority_process(None, NICE);
        let (mut is_new, mut drawn_at) = (true, None::<Instant>);
        while !self.is_over.load(Ordering::Acquire) {
            let pressed = self.keys();
            is_new |= self.hear() | pressed;
            let is_due = drawn_at.is_none_or(|at| at.elapsed() >= DRAW_EVERY);
            if pressed || (is_new && is_due) {
                self.draw();
                (is_new, drawn_at) = (false, Some(Instant::now()));
            }
            self.cpu_ns.store(cpu::thread_cpu_ns(), Ordering::Relaxed);
        }
    }

    fn draw(&mut self) {
        let elapsed = self.began.elapsed().as_secs_f64();
        let busy = cpu::thread_cpu_ns() as f64 / 1e9 / elapsed.max(1e-9);
        self.view.cost(Some(busy), self.lost.load(Ordering::Relaxed));
        let (view, theme) = (&self.view, self.theme);
        // A terminal that is gone is told by a signal.
        let _ = terminal::draw_on(&mut self.terminal, |frame| draw::draw(frame, view, theme));
    }

    /// Takes in all that was told. Whether there was anything.
    fn hear(&mut self) -> bool {
        let mut is_new = false;
        while let Ok(event) = self.events.try_recv() {
            self.view.hear(event);
            is_new = true;
        }
        let notes = console::held_from(self.notes);
        self.notes += notes.len();
        is_new |= !notes.is_empty();
        self.view.note(notes);
        is_new
    }

    /// Waits for keys a while. Whether there was one, or another size.
    fn keys(&mut self) -> bool {
        let mut has_pressed = false;
        let mut wait = LOOK_EVERY;
        loop {
            if !self.has_input {
                thread::sleep(wait);
                return has_pressed;
            }
            match input::poll(wait).and_then(|is_there| is_there.then(input::read).transpose())
            {
                Ok(None) => return has_pressed,
                Ok(Some(input)) => self.take(&input),
                Err(_) => self.has_input = false,
            }
            has_pressed = true;
            wait = Duration::ZERO;
        }
    }

    fn take(&mut self, input: &Input) {
        let Input::Key(key) = input else { return };
        if key.kind == KeyEventKind::Release {
            return;
        }
        if is_control(key, 'l') {
            // Whatever else has written to the terminal is painted over.
            let _ = terminal::repaint(&mut self.terminal);
            return;
        }
        let Some(key) = meaning(key) else { return };
        if self.view.press(key) {
            // As the terminal does where keys are not read one by one.
            let _ = kill_process(getpid(), Signal::INT);
        }
    }
}

fn is_control(key: &KeyEvent, letter: char) -> bool {
    key.code == KeyCode::Char(letter) && key.modifiers.contains(KeyModifiers::CONTROL)
}

fn meaning(key: &KeyEvent) -> Option<Key> {
    if is_control(key, 'c') {
        return Some(Key::Stop);
    }
    let is_plain = !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    match key.code {
        KeyCode::Char('p' | ' ') if is_plain => Some(Key::Pause),
        KeyCode::Char('c') if is_plain => Some(Key::Clock),
        KeyCode::Char('q') if is_plain => Some(Key::Stop),
        KeyCode::Char('?' | 'h') if is_plain => Some(Key::Help),
        KeyCode::Esc => Some(Key::Back),
        _ => None,
    }
}
