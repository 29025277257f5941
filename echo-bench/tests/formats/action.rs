//! The steps of the GitHub action that compares two commits of a server, as its script.

use std::fs;
use std::process::Command;

use echo_test_support::program::third_party_or_skip;

use super::*;

/// A line echo server that waits before each reply.
const SERVER: &str = "\
import os, socketserver, time
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            time.sleep(DELAY)
            self.wfile.write(b'ECHO: ' + line)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
Server(('127.0.0.1', int(os.environ['PORT'])), Echo).serve_forever()
";

fn git(room: &Path, arguments: &[&str]) {
    let settings =
        ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"];
    let mut git = Command::new("git");
    let done = git.args(settings).args(arguments).current_dir(room).output().unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", text(&done.stderr));
}

/// A repository with two commits, the second of which is slower.
fn repository(room: &Path) {
    git(room, &["init", "-q", "-b", "main"]);
    for (delay, name) in [("0.001", "fast"), ("0.006", "slow")] {
        fs::write(room.join("server.py"), SERVER.replace("DELAY", delay)).unwrap();
        git(room, &["add", "server.py"]);
        git(room, &["commit", "-q", "-m", name]);
        git(room, &["tag", name]);
    }
}

fn script(room: &Path, settings: &[(&str, &str)]) -> Output {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../.github/actions/compare/compare.sh");
    Command::new("bash")
        .arg(script)
        .current_dir(room)
        .env("ECHO_BENCH", env!("CARGO_BIN_EXE_echo-bench"))
        .env("BUILD", "python3 -m py_compile server.py")
        .env("SERVER", "exec python3 server.py")
        .env("FLAGS", "--protocol line --conns 2 -d 400ms --warmup 100ms --pin off")
        .env("REPEAT", "4")
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_OUTPUT", room.join("outputs"))
        .env_remove("GITHUB_STEP_SUMMARY")
        .envs(settings.iter().copied())
        .output()
        .unwrap()
}

#[test]
fn two_commits_are_built_measured_in_turns_and_compared() {
    let test = "two_commits_are_built_measured_in_turns_and_compared";
    for program in ["git", "python3", "bash"] {
        if third_party_or_skip(test, program).is_none() {
            return;
        }
    }
    let room = tempfile::tempdir().unwrap();
    repository(room.path());
    let output = script(room.path(), &[("BASE", "fast"), ("HEAD", "slow")]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{said}{}", text(&output.stderr));
    assert!(said.contains("::error title="), "{said}");
    let results = room.path().join("echo-bench-results");
    let read = |name: &str| fs::read_to_string(results.join(name)).unwrap();
    let comment = read("comment.md");
    assert!(
        comment.starts_with("<!-- echo-bench compare -->") && comment.contains("worse"),
        "{comment}"
    );
    assert!(read("junit.xml").contains("<failure type=\"p50\""), "{}", read("junit.xml"));
    assert!(read("comparison.html").contains("<html"));
    let outputs = fs::read_to_string(room.path().join("outputs")).unwrap();
    assert!(outputs.contains("exit-code=3\n") && outputs.contains("comment.md\n"), "{outputs}");
    let trees =
        Command::new("git").args(["worktree", "list"]).current_dir(room.path()).output();
    assert_eq!(text(&trees.unwrap().stdout).lines().count(), 1, "a work tree is left");
    // Results of before are kept, and only what was asked for fails.
    let again = script(room.path(), &[("BASE", "fast"), ("HEAD", "slow")]);
    assert_eq!(again.status.code(), Some(2), "{}", text(&again.stderr));
}

#[test]
fn what_is_missing_is_said() {
    let test = "what_is_missing_is_said";
    if third_party_or_skip(test, "git").is_none() {
        return;
    }
    let room = tempfile::tempdir().unwrap();
    repository(room.path());
    for (settings, code, words) in [
        (&[("BASE", ""), ("HEAD", "slow")][..], 2, "BASE is not set"),
        (&[("BASE", "--all"), ("HEAD", "slow")], 1, "no commit --all here"),
        (&[("BASE", "fast"), ("HEAD", "slow"), ("BUILD", "false")], 1, "building base failed"),
        (&[("BASE", "fast"), ("HEAD", "slow"), ("FAIL_ON", "x")], 2, "worse or never"),
    ] {
        let results = room.path().join("echo-bench-results");
        if results.exists() {
            fs::remove_dir_all(&results).unwrap();
        }
        let output = script(room.path(), settings);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains(words), "{}", text(&output.stderr));
    }
}
