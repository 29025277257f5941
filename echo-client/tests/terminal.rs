//! The client at a terminal, as a user sees it: a pseudo-terminal stands for the real one.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use echo_test_support::one_connection::{answer_lines, echo_bytes, echo_lines, serve};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// In the home directory.
const HISTORY: &str = ".local/state/echo-client/history";

const PATIENCE: Duration = Duration::from_secs(10);

/// A client on a terminal, and what the terminal was told so far.
struct Session {
    client: Child,
    keyboard: File,
    /// Kept open, so that the terminal outlives the client.
    terminal: OwnedFd,
    screen: Receiver<Vec<u8>>,
    seen: Vec<u8>,
    home: tempfile::TempDir,
}

impl Session {
    fn start(arguments: &[&str]) -> Self {
        Self::start_on("xterm", arguments, tempfile::tempdir().unwrap())
    }

    fn start_on(kind: &str, arguments: &[&str], home: tempfile::TempDir) -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY;
        let terminal = rustix::fs::open(name, flags, Mode::empty()).unwrap();
        let client = Command::new(env!("CARGO_BIN_EXE_echo-client"))
            .args(arguments)
            .env_clear()
            .env("TERM", kind)
            .env("HOME", home.path())
            .stdin(terminal.try_clone().unwrap())
            .stdout(terminal.try_clone().unwrap())
            .stderr(terminal.try_clone().unwrap())
            // Ctrl-Z stops all of the client's process group.
            .process_group(0)
            .spawn()
            .unwrap();
        let keyboard = File::from(keyboard);
        let (sink, screen) = channel();
        let mut reader = keyboard.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = reader.read(&mut buffer) {
                if sink.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { client, keyboard, terminal, screen, seen: Vec::new(), home }
    }

    fn type_in(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the screen shows `text`, and forgets all up to there.
    fn expect(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = find(&self.seen, text) {
                self.seen.drain(..at + text.len());
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.screen.recv_timeout(left) {
                Ok(more) => self.seen.extend_from_slice(&more),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no `{text}` in {:?}", String::from_utf8_lossy(&self.seen))
                }
            }
        }
    }

    fn signal(&self, name: &str) {
        let id = self.client.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits until the client is stopped, then does to the terminal what a shell does that
    /// takes it over: `modes` are those of before the prompt.
    fn await_stop(&self, modes: &Termios) {
        let path = format!("/proc/{}/stat", self.client.id());
        wait_until("stopped", || {
            let state = std::fs::read_to_string(&path).unwrap();
            state.rsplit(')').next().unwrap().starts_with(" T")
        });
        tcsetattr(&self.terminal, OptionalActions::Now, modes).unwrap();
    }

    fn edits(&self) -> bool {
        !tcgetattr(&self.terminal).unwrap().local_modes.contains(LocalModes::ICANON)
    }

    /// Waits for the end; all that was shown since the last expectation.
    fn end(mut self) -> (ExitStatus, String, tempfile::TempDir) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.client.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                self.client.kill().unwrap();
                panic!("still running: {:?}", String::from_utf8_lossy(&self.seen));
            }
            std::thread::yield_now();
        };
        let modes = tcgetattr(&self.terminal).unwrap().local_modes;
        assert!(
            modes.contains(LocalModes::ICANON | LocalModes::ECHO),
            "the terminal is restored"
        );
        drop(self.terminal);
        while let Ok(more) = self.screen.recv_timeout(PATIENCE) {
            self.seen.extend_from_slice(&more);
        }
        (status, String::from_utf8_lossy(&self.seen).into_owned(), self.home)
    }
}

#[track_caller]
fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not {what} in time");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn find(text: &[u8], part: &str) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part.as_bytes())
}

#[test]
fn talks_at_a_prompt_until_ctrl_d() {
    let (address, server) = serve(echo_lines);
    let mut session = Session::start(&[&address]);
    session.expect(&format!("connected to {address}, protocol line (Ctrl-D to exit)"));
    session.expect("> ");
    session.type_in("hello\r");
    session.expect("< ECHO: hello\r\n");
    session.expect("> ");
    session.type_in("\r");
    session.expect("< ECHO: \r\n");
    session.expect("> ");
    session.type_in("\x04");
    let (status, _, _) = session.end();
    assert_eq!(status.code(), Some(0));
    server.join().unwrap();
}

