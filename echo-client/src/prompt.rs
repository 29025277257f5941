//! The prompt on the terminal: [`Prompt`] reads lines on one thread and prints above the edited
//! line on another. Independent of the connection.

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

/// Maximum number of queued outputs.
const PRINTS_AHEAD: usize = 64;

/// Maximum wait of the prompt before it continues: a printer that is stuck while the program is
/// suspended is released by the next prompt.
const PATIENCE: Duration = Duration::from_secs(10);

/// Maximum wait of the printer for the prompt to be drawn.
const DRAWING: Duration = Duration::from_secs(1);

/// How long the threads may take to end when the prompt is dropped, and how often they are
/// signalled.
const FAREWELL: Duration = Duration::from_secs(1);
const FAREWELL_STEP: Duration = Duration::from_millis(20);

/// Keyboard input.
#[derive(Debug)]
pub(crate) enum Typed {
    /// A line; the next one is read after [`Show::Prompt`].
    Line(String),
    /// Ctrl-D.
    End,
    /// Ctrl-C.
    Interrupted,
    /// The terminal failed.
    Failed(String),
}

/// Output, in order.
#[derive(Debug)]
pub(crate) enum Show {
    /// Complete lines.
    Text(String),
    /// The next prompt.
    Prompt,
}

/// A prompt on standard input and output, until it is dropped. The program must handle SIGINT:
/// dropping uses the signal to interrupt the line editor.
#[derive(Debug)]
pub(crate) struct Prompt {
    typed: mpsc::Receiver<Typed>,
    screen: Option<mpsc::Sender<Show>>,
    go_on: blocking::Sender<()>,
    /// Whether the editor changes terminal modes, and so must restore them.
    edits: bool,
    editing: Editing,
    /// Each is disconnected when its thread has ended.
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
        // A terminal without cursor movement has none; there, text is printed at the cursor.
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

    /// Waits for keyboard input.
    pub(crate) async fn typed(&mut self) -> Typed {
        self.typed.recv().await.unwrap_or(Typed::End)
    }

    /// A line that was typed and not taken.
    pub(crate) fn untaken(&mut self) -> Option<String> {
        match self.typed.try_recv() {
            Ok(Typed::Line(line)) => Some(line),
            _ => None,
        }
    }

    /// The terminal modes while a line is edited.
    pub(crate) fn editing(&self) -> Editing {
        self.editing.clone()
    }

    /// A handle for output; must be dropped before the prompt.
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
            // While a line is read the editor handles the signal: it discards the line and
            // restores the terminal.
            let _ = rustix::process::kill_process(
                rustix::process::getpid(),
                rustix::process::Signal::INT,
            );
        }
        // Only now: the editor checks for signals only while there is a printer, and the
        // printer may wait for the prompt to take its text.
        self.screen = None;
        has_not_ended(&self.printing, FAREWELL);
    }
}

/// Starts a thread; the returned channel is disconnected when it has ended.
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

/// The prompt as the editor renders it, which signals when it is drawn: from then on output is
/// printed above the line. Earlier it would be printed right after the prompt.
struct Drawn {
    teller: blocking::SyncSender<()>,
    editing: Editing,
}

impl EditorPrompt for Drawn {
    fn raw(&self) -> &'static str {
        // Full means that it was already signalled.
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
        // Optional: a session must not fail because of it.
        let _ = editor.append_history(&path);
    }
}

/// Loads the history; returns its path, if it is writable.
fn load_history(editor: &mut DefaultEditor) -> Option<PathBuf> {
    let path = history::path()?;
    history::prepare(&path).ok()?;
    // A file that is not a history is not modified.
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
                // Fails when the prompt has ended, and nothing is drawn any more.
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
    // A closed terminal can't show the error.
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
}
