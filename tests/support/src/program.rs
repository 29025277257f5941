//! Finds and runs programs: our own, built by the same cargo call as this test, and third-party
//! ones, whose absence is always reported.

use std::fmt::Display;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The path of one of the workspace's own programs.
pub fn own_program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    let profile = test.parent().and_then(Path::parent).expect("tests are in <profile>/deps");
    let program = profile.join(name);
    assert!(
        program.is_file(),
        "{} is missing; build it first: cargo build --bin {name}{}",
        program.display(),
        if cfg!(debug_assertions) { "" } else { " --release" },
    );
    program
}

/// A command for a third-party program. If it can't be found, prints a line that `tests/run.sh`
/// collects, and the test should return.
pub fn third_party_or_skip(test: &str, program: &str) -> Option<Command> {
    let present = match program {
        // Other programs of this name lack -N and -C.
        "nc" => Command::new("nc")
            .arg("-h")
            .output()
            .is_ok_and(|help| String::from_utf8_lossy(&help.stderr).contains("OpenBSD netcat")),
        _ => std::env::var_os("PATH").is_some_and(|path| {
            std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
        }),
    };
    if present {
        return Some(Command::new(program));
    }
    tell_skipped(test, format_args!("{program} not found"));
    None
}

/// A process that is killed when this is dropped.
#[derive(Debug)]
pub struct Killed(Child);

impl Killed {
    /// Starts it.
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().expect("the program can be started"))
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        // Fails only for one that has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The library of faketime(1), which replaces the clock of a process; reported as skipped if it is
/// missing.
pub fn faketime_or_skip(test: &str) -> Option<PathBuf> {
    let library =
        format!("/usr/lib/{}-linux-gnu/faketime/libfaketimeMT.so.1", std::env::consts::ARCH);
    let library = Some(PathBuf::from(library)).filter(|library| library.is_file());
    if library.is_none() {
        tell_skipped(test, "libfaketime not found");
    }
    library
}

/// Reports that a test, or a part of it, is skipped, in a line that `tests/run.sh` collects.
pub fn tell_skipped(test: &str, reason: impl Display) {
    // Not eprintln!, which is captured and not shown for a test that passes.
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {reason}");
}

/// Whether this process ignores SIGHUP, as under nohup(1), and with it the programs that it starts.
pub fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & 1 != 0)
}

/// Runs `command` with `input` on its standard input; kills it at the deadline.
pub fn run(command: &mut Command, input: &[u8], at_most: Duration) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("starting {command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_vec();
    // A program that exits early closes the pipe; the test checks its exit code.
    let writing = thread::spawn(move || stdin.write_all(&input).is_ok());
    let stdout = collect(child.stdout.take().expect("piped"));
    let stderr = collect(child.stderr.take().expect("piped"));
    let in_time = wait(&mut child, at_most);
    if in_time.is_none() {
        let _ = child.kill();
    }
    let status = child.wait().expect("it was started");
    let _ = writing.join();
    let stdout = stdout.join().expect("reading does not panic");
    let stderr = stderr.join().expect("reading does not panic");
    assert!(
        in_time.is_some(),
        "{command:?} still ran after {at_most:?}\nstdout: {}\nstderr: {}",
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr),
    );
    Output { status, stdout, stderr }
}

/// The exit of a child that ends in time.
pub fn wait(child: &mut Child, at_most: Duration) -> Option<std::process::ExitStatus> {
    let deadline = Instant::now() + at_most;
    loop {
        if let Some(status) = child.try_wait().expect("it was started") {
            return Some(status);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn collect(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // Output before an error is still worth showing.
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}