#[test]
fn keeps_a_history_that_only_its_owner_can_read() {
    let (address, _server) = serve(echo_lines);
    let mut session = Session::start(&["-q", &address]);
    session.expect("> ");
    session.type_in("to remember\r");
    session.expect("< ECHO: to remember");
    session.expect("> ");
    session.type_in("\x04");
    let (_, _, home) = session.end();
    let mode = home.path().join(HISTORY).metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let (address, _server) = serve(echo_lines);
    let mut session = Session::start_on("xterm", &["-q", &address], home);
    session.expect("> ");
    session.type_in("\x1b[A\r"); // The key that goes up.
    session.expect("< ECHO: to remember");
    session.expect("> ");
    session.type_in("\x04");
    session.end();
}

#[test]
fn what_comes_unasked_is_printed_above_the_line_being_typed() {
    let (say, to_say) = channel::<&'static [u8]>();
    let (address, _server) = serve(move |mut stream| {
        while let Ok(text) = to_say.recv() {
            stream.write_all(text).unwrap();
        }
        stream
    });
    let mut session = Session::start(&["-q", &address]);
    session.expect("> ");
    session.type_in("half a li");
    session.expect("half a li");
    say.send(b"* news\n").unwrap();
    session.expect("< * news\r\n");
    session.expect("> half a li");
    session.type_in("\x03");
    let (status, _, _) = session.end();
    assert_eq!(status.code(), Some(130));
}

#[test]
fn control_characters_never_reach_the_terminal() {
    let (address, _server) = serve(|mut stream: std::net::TcpStream| {
        stream.write_all(b"\x1b]0;owned\x07\x9b31m\xc2\x9b31m\xe2\x80\xaetxt\x00\n").unwrap();
        stream
    });
    let mut session = Session::start(&["-q", &address]);
    session.expect("\\x1b]0;owned\\x07\\x9b31m\\u{9b}31m\\u{202e}txt\\x00\r\n");
    session.expect("> ");
    session.type_in("\x04");
    let (status, shown, _) = session.end();
    assert!(shown.contains("error: 1 unsolicited reply; no request was pending"), "{shown:?}");
    assert_eq!(status.code(), Some(1));
}

