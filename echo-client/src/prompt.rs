//! The prompt on the terminal: [`Prompt`] reads lines with a thread of its own and prints
//! above the line that is being typed with another. Knows no connection.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::mpsc as blocking;
use std::time::{Duration, Instant};

use echo_client::SessionError;
use rustyline::error::ReadlineError;
use rustyline::{Config, DefaultEditor, ExternalPrinter, Prompt as EditorPrompt};
use tokio::sync::mpsc;

use crate::editing::Editing;
use crate::history;

/// Pieces of text that may wait to be printed.
const PRINTS_AHEAD: usize = 64;

/// How long the prompt waits at most for the word to go on: a printer that is stuck while
/// the terminal changes hands is freed by the next prompt.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the printer waits at most for the prompt to be drawn.
const DRAWING: Duration = Duration::from_secs(1);

/// How long the threads have to end when the prompt is dropped, and how often they are told.
const FAREWELL: Duration = Duration::from_secs(1);
const FAREWELL_STEP: Duration = Duration::from_millis(20);

/// What came from the keyboard.
#[derive(Debug)]
pub(crate) enum Typed {
    /// A line; the next one is read after [`Show::Prompt`].
    Line(String),
    /// Ctrl-D.
    End,
    /// Ctrl-C.
    Interrupted,
    /// The terminal is of no more use.
    Failed(String),
}

/// What is to happen on the screen, in order.
#[derive(Debug)]
pub(crate) enum Show {
    /// Whole lines.
    Text(String),
    /// The next prompt.
    Prompt,
}

/// A prompt on standard input and output, until it is dropped. The program must have a
/// handler for SIGINT: dropping uses the signal to end the reading of a line.
#[derive(Debug)]
pub(crate) struct Prompt {
    typed: mpsc::Receiver<Typed>,
    screen: Option<mpsc::Sender<Show>>,
    go_on: blocking::Sender<()>,
    /// Whether the editor changes the terminal, and so must restore it.
    edits: bool,
    editing: Editing,
    /// Each tells, by ending, that its thread has.
    reading: blocking::Receiver<()>,
    printing: blocking::Receiver<()>,
}

impl Prompt {
    /// Shows the first prompt.
    pub(crate) fn start() -> Result<Self, SessionError> {
        let failed = |error: ReadlineError| SessionError::Prompt(error.to_string());
        let config = Config::builder()
            .max_history_size(history::KEPT_LINES)
            .and_then(|config| config.history_ignore_dups(true))
            .map_err(failed)?
            .auto_add_history(true)
            .build();
        let mut editor = DefaultEditor::with_config(config).map_err(failed)?;
        // A terminal without cursor movement has none; there, text goes where the cursor is.
        let printer = editor.create_external_printer().ok();
        let edits = printer.is_some();
        let (typed_in, typed) = mpsc::channel(1);
        let (screen, shown) = mpsc::channel(PRINTS_AHEAD);
        let (go_on, may_go_on) = blocking::channel();
        let (teller, drawn) = blocking::sync_channel(1);
        let editing = Editing::default();
        let prompt = Drawn { teller, editing: editing.clone() };
        let reading =
            spawn("prompt", move || read_lines(editor, &typed_in, &may_go_on, &prompt))?;
        let word = go_on.clone();
        let printing = spawn("printer", move || print_all(printer, shown, &word, &drawn))?;
        Ok(Self { typed, screen: Some(screen), go_on, edits, editing, reading, printing })
    }

    /// Waits for the keyboard.
    pub(crate) async fn typed(&mut self) -> Typed {
        self.typed.recv().await.unwrap_or(Typed::End)
    }

    /// The modes of the terminal while a line is typed.
    pub(crate) fn editing(&self) -> Editing {
        self.editing.clone()
    }

    /// Where to show something; to be dropped before the prompt is.
    pub(crate) fn screen(&self) -> mpsc::Sender<Show> {
        self.screen.clone().expect("it is only taken when the prompt is dropped")
    }
}

