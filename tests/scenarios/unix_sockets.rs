//! Unix-domain sockets, from end to end: server, generator with both engines, client, balancer,
//! and programs of others.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use echo_server::model::ModelKind;
use echo_test_support::bench_process::{BenchProcess, each_engine};
use echo_test_support::deadline::{PATIENCE, wait_until};
use echo_test_support::program::{own_program, run, third_party_or_skip};
use echo_test_support::running_server::{RunningServer, each_model};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::balancer::Balancer;

/// A folder with room for sockets.
struct Room(TempDir);

impl Room {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("there is room for files"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn address(&self, name: &str) -> String {
        format!("unix:{}", self.path(name).display())
    }
}

fn connect(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).expect("a server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream
}

/// Asks for an echo and reads it.
fn exchange(mut stream: &UnixStream, text: &str) {
    writeln!(stream, "{text}").expect("the server reads");
    let mut reply = vec![0; "ECHO: \n".len() + text.len()];
    stream.read_exact(&mut reply).expect("the server answers");
    assert_eq!(reply, format!("ECHO: {text}\n").as_bytes());
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("it is text")
}

#[test]
fn the_file_of_the_socket_lives_as_long_as_the_server() {
    let room = Room::new();
    each_model(|model| {
        let name = model.to_string();
        let path = room.path(&name);
        let mut server = RunningServer::start_at(&room.address(&name), model, &["-v"]);
        assert_eq!(server.ready()["addr"], room.address(&name), "{model}");
        exchange(&connect(&path), "hello");
        let said = server.stop();
        assert!(!path.exists(), "{model}: the file stays");
        let user = rustix::process::getuid().as_raw();
        assert!(said.contains(&format!("peer=unix:uid={user}")), "{model}: {said}");
        assert!(!said.contains("public address"), "{model}: {said}");
    });
}

#[test]
fn a_killed_server_leaves_a_socket_that_the_next_one_replaces_and_a_live_one_is_kept() {
    let room = Room::new();
    let (address, path) = (room.address("echo"), room.path("echo"));
    let mut killed = RunningServer::start_at(&address, ModelKind::Epoll, &[]);
    killed.signal(Signal::KILL);
    wait_until("it is dead", || !killed.is_running());
    assert!(path.exists());
    let mut next = RunningServer::start_at(&address, ModelKind::Tokio, &[]);
    exchange(&connect(&path), "again");
    let mut second = Command::new(own_program("echo-server"));
    let refused = run(second.arg(&address), b"", PATIENCE);
    assert_eq!(refused.status.code(), Some(1));
    let told = text(&refused.stderr);
    assert!(told.contains("another server accepts connections there"), "{told}");
    exchange(&connect(&path), "still there");
    next.stop();
    fs::write(&path, "precious").expect("the file is gone");
    let mut third = Command::new(own_program("echo-server"));
    let refused = run(third.arg(&address), b"", PATIENCE);
    assert!(text(&refused.stderr).contains("is not a socket"), "{refused:?}");
    assert_eq!(fs::read(&path).expect("it is kept"), b"precious");
}

#[test]
fn the_umask_decides_who_may_connect() {
    let room = Room::new();
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask 077; exec \"$@\"", "sh"]);
    shell.arg(own_program("echo-server")).arg(room.address("echo"));
    let _server = RunningServer::start_as(&mut shell, ModelKind::Epoll, &[]);
    let mode = fs::metadata(room.path("echo")).expect("it listens").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_run_of_either_engine_reports_the_transport_and_claims_nothing_of_tcp() {
    let room = Room::new();
    each_engine(|engine| {
        let name = engine.trim_start_matches('-');
        let server = RunningServer::start_at(&room.address(name), ModelKind::Epoll, &[]);
        let target = room.address(name);
        let flags = ["-n", "2000", "-c", "70", "--warmup=0s", "--stamps=all", engine, &target];
        let run = BenchProcess::start(&flags).finish(PATIENCE);
        assert_eq!(run.code, Some(0), "{run:?}");
        assert_eq!(run.requests("ok"), 2000);
        let report = run.report();
        assert_eq!(report["plan"]["transport"], "unix");
        assert_eq!(report["plan"]["target"]["address"], target);
        assert_eq!(report["server"]["pid"], server.pid());
        let summary = &report["summary"];
        assert_eq!(summary["tcp"], Value::Null);
        assert_eq!(summary["socket"]["nodelay"], Value::Null);
        assert_eq!(summary["addresses"][0]["made"], 70);
        let unstamped = summary["unstamped"].as_str().unwrap_or_default();
        assert!(unstamped.contains("unix-domain sockets"), "{unstamped}");
        assert!(!run.stdout.contains("nodelay"), "{}", run.stdout);
        drop(server);
        assert_eq!(run.code, Some(0));
    });
}