#[test]
fn a_server_that_goes_away_ends_the_prompt_and_restores_the_terminal() {
    let (address, _server) = serve(|stream| answer_lines(stream, 1));
    let mut session = Session::start(&[&address]);
    session.expect("> ");
    session.type_in("a\r");
    session.expect("< ECHO: a");
    let (status, shown, _) = session.end();
    assert!(
        shown.contains("the server closed the connection; 1 of 1 requests answered\r\n"),
        "{shown:?}"
    );
    assert!(!shown.contains("error"), "nothing is lost: {shown:?}");
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_silent_server_is_given_up_and_a_signal_ends_the_prompt() {
    let (address, _open) = serve(|stream| stream);
    let mut session = Session::start(&["-q", "--timeout", "200ms", &address]);
    session.expect("> ");
    session.type_in("what was typed\r");
    let (status, shown, home) = session.end();
    let history = std::fs::read_to_string(home.path().join(HISTORY)).unwrap();
    assert!(history.contains("what was typed"), "{history:?}");
    assert!(shown.contains("no reply within 200ms; 0 of 1 requests answered"), "{shown:?}");
    assert_eq!(status.code(), Some(1));

    let (address, _open) = serve(|stream| stream);
    let mut session = Session::start(&["-q", &address]);
    session.expect("> ");
    let id = session.client.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
    assert_eq!(session.end().0.code(), Some(143));
}

#[test]
fn a_line_can_be_edited_after_the_client_was_stopped_and_went_on() {
    let (address, _server) = serve(echo_lines);
    let mut session = Session::start(&["-q", &address]);
    let before = tcgetattr(&session.terminal).unwrap();
    session.expect("> ");
    for (how, typed) in [("STOP", "one"), ("TSTP", "two"), ("Ctrl-Z", "three")] {
        session.type_in("half");
        session.expect("half");
        match how {
            "Ctrl-Z" => session.type_in("\x1a"),
            signal => session.signal(signal),
        }
        session.await_stop(&before);
        session.signal("CONT");
        wait_until(&format!("edited after {how}"), || session.edits());
        session.expect("> half");
        session.type_in(&format!("\x15{typed}\r")); // Ctrl-U takes back what was typed.
        session.expect(&format!("< ECHO: {typed}\r\n"));
        session.expect("> ");
    }
    // Where no line is edited the terminal is left alone.
    session.type_in("\x04");
    let (status, _, _) = session.end();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn raw_and_timed_replies_read_like_lines() {
    let (address, _server) = serve(echo_bytes);
    let mut session =
        Session::start(&["-q", "--protocol", "raw", "--time", "--color", "never", &address]);
    session.expect("> ");
    session.type_in("hello\r");
    session.expect("< hello  ");
    session.expect(" ms\r\n");
    session.expect("> ");
    session.type_in("\x04");
    assert_eq!(session.end().0.code(), Some(0));
}

#[test]
fn several_pasted_lines_are_several_requests() {
    let (address, _server) = serve(|stream| answer_lines(stream, 2));
    let mut session = Session::start(&["-q", &address]);
    session.expect("> ");
    session.type_in("\x1b[200~one\ntwo\nthree\x1b[201~\r");
    session.expect("< ECHO: one\r\n");
    session.expect("< ECHO: two\r\n");
    let (status, shown, _) = session.end();
    assert!(shown.contains("2 of 3 requests answered"), "{shown:?}");
    assert_eq!(status.code(), Some(1));
}

#[test]
fn lines_that_are_typed_ahead_are_all_sent() {
    let (address, server) = serve(echo_lines);
    let mut session = Session::start(&["-q", &address]);
    session.expect("> ");
    // The editor reads them in one go, and the bytes of the later lines with the first.
    session.type_in("one\rtwo\rthree\rhalf a li");
    for text in ["one", "two", "three"] {
        session.expect(&format!("< ECHO: {text}\r\n"));
    }
    session.expect("half a li");
    session.type_in("ne\r");
    session.expect("< ECHO: half a line\r\n");
    session.expect("> ");
    session.type_in("\x1b[A\x1b[A\r"); // History knows them too.
    session.expect("< ECHO: three\r\n");
    session.expect("> ");
    session.type_in("last\r\x04");
    session.expect("< ECHO: last\r\n");
    let (status, _, _) = session.end();
    assert_eq!(status.code(), Some(0));
    server.join().unwrap();
}

#[test]
fn a_terminal_without_cursor_movement_will_do() {
    let (address, _server) = serve(|stream| answer_lines(stream, 2));
    let home = tempfile::tempdir().unwrap();
    let mut session = Session::start_on("dumb", &[&address], home);
    for text in ["one", "two"] {
        session.expect("> ");
        session.type_in(&format!("{text}\r"));
        session.expect(&format!("< ECHO: {text}\r\n"));
    }
    let (status, shown, _) = session.end();
    assert!(shown.contains("the server closed the connection; 2 of 2"), "{shown:?}");
    assert_eq!(status.code(), Some(0));
}

#[test]
fn in_a_chat_the_next_line_waits_for_no_reply_and_quit_is_an_orderly_end() {
    let (address, _server) = serve(|mut stream| {
        let mut lines = std::io::BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        while !line.ends_with("/quit\n") {
            std::io::BufRead::read_line(&mut lines, &mut line).unwrap();
        }
        stream.write_all(b"bob: bye \x1b[31manna\n").unwrap();
        line
    });
    let mut session = Session::start(&["-q", "--protocol", "chat", &address]);
    for line in ["/nick anna", "hello", "/quit"] {
        session.expect("> ");
        session.type_in(&format!("{line}\r"));
    }
    session.expect("bob: bye \\x1b[31manna\r\n");
    let (status, shown, _) = session.end();
    assert_eq!(status.code(), Some(0), "{shown:?}");
    assert!(!shown.contains("error"), "{shown:?}");
}

#[test]
fn a_goodbye_to_a_server_of_commands_is_an_orderly_end() {
    let (address, server) = serve(|mut stream: std::net::TcpStream| {
        let mut asked = [0; 5];
        stream.read_exact(&mut asked).unwrap();
        asked
    });
    let mut session = Session::start(&["-q", "--protocol", "command", &address]);
    session.expect("> ");
    session.type_in("quit\r");
    let (status, shown, _) = session.end();
    assert_eq!(server.join().unwrap(), *b"quit\n");
    assert_eq!(status.code(), Some(0), "{shown:?}");
    assert!(!shown.contains("error"), "{shown:?}");
}
