//! Carries out the commands of a page, in one shell and one folder, so that a server that one of
//! them starts in the background serves those after it: [`carry_out`].

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{own_program, run, tell_skipped, wait};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::page::{Command, Page};

/// Programs of third parties that pages use. A block with one that is not installed is skipped.
const THIRD_PARTY: [&str; 10] = [
    "curl",
    "jq",
    "nc",
    "openssl",
    "psql",
    "python3",
    "redis-server",
    "promtool",
    "nats-server",
    "perf",
];

/// What no page's test carries out, and why.
const NEVER: [(&str, &str); 7] = [
    ("tests/run.sh", "it runs this test"),
    ("dist/build.sh", "it makes a release build"),
    ("docker", "it needs an engine and an image"),
    ("sudo", "it changes the machine"),
    ("man", "it needs installed pages"),
    ("selftest", "echo-bench/tests/selftest.rs runs it"),
    ("--live", "it needs a terminal; echo-bench/tests/live runs it"),
];

/// Ports that pages use; a page gets free ones instead.
const PORTS: [&str; 7] = ["9000", "9001", "9002", "9100", "9101", "9200", "8080"];

/// Ports of pages begin here, below those that the kernel gives to connections.
const FIRST_PORT: u16 = 20_000;

/// All commands of a page, on a busy machine.
const FOR_A_PAGE: Duration = Duration::from_secs(12 * PATIENCE.as_secs());

/// The same without making anything small.
const FOR_A_WHOLE_PAGE: Duration = Duration::from_mins(20);

/// What became of a command.
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Exit codes of a command that did its work: 3 and 4 are what a measurement came to.
const OUTCOMES: [i32; 3] = [0, 3, 4];

impl Done {
    pub(crate) fn is_successful(&self) -> bool {
        self.code.is_some_and(|code| OUTCOMES.contains(&code))
    }
}

/// How commands are carried out.
pub(crate) enum Manner {
    /// Made small, by the programs in tests/docs/programs.
    Small,
    /// As typed, by the programs in this folder.
    AsTyped(PathBuf),
}

/// Carries out the commands of each block marked `console`, and returns what became of them. A
/// block that can't be carried out here is `None`.
pub(crate) fn carry_out(
    page: &Page,
    blocks: &[Vec<Command<'_>>],
    manner: &Manner,
) -> Vec<Option<Vec<Done>>> {
    let folder = tempfile::tempdir().expect("room for a folder");
    let kept = tempfile::tempdir().expect("room for a folder");
    let is_possible: Vec<bool> =
        blocks.iter().map(|block| is_possible(page, block, manner)).collect();
    let possible = blocks.iter().zip(&is_possible).filter(|(_, possible)| **possible);
    let commands: Vec<&Command<'_>> = possible.flat_map(|(block, _)| block).collect();
    let script = script(&commands, kept.path(), &ports(manner));
    let mut shell = process::Command::new("bash");
    shell
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("HOME", folder.path())
        .env("XDG_DATA_HOME", folder.path())
        .env("ECHO_PROJECT", env!("CARGO_MANIFEST_DIR"))
        .env("PATH", path(manner))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    if matches!(manner, Manner::Small) {
        shell.env("ECHO_BENCH", own_program("echo-bench"));
    }
    let mut shell = shell.spawn().expect("there is a shell");
    let at_most = if matches!(manner, Manner::Small) { FOR_A_PAGE } else { FOR_A_WHOLE_PAGE };
    let ended = wait(&mut shell, at_most);
    let group = i32::try_from(shell.id()).ok().and_then(Pid::from_raw);
    if let (None, Some(group)) = (ended, group) {
        // The test fails below, and nothing that the page has started outlives it.
        let _ = kill_process_group(group, Signal::KILL);
        let _ = shell.wait();
    }
    let mut done = (0..commands.len()).map(|number| read(kept.path(), number));
    let results = blocks.iter().zip(is_possible).map(|(block, possible)| {
        possible.then(|| done.by_ref().take(block.len()).collect::<Vec<Done>>())
    });
    let results = results.collect();
    assert!(ended.is_some(), "{}: {}", page.name, last_begun(&commands, kept.path()));
    results
}

/// Whether all that the block needs is here; reports it if not.
fn is_possible(page: &Page, block: &[Command<'_>], manner: &Manner) -> bool {
    let missing = block.iter().flat_map(Command::words).find_map(|word| {
        let never = NEVER.into_iter().find(|(name, _)| word == *name);
        let reason = never.map(|(name, reason)| format!("{name}: {reason}"));
        let builds = word == "cargo" && matches!(manner, Manner::AsTyped(_));
        let reason = reason.or_else(|| builds.then(|| "cargo: it builds a release".into()));
        let reason = reason.or_else(|| {
            let is_missing = THIRD_PARTY.contains(&word) && !is_installed(word);
            is_missing.then(|| format!("{word} not found"))
        });
        reason.or_else(|| (word == "--link").then(no_link)?)
    });
    if let Some(reason) = &missing {
        tell_skipped(&format!("a block of {}", page.name), reason);
    }
    missing.is_none()
}

/// Why links can't be emulated here.
fn no_link() -> Option<String> {
    let mut try_it = process::Command::new(own_program("echo-bench"));
    let tried = run(try_it.arg("try-link"), b"", PATIENCE);
    let said = || format!("--link: {}", String::from_utf8_lossy(&tried.stderr).trim());
    (!tried.status.success()).then(said)
}

fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Where the shell looks for programs.
fn path(manner: &Manner) -> String {
    let path = env::var("PATH").unwrap_or_default();
    match manner {
        Manner::Small => {
            let small = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/programs");
            let own = own_program("echo-bench");
            let own = own.parent().expect("it is in a folder").display();
            format!("{small}:{own}:{path}")
        }
        Manner::AsTyped(programs) => format!("{}:{path}", programs.display()),
    }
}

/// A free port for each that pages use. Pages that show what is printed have their own.
fn ports(manner: &Manner) -> BTreeMap<&'static str, String> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = FIRST_PORT + (process::id() % 1000) as u16 * 10;
    let free = || loop {
        let port = begin + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port.to_string();
        }
    };
    match manner {
        Manner::Small => PORTS.into_iter().map(|port| (port, free())).collect(),
        Manner::AsTyped(_) => BTreeMap::new(),
    }
}