#[test]
fn the_embedded_server_is_loaded_over_a_unix_socket_also_in_tls_and_by_a_pool() {
    for flags in [
        &["--tls"][..],
        &["--pool=4"],
        &["--reconnect-after=3", "--model=tokio"],
        &["--protocol=http", "--model=threads"],
        &["--rate=2000", "--duration=500ms", "--protocol=chat", "--conns=3"],
    ] {
        let all = [&["--transport=unix", "--warmup=0s"], flags].concat();
        let limit: &[&str] = if flags.len() > 2 { &[] } else { &["-n", "500"] };
        let run = BenchProcess::start(&[&all[..], limit].concat()).finish(PATIENCE);
        assert!(run.requests("ok") >= 500, "{flags:?}: {run:?}");
        assert_eq!(run.report()["plan"]["transport"], "unix", "{flags:?}");
        assert!(run.stdout.contains("over unix-domain sockets"), "{flags:?}: {}", run.stdout);
        assert!(run.report()["summary"]["server_side"].is_object(), "{flags:?}");
    }
}

#[test]
fn more_connections_than_the_backlog_holds_are_made_one_after_the_other() {
    let room = Room::new();
    // Accepts 300 connections one by one, each with a pause, and echoes the lines of each.
    let script = "import socket, sys, threading, time\n\
        s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(1)\n\
        print('ready', flush=True)\n\
        def serve(c):\n\
        \x20   for line in c.makefile('rb'): c.sendall(b'ECHO: ' + line)\n\
        for n in range(300):\n\
        \x20   time.sleep(0.002); c, _ = s.accept()\n\
        \x20   threading.Thread(target=serve, args=(c,), daemon=True).start()\n\
        time.sleep(60)\n";
    let test = "more_connections_than_the_backlog_holds_are_made_one_after_the_other";
    let Some(mut python) = third_party_or_skip(test, "python3") else { return };
    let mut child =
        python.args(["-c", script]).arg(room.path("echo")).spawn().expect("it is there");
    wait_until("it listens", || UnixStream::connect(room.path("echo")).is_ok());
    let flags = ["-c", "100", "-n", "300", "--warmup=0s", &room.address("echo")];
    let run = BenchProcess::start(&flags).finish(PATIENCE);
    child.kill().expect("it runs");
    child.wait().expect("it was started");
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(run.report()["summary"]["connections"]["established"], 100);
}

#[test]
fn a_sweep_compares_tcp_with_unix() {
    let room = Room::new();
    let mut command = Command::new(own_program("echo-bench"));
    command.current_dir(room.0.path()).args(["sweep", "--transport=tcp,unix"]);
    command.args(["--model=epoll,tokio", "--requests=200", "--warmup=0s", "--repeat=1"]);
    command.args(["--conns=2", "--pin=off", "--dir=kept"]);
    let output = run(&mut command, b"", 2 * PATIENCE);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("transport"), "{}", text(&output.stdout));
    let sweep = fs::read(room.path("kept/sweep.json")).expect("it is stored");
    let sweep: Value = serde_json::from_slice(&sweep).expect("it is JSON");
    let cells = sweep["cells"].as_array().expect("a sweep has cells");
    assert_eq!(cells.len(), 4);
    let report = |cell| {
        let file = room.path(&format!("kept/cell00{cell}-repeat01.json"));
        file.to_str().expect("text").to_owned()
    };
    let mut compare = Command::new(own_program("echo-bench"));
    compare.args(["compare", &report(1), &report(3)]);
    let compared = run(&mut compare, b"", PATIENCE);
    let said = text(&compared.stdout);
    assert!(said.contains("transport") && said.contains("unix"), "{said}");
}

