//! `--exec`: any server, started for the run, and nothing left of it afterwards.

mod endings;
mod marked;
mod sweeps;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use echo_test_support::bench_process::{BenchProcess, Finished};
use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{own_program, run, third_party_or_skip};

use marked::Marked;

/// A raw echo server for one connection after the other, at port `argv[1]`; what comes before it
/// serves is in `argv[2]`.
const PYTHON: &str = r#"
import os, socket, sys, threading, time, signal
def serve(client):
    while piece := client.recv(1 << 16):
        client.sendall(piece)
    client.close()
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
if len(sys.argv) > 2:
    exec(sys.argv[2])
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"#;

/// The command of that server in `folder`.
fn python(folder: &Path, before: &str) -> String {
    let file = folder.join("server.py");
    fs::write(&file, PYTHON).expect("there is room");
    format!("python3 {} {{port}} \"{before}\"", file.display())
}

/// The command of our own server.
fn echo_server() -> String {
    format!("{} {{addr}} --quiet --model threads", own_program("echo-server").display())
}

/// A run of some requests against a server that `exec` starts.
fn load(marked: &Marked, exec: &str, flags: &[&str]) -> Finished {
    let exec = format!("--exec={exec}");
    let arguments = [&[&*exec, "--conns=2", "--requests=200", "--warmup=0"], flags].concat();
    let finished = marked.start(&arguments).finish(PATIENCE);
    marked.nothing_is_left();
    finished
}

#[track_caller]
fn says(finished: &Finished, code: i32, parts: &[&str]) {
    assert_eq!(finished.code, Some(code), "{finished:#?}");
    for part in parts {
        assert!(finished.stderr.contains(part), "no {part:?} in {finished:#?}");
    }
}

#[test]
fn our_own_server_is_started_by_a_command_like_any_other() {
    let marked = Marked::new();
    let command = echo_server();
    for (flags, wanted) in [(&[][..], 200), (&["--ready=\"ready\":true", "--pin=auto"], 200)] {
        let finished = load(&marked, &format!("new={command}"), flags);
        assert_eq!(finished.code, Some(0), "{finished:#?}");
        assert_eq!(finished.requests("ok"), wanted);
        let target = &finished.report()["plan"]["target"];
        assert_eq!((&target["kind"], &target["name"]), (&"command".into(), &"new".into()));
        assert_eq!(target["command"], command);
        let told = finished.stdout.replace('\n', " ");
        assert!(told.contains("new, started: "), "{}", finished.stdout);
        let digest = &finished.report()["server"]["program_sha256"];
        assert_eq!(digest.as_str().map(str::len), Some(64));
    }
    let tls = format!("{command} --tls-self-signed");
    let finished = load(&marked, &tls, &["--tls", "--insecure"]);
    assert_eq!(finished.requests("ok"), 200, "{finished:#?}");
    let repeated = load(&marked, &command, &["--repeat=2"]);
    assert_eq!(repeated.code, Some(0), "{repeated:#?}");
}

#[test]
fn the_cpu_time_of_processes_that_a_server_forks_is_its_own() {
    let test = "the_cpu_time_of_processes_that_a_server_forks_is_its_own";
    if third_party_or_skip(test, "python3").is_none() {
        return;
    }
    let (marked, folder) = (Marked::new(), tempfile::tempdir().expect("there is room"));
    // Each child serves a connection and uses 2 ms for it; whether its parent waits for it or not.
    let fork = "
listener = socket.create_server(('127.0.0.1', int(sys.argv[1])))
while True:
    client = listener.accept()[0]
    if os.fork() == 0:
        listener.close(); burn(0.002); serve(client); os._exit(0)
    client.close()
";
    let reaped = "signal.signal(signal.SIGCHLD, lambda *_: os.waitpid(-1, os.WNOHANG))";
    for waits in [reaped, "signal.signal(signal.SIGCHLD, signal.SIG_DFL)"] {
        let command = python(folder.path(), &format!("{waits}\n{fork}"));
        let flags = ["--protocol=raw", "--reconnect-after=1"];
        let finished = load(&marked, &command, &flags);
        assert_eq!(finished.requests("ok"), 200, "{finished:#?}");
        let cost = finished.report()["summary"]["cpu"]["server_us_per_message"].as_f64();
        assert!(cost > Some(1500.0), "each child used 2 ms: {cost:?}");
        let switches = &finished.report()["summary"]["cpu"]["server_context_switches"];
        assert!(switches.as_u64() > Some(0), "{switches}");
    }
    // One that does all the work, and lives.
    let child = "if os.fork() != 0: os.wait()\nburn(0.3)";
    let flags = ["--protocol=raw", "--ready=ready"];
    let command = python(folder.path(), &format!("print('ready', flush=True)\n{child}"));
    let finished = load(&marked, &command, &flags);
    let cost = finished.report()["summary"]["cpu"]["server_us_per_message"].as_f64();
    assert!(cost > Some(0.0), "{cost:?}");
}

