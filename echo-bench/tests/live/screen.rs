//! A terminal that a test looks at: [`Screen`], a tmux server of its own.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use echo_test_support::program::third_party_or_skip;
use tempfile::TempDir;

/// How long anything here may take on a machine that has much to do.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// A terminal in which a shell waits for commands. Its server ends with it.
pub(crate) struct Screen {
    pub(crate) room: TempDir,
}

impl Screen {
    /// One of 80 columns and 24 rows; `None`, which is said, where there is no tmux.
    pub(crate) fn open(test: &str) -> Option<Self> {
        third_party_or_skip(test, "tmux")?;
        let screen = Self { room: tempfile::tempdir().unwrap() };
        // Without a start-up file of anybody's.
        let shell =
            "env -u NO_COLOR -u COLUMNS LC_ALL=C.UTF-8 PS1='ready> ' bash --norc --noprofile";
        let new = ["new-session", "-d", "-x", "80", "-y", "24", shell];
        let status = screen.command(&new).current_dir(screen.room.path()).status().unwrap();
        assert!(status.success());
        screen.wait_for("a prompt", |text| text.contains("ready>"));
        Some(screen)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.room.path().join("tmux")).args(["-f", "/dev/null"]);
        command.args(words).stdin(Stdio::null()).env("XDG_DATA_HOME", self.room.path());
        command.env("LC_ALL", "C.UTF-8").env_remove("TMUX");
        command
    }

    fn ask(&self, words: &[&str]) -> String {
        let output = self.command(words).stderr(Stdio::inherit()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Types a line of the shell.
    pub(crate) fn run(&self, line: &str) {
        self.ask(&["send-keys", "-l", line]);
        self.press("Enter");
    }

    /// Presses a key, by tmux's name of it.
    pub(crate) fn press(&self, key: &str) {
        self.ask(&["send-keys", key]);
    }

    /// What is on the screen.
    pub(crate) fn text(&self) -> String {
        self.ask(&["capture-pane", "-p"])
    }

    /// The same with what has gone by, and lines that were wrapped in one piece.
    pub(crate) fn history(&self) -> String {
        self.ask(&["capture-pane", "-p", "-J", "-S", "-"])
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        self.ask(&["resize-window", "-x", &columns, "-y", &rows]);
    }

    /// Waits until the screen shows what is wanted.
    pub(crate) fn wait_for(&self, what: &str, is_there: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = self.text();
            if is_there(&text) {
                return text;
            }
            assert!(Instant::now() < deadline, "no {what} on the screen:\n{}", self.history());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until there is something.
    pub(crate) fn wait_until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < deadline, "no {what}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Runs a line of the shell that ends by itself, and waits for that.
    pub(crate) fn run_to_end(&self, line: &str) -> String {
        self.run(&format!("{line}; echo \"exit=$?\""));
        self.wait_for_exit()
    }

    /// Waits until a command has ended, whose exit code is printed; all that it has left.
    pub(crate) fn wait_for_exit(&self) -> String {
        self.wait_for("end", |text| {
            // And not the command that prints it, wrapped.
            let is_code = |code: &str| code.trim().parse::<u8>().is_ok();
            let mut codes = text.lines().filter_map(|line| line.strip_prefix("exit="));
            codes.any(is_code) && !self.is_taken_over()
        });
        self.history()
    }

    /// Whether a program has the whole screen.
    pub(crate) fn is_taken_over(&self) -> bool {
        self.ask(&["display-message", "-p", "#{alternate_on}"]).trim() == "1"
    }

    /// The terminal is as a shell expects it.
    pub(crate) fn assert_restored(&self) {
        assert!(!self.is_taken_over());
        self.run("clear; stty -a");
        let modes = self.wait_for("modes", |text| text.contains("icanon"));
        for mode in [" icanon", " echo ", " isig", " opost"] {
            let spaced = modes.replace('\n', " ");
            assert!(spaced.contains(mode), "no{mode} in {modes}");
        }
        let cursor = self.ask(&["display-message", "-p", "#{cursor_flag}"]);
        assert_eq!(cursor.trim(), "1", "the cursor is hidden");
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // One server for each socket: no other is meant.
        let _ = self.command(&["kill-server"]).stderr(Stdio::null()).status();
    }
}
