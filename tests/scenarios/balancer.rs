//! `echo-server balance` with backends that are up, fail, or start late.

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use echo_server::model::ModelKind;
use echo_test_support::client::Client;
use echo_test_support::deadline::{PATIENCE, wait_until};
use echo_test_support::program::{own_program, run};
use echo_test_support::running_server::RunningServer;
use rustix::process::Signal;

use crate::named_hosts::NamedHosts;
use crate::third_party_server::free_address;

/// A balancer process; killed when dropped.
pub(crate) struct Balancer {
    child: Child,
    ready: serde_json::Value,
    /// None of a unix-domain socket.
    address: Option<SocketAddr>,
}

impl Balancer {
    pub(crate) fn start(backends: &[SocketAddr], flags: &[&str]) -> Self {
        let backends = backends.iter().map(|backend| format!("--backend={backend}"));
        let mut program = Command::new(own_program("echo-server"));
        Self::start_as(
            program.args(["balance", "127.0.0.1:0", "--quiet"]).args(backends),
            flags,
        )
    }

    /// The same with a given command, which contains all other flags.
    pub(crate) fn start_as(program: &mut Command, flags: &[&str]) -> Self {
        let mut child = program
            .arg("--check-interval=50ms")
            .args(flags)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        stdout.read_line(&mut line).expect("it says that it is ready");
        let ready: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let address = ready["addr"].as_str().expect("an address").parse().ok();
        Self { child, ready, address }
    }

    /// What its ready line says.
    pub(crate) fn ready(&self) -> &serde_json::Value {
        &self.ready
    }