#[test]
fn a_client_talks_and_pings_over_a_unix_socket_and_does_not_scan_it() {
    let room = Room::new();
    let _server = RunningServer::start_at(&room.address("echo"), ModelKind::Epoll, &[]);
    let client = |arguments: &[&str], input: &[u8]| {
        run(Command::new(own_program("echo-client")).args(arguments), input, PATIENCE)
    };
    let address = room.address("echo");
    let talk = client(&[&address], b"a\nb\n");
    assert_eq!((talk.status.code(), text(&talk.stdout)), (Some(0), "ECHO: a\nECHO: b\n"));
    let ping = client(&["ping", "-c", "20", "-i", "0", &address], b"");
    assert_eq!(ping.status.code(), Some(0), "{ping:?}");
    let said = text(&ping.stdout);
    assert!(said.contains(&address) && said.contains("20 answered"), "{said}");
    let gone = client(&[&room.address("none")], b"a\n");
    assert_eq!(gone.status.code(), Some(1), "{gone:?}");
    assert!(text(&gone.stderr).contains("no such file"), "{gone:?}");
    let scan = client(&["scan", &address], b"");
    assert_eq!(scan.status.code(), Some(2), "{scan:?}");
}

#[test]
fn a_balancer_listens_at_one_unix_socket_and_has_others_for_backends() {
    let room = Room::new();
    let server = |name: &str| {
        RunningServer::start_at(&room.address(name), ModelKind::Epoll, &["-p", "line"])
    };
    let (mut first, _second) = (server("a"), server("b"));
    let backends = ["a", "b"].map(|name| format!("--backend={}", room.address(name)));
    let mut program = Command::new(own_program("echo-server"));
    program.args(["balance", &room.address("front"), "--quiet"]).args(&backends);
    let balancer = Balancer::start_as(&mut program, &[]);
    assert_eq!(balancer.ready()["addr"], room.address("front"));
    let clients: Vec<_> = (0..4).map(|_| connect(&room.path("front"))).collect();
    for client in &clients {
        exchange(client, "to either");
        client.shutdown(std::net::Shutdown::Write).expect("it is connected");
        let mut rest = Vec::new();
        let mut client = client;
        client.read_to_end(&mut rest).expect("a graceful close");
        assert_eq!(rest, b"");
    }
    first.signal(Signal::KILL);
    wait_until("it is dead", || !first.is_running());
    // The dead one is skipped before a client notices.
    (0..10).for_each(|_| exchange(&connect(&room.path("front")), "to the other"));
    let itself = format!("--backend={}", room.address("self"));
    let mut loops = Command::new(own_program("echo-server"));
    let refused = run(loops.args(["balance", &room.address("self"), &itself]), b"", PATIENCE);
    assert!(text(&refused.stderr).contains("the balancer itself"), "{refused:?}");
}

#[test]
fn programs_of_others_reach_the_server_by_path_and_by_abstract_name() {
    let test = "programs_of_others_reach_the_server_by_path_and_by_abstract_name";
    let room = Room::new();
    let _server = RunningServer::start_at(&room.address("echo"), ModelKind::Epoll, &[]);
    if let Some(mut nc) = third_party_or_skip(test, "nc") {
        let output = run(nc.args(["-N", "-U"]).arg(room.path("echo")), b"a\nlast", PATIENCE);
        assert_eq!(text(&output.stdout), "ECHO: a\nECHO: last\n", "{output:?}");
    }
    if let Some(mut socat) = third_party_or_skip(test, "socat") {
        let place = format!("UNIX-CONNECT:{}", room.path("echo").display());
        let output = run(socat.args(["-t", "20", "-", &place]), b"a\n", PATIENCE);
        assert_eq!(text(&output.stdout), "ECHO: a\n", "{output:?}");
    }
    let named = RunningServer::start_at("unix:@", ModelKind::Epoll, &[]);
    let name = named.ready()["addr"].as_str().expect("an address").to_owned();
    let name = name.strip_prefix("unix:@").expect("an abstract name");
    let Some(mut python) = third_party_or_skip(test, "python3") else { return };
    let script = "import socket, sys\n\
        s = socket.socket(socket.AF_UNIX); s.connect('\\0' + sys.argv[1])\n\
        s.sendall(b'a\\nb'); s.shutdown(socket.SHUT_WR)\n\
        print(s.makefile().read(), end='')\n";
    let output = run(python.args(["-c", script, name]), b"", PATIENCE);
    assert_eq!(text(&output.stdout), "ECHO: a\nECHO: b\n", "{output:?}");
}