/// The command with these ports.
fn at_ports(typed: &str, ports: &BTreeMap<&str, String>) -> String {
    let mut changed = String::new();
    let mut digits = String::new();
    for c in typed.chars().chain(['\n']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        // A number with a unit, as 9000k, is none.
        let port = ports.get(digits.as_str()).filter(|_| !c.is_ascii_alphabetic());
        changed.push_str(port.unwrap_or(&digits));
        digits.clear();
        changed.push(c);
    }
    changed
}

/// Runs each command and keeps its output and its exit code in files by its number.
fn script(commands: &[&Command<'_>], kept: &Path, ports: &BTreeMap<&str, String>) -> String {
    let kept = kept.display();
    let mut script = String::new();
    for (number, command) in commands.iter().enumerate() {
        let typed = at_ports(&command.typed, ports);
        let _ = write!(
            script,
            ": >{kept}/{number}.begun\n\
             {{\n{typed}}} >{kept}/{number}.out 2>{kept}/{number}.err\n\
             echo $? >{kept}/{number}.code\n",
        );
        if command.is_in_background() && !command.shown.is_empty() {
            // A server says on stdout that it is ready.
            let _ = writeln!(
                script,
                "for _ in $(seq 1000); do [ -s {kept}/{number}.out ] && break; sleep 0.02; done",
            );
        }
    }
    script.push_str("kill $(jobs -p) 2>/dev/null; wait\n");
    script
}

fn read(kept: &Path, number: usize) -> Done {
    let text = |kind| {
        let bytes = fs::read(kept.join(format!("{number}.{kind}"))).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    Done { code: text("code").trim().parse().ok(), stdout: text("out"), stderr: text("err") }
}

fn last_begun(commands: &[&Command<'_>], kept: &Path) -> String {
    let begun = |number: &usize| kept.join(format!("{number}.begun")).exists();
    let last = (0..commands.len()).take_while(begun).last();
    let last = last.map_or("no command", |number| &commands[number].typed);
    format!("did not end in time: {last}")
}

#[test]
fn a_page_gets_ports_of_its_own() {
    let ports = BTreeMap::from([("9000", "21000".to_owned())]);
    let changed = at_ports("echo-client 9000 --rate 9000k -n 19000 127.0.0.1:9000", &ports);
    assert_eq!(changed, "echo-client 21000 --rate 9000k -n 19000 127.0.0.1:21000\n");
}
