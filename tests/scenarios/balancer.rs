//! `echo-server balance` between servers that live, die and come late.

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use echo_server::model::ModelKind;
use rustix::process::Signal;

use crate::client::Client;
use crate::deadline::{PATIENCE, wait_until};
use crate::program::{own_program, run};
use crate::running_server::RunningServer;
use crate::third_party_server::free_address;

/// A balancer process; killed when dropped.
struct Balancer {
    child: Child,
    address: SocketAddr,
}

impl Balancer {
    fn start(backends: &[SocketAddr], flags: &[&str]) -> Self {
        let backends = backends.iter().map(|backend| format!("--backend={backend}"));
        let mut child = Command::new(own_program("echo-server"))
            .args(["balance", "127.0.0.1:0", "--quiet", "--check-interval=50ms"])
            .args(backends)
            .args(flags)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        stdout.read_line(&mut line).expect("it says that it is ready");
        let ready: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let address = ready["addr"].as_str().and_then(|text| text.parse().ok());
        Self { child, address: address.expect("an address") }
    }

    fn connect(&self) -> Client {
        Client::connect(self.address)
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
    // Half of them were with the dead one and ended; the others noticed nothing.
    assert_eq!(kept, 100);
}

/// Keeps asking over all of `clients` until `stop`, and then once more; how many were
/// answered to the last.
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
            // A dead backend may have said a part of its last reply.
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
    // Checks connect and say nothing; the first that speaks is a client.
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
    // Checks connect and say nothing.
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
fn a_balancer_does_not_balance_to_itself() {
    let own = free_address().to_string();
    let mut balancer = Command::new(own_program("echo-server"));
    let output = run(balancer.args(["balance", &own, "--backend", &own]), b"", PATIENCE);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains(&format!("--backend {own} is this balancer itself")), "{errors}");
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
        if let Some(Ok(line)) = lines.next() {
            break [line, lines.next().expect("more").expect("text")];
        }
    };
    let header =
        format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}", own.port(), balancer.address.port());
    assert_eq!(told, [header, "hello".to_owned()]);
}