#[test]
fn a_server_that_prints_megabytes_before_it_listens_is_waited_for() {
    let test = "a_server_that_prints_megabytes_before_it_listens_is_waited_for";
    if third_party_or_skip(test, "python3").is_none() {
        return;
    }
    let (marked, folder) = (Marked::new(), tempfile::tempdir().expect("there is room"));
    let before = "for _ in range(40): print('x' * 100_000)\nprint('now it serves', flush=True)";
    let command = python(folder.path(), before);
    let flags = ["--protocol=raw", "--ready=now it serves"];
    assert_eq!(load(&marked, &command, &flags).requests("ok"), 200);
    assert_eq!(load(&marked, &command, &flags[..1]).requests("ok"), 200);
}

#[test]
fn a_server_that_does_not_start_is_told_with_its_words() {
    let marked = Marked::new();
    let run = |exec: &str, flags: &[&str]| load(&marked, exec, flags);
    let ends = "sh -c 'echo starting; echo the disk is full >&2; exit 3' {port}";
    says(
        &run(ends, &[]),
        1,
        &["exit status 3", "  starting\n", "  the disk is full", "ended before"],
    );
    let silent = run("true {port}", &[]);
    says(&silent, 1, &["exit status 0", "it said nothing"]);
    let listens_not = run("sh -c 'echo hello; sleep 1000' {port}", &["--exec-timeout=300ms"]);
    says(&listens_not, 1, &["did not accept", "300ms", "--exec-timeout", "  hello"]);
    let unready = run(&echo_server(), &["--ready=never said", "--exec-timeout=300ms"]);
    says(&unready, 1, &["held `never said` within 300ms", "--ready"]);
    says(&run("no-such-program {port}", &[]), 1, &["no program `no-such-program`", "PATH"]);
    says(&run("/etc/passwd {port}", &[]), 1, &["no program `/etc/passwd`"]);
    for finished in [silent, listens_not, unready] {
        assert!(!finished.has_report(), "{finished:#?}");
        assert!(finished.took < Duration::from_secs(5), "{finished:#?}");
    }
}

#[test]
fn a_command_that_makes_no_sense_is_a_usage_error() {
    for (flags, part) in [
        (&["--exec=./server"][..], "{port}"),
        (&["--exec=sh -c 'x {port}"], "quote"),
        (&["--exec=x {port}", "127.0.0.1:80"], "cannot be used with"),
        (&["--exec=x {port}", "--target=127.0.0.1:80"], "cannot be used with"),
        (&["--exec=x {port}", "--model=epoll"], "cannot be used with"),
        (&["--exec=x {port}", "--server-pid=1"], "cannot be used with"),
        (&["--exec=x {port}", "--server-workers=1"], "--exec starts another one"),
        (&["--ready=x"], "--exec"),
        (&["--prepare=x"], "--exec"),
    ] {
        let finished = BenchProcess::start(flags).finish(PATIENCE);
        says(&finished, 2, &[part]);
    }
}