    /// Its address, which must be one of TCP.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address.expect("one of TCP")
    }

    fn connect(&self) -> Client {
        Client::connect(self.address())
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn server(flags: &[&str]) -> RunningServer {
    RunningServer::start(ModelKind::default(), flags)
}

#[test]
fn the_death_of_one_backend_under_load_harms_no_connection_to_the_other_and_no_new_one() {
    let (live, mut doomed) = (server(&[]), server(&[]));
    let balancer = Balancer::start(&[live.address(), doomed.address()], &[]);
    let mut clients: Vec<Client> = (0..200).map(|_| balancer.connect()).collect();
    for client in &mut clients {
        client.exchange(b"before\n", b"ECHO: before\n");
    }
    let (asked, died) = (AtomicUsize::new(0), AtomicBool::new(false));
    let kept = thread::scope(|scope| {
        let threads: Vec<_> = clients
            .chunks_mut(25)
            .map(|clients| scope.spawn(|| ask_again_and_again(clients, &asked, &died)))
            .collect();
        wait_until("all are loaded", || asked.load(Ordering::Relaxed) > 1000);
        doomed.signal(Signal::KILL);
        wait_until("the backend is dead", || !doomed.is_running());
        for _ in 0..50 {
            balancer.connect().exchange(b"new\n", b"ECHO: new\n");
        }
        died.store(true, Ordering::Relaxed);
        threads.into_iter().map(|thread| thread.join().expect("no wrong reply")).sum::<usize>()
    });
    // Half of the connections were to the dead backend and ended; the others were unaffected.
    assert_eq!(kept, 100);
}

/// Sends requests over all of `clients` until `stop`, and then once more; returns how many were
/// answered to the end.
fn ask_again_and_again(
    clients: &mut [Client],
    asked: &AtomicUsize,
    stop: &AtomicBool,
) -> usize {
    let mut open: Vec<&mut Client> = clients.iter_mut().collect();
    loop {
        let last = stop.load(Ordering::Relaxed);
        open.retain_mut(|client| match &client.try_line(b"load\n")[..] {
            b"ECHO: load\n" => true,
            // A dead backend may have sent part of its last reply.
            cut if b"ECHO: load\n".starts_with(cut) => false,
            other => panic!("{:?}", String::from_utf8_lossy(other)),
        });
        asked.fetch_add(open.len(), Ordering::Relaxed);
        if last {
            return open.len();
        }
    }
}

#[test]
fn a_backend_that_comes_late_is_used_once_it_is_there() {
    let live = server(&[]);
    let late = free_address();
    let balancer = Balancer::start(&[late, live.address()], &["--policy=least-conns"]);
    let held: Vec<Client> = (0..4)
        .map(|_| {
            let mut client = balancer.connect();
            client.exchange(b"a\n", b"ECHO: a\n");
            client
        })
        .collect();
    let listener = TcpListener::bind(late).expect("still free");
    // Health checks connect without sending; the first that sends is a client.
    let greeted = thread::spawn(move || {
        loop {
            let (mut stream, _) = listener.accept().expect("the listener lives");
            stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
            let mut bytes = [0; 2];
            if stream.read_exact(&mut bytes).is_ok() {
                return bytes;
            }
        }
    });
    let mut others = Vec::new();
    wait_until("a client reaches the late backend", || {
        let mut client = balancer.connect();
        client.send(b"b\n");
        others.push(client);
        greeted.is_finished()
    });
    assert_eq!(greeted.join().expect("no panic"), *b"b\n");
    drop(held);
}

#[test]
fn many_bytes_pass_both_ways_and_so_does_half_close() {
    let echo = server(&["--protocol", "raw"]);
    let balancer = Balancer::start(&[echo.address()], &[]);
    let bytes: Vec<u8> = (0..50_u32 << 18)
        .flat_map(|word| word.wrapping_mul(0x9e37_79b9).to_le_bytes())
        .collect();
    let seen = balancer.connect().converse(&bytes);
    assert!(seen == bytes, "{} bytes of {}", seen.len(), bytes.len());
}

#[test]
fn a_client_that_stays_after_its_backend_has_ended_is_let_go_but_not_while_it_sends() {
    let backend = TcpListener::bind("127.0.0.1:0").expect("ports are left");
    let address = backend.local_addr().expect("it is bound");
    let balancer = Balancer::start(&[address], &["--half-close-timeout=2s"]);
    let mut client = balancer.connect();
    client.send(b"!");
    // Health checks connect without sending.
    let mut stream = loop {
        let (mut stream, _) = backend.accept().expect("the listener lives");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        if matches!(stream.read(&mut [0]), Ok(1)) {
            break stream;
        }
    };
    stream.shutdown(Shutdown::Write).expect("it is connected");
    assert_eq!(client.read_to_end(), b"");
    let mut byte = [0];
    for _ in 0..25 {
        thread::sleep(Duration::from_millis(100));
        client.send(b".");
        stream.read_exact(&mut byte).expect("what moves is not cut");
    }
    let ended = stream.read(&mut byte);
    let timed_out = |error: &std::io::Error| error.kind() == ErrorKind::WouldBlock;
    assert!(!ended.as_ref().is_err_and(timed_out) && !matches!(ended, Ok(1)), "{ended:?}");
}

#[test]
fn a_balancer_does_not_balance_to_itself_by_whatever_name() {
    let port = free_address().port();
    for (own, backend) in [
        (format!("127.0.0.1:{port}"), format!("127.0.0.1:{port}")),
        (format!("127.0.0.1:{port}"), format!("[::ffff:127.0.0.1]:{port}")),
        (format!("127.0.0.1:{port}"), format!("localhost:{port}")),
        (format!("0.0.0.0:{port}"), format!("[::ffff:127.0.0.9]:{port}")),
        (format!(":{port}"), format!("127.0.0.9:{port}")),
    ] {
        let mut balancer = Command::new(own_program("echo-server"));
        let output =
            run(balancer.args(["balance", &own, "--backend", &backend]), b"", PATIENCE);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        let told = format!("--backend {backend} is the address of the balancer itself");
        assert!(errors.contains(&told), "{own}: {errors}");
    }
}

#[test]
fn a_backend_is_told_that_a_check_is_no_client() {
    for (version, header) in
        [("v1", &b"PROXY UNKNOWN\r\n"[..]), ("v2", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0")]
    {
        let backend = TcpListener::bind("127.0.0.1:0").expect("ports are left");
        let address = backend.local_addr().expect("it is bound");
        let _balancer = Balancer::start(&[address], &[&format!("--proxy-protocol={version}")]);
        for _ in 0..2 {
            let (mut check, _) = backend.accept().expect("the listener lives");
            check.set_read_timeout(Some(PATIENCE)).expect("a socket");
            let mut told = Vec::new();
            check.read_to_end(&mut told).expect("an end, and no reset");
            assert_eq!(told.escape_ascii().to_string(), header.escape_ascii().to_string());
        }
    }
}

#[test]
fn a_client_of_a_dual_stack_balancer_has_the_address_that_it_is_reached_by() {
    let backend = TcpListener::bind("127.0.0.1:0").expect("ports are left");
    let address = backend.local_addr().expect("it is bound");
    let mut program = Command::new(own_program("echo-server"));
    program.args(["balance", ":0", "--quiet", "--backend", &address.to_string()]);
    let balancer = Balancer::start_as(&mut program, &["--proxy-protocol=v1"]);
    let port = balancer.address().port();
    let mut targets = vec![SocketAddr::from(([127, 0, 0, 1], port))];
    if balancer.address().is_ipv6() {
        targets.push(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port)));
    }
    for target in targets {
        let client = Client::connect(target);
        let own = client.stream().local_addr().expect("it is connected");
        let header = loop {
            let (stream, _) = backend.accept().expect("the listener lives");
            let mut header = String::new();
            BufReader::new(stream).read_line(&mut header).expect("text");
            if header != "PROXY UNKNOWN\r\n" {
                break header;
            }
        };
        let (family, ip) = (if target.is_ipv4() { "TCP4" } else { "TCP6" }, own.ip());
        assert_eq!(header, format!("PROXY {family} {ip} {ip} {} {port}\r\n", own.port()));
    }
}

#[test]
fn a_backend_s_name_is_tried_at_all_its_addresses_and_looked_up_again_once_it_is_down() {
    let test = "a_backend_s_name_is_tried_at_all_its_addresses";
    let lines = "127.0.0.7 two.test\n127.0.0.1 two.test\n";
    let Some(mut hosts) = NamedHosts::new_or_skip(test, lines) else { return };
    let mut first = server(&[]);
    let port = first.address().port();
    let mut program = hosts.own_program("echo-server");
    let backend = format!("--backend=two.test:{port}");
    let balancer =
        Balancer::start_as(program.args(["balance", "127.0.0.1:0", "--quiet", &backend]), &[]);
    for _ in 0..10 {
        balancer.connect().exchange(b"x\n", b"ECHO: x\n");
    }
    first.stop();
    // An address that the name does not resolve to yet.
    let mut program = Command::new(own_program("echo-server"));
    let moved = format!("127.0.0.8:{port}");
    let _moved = RunningServer::start_as(program.arg(moved), ModelKind::default(), &[]);
    // Without a backend a connection is reset, perhaps before it is seen to be made.
    let reply = || match Client::try_connect(balancer.address()) {
        Ok(mut client) => client.try_line(b"x\n"),
        Err(_) => Vec::new(),
    };
    assert_eq!(reply(), b"");
    hosts.set("127.0.0.8 two.test\n");
    wait_until("the backend is found where it is now", || reply() == b"ECHO: x\n");
}

#[test]
fn usr1_tells_how_a_balancer_and_its_backends_do() {
    let (live, dead) = (server(&[]), free_address());
    let mut child = Command::new(own_program("echo-server"))
        .args(["balance", "127.0.0.1:0", "--check-interval=50ms"])
        .args([format!("--backend={}", live.address()), format!("--backend={dead}")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    let stderr = BufReader::new(child.stderr.take().expect("piped"));
    let pid = rustix::process::Pid::from_child(&child);
    let signal = |signal| rustix::process::kill_process(pid, signal).expect("it runs");
    let mut lines = stderr.lines().map_while(Result::ok);
    let mut wait_for = |part: &str| {
        lines.find(|line| line.contains(part)).unwrap_or_else(|| panic!("never said: {part}"));
    };
    wait_for("backend is down");
    signal(Signal::HUP);
    signal(Signal::USR1);
    wait_for("echo-server: so far 0 connections, 0 unserved, 0 aborted");
    wait_for(&format!("echo-server: backend {} is up, 0 connections open", live.address()));
    wait_for(&format!("echo-server: backend {dead} is down, 0 connections open"));
    signal(Signal::TERM);
    wait_for("echo-server: 0 connections, 0 unserved, 0 aborted");
    assert!(child.wait().expect("it was started").success());
}

#[test]
fn a_backend_is_told_who_the_client_is() {
    let backend = TcpListener::bind("127.0.0.1:0").expect("ports are left");
    let address = backend.local_addr().expect("it is bound");
    let balancer = Balancer::start(&[address], &["--proxy-protocol=v1"]);
    let mut client = balancer.connect();
    client.send(b"hello\n");
    let own = client.stream().local_addr().expect("it is connected");
    let told = loop {
        let (stream, _) = backend.accept().expect("the listener lives");
        let mut lines = BufReader::new(stream).lines();
        // Health checks are marked as LOCAL.
        if let Some(Ok(line)) = lines.next()
            && line != "PROXY UNKNOWN"
        {
            break [line, lines.next().expect("more").expect("text")];
        }
    };
    let header =
        format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}", own.port(), balancer.address().port());
    assert_eq!(told, [header, "hello".to_owned()]);
}