impl Drop for Prompt {
    fn drop(&mut self) {
        self.typed.close();
        let _ = self.go_on.send(());
        let deadline = Instant::now() + if self.edits { FAREWELL } else { Duration::ZERO };
        while has_not_ended(&self.reading, FAREWELL_STEP) && Instant::now() < deadline {
            // While a line is read the editor handles the signal: it gives up the line and
            // restores the terminal.
            let _ = rustix::process::kill_process(
                rustix::process::getpid(),
                rustix::process::Signal::INT,
            );
        }
        // Only now: the editor looks for signals only as long as there is a printer, and
        // the printer may wait for the prompt to take its text.
        self.screen = None;
        has_not_ended(&self.printing, FAREWELL);
    }
}

/// Starts a thread; what is returned is disconnected when it has ended.
fn spawn(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> Result<blocking::Receiver<()>, SessionError> {
    let (working, ended) = blocking::channel();
    let thread = move || {
        let _until_the_end = working;
        work();
    };
    let spawned = std::thread::Builder::new().name(name.into()).spawn(thread);
    spawned.map(|_| ended).map_err(|error| SessionError::Prompt(error.to_string()))
}

fn has_not_ended(thread: &blocking::Receiver<()>, wait: Duration) -> bool {
    thread.recv_timeout(wait) == Err(blocking::RecvTimeoutError::Timeout)
}

/// The prompt as the editor knows it, which tells when it is drawn: by then the editor has
/// the terminal, and what is printed goes above the line. A moment earlier it would be
/// written right behind the prompt.
struct Drawn {
    teller: blocking::SyncSender<()>,
    editing: Editing,
}

impl EditorPrompt for Drawn {
    fn raw(&self) -> &'static str {
        // Full means that it was told before.
        let _ = self.teller.try_send(());
        self.editing.began();
        "> "
    }
}

fn read_lines(
    mut editor: DefaultEditor,
    typed: &mpsc::Sender<Typed>,
    may_go_on: &blocking::Receiver<()>,
    prompt: &Drawn,
) {
    let history = load_history(&mut editor);
    while !typed.is_closed() {
        let read = editor.readline(prompt);
        prompt.editing.ended();
        let read = match read {
            Ok(line) => Typed::Line(line),
            Err(ReadlineError::Eof) => Typed::End,
            Err(ReadlineError::Interrupted) => Typed::Interrupted,
            Err(error) => Typed::Failed(error.to_string()),
        };
        let more = matches!(read, Typed::Line(_));
        if typed.blocking_send(read).is_err() || !more {
            break;
        }
        if may_go_on.recv_timeout(PATIENCE) == Err(blocking::RecvTimeoutError::Disconnected) {
            break;
        }
    }
    if let Some(path) = history {
        // Comfort, not data: a session does not fail for want of it.
        let _ = editor.append_history(&path);
    }
}

/// Loads the history; where it is, if it can be kept.
fn load_history(editor: &mut DefaultEditor) -> Option<PathBuf> {
    let path = history::path()?;
    history::prepare(&path).ok()?;
    // A file that is no history is left alone and not added to.
    let empty = std::fs::metadata(&path).ok()?.len() == 0;
    (empty || editor.load_history(&path).is_ok()).then_some(path)
}

fn print_all(
    mut printer: Option<impl ExternalPrinter>,
    mut shown: mpsc::Receiver<Show>,
    go_on: &blocking::Sender<()>,
    drawn: &blocking::Receiver<()>,
) {
    let _ = drawn.recv_timeout(DRAWING);
    while let Some(show) = shown.blocking_recv() {
        match show {
            Show::Text(text) => print(printer.as_mut(), &text),
            Show::Prompt => {
                let _of_the_last_prompt = drawn.try_recv();
                // Fails when the prompt has ended; then nobody draws either.
                let _ = go_on.send(()).map(|()| drawn.recv_timeout(DRAWING));
            }
        }
    }
}

fn print(printer: Option<&mut impl ExternalPrinter>, text: &str) {
    // Fails when the prompt has ended before its text was printed.
    if printer.is_none_or(|printer| printer.print(text.to_owned()).is_err()) {
        print_where_the_cursor_is(text);
    }
}

fn print_where_the_cursor_is(text: &str) {
    let mut output = io::stdout().lock();
    // A terminal that is gone has nobody to tell of it.
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
}