#[test]
fn what_prepares_a_server_is_run_before_it_and_must_succeed() {
    let (marked, folder) = (Marked::new(), tempfile::tempdir().expect("there is room"));
    let file = folder.path().join("made");
    let exec = format!("sh -c 'test -e {} && exec {}'", file.display(), echo_server());
    // What it leaves running ends with it.
    let make = format!("--prepare=sh -c 'sleep 1000 & echo {{port}} > {}'", file.display());
    assert_eq!(load(&marked, &exec, &[&make]).requests("ok"), 200);
    let port = fs::read_to_string(&file).expect("it was made");
    assert!(port.trim().parse::<u16>().is_ok(), "{port}");
    let fails = load(&marked, &exec, &["--prepare=sh -c 'echo no room; exit 9'"]);
    says(&fails, 1, &["preparing the server", "exit status 9", "  no room"]);
    let slow = load(&marked, &exec, &["--prepare=sleep 1000", "--prepare-timeout=200ms"]);
    says(&slow, 1, &["did not end within 200ms", "--prepare-timeout"]);
    says(&load(&marked, &exec, &["--prepare=nope"]), 1, &["--prepare", "no program `nope`"]);
}

#[test]
fn a_port_that_another_process_serves_is_not_measured() {
    let (marked, folder) = (Marked::new(), tempfile::tempdir().expect("there is room"));
    let file = folder.path().join("ports");
    fs::write(&file, "").expect("there is room");
    let exec = format!("sh -c 'echo {{port}} >> {}; sleep 1000'", file.display());
    let exec = format!("--exec={exec}");
    let run = marked.start(&[&exec, "--requests=10", "--warmup=0"]);
    let mut listeners = Vec::new();
    while listeners.len() < 4 {
        let ports = fs::read_to_string(&file).expect("it is there");
        let whole = ports.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for port in whole.lines().skip(listeners.len()) {
            let port: u16 = port.parse().expect("a port");
            listeners
                .push(std::net::TcpListener::bind(("127.0.0.1", port)).expect("it is free"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let finished = run.finish(PATIENCE);
    let us = format!("process {}", std::process::id());
    says(&finished, 1, &["did not serve the port", &us, "TARGET"]);
    marked.nothing_is_left();
}

#[test]
fn nginx_with_workers_and_redis_are_started_by_a_command() {
    let test = "nginx_with_workers_and_redis_are_started_by_a_command";
    let (marked, folder) = (Marked::new(), tempfile::tempdir().expect("there is room"));
    let place = folder.path().display();
    if third_party_or_skip(test, "redis-server").is_some() {
        let redis = "redis-server --bind 127.0.0.1 --save '' --appendonly no --port {port}";
        let finished = load(&marked, &format!("{redis} --dir {place}"), &["-p", "resp"]);
        assert_eq!(finished.requests("ok"), 200, "{finished:#?}");
    }
    if third_party_or_skip(test, "nginx").is_none() {
        return;
    }
    let configuration = format!(
        "daemon on; pid {place}/pid; error_log {place}/errors; worker_processes 2;
         events {{ worker_connections 64; }}
         http {{
             access_log off; client_body_temp_path {place}/1; proxy_temp_path {place}/2;
             fastcgi_temp_path {place}/3; uwsgi_temp_path {place}/4; scgi_temp_path {place}/5;
             server {{ listen ADDRESS; location / {{ return 200 \"ECHO: $request_uri\"; }} }}
         }}"
    );
    fs::write(folder.path().join("template"), configuration).expect("there is room");
    let prepare = format!(
        "--prepare=sh -c 'sed s/ADDRESS/{{addr}}/ {place}/template > {place}/{{port}}'"
    );
    let nginx = format!("nginx -e {place}/errors -c {place}/{{port}}");
    let finished = load(&marked, &nginx, &[&prepare, "-p", "http", "--message=/a"]);
    assert_eq!(finished.requests("ok"), 200, "{finished:#?}");
    assert_eq!(finished.code, Some(0), "{finished:#?}");
}

/// What `echo-bench` prints and how it ends.
fn bench(room: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(own_program("echo-bench"));
    let output = run(command.current_dir(room).args(arguments), b"", PATIENCE * 3);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}
